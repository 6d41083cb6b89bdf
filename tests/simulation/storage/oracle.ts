/**
 * The oracle of the crash tests: what a volume must, may and must not hold after
 * a cut, worked out from the volume before the run and from which operations
 * were asked for and acknowledged. Imports the storage room.
 *
 * @module
 */

import { equals } from "@std/bytes/equals";
import { BLOCK_SIZE_BYTES } from "../../../lib/storage/device.ts";
import { EventRing, type StoredEvent } from "../../../lib/storage/events.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";
import type { EventRecord } from "../../../lib/wire/event.ts";
import type { Run } from "./workload.ts";

/** A record that may be visible, and whether it must be. */
interface ExpectedRecord {
  readonly record: EventRecord;
  readonly sequence: bigint | null;
  readonly presence: "must" | "may" | "gone";
}

/** What is allowed after a cut. */
export interface Expectation {
  /** For each parameter the values it may have; undefined for absent. */
  readonly parameters: ReadonlyMap<number, readonly (Uint8Array | undefined)[]>;
  readonly records: readonly ExpectedRecord[];
  readonly products: readonly {
    readonly name: string;
    readonly data: Uint8Array;
    readonly must: boolean;
  }[];
  readonly start: Uint8Array;
}

/** What the volume held before the run. */
export interface Before {
  readonly parameters: ReadonlyMap<number, Uint8Array>;
  readonly events: readonly StoredEvent[];
  readonly products: readonly { name: string; data: Uint8Array }[];
  /** For each append of the run: its number, and where it goes. */
  readonly placements: ReadonlyMap<number, Placement>;
}

interface Placement {
  readonly sequence: bigint;
  readonly ringBlock: number;
  readonly starts: boolean;
}

/** Looks at the volume before the run, and where its appends will go. */
export async function lookBefore(run: Run): Promise<Before> {
  const device = new MemoryBlockDevice({ bytes: run.workload.start.slice() });
  const volume = await openVolume(device);
  const events = volume.events.recent();
  const products: { name: string; data: Uint8Array }[] = [];
  for (const product of await volume.dataProducts.list()) {
    const data = await volume.dataProducts.read(product);
    products.push({ name: product.name, data });
  }
  // The journal is in place now, so the blocks can be read as they stand.
  await volume.checkpoint();
  const ring = new EventRing(
    Array.from({ length: 16 }, (_, index) => {
      const start = (17 + index) * BLOCK_SIZE_BYTES;
      return device.bytes.slice(start, start + BLOCK_SIZE_BYTES);
    }),
  );
  const placements = new Map<number, Placement>();
  for (const [number, operation] of run.operations.entries()) {
    if (operation.kind !== "append") continue;
    const batch = ring.begin();
    const sequence = batch.append(operation.record);
    const [event] = batch.appended;
    if (sequence === null || event === undefined) throw new Error("no room");
    const starts = batch.started.has(event.ringBlock);
    placements.set(number, { sequence, ringBlock: event.ringBlock, starts });
    ring.apply(batch);
  }
  return {
    parameters: new Map(
      volume.parameters.list().map((entry) => [entry.parameterId, entry.value]),
    ),
    events,
    products,
    placements,
  };
}

/** What is allowed after a cut behind the first `count` steps of a run. */
export function expectAfter(
  run: Run,
  before: Before,
  count: number,
): Expectation {
  const issued = new Set<number>();
  const acknowledged = new Set<number>();
  for (const step of run.steps.slice(0, count)) {
    if (step.kind === "issued") issued.add(step.operation);
    if (step.kind === "acknowledged") acknowledged.add(step.operation);
  }
  const parameters = new Map<number, (Uint8Array | undefined)[]>();
  for (const [id, value] of before.parameters) parameters.set(id, [value]);
  const products = before.products.map((product) => ({
    ...product,
    must: true,
  }));
  const records = before.events.map((event) => ({
    record: event as EventRecord,
    sequence: event.sequence,
    ringBlock: event.ringBlock,
    presence: "must" as ExpectedRecord["presence"],
  }));
  for (const [number, operation] of run.operations.entries()) {
    if (!issued.has(number)) continue;
    const must = acknowledged.has(number);
    switch (operation.kind) {
      case "set": {
        const id = operation.parameterId;
        const earlier = must ? [] : parameters.get(id) ?? [undefined];
        parameters.set(id, [...earlier, operation.value]);
        break;
      }
      case "append": {
        const place = before.placements.get(number);
        if (place === undefined) throw new Error("no placement");
        if (place.starts) {
          for (const other of records) {
            if (other.ringBlock !== place.ringBlock) continue;
            if (must) other.presence = "gone";
            else if (other.presence === "must") other.presence = "may";
          }
        }
        records.push({
          record: operation.record,
          sequence: place.sequence,
          ringBlock: place.ringBlock,
          presence: must ? "must" : "may",
        });
        break;
      }
      case "write":
        products.push({ name: operation.name, data: operation.data, must });
        break;
    }
  }
  return { parameters, records, products, start: run.workload.start };
}

