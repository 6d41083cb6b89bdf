/**
 * Makes changed metadata blocks durable: chooses which goes through the journal
 * block, which in place, and how few flushes that takes. It knows the journal's
 * state and little of what the blocks mean. Imports `lib/wire` (the journal's
 * layout), the device and the event block.
 *
 * The states of the journal, and what a change of block B does in each:
 *
 * - **spent**: every block is up to date in place. A change that could do harm
 *   if it were torn is written to the journal, flush: it is durable, and the
 *   journal is *ahead*. A change that can do none is written in place, and the
 *   journal is wiped in the same flush, so that its image never gets so old
 *   that it could be taken for news.
 * - **ahead** for B: the journal holds the only up-to-date copy of B. A change
 *   of B is written in place, flush: whatever becomes of the write, the journal
 *   has all but this change. The journal is spent.
 * - **ahead** for another block A: A is written in place, together with all
 *   that can harm nobody, flush; then as above.
 *
 * A run of appends therefore costs one write and one flush each.
 *
 * Harm is of two kinds. A torn block can lose what it holds beside the change.
 * And a block of the event ring that is started over can show an old record
 * under a new number, or a new one under an old number; so it goes through the
 * journal, which carries the CRCs of the old records besides. Where a commit
 * starts several such blocks, those that the journal has no room for are filled
 * with zeros in a flush that is due anyway, since their records have been given
 * up by this very commit; over zeros there is nothing to mix.
 *
 * A journal that the device refuses is given up, and then each block is written
 * in place: a torn write can lose what stands beside the change. It is emptied
 * together with the first change that the device takes, and serves again.
 *
 * When a flush fails, it does not say which block was to blame, and a second
 * flush may succeed without the data. So every block of the round is written
 * and flushed again alone, from memory; those that fail are named to the
 * caller, the others are durable. Then nothing is flushed: if that fails, too,
 * not the blocks are to blame but the device.
 *
 * @module
 */

import { encodeJournal, JournalKind } from "../wire/journal.ts";
import { BLOCK_SIZE_BYTES, type BlockDevice } from "./device.ts";
import { StorageError } from "./error.ts";
import { recordCrcsOf } from "./event_block.ts";
import { DATA_PRODUCT_FIRST_BLOCK, EVENT_FIRST_BLOCK } from "./layout.ts";
import { RetryPace } from "./retry_pace.ts";

/** A block that is to be written. */
export interface BlockWrite {
  /** The block, counted from the volume's start. */
  readonly block: number;
  /** The whole new content, 512 bytes. */
  readonly image: Uint8Array<ArrayBuffer>;
}

/** A changed metadata block. */
export interface BlockChange extends BlockWrite {
  /** Whether a torn write of it could do harm. */
  readonly protect: boolean;
  /**
   * For a block of the event ring that is started over: the CRCs of the records
   * that stand there and have been given up; null for any other.
   */
  readonly replacedCrcs: readonly number[] | null;
  /** Whether the block will probably be changed again next. */
  readonly again: boolean;
}

/** An image that only the journal holds. */
export interface PendingImage extends BlockWrite {
  /** The CRCs of the records that it takes the place of, if there are any. */
  readonly replacedCrcs?: readonly number[];
}

/** Counters of a {@linkcode Committer}, since it was made. */
export interface CommitterCounters {
  /** Flushes that were asked of the device. */
  flushes: number;
  /** Blocks that were written. */
  blocksWritten: number;
  /** Rounds that the device failed. */
  failedRounds: number;
}

/** What became of a commit. */
export interface CommitResult {
  /** The blocks that the device would not take, each with its error. */
  readonly failed: Map<number, unknown>;
  /** Blocks that were not written, because the journal could not be freed. */
  readonly blocked: Set<number>;
  /** The error of the flush that was to cover the caller's own writes. */
  flushError: unknown;
  /**
   * What the device as a whole has failed with, if it has: to write elsewhere
   * would not help, and each block that is tried may be spoilt.
   */
  deviceError: unknown;
}

