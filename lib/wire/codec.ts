/**
 * The field table of a byte layout, and everything that follows from it:
 * encoder, decoder, sizes, offsets, range checks, CRC, pretty-printer. A layout
 * is described once, here nothing is repeated. Imports the kinds of fields,
 * the CRC and the room's error.
 *
 * A layout decodes in two ways. `decode` judges: it hands out a record only if
 * the CRC, every range, every constant, every reserved and padding byte is as
 * the table says, and throws a {@linkcode WireError} otherwise. `read` doesn't
 * judge: it shows what is there, for tools and for callers that judge later.
 *
 * @module
 */

import { crc32c } from "./crc32c.ts";
import { WireError } from "./error.ts";
import {
  AFTER,
  type Field,
  type Presence,
  readInteger,
  type Width,
  writeInteger,
} from "./fields.ts";
import { hexNumber } from "./hex.ts";

/** The rows of a layout, in the order of their bytes. */
export type FieldTable = Readonly<Record<string, Field<unknown, Presence>>>;

/** The type that a field's value has in the record. */
export type ValueOf<F> = F extends Field<infer V, Presence> ? V : never;
/** The keys of a table whose fields have one of these presences. */
export type KeysOf<T extends FieldTable, P extends Presence> = {
  [K in keyof T]: T[K] extends Field<unknown, infer Q>
    ? (Q extends P ? K : never)
    : never;
}[keyof T];

/** The record that a table describes, as a decoder hands it out. */
export type RecordOf<T extends FieldTable> = {
  readonly [K in KeysOf<T, "required" | "optional">]: ValueOf<T[K]>;
};

/** The record that an encoder takes: constants and CRCs may be left out. */
export type InputOf<T extends FieldTable> =
  & { readonly [K in KeysOf<T, "required">]: ValueOf<T[K]> }
  & { readonly [K in KeysOf<T, "optional">]?: ValueOf<T[K]> };

/** One row of a layout for documentation and tools. */
export interface FieldDescription {
  /** The name as formats.md writes it. */
  readonly name: string;
  /** The offset in bytes, or undefined behind a field of variable length. */
  readonly offset: number | undefined;
  /** The size in bytes; the largest one of a variable field. */
  readonly sizeBytes: number;
  /** The type, such as `"u16"`. */
  readonly type: string;
  /** What it accepts. */
  readonly expected: string;
}

/** A row of the table, with what each record asks of it worked out beforehand. */
interface Row {
  readonly key: string;
  readonly name: string;
  readonly offset: number | undefined;
  readonly field: Field<unknown, Presence>;
  readonly sizeBytes: number;
  /** The bytes of a number that needs no call to be read and written, or 0. */
  readonly numberWidth: Width | 0;
  readonly isVariable: boolean;
  /** Whether it stands in the record. */
  readonly isShown: boolean;
  /** Whether an encoder judges what the record has for it. */
  readonly isGiven: boolean;
  readonly isOptional: boolean;
  readonly isCrc: boolean;
  readonly fallback: unknown;
  /** The index of the row that holds this one's length, or -1. */
  readonly lengthIndex: number;
  /** The key of the field whose length this one holds, and the field. */
  readonly measuredKey: string | undefined;
  readonly measured: Field<unknown, Presence> | undefined;
}

type Loose = Readonly<Record<string, unknown>>;

/**
 * A byte layout. Made by {@linkcode defineLayout}.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { crc32cOver, u16, u8 } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 8, {
 *   kind: u8(0x00, { max: 3 }),
 *   flags: u8(0x01),
 *   tenantId: u16(0x02),
 *   crc32: crc32cOver(0x04, 0x00, 0x04),
 * });
 * const bytes = layout.encode({ kind: 2, flags: 0, tenantId: 0x0102 });
 * assertEquals(bytes.slice(0, 4), new Uint8Array([2, 0, 1, 2]));
 * assertEquals(layout.decode(bytes), { kind: 2, flags: 0, tenantId: 0x0102 });
 * assertThrows(
 *   () => layout.encode({ kind: 4, flags: 0, tenantId: 0 }),
 *   Error,
 *   "sample: kind is 4, expected 0..3",
 * );
 * ```
 */
