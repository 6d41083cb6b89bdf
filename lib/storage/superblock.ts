/**
 * Reads the superblock of a device and judges it, field by field. Imports
 * `lib/wire` and the device.
 *
 * @module
 */

import {
  checkCrc,
  checkMagic,
  decodeSuperblock,
  type Superblock,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_SIZE_BYTES,
} from "../wire/superblock.ts";
import type { BlockDevice } from "./device.ts";
import { StorageError } from "./error.ts";
import { SUPERBLOCK_BLOCK } from "./layout.ts";
import { deviceError } from "./writer.ts";

/**
 * Reads the superblock of a device and judges magic, version and CRC.
 *
 * @param device The device.
 * @returns The superblock.
 * @throws {StorageError} EUCLEAN or EBADMSG naming the field, EIO.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 * import { formatVolume } from "./format.ts";
 * import { readJudgedSuperblock } from "./superblock.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 64 });
 * await formatVolume(device, { tenantId: 3 });
 * assertEquals((await readJudgedSuperblock(device)).tenantId, 3);
 * ```
 */
export async function readJudgedSuperblock(
  device: BlockDevice,
): Promise<Superblock> {
  let bytes: Uint8Array;
  try {
    bytes = await device.read(SUPERBLOCK_BLOCK, 1);
  } catch (error) {
    throw deviceError("read", SUPERBLOCK_BLOCK, error);
  }
  const superblock = decodeSuperblock(bytes.subarray(0, SUPERBLOCK_SIZE_BYTES));
  const hex = (value: number) =>
    `0x${value.toString(16).toUpperCase().padStart(8, "0")}`;
  const details = (field: string) => ({ block: SUPERBLOCK_BLOCK, field });
  if (!checkMagic(superblock)) {
    throw new StorageError(
      "EUCLEAN",
      `superblock field magic is ${hex(superblock.magic)}, expected ${
        hex(SUPERBLOCK_MAGIC)
      }: not a volume`,
      details("magic"),
    );
  }
  if (!checkCrc(superblock)) {
    throw new StorageError(
      "EBADMSG",
      `superblock field crc32 is ${
        hex(superblock.crc32)
      }, which does not match the bytes before it`,
      details("crc32"),
    );
  }
  if (superblock.formatVersion !== 1) {
    throw new StorageError(
      "EUCLEAN",
      `superblock field format_version is ${superblock.formatVersion}, expected 1`,
      details("format_version"),
    );
  }
  return superblock;
}
