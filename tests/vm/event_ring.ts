/**
 * The event ring of a disk, read byte by byte as the format has it, without
 * the library.
 */
import { bitwiseCrc32c } from "../fixtures/make_disk.ts";

/** The 76-byte records of the event ring that are whole, block by block. */
export function eventRecords(disk: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let block = 17; block <= 32; block++) {
    for (let slot = 0; slot < 6; slot++) {
      const record = disk.subarray(block * 512 + slot * 76).subarray(0, 76);
      const sum = new DataView(record.buffer, record.byteOffset).getUint32(
        0x48,
      );
      const empty = record.every((byte) => byte === 0);
      if (!empty && sum === bitwiseCrc32c(record.subarray(0, 0x48))) {
        records.push(record);
      }
    }
  }
  return records;
}

/** The number that says what a record is about. */
export function eventCode(record: Uint8Array): number {
  return new DataView(record.buffer, record.byteOffset).getUint16(0x06);
}

/** A record's details: text, in the init's own events. */
export function eventText(record: Uint8Array): string {
  return new TextDecoder().decode(record.subarray(8, 8 + (record[5] ?? 0)));
}
