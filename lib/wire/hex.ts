/**
 * Bytes as hexadecimal text and back: for messages, the pretty-printer and the
 * command line. Imports nothing.
 *
 * @module
 */

/**
 * Writes bytes as lower-case hexadecimal digits, two for each.
 *
 * @param bytes Any bytes.
 * @returns The digits without separators.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { toHex } from "./hex.ts";
 *
 * assertEquals(toHex(new Uint8Array([0, 0xAB])), "00ab");
 * ```
 */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/**
 * Reads bytes from hexadecimal digits.
 *
 * @param text Digits in either case, two for each byte.
 * @returns The bytes, or undefined if the text is anything else.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fromHex } from "./hex.ts";
 *
 * assertEquals(fromHex("00aB"), new Uint8Array([0, 0xAB]));
 * assertEquals(fromHex("0"), undefined);
 * ```
 */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = parseInt(text.slice(index * 2, index * 2 + 2), 16);
  }
  return bytes;
}

/**
 * Writes an unsigned integer as `0x` and upper-case digits.
 *
 * @param value An integer of at least 0.
 * @param sizeBytes How many bytes wide it is; it is padded to twice as many
 * digits.
 * @returns For example `0x0001`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { hexNumber } from "./hex.ts";
 *
 * assertEquals(hexNumber(0x2A, 2), "0x002A");
 * ```
 */
export function hexNumber(value: number | bigint, sizeBytes: number): string {
  return "0x" + value.toString(16).toUpperCase().padStart(sizeBytes * 2, "0");
}
