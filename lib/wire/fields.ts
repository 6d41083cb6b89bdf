/**
 * The kinds of fields that a layout table is made of: what each accepts, how it
 * is written and read, and how it is shown. The table itself, and everything
 * that follows from it, is in codec.ts. Imports the room's text helpers.
 *
 * Every constructor takes the field's offset first, so that a table in the code
 * reads like the table in formats.md. A field that follows one of variable
 * length has no fixed offset: its offset is {@linkcode AFTER}.
 *
 * @module
 */

import { hexNumber, toHex } from "./hex.ts";

/** The offset of a field that begins where the one before it ends. */
export const AFTER = "after";

/** A byte offset in the layout, or {@linkcode AFTER}. */
export type Offset = number | typeof AFTER;

/**
 * Whether a field stands in the record: `required` always, `optional` always
 * when decoded but with a default when encoded, `hidden` never.
 */
export type Presence = "required" | "optional" | "hidden";

/** What a field is for, besides carrying a value of its own. */
export type Role =
  | { readonly kind: "value" }
  | { readonly kind: "reserved" }
  | { readonly kind: "length"; readonly of: string }
  | { readonly kind: "crc"; readonly from: number; readonly to: number };

/** One row of a layout table. `Value` is the type it has in the record. */
export interface Field<Value, P extends Presence> {
  /** Where the field begins. */
  readonly offset: Offset;
  /** Its size in bytes; the largest one if it is variable. */
  readonly sizeBytes: number;
  /** Whether it takes only the bytes that its value needs. */
  readonly variable: boolean;
  /** Its type as formats.md writes it, such as `"u16"`. */
  readonly type: string;
  /** What it accepts, such as `"0..240"`. */
  readonly expected: string;
  /** Its name as formats.md writes it, where that is not the key in snake case. */
  readonly wireName: string | undefined;
  /** Whether it stands in the record. */
  readonly presence: P;
  /** What an encoder writes when the record lacks it. */
  readonly fallback: Value | undefined;
  /** What it is for. */
  readonly role: Role;
  /**
   * The bytes of an unsigned number, which a table reads and writes by itself;
   * 0 for any other kind of field.
   */
  readonly numberWidth: Width | 0;
  /** Whether a value can be encoded as it is. */
  accepts(value: Value): boolean;
  /** How many bytes a value takes, without padding. */
  lengthOf(value: Value): number;
  /** Writes a value at an offset, padding included. Never throws for a value of the type's width. */
  write(target: Uint8Array, offset: number, value: Value): void;
  /** Reads a value of so many bytes. Never throws. */
  read(source: Uint8Array, offset: number, lengthBytes: number): Value;
  /** The value in one line. */
  show(value: Value): string;
}

/** What every field may say besides its type. */
export interface FieldOptions {
  /** The name in formats.md, where it is not the key in snake case. */
  readonly name?: string;
}

/** What an integer field may say. */
export interface IntegerOptions extends FieldOptions {
  /** The least value; 0 if absent. */
  readonly min?: number;
  /** The greatest value; that of the type if absent. */
  readonly max?: number;
  /** Show it in hexadecimal. */
  readonly hex?: boolean;
}

const VALUE: Role = { kind: "value" };

/** How many bytes a number takes. */
export type Width = 1 | 2 | 4;

/**
 * Writes an unsigned number, big-endian. Byte by byte: a DataView for each
 * record would cost more than its fields do.
 *
 * @param target Where to.
 * @param offset Where in it, in bytes.
 * @param width How many bytes.
 * @param value The number; one that is too wide loses its upper bits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { writeInteger } from "./fields.ts";
 *
 * const bytes = new Uint8Array(3);
 * writeInteger(bytes, 1, 2, 0x0102);
 * assertEquals([...bytes], [0, 1, 2]);
 * ```
 */
export function writeInteger(
  target: Uint8Array,
  offset: number,
  width: Width,
  value: number,
): void {
  let at = offset;
  if (width === 4) {
    target[at++] = value >>> 24;
    target[at++] = value >>> 16;
  }
  if (width !== 1) target[at++] = value >>> 8;
  target[at] = value;
}

/**
 * Reads an unsigned number, big-endian.
 *
 * @param source Where from.
 * @param offset Where in it, in bytes.
 * @param width How many bytes.
 * @returns The number; bytes that are not there count as zeros.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readInteger } from "./fields.ts";
 *
 * assertEquals(readInteger(Uint8Array.of(0, 1, 2), 1, 2), 0x0102);
 * ```
 */
