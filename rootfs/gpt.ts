/**
 * A disk image with a GUID partition table (UEFI specification, chapter 5) and
 * one partition, which the guest sees as /dev/vda1. It imports node:crypto and
 * node:zlib.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

const SECTOR_BYTES = 512;

/** The table has room for 128 entries of 128 bytes: 32 sectors. */
const ENTRY_COUNT = 128;
const ENTRY_BYTES = 128;
const TABLE_SECTORS = ENTRY_COUNT * ENTRY_BYTES / SECTOR_BYTES;

/** Where the partition begins: 1 MiB, as every tool aligns it. */
const FIRST_SECTOR = 2048;

/** The type "Linux filesystem data", 0FC63DAF-8483-4772-8E79-3D69D8477DE4, as it is stored. */
const PARTITION_TYPE = new Uint8Array([
  0xaf,
  0x3d,
  0xc6,
  0x0f,
  0x83,
  0x84,
  0x72,
  0x47, //
  0x8e,
  0x79,
  0x3d,
  0x69,
  0xd8,
  0x47,
  0x7d,
  0xe4,
]);

/** The partition's name, at most 36 characters. */
const PARTITION_NAME = "spaceos";

/** An identifier that follows from the contents: the same disk, the same bytes. */
function identifier(purpose: string, content: Uint8Array): Uint8Array {
  const digest = createHash("sha256").update(purpose).update(content).digest();
  const bytes = new Uint8Array(digest.subarray(0, 16));
  // Version 8 of RFC 9562; the first three fields are stored little-endian.
  bytes[7] = (bytes[7] ?? 0) & 0x0f | 0x80;
  bytes[8] = (bytes[8] ?? 0) & 0x3f | 0x80;
  return bytes;
}

/**
 * Puts a volume into the only partition of a disk.
 *
 * @param volume the partition's content, whole sectors
 * @returns the disk
 * @throws {RangeError} when the volume is not a whole number of sectors
 */
export function gptDisk(volume: Uint8Array): Uint8Array<ArrayBuffer> {
  const sectors = volume.length / SECTOR_BYTES;
  if (!Number.isInteger(sectors) || sectors === 0) {
    throw new RangeError(
      `a volume of ${volume.length} bytes, expected a multiple of ${SECTOR_BYTES}`,
    );
  }
  const total = FIRST_SECTOR + sectors + TABLE_SECTORS + 1;
  const disk = new Uint8Array(total * SECTOR_BYTES);
  disk.set(volume, FIRST_SECTOR * SECTOR_BYTES);
  writeProtectiveMbr(disk, total);
  const entries = partitionEntries(volume, sectors);
  const places = [
    { own: 1, other: total - 1, table: 2 },
    { own: total - 1, other: 1, table: total - 1 - TABLE_SECTORS },
  ];
  for (const place of places) {
    disk.set(entries, place.table * SECTOR_BYTES);
    disk.set(
      headerOf(place, total, entries, identifier("disk", volume)),
      place.own * SECTOR_BYTES,
    );
  }
  return disk;
}

/** A table of the old kind, which says that the whole disk is taken. */
function writeProtectiveMbr(disk: Uint8Array, total: number): void {
  const view = new DataView(disk.buffer);
  disk.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff], 446);
  view.setUint32(454, 1, true);
  view.setUint32(458, Math.min(total - 1, 0xffffffff), true);
  disk.set([0x55, 0xaa], 510);
}

function partitionEntries(volume: Uint8Array, sectors: number): Uint8Array {
  const entries = new Uint8Array(ENTRY_COUNT * ENTRY_BYTES);
  const view = new DataView(entries.buffer);
  entries.set(PARTITION_TYPE, 0);
  entries.set(identifier("partition", volume), 16);
  view.setBigUint64(32, BigInt(FIRST_SECTOR), true);
  view.setBigUint64(40, BigInt(FIRST_SECTOR + sectors - 1), true);
  [...PARTITION_NAME].forEach((character, index) =>
    view.setUint16(56 + 2 * index, character.charCodeAt(0), true)
  );
  return entries;
}

function headerOf(
  place: { own: number; other: number; table: number },
  total: number,
  entries: Uint8Array,
  diskId: Uint8Array,
): Uint8Array {
  const header = new Uint8Array(92);
  const view = new DataView(header.buffer);
  header.set(new TextEncoder().encode("EFI PART"));
  view.setUint32(8, 0x00010000, true); // revision 1.0
  view.setUint32(12, header.length, true);
  view.setBigUint64(24, BigInt(place.own), true);
  view.setBigUint64(32, BigInt(place.other), true);
  view.setBigUint64(40, BigInt(2 + TABLE_SECTORS), true); // first usable
  view.setBigUint64(48, BigInt(total - TABLE_SECTORS - 2), true); // last usable
  header.set(diskId, 56);
  view.setBigUint64(72, BigInt(place.table), true);
  view.setUint32(80, ENTRY_COUNT, true);
  view.setUint32(84, ENTRY_BYTES, true);
  view.setUint32(88, crc32(entries), true);
  view.setUint32(16, crc32(header), true);
  return header;
}
