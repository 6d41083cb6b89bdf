/**
 * A disk in memory, for tests, for tools that build an image before they write
 * it, and for an init that has no disk. Imports the device interface.
 *
 * @module
 */

import {
  assertBlockRange,
  BLOCK_SIZE_BYTES,
  type BlockDevice,
  wholeBlocks,
} from "./device.ts";
import { StorageError } from "./error.ts";

/**
 * A {@linkcode BlockDevice} over one byte array.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 8 });
 * await device.write(3, new Uint8Array(512).fill(7));
 * await device.flush();
 * assertEquals((await device.read(3, 1))[0], 7);
 * assertEquals(device.bytes.length, 8 * 512);
 * ```
 */
export class MemoryBlockDevice implements BlockDevice {
  /** The whole content of the disk; a test may change it in place. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many whole blocks the device has. */
  readonly blockCount: number;
  /** Whether writes are refused. */
  readonly readOnly: boolean;

  /**
   * Makes a disk of zeros, or one over existing bytes (not copied).
   *
   * @param options Either the size in blocks or the content, and whether the
   * disk refuses writes.
   * @throws {StorageError} EINVAL if there is not at least one whole block.
   */
  constructor(
    options:
      & { readonly readOnly?: boolean }
      & ({ readonly blockCount: number } | {
        readonly bytes: Uint8Array<ArrayBuffer>;
      }),
  ) {
    this.bytes = "bytes" in options
      ? options.bytes
      : new Uint8Array(options.blockCount * BLOCK_SIZE_BYTES);
    this.blockCount = Math.floor(this.bytes.length / BLOCK_SIZE_BYTES);
    this.readOnly = options.readOnly ?? false;
    if (this.blockCount < 1) {
      throw new StorageError("EINVAL", "a disk needs at least one block");
    }
  }

  /**
   * Reads whole blocks.
   *
   * @param block The first block.
   * @param count How many blocks.
   * @returns A copy of the blocks.
   */
  // deno-lint-ignore require-await -- a refusal must reject, not throw.
  async read(block: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    assertBlockRange(block, count, this.blockCount);
    const start = block * BLOCK_SIZE_BYTES;
    return this.bytes.slice(start, start + count * BLOCK_SIZE_BYTES);
  }

  /**
   * Writes whole blocks.
   *
   * @param block The first block.
   * @param bytes A multiple of 512 bytes.
   */
  // deno-lint-ignore require-await -- a refusal must reject, not throw.
  async write(block: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    assertBlockRange(block, wholeBlocks(bytes), this.blockCount);
    if (this.readOnly) {
      throw new StorageError("EROFS", "the disk is read-only", { block });
    }
    this.bytes.set(bytes, block * BLOCK_SIZE_BYTES);
  }

  /** Does nothing: memory has no cache to flush. */
  flush(): Promise<void> {
    return Promise.resolve();
  }

  /** Does nothing. */
  close(): void {}
}
