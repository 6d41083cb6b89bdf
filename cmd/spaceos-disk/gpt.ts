/**
 * Reads a GUID partition table (UEFI specification, chapter 5): where partition
 * N begins and how long it is. Both copies of the table are judged by their
 * CRCs; the backup at the end of the disk stands in for a damaged primary. Pure
 * but for the read that is handed in. Imports nothing.
 *
 * All integers of a GPT are little-endian, and its CRC is the CRC-32 of
 * Ethernet, not the CRC-32C of our formats.
 *
 * @module
 */

/** Reads bytes of the disk; it may throw. */
export type ReadBytes = (
  offsetBytes: number,
  lengthBytes: number,
) => Uint8Array | Promise<Uint8Array>;

/** One partition. */
export interface GptPartition {
  /** Its number: its place in the table, from 1. */
  readonly number: number;
  /** Its name, as it stands there. */
  readonly name: string;
  /** Where it begins, in bytes. */
  readonly offsetBytes: number;
  /** How long it is, in bytes. */
  readonly lengthBytes: number;
}

/** A partition table. */
export interface Gpt {
  /** The partitions in use, by number. */
  readonly partitions: readonly GptPartition[];
  /** Why the primary copy was not used, if it was not. */
  readonly primaryFault: string | undefined;
}

const HEADER_BYTES = 92;
const ENTRY_BYTES = 128;
const MAXIMUM_ENTRIES = 1024;

/**
 * Reads the partition table of a disk.
 *
 * @param read Reads bytes of the disk.
 * @param sizeBytes The size of the disk.
 * @returns The table, or the reasons why neither copy of it can be used.
 */
export async function readGpt(
  read: ReadBytes,
  sizeBytes: number,
): Promise<Gpt | { readonly faults: readonly string[] }> {
  const faults: string[] = [];
  // A disk image says nothing of its sectors: 512 bytes, or 4096 on newer disks.
  for (const sectorBytes of [512, 4096]) {
    const last = Math.floor(sizeBytes / sectorBytes) - 1;
    let primaryFault: string | undefined;
    for (const [copy, sector] of [["primary", 1], ["backup", last]] as const) {
      if (sector < 1 || sector > last) continue;
      const table = await readCopy(read, sector, sectorBytes, last);
      if (typeof table !== "string") {
        return { partitions: table, primaryFault };
      }
      if (copy === "primary") primaryFault = table;
      if (sectorBytes === 512) faults.push(`${copy} table: ${table}`);
    }
  }
  return { faults };
}

async function readCopy(
  read: ReadBytes,
  sector: number,
  sectorBytes: number,
  lastSector: number,
): Promise<GptPartition[] | string> {
  const header = await read(sector * sectorBytes, 512);
  if (header.length < 512) return "its header is beyond the end of the disk";
  const view = viewOf(header);
  if (String.fromCharCode(...header.subarray(0, 8)) !== "EFI PART") {
    return `no "EFI PART" at byte ${sector * sectorBytes}`;
  }
  const headerBytes = view.getUint32(12, true);
  if (headerBytes < HEADER_BYTES || headerBytes > 512) {
    return `its header has ${headerBytes} bytes, expected ${HEADER_BYTES}..512`;
  }
  const sealed = header.slice(0, headerBytes);
  sealed.fill(0, 16, 20);
  if (crc32(sealed) !== view.getUint32(16, true)) {
    return "the CRC of its header is wrong";
  }
  const own = view.getBigUint64(24, true);
  if (own !== BigInt(sector)) {
    return `its header says sector ${own}, it is in sector ${sector}`;
  }
  const entriesAt = view.getBigUint64(72, true);
  const count = view.getUint32(80, true);
  const entryBytes = view.getUint32(84, true);
  if (count > MAXIMUM_ENTRIES || entriesAt > BigInt(lastSector)) {
    return `${count} entries at sector ${entriesAt} are not believable`;
  }
  if (entryBytes < ENTRY_BYTES || entryBytes > 4096 || entryBytes % 8 !== 0) {
    return `its entries have ${entryBytes} bytes, expected ${ENTRY_BYTES}..4096`;
  }
  const length = count * entryBytes;
  const at = Number(entriesAt) * sectorBytes;
  if (at + length > (lastSector + 1) * sectorBytes) {
    return "its entries go beyond the end of the disk";
  }
  const entries = await read(at, length);
  if (crc32(entries) !== view.getUint32(88, true)) {
    return "the CRC of its entries is wrong";
  }
  return readEntries(entries, entryBytes, sectorBytes);
}

function readEntries(
  entries: Uint8Array,
  entryBytes: number,
  sectorBytes: number,
): GptPartition[] {
  const partitions: GptPartition[] = [];
  for (let index = 0; index * entryBytes < entries.length; index++) {
    const entry = entries.subarray(
      index * entryBytes,
      (index + 1) * entryBytes,
    );
    if (entry.subarray(0, 16).every((byte) => byte === 0)) continue;
    const view = viewOf(entry);
    const first = Number(view.getBigUint64(32, true));
    const last = Number(view.getBigUint64(40, true));
    const name = new TextDecoder("utf-16le").decode(entry.slice(56, 128));
    partitions.push({
      number: index + 1,
      name: name.replace(/\0.*$/s, ""),
      offsetBytes: first * sectorBytes,
      lengthBytes: (last - first + 1) * sectorBytes,
    });
  }
  return partitions;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const TABLE = new Int32Array(256).map((_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder & 1) !== 0
      ? (remainder >>> 1) ^ 0xEDB88320
      : remainder >>> 1;
  }
  return remainder;
});

/**
 * CRC-32 as Ethernet, zip and GPT have it (reflected 0xEDB88320).
 *
 * @param bytes Any bytes.
 * @returns The checksum as an unsigned 32-bit integer; 0xCBF43926 for
 * "123456789".
 */
export function crc32(bytes: Uint8Array): number {
  let remainder = -1;
  for (const byte of bytes) {
    remainder = (TABLE[(remainder ^ byte) & 0xFF] ?? 0) ^ (remainder >>> 8);
  }
  return ~remainder >>> 0;
}
