/**
 * One block of the event ring as a value: six slots and a trailer. The trailer
 * gives the block its place in the order and vouches for each record with a
 * copy of that record's CRC, so that a block in which old and new records are
 * mixed by a torn write can't give a record a number that is not its own.
 * Imports `lib/wire`.
 *
 * @module
 */

import {
  decodeEventRecord,
  decodeEventTrailer,
  encodeEventRecord,
  encodeEventTrailer,
  EVENT_RECORD_SIZE_BYTES,
  EVENT_TRAILER_OFFSET,
  type EventRecord,
} from "../wire/event.ts";
import { BLOCK_SIZE_BYTES } from "./device.ts";
import { isZero } from "./parameters.ts";

/** How many records an event block holds. */
export const EVENTS_PER_BLOCK = 6;

/** What one slot of an event block holds. */
export type EventSlot =
  | { readonly kind: "empty" }
  | {
    readonly kind: "record";
    readonly record: EventRecord;
    /** The record's own CRC. */
    readonly crc: number;
    /** The number that the trailer vouches for, or null. */
    readonly sequence: bigint | null;
  }
  | { readonly kind: "damaged"; readonly reason: string };

/** An event block, read. */
export interface EventBlock {
  /** The six slots. */
  readonly slots: readonly EventSlot[];
  /** The number of the first record, or null without a valid trailer. */
  readonly firstSequence: bigint | null;
  /**
   * How the trailer stands: `vouching` with CRC copies; `plain` without them
   * although there are records (written by other software that knows only the
   * sequence number); `none` if the trailer is all zero; `damaged` otherwise.
   */
  readonly trailer: "vouching" | "plain" | "none" | "damaged";
  /** The CRC copies of the trailer, 0 where it vouches for nothing. */
  readonly vouched: readonly number[];
}

const NONE: readonly number[] = [0, 0, 0, 0, 0, 0];

/**
 * Reads an event block. Never throws, whatever the bytes.
 *
 * @param image The 512 bytes of the block.
 * @returns The slots with their sequence numbers, and the trailer's standing.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readEventBlock } from "./event_block.ts";
 *
 * const block = readEventBlock(new Uint8Array(512));
 * assertEquals(block.trailer, "none");
 * assertEquals(block.slots.every((slot) => slot.kind === "empty"), true);
 * ```
 */
export function readEventBlock(image: Uint8Array): EventBlock {
  const trailerBytes = image.subarray(EVENT_TRAILER_OFFSET, BLOCK_SIZE_BYTES);
  let firstSequence: bigint | null = null;
  let vouched = NONE;
  let trailer: EventBlock["trailer"] = "none";
  if (!isZero(trailerBytes)) {
    try {
      const decoded = decodeEventTrailer(trailerBytes);
      firstSequence = decoded.sequence;
      vouched = decoded.recordCrcs;
      trailer = "vouching";
    } catch {
      trailer = "damaged";
    }
  }
  const records = Array.from(
    { length: EVENTS_PER_BLOCK },
    (_, index) => readEventSlot(image, index),
  );
  if (
    trailer === "vouching" && vouched.every((crc) => crc === 0) &&
    records.some((slot) => slot.kind !== "empty")
  ) trailer = "plain";
  const slots = records.map((slot, index): EventSlot => {
    if (slot.kind !== "record" || firstSequence === null) return slot;
    const known = trailer === "plain" || vouched[index] === slot.crc;
    return known ? { ...slot, sequence: firstSequence + BigInt(index) } : slot;
  });
  return { slots, firstSequence, trailer, vouched };
}

function readEventSlot(image: Uint8Array, index: number): EventSlot {
  const start = index * EVENT_RECORD_SIZE_BYTES;
  const bytes = image.subarray(start, start + EVENT_RECORD_SIZE_BYTES);
  if (isZero(bytes)) return { kind: "empty" };
  try {
    const record = decodeEventRecord(bytes);
    return { kind: "record", record, crc: recordCrc(bytes), sequence: null };
  } catch (error) {
    return {
      kind: "damaged",
      reason: error instanceof Error ? error.message : String(error),
    };
  }
}

function recordCrc(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .getUint32(EVENT_RECORD_SIZE_BYTES - 4);
}

