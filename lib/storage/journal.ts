/**
 * What recovery decides: given the image in the journal block and what stands in
 * place, is the journal ahead, and what should the block hold? Pure; imports
 * `lib/wire` and the block models.
 *
 * The journal block holds the full image of one metadata block. It is written
 * in turn with the block itself: change 1 goes to the journal, change 2 to the
 * block in place, change 3 to the journal again. So each change is one write and
 * one flush, and whenever a block is being overwritten in place, the journal
 * holds a durable copy of everything in it but the change under way.
 *
 * There is no counter that says which of the two is newer: blocks written by
 * other software have no room for one. It follows from the content. Records are
 * only ever added to a block, or superseded by a higher sequence number or a
 * later generation; so the journal is ahead exactly when it holds something
 * that the volume does not hold elsewhere in the same or a newer version.
 *
 * Deciding by content makes recovery idempotent: a second run after a cut in
 * the middle of the first finds the journal still there and decides the same.
 *
 * @module
 */

import { equals } from "@std/bytes/equals";
import { compareGenerations, type ParameterEntry } from "../wire/parameter.ts";
import type { EventRecord } from "../wire/event.ts";
import {
  buildEventBlock,
  type EventBlock,
  type EventSlot,
  readEventBlock,
} from "./event_block.ts";
import {
  buildParameterBlock,
  PARAMETER_TAIL_OFFSET,
  PARAMETERS_PER_BLOCK,
  type ParameterSlot,
  readParameterSlot,
} from "./parameters.ts";

/**
 * Decides what a parameter block should hold.
 *
 * @param journal The image in the journal.
 * @param inPlace The block as it stands, or null if it can't be read.
 * @param store All 32 slots of the store as they stand.
 * @returns The image to write in place, or null if nothing is missing there.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { recoverParameterBlock } from "./journal.ts";
 *
 * const blank = new Uint8Array(512);
 * assertEquals(recoverParameterBlock(blank, blank, []), null);
 * ```
 */
export function recoverParameterBlock(
  journal: Uint8Array<ArrayBuffer>,
  inPlace: Uint8Array<ArrayBuffer> | null,
  store: readonly ParameterSlot[],
): Uint8Array<ArrayBuffer> | null {
  const entries: (ParameterEntry | null)[] = [];
  const tail = journal.subarray(PARAMETER_TAIL_OFFSET);
  // Nothing of ours ever changes the last bytes, so a difference is a tear.
  let missing = inPlace !== null &&
    !equals(inPlace.subarray(PARAMETER_TAIL_OFFSET), tail);
  for (let index = 0; index < PARAMETERS_PER_BLOCK; index++) {
    const saved = readParameterSlot(journal, index);
    const standing = inPlace === null
      ? undefined
      : readParameterSlot(inPlace, index);
    const kept = standing?.kind === "entry" ? standing.entry : null;
    if (saved.kind !== "entry") {
      entries.push(kept);
    } else if (isSuperseded(saved.entry, store)) {
      entries.push(kept ?? saved.entry);
    } else {
      missing = true;
      entries.push(saved.entry);
    }
  }
  if (!missing) return null;
  return buildParameterBlock(entries, tail);
}

/** Whether the store holds this entry, or a later generation of it. */
function isSuperseded(
  entry: ParameterEntry,
  store: readonly ParameterSlot[],
): boolean {
  return store.some((slot) => {
    if (slot.kind !== "entry") return false;
    if (slot.entry.parameterId !== entry.parameterId) return false;
    const order = compareGenerations(slot.entry.generation, entry.generation);
    return order > 0 ||
      (slot.entry.generation === entry.generation &&
        equals(slot.entry.value, entry.value));
  });
}

/**
 * Decides what an event block should hold.
 *
 * @param journal The image in the journal.
 * @param inPlace The block as it stands, or null if it can't be read.
 * @param ring The other blocks of the ring as they stand: a block that was
 * moved off a bad sector counts as being in place.
 * @param replacedCrcs The CRCs of the records that stood there when the block
 * was started over, by slot; none if it was not, or held nothing.
 * @returns The image to write in place, or null if nothing is missing there.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { buildEventBlock } from "./event_block.ts";
 * import { recoverEventBlock } from "./journal.ts";
 *
 * const journal = buildEventBlock(7n, [
 *   { timestamp: 1, severity: 1, eventCode: 1, payload: new Uint8Array() },
 * ]);
 * assertEquals(recoverEventBlock(journal, journal, []), null);
 * assertEquals(recoverEventBlock(journal, new Uint8Array(512), []), journal);
 * ```
 */