export class Layout<out Value extends object, in Input extends object> {
  /** The layout's name, for messages. */
  readonly name: string;
  /** The size in bytes; the largest one if a field is variable. */
  readonly sizeBytes: number;
  /** The smallest size in bytes; less than `sizeBytes` if a field is variable. */
  readonly minimumBytes: number;
  readonly #rows: readonly Row[];
  readonly #crcRows: readonly Row[];
  readonly #variableRows: readonly Row[];
  /** The lengths that were met in the record at hand, by the index of their row. */
  readonly #lengths: number[];

  /**
   * Makes a layout from its table. The compiler can't tell the types from here:
   * use {@linkcode defineLayout}.
   *
   * @param name The layout's name.
   * @param sizeBytes Its size, or its largest size, in bytes.
   * @param table The rows in the order of their bytes.
   * @throws {RangeError} If the rows leave a gap, overlap, or miss the size.
   */
  constructor(name: string, sizeBytes: number, table: FieldTable) {
    this.name = name;
    this.sizeBytes = sizeBytes;
    this.#rows = makeRows(name, sizeBytes, table);
    this.#crcRows = this.#rows.filter((row) => row.field.role.kind === "crc");
    this.#variableRows = this.#rows.filter((row) => row.field.variable);
    this.#lengths = this.#rows.map(() => 0);
    this.minimumBytes = this.#rows.reduce(
      (sum, { field }) => sum + (field.variable ? 0 : field.sizeBytes),
      0,
    );
  }

  /**
   * The bytes of a record.
   *
   * @param value The record; constants and CRCs are filled in.
   * @returns A fresh array.
   * @throws {WireError} Naming the field, the value and the range.
   */
  encode(value: Input): Uint8Array<ArrayBuffer> {
    const loose = looseOf(value);
    const length = this.#check(loose);
    const target = new Uint8Array(length);
    this.#write(loose, target, 0, length);
    return target;
  }

  /**
   * Writes a record into a larger array. Nothing is written if it throws.
   *
   * @param value The record.
   * @param target Where to.
   * @param offset Where in it, in bytes.
   * @returns The number of bytes written.
   * @throws {WireError} Naming the field, the value and the range.
   */
  encodeInto(value: Input, target: Uint8Array, offset = 0): number {
    const loose = looseOf(value);
    const length = this.#check(loose);
    if (
      !Number.isInteger(offset) || offset < 0 || offset + length > target.length
    ) {
      throw new WireError({
        layout: this.name,
        field: "offset",
        value: offset,
        expected: `room for ${length} bytes in an array of ${target.length}`,
      });
    }
    this.#write(loose, target, offset, length);
    return length;
  }

  /**
   * Reads and judges a record.
   *
   * @param bytes Any bytes.
   * @returns The record.
   * @throws {WireError} If the bytes are not exactly a valid record; nothing
   * else, whatever they are.
   */
  decode(bytes: Uint8Array): Value {
    return this.#decode(bytes, true);
  }

  /**
   * Reads a record without judging it. A length that can't be is taken for the
   * nearest that can.
   *
   * @param bytes Any bytes.
   * @returns What is there; numbers may be outside their ranges.
   * @throws {WireError} If there are too few or too many bytes.
   */
  read(bytes: Uint8Array): Value {
    return this.#decode(bytes, false);
  }

  /**
   * Whether each CRC in the bytes matches what it covers.
   *
   * @param bytes Any bytes.
   * @returns False also for the wrong number of bytes.
   */
  checkCrc(bytes: Uint8Array): boolean {
    if (!this.#fits(bytes.length)) return false;
    return this.#crcRows.every((row) =>
      storedCrc(row, bytes) === computedCrc(row, bytes)
    );
  }

  /**
   * The bytes of a record as it is: no range is checked, values that are too
   * wide lose their upper bits, and a CRC that the record holds is kept.
   *
   * @param value The record, as {@linkcode Layout.read} gave it.
   * @returns A fresh array.
   */
  encodeUnjudged(value: Value): Uint8Array<ArrayBuffer> {
    const loose = looseOf(value);
    const length = this.#lengthOf(loose);
    const target = new Uint8Array(length);
    this.#write(loose, target, 0, length, false);
    return target;
  }

  /**
   * Where a field begins.
   *
   * @param key The field's key in the record.
   * @returns The offset in bytes.
   * @throws {RangeError} If there is no such field, or it has no fixed offset.
   */
  offsetOf(key: string): number {
    const offset = this.#rows.find((row) => row.key === key)?.offset;
    if (offset === undefined) {
      throw new RangeError(
        `${this.name}: no field ${key} with a fixed offset`,
      );
    }
    return offset;
  }

  /** The table's rows, for documentation and tools. */
  describe(): FieldDescription[] {
    return this.#rows.map(({ name, offset, field }) => ({
      name,
      offset,
      sizeBytes: field.sizeBytes,
      type: field.type,
      expected: field.expected,
    }));
  }

  /**
   * The record as text, one field to a line, with what was expected behind a
   * value that is not right.
   *
   * @param value A record, judged or not.
   * @returns Lines of `name  value` without a final line break.
   */
  format(value: Value): string {
    const loose = looseOf(value);
    const rows = this.#rows.filter((row) => row.field.presence !== "hidden");
    const width = Math.max(...rows.map((row) => row.name.length));
    const bytes = this.#crcRows.length > 0
      ? this.encodeUnjudged(value)
      : new Uint8Array();
    return rows.map((row) => {
      const item = loose[row.key];
      return `${row.name.padEnd(width)}  ${row.field.show(item)}${
        remark(row, item, bytes)
      }`;
    }).join("\n");
  }

  #fits(length: number): boolean {
    return length >= this.minimumBytes && length <= this.sizeBytes;
  }

  #lengthOf(value: Loose): number {
    let length = this.minimumBytes;
    for (const { key, field } of this.#variableRows) {
      length += field.lengthOf(value[key]);
    }
    return length;
  }

  /** Judges a record before it is written; returns the bytes it takes. */
  #check(value: Loose): number {
    for (const row of this.#rows) {
      if (!row.isGiven) continue;
      const item = value[row.key];
      if (item === undefined && row.isOptional) continue;
      if (!row.field.accepts(item)) {
        throw this.#error(row.name, item, row.field.expected);
      }
    }
    return this.#lengthOf(value);
  }

  /** Writes a record of so many bytes. */
  #write(
    value: Loose,
    target: Uint8Array,
    offset: number,
    length: number,
    seal = true,
  ): void {
    let at = offset;
    for (const row of this.#rows) {
      const { key, field, measured, measuredKey, numberWidth } = row;
      let item: unknown = 0;
      if (measured !== undefined && measuredKey !== undefined) {
        item = measured.lengthOf(value[measuredKey]);
      } else if (!row.isCrc || !seal) {
        item = (row.isShown ? value[key] : undefined) ?? row.fallback ?? 0;
      }
      if (numberWidth !== 0) {
        writeInteger(target, at, numberWidth, Number(item));
      } else field.write(target, at, item);
      at += row.isVariable ? field.lengthOf(value[key]) : row.sizeBytes;
    }
    if (!seal || this.#crcRows.length === 0) return;
    const record = target.subarray(offset, offset + length);
    for (const row of this.#crcRows) {
      writeInteger(record, row.offset ?? 0, 4, computedCrc(row, record));
    }
  }

  #decode(bytes: Uint8Array, judge: boolean): Value {
    if (!this.#fits(bytes.length)) {
      throw this.#error("length", bytes.length, this.#lengthText());
    }
    if (judge) this.#judgeCrc(bytes);
    const rows = this.#rows;
    const lengths = this.#lengths;
    const found: Record<string, unknown> = {};
    let spare = bytes.length - this.minimumBytes;
    let at = 0;
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index];
      if (row === undefined) break;
      const { field, sizeBytes, numberWidth, isVariable, lengthIndex } = row;
      const room = isVariable ? spare : sizeBytes;
      let length = room;
      if (lengthIndex >= 0) {
        const claimed = lengths[lengthIndex] ?? 0;
        length = Math.min(claimed, room, sizeBytes);
        if (judge && claimed !== length) {
          throw this.#error(
            rows[lengthIndex]?.name ?? "",
            claimed,
            `at most ${Math.min(room, sizeBytes)}`,
          );
        }
      }
      if (isVariable) spare -= length;
      const item = numberWidth === 0
        ? field.read(bytes, at, length)
        : readInteger(bytes, at, numberWidth);
      if (row.measured !== undefined) lengths[index] = Number(item);
      if (judge) {
        if (!row.isCrc && !field.accepts(item)) {
          throw this.#error(row.name, item, field.expected);
        }
        if (!isVariable && length < sizeBytes) {
          this.#judgePadding(row, bytes, at + length, at + sizeBytes);
        }
      }
      if (row.isShown) found[row.key] = item;
      at += isVariable ? length : sizeBytes;
    }
    if (judge && spare !== 0) {
      throw this.#error("length", bytes.length, `${at} by its fields`);
    }
    // The table made both this object and the type, row by row.
    return found as Value;
  }

  #judgeCrc(bytes: Uint8Array): void {
    for (const row of this.#crcRows) {
      const stored = storedCrc(row, bytes);
      const computed = computedCrc(row, bytes);
      if (stored !== computed) {
        throw this.#error(
          row.name,
          hexNumber(stored, 4),
          `${hexNumber(computed, 4)}, ${row.field.expected}`,
        );
      }
    }
  }

  #judgePadding(row: Row, bytes: Uint8Array, from: number, to: number): void {
    // This finds where, and is left nothing to do where all are zeros.
    for (let at = skipZeros(bytes, from, to); at < to; at++) {
      if (bytes[at] !== 0) {
        throw this.#error(
          `${row.name} padding at ${hexNumber(at, 1)}`,
          bytes[at],
          "0",
        );
      }
    }
  }

  #lengthText(): string {
    return this.minimumBytes === this.sizeBytes
      ? `${this.sizeBytes} bytes`
      : `${this.minimumBytes}..${this.sizeBytes} bytes`;
  }

  #error(field: string, value: unknown, expected: string): WireError {
    return new WireError({ layout: this.name, field, value, expected });
  }
}

