/**
 * The crash tests. `SPACEOS_TEST_LONG=1` visits a million cases instead of ten
 * thousand; `SPACEOS_SEED=N` replays one workload.
 *
 * @module
 */

import { assert, assertGreaterOrEqual } from "@std/assert";
import { type ExploreOptions, exploreSeed, type Tally } from "./explore.ts";
import { OUTCOMES } from "./power_cut.ts";
import type { Step } from "./recording_device.ts";

const long = Deno.env.get("SPACEOS_TEST_LONG") === "1";
const onlySeed = Deno.env.get("SPACEOS_SEED");

/** Few workloads, looked at closely, and many, looked at here and there. */
const PASSES = long
  ? [
    { firstSeed: 1, cases: 600_000, enumerate: 400, perSubset: 3 },
    { firstSeed: 1_000_001, cases: 1_000_000, enumerate: 0, perSubset: 1 },
  ]
  : [
    { firstSeed: 1, cases: 6_000, enumerate: OUTCOMES + 1, perSubset: 1 },
    { firstSeed: 1_000_001, cases: 12_000, enumerate: 0, perSubset: 1 },
  ];

Deno.test("Volume loses nothing that it acknowledged, wherever the power is cut", async () => {
  const tally: Tally = { cases: 0, workloads: 0, recoveryCuts: 0, repairs: 0 };
  for (const { firstSeed, cases, enumerate, perSubset } of PASSES) {
    const options: ExploreOptions = {
      budget: { enumerate, perSubset, subsets: 1000 },
      enough: () => false,
    };
    if (onlySeed !== undefined) {
      await exploreSeed(Number(onlySeed), options, tally);
      continue;
    }
    for (let seed = firstSeed; tally.cases < cases; seed++) {
      await exploreSeed(seed, options, tally);
    }
    assertGreaterOrEqual(tally.cases, cases);
  }
  console.log(
    `${tally.cases} cases of ${tally.workloads} workloads, ${tally.recoveryCuts} of them with recovery cut again, ${tally.repairs} repaired`,
  );
});

const BUDGET = { enumerate: OUTCOMES + 1, perSubset: 1, subsets: 1000 };

/** Ways to break the promise, each of which the oracle must notice. */
const SABOTAGES: Readonly<Record<string, (steps: readonly Step[]) => Step[]>> =
  {
    "a flush that lies": (steps) =>
      steps.filter((step) => step.kind !== "durable"),
    "a journal that is never written": (steps) =>
      steps.filter((step) => step.kind !== "write" || step.block !== 63),
    "a flush left out before a write in place": (steps) => {
      const kept: Step[] = [];
      for (const [index, step] of steps.entries()) {
        const before = steps.slice(0, index).findLast((other) =>
          other.kind === "write"
        );
        const isJournalFlush = step.kind === "durable" &&
          before?.kind === "write" && before.block === 63;
        if (!isJournalFlush) kept.push(step);
      }
      return kept;
    },
    "an acknowledgement before the flush": (steps) => {
      const moved: Step[] = [];
      for (const step of steps) {
        const last = moved.at(-1);
        if (step.kind === "acknowledged" && last?.kind === "durable") {
          moved.splice(-1, 0, step);
        } else moved.push(step);
      }
      return moved;
    },
    "blocks of the event ring that are not cleared first": (steps) =>
      steps.filter((step) =>
        step.kind !== "write" || step.block < 17 || step.block > 32 ||
        step.bytes.some((byte) => byte !== 0)
      ),
    "writes in place that go nowhere": (steps) =>
      steps.filter((step) => step.kind !== "write" || step.block === 63),
  };

for (const [name, sabotage] of Object.entries(SABOTAGES)) {
  Deno.test(`the crash tests notice ${name}`, async () => {
    const tally: Tally = {
      cases: 0,
      workloads: 0,
      recoveryCuts: 0,
      repairs: 0,
    };
    let noticed = "";
    for (let seed = 1; seed <= 40 && noticed === ""; seed++) {
      try {
        await exploreSeed(seed, {
          budget: BUDGET,
          sabotage,
          enough: () => tally.cases > 20_000,
        }, tally);
      } catch (error) {
        noticed = String(error);
      }
    }
    assert(noticed !== "", `${tally.cases} cases went by`);
  });
}
