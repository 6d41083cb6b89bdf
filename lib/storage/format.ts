/**
 * Makes a volume: superblock, empty stores, an empty catalogue, an empty
 * journal. The superblock is written last, after a flush, so a format that is
 * cut leaves no volume rather than half of one. Imports `lib/wire` and the
 * device.
 *
 * @module
 */

import {
  decodeSuperblock,
  encodeSuperblock,
  type Superblock,
} from "../wire/superblock.ts";
import { BLOCK_SIZE_BYTES, type BlockDevice } from "./device.ts";
import { StorageError } from "./error.ts";
import {
  DATA_PRODUCT_FIRST_BLOCK,
  MAXIMUM_BLOCK_COUNT,
  MINIMUM_BLOCK_COUNT,
  SUPERBLOCK_BLOCK,
} from "./layout.ts";
import { isZero } from "./parameters.ts";

/** What {@linkcode formatVolume} may be told. */
export interface FormatVolumeOptions {
  /** The tenant that the volume belongs to, 0..65535. */
  readonly tenantId: number;
  /** 16 bytes; default a random one (RFC 9562, version 4). */
  readonly uuid?: Uint8Array;
  /** Unix seconds of the format; default now. */
  readonly epoch?: bigint;
  /**
   * Size of the volume in blocks; default the whole device. At least
   * {@linkcode MINIMUM_BLOCK_COUNT}.
   */
  readonly totalBlocks?: number;
  /**
   * Whether the last block is kept for the journal; default true. Without it a
   * cut that tears a block can take that block's other entries along.
   */
  readonly journal?: boolean;
}

/**
 * Formats a device. Everything that was on it is gone; whether that is wanted
 * is for the caller to find out, see {@linkcode describeContent}.
 *
 * @param device A writable device of at least 36 blocks.
 * @param options The tenant, and what shall not be the default.
 * @returns The superblock that was written.
 * @throws {StorageError} EINVAL if the device is too small, EROFS.
 * @throws {WireError} If a superblock field is out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatVolume } from "./format.ts";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 100 });
 * const superblock = await formatVolume(device, { tenantId: 1 });
 * assertEquals(superblock.dataProductStart, 33);
 * assertEquals(superblock.dataProductSize, 66);
 * ```
 */
export async function formatVolume(
  device: BlockDevice,
  options: FormatVolumeOptions,
): Promise<Superblock> {
  const totalBlocks = options.totalBlocks ?? device.blockCount;
  if (device.readOnly) {
    throw new StorageError("EROFS", "the device is read-only");
  }
  if (device.blockCount < MINIMUM_BLOCK_COUNT) {
    throw new StorageError(
      "EINVAL",
      `the device has ${device.blockCount} blocks of ${BLOCK_SIZE_BYTES} bytes, a volume needs at least ${MINIMUM_BLOCK_COUNT}`,
    );
  }
  const maximum = Math.min(device.blockCount, MAXIMUM_BLOCK_COUNT);
  if (
    !Number.isSafeInteger(totalBlocks) || totalBlocks < MINIMUM_BLOCK_COUNT ||
    totalBlocks > maximum
  ) {
    throw new StorageError(
      "EINVAL",
      `a volume of ${totalBlocks} blocks on a device of ${device.blockCount}: expected ${MINIMUM_BLOCK_COUNT}..${maximum}`,
    );
  }
  const journalBlocks = options.journal ?? true ? 1 : 0;
  const bytes = encodeSuperblock({
    tenantId: options.tenantId,
    totalBlocks,
    dataProductStart: DATA_PRODUCT_FIRST_BLOCK,
    dataProductSize: totalBlocks - DATA_PRODUCT_FIRST_BLOCK - journalBlocks,
    epoch: options.epoch ?? BigInt(Math.floor(Date.now() / 1000)),
    uuid: options.uuid ?? randomUuid(),
  });
  const block = new Uint8Array(BLOCK_SIZE_BYTES);
  await device.write(SUPERBLOCK_BLOCK, block.slice());
  await device.flush();
  // The stores, and the block that ends an empty catalogue.
  await device.write(1, new Uint8Array(DATA_PRODUCT_FIRST_BLOCK * 512));
  await device.write(totalBlocks - 1, block.slice());
  await device.flush();
  block.set(bytes);
  await device.write(SUPERBLOCK_BLOCK, block);
  await device.flush();
  return decodeSuperblock(bytes);
}

function randomUuid(): Uint8Array {
  const uuid = crypto.getRandomValues(new Uint8Array(16));
  uuid[6] = (uuid[6] ?? 0) & 0x0F | 0x40;
  uuid[8] = (uuid[8] ?? 0) & 0x3F | 0x80;
  return uuid;
}

/**
 * Says what a device holds already, so that a tool can refuse to format it.
 *
 * @param device The device.
 * @returns A few words, or null if nothing was found at the places where file
 * systems, partition tables and volumes keep their first and last blocks.
 * @throws {Error} If the device can't be read.
 *
 * @example
 * ```ts
 * import { assertEquals, assertMatch } from "@std/assert";
 * import { describeContent, formatVolume } from "./format.ts";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 64 });
 * assertEquals(await describeContent(device), null);
 * await formatVolume(device, { tenantId: 1 });
 * assertMatch(await describeContent(device) ?? "", /volume/);
 * ```
 */
export async function describeContent(
  device: BlockDevice,
): Promise<string | null> {
  const head = await device.read(0, Math.min(device.blockCount, 160));
  const text = (offset: number, length: number) =>
    String.fromCharCode(...head.subarray(offset, offset + length));
  if (text(0, 4) === "SPOS") return "a spaceos volume";
  if (text(512, 8) === "EFI PART") return "a GPT partition table";
  if (head[1080] === 0x53 && head[1081] === 0xEF) {
    return "an ext2, ext3 or ext4 file system";
  }
  if (text(0, 4) === "XFSB") return "an XFS file system";
  if (text(65600, 8) === "_BHRfS_M") return "a btrfs file system";
  if (text(0, 6) === "LUKS\xba\xbe") return "an encrypted LUKS device";
  if (head[510] === 0x55 && head[511] === 0xAA) {
    return "a boot sector or MBR partition table";
  }
  const found = firstNonZero(head);
  if (found >= 0) return `data (first at byte ${found})`;
  const last = device.blockCount - 1;
  const tail = await device.read(last, 1);
  return isZero(tail) ? null : `data in the last block, ${last}`;
}

function firstNonZero(bytes: Uint8Array): number {
  return bytes.findIndex((byte) => byte !== 0);
}
