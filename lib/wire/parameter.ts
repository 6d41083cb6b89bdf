/**
 * An entry of the parameter store: 252 bytes, two in a block (formats.md,
 * "Parameter entry"). Imports the codec.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import { crc32cOver, lengthOf, paddedBytes, u16, u32 } from "./fields.ts";
export { compareGenerations } from "./serial_number.ts";

/** The size of an entry in bytes. */
export const PARAMETER_ENTRY_SIZE_BYTES = 252;
/** The most bytes that a value has. */
export const PARAMETER_VALUE_MAX_BYTES = 240;

/** One generation of one parameter. */
export interface ParameterEntry {
  /** 0x00 u32 `param_id`: which parameter. */
  readonly parameterId: number;
  /** 0x06 u16: which of its generations; they wrap. */
  readonly generation: number;
  /** 0x08 the value, 0..240 bytes; `len` at 0x04 counts them. */
  readonly value: Uint8Array;
}

/** The field table of a parameter entry. */
export const parameterLayout: Layout<ParameterEntry, ParameterEntry> =
  defineLayout("parameter entry", PARAMETER_ENTRY_SIZE_BYTES, {
    parameterId: u32(0x00, { name: "param_id" }),
    length: lengthOf(0x04, "u16", "value", {
      name: "len",
      max: PARAMETER_VALUE_MAX_BYTES,
    }),
    generation: u16(0x06),
    value: paddedBytes(0x08, PARAMETER_VALUE_MAX_BYTES),
    crc32: crc32cOver(0xF8, 0x00, 0xF8),
  });

/**
 * The 252 bytes of an entry.
 *
 * @param entry The entry.
 * @returns A fresh array.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeParameterEntry, encodeParameterEntry } from "./parameter.ts";
 *
 * const entry = { parameterId: 9, generation: 2, value: new Uint8Array([1]) };
 * assertEquals(decodeParameterEntry(encodeParameterEntry(entry)), entry);
 * ```
 */
export function encodeParameterEntry(
  entry: ParameterEntry,
): Uint8Array<ArrayBuffer> {
  return parameterLayout.encode(entry);
}

/**
 * Reads and judges an entry: CRC, length and padding.
 *
 * @param bytes Any bytes.
 * @returns The entry.
 * @throws {WireError} If they are not a valid entry. An all-zero slot is none.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeParameterEntry } from "./parameter.ts";
 *
 * assertThrows(() => decodeParameterEntry(new Uint8Array(252)), WireError, "crc32");
 * ```
 */
export function decodeParameterEntry(bytes: Uint8Array): ParameterEntry {
  return parameterLayout.decode(bytes);
}