/**
 * Builds the image of an event block.
 *
 * @param firstSequence The number of the record in slot 0.
 * @param records The records by slot; null for an empty slot.
 * @returns 512 bytes with a trailer that vouches for each record.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { buildEventBlock, readEventBlock } from "./event_block.ts";
 *
 * const image = buildEventBlock(13n, []);
 * assertEquals(readEventBlock(image).firstSequence, 13n);
 * ```
 */
export function buildEventBlock(
  firstSequence: bigint,
  records: readonly (EventRecord | null)[],
): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(BLOCK_SIZE_BYTES);
  const recordCrcs = [...NONE];
  for (let index = 0; index < EVENTS_PER_BLOCK; index++) {
    const record = records[index] ?? null;
    if (record === null) continue;
    const bytes = encodeEventRecord(record);
    recordCrcs[index] = recordCrc(bytes);
    image.set(bytes, index * EVENT_RECORD_SIZE_BYTES);
  }
  image.set(
    encodeEventTrailer({ sequence: firstSequence, recordCrcs }),
    EVENT_TRAILER_OFFSET,
  );
  return image;
}

/** What the trailer of a block says. */
export interface TrailerState {
  /** The number of the record in slot 0. */
  readonly firstSequence: bigint;
  /** The CRC copies, 0 where the trailer vouches for nothing. */
  readonly recordCrcs: readonly number[];
}

/**
 * Puts one record into an event block. The trailer is left to
 * {@linkcode sealEventBlock}.
 *
 * @param image The block's image; changed in place.
 * @param slot The empty slot that the record goes to, 0..5.
 * @param record The 76 bytes of the record.
 * @returns The record's CRC, for the trailer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeEventRecord } from "../wire/event.ts";
 * import { addToEventBlock, readEventBlock, sealEventBlock } from "./event_block.ts";
 *
 * const image = new Uint8Array(512);
 * const record = encodeEventRecord({
 *   timestamp: 5,
 *   severity: 1,
 *   eventCode: 2,
 *   payload: new Uint8Array([3]),
 * });
 * const recordCrcs = [addToEventBlock(image, 0, record), 0, 0, 0, 0, 0];
 * sealEventBlock(image, { firstSequence: 9n, recordCrcs });
 * assertEquals(readEventBlock(image).firstSequence, 9n);
 * ```
 */
export function addToEventBlock(
  image: Uint8Array,
  slot: number,
  record: Uint8Array,
): number {
  image.set(record, slot * EVENT_RECORD_SIZE_BYTES);
  return recordCrc(record);
}

/**
 * Writes the trailer of an event block.
 *
 * @param image The block's image; changed in place.
 * @param trailer What the trailer shall say.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readEventBlock, sealEventBlock } from "./event_block.ts";
 *
 * const image = new Uint8Array(512);
 * sealEventBlock(image, { firstSequence: 9n, recordCrcs: [0, 0, 0, 0, 0, 0] });
 * assertEquals(readEventBlock(image).firstSequence, 9n);
 * ```
 */
export function sealEventBlock(
  image: Uint8Array,
  trailer: TrailerState,
): void {
  const { firstSequence, recordCrcs } = trailer;
  image.set(
    encodeEventTrailer({ sequence: firstSequence, recordCrcs }),
    EVENT_TRAILER_OFFSET,
  );
}

/**
 * Whether a block has a valid trailer that vouches for no record, so that it
 * would number whatever records a torn write leaves beside it.
 *
 * @param image The 512 bytes of the block.
 * @returns False if there is no valid trailer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { buildEventBlock, isTrailerUnvouching } from "./event_block.ts";
 *
 * assertEquals(isTrailerUnvouching(new Uint8Array(512)), false);
 * assertEquals(isTrailerUnvouching(buildEventBlock(1n, [])), true);
 * ```
 */
export function isTrailerUnvouching(image: Uint8Array): boolean {
  const bytes = image.subarray(EVENT_TRAILER_OFFSET, BLOCK_SIZE_BYTES);
  if (isZero(bytes)) return false;
  try {
    return decodeEventTrailer(bytes).recordCrcs.every((crc) => crc === 0);
  } catch {
    return false;
  }
}
