/**
 * Values in the form that C takes: strings that end with NUL, arrays of them,
 * and bytes. Imports the error type.
 *
 * @module
 */

import { SystemError } from "./error.ts";

const EINVAL = 22;
const encoder = new TextEncoder();

/**
 * Bytes as the FFI takes them. The runtime passes the address of the memory
 * behind the view, so the view must stay reachable while C uses it: as the
 * argument of a synchronous call it does.
 *
 * @param view The bytes.
 * @returns The same bytes, never memory that another thread shares.
 *
 * @example
 * ```ts
 * import { assertStrictEquals } from "@std/assert";
 * import { bytesOf } from "./c_string.ts";
 *
 * const bytes = new Uint8Array(4);
 * assertStrictEquals(bytesOf(bytes), bytes);
 * ```
 */
export function bytesOf(view: Uint8Array): Uint8Array<ArrayBuffer> {
  return view as Uint8Array<ArrayBuffer>;
}

/**
 * A NUL-terminated C string.
 *
 * @param text The text, without a NUL character: C would end there, and act on
 * another file than the one named.
 * @throws {SystemError} With code EINVAL when the text holds a NUL character.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cString } from "./c_string.ts";
 *
 * assertEquals(cString("ab"), Uint8Array.of(97, 98, 0));
 * ```
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  refuseNul(text);
  const encoded = encoder.encode(text);
  const bytes = new Uint8Array(encoded.length + 1);
  bytes.set(encoded);
  return bytes;
}

/**
 * A NULL-terminated array of C strings (`char *const argv[]`), in one piece of
 * memory: first the pointers, then the strings they point to. As the argument
 * of a call it keeps itself alive.
 *
 * @param texts The strings, none with a NUL character; or their bytes, for what
 * is no UTF-8.
 * @throws {SystemError} With code EINVAL when a text holds a NUL character.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cStringArray } from "./c_string.ts";
 *
 * // Three pointers of 8 bytes (the last is NULL), then "a\0bc\0".
 * assertEquals(cStringArray(["a", "bc"]).length, 3 * 8 + 5);
 * ```
 */
export function cStringArray(
  texts: readonly (string | Uint8Array)[],
): Uint8Array<ArrayBuffer> {
  const encoded = texts.map((text) => {
    refuseNul(text);
    return typeof text === "string" ? encoder.encode(text) : text;
  });
  const pointersLength = (texts.length + 1) * 8;
  const stringsLength = encoded.reduce((sum, text) => sum + text.length + 1, 0);
  const buffer = new ArrayBuffer(pointersLength + stringsLength);
  const bytes = new Uint8Array(buffer);
  const pointers = new BigUint64Array(buffer, 0, texts.length + 1);
  const base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  let offset = pointersLength;
  encoded.forEach((text, index) => {
    pointers[index] = BigInt(base) + BigInt(offset);
    bytes.set(text, offset);
    offset += text.length + 1;
  });
  return bytes;
}

function refuseNul(text: string | Uint8Array): void {
  const has = typeof text === "string" ? text.includes("\0") : text.includes(0);
  if (!has) return;
  throw new SystemError({
    syscall: "encode",
    errno: EINVAL,
    path: JSON.stringify(
      typeof text === "string" ? text : new TextDecoder().decode(text),
    ),
    detail: "a C string cannot hold a NUL character",
  });
}
