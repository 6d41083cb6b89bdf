/**
 * A disk that is a file, a block device, or a partition inside either. Unless
 * told otherwise every read, write and flush runs on another thread, so a disk
 * that hangs holds up the promises of its own operations and nothing else.
 * Imports `lib/linux`.
 *
 * A single write that must last goes through a second descriptor opened with
 * O_DSYNC: the kernel writes and flushes in one call, which saves one change of
 * threads for each change of the volume.
 *
 * @module
 */

import { close, open } from "../linux/file.ts";
import { isReadOnly, sizeBytes } from "../linux/file_status.ts";
import {
  dropCache,
  fdatasync,
  fdatasyncAsync,
  pread,
  preadAsync,
  pwrite,
  pwriteAsync,
} from "../linux/positioned_file.ts";
import {
  assertBlockRange,
  BLOCK_SIZE_BYTES,
  type BlockDevice,
  wholeBlocks,
} from "./device.ts";
import { StorageError } from "./error.ts";

/** How {@linkcode openFileDevice} opens. */
export interface FileDeviceOptions {
  /** Open for reading only; default false. */
  readonly readOnly?: boolean;
  /**
   * Work on the calling thread; default false. It saves two changes of threads
   * for each operation and keeps the kernel's exact error, but a disk that hangs
   * then stops the whole program. For tools; never for an init.
   */
  readonly blocking?: boolean;
  /** Where the volume begins, in bytes; a multiple of 512, default 0. */
  readonly offsetBytes?: number;
  /** How long it is, in bytes; default up to the end of the file or device. */
  readonly lengthBytes?: number;
}

/**
 * Opens a file or block device as a disk.
 *
 * @param path The file or device node.
 * @param options Read-only, and which part of it.
 * @returns The device; close it, or the volume on it.
 * @throws {SystemError} If it can't be opened or has no size.
 * @throws {StorageError} EINVAL if the part is not inside it, or holds no whole
 * block.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openFileDevice } from "./file_device.ts";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.truncate(path, 64 * 512);
 * const device = openFileDevice(path);
 * assertEquals(device.blockCount, 64);
 * device.close();
 * await Deno.remove(path);
 * ```
 */
export function openFileDevice(
  path: string,
  options: FileDeviceOptions = {},
): FileBlockDevice {
  const readOnly = options.readOnly ?? false;
  // Without O_NONBLOCK a FIFO or a serial line could hold up the open for ever;
  // a disk does not mind it.
  const descriptor = open(path, [
    ...(readOnly ? [] : ["readWrite"] as const),
    "nonblock",
    "noControllingTerminal",
  ]);
  let durableDescriptor: number | null = null;
  try {
    const size = sizeBytes(descriptor);
    const offsetBytes = options.offsetBytes ?? 0;
    const lengthBytes = options.lengthBytes ?? size - offsetBytes;
    if (size < BLOCK_SIZE_BYTES) {
      throw new StorageError(
        "EINVAL",
        `${path} has ${size} bytes, expected at least a block of ${BLOCK_SIZE_BYTES}`,
      );
    }
    if (
      !Number.isSafeInteger(offsetBytes) || offsetBytes < 0 ||
      offsetBytes % BLOCK_SIZE_BYTES !== 0 ||
      lengthBytes < BLOCK_SIZE_BYTES || offsetBytes + lengthBytes > size
    ) {
      throw new StorageError(
        "EINVAL",
        `bytes ${offsetBytes}..${
          offsetBytes + lengthBytes - 1
        } of ${path} are no place for a volume: expected whole ${BLOCK_SIZE_BYTES}-byte blocks within its ${size} bytes`,
      );
    }
    if (!readOnly) durableDescriptor = open(path, ["readWrite", "dataSync"]);
    return new FileBlockDevice({
      descriptor,
      durableDescriptor,
      blocking: options.blocking ?? false,
      offsetBytes,
      blockCount: Math.floor(lengthBytes / BLOCK_SIZE_BYTES),
    });
  } catch (error) {
    close(descriptor);
    if (durableDescriptor !== null) close(durableDescriptor);
    throw error;
  }
}

/** What a {@linkcode FileBlockDevice} is made of. */
export interface FileBlockDeviceParts {
  /** For reads, and for writes that a flush follows. */
  readonly descriptor: number;
  /** The same file with O_DSYNC; null makes the device read-only. */
  readonly durableDescriptor: number | null;
  /** Whether to work on the calling thread. */
  readonly blocking: boolean;
  /** Where block 0 is, in bytes. */
  readonly offsetBytes: number;
  /** How many blocks. */
  readonly blockCount: number;
}

