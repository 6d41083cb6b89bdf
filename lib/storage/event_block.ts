/**
 * One block of the event ring as a value: six slots and a trailer, which gives
 * the block its place in the order and each record its number. The trailer says
 * nothing of the records' content, so a block in which old and new records are
 * mixed by a torn write would give some a number that is not their own: the
 * writer never lets that happen where the journal can't tell it afterwards.
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

/**
 * The highest number that a block's first record may have. Nobody counts that
 * far, so a trailer that claims more, or 0, is none of ours; and what follows it
 * still fits into 64 bits.
 */
export const MAXIMUM_FIRST_SEQUENCE: bigint = 2n ** 63n - 1n;

/** What one slot of an event block holds. */
export type EventSlot =
  | { readonly kind: "empty" }
  | {
    readonly kind: "record";
    readonly record: EventRecord;
    /** The record's own CRC. */
    readonly crc: number;
    /** The number that the trailer gives it, or null without a valid trailer. */
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
   * How the trailer stands: `valid`; `none` if it is all zero (written by other
   * software, or never); `damaged` if it is anything else. A right CRC over
   * bytes that should be zero and are not makes no valid trailer: whoever wrote
   * that may mean something else by the number, too.
   */
  readonly trailer: "valid" | "none" | "damaged";
}

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
  let trailer: EventBlock["trailer"] = "none";
  if (!isZero(trailerBytes)) {
    trailer = "damaged";
    try {
      const { sequence } = decodeEventTrailer(trailerBytes);
      if (sequence >= 1n && sequence <= MAXIMUM_FIRST_SEQUENCE) {
        firstSequence = sequence;
        trailer = "valid";
      }
    } catch {
      // It stays damaged.
    }
  }
  const slots = Array.from(
    { length: EVENTS_PER_BLOCK },
    (_, index) =>
      readEventSlot(
        image,
        index,
        firstSequence === null ? null : firstSequence + BigInt(index),
      ),
  );
  return { slots, firstSequence, trailer };
}

function readEventSlot(
  image: Uint8Array,
  index: number,
  sequence: bigint | null,
): EventSlot {
  const start = index * EVENT_RECORD_SIZE_BYTES;
  const bytes = image.subarray(start, start + EVENT_RECORD_SIZE_BYTES);
  if (isZero(bytes)) return { kind: "empty" };
  try {
    const record = decodeEventRecord(bytes);
    return { kind: "record", record, crc: slotCrc(image, index), sequence };
  } catch (error) {
    return {
      kind: "damaged",
      reason: error instanceof Error ? error.message : String(error),
    };
  }
}

/** What stands in a slot in the place of the record's CRC. */
function slotCrc(image: Uint8Array, index: number): number {
  const at = (index + 1) * EVENT_RECORD_SIZE_BYTES - 4;
  return new DataView(image.buffer, image.byteOffset, image.byteLength)
    .getUint32(at);
}

/**
 * The CRCs of a block's slots as they stand, unjudged: what the journal keeps of
 * a block that is started over.
 *
 * @param image The 512 bytes of the block.
 * @returns Six CRCs, 0 for an empty slot.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { recordCrcsOf } from "./event_block.ts";
 *
 * assertEquals(recordCrcsOf(new Uint8Array(512)), [0, 0, 0, 0, 0, 0]);
 * ```
 */
export function recordCrcsOf(image: Uint8Array): number[] {
  return Array.from(
    { length: EVENTS_PER_BLOCK },
    (_, index) => slotCrc(image, index),
  );
}

/**
 * Builds the image of an event block.
 *
 * @param firstSequence The number of the record in slot 0.
 * @param records The records by slot; null for an empty slot.
 * @returns 512 bytes with a trailer.
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
  const image = startEventBlock(firstSequence);
  for (let index = 0; index < EVENTS_PER_BLOCK; index++) {
    const record = records[index] ?? null;
    if (record === null) continue;
    image.set(encodeEventRecord(record), index * EVENT_RECORD_SIZE_BYTES);
  }
  return image;
}

/**
 * The image of an event block without records. Records are put behind one
 * another, at multiples of 76 bytes; the trailer stays as it is.
 *
 * @param firstSequence The number of the record that goes to slot 0.
 * @returns 512 bytes with a trailer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readEventBlock, startEventBlock } from "./event_block.ts";
 *
 * assertEquals(readEventBlock(startEventBlock(9n)).firstSequence, 9n);
 * ```
 */
export function startEventBlock(
  firstSequence: bigint,
): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(BLOCK_SIZE_BYTES);
  image.set(
    encodeEventTrailer({ sequence: firstSequence }),
    EVENT_TRAILER_OFFSET,
  );
  return image;
}
