/**
 * The parameter store as a pure table: 16 block images in, the newest entry of
 * each parameter out, and for each change the slot that it goes to. It never
 * touches a device; the volume's writer carries out what it plans. Imports
 * `lib/wire`.
 *
 * Where a new generation goes, and why:
 *
 * 1. into an older copy of the same parameter, if there is one. So a copy can
 *    never lag so far behind that serial number arithmetic takes it for newer;
 * 2. else into a free slot: empty, damaged, or an older copy of some other
 *    parameter. Blocks in which nothing else is live are preferred, because
 *    writing them can harm nobody;
 * 3. else over the current entry, which the journal protects.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { skipZeros } from "../wire/codec.ts";
import {
  compareGenerations,
  decodeParameterEntry,
  encodeParameterEntry,
  PARAMETER_ENTRY_SIZE_BYTES,
  type ParameterEntry,
} from "../wire/parameter.ts";
import { BLOCK_SIZE_BYTES } from "./device.ts";
import { StorageError } from "./error.ts";
import { PARAMETER_BLOCK_COUNT } from "./layout.ts";

/** How many entries a parameter block holds. */
export const PARAMETERS_PER_BLOCK = 2;
/** How many entries the store holds. */
export const PARAMETER_SLOT_COUNT = PARAMETER_BLOCK_COUNT *
  PARAMETERS_PER_BLOCK;
/** Where the preserved last bytes of a parameter block begin. */
export const PARAMETER_TAIL_OFFSET = PARAMETERS_PER_BLOCK *
  PARAMETER_ENTRY_SIZE_BYTES;

/** Of how many parameters it is remembered that a change of them failed. */
const MAXIMUM_FAILED = 256;

/**
 * What one slot holds: nothing, a valid entry, or bytes that are neither.
 */
export type ParameterSlot =
  | { readonly kind: "empty" }
  | { readonly kind: "entry"; readonly entry: ParameterEntry }
  | { readonly kind: "damaged"; readonly reason: string };

const EMPTY: ParameterSlot = { kind: "empty" };

/**
 * Reads one slot of a parameter block.
 *
 * @param image The 512 bytes of the block.
 * @param index Which entry, 0 or 1.
 * @returns What the slot holds; never throws for any bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readParameterSlot } from "./parameters.ts";
 *
 * assertEquals(readParameterSlot(new Uint8Array(512), 1), { kind: "empty" });
 * ```
 */
export function readParameterSlot(
  image: Uint8Array,
  index: number,
): ParameterSlot {
  const start = index * PARAMETER_ENTRY_SIZE_BYTES;
  const bytes = image.subarray(start, start + PARAMETER_ENTRY_SIZE_BYTES);
  if (isZero(bytes)) return EMPTY;
  try {
    return { kind: "entry", entry: decodeParameterEntry(bytes) };
  } catch (error) {
    return {
      kind: "damaged",
      reason: error instanceof Error ? error.message : String(error),
    };
  }
}

/**
 * Whether all bytes are zero.
 *
 * @param bytes Any bytes.
 * @returns True if none differs from zero, and for no bytes at all.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isZero } from "./parameters.ts";
 *
 * assert(isZero(new Uint8Array(4)));
 * ```
 */
export function isZero(bytes: Uint8Array): boolean {
  const { length } = bytes;
  // A boot looks at every block of an empty volume: word by word, V8 does not
  // take the loop for a hot one and compile it.
  for (let at = skipZeros(bytes, 0, length); at < length; at++) {
    if (bytes[at] !== 0) return false;
  }
  return true;
}

/** Where the newest entry of a parameter stands. */
export interface Place {
  /** The slot, 0..31. */
  readonly slot: number;
  /** The entry that stands there. */
  readonly entry: ParameterEntry;
}

/** What {@linkcode ParameterBatch.set} decided. */
export type ParameterPlan =
  | { readonly kind: "planned"; readonly entry: ParameterEntry }
  /** Earlier changes of this batch must be durable first; then ask again. */
  | { readonly kind: "later" };

/**
 * The durable state of the parameter store.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ParameterTable } from "./parameters.ts";
 *
 * const blank = Array.from({ length: 16 }, () => new Uint8Array(512));
 * const table = new ParameterTable(blank);
 * const batch = table.begin();
 * batch.set(7, new Uint8Array([1, 2, 3]));
 * table.apply(batch.changes());
 * assertEquals(table.get(7)?.value, new Uint8Array([1, 2, 3]));
 * ```
 */