export function readInteger(
  source: Uint8Array,
  offset: number,
  width: Width,
): number {
  const first = source[offset] ?? 0;
  if (width === 1) return first;
  const upper = first << 8 | (source[offset + 1] ?? 0);
  if (width === 2) return upper;
  const lower = (source[offset + 2] ?? 0) << 8 | (source[offset + 3] ?? 0);
  return (upper << 16 | lower) >>> 0;
}

/** Eight bytes on their way from or to a `bigint`. */
const octet = new Uint8Array(8);
const octetView = new DataView(octet.buffer);

function integer<P extends Presence>(
  offset: Offset,
  width: Width,
  presence: P,
  options: IntegerOptions,
  fallback?: number,
): Field<number, P> {
  const min = options.min ?? 0;
  const max = options.max ?? 2 ** (8 * width) - 1;
  const show = (value: number) =>
    options.hex ? hexNumber(value, width) : String(value);
  return {
    offset,
    sizeBytes: width,
    variable: false,
    type: `u${8 * width}`,
    expected: min === max ? show(min) : `${min}..${max}`,
    wireName: options.name,
    presence,
    fallback,
    role: VALUE,
    numberWidth: width,
    accepts: (value) => Number.isInteger(value) && value >= min && value <= max,
    lengthOf: () => width,
    write: (target, at, value) => writeInteger(target, at, width, value),
    read: (source, at) => readInteger(source, at, width),
    show,
  };
}

/**
 * An unsigned integer of 8 bits.
 *
 * @param offset Where the field begins.
 * @param options Its name in formats.md, and its range.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { u8 } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 1, {
 *   kind: u8(0x00, { max: 3 }),
 * });
 * assertEquals(layout.encode({ kind: 3 }), new Uint8Array([3]));
 * ```
 */
export function u8(
  offset: Offset,
  options: IntegerOptions = {},
): Field<number, "required"> {
  return integer(offset, 1, "required", options);
}

/**
 * An unsigned integer of 16 bits, big-endian.
 *
 * @param offset Where the field begins.
 * @param options Its name in formats.md, and its range.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { u16 } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 2, {
 *   tenantId: u16(0x00),
 * });
 * assertEquals(layout.encode({ tenantId: 0x0102 }), new Uint8Array([1, 2]));
 * ```
 */
export function u16(
  offset: Offset,
  options: IntegerOptions = {},
): Field<number, "required"> {
  return integer(offset, 2, "required", options);
}

/**
 * An unsigned integer of 32 bits, big-endian.
 *
 * @param offset Where the field begins.
 * @param options Its name in formats.md, and its range.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { u32 } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 4, {
 *   total: u32(0x00),
 * });
 * assertEquals(layout.encode({ total: 256 }), new Uint8Array([0, 0, 1, 0]));
 * ```
 */
export function u32(
  offset: Offset,
  options: IntegerOptions = {},
): Field<number, "required"> {
  return integer(offset, 4, "required", options);
}

/**
 * An unsigned integer of 64 bits, big-endian; a `bigint` in the record.
 *
 * @param offset Where the field begins.
 * @param options Its name in formats.md, and how it is shown.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { u64 } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 8, {
 *   epoch: u64(0x00),
 * });
 * assertEquals(layout.encode({ epoch: 9n }), new Uint8Array([0, 0, 0, 0, 0, 0, 0, 9]));
 * ```
 */
export function u64(
  offset: Offset,
  options: FieldOptions & {
    /** Shows the number; in decimal if absent. */
    readonly show?: (value: bigint) => string;
  } = {},
): Field<bigint, "required"> {
  const max = 2n ** 64n - 1n;
  return {
    offset,
    sizeBytes: 8,
    variable: false,
    type: "u64",
    expected: `a bigint of 0..${max}`,
    wireName: options.name,
    presence: "required",
    fallback: undefined,
    role: VALUE,
    numberWidth: 0,
    accepts: (value) =>
      typeof value === "bigint" && value >= 0n && value <= max,
    lengthOf: () => 8,
    write: (target, at, value) => {
      octetView.setBigUint64(0, value);
      target.set(octet, at);
    },
    read: (source, at) => {
      for (let index = 0; index < 8; index++) {
        octet[index] = source[at + index] ?? 0;
      }
      return octetView.getBigUint64(0);
    },
    show: options.show ?? String,
  };
}

