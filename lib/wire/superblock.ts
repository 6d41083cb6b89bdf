/**
 * The superblock: the first 48 bytes of a volume, which say that it is one, how
 * large it is and whose (formats.md, "Superblock"). Imports the codec.
 *
 * Decoding doesn't judge: a damaged superblock is shown as it stands, and
 * {@linkcode checkMagic} and {@linkcode checkCrc} say what is wrong with it.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import { crc32c } from "./crc32c.ts";
import { bytes, constant, shownCrc32cOver, u16, u32, u64 } from "./fields.ts";
import { formatUuid } from "./uuid.ts";

/**
 * The magic number of a superblock: "SPOS" in ASCII.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SUPERBLOCK_MAGIC } from "@spaceos/pid1";
 *
 * const bytes = new Uint8Array(4);
 * new DataView(bytes.buffer).setUint32(0, SUPERBLOCK_MAGIC);
 * assertEquals(new TextDecoder().decode(bytes), "SPOS");
 * ```
 */
export const SUPERBLOCK_MAGIC = 0x53504F53;
/** The only version of the format there is. */
export const SUPERBLOCK_FORMAT_VERSION = 1;
/**
 * The size of a superblock in bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeSuperblock, SUPERBLOCK_SIZE_BYTES } from "@spaceos/pid1";
 *
 * const { magic } = decodeSuperblock(new Uint8Array(SUPERBLOCK_SIZE_BYTES));
 * assertEquals(magic, 0);
 * ```
 */
export const SUPERBLOCK_SIZE_BYTES = 48;

/**
 * A superblock as it stands on a volume. In the comments: offset, type and the
 * field's name in formats.md, where that differs.
 */
export interface Superblock {
  /** 0x00 u32: {@linkcode SUPERBLOCK_MAGIC} on a volume of ours. */
  readonly magic: number;
  /** 0x04 u8 `format_version`: {@linkcode SUPERBLOCK_FORMAT_VERSION}. */
  readonly formatVersion: number;
  /** 0x05 u8: 0. */
  readonly reserved: number;
  /** 0x06 u16 `tenant_id`: whose volume it is. */
  readonly tenantId: number;
  /** 0x08 u32 `total_blocks`: the volume's size in blocks of 512 bytes. */
  readonly totalBlocks: number;
  /** 0x0C u32 `dp_start`: the first block of the data product area. */
  readonly dataProductStart: number;
  /** 0x10 u32 `dp_size`: the blocks in that area. */
  readonly dataProductSize: number;
  /** 0x14 u64: when the volume was formatted, in Unix seconds. */
  readonly epoch: bigint;
  /** 0x1C 16 bytes: the volume's UUID (RFC 9562); see `parseUuid`, `formatUuid`. */
  readonly uuid: Uint8Array;
  /** 0x2C u32: the CRC-32C over bytes 0x00..0x2B. */
  readonly crc32: number;
}

/**
 * What an encoder needs. The constants may be left out, and the CRC is computed
 * whatever it says here.
 */
export interface SuperblockInput {
  /** The magic number, if given. */
  readonly magic?: number;
  /** The format version, if given. */
  readonly formatVersion?: number;
  /** The reserved byte, if given. */
  readonly reserved?: number;
  /** Whose volume it is, 0..65535. */
  readonly tenantId: number;
  /** The volume's size in blocks of 512 bytes, u32. */
  readonly totalBlocks: number;
  /** The first block of the data product area, u32. */
  readonly dataProductStart: number;
  /** The blocks in that area, u32. */
  readonly dataProductSize: number;
  /** When the volume was formatted, in Unix seconds, u64. */
  readonly epoch: bigint;
  /** The volume's UUID, 16 bytes. */
  readonly uuid: Uint8Array;
  /** Ignored: the encoder computes it. */
  readonly crc32?: number;
}

/** The field table of the superblock. */
export const superblockLayout: Layout<Superblock, SuperblockInput> =
  defineLayout("superblock", SUPERBLOCK_SIZE_BYTES, {
    magic: constant(0x00, "u32", SUPERBLOCK_MAGIC, { hex: true }),
    formatVersion: constant(0x04, "u8", SUPERBLOCK_FORMAT_VERSION),
    reserved: constant(0x05, "u8", 0),
    tenantId: u16(0x06),
    totalBlocks: u32(0x08),
    dataProductStart: u32(0x0C, { name: "dp_start" }),
    dataProductSize: u32(0x10, { name: "dp_size" }),
    epoch: u64(0x14, { show: showUnixSeconds }),
    uuid: bytes(0x1C, 16, { show: formatUuid }),
    crc32: shownCrc32cOver(0x2C, 0x00, 0x2C),
  });

