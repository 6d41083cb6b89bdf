/**
 * Where things are on a volume, as numbers with names, and the geometry that a
 * superblock describes. The byte layouts inside the blocks live in `lib/wire`.
 * Imports the wire types and the room's error.
 *
 * @module
 */

import type { Superblock } from "../wire/superblock.ts";
import { StorageError } from "./error.ts";

/** The block that holds the superblock. */
export const SUPERBLOCK_BLOCK = 0;
/** The first block of the parameter store. */
export const PARAMETER_FIRST_BLOCK = 1;
/** How many blocks the parameter store has. */
export const PARAMETER_BLOCK_COUNT = 16;
/** The first block of the event ring. */
export const EVENT_FIRST_BLOCK = 17;
/** How many blocks the event ring has. */
export const EVENT_BLOCK_COUNT = 16;
/** Where we put the data product area, and the least `dp_start` that makes sense. */
export const DATA_PRODUCT_FIRST_BLOCK = 33;
/**
 * The smallest volume that we format: the fixed blocks, a data product area of
 * one descriptor and one data block, and the journal.
 */
export const MINIMUM_BLOCK_COUNT: number = DATA_PRODUCT_FIRST_BLOCK + 3;
/** The largest volume: the superblock counts its blocks in a u32. */
export const MAXIMUM_BLOCK_COUNT = 0xFFFF_FFFF;

/** What the superblock says about the places on a volume, checked. */
export interface Geometry {
  /** Size of the volume in blocks. */
  readonly totalBlocks: number;
  /** First block of the data product area. */
  readonly dataProductStart: number;
  /** Size of the data product area in blocks; may be 0. */
  readonly dataProductBlocks: number;
  /**
   * The journal block, or null on a volume whose data product area reaches the
   * end (written by other software).
   */
  readonly journalBlock: number | null;
}

/**
 * Judges the sizes in a superblock against the device and derives where the
 * journal is.
 *
 * @param superblock The decoded superblock.
 * @param deviceBlockCount The size of the device in blocks.
 * @returns The geometry.
 * @throws {StorageError} EUCLEAN, naming the field, its value and what was
 * expected.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { geometryOf } from "./layout.ts";
 *
 * const geometry = geometryOf(
 *   { totalBlocks: 100, dataProductStart: 33, dataProductSize: 66 },
 *   100,
 * );
 * assertEquals(geometry.journalBlock, 99);
 * ```
 */
export function geometryOf(
  superblock: Pick<
    Superblock,
    "totalBlocks" | "dataProductStart" | "dataProductSize"
  >,
  deviceBlockCount: number,
): Geometry {
  const { totalBlocks, dataProductStart, dataProductSize } = superblock;
  const bad = (field: string, message: string) =>
    new StorageError("EUCLEAN", `superblock field ${message}`, {
      block: SUPERBLOCK_BLOCK,
      field,
    });
  if (totalBlocks < DATA_PRODUCT_FIRST_BLOCK) {
    throw bad(
      "total_blocks",
      `total_blocks is ${totalBlocks}, expected at least ${DATA_PRODUCT_FIRST_BLOCK}`,
    );
  }
  if (totalBlocks > deviceBlockCount) {
    throw bad(
      "total_blocks",
      `total_blocks is ${totalBlocks}, but the device has only ${deviceBlockCount} blocks: it is truncated`,
    );
  }
  if (
    dataProductStart < DATA_PRODUCT_FIRST_BLOCK ||
    dataProductStart > totalBlocks
  ) {
    throw bad(
      "dp_start",
      `dp_start is ${dataProductStart}, expected ${DATA_PRODUCT_FIRST_BLOCK}..${totalBlocks}`,
    );
  }
  if (dataProductStart + dataProductSize > totalBlocks) {
    throw bad(
      "dp_size",
      `dp_size is ${dataProductSize}, expected at most ${
        totalBlocks - dataProductStart
      } (total_blocks ${totalBlocks} - dp_start ${dataProductStart})`,
    );
  }
  return {
    totalBlocks,
    dataProductStart,
    dataProductBlocks: dataProductSize,
    journalBlock: dataProductStart + dataProductSize < totalBlocks
      ? totalBlocks - 1
      : null,
  };
}