export function recoverEventBlock(
  journal: Uint8Array<ArrayBuffer>,
  inPlace: Uint8Array<ArrayBuffer> | null,
  ring: readonly (EventBlock | null)[],
  replacedCrcs: readonly number[] = [],
): Uint8Array<ArrayBuffer> | null {
  const saved = readEventBlock(journal);
  const first = saved.firstSequence;
  // A block without a trailer goes through the journal only in a repair.
  if (first === null) {
    return inPlace === null || !holdsAll(readEventBlock(inPlace), saved)
      ? journal
      : null;
  }
  for (const block of ring) {
    if (block?.firstSequence === first && holdsAll(block, saved)) return null;
  }
  if (inPlace === null) return journal;
  const standing = readEventBlock(inPlace);
  // A later lap: the journal is from before this block was started over.
  if (standing.firstSequence !== null && standing.firstSequence > first) {
    return null;
  }
  const sameLap = standing.firstSequence === first;
  // With only the trailer lost and every saved record in its slot, the further
  // records can only be later appends to the same block.
  const trailerLost = standing.trailer === "damaged" &&
    saved.slots.every((slot, index) =>
      slot.kind !== "record" || isSameRecord(slot, standing.slots[index])
    );
  let missing = !sameLap || !holdsAll(standing, saved);
  const records = saved.slots.map((slot, index): EventRecord | null => {
    if (slot.kind === "record") return slot.record;
    const other = standing.slots[index];
    if (other?.kind !== "record") return null;
    // What stood there before the block was started over has no number now.
    const isOurs = (sameLap || trailerLost) &&
      other.crc !== replacedCrcs[index];
    if (isOurs) return other.record;
    missing = true;
    return null;
  });
  return missing ? buildEventBlock(first, records) : null;
}

function isSameRecord(
  record: EventSlot & { readonly kind: "record" },
  other: EventSlot | undefined,
): boolean {
  return other?.kind === "record" && other.crc === record.crc &&
    equals(other.record.payload, record.record.payload);
}

/** Whether `block` holds each record of `saved`, under the same number. */
function holdsAll(block: EventBlock, saved: EventBlock): boolean {
  return saved.slots.every((slot, index) => {
    if (slot.kind !== "record") return true;
    const other = block.slots[index];
    return isSameRecord(slot, other) && other?.kind === "record" &&
      other.sequence === slot.sequence;
  });
}

/**
 * Reads all slots of the parameter store.
 *
 * @param images The 16 blocks; null for one that can't be read.
 * @returns The 32 slots.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parameterSlotsOf } from "./journal.ts";
 *
 * assertEquals(parameterSlotsOf([new Uint8Array(512)]).length, 2);
 * ```
 */
export function parameterSlotsOf(
  images: readonly (Uint8Array | null)[],
): ParameterSlot[] {
  return images.flatMap((image) =>
    Array.from(
      { length: PARAMETERS_PER_BLOCK },
      (_, index): ParameterSlot =>
        image === null
          ? { kind: "damaged", reason: "the block can't be read" }
          : readParameterSlot(image, index),
    )
  );
}

/**
 * Decides what a data product's descriptor block should hold. Descriptors are
 * never changed once they are written, so the journal's image is either in
 * place or was being written there.
 *
 * @param journal The image in the journal.
 * @param inPlace The block as it stands, or null if it can't be read.
 * @returns The image to write in place, or null if it is there.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { recoverDescriptorBlock } from "./journal.ts";
 *
 * const journal = new Uint8Array(512).fill(1);
 * assertEquals(recoverDescriptorBlock(journal, journal), null);
 * assertEquals(recoverDescriptorBlock(journal, null), journal);
 * ```
 */
export function recoverDescriptorBlock(
  journal: Uint8Array<ArrayBuffer>,
  inPlace: Uint8Array<ArrayBuffer> | null,
): Uint8Array<ArrayBuffer> | null {
  return inPlace !== null && equals(journal, inPlace) ? null : journal;
}
