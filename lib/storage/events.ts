/**
 * The event ring as a pure value: 16 block images in, the records in order out,
 * and for each append the block image that it makes. It never touches a device;
 * the volume's writer carries out what it plans. Imports `lib/wire` and the
 * room's event block.
 *
 * Records with a sequence number (their block has a trailer) are in that order. Records without one (other software wrote them) are in the order
 * of their timestamps, and the two rows are merged by timestamp without changing
 * either. When the newest record has no number, or the newest block holds
 * something that we did not write, an append starts a fresh block.
 *
 * Starting a block gives up the six oldest records that were in it, so the ring
 * holds the last 91 to 96.
 *
 * @module
 */

import {
  encodeEventRecord,
  EVENT_RECORD_SIZE_BYTES,
  eventLayout,
  type EventRecord,
} from "../wire/event.ts";
import {
  type EventBlock,
  EVENTS_PER_BLOCK,
  MAXIMUM_FIRST_SEQUENCE,
  readEventBlock,
  recordCrcsOf,
  startEventBlock,
} from "./event_block.ts";
import { BLOCK_SIZE_BYTES } from "./device.ts";
import { StorageError } from "./error.ts";
import { EVENT_BLOCK_COUNT } from "./layout.ts";
import { isZero } from "./parameters.ts";

/** A record in the ring. */
export interface StoredEvent extends EventRecord {
  /**
   * The record's number, counting from 1 since format; null for a record that
   * other software wrote.
   */
  readonly sequence: bigint | null;
  /** The block of the ring that holds it, 0..15. */
  readonly ringBlock: number;
  /** The slot in that block, 0..5. */
  readonly slot: number;
}

const PAYLOAD_LENGTH_OFFSET = eventLayout.offsetOf("payloadLength");
const PAYLOAD_OFFSET = eventLayout.offsetOf("payload");

/** No blocks. */
const NOTHING: ReadonlyMap<number, unknown> = new Map();

/** Where the next record goes: the newest block, and how much of it is taken. */
export interface Head {
  /** The block, counted from the ring's first. */
  readonly ringBlock: number;
  /** The number of the block's first record. */
  readonly firstSequence: bigint;
  /** The next slot to fill; 6 when the block is full. */
  readonly used: number;
}

/**
 * The durable state of the event ring.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EventRing } from "./events.ts";
 *
 * const blank = Array.from({ length: 16 }, () => new Uint8Array(512));
 * const ring = new EventRing(blank);
 * const batch = ring.begin();
 * const payload = new TextEncoder().encode("boot");
 * batch.append({ timestamp: 0, severity: 1, eventCode: 1, payload });
 * ring.apply(batch);
 * assertEquals(ring.recent(1)[0]?.sequence, 1n);
 * ```
 */
export class EventRing {
  readonly #images: (Uint8Array<ArrayBuffer> | null)[];
  /** Read when they are asked for: an append need not. */
  readonly #blocks: (EventBlock | null | undefined)[];
  readonly #unusable = new Set<number>();
  #ordered: StoredEvent[] = [];
  #head: Head | null = null;
  #nextSequence = 1n;
  /** Numbers below this one may stand somewhere, unanswered. */
  #unusedFrom = 1n;
  #startAt = 0;

  /**
   * Reads the ring from its blocks.
   *
   * @param images The 16 blocks; null for one that the device can't read.
   */
  constructor(images: readonly (Uint8Array<ArrayBuffer> | null)[]) {
    this.#images = images.map((image) => image === null ? null : image.slice());
    this.#blocks = this.#images.map(() => undefined);
    for (const [index, image] of this.#images.entries()) {
      if (image === null) this.#unusable.add(index);
    }
    this.#order();
    this.#findHead();
  }

  /** How many records the ring holds. */
  get count(): number {
    return this.#ordered.length;
  }

  /** The number that the next record will get. */
  get nextSequence(): bigint {
    return this.#nextSequence;
  }

  /** The last `limit` records, oldest first. */
  recent(limit: number = Infinity): StoredEvent[] {
    return limit >= this.#ordered.length
      ? this.#ordered.slice()
      : this.#ordered.slice(this.#ordered.length - Math.max(0, limit));
  }