/**
 * The 48 bytes of a superblock, with its CRC.
 *
 * @param superblock The fields; magic, version and CRC may be left out.
 * @returns A fresh array of 48 bytes.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { checkCrc, decodeSuperblock, encodeSuperblock } from "@spaceos/pid1";
 *
 * const bytes = encodeSuperblock({
 *   tenantId: 7,
 *   totalBlocks: 2048,
 *   dataProductStart: 33,
 *   dataProductSize: 2014,
 *   epoch: 1_750_000_000n,
 *   uuid: new Uint8Array(16),
 * });
 * assertEquals(bytes.length, 48);
 * assert(checkCrc(decodeSuperblock(bytes)));
 * ```
 */
export function encodeSuperblock(
  superblock: SuperblockInput,
): Uint8Array<ArrayBuffer> {
  return superblockLayout.encode(superblock);
}

/**
 * Reads a superblock without judging it.
 *
 * @param bytes At least 48 bytes; further ones, such as the rest of the block,
 * are not looked at.
 * @returns What stands there, right or wrong.
 * @throws {WireError} If there are fewer than 48 bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { checkMagic, decodeSuperblock } from "@spaceos/pid1";
 *
 * const superblock = decodeSuperblock(new Uint8Array(512));
 * assertEquals(superblock.totalBlocks, 0);
 * assertEquals(checkMagic(superblock), false);
 * ```
 */
export function decodeSuperblock(bytes: Uint8Array): Superblock {
  return superblockLayout.read(bytes.subarray(0, SUPERBLOCK_SIZE_BYTES));
}

/**
 * Whether this is a superblock at all.
 *
 * @param superblock A decoded superblock.
 * @returns True if its magic number is "SPOS".
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { checkMagic, decodeSuperblock } from "@spaceos/pid1";
 *
 * const block = new Uint8Array(512);
 * block.set(new TextEncoder().encode("SPOS"));
 * assert(checkMagic(decodeSuperblock(block)));
 * ```
 */
export function checkMagic(superblock: Superblock): boolean {
  return superblock.magic === SUPERBLOCK_MAGIC;
}

/**
 * Whether a superblock's CRC matches its other fields.
 *
 * @param superblock A decoded superblock.
 * @returns True if the CRC-32C over its first 44 bytes is the one it holds.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { checkCrc, decodeSuperblock } from "@spaceos/pid1";
 *
 * assertEquals(checkCrc(decodeSuperblock(new Uint8Array(48))), false);
 * ```
 */
export function checkCrc(superblock: Superblock): boolean {
  const encoded = superblockLayout.encodeUnjudged(superblock);
  const covered = encoded.subarray(0, superblockLayout.offsetOf("crc32"));
  return crc32c(covered) === superblock.crc32;
}

/**
 * A superblock as lines of text, one field to a line, with what was expected
 * behind a value that is wrong.
 *
 * @param superblock A decoded superblock.
 * @returns Ten lines without a final line break.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { decodeSuperblock, formatSuperblock } from "@spaceos/pid1";
 *
 * const text = formatSuperblock(decodeSuperblock(new Uint8Array(48)));
 * assertStringIncludes(text, "magic           0x00000000 (bad: expected 0x53504F53)");
 * assertStringIncludes(text, "tenant_id       0");
 * ```
 */
export function formatSuperblock(superblock: Superblock): string {
  return superblockLayout.format(superblock);
}

/** The last second that a `Date` can hold, in the year 275760. */
const LAST_DATE_SECONDS = 8_640_000_000_000n;

function showUnixSeconds(seconds: bigint): string {
  return seconds > LAST_DATE_SECONDS
    ? String(seconds)
    : `${seconds} (${utcText(Number(seconds))})`;
}

/**
 * A time as `Date.toISOString` writes it, without milliseconds. It is worked out
 * here because of the boot: measured in QEMU's interpreter, V8's first such text
 * takes 22 ms. The months are counted from March, so that the day that is only
 * there in leap years is the last.
 */
function utcText(seconds: number): string {
  const day = Math.floor(seconds / 86_400) + DAYS_FROM_MARCH_0_TO_1970;
  const era = Math.floor(day / DAYS_OF_400_YEARS);
  const dayOfEra = day - era * DAYS_OF_400_YEARS;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - 365 * yearOfEra - Math.floor(yearOfEra / 4) +
    Math.floor(yearOfEra / 100);
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = 400 * era + yearOfEra + (month <= 2 ? 1 : 0);
  const padded = (value: number, width = 2): string =>
    String(value).padStart(width, "0");
  const yearText = year > 9999 ? `+${padded(year, 6)}` : padded(year, 4);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  return `${yearText}-${padded(month)}-${padded(dayOfMonth)}T${padded(hours)}:${
    padded(minutes)
  }:${padded(seconds % 60)}Z`;
}

/** From the first of March of the year 0 to the first of January 1970. */
const DAYS_FROM_MARCH_0_TO_1970 = 719_468;
const DAYS_OF_400_YEARS = 146_097;
