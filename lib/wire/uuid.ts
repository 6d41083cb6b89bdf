/**
 * UUIDs (RFC 9562) as text and as the 16 bytes that a superblock holds. Imports
 * the room's text helpers.
 *
 * @module
 */

import { fromHex, toHex } from "./hex.ts";

/**
 * Writes a UUID in its usual form.
 *
 * @param uuid 16 bytes.
 * @returns Five groups of lower-case hexadecimal digits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatUuid } from "@spaceos/pid1";
 *
 * assertEquals(
 *   formatUuid(new Uint8Array(16)),
 *   "00000000-0000-0000-0000-000000000000",
 * );
 * ```
 */
export function formatUuid(uuid: Uint8Array): string {
  return toHex(uuid).replace(
    /^(.{8})(.{4})(.{4})(.{4})(.{12})$/,
    "$1-$2-$3-$4-$5",
  );
}

/**
 * Reads a UUID from its usual form.
 *
 * @param text Five groups of hexadecimal digits in either case.
 * @returns 16 bytes, or undefined if the text is no UUID.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatUuid, parseUuid } from "@spaceos/pid1";
 *
 * const text = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
 * assertEquals(formatUuid(parseUuid(text) ?? new Uint8Array(16)), text);
 * assertEquals(parseUuid("f81d4fae"), undefined);
 * ```
 */
export function parseUuid(text: string): Uint8Array<ArrayBuffer> | undefined {
  const shape = /^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/i;
  return shape.test(text) ? fromHex(text.replaceAll("-", "")) : undefined;
}
