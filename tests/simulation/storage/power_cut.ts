/**
 * The model of a power cut: what can be on the medium after a recorded run was
 * cut at some step. Of the blocks written since the last flush any subset got
 * there, and each of them is new, torn at a multiple of 64 bytes (from either
 * end), zero, all ones, or random. A block written several times since may also
 * hold any of the versions between. Imports the recording device.
 *
 * @module
 */

import { BLOCK_SIZE_BYTES } from "../../../lib/storage/device.ts";
import type { Random } from "../random.ts";
import type { Step } from "./recording_device.ts";

const TEAR_BYTES = 64;
const TEARS = BLOCK_SIZE_BYTES / TEAR_BYTES - 1;

/** How many outcomes a block can have besides staying as it was. */
export const OUTCOMES = 1 + 2 * TEARS + 3;

/** A block that was written and not flushed: what it may hold. */
export interface PendingBlock {
  readonly block: number;
  /** The versions since the last flush, oldest first. */
  readonly versions: readonly Uint8Array<ArrayBuffer>[];
}

/** The medium at a cut, before chance has its say. */
export interface Cut {
  /** What was durable. */
  readonly base: Uint8Array<ArrayBuffer>;
  /** What was not. */
  readonly pending: readonly PendingBlock[];
}

/**
 * Plays a recording up to a step and tells what is durable there.
 *
 * @param start The medium before the run.
 * @param steps The recording.
 * @param count How many steps happened before the cut.
 */
export function cutAt(
  start: Uint8Array<ArrayBuffer>,
  steps: readonly Step[],
  count: number,
): Cut {
  const base = start.slice();
  const pending = new Map<number, Uint8Array<ArrayBuffer>[]>();
  for (const step of steps.slice(0, count)) {
    if (step.kind === "write") {
      const versions = pending.get(step.block) ?? [];
      versions.push(step.bytes);
      pending.set(step.block, versions);
    } else if (step.kind === "durable") {
      for (const [block, versions] of pending) {
        if (step.only !== null && !step.only.has(block)) continue;
        const newest = versions.at(-1);
        if (newest) base.set(newest, block * BLOCK_SIZE_BYTES);
        pending.delete(block);
      }
    }
  }
  return {
    base,
    pending: [...pending].map(([block, versions]) => ({ block, versions })),
  };
}

/** For each pending block -1 (old) or an outcome, 0..OUTCOMES-1. */
export type Fate = readonly number[];

/**
 * The medium after a cut.
 *
 * @param cut The cut.
 * @param fate What became of each pending block.
 * @param random For random content, and for which of several versions.
 */
export function materialize(
  cut: Cut,
  fate: Fate,
  random: Random,
): Uint8Array<ArrayBuffer> {
  const medium = cut.base.slice();
  for (const [index, { block, versions }] of cut.pending.entries()) {
    const outcome = fate[index] ?? -1;
    if (outcome < 0) continue;
    const start = block * BLOCK_SIZE_BYTES;
    const target = medium.subarray(start, start + BLOCK_SIZE_BYTES);
    const version = random.below(versions.length);
    if (version > 0) target.set(versions[version - 1] ?? target);
    applyOutcome(target, versions[version] ?? target, outcome, random);
  }
  return medium;
}

function applyOutcome(
  target: Uint8Array,
  written: Uint8Array,
  outcome: number,
  random: Random,
): void {
  if (outcome === 0) {
    target.set(written);
  } else if (outcome <= TEARS) {
    target.set(written.subarray(0, outcome * TEAR_BYTES));
  } else if (outcome <= 2 * TEARS) {
    const from = (outcome - TEARS) * TEAR_BYTES;
    target.set(written.subarray(from), from);
  } else if (outcome === 2 * TEARS + 1) {
    target.fill(0);
  } else if (outcome === 2 * TEARS + 2) {
    target.fill(0xFF);
  } else {
    target.set(random.bytes(target.length));
  }
}

/** How much of a cut's space is visited. */
export interface FateBudget {
  /** Up to this many fates are enumerated; above, they are drawn. */
  readonly enumerate: number;
  /** How many fates are drawn for each subset of a small set. */
  readonly perSubset: number;
  /** How many subsets are drawn when there are more than 10 pending blocks. */
  readonly subsets: number;
}

/**
 * The fates of a cut: all of them if they are few, else each subset of pending
 * blocks (of at most 10; random subsets above) with outcomes drawn for it.
 *
 * @param pendingCount How many blocks are pending.
 * @param budget How many to visit.
 * @param random Draws.
 */
export function* fates(
  pendingCount: number,
  budget: FateBudget,
  random: Random,
): Generator<Fate> {
  const total = (OUTCOMES + 1) ** pendingCount;
  if (total <= budget.enumerate) {
    for (let number = 0; number < total; number++) {
      let rest = number;
      yield Array.from({ length: pendingCount }, () => {
        const outcome = rest % (OUTCOMES + 1) - 1;
        rest = Math.floor(rest / (OUTCOMES + 1));
        return outcome;
      });
    }
    return;
  }
  const small = pendingCount <= 10;
  const subsets = small ? 2 ** pendingCount : budget.subsets;
  for (let subset = 0; subset < subsets; subset++) {
    for (let draw = 0; draw < budget.perSubset; draw++) {
      yield Array.from({ length: pendingCount }, (_, index) => {
        const there = small ? (subset >> index & 1) === 1 : random.chance(1, 2);
        return there ? random.below(OUTCOMES) : -1;
      });
    }
  }
}
