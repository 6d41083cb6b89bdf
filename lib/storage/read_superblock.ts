/**
 * Reads a superblock from a file or block device, in one call and without
 * opening the volume: the first thing an init does with a disk. Imports
 * `lib/linux` and `lib/wire`.
 *
 * @module
 */

import { close, open } from "../linux/file.ts";
import { pread } from "../linux/positioned_file.ts";
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
 * @throws {WireError} If it ends before the superblock does: it is truncated;
 * or if the offset is no whole number from 0.
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
  if (!Number.isSafeInteger(offsetBytes) || offsetBytes < 0) {
    throw new WireError({
      layout: "superblock",
      field: "offset",
      value: offsetBytes,
      expected: "a whole number of bytes from 0",
    });
  }
  // A FIFO without a writer would hold up the open for ever; a disk does not
  // mind the flag.
  const descriptor = open(path, ["nonblock", "noControllingTerminal"]);
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