/**
 * An integer that always has the same value. It stands in the record, so that a
 * decoder that doesn't judge shows what it found; an encoder needs it not.
 *
 * @param offset Where the field begins.
 * @param type Its type.
 * @param value Its only value.
 * @param options Its name in formats.md, and its range.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { constant } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 2, {
 *   magic: constant(0x00, "u16", 0x5350),
 * });
 * assertEquals(layout.encode({}), new Uint8Array([0x53, 0x50]));
 * ```
 */
export function constant(
  offset: Offset,
  type: "u8" | "u16" | "u32",
  value: number,
  options: IntegerOptions = {},
): Field<number, "optional"> {
  const width = type === "u8" ? 1 : type === "u16" ? 2 : 4;
  const range = { ...options, min: value, max: value };
  return integer(offset, width, "optional", range, value);
}

/**
 * A constant that the record leaves out: a format's magic byte, say.
 *
 * @param offset Where the field begins.
 * @param type Its type.
 * @param value Its only value.
 * @param options Its name in formats.md, and its range.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { hiddenConstant } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 1, {
 *   magic: hiddenConstant(0x00, "u8", 0x4A),
 * });
 * assertEquals(layout.encode({}), new Uint8Array([0x4A]));
 * ```
 */
export function hiddenConstant(
  offset: Offset,
  type: "u8" | "u16" | "u32",
  value: number,
  options: IntegerOptions = {},
): Field<number, "hidden"> {
  return { ...constant(offset, type, value, options), presence: "hidden" };
}

/**
 * An integer out of a table of names. The record holds the number.
 *
 * @param offset Where the field begins.
 * @param type Its type.
 * @param names The numbers by name.
 * @param options Its name in formats.md.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { enumeration } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 1, {
 *   mode: enumeration(0x00, "u8", { OFF: 0, ON: 1 }),
 * });
 * assertEquals(layout.encode({ mode: 1 }), new Uint8Array([1]));
 * ```
 */
export function enumeration<const T extends Readonly<Record<string, number>>>(
  offset: Offset,
  type: "u8" | "u16",
  names: T,
  options: FieldOptions = {},
): Field<T[keyof T], "required"> {
  const byValue = new Map(
    Object.entries(names).map(([name, value]) => [value, name]),
  );
  const isMember = (value: number): value is T[keyof T] => byValue.has(value);
  const width = type === "u8" ? 1 : 2;
  return {
    offset,
    sizeBytes: width,
    variable: false,
    type,
    expected: [...byValue].map(([value, name]) => `${value} ${name}`)
      .join(", "),
    wireName: options.name,
    presence: "required",
    fallback: undefined,
    role: VALUE,
    numberWidth: width,
    accepts: isMember,
    lengthOf: () => width,
    write: (target, at, value) => writeInteger(target, at, width, value),
    // A decoder judges by `accepts`; one that doesn't judge may hand out a
    // number that has no name, which `show` copes with.
    read: (source, at) => readInteger(source, at, width) as T[keyof T],
    show: (value) => `${value} ${byValue.get(value) ?? "unknown"}`,
  };
}

/**
 * Bytes that are zero and stand for nothing yet.
 *
 * @param offset Where the field begins.
 * @param sizeBytes Its size in bytes.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { reserved } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 2, {
 *   unused: reserved(0x00, 2),
 * });
 * assertEquals(layout.encode({}), new Uint8Array([0, 0]));
 * ```
 */
export function reserved(
  offset: Offset,
  sizeBytes: number,
): Field<Uint8Array, "hidden"> {
  return {
    ...bytes(offset, sizeBytes),
    type: sizeBytes === 1 ? "u8" : `${sizeBytes} bytes`,
    expected: "0",
    presence: "hidden",
    fallback: new Uint8Array(sizeBytes),
    role: { kind: "reserved" },
    accepts: (value) => value.every((byte) => byte === 0),
    read: (source, at) => viewBytes(source, at, sizeBytes),
  };
}