/**
 * Writes metadata blocks so that a cut at any instant loses nothing that was
 * acknowledged.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Committer } from "./committer.ts";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 40 });
 * const committer = new Committer(device, { journalBlock: 39, pending: null });
 * const image = new Uint8Array(512);
 * const result = await committer.commit([
 *   { block: 17, image, protect: true, replacedCrcs: null, again: false },
 * ]);
 * assertEquals(result.failed.size, 0);
 * assertEquals(committer.pending?.block, 17);
 * ```
 */
export class Committer {
  /** What this committer did, for statistics. */
  readonly counters: CommitterCounters = {
    flushes: 0,
    blocksWritten: 0,
    failedRounds: 0,
  };
  readonly #device: BlockDevice;
  #journalBlock: number | null;
  /** The journal's block while it is given up, because the device failed it. */
  #lostJournal: number | null = null;
  /** In which rounds that one is tried again. */
  readonly #reclaimPace = new RetryPace(1);
  #pending: PendingImage | null;
  /** Whether the journal holds an image that is in place already. */
  #spent: boolean;

  /**
   * Takes over the journal as recovery left it.
   *
   * @param device The device.
   * @param state The journal's block (null without one), and the image that
   * only the journal holds, if any.
   */
  constructor(
    device: BlockDevice,
    state: {
      readonly journalBlock: number | null;
      readonly pending: PendingImage | null;
    },
  ) {
    this.#device = device;
    this.#journalBlock = state.journalBlock;
    this.#pending = state.pending;
    this.#spent = state.journalBlock !== null && state.pending === null;
  }

  /** The image that only the journal holds, or null. */
  get pending(): PendingImage | null {
    return this.#pending;
  }

  /** The journal's block; null if there is none, or while it can't be written. */
  get journalBlock(): number | null {
    return this.#journalBlock;
  }

  /**
   * Makes changes durable. Each block may occur once. All of them are when the
   * promise resolves, but for those that the result names.
   *
   * @param changes The changed blocks.
   * @param flushAll Whether writes that the caller made itself must be durable
   * with these.
   * @returns What could not be done.
   */
  async commit(
    changes: readonly BlockChange[],
    flushAll: boolean = false,
  ): Promise<CommitResult> {
    const result: CommitResult = emptyResult();
    let waiting = changes.slice();
    let first = true;
    do {
      waiting = await this.#round(waiting, result, first && flushAll);
      first = false;
    } while (waiting.length > 0);
    return result;
  }

  /** Writes the journal's image in place, so that other software sees it. */
  async settle(): Promise<CommitResult> {
    const result: CommitResult = emptyResult();
    if (this.#pending === null) return result;
    await this.#write([this.#pending], result, false);
    if (result.failed.size === 0) this.#becomeSpent();
    return result;
  }

  /**
   * Writes blocks in place past the pending image, which stays.
   *
   * @param writes What can harm nobody, even where it is torn.
   */
  async commitAround(writes: readonly BlockWrite[]): Promise<CommitResult> {
    const result: CommitResult = emptyResult();
    await this.#write(writes, result, false);
    return result;
  }

  /**
   * Empties a spent journal. Whoever writes to the volume next, with or without
   * a journal, then can't have its work taken for a torn write.
   */
  async wipe(): Promise<void> {
    const block = this.#journalBlock;
    if (block === null || !this.#spent || this.#pending !== null) return;
    const result: CommitResult = emptyResult();
    const image = new Uint8Array(BLOCK_SIZE_BYTES);
    await this.#write([{ block, image }], result, false);
    if (result.deviceError !== undefined) return;
    this.#spent = false;
    if (result.failed.size > 0) this.#giveUpJournal(block);
  }

  /** Gives up the pending image: what it holds is durable elsewhere now. */
  release(): void {
    if (this.#pending !== null) this.#becomeSpent();
  }

  /** Without a journal we go on with the weaker guarantee. */
  #giveUpJournal(block: number): void {
    this.#journalBlock = null;
    this.#lostJournal = block;
    this.#reclaimPace.hurry();
    this.#spent = false;
  }

  /**
   * The journal that was given up, if it is to be tried again now. What it was
   * last to hold may be on the medium and look like news, so it is emptied with
   * the first change that succeeds, and where the device refuses, now and then.
   */
  #journalToReclaim(): number | null {
    const isDue = this.#lostJournal !== null && this.#reclaimPace.isDue();
    return isDue ? this.#lostJournal : null;
  }

  #reclaimed(block: number, error: unknown): void {
    if (error !== undefined) return this.#reclaimPace.failed();
    this.#journalBlock = block;
    this.#lostJournal = null;
    this.#reclaimPace.succeeded();
  }