/** Throws if the volume does not hold what it must, or holds what it must not. */
export async function judge(
  volume: Volume,
  medium: Uint8Array,
  expected: Expectation,
): Promise<void> {
  judgeParameters(volume, expected);
  judgeEvents(volume, expected);
  await judgeProducts(volume, expected);
  const superblock = expected.start.subarray(0, BLOCK_SIZE_BYTES);
  if (!equals(medium.subarray(0, BLOCK_SIZE_BYTES), superblock)) {
    throw new Error("the superblock was changed");
  }
  for (let block = 1; block <= 16; block++) {
    const from = block * BLOCK_SIZE_BYTES + 504;
    const tail = expected.start.subarray(from, from + 8);
    if (tail.every((byte) => byte === 0)) continue;
    if (!equals(medium.subarray(from, from + 8), tail)) {
      throw new Error(`the last 8 bytes of block ${block} were changed`);
    }
  }
}

function judgeParameters(volume: Volume, expected: Expectation): void {
  for (const [id, values] of expected.parameters) {
    const value = volume.parameters.get(id)?.value;
    const allowed = values.some((other) =>
      value === undefined || other === undefined
        ? value === other
        : equals(value, other)
    );
    if (!allowed) {
      throw new Error(
        `parameter ${id} is ${
          value === undefined ? "absent" : `${value.length} bytes`
        }, which is none of the ${values.length} values that it may have`,
      );
    }
  }
  for (const { parameterId } of volume.parameters.list()) {
    if (!expected.parameters.has(parameterId)) {
      throw new Error(`parameter ${parameterId} came from nowhere`);
    }
  }
}

function sameRecord(one: EventRecord, other: EventRecord): boolean {
  return one.timestamp === other.timestamp && one.severity === other.severity &&
    one.eventCode === other.eventCode && equals(one.payload, other.payload);
}

function judgeEvents(volume: Volume, expected: Expectation): void {
  const events = volume.events.recent();
  let last = 0n;
  for (const event of events) {
    if (event.sequence !== null) {
      if (event.sequence <= last) {
        throw new Error(`event ${event.sequence} comes after ${last}`);
      }
      last = event.sequence;
    }
    const known = expected.records.some((other) =>
      other.presence !== "gone" && sameRecord(other.record, event) &&
      (event.sequence === null || other.sequence === event.sequence)
    );
    if (!known) {
      throw new Error(
        `event ${event.sequence} (code ${event.eventCode}) should not be there`,
      );
    }
  }
  for (const { record, sequence, presence } of expected.records) {
    if (presence !== "must") continue;
    const there = events.some((event) =>
      event.sequence === sequence && sameRecord(event, record)
    );
    if (!there) throw new Error(`event ${sequence} is lost`);
  }
  if (volume.events.nextSequence <= last) {
    throw new Error(
      `number ${volume.events.nextSequence} would be given twice`,
    );
  }
}

async function judgeProducts(
  volume: Volume,
  expected: Expectation,
): Promise<void> {
  const { products, gaps } = await volume.dataProducts.catalogue();
  if (gaps.length > 0) throw new Error("the catalogue is damaged");
  let next = 0;
  for (const product of products) {
    const data = await volume.dataProducts.read(product);
    for (;; next++) {
      const candidate = expected.products[next];
      if (candidate === undefined) {
        throw new Error(`product ${product.name} should not be there`);
      }
      if (candidate.name === product.name && equals(candidate.data, data)) {
        break;
      }
      if (candidate.must) throw new Error(`product ${candidate.name} is lost`);
    }
    next++;
  }
  for (const candidate of expected.products.slice(next)) {
    if (candidate.must) throw new Error(`product ${candidate.name} is lost`);
  }
}
