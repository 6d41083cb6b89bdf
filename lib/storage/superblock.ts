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
import { deviceFailure } from "./writer.ts";

/** A superblock that was judged good. */
export interface JudgedSuperblock {
  /** Its fields. */
  readonly superblock: Superblock;
  /** The 48 bytes, as they stand on the medium. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Reads the superblock of a device and judges magic, version and CRC.
 *
 * @param device The device.
 * @returns The superblock, and its bytes.
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
 * const { superblock, bytes } = await readJudgedSuperblock(device);
 * assertEquals([superblock.tenantId, bytes.length], [3, 48]);
 * ```
 */
export async function readJudgedSuperblock(
  device: BlockDevice,
): Promise<JudgedSuperblock> {
  let block: Uint8Array<ArrayBuffer>;
  try {
    block = await device.read(SUPERBLOCK_BLOCK, 1);
  } catch (error) {
    throw deviceFailure("read", SUPERBLOCK_BLOCK, error);
  }
  const bytes = block.slice(0, SUPERBLOCK_SIZE_BYTES);
  const superblock = decodeSuperblock(bytes);
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
  return { superblock, bytes };
}