  #becomeSpent(): void {
    this.#pending = null;
    this.#spent = true;
  }

  /** One flush. Returns the changes that are left for the next round. */
  async #round(
    changes: readonly BlockChange[],
    result: CommitResult,
    flushAll: boolean,
  ): Promise<BlockChange[]> {
    const { failed } = result;
    const journalBlock = this.#journalBlock;
    const pending = this.#pending;
    const writes: BlockWrite[] = [];
    const waiting: BlockChange[] = [];
    let journaled: BlockChange | undefined;
    let wiped = false;
    const putOff = (change: BlockChange) => {
      if (change.replacedCrcs === null) {
        waiting.push(change);
        return;
      }
      const image = new Uint8Array(BLOCK_SIZE_BYTES);
      writes.push({ block: change.block, image });
      waiting.push({ ...change, protect: false, replacedCrcs: null });
    };

    const reclaim = journalBlock === null && changes.length > 0
      ? this.#journalToReclaim()
      : null;
    if (journalBlock === null) {
      // First: where each is written alone, nothing is acknowledged before it.
      if (reclaim !== null) {
        const image = new Uint8Array(BLOCK_SIZE_BYTES);
        writes.push({ block: reclaim, image });
      }
      writes.push(...changes);
    } else if (pending !== null) {
      const change = changes.find((other) =>
        other.block === pending.block && isTellable(other, pending)
      );
      // With nothing to write the journal may stay ahead.
      if (changes.length > 0) writes.push(change ?? pending);
      for (const other of changes) {
        if (other === change) continue;
        if (other.block === pending.block) waiting.push(other);
        else if (other.protect) putOff(other);
        else writes.push(other);
      }
    } else {
      journaled = changes.find((change) =>
        change.protect && change.replacedCrcs === null
      ) ?? changes.find((change) =>
        change.protect
      ) ??
        changes.find((change) => change.again);
      for (const other of changes) {
        if (other === journaled) continue;
        if (other.protect) putOff(other);
        else writes.push(other);
      }
      if (journaled !== undefined) {
        const { block, image, replacedCrcs } = journaled;
        const entry = {
          kind: journalKindOf(block),
          targetBlock: block,
          image,
          ...(replacedCrcs === null ? {} : { replacedCrcs }),
        };
        writes.push({ block: journalBlock, image: encodeJournal(entry) });
      } else if (this.#spent && writes.length > 0) {
        wiped = true;
        writes.push({
          block: journalBlock,
          image: new Uint8Array(BLOCK_SIZE_BYTES),
        });
      }
    }

    await this.#write(writes, result, flushAll);

    if (reclaim !== null) {
      const error = failed.get(reclaim);
      if (result.deviceError === undefined) this.#reclaimed(reclaim, error);
      failed.delete(reclaim);
    }
    for (const block of failed.keys()) {
      const index = waiting.findIndex((change) => change.block === block);
      if (index >= 0) waiting.splice(index, 1);
    }
    if (journalBlock !== null && failed.has(journalBlock)) {
      const error = failed.get(journalBlock);
      failed.delete(journalBlock);
      if (result.deviceError !== undefined) {
        // Not the journal is bad: it has nothing that counts, before and after.
        if (journaled !== undefined) failed.set(journaled.block, error);
        return waiting;
      }
      this.#giveUpJournal(journalBlock);
      if (journaled !== undefined) waiting.unshift(journaled);
      return waiting;
    }
    if (journaled !== undefined) {
      const { block, image, replacedCrcs } = journaled;
      this.#pending = {
        block,
        image,
        ...(replacedCrcs === null ? {} : { replacedCrcs }),
      };
      this.#spent = false;
    } else if (pending !== null && changes.length > 0) {
      if (failed.has(pending.block)) {
        for (const change of waiting) result.blocked.add(change.block);
        return [];
      }
      this.#becomeSpent();
    } else if (wiped) {
      this.#spent = false;
    }
    return waiting;
  }

  async #write(
    writes: readonly BlockWrite[],
    result: CommitResult,
    flushAll: boolean,
  ): Promise<void> {
    if (writes.length === 0 && !flushAll) return;
    this.counters.blocksWritten += writes.length;
    this.counters.flushes++;
    try {
      await this.#writeTogether(writes, flushAll);
      return;
    } catch (error) {
      this.counters.failedRounds++;
      // The caller's own writes may be lost, and it alone can repeat them.
      if (flushAll) result.flushError = error;
    }
    await this.#writeAlone(writes, result.failed);
    if (result.failed.size > 0) {
      result.deviceError = await this.#judgeDevice(result.failed);
    }
  }

  /** What the whole device fails with, or undefined if it takes other writes. */
  async #judgeDevice(failed: ReadonlyMap<number, unknown>): Promise<unknown> {
    for (const error of failed.values()) {
      if (isReadOnlyError(error)) return error;
    }
    try {
      await this.#device.flush();
      return undefined;
    } catch (error) {
      return error ?? new Error("the device failed");
    }
  }

  async #writeTogether(
    writes: readonly BlockWrite[],
    flushAll: boolean,
  ): Promise<void> {
    const device = this.#device;
    const runs = joinRuns(writes);
    const [only] = runs;
    if (
      runs.length === 1 && only !== undefined && !flushAll &&
      device.writeDurable !== undefined
    ) {
      return await device.writeDurable(only.block, only.image);
    }
    await Promise.all(runs.map((run) => device.write(run.block, run.image)));
    await device.flush();
  }

  async #writeAlone(
    writes: readonly BlockWrite[],
    failed: Map<number, unknown>,
  ): Promise<void> {
    for (const write of writes) {
      try {
        await this.#device.write(write.block, write.image);
        await this.#device.flush();
      } catch (error) {
        failed.set(write.block, error);
      }
    }
  }
}