/**
 * Exactly so many bytes.
 *
 * @param offset Where the field begins.
 * @param sizeBytes Its size in bytes.
 * @param options Its name in formats.md, and how it is shown.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { bytes } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 2, {
 *   uuid: bytes(0x00, 2),
 * });
 * assertEquals(layout.encode({ uuid: new Uint8Array([7, 8]) }), new Uint8Array([7, 8]));
 * ```
 */
export function bytes(
  offset: Offset,
  sizeBytes: number,
  options: FieldOptions & {
    /** Shows the bytes; hexadecimal digits if absent. */
    readonly show?: (value: Uint8Array) => string;
  } = {},
): Field<Uint8Array, "required"> {
  return {
    offset,
    sizeBytes,
    variable: false,
    type: `${sizeBytes} bytes`,
    expected: `a Uint8Array of ${sizeBytes} bytes`,
    wireName: options.name,
    presence: "required",
    fallback: undefined,
    role: VALUE,
    numberWidth: 0,
    accepts: (value) =>
      value instanceof Uint8Array && value.length === sizeBytes,
    lengthOf: () => sizeBytes,
    write: (target, at, value) => writeBytes(target, at, sizeBytes, value),
    read: (source, at) => readBytes(source, at, sizeBytes),
    show: options.show ?? toHex,
  };
}

/**
 * A list of a fixed number of unsigned 32-bit integers.
 *
 * @param offset Where the field begins.
 * @param count How many.
 * @param options Its name in formats.md.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { u32List } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 8, {
 *   crcs: u32List(0x00, 2),
 * });
 * assertEquals(layout.encode({ crcs: [1, 2] }), new Uint8Array([0, 0, 0, 1, 0, 0, 0, 2]));
 * ```
 */
export function u32List(
  offset: Offset,
  count: number,
  options: FieldOptions = {},
): Field<readonly number[], "required"> {
  const isU32 = (value: unknown) =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 &&
    value <= 0xFFFFFFFF;
  return {
    offset,
    sizeBytes: count * 4,
    variable: false,
    type: `${count} x u32`,
    expected: `${count} integers of 0..4294967295`,
    wireName: options.name,
    presence: "required",
    fallback: undefined,
    role: VALUE,
    numberWidth: 0,
    accepts: (value) =>
      Array.isArray(value) && value.length === count && value.every(isU32),
    lengthOf: () => count * 4,
    write: (target, at, value) => {
      for (let index = 0; index < count; index++) {
        writeInteger(target, at + index * 4, 4, value[index] ?? 0);
      }
    },
    read: (source, at) =>
      Array.from(
        { length: count },
        (_, index) => readInteger(source, at + index * 4, 4),
      ),
    show: (value) => value.map((item) => hexNumber(item, 4)).join(" "),
  };
}

/** What a field with a length of its own may say. */
export interface LengthOptions extends FieldOptions {
  /** The least length in bytes; 0 if absent. */
  readonly min?: number;
}

/** What a field of bytes with a length of its own may say. */
export interface BytesOptions extends LengthOptions {
  /**
   * Whether what is read is a view of the bytes that it was read from, and not
   * a copy: for a record that is done with before those are used again.
   */
  readonly isView?: boolean;
}

/**
 * Up to so many bytes, padded with zeros to the full size; a `lengthOf` field of
 * the same table holds how many they are.
 *
 * @param offset Where the field begins.
 * @param sizeBytes Its size in bytes.
 * @param options Its name in formats.md, and its least length.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { lengthOf, paddedBytes } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 4, {
 *   length: lengthOf(0x00, "u8", "value"),
 *   value: paddedBytes(0x01, 3),
 * });
 * assertEquals(layout.encode({ value: new Uint8Array([7]) }), new Uint8Array([1, 7, 0, 0]));
 * ```
 */
export function paddedBytes(
  offset: Offset,
  sizeBytes: number,
  options: BytesOptions = {},
): Field<Uint8Array, "required"> {
  const min = options.min ?? 0;
  return {
    ...bytes(offset, sizeBytes, options),
    expected: `a Uint8Array of ${min}..${sizeBytes} bytes`,
    accepts: (value) =>
      value instanceof Uint8Array && value.length >= min &&
      value.length <= sizeBytes,
    lengthOf: (value) => value.length,
    read: options.isView ? viewBytes : readBytes,
  };
}