  /** The image of a block of the ring (0..15), or null if it can't be read. */
  image(ringBlock: number): Uint8Array<ArrayBuffer> | null {
    return this.#images[ringBlock] ?? null;
  }

  /** What a block of the ring holds, or null if it can't be read. */
  block(ringBlock: number): EventBlock | null {
    let block = this.#blocks[ringBlock];
    if (block === undefined) {
      const image = this.#images[ringBlock] ?? null;
      block = image === null ? null : readEventBlock(image);
      this.#blocks[ringBlock] = block;
    }
    return block;
  }

  /** Whether a block is excluded from new writes. */
  isUnusable(ringBlock: number): boolean {
    return this.#unusable.has(ringBlock);
  }

  /** Excludes a block from new writes: the device refused one. */
  exclude(ringBlock: number): void {
    this.#unusable.add(ringBlock);
    this.#findHead();
  }

  /** Where an append goes next; null before the first record of ours. */
  get head(): Head | null {
    return this.#head;
  }

  /**
   * The block that is started next after `ringBlock`: the next one round the
   * ring. Blocks that were moved off bad sectors disturb that order; so where
   * the next one holds records of ours, an empty block goes before it, and else
   * the block with the oldest records is the one to give up.
   *
   * @param ringBlock The block before it, or null.
   * @param taken Blocks that are no longer as they stand here.
   * @returns The block, or null if none is usable.
   */
  following(
    ringBlock: number | null,
    taken: ReadonlyMap<number, unknown> = NOTHING,
  ): number | null {
    const start = ringBlock === null ? this.#startAt : ringBlock + 1;
    let oldest: number | null = null;
    let oldestSequence: bigint | null = null;
    for (let step = 0; step < EVENT_BLOCK_COUNT; step++) {
      const candidate = (start + step) % EVENT_BLOCK_COUNT;
      if (this.#unusable.has(candidate) || taken.has(candidate)) continue;
      const block = this.block(candidate);
      const sequence = block?.firstSequence ?? null;
      const isEmpty = block?.slots.every((slot) => slot.kind === "empty");
      if (isEmpty === true && sequence === null) return candidate;
      if (sequence === null) {
        // Records of other software: their age is not known.
        if (oldest === null) return candidate;
      } else if (oldestSequence === null || sequence < oldestSequence) {
        oldest = candidate;
        oldestSequence = sequence;
      }
    }
    return oldest;
  }

  /**
   * The CRCs of the records that starting this block over would replace, or
   * null if it holds nothing but zeros: then a torn write of the new block can't
   * show an old record under a new number, or a new one under an old number.
   */
  replacedCrcs(ringBlock: number): readonly number[] | null {
    const image = this.#images[ringBlock];
    return !image || isZero(image) ? null : recordCrcsOf(image);
  }

  /** Starts a batch of appends on top of the durable state. */
  begin(): EventBatch {
    return new EventBatch(this);
  }

  /** Takes the blocks of a batch, which are durable now. */
  apply(batch: EventBatch): void {
    // Blocks may be back in use that were excluded when an empty one began.
    if (batch.appended.length === 0) return;
    for (const ringBlock of batch.started) {
      // The six oldest go. They are at the front unless the ring was disturbed.
      this.#ordered = this.#ordered.filter((event) =>
        event.ringBlock !== ringBlock
      );
    }
    for (const [ringBlock, image] of batch.changes()) {
      this.#images[ringBlock] = image;
      this.#blocks[ringBlock] = undefined;
      this.#unusable.delete(ringBlock);
    }
    this.#ordered.push(...batch.appended);
    this.#head = batch.head;
    this.#nextSequence = batch.nextSequence;
  }

  /** Lets excluded blocks be tried again, save those that can't be read. */
  readmit(): void {
    this.#unusable.clear();
    for (const [ringBlock, image] of this.#images.entries()) {
      if (image === null) this.#unusable.add(ringBlock);
    }
    this.#findHead();
  }