/**
 * Whether a change of the pending block could be told from what stands there,
 * were it torn. A record that is the same as the old one in its slot could not,
 * nor could a block that is started over already (there is no other to use); so
 * the pending image is put in place without them first.
 */
function isTellable(change: BlockChange, pending: PendingImage): boolean {
  const { replacedCrcs } = pending;
  if (change.replacedCrcs !== null) return false;
  if (replacedCrcs === undefined) return true;
  const before = recordCrcsOf(pending.image);
  return recordCrcsOf(change.image).every((crc, slot) =>
    crc === before[slot] || crc !== replacedCrcs[slot]
  );
}

/**
 * Whether a device takes no writes at all: then it has written nothing.
 *
 * @param error What it said.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isReadOnlyError } from "./committer.ts";
 * import { StorageError } from "./error.ts";
 *
 * assert(isReadOnlyError(new StorageError("EROFS", "the device is read-only")));
 * ```
 */
export function isReadOnlyError(error: unknown): boolean {
  return error instanceof StorageError && error.code === "EROFS";
}

/** Joins writes of neighbouring blocks: one call costs less than two. */
function joinRuns(writes: readonly BlockWrite[]): BlockWrite[] {
  const sorted = [...writes].sort((a, b) => a.block - b.block);
  const runs: { block: number; images: Uint8Array<ArrayBuffer>[] }[] = [];
  for (const { block, image } of sorted) {
    const last = runs.at(-1);
    if (last !== undefined && last.block + last.images.length === block) {
      last.images.push(image);
    } else runs.push({ block, images: [image] });
  }
  return runs.map(({ block, images }) => {
    const [only] = images;
    if (images.length === 1 && only !== undefined) {
      return { block, image: only };
    }
    const image = new Uint8Array(images.length * BLOCK_SIZE_BYTES);
    images.forEach((part, index) => image.set(part, index * BLOCK_SIZE_BYTES));
    return { block, image };
  });
}

function emptyResult(): CommitResult {
  return {
    failed: new Map(),
    blocked: new Set(),
    flushError: undefined,
    deviceError: undefined,
  };
}

function journalKindOf(block: number): JournalKind {
  if (block < EVENT_FIRST_BLOCK) return JournalKind.PARAMETERS;
  if (block < DATA_PRODUCT_FIRST_BLOCK) return JournalKind.EVENTS;
  return JournalKind.DESCRIPTOR;
}