/**
 * Text in UTF-8, padded with zeros; a `lengthOf` field holds its bytes.
 *
 * @param offset Where the field begins.
 * @param sizeBytes Its size in bytes.
 * @param options Its name in formats.md, and its least length.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { lengthOf, paddedText } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 4, {
 *   length: lengthOf(0x00, "u8", "name"),
 *   name: paddedText(0x01, 3),
 * });
 * assertEquals(layout.encode({ name: "ab" }), new Uint8Array([2, 0x61, 0x62, 0]));
 * ```
 */
export function paddedText(
  offset: Offset,
  sizeBytes: number,
  options: LengthOptions = {},
): Field<string, "required"> {
  const min = options.min ?? 0;
  return {
    offset,
    sizeBytes,
    variable: false,
    type: `${sizeBytes} bytes`,
    expected:
      `text of ${min}..${sizeBytes} bytes in UTF-8 without U+0000 or U+FFFD`,
    wireName: options.name,
    presence: "required",
    fallback: undefined,
    role: VALUE,
    numberWidth: 0,
    accepts: (value) => {
      // U+FFFD is what a decoder puts where the bytes were not UTF-8, and a
      // lone surrogate becomes it: neither would come back as the same bytes.
      if (typeof value !== "string" || /[\0\uFFFD]/.test(value)) return false;
      const length = utf8.encode(value).length;
      return value.isWellFormed() && length >= min && length <= sizeBytes;
    },
    lengthOf: (value) => utf8.encode(value).length,
    write: (target, at, value) =>
      writeBytes(target, at, sizeBytes, utf8.encode(value)),
    read: (source, at, length) =>
      utf8Decoder.decode(readBytes(source, at, length)),
    show: (value) => JSON.stringify(value),
  };
}

/**
 * Text in UTF-8 that a zero byte ends, as a C string; so it has at least one
 * byte less than its room. What stands behind that byte is not looked at.
 *
 * @param offset Where the field begins.
 * @param sizeBytes Its size in bytes.
 * @param options Its name in formats.md.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { terminatedText } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 4, {
 *   name: terminatedText(0x00, 4),
 * });
 * assertEquals(layout.encode({ name: "ab" }), new Uint8Array([0x61, 0x62, 0, 0]));
 * ```
 */
export function terminatedText(
  offset: Offset,
  sizeBytes: number,
  options: FieldOptions = {},
): Field<string, "required"> {
  const field = paddedText(offset, sizeBytes - 1, options);
  return {
    ...field,
    sizeBytes,
    type: `${sizeBytes} bytes`,
    write: (target, at, value) =>
      writeBytes(target, at, sizeBytes, utf8.encode(value)),
    read: (source, at) => {
      const all = readBytes(source, at, sizeBytes);
      const end = all.indexOf(0);
      // Without its zero byte the text is too long, and `accepts` says so.
      return utf8Decoder.decode(end < 0 ? all : all.subarray(0, end));
    },
  };
}

/**
 * Bytes that take no more room than they need; a `lengthOf` field counts them.
 *
 * @param offset Where the field begins.
 * @param maxBytes The most bytes that it has.
 * @param options Its name in formats.md, and its least length.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { countedBytes, lengthOf } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 4, {
 *   length: lengthOf(0x00, "u8", "value"),
 *   value: countedBytes(0x01, 3),
 * });
 * assertEquals(layout.encode({ value: new Uint8Array([7]) }), new Uint8Array([1, 7]));
 * ```
 */
export function countedBytes(
  offset: Offset,
  maxBytes: number,
  options: BytesOptions = {},
): Field<Uint8Array, "required"> {
  return variable(paddedBytes(offset, maxBytes, options));
}

/**
 * Text that takes no more room than it needs; a `lengthOf` field counts it.
 *
 * @param offset Where the field begins.
 * @param maxBytes The most bytes that it has.
 * @param options Its name in formats.md, and its least length.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { countedText, lengthOf } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 4, {
 *   length: lengthOf(0x00, "u8", "name"),
 *   name: countedText(0x01, 3),
 * });
 * assertEquals(layout.encode({ name: "ab" }), new Uint8Array([2, 0x61, 0x62]));
 * ```
 */
export function countedText(
  offset: Offset,
  maxBytes: number,
  options: LengthOptions = {},
): Field<string, "required"> {
  return variable(paddedText(offset, maxBytes, options));
}

