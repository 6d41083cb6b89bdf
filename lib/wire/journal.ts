/**
 * The journal block: the last block of a volume that we format. It holds the
 * full image of one metadata block in a compact form, so that the image and its
 * own CRC fit in one block. Imports the codec and the layouts of what metadata
 * blocks hold.
 *
 * The compact form leaves out what can be computed again: the padding and the
 * CRC of parameter entries, the zeros and the CRC of an event trailer, the zeros of
 * a descriptor block. An image
 * that would not come back byte for byte, because something in it is damaged, is
 * refused: the caller clears the damaged slot first.
 *
 * Beside the image of an event block that is started over stand the CRCs of the
 * records that it takes the place of. A torn write can leave such a record beside
 * the new trailer, which would number it; here is written which ones those are.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { defineLayout, type Layout } from "./codec.ts";
import { dataProductBlockLayout } from "./data_product.ts";
import { WireError } from "./error.ts";
import {
  EVENT_RECORDS_PER_BLOCK,
  EVENT_TRAILER_OFFSET,
  eventTrailerLayout,
} from "./event.ts";
import {
  bytes,
  countedBytes,
  crc32cOver,
  enumeration,
  hiddenConstant,
  lengthOf,
  u16,
  u32,
  u32List,
  u64,
  u8,
} from "./fields.ts";
import {
  PARAMETER_ENTRY_SIZE_BYTES,
  PARAMETER_VALUE_MAX_BYTES,
  type ParameterEntry,
  parameterLayout,
} from "./parameter.ts";

/** The size of the journal block, and of the images that it holds, in bytes. */
export const JOURNAL_SIZE_BYTES = 512;

/** What kind of metadata block an image is of, by name. */
export const JournalKind = {
  /** A block of the parameter store: blocks 1..16. */
  PARAMETERS: 1,
  /** A block of the event ring: blocks 17..32. */
  EVENTS: 2,
  /** The descriptor block of a data product: blocks 33 and up. */
  DESCRIPTOR: 3,
} as const;

/** What kind of metadata block an image is of. */
export type JournalKind = typeof JournalKind[keyof typeof JournalKind];

/** What the journal block holds. */
export interface JournalEntry {
  /** What kind of block the image is of. */
  readonly kind: JournalKind;
  /** Which block of the volume it belongs to; u32. */
  readonly targetBlock: number;
  /** The block's full content, 512 bytes. */
  readonly image: Uint8Array<ArrayBuffer>;
  /**
   * For an event block that is started over: the CRCs of the six records that
   * stand there still, 0 where there is none. Absent if there are none at all.
   */
  readonly replacedCrcs?: readonly number[];
}

const PAYLOAD_OFFSET = 0x04;
const CRC_OFFSET = 0x1FC;
const PAYLOAD_BYTES = CRC_OFFSET - PAYLOAD_OFFSET;

/** The journal block with its payload still packed. */
export interface JournalBlock {
  /** 0x01 u8: what the payload is. */
  readonly kind: JournalKind;
  /** 0x02 u8 `target_block`: where the image belongs; 0 for a descriptor. */
  readonly targetBlock: number;
  /**
   * 0x03 u8: bit n is set if slot n of a parameter block holds an entry; for an
   * event block 1 if its trailer is all zero, else 0.
   */
  readonly occupied: number;
  /** 0x04 the packed image, padded with zeros. */
  readonly payload: Uint8Array;
}

/** The field table of the journal block. */
export const journalLayout: Layout<JournalBlock, JournalBlock> = defineLayout(
  "journal block",
  JOURNAL_SIZE_BYTES,
  {
    magic: hiddenConstant(0x00, "u8", 0x4A, { hex: true }),
    kind: enumeration(0x01, "u8", JournalKind),
    targetBlock: u8(0x02, { max: 32 }),
    occupied: u8(0x03, { max: 3 }),
    payload: bytes(PAYLOAD_OFFSET, PAYLOAD_BYTES),
    crc32: crc32cOver(CRC_OFFSET, 0x00, CRC_OFFSET),
  },
);

/** The field table of a packed parameter entry; `occupied` says whose there are. */
export const journaledParameterLayout: Layout<ParameterEntry, ParameterEntry> =
  defineLayout("journaled parameter", 8 + PARAMETER_VALUE_MAX_BYTES, {
    parameterId: u32(0x00, { name: "param_id" }),
    length: lengthOf(0x04, "u16", "value", { name: "len" }),
    generation: u16(0x06),
    value: countedBytes(0x08, PARAMETER_VALUE_MAX_BYTES),
  });

/** A packed event block. */
export interface JournaledEvents {
  /** The six records as they stand. */
  readonly records: Uint8Array;
  /** The trailer's number of the first record. */
  readonly sequence: bigint;
  /** 0x1D0 6 x u32: CRCs of the records that the block takes the place of. */
  readonly replacedCrcs: readonly number[];
}

