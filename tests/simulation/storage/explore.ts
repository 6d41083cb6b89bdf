/**
 * Cuts a recorded run at every step, lets chance decide what is on the medium,
 * opens the volume, cuts the recovery again to a depth of three, and asks the
 * oracle. Imports the parts of the crash tests.
 *
 * @module
 */

import { equals } from "@std/bytes/equals";
import { checkVolume } from "../../../lib/storage/check.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import { repairVolume } from "../../../lib/storage/repair.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";
import { expectAfter, type Expectation, judge, lookBefore } from "./oracle.ts";
import { cutAt, type FateBudget, fates, materialize } from "./power_cut.ts";
import { Random } from "../random.ts";
import { RecordingDevice, type Step } from "./recording_device.ts";
import { makeWorkload, type Run, runWorkload } from "./workload.ts";

/** How deep a recovery is cut again. */
const RECOVERY_DEPTH = 3;

/** What was visited. */
export interface Tally {
  cases: number;
  workloads: number;
  recoveryCuts: number;
  repairs: number;
}

/** How an exploration goes. */
export interface ExploreOptions {
  readonly budget: FateBudget;
  /** Changes a recording: a mutation of the code under test. */
  readonly sabotage?: (steps: readonly Step[]) => Step[];
  /** Ends the exploration of this workload when it says true. */
  readonly enough: () => boolean;
}

/** Explores the workload of one seed. Throws at the first violation. */
export async function exploreSeed(
  seed: number,
  options: ExploreOptions,
  tally: Tally,
): Promise<void> {
  const workload = await makeWorkload(seed);
  const recorded = await runWorkload(workload);
  const run: Run = {
    ...recorded,
    steps: options.sabotage?.(recorded.steps) ?? recorded.steps,
  };
  tally.workloads++;
  const before = await lookBefore(run);
  const random = new Random(seed ^ 0x5EED);
  for (let count = 0; count <= run.steps.length; count++) {
    const last = run.steps[count - 1];
    // A cut behind a note of the test is the same as before it, save for what
    // it says of acknowledgements, so only cuts where the medium can differ
    // and those right behind an acknowledgement are of interest.
    if (last?.kind === "issued" && run.steps[count]?.kind === "issued") {
      continue;
    }
    const cut = cutAt(workload.start, run.steps, count);
    const expected = expectAfter(run, before, count);
    for (const fate of fates(cut.pending.length, options.budget, random)) {
      if (!workload.journal && fate.some((outcome) => outcome > 0)) {
        // Without a journal the promise needs a disk that tears no block.
        continue;
      }
      if (options.enough()) return;
      const medium = materialize(cut, fate, random);
      try {
        await judgeMedium(medium, expected, random, tally, 0);
      } catch (error) {
        throw new Error(
          `seed ${seed}, cut after step ${count} of ${run.steps.length}, fate [${fate}] of blocks [${
            cut.pending.map((pending) => pending.block)
          }] (${workload.description}): ${messageOf(error)}`,
          { cause: error },
        );
      }
    }
  }
}

async function judgeMedium(
  medium: Uint8Array<ArrayBuffer>,
  expected: Expectation,
  random: Random,
  tally: Tally,
  depth: number,
): Promise<void> {
  tally.cases++;
  const device = new RecordingDevice(medium.slice());
  const volume = await openVolume(device);
  await judge(volume, device.bytes, expected);
  if (device.steps.some((step) => step.kind === "write")) {
    await cutRecovery(medium, device.steps, expected, random, tally, depth);
  }
  if (random.chance(1, 6)) await judgeCheck(device.bytes, expected, tally);
  if (random.chance(1, 6)) await judgeUse(volume, device, random);
}

async function cutRecovery(
  medium: Uint8Array<ArrayBuffer>,
  steps: readonly Step[],
  expected: Expectation,
  random: Random,
  tally: Tally,
  depth: number,
): Promise<void> {
  if (depth >= RECOVERY_DEPTH) return;
  // A recovery has one block pending; a few of its fates at each level add up,
  // because nearly every case has a recovery.
  const budget: FateBudget = { enumerate: 0, perSubset: 1, subsets: 2 };
  for (let count = 1; count < steps.length; count++) {
    const cut = cutAt(medium, steps, count);
    if (cut.pending.length === 0) continue;
    for (const fate of fates(cut.pending.length, budget, random)) {
      if (depth === 0 && random.chance(3, 4)) continue;
      tally.recoveryCuts++;
      const torn = materialize(cut, fate, random);
      try {
        await judgeMedium(torn, expected, random, tally, depth + 1);
      } catch (error) {
        throw new Error(
          `recovery cut after step ${count}, fate [${fate}]: ${
            messageOf(error)
          }`,
        );
      }
    }
  }
}

/** The check must not call a recovered volume bad, nor a repaired one untidy. */
async function judgeCheck(
  medium: Uint8Array<ArrayBuffer>,
  expected: Expectation,
  tally: Tally,
): Promise<void> {
  const device = new MemoryBlockDevice({ bytes: medium.slice() });
  const report = await checkVolume(device);
  if (!equals(device.bytes, medium)) throw new Error("the check wrote");
  if (report.verdict === "bad") {
    throw new Error(
      `check says bad: ${report.findings.map((finding) => finding.message)}`,
    );
  }
  tally.repairs++;
  const { after } = await repairVolume(device);
  if (after.verdict !== "clean") {
    throw new Error(
      `not clean after repair: ${
        after.findings.map((finding) => finding.message)
      }`,
    );
  }
  await judge(await openVolume(device), device.bytes, expected);
}

/** A recovered volume must go on working. */
async function judgeUse(
  volume: Volume,
  device: RecordingDevice,
  random: Random,
): Promise<void> {
  const value = random.bytes(8);
  const payload = random.bytes(16);
  const [entry] = volume.parameters.list();
  const id = entry?.parameterId ?? 5;
  const [sequence] = await Promise.all([
    volume.events.append({
      timestamp: 2000,
      severity: 3,
      eventCode: 1,
      payload,
    }),
    volume.parameters.set(id, value),
  ]);
  // Without close: what was acknowledged must be found by recovery.
  const again = await openVolume(new RecordingDevice(device.bytes.slice()));
  const newest = again.events.recent(1)[0];
  if (newest?.sequence !== sequence || !equals(newest.payload, payload)) {
    throw new Error(`the event ${sequence} appended after recovery is lost`);
  }
  const found = again.parameters.get(id)?.value;
  if (found === undefined || !equals(found, value)) {
    throw new Error(`parameter ${id} set after recovery is lost`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