/**
 * All bytes up to the end; only the last field of a table can be this.
 *
 * @param offset Where the field begins.
 * @param maxBytes The most bytes that it has.
 * @param options Its name in formats.md, and its least length.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { rest, u8 } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 4, {
 *   kind: u8(0x00),
 *   value: rest(0x01, 3),
 * });
 * assertEquals(layout.encode({ kind: 9, value: new Uint8Array([7]) }), new Uint8Array([9, 7]));
 * ```
 */
export function rest(
  offset: Offset,
  maxBytes: number,
  options: BytesOptions = {},
): Field<Uint8Array, "required"> {
  return variable(paddedBytes(offset, maxBytes, options));
}

function variable<V extends Uint8Array | string>(
  field: Field<V, "required">,
): Field<V, "required"> {
  return {
    ...field,
    variable: true,
    type: `0..${field.sizeBytes} bytes`,
    write: (target, at, value) => {
      const encoded: Uint8Array = typeof value === "string"
        ? utf8.encode(value)
        : value;
      writeBytes(target, at, encoded.length, encoded);
    },
  };
}

/**
 * How many bytes another field of the table has. Not in the record.
 *
 * @param offset Where the field begins.
 * @param type Its type.
 * @param key The key of the field that it counts.
 * @param options Its name in formats.md, and its range.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { lengthOf, paddedBytes } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 4, {
 *   length: lengthOf(0x00, "u16", "value"),
 *   value: paddedBytes(0x02, 2),
 * });
 * assertEquals(layout.encode({ value: new Uint8Array([7]) }), new Uint8Array([0, 1, 7, 0]));
 * ```
 */
export function lengthOf(
  offset: Offset,
  type: "u8" | "u16",
  key: string,
  options: IntegerOptions = {},
): Field<number, "hidden"> {
  return {
    ...integer(offset, type === "u8" ? 1 : 2, "hidden", options),
    role: { kind: "length", of: key },
  };
}

/**
 * The CRC-32C over bytes `from` up to, not including, `to`. Not in the record.
 *
 * @param offset Where the field begins.
 * @param from The first byte that it covers.
 * @param to The first byte that it doesn't cover any more.
 * @param options Its name in formats.md.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { crc32cOver, u8 } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 5, {
 *   kind: u8(0x00),
 *   crc32: crc32cOver(0x01, 0x00, 0x01),
 * });
 * assertEquals(layout.encode({ kind: 1 }), new Uint8Array([1, 0xA0, 0x16, 0xD0, 0x52]));
 * ```
 */
export function crc32cOver(
  offset: number,
  from: number,
  to: number,
  options: FieldOptions = {},
): Field<number, "hidden"> {
  return {
    ...integer(offset, 4, "hidden", { ...options, hex: true }),
    expected: `the CRC-32C of bytes ${hexNumber(from, 1)}..${
      hexNumber(to - 1, 1)
    }`,
    role: { kind: "crc", from, to },
  };
}

/**
 * As {@linkcode crc32cOver}, and the record holds what was found.
 *
 * @param offset Where the field begins.
 * @param from The first byte that it covers.
 * @param to The first byte that it doesn't cover any more.
 * @param options Its name in formats.md.
 * @returns The row.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { shownCrc32cOver, u8 } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 5, {
 *   kind: u8(0x00),
 *   crc32: shownCrc32cOver(0x01, 0x00, 0x01),
 * });
 * assertEquals(layout.encode({ kind: 1 }), new Uint8Array([1, 0xA0, 0x16, 0xD0, 0x52]));
 * ```
 */
export function shownCrc32cOver(
  offset: number,
  from: number,
  to: number,
  options: FieldOptions = {},
): Field<number, "optional"> {
  return {
    ...crc32cOver(offset, from, to, options),
    presence: "optional",
    fallback: 0,
  };
}

const utf8 = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function writeBytes(
  target: Uint8Array,
  offset: number,
  sizeBytes: number,
  value: Uint8Array,
): void {
  const { length } = value;
  target.set(length > sizeBytes ? value.subarray(0, sizeBytes) : value, offset);
  if (length < sizeBytes) target.fill(0, offset + length, offset + sizeBytes);
}

function viewBytes(
  source: Uint8Array,
  offset: number,
  lengthBytes: number,
): Uint8Array {
  return source.subarray(offset, offset + lengthBytes);
}

function readBytes(
  source: Uint8Array,
  offset: number,
  lengthBytes: number,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(viewBytes(source, offset, lengthBytes));
}
