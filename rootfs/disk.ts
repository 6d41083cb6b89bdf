/**
 * The disk that goes with the image: a volume, formatted by the library
 * itself. It imports lib/storage.
 */
import { createHash } from "node:crypto";
import { formatVolume } from "../lib/storage/format.ts";
import { MemoryBlockDevice } from "../lib/storage/memory_device.ts";

/** The size of the disk: 8 MiB, room for the stores and 16,000 blocks of data products. */
const DISK_BLOCKS = 16_384;

/** The tenant that the disk belongs to. */
const TENANT_ID = 1;

/**
 * A freshly formatted disk. Its identifier is derived from its contents and
 * the time, not drawn, so that the same inputs give the same bytes (RFC 9562,
 * version 8).
 *
 * @param timeSeconds the time of the format, in seconds since 1970
 * @returns all bytes of the disk
 */
export async function formatDisk(timeSeconds: number): Promise<Uint8Array> {
  const digest = createHash("sha256")
    .update(`spaceos-disk ${DISK_BLOCKS} ${TENANT_ID} ${timeSeconds}`).digest();
  const uuid = new Uint8Array(digest.subarray(0, 16));
  uuid[6] = (uuid[6] ?? 0) & 0x0f | 0x80;
  uuid[8] = (uuid[8] ?? 0) & 0x3f | 0x80;
  const device = new MemoryBlockDevice({ blockCount: DISK_BLOCKS });
  await formatVolume(device, {
    tenantId: TENANT_ID,
    uuid,
    epoch: BigInt(timeSeconds),
  });
  return device.bytes;
}