  /**
   * Gives no number below this one again: records that were refused may stand
   * under them where the device would not say what it took, and would hide
   * others of the same numbers.
   *
   * @param sequence The least number that may be given next.
   */
  skip(sequence: bigint): void {
    if (sequence > this.#unusedFrom) this.#unusedFrom = sequence;
    this.#findHead();
  }

  /** Takes the fact that a block holds zeros now. */
  cleared(ringBlock: number): void {
    this.#images[ringBlock] = new Uint8Array(BLOCK_SIZE_BYTES);
    this.#blocks[ringBlock] = undefined;
    this.#unusable.delete(ringBlock);
    this.#order();
    this.#findHead();
  }

  /**
   * Takes the fact that the records of a block, which the device would not
   * take, are durable in another one.
   */
  relocated(from: number, to: number, image: Uint8Array<ArrayBuffer>): void {
    for (const [ringBlock, content] of [[to, image], [from, null]] as const) {
      this.#images[ringBlock] = content;
      this.#blocks[ringBlock] = undefined;
    }
    this.#unusable.add(from);
    this.#unusable.delete(to);
    this.#order();
    this.#findHead();
  }

  #order(): void {
    const numbered = new Map<bigint, StoredEvent>();
    const loose: StoredEvent[] = [];
    for (const { ringBlock, block } of this.#byAge()) {
      for (const [slot, content] of block.slots.entries()) {
        if (content.kind !== "record") continue;
        const { record, sequence } = content;
        const event = { ...record, sequence, ringBlock, slot };
        // The same number twice is a record that was moved to another block,
        // whose first number is then the same or higher.
        if (sequence === null) loose.push(event);
        else numbered.set(sequence, event);
      }
    }
    const sorted = [...numbered.values()].sort((a, b) =>
      (a.sequence ?? 0n) < (b.sequence ?? 0n) ? -1 : 1
    );
    loose.sort((a, b) => a.timestamp - b.timestamp);
    this.#ordered = mergeByTimestamp(loose, sorted);
  }

  /** The blocks that can be read, by the number of their first record. */
  #byAge(): { readonly ringBlock: number; readonly block: EventBlock }[] {
    const all: { ringBlock: number; block: EventBlock }[] = [];
    for (let ringBlock = 0; ringBlock < EVENT_BLOCK_COUNT; ringBlock++) {
      const block = this.block(ringBlock);
      if (block !== null) all.push({ ringBlock, block });
    }
    return all.sort((one, other) =>
      Number(
        (one.block.firstSequence ?? 0n) - (other.block.firstSequence ?? 0n),
      )
    );
  }

  #findHead(): void {
    let head: Head | null = null;
    let next = 1n;
    for (let ringBlock = 0; ringBlock < EVENT_BLOCK_COUNT; ringBlock++) {
      const block = this.block(ringBlock);
      if (block === null || block.firstSequence === null) continue;
      const { firstSequence } = block;
      const used = usedSlots(block);
      const end = firstSequence + BigInt(used);
      // What the device took although it said no may have begun later, and end
      // before the newest: its numbers are taken.
      if (
        head === null || end > next ||
        (end === next && firstSequence > head.firstSequence)
      ) {
        head = { ringBlock, firstSequence, used };
        next = end;
      }
    }
    this.#nextSequence = next < this.#unusedFrom ? this.#unusedFrom : next;
    if (head !== null) {
      // Numbers that are skipped leave their slots empty.
      const used = Number(this.#nextSequence - head.firstSequence);
      const isOpen = used < EVENTS_PER_BLOCK &&
        !this.#unusable.has(head.ringBlock);
      head = { ...head, used: isOpen ? used : EVENTS_PER_BLOCK };
    }
    const newest = this.#ordered.at(-1);
    if (newest !== undefined && newest.sequence === null) {
      this.#head = null;
      this.#startAt = this.#freshBlockAfter(newest.ringBlock);
    } else {
      this.#head = head;
      this.#startAt = 0;
    }
  }

  /** The next empty block, or the next block if none is empty. */
  #freshBlockAfter(ringBlock: number): number {
    const next = (ringBlock + 1) % EVENT_BLOCK_COUNT;
    for (let step = 0; step < EVENT_BLOCK_COUNT; step++) {
      const candidate = (next + step) % EVENT_BLOCK_COUNT;
      const block = this.block(candidate);
      if (block?.slots.every((slot) => slot.kind === "empty")) return candidate;
    }
    return next;
  }
}

