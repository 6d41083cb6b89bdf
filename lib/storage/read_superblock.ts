/**
 * Reads a superblock from a file or block device, in one call and without
 * opening the volume: the first thing an init does with a disk. Imports
 * `lib/linux` and `lib/wire`.
 *
 * @module
 */

import { close, open, pread } from "../linux/file.ts";
import {
  decodeSuperblock,
  type Superblock,
  SUPERBLOCK_SIZE_BYTES,
} from "../wire/superblock.ts";
import { WireError } from "../wire/error.ts";

/**
 * Reads and decodes the 48 bytes of the superblock. Does not judge them: use
 * `checkMagic` and `checkCrc`. Blocks while the disk answers.
 *
 * @param path A file or block device, such as `/dev/vda1`.
 * @param offsetBytes Where the volume begins, default 0.
 * @returns What stands there, right or wrong.
 * @throws {SystemError} If the device can't be opened or read.
 * @throws {WireError} If it ends before the superblock does: it is truncated.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { checkMagic, readSuperblock } from "@spaceos/pid1";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeFile(path, new Uint8Array(512));
 * assertEquals(checkMagic(readSuperblock(path)), false);
 * await Deno.remove(path);
 * ```
 */
export function readSuperblock(path: string, offsetBytes = 0): Superblock {
  const descriptor = open(path);
  try {
    const bytes = new Uint8Array(SUPERBLOCK_SIZE_BYTES);
    const length = pread(descriptor, bytes, offsetBytes);
    if (length < bytes.length) {
      throw new WireError({
        layout: "superblock",
        field: "length",
        value: length,
        expected:
          `${SUPERBLOCK_SIZE_BYTES} bytes at byte ${offsetBytes} of ${path}: truncated`,
      });
    }
    return decodeSuperblock(bytes);
  } finally {
    close(descriptor);
  }
}
