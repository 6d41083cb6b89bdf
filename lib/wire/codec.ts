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
import { AFTER, type Field, type Presence } from "./fields.ts";
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

interface Row {
  readonly key: string;
  readonly name: string;
  readonly offset: number | undefined;
  readonly field: Field<unknown, Presence>;
  /** The key of the field that holds this one's length. */
  readonly lengthKey: string | undefined;
  /** The field whose length this one holds. */
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
    const target = new Uint8Array(this.#check(loose));
    this.#write(loose, target);
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
    this.#write(loose, target.subarray(offset, offset + length));
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
    const target = new Uint8Array(this.#lengthOf(loose));
    this.#write(loose, target, false);
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
    for (const { key, name, field } of this.#rows) {
      const { role, presence } = field;
      if (presence === "hidden" || role.kind !== "value") continue;
      const item = value[key];
      if (item === undefined && presence === "optional") continue;
      if (!field.accepts(item)) throw this.#error(name, item, field.expected);
    }
    return this.#lengthOf(value);
  }

  #write(value: Loose, target: Uint8Array, seal = true): void {
    const view = viewOf(target);
    let at = 0;
    for (const { key, field, measured } of this.#rows) {
      const { role } = field;
      if (role.kind === "length") {
        field.write(view, at, measured?.lengthOf(value[role.of]) ?? 0);
      } else if (role.kind !== "crc" || !seal) {
        const given = field.presence === "hidden" ? undefined : value[key];
        field.write(view, at, given ?? field.fallback ?? 0);
      }
      at += field.variable ? field.lengthOf(value[key]) : field.sizeBytes;
    }
    if (!seal) return;
    for (const row of this.#crcRows) {
      view.setUint32(row.offset ?? 0, computedCrc(row, target));
    }
  }

  #decode(bytes: Uint8Array, judge: boolean): Value {
    if (!this.#fits(bytes.length)) {
      throw this.#error("length", bytes.length, this.#lengthText());
    }
    if (judge) this.#judgeCrc(bytes);
    const view = viewOf(bytes);
    const found: Record<string, unknown> = {};
    const lengths: Record<string, number> = {};
    let spare = bytes.length - this.minimumBytes;
    let at = 0;
    for (const row of this.#rows) {
      const { key, name, field, lengthKey } = row;
      const room = field.variable ? spare : field.sizeBytes;
      let length = field.variable ? room : field.sizeBytes;
      if (lengthKey !== undefined) {
        const claimed = lengths[key] ?? 0;
        length = Math.min(claimed, room, field.sizeBytes);
        if (judge && claimed !== length) {
          throw this.#error(
            this.#row(lengthKey).name,
            claimed,
            `at most ${Math.min(room, field.sizeBytes)}`,
          );
        }
      }
      if (field.variable) spare -= length;
      const item = field.read(view, at, length);
      if (field.role.kind === "length") lengths[field.role.of] = Number(item);
      if (judge) {
        if (field.role.kind !== "crc" && !field.accepts(item)) {
          throw this.#error(name, item, field.expected);
        }
        if (!field.variable && length < field.sizeBytes) {
          this.#judgePadding(row, bytes, at + length, at + field.sizeBytes);
        }
      }
      if (field.presence !== "hidden") found[key] = item;
      at += field.variable ? length : field.sizeBytes;
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
    for (let at = from; at < to; at++) {
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

  #row(key: string): Row {
    const row = this.#rows.find((candidate) => candidate.key === key);
    if (row === undefined) throw new RangeError(`${this.name}: no row ${key}`);
    return row;
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
    rows.push({
      key,
      name: field.wireName ?? snakeCase(key),
      offset: fixed ? at : undefined,
      field,
      lengthKey: Object.entries(table).find(([, { role }]) =>
        role.kind === "length" && role.of === key
      )?.[0],
      measured: field.role.kind === "length" ? table[field.role.of] : undefined,
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

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function storedCrc(row: Row, bytes: Uint8Array): number {
  return viewOf(bytes).getUint32(row.offset ?? 0);
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
