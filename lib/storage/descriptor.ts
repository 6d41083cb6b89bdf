/**
 * A descriptor block, judged: is it one, and one of the very place where it
 * stands? Imports `lib/wire` and the layout of the volume.
 *
 * @module
 */

import {
  type DataProductBlock,
  decodeDataProductBlock,
} from "../wire/data_product.ts";
import { BLOCK_SIZE_BYTES } from "./device.ts";
import type { Geometry } from "./layout.ts";

/** A product in the catalogue. */
export interface DataProduct extends DataProductBlock {
  /** The block of its descriptor, counted from the volume's start. */
  readonly descriptorBlock: number;
}

/**
 * Judges a descriptor block.
 *
 * @param bytes The 512 bytes of the block.
 * @param geometry Where the data product area is.
 * @param block Where the block stands, counted from the volume's start.
 * @returns The product, or in words which field is wrong.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { judgeDescriptor } from "./descriptor.ts";
 * import { geometryOf } from "./layout.ts";
 *
 * const superblock = { totalBlocks: 64, dataProductStart: 33, dataProductSize: 30 };
 * const geometry = geometryOf(superblock, 64);
 * assertEquals(typeof judgeDescriptor(new Uint8Array(512), geometry, 33), "string");
 * ```
 */
export function judgeDescriptor(
  bytes: Uint8Array,
  geometry: Geometry,
  block: number,
): DataProduct | string {
  let descriptor: DataProductBlock;
  try {
    descriptor = decodeDataProductBlock(bytes);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { blockOffset, blockCount, dataLength } = descriptor;
  const own = block - geometry.dataProductStart + 1;
  if (blockOffset !== own) {
    return `block_offset is ${blockOffset}, expected ${own}`;
  }
  if (blockOffset + blockCount > geometry.dataProductBlocks) {
    return `block_count is ${blockCount}, expected at most ${
      geometry.dataProductBlocks - blockOffset
    }`;
  }
  if (dataLength > blockCount * BLOCK_SIZE_BYTES) {
    return `the length is ${dataLength}, expected at most ${
      blockCount * BLOCK_SIZE_BYTES
    }`;
  }
  return { ...descriptor, descriptorBlock: block };
}
