/**
 * Workloads for the crash tests: a volume to begin with, and up to eight
 * operations on each store, some issued in one turn, some one after another.
 * Everything follows from a seed. Imports the storage room.
 *
 * @module
 */

import { openVolume, type Volume } from "../../../lib/storage/volume.ts";
import { formatVolume } from "../../../lib/storage/format.ts";
import { BLOCK_SIZE_BYTES } from "../../../lib/storage/device.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import type { EventRecord } from "../../../lib/wire/event.ts";
import { Random } from "../random.ts";
import { RecordingDevice, type Step } from "./recording_device.ts";

/** Size of the volumes: small, so that a case is cheap. */
export const VOLUME_BLOCKS = 64;

/** One operation of a workload. */
export type Operation =
  | {
    readonly kind: "set";
    readonly parameterId: number;
    readonly value: Uint8Array<ArrayBuffer>;
  }
  | { readonly kind: "append"; readonly record: EventRecord }
  | {
    readonly kind: "write";
    readonly name: string;
    readonly data: Uint8Array<ArrayBuffer>;
  }
  | { readonly kind: "checkpoint" };

/** A volume, what is done to it, and how. */
export interface Workload {
  readonly seed: number;
  readonly description: string;
  /** The medium before the run. */
  readonly start: Uint8Array<ArrayBuffer>;
  /** Operations of one group are issued in one turn. */
  readonly groups: readonly (readonly Operation[])[];
  /** Whether a group is issued before the one before it is acknowledged. */
  readonly pipelined: boolean;
  /** Whether the device offers durable writes. */
  readonly durableWrites: boolean;
  /** Whether the volume has a journal. */
  readonly journal: boolean;
}

/** A workload that was carried out, with everything that happened. */
export interface Run {
  readonly workload: Workload;
  readonly operations: readonly Operation[];
  readonly steps: readonly Step[];
}

const KINDS = ["parameters", "events", "products", "mixed"] as const;

/** Makes the workload of a seed. */
export async function makeWorkload(seed: number): Promise<Workload> {
  const random = new Random(seed);
  const kind = KINDS[random.below(KINDS.length)] ?? "mixed";
  const journal = !random.chance(1, 8);
  // Some records are identical: a log has many that are, and of some all.
  const alike = random.chance(1, 6) ? 5 : 1;
  const base = await makeBase(random, journal, alike);
  const groups: Operation[][] = [];
  const counts = { set: 0, append: 0, write: 0, checkpoint: 0 };
  // Bursts go beyond the eight operations, so that a batch spans blocks.
  const burst = random.chance(1, 4);
  let left = burst ? 24 : 1 + random.below(kind === "mixed" ? 20 : 8);
  while (left > 0) {
    const size = random.chance(1, 2)
      ? 1
      : Math.min(left, 1 + random.below(burst ? 20 : 4));
    const group: Operation[] = [];
    for (let index = 0; index < size; index++) {
      const operation = drawOperation(random, kind, burst, alike);
      const limit = burst && operation.kind === "append" ? 24 : 8;
      if (counts[operation.kind]++ < limit) group.push(operation);
    }
    left -= size;
    if (group.length > 0) groups.push(group);
  }
  const pipelined = random.chance(1, 3);
  const durableWrites = random.chance(1, 2);
  return {
    seed,
    description: `${base.description}; ${
      alike > 1 ? "much alike " : ""
    }${kind}${burst ? " burst" : ""}, ${groups.length} groups${
      pipelined ? ", pipelined" : ""
    }${durableWrites ? ", durable writes" : ""}`,
    start: base.bytes,
    groups,
    pipelined,
    durableWrites,
    journal,
  };
}

function drawOperation(
  random: Random,
  kind: typeof KINDS[number],
  burst: boolean,
  alike: number,
): Operation {
  const what = kind === "mixed" ? random.below(12) : -1;
  if (kind === "events" || (what >= 0 && what < 5) || (burst && what < 9)) {
    return { kind: "append", record: drawRecord(random, alike) };
  }
  if (kind === "parameters" || (what >= 5 && what < 10)) {
    return {
      kind: "set",
      parameterId: drawParameterId(random),
      value: random.bytes(random.below(241)),
    };
  }
  if (kind === "products" || what === 10) {
    const length = random.chance(1, 6) ? 0 : random.below(1400);
    return {
      kind: "write",
      name: `product-${random.below(1000)}`,
      data: random.bytes(length),
    };
  }
  return { kind: "checkpoint" };
}

function drawParameterId(random: Random): number {
  // Few ids are written often, so that generations follow one another.
  return random.chance(1, 2) ? 1 + random.below(3) : 1 + random.below(32);
}