/**
 * Makes a layout from its table. The record's type follows from the table.
 *
 * @param name The layout's name, for messages.
 * @param sizeBytes Its size, or its largest size, in bytes.
 * @param table The rows, in the order of their bytes, without gaps.
 * @returns The layout.
 * @throws {RangeError} If the rows leave a gap, overlap, or miss the size.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { u16, u8 } from "./fields.ts";
 *
 * const layout = defineLayout("pair", 3, { one: u8(0), other: u16(1) });
 * assertEquals(layout.offsetOf("other"), 1);
 * assertThrows(() => defineLayout("gap", 3, { one: u8(0), other: u8(2) }));
 * ```
 */
export function defineLayout<const T extends FieldTable>(
  name: string,
  sizeBytes: number,
  table: T,
): Layout<RecordOf<T>, InputOf<T>> {
  return new Layout<RecordOf<T>, InputOf<T>>(name, sizeBytes, table);
}

function makeRows(name: string, sizeBytes: number, table: FieldTable): Row[] {
  const rows: Row[] = [];
  let at = 0;
  let fixed = true;
  for (const [key, field] of Object.entries(table)) {
    if (fixed ? field.offset !== at : field.offset !== AFTER) {
      throw new RangeError(
        `${name}: ${key} is at ${field.offset}, expected ${fixed ? at : AFTER}`,
      );
    }
    const { role, presence } = field;
    const lengthIndex = rows.findIndex((row) => row.measuredKey === key);
    if (role.kind === "length" && rows.some((row) => row.key === role.of)) {
      throw new RangeError(
        `${name}: ${key} stands behind ${role.of}, expected before what it counts`,
      );
    }
    rows.push({
      key,
      name: field.wireName ?? snakeCase(key),
      offset: fixed ? at : undefined,
      field,
      sizeBytes: field.sizeBytes,
      numberWidth: field.numberWidth,
      isVariable: field.variable,
      isShown: presence !== "hidden",
      isGiven: presence !== "hidden" && role.kind === "value",
      isOptional: presence === "optional",
      isCrc: role.kind === "crc",
      fallback: field.fallback,
      lengthIndex,
      measuredKey: role.kind === "length" ? role.of : undefined,
      measured: role.kind === "length" ? table[role.of] : undefined,
    });
    at += field.sizeBytes;
    if (field.variable) fixed = false;
  }
  if (at !== sizeBytes) {
    throw new RangeError(
      `${name}: the rows take ${at} bytes, expected ${sizeBytes}`,
    );
  }
  return rows;
}