export class ParameterTable {
  readonly #images: (Uint8Array<ArrayBuffer> | null)[];
  readonly #slots: ParameterSlot[];
  readonly #unusable = new Set<number>();
  /**
   * The last generation of a parameter that the device failed, by id: it may be
   * on the medium, and another value of the same generation could not be told
   * from it.
   */
  readonly #failed = new Map<number, number>();
  #current = new Map<number, Place>();

  /**
   * Reads the table from its blocks.
   *
   * @param images The 16 blocks; null for one that the device can't read.
   */
  constructor(images: readonly (Uint8Array<ArrayBuffer> | null)[]) {
    this.#images = images.map((image) => image === null ? null : image.slice());
    this.#slots = Array.from({ length: PARAMETER_SLOT_COUNT }, () => EMPTY);
    for (let block = 0; block < PARAMETER_BLOCK_COUNT; block++) {
      this.#parse(block);
      if ((this.#images[block] ?? null) === null) this.#unusable.add(block);
    }
    this.#choose();
  }

  /** The newest entry of a parameter, or undefined. */
  get(parameterId: number): ParameterEntry | undefined {
    return this.#current.get(parameterId)?.entry;
  }

  /** The newest entry of each parameter, by rising id. */
  list(): ParameterEntry[] {
    return [...this.#current.values()].map((place) => place.entry)
      .sort((a, b) => a.parameterId - b.parameterId);
  }

  /** How many parameters there are. */
  get size(): number {
    return this.#current.size;
  }

  /** The image of a block (0..15), or null if the device can't read it. */
  image(block: number): Uint8Array<ArrayBuffer> | null {
    return this.#images[block] ?? null;
  }

  /** What a slot (0..31) holds. */
  slot(slot: number): ParameterSlot {
    return this.#slots[slot] ?? EMPTY;
  }

  /** The slots that hold the newest entry of some parameter. */
  currentSlots(): Set<number> {
    return new Set([...this.#current.values()].map((place) => place.slot));
  }

  /** Whether a block is excluded from new writes. */
  isUnusable(block: number): boolean {
    return this.#unusable.has(block);
  }

  /** How many blocks are excluded from new writes. */
  get excludedCount(): number {
    return this.#unusable.size;
  }

  /** Excludes a block (0..15) from new writes: the device refused one. */
  exclude(block: number): void {
    this.#unusable.add(block);
  }

  /** Lets excluded blocks be tried again, save those that can't be read. */
  readmit(): void {
    this.#unusable.clear();
    for (const [block, image] of this.#images.entries()) {
      if (image === null) this.#unusable.add(block);
    }
  }

  /**
   * Whether a torn write of this block could harm nothing: no newest entry is
   * in it, and no foreign bytes are in its last eight.
   */
  isFree(block: number): boolean {
    const image = this.#images[block];
    if (!image) return false;
    for (const place of this.#current.values()) {
      if (Math.floor(place.slot / PARAMETERS_PER_BLOCK) === block) return false;
    }
    return isZero(image.subarray(PARAMETER_TAIL_OFFSET)) ||
      this.#isGarbage(block);
  }

  /** Starts a batch of changes on top of the durable state. */
  begin(): ParameterBatch {
    return new ParameterBatch(this);
  }

  /** Takes block images that are durable now. */
  apply(changes: ReadonlyMap<number, Uint8Array<ArrayBuffer>>): void {
    for (const [block, image] of changes) {
      this.#images[block] = image;
      this.#unusable.delete(block);
      this.#parse(block);
    }
    if (changes.size > 0) this.#choose();
    for (const [parameterId, generation] of this.#failed) {
      const current = this.#current.get(parameterId)?.entry.generation;
      if (current !== undefined && isLater(current, generation)) {
        this.#failed.delete(parameterId);
      }
    }
  }

  /**
   * Takes the fact that the device failed a batch: what it held may be on the
   * medium or not.
   *
   * @param batch The batch.
   */
  failed(batch: ParameterBatch): void {
    for (const { parameterId, generation } of batch.entries()) {
      this.#failed.delete(parameterId);
      this.#failed.set(parameterId, generation);
    }
    for (const parameterId of this.#failed.keys()) {
      if (this.#failed.size <= MAXIMUM_FAILED) break;
      this.#failed.delete(parameterId);
    }
  }

  /** The generation that a change of a parameter gets, given its last one. */
  nextGeneration(parameterId: number, last: number | undefined): number {
    const failed = this.#failed.get(parameterId);
    const isFailedLater = failed !== undefined &&
      (last === undefined || isLater(failed, last));
    const before = isFailedLater ? failed : last;
    return before === undefined
      ? 1
      : (before + this.#generationStep()) & 0xffff;
  }

  /**
   * The image that a change of this block starts from. When both slots are
   * damaged the whole block is taken for the remains of a torn write, and its
   * last eight bytes with it.
   */
  baseImage(block: number): Uint8Array<ArrayBuffer> {
    const image = this.#images[block];
    if (!image || this.#isGarbage(block)) {
      return new Uint8Array(BLOCK_SIZE_BYTES);
    }
    const copy = image.slice();
    for (let index = 0; index < PARAMETERS_PER_BLOCK; index++) {
      if (this.slot(block * PARAMETERS_PER_BLOCK + index).kind === "damaged") {
        const start = index * PARAMETER_ENTRY_SIZE_BYTES;
        copy.fill(0, start, start + PARAMETER_ENTRY_SIZE_BYTES);
      }
    }
    return copy;
  }

  /**
   * The blocks with a damaged slot, or with an entry that is not the newest of
   * its parameter although no other is newer.
   */
  untidyBlocks(): number[] {
    const untidy = new Set<number>();
    for (const [slot, content] of this.#slots.entries()) {
      const block = Math.floor(slot / PARAMETERS_PER_BLOCK);
      if (!this.#images[block]) continue;
      if (content.kind === "damaged" || this.#isRival(slot)) untidy.add(block);
    }
    return [...untidy];
  }

  /** The block without its damaged slots and rivals. */
  tidyImage(block: number): Uint8Array<ArrayBuffer> {
    const image = this.baseImage(block);
    for (let index = 0; index < PARAMETERS_PER_BLOCK; index++) {
      if (!this.#isRival(block * PARAMETERS_PER_BLOCK + index)) continue;
      const start = index * PARAMETER_ENTRY_SIZE_BYTES;
      image.fill(0, start, start + PARAMETER_ENTRY_SIZE_BYTES);
    }
    return image;
  }

  #isRival(slot: number): boolean {
    const content = this.slot(slot);
    if (content.kind !== "entry") return false;
    const { parameterId, generation } = content.entry;
    const newest = this.#current.get(parameterId);
    return newest !== undefined && newest.slot !== slot &&
      compareGenerations(newest.entry.generation, generation) <= 0;
  }

  /** Where the newest entry of a parameter is. */
  place(parameterId: number): Place | undefined {
    return this.#current.get(parameterId);
  }

  /**
   * How far a new generation is ahead of the last. Normally 1. While a block
   * can't be read, it may hide a newer entry than the one we see, so we step
   * over what it can hold.
   */
  #generationStep(): number {
    return this.#images.some((image) => !image) ? 256 : 1;
  }

  #isGarbage(block: number): boolean {
    for (let index = 0; index < PARAMETERS_PER_BLOCK; index++) {
      if (this.slot(block * PARAMETERS_PER_BLOCK + index).kind !== "damaged") {
        return false;
      }
    }
    return true;
  }

  #parse(block: number): void {
    const image = this.#images[block];
    for (let index = 0; index < PARAMETERS_PER_BLOCK; index++) {
      this.#slots[block * PARAMETERS_PER_BLOCK + index] = image
        ? readParameterSlot(image, index)
        : { kind: "damaged", reason: "the block can't be read" };
    }
  }

  #choose(): void {
    this.#current = newestEntries(this.#slots);
  }
}

/**
 * Picks the newest entry of each parameter (RFC 1982, 16 bits). Of two equal
 * generations the lower slot wins.
 *
 * @param slots The slots of the store.
 * @returns For each parameter id its slot and entry.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { newestEntries } from "./parameters.ts";
 *
 * assertEquals(newestEntries([{ kind: "empty" }]).size, 0);
 * ```
 */
export function newestEntries(
  slots: readonly ParameterSlot[],
): Map<number, { readonly slot: number; readonly entry: ParameterEntry }> {
  const newest = new Map<number, Place>();
  for (const [slot, content] of slots.entries()) {
    if (content.kind !== "entry") continue;
    const { entry } = content;
    const rival = newest.get(entry.parameterId);
    if (
      rival === undefined ||
      compareGenerations(entry.generation, rival.entry.generation) > 0
    ) {
      newest.set(entry.parameterId, { slot, entry });
    }
  }
  return newest;
}

function isLater(one: number, other: number): boolean {
  return compareGenerations(one, other) > 0;
}

/** Changes that become durable together. */
export class ParameterBatch {
  readonly #table: ParameterTable;
  readonly #changes = new Map<number, Uint8Array<ArrayBuffer>>();
  readonly #staged = new Map<number, Place>();
  readonly #claimed = new Set<number>();

  /**
   * Starts an empty batch.
   *
   * @param table The durable state that the batch builds on.
   */
  constructor(table: ParameterTable) {
    this.#table = table;
  }

  /** The new images of the changed blocks (0..15). */
  changes(): ReadonlyMap<number, Uint8Array<ArrayBuffer>> {
    return this.#changes;
  }

  /** The entries that are to be stored. */
  entries(): ParameterEntry[] {
    return [...this.#staged.values()].map(({ entry }) => entry);
  }

  /**
   * Plans a new generation of a parameter.
   *
   * @param parameterId The parameter, u32.
   * @param value At most 240 bytes.
   * @returns The entry that will be stored, or "later".
   * @throws {StorageError} ENOSPC if all slots hold other parameters.
   */
  set(parameterId: number, value: Uint8Array): ParameterPlan {
    const table = this.#table;
    const staged = this.#staged.get(parameterId);
    const current = staged ?? table.place(parameterId);
    const generation = table.nextGeneration(
      parameterId,
      current?.entry.generation,
    );
    const slot = staged?.slot ?? this.#chooseSlot(parameterId);
    if (slot === undefined) {
      if (this.#staged.size > 0) return { kind: "later" };
      if (table.excludedCount > 0 && table.size < PARAMETER_SLOT_COUNT) {
        throw new StorageError(
          "EIO",
          `no usable slot for parameter ${parameterId}: ${table.excludedCount} blocks of the store fail`,
        );
      }
      throw new StorageError(
        "ENOSPC",
        `no free slot for parameter ${parameterId}: ${table.size} parameters in ${PARAMETER_SLOT_COUNT} slots`,
      );
    }
    const entry = { parameterId, generation, value: value.slice() };
    const block = Math.floor(slot / PARAMETERS_PER_BLOCK);
    const image = this.#changes.get(block) ?? table.baseImage(block);
    image.set(
      encodeParameterEntry(entry),
      (slot % PARAMETERS_PER_BLOCK) * PARAMETER_ENTRY_SIZE_BYTES,
    );
    this.#changes.set(block, image);
    this.#staged.set(parameterId, { slot, entry });
    this.#claimed.add(slot);
    return { kind: "planned", entry };
  }

  #chooseSlot(parameterId: number): number | undefined {
    const table = this.#table;
    const own = table.place(parameterId);
    const current = table.currentSlots();
    let best: number | undefined;
    let bestRank = Infinity;
    for (let slot = 0; slot < PARAMETER_SLOT_COUNT; slot++) {
      const block = Math.floor(slot / PARAMETERS_PER_BLOCK);
      if (
        current.has(slot) || this.#claimed.has(slot) || table.isUnusable(block)
      ) continue;
      const rank = this.#rank(slot, block, parameterId, own);
      if (rank < bestRank) {
        best = slot;
        bestRank = rank;
      }
    }
    if (best !== undefined) return best;
    if (own === undefined) return undefined;
    const block = Math.floor(own.slot / PARAMETERS_PER_BLOCK);
    return table.isUnusable(block) ? undefined : own.slot;
  }

  /** Lower is better; see the rules at the top of the file. */
  #rank(
    slot: number,
    block: number,
    parameterId: number,
    own: Place | undefined,
  ): number {
    const content = this.#table.slot(slot);
    if (content.kind === "entry" && content.entry.parameterId === parameterId) {
      // The older the copy, the sooner it must go.
      const age = own === undefined
        ? 0
        : (own.entry.generation - content.entry.generation) & 0xffff;
      return -1 - age;
    }
    const empty = content.kind === "empty" ? 0 : 1;
    if (!this.#table.isFree(block)) return 40 + empty;
    return (this.#changes.has(block) ? 20 : 0) + empty;
  }
}

/**
 * Builds the image of a parameter block from its parts.
 *
 * @param entries The two entries; null for an empty slot.
 * @param tail The preserved last eight bytes.
 * @returns 512 bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { buildParameterBlock } from "./parameters.ts";
 *
 * assertEquals(buildParameterBlock([null, null], new Uint8Array(8)).length, 512);
 * ```
 */
export function buildParameterBlock(
  entries: readonly (ParameterEntry | null)[],
  tail: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (let index = 0; index < PARAMETERS_PER_BLOCK; index++) {
    const entry = entries[index] ?? null;
    parts.push(
      entry === null
        ? new Uint8Array(PARAMETER_ENTRY_SIZE_BYTES)
        : encodeParameterEntry(entry),
    );
  }
  parts.push(tail);
  return concat(parts);
}
