/**
 * What the storage room asks of a disk: blocks of 512 bytes that can be read,
 * written and flushed. The volume knows nothing else about its medium, so a
 * file, a partition, memory, or the simulator's failing disk can all be that
 * medium. Imports nothing but the room's error.
 *
 * @module
 */

import { StorageError } from "./error.ts";

/** The size of a block in bytes (formats.md, "Volume"). */
export const BLOCK_SIZE_BYTES = 512;

/**
 * A disk as the volume sees it.
 *
 * The contract that the crash safety rests on: when {@linkcode flush} resolves,
 * every write that resolved before the flush was called is on the medium and
 * survives a power cut. Until then any subset of the written blocks may be
 * there, and each of them may be torn. Several calls may be under way at once.
 * No call may block the JavaScript thread.
 */
export interface BlockDevice {
  /** How many whole blocks the device has. */
  readonly blockCount: number;
  /** Whether writes are refused. */
  readonly readOnly: boolean;
  /**
   * Reads whole blocks.
   *
   * @param block The first block, 0..blockCount-1.
   * @param count How many blocks, at least 1.
   * @returns A fresh array of `count * 512` bytes.
   * @throws {Error} If the device can't read all of them.
   */
  read(block: number, count: number): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Writes whole blocks. The device may keep them in a cache until the next
   * flush. The caller must not change `bytes` before the promise settles.
   *
   * @param block The first block.
   * @param bytes A multiple of 512 bytes.
   * @throws {Error} If the device refused the write.
   */
  write(block: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /**
   * Writes blocks and makes this one write durable, in one step; other writes
   * stay as they are. Devices that can do no better than `write` and `flush`
   * leave it out.
   *
   * @param block The first block.
   * @param bytes A multiple of 512 bytes.
   * @throws {Error} If the device refused the write or can't promise that it
   * lasts.
   */
  writeDurable?(block: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /**
   * Makes every earlier write durable.
   *
   * @throws {Error} If the device can't promise that.
   */
  flush(): Promise<void>;
  /**
   * Lets go of what a cache in front of the device holds, so that the next
   * reads show what is on the medium. Devices without such a cache leave it
   * out.
   */
  forget?(): void;
  /** Releases the device. Does not flush. */
  close(): void;
}

/**
 * Refuses a block range that is not inside a device of `blockCount` blocks.
 *
 * @param block The first block.
 * @param count How many blocks, at least 1.
 * @param blockCount The size of the device in blocks.
 * @throws {StorageError} EINVAL, naming the range and the device's size.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { assertBlockRange } from "./device.ts";
 *
 * assertBlockRange(0, 8, 8);
 * assertThrows(() => assertBlockRange(7, 2, 8), Error, "blocks 7..8");
 * ```
 */
export function assertBlockRange(
  block: number,
  count: number,
  blockCount: number,
): void {
  const whole = Number.isSafeInteger(block) && Number.isSafeInteger(count);
  if (!whole || block < 0 || count < 1 || block + count > blockCount) {
    throw new StorageError(
      "EINVAL",
      `blocks ${block}..${
        block + count - 1
      } are outside the device, which has blocks 0..${blockCount - 1}`,
      { block },
    );
  }
}

/**
 * Refuses a buffer that is not a whole number of blocks, and says how many it
 * holds.
 *
 * @param bytes The buffer that a caller wants written.
 * @returns The number of blocks, at least 1.
 * @throws {StorageError} EINVAL, naming the length.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { wholeBlocks } from "./device.ts";
 *
 * assertEquals(wholeBlocks(new Uint8Array(1024)), 2);
 * ```
 */
export function wholeBlocks(bytes: Uint8Array): number {
  const count = bytes.length / BLOCK_SIZE_BYTES;
  if (!Number.isInteger(count) || count < 1) {
    throw new StorageError(
      "EINVAL",
      `a write of ${bytes.length} bytes is not a whole number of ${BLOCK_SIZE_BYTES}-byte blocks`,
    );
  }
  return count;
}