/** A record; `alike` of six are the same. */
function drawRecord(random: Random, alike: number): EventRecord {
  if (random.chance(alike, 6)) {
    return {
      timestamp: 7,
      severity: 1,
      eventCode: 9,
      payload: new Uint8Array([1, 2, 3]),
    };
  }
  return {
    timestamp: random.below(1000),
    severity: 2,
    eventCode: random.below(65536),
    payload: random.bytes(random.below(65)),
  };
}

/** A volume that was in use before. */
async function makeBase(
  random: Random,
  journal: boolean,
  alike: number,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; description: string }> {
  const device = new MemoryBlockDevice({ blockCount: VOLUME_BLOCKS });
  await formatVolume(device, {
    tenantId: 1,
    epoch: 0n,
    uuid: random.bytes(16),
    journal,
  });
  const words: string[] = journal ? [] : ["no journal"];
  if (random.chance(1, 3)) {
    // Bytes of other software behind the entries, which must stay.
    for (let block = 1; block <= 16; block++) {
      if (random.chance(1, 2)) {
        device.bytes.set(random.bytes(8), block * BLOCK_SIZE_BYTES + 504);
      }
    }
    words.push("tails");
  }
  if (random.chance(1, 2)) {
    // What was on the disk before the format: only the first block is zero.
    device.bytes.set(
      random.bytes(29 * BLOCK_SIZE_BYTES),
      34 * BLOCK_SIZE_BYTES,
    );
    words.push("used disk");
    if (journal) device.bytes.fill(0, 63 * BLOCK_SIZE_BYTES);
  }
  const volume = await openVolume(device);
  const events =
    [0, random.below(12), 90 + random.below(20)][random.below(3)] ?? 0;
  for (let index = 0; index < events; index++) {
    await volume.events.append(drawRecord(random, alike));
  }
  const parameters = [0, random.below(10), 16, 20, 32][random.below(5)] ?? 0;
  const ids = Array.from({ length: 32 }, (_, index) => index + 1);
  for (const id of ids.slice(0, parameters)) {
    await volume.parameters.set(id, random.bytes(random.below(241)));
  }
  for (let index = 0; index < parameters && random.chance(2, 3); index++) {
    const id = 1 + random.below(parameters);
    await volume.parameters.set(id, random.bytes(random.below(241)));
  }
  if (random.chance(1, 3)) {
    await volume.dataProducts.write({
      name: "old",
      dataProductClass: 1,
      priority: 2,
      data: random.bytes(random.below(600)),
    });
  }
  const closed = random.chance(1, 2);
  if (closed) await volume.close();
  words.push(
    `${events} events, ${parameters} parameters, ${
      closed ? "closed" : "left open"
    }`,
  );
  if (random.chance(1, 6)) {
    if (!closed) await volume.close();
    dropTrailers(device.bytes);
    words.push("no trailers");
  }
  return { bytes: device.bytes, description: words.join(", ") };
}

/** Makes the event blocks look as other software would have written them. */
function dropTrailers(bytes: Uint8Array): void {
  for (let block = 17; block <= 32; block++) {
    const start = block * BLOCK_SIZE_BYTES;
    bytes.fill(0, start + 456, start + BLOCK_SIZE_BYTES);
  }
}

/** Carries a workload out on a recording device. */
export async function runWorkload(workload: Workload): Promise<Run> {
  const device = new RecordingDevice(
    workload.start.slice(),
    workload.durableWrites,
  );
  const volume = await openVolume(device);
  const operations: Operation[] = [];
  const running: Promise<void>[] = [];
  for (const group of workload.groups) {
    const promises = group.map((operation) => {
      const number = operations.push(operation) - 1;
      device.steps.push({ kind: "issued", operation: number });
      return issue(volume, operation).then(() => {
        device.steps.push({ kind: "acknowledged", operation: number });
      }, (error) => {
        // A full store is an answer, too: the operation never happened.
        if (!/ENOSPC/.test(String(error))) throw error;
      });
    });
    if (workload.pipelined) running.push(...promises);
    else await Promise.all(promises);
  }
  await Promise.all(running);
  return { workload, operations, steps: device.steps };
}

/** Asks a volume for one operation. */
export async function issue(
  volume: Volume,
  operation: Operation,
): Promise<void> {
  switch (operation.kind) {
    case "set":
      await volume.parameters.set(operation.parameterId, operation.value);
      break;
    case "append":
      await volume.events.append(operation.record);
      break;
    case "write":
      await volume.dataProducts.write({
        name: operation.name,
        dataProductClass: 3,
        priority: 4,
        data: operation.data,
      });
      break;
    case "checkpoint":
      await volume.checkpoint();
      break;
  }
}