/** The fields of a record by name: the table knows their types, the compiler not. */
function looseOf(value: object): Loose {
  return value as Loose;
}

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Buffers up to this size are remembered: one that is read into again and again. */
const REMEMBERED_BYTES = 65_536;
let rememberedWords: Int32Array = new Int32Array();

/** The whole words of a buffer. */
function wordsOf(buffer: ArrayBufferLike): Int32Array {
  if (rememberedWords.buffer === buffer) return rememberedWords;
  const words = new Int32Array(buffer, 0, buffer.byteLength >> 2);
  if (buffer.byteLength <= REMEMBERED_BYTES) rememberedWords = words;
  return words;
}

/**
 * How far the bytes from one place to another are zeros, told word by word:
 * most of a frame is padding, and a byte at a time it costs more than the rest.
 *
 * @param bytes The bytes.
 * @param from Where to begin.
 * @param to Where to end, at most their length.
 * @returns A place up to which they are zeros: it may be an early one, never one
 * too late, and `to` only if all are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { skipZeros } from "./codec.ts";
 *
 * assertEquals(skipZeros(new Uint8Array(256), 8, 256), 256);
 * assertEquals(skipZeros(new Uint8Array(256).fill(1, 40), 8, 256), 40);
 * ```
 */
export function skipZeros(bytes: Uint8Array, from: number, to: number): number {
  if (to - from < 32) return from;
  let at = from;
  while ((bytes.byteOffset + at) % 4 !== 0) {
    if (bytes[at] !== 0) return at;
    at++;
  }
  const words = wordsOf(bytes.buffer);
  const start = (bytes.byteOffset + at) >> 2;
  const end = (bytes.byteOffset + to) >> 2;
  let word = start;
  while (word < end && words[word] === 0) word++;
  return at + 4 * (word - start);
}

function storedCrc(row: Row, bytes: Uint8Array): number {
  return readInteger(bytes, row.offset ?? 0, 4);
}

function computedCrc(row: Row, bytes: Uint8Array): number {
  const { role } = row.field;
  return role.kind === "crc" ? crc32c(bytes.subarray(role.from, role.to)) : 0;
}

function remark(row: Row, item: unknown, bytes: Uint8Array): string {
  const { field } = row;
  if (field.role.kind === "crc") {
    const computed = computedCrc(row, bytes);
    return item === computed
      ? " (valid)"
      : ` (bad: expected ${hexNumber(computed, 4)})`;
  }
  return field.accepts(item) ? "" : ` (bad: expected ${field.expected})`;
}