/** A {@linkcode BlockDevice} over descriptors. See {@linkcode openFileDevice}. */
export class FileBlockDevice implements BlockDevice {
  /** How many whole blocks the device has. */
  readonly blockCount: number;
  /** Whether writes are refused. */
  readonly readOnly: boolean;
  readonly #parts: FileBlockDeviceParts;
  #busy = 0;
  #closing = false;

  /**
   * Takes over descriptors.
   *
   * @param parts The descriptors and the part of the file.
   */
  constructor(parts: FileBlockDeviceParts) {
    this.#parts = parts;
    this.blockCount = parts.blockCount;
    this.readOnly = parts.durableDescriptor === null;
  }

  /**
   * Reads whole blocks.
   *
   * @param block The first block.
   * @param count How many blocks.
   * @throws {SystemError} EIO for a bad sector.
   * @throws {StorageError} EINVAL outside the device, EIO at a short read.
   */
  async read(block: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    assertBlockRange(block, count, this.blockCount);
    const bytes = new Uint8Array(count * BLOCK_SIZE_BYTES);
    const { descriptor, blocking } = this.#parts;
    const transfer = blocking ? pread : preadAsync;
    const done = await this.#use(() =>
      transfer(descriptor, bytes, this.#offset(block))
    );
    if (done !== bytes.length) {
      throw new StorageError(
        "EIO",
        `read ${done} bytes at block ${block}, expected ${bytes.length}: truncated`,
        { block },
      );
    }
    return bytes;
  }

  /**
   * Writes whole blocks into the kernel's cache.
   *
   * @param block The first block.
   * @param bytes A multiple of 512 bytes.
   * @throws {SystemError} EIO.
   * @throws {StorageError} EINVAL outside the device; EROFS, also when the
   * device became read-only meanwhile.
   */
  async write(block: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#assertWritable(block, bytes);
    await this.#write(this.#parts.descriptor, block, bytes);
  }

  /**
   * Writes whole blocks and waits until they are on the medium.
   *
   * @param block The first block.
   * @param bytes A multiple of 512 bytes.
   * @throws {SystemError} EIO.
   * @throws {StorageError} EINVAL outside the device; EROFS, also when the
   * device became read-only meanwhile.
   */
  async writeDurable(
    block: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const descriptor = this.#assertWritable(block, bytes);
    await this.#write(descriptor, block, bytes);
  }

  /**
   * Waits until all that was written is on the medium.
   *
   * @throws {SystemError} EIO.
   */
  async flush(): Promise<void> {
    if (this.readOnly) return;
    const { descriptor, blocking } = this.#parts;
    const sync = blocking ? fdatasync : fdatasyncAsync;
    await this.#use(() => sync(descriptor), true);
  }

  /** Has the kernel drop what it has cached of the file and need not write. */
  forget(): void {
    if (!this.#closing) dropCache(this.#parts.descriptor);
  }

  /** Closes the descriptors, as soon as no operation uses them any more. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (this.#busy === 0) this.#release();
  }

  async #write(
    descriptor: number,
    block: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const write = this.#parts.blocking ? pwrite : pwriteAsync;
    await this.#use(
      () => write(descriptor, bytes, this.#offset(block)),
      true,
    );
  }

  #offset(block: number): number {
    return this.#parts.offsetBytes + block * BLOCK_SIZE_BYTES;
  }

  #assertWritable(block: number, bytes: Uint8Array): number {
    assertBlockRange(block, wholeBlocks(bytes), this.blockCount);
    const { durableDescriptor } = this.#parts;
    if (durableDescriptor === null) {
      throw new StorageError("EROFS", "the device is open for reading only", {
        block,
      });
    }
    return durableDescriptor;
  }

  /** A descriptor's number may not be reused while a thread works with it. */
  async #use<T>(
    operation: () => T | Promise<T>,
    isWriting = false,
  ): Promise<T> {
    if (this.#closing) {
      throw new StorageError("EBADF", "the device is closed");
    }
    this.#busy++;
    try {
      return await operation();
    } catch (cause) {
      // On another thread the error is lost; and a device that is set read-only
      // says EPERM, which would send its owner after the wrong thing.
      if (!isWriting || !isReadOnly(this.#parts.descriptor)) throw cause;
      throw new StorageError("EROFS", "the device is read-only", {
        cause,
      });
    } finally {
      this.#busy--;
      if (this.#closing && this.#busy === 0) this.#release();
    }
  }

  #release(): void {
    close(this.#parts.descriptor);
    const { durableDescriptor } = this.#parts;
    if (durableDescriptor !== null) close(durableDescriptor);
  }
}