/** The field table of a packed event block. */
export const journaledEventsLayout: Layout<JournaledEvents, JournaledEvents> =
  defineLayout("journaled events", 488, {
    records: bytes(0x00, EVENT_TRAILER_OFFSET),
    sequence: u64(0x1C8),
    replacedCrcs: u32List(0x1D0, EVENT_RECORDS_PER_BLOCK),
  });

/** A packed descriptor block. */
export interface JournaledDescriptor {
  /** 0x00 u32: where the image belongs. */
  readonly targetBlock: number;
  /** 0x04 the descriptor, its data's length and its CRC as they stand. */
  readonly descriptor: Uint8Array;
}

const DESCRIPTOR_BYTES = 0x58;

/** The field table of a packed descriptor block. */
export const journaledDescriptorLayout: Layout<
  JournaledDescriptor,
  JournaledDescriptor
> = defineLayout("journaled descriptor", 4 + DESCRIPTOR_BYTES, {
  targetBlock: u32(0x00, { min: 33 }),
  descriptor: bytes(0x04, DESCRIPTOR_BYTES),
});

const PARAMETER_SLOTS = [0, 1] as const;
const PARAMETER_TAIL_OFFSET = PARAMETER_SLOTS.length *
  PARAMETER_ENTRY_SIZE_BYTES;
const LAST_PARAMETER_BLOCK = 16;

/**
 * The 512 bytes of the journal block.
 *
 * @param entry Which block, and its image.
 * @returns A fresh array.
 * @throws {WireError} If the kind and the block don't belong together, or the
 * image holds something damaged, which the compact form can't carry, or replaces
 * records in a block that has no trailer. A parameter block may hold valid and all-zero entries and any last eight bytes; an event
 * block may hold any record bytes and a valid or all-zero trailer; a descriptor block must
 * be valid.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeJournal, encodeJournal, JournalKind } from "./journal.ts";
 *
 * const entry = {
 *   kind: JournalKind.PARAMETERS,
 *   targetBlock: 4,
 *   image: new Uint8Array(512),
 * };
 * assertEquals(decodeJournal(encodeJournal(entry)), entry);
 * ```
 */
export function encodeJournal(entry: JournalEntry): Uint8Array<ArrayBuffer> {
  const { kind, targetBlock, image } = entry;
  if (image.length !== JOURNAL_SIZE_BYTES) {
    throw refuse("image", image, `${JOURNAL_SIZE_BYTES} bytes`);
  }
  judgeTarget(kind, targetBlock);
  const packed = pack(entry);
  const payload = new Uint8Array(PAYLOAD_BYTES);
  payload.set(packed.payload);
  const { occupied } = packed;
  return journalLayout.encode({
    kind,
    targetBlock: kind === JournalKind.DESCRIPTOR ? 0 : targetBlock,
    occupied,
    payload,
  });
}

/**
 * Reads and judges the journal block.
 *
 * @param block Any bytes.
 * @returns The entry, or null if the block is all zero: nothing was journaled
 * since format.
 * @throws {WireError} If it holds anything else. After a cut in the middle of a
 * journal write that is the normal case, and the block in place is whole.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeJournal } from "./journal.ts";
 *
 * assertEquals(decodeJournal(new Uint8Array(512)), null);
 * assertThrows(() => decodeJournal(new Uint8Array(512).fill(1)), WireError);
 * ```
 */
export function decodeJournal(block: Uint8Array): JournalEntry | null {
  if (block.length === JOURNAL_SIZE_BYTES && isZero(block)) return null;
  const { kind, targetBlock, occupied, payload } = journalLayout.decode(block);
  if (kind === JournalKind.DESCRIPTOR) {
    return unpackDescriptor(targetBlock, occupied, payload);
  }
  judgeTarget(kind, targetBlock);
  return kind === JournalKind.PARAMETERS
    ? { kind, targetBlock, image: unpackParameters(occupied, payload) }
    : { kind, targetBlock, ...unpackEvents(occupied, payload) };
}

function judgeTarget(kind: JournalKind, targetBlock: number): void {
  if (kind === JournalKind.DESCRIPTOR) return;
  const isParameter = kind === JournalKind.PARAMETERS;
  const [first, last] = isParameter
    ? [1, LAST_PARAMETER_BLOCK]
    : [LAST_PARAMETER_BLOCK + 1, 2 * LAST_PARAMETER_BLOCK];
  if (!(targetBlock >= first && targetBlock <= last)) {
    throw refuse("target_block", targetBlock, `${first}..${last}`);
  }
}

function pack(
  entry: JournalEntry,
): { occupied: number; payload: Uint8Array } {
  const { kind, targetBlock, image, replacedCrcs } = entry;
  if (kind !== JournalKind.EVENTS && replacedCrcs !== undefined) {
    throw refuse("replaced_crcs", replacedCrcs, "none for this kind");
  }
  switch (kind) {
    case JournalKind.PARAMETERS:
      return packParameters(image);
    case JournalKind.EVENTS:
      return packEvents(image, replacedCrcs);
    case JournalKind.DESCRIPTOR: {
      dataProductBlockLayout.decode(image);
      const descriptor = image.subarray(0, DESCRIPTOR_BYTES);
      const packed = { targetBlock, descriptor };
      return { occupied: 0, payload: journaledDescriptorLayout.encode(packed) };
    }
  }
}