/** Slots that are taken or in the way: up to the last such slot. */
function usedSlots(block: EventBlock): number {
  return block.slots.findLastIndex((slot) => slot.kind !== "empty") + 1;
}

function mergeByTimestamp(
  loose: readonly StoredEvent[],
  numbered: readonly StoredEvent[],
): StoredEvent[] {
  const merged: StoredEvent[] = [];
  let next = 0;
  for (const event of numbered) {
    for (; next < loose.length; next++) {
      const candidate = loose[next];
      if (candidate === undefined || candidate.timestamp > event.timestamp) {
        break;
      }
      merged.push(candidate);
    }
    merged.push(event);
  }
  return merged.concat(loose.slice(next));
}

/** Appends that become durable together. */
export class EventBatch {
  readonly #ring: EventRing;
  readonly #changes = new Map<number, Uint8Array<ArrayBuffer>>();
  /** The blocks that this batch starts over. */
  readonly started = new Set<number>();
  /** The records of this batch, in order. */
  readonly appended: StoredEvent[] = [];
  /** Where an append goes next. */
  head: Head | null;
  /** The number that the next record will get. */
  nextSequence: bigint;

  /**
   * Starts an empty batch.
   *
   * @param ring The durable state that the batch builds on.
   */
  constructor(ring: EventRing) {
    this.#ring = ring;
    this.head = ring.head;
    this.nextSequence = ring.nextSequence;
  }

  /** The new images of the changed blocks (0..15). */
  changes(): ReadonlyMap<number, Uint8Array<ArrayBuffer>> {
    return this.#changes;
  }

  /**
   * Plans one append.
   *
   * @param record The record.
   * @param bytes Its 76 bytes, if the caller has them.
   * @returns The number that it gets, or null if the batch must be durable
   * first: the record would push out one of this very batch.
   * @throws {StorageError} EIO if no block of the ring can be written, ENOSPC
   * if the numbers are used up.
   */
  append(
    record: EventRecord,
    bytes: Uint8Array = encodeEventRecord(record),
  ): bigint | null {
    const payloadLength = bytes[PAYLOAD_LENGTH_OFFSET] ?? 0;
    let head = this.head;
    if (head === null || head.used >= EVENTS_PER_BLOCK) {
      const ringBlock = this.#ring.following(
        head?.ringBlock ?? null,
        this.#changes,
      );
      if (ringBlock === null && this.#changes.size > 0) return null;
      if (ringBlock === null) {
        throw new StorageError("EIO", "no block of the event ring is usable");
      }
      if (this.nextSequence > MAXIMUM_FIRST_SEQUENCE) {
        throw new StorageError(
          "ENOSPC",
          `the event numbers are used up: the next one is ${this.nextSequence}, expected at most ${MAXIMUM_FIRST_SEQUENCE}`,
        );
      }
      head = { ringBlock, firstSequence: this.nextSequence, used: 0 };
      this.started.add(ringBlock);
      this.#changes.set(ringBlock, startEventBlock(head.firstSequence));
    }
    const { ringBlock, firstSequence, used } = head;
    let image = this.#changes.get(ringBlock);
    if (image === undefined) {
      image = this.#ring.image(ringBlock)?.slice() ??
        startEventBlock(firstSequence);
      this.#changes.set(ringBlock, image);
    }
    image.set(bytes, used * EVENT_RECORD_SIZE_BYTES);
    const sequence = firstSequence + BigInt(used);
    this.nextSequence = sequence + 1n;
    this.head = { ringBlock, firstSequence, used: used + 1 };
    this.appended.push({
      timestamp: record.timestamp,
      severity: record.severity,
      eventCode: record.eventCode,
      // The caller may change its own array afterwards.
      payload: bytes.subarray(PAYLOAD_OFFSET, PAYLOAD_OFFSET + payloadLength),
      sequence,
      ringBlock,
      slot: used,
    });
    return sequence;
  }
}