function unpackDescriptor(
  zero: number,
  occupied: number,
  payload: Uint8Array,
): JournalEntry {
  if (zero !== 0) throw refuse("target_block", zero, "0 for a descriptor");
  if (occupied !== 0) throw refuse("occupied", occupied, "0 for a descriptor");
  const size = journaledDescriptorLayout.sizeBytes;
  const { targetBlock, descriptor } = journaledDescriptorLayout.decode(
    payload.subarray(0, size),
  );
  judgePadding(payload, size);
  const image = new Uint8Array(JOURNAL_SIZE_BYTES);
  image.set(descriptor);
  dataProductBlockLayout.decode(image);
  return { kind: JournalKind.DESCRIPTOR, targetBlock, image };
}

function packParameters(
  image: Uint8Array,
): { occupied: number; payload: Uint8Array } {
  const parts: Uint8Array[] = [];
  let occupied = 0;
  for (const slot of PARAMETER_SLOTS) {
    const start = slot * PARAMETER_ENTRY_SIZE_BYTES;
    const entry = image.subarray(start, start + PARAMETER_ENTRY_SIZE_BYTES);
    if (isZero(entry)) continue;
    occupied |= 1 << slot;
    // Throws for an entry with a bad CRC, length or padding: exactly those
    // that would not come back the same.
    parts.push(journaledParameterLayout.encode(parameterLayout.decode(entry)));
  }
  parts.push(image.subarray(PARAMETER_TAIL_OFFSET));
  return { occupied, payload: concat(parts) };
}

function unpackParameters(
  occupied: number,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(JOURNAL_SIZE_BYTES);
  const lengthAt = journaledParameterLayout.offsetOf("length");
  let at = 0;
  for (const slot of PARAMETER_SLOTS) {
    if ((occupied & 1 << slot) === 0) continue;
    const length = (payload[at + lengthAt] ?? 0) << 8 |
      (payload[at + lengthAt + 1] ?? 0);
    const end = at + journaledParameterLayout.minimumBytes + length;
    const entry = journaledParameterLayout.decode(payload.subarray(at, end));
    parameterLayout.encodeInto(entry, image, slot * PARAMETER_ENTRY_SIZE_BYTES);
    at = end;
  }
  const tailBytes = JOURNAL_SIZE_BYTES - PARAMETER_TAIL_OFFSET;
  image.set(payload.subarray(at, at + tailBytes), PARAMETER_TAIL_OFFSET);
  judgePadding(payload, at + tailBytes);
  return image;
}

function packEvents(
  image: Uint8Array,
  replacedCrcs: readonly number[] | undefined,
): { occupied: number; payload: Uint8Array } {
  const records = image.subarray(0, EVENT_TRAILER_OFFSET);
  const trailer = image.subarray(EVENT_TRAILER_OFFSET);
  if (isZero(trailer)) {
    if (replacedCrcs !== undefined) {
      throw refuse("replaced_crcs", replacedCrcs, "none without a trailer");
    }
    return { occupied: 1, payload: records };
  }
  const { sequence } = eventTrailerLayout.decode(trailer);
  if (replacedCrcs === undefined) {
    // The records, the number and zeros stand in the packed layout's order
    // already, and every second append passes here.
    const payload = image.subarray(0, journaledEventsLayout.sizeBytes);
    return { occupied: 0, payload };
  }
  const packed = { records, sequence, replacedCrcs };
  return { occupied: 0, payload: journaledEventsLayout.encode(packed) };
}

function unpackEvents(
  occupied: number,
  payload: Uint8Array,
): Pick<JournalEntry, "image" | "replacedCrcs"> {
  if (occupied > 1) throw refuse("occupied", occupied, "0 or 1 for events");
  const image = new Uint8Array(JOURNAL_SIZE_BYTES);
  if (occupied === 1) {
    judgePadding(payload, EVENT_TRAILER_OFFSET);
    image.set(payload.subarray(0, EVENT_TRAILER_OFFSET));
    return { image };
  }
  const { records, sequence, replacedCrcs } = journaledEventsLayout.decode(
    payload.subarray(0, journaledEventsLayout.sizeBytes),
  );
  judgePadding(payload, journaledEventsLayout.sizeBytes);
  image.set(records);
  eventTrailerLayout.encodeInto({ sequence }, image, EVENT_TRAILER_OFFSET);
  return replacedCrcs.some((crc) => crc !== 0)
    ? { image, replacedCrcs }
    : { image };
}

function judgePadding(payload: Uint8Array, from: number): void {
  const padding = payload.subarray(from);
  if (!isZero(padding)) throw refuse("padding", padding, "zero");
}

function isZero(block: Uint8Array): boolean {
  for (let index = 0; index < block.length; index++) {
    if (block[index] !== 0) return false;
  }
  return true;
}

function refuse(field: string, value: unknown, expected: string): WireError {
  return new WireError({ layout: journalLayout.name, field, value, expected });
}
