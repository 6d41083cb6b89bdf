/**
 * Text for fields of limited size. Imports nothing.
 *
 * @module
 */

/**
 * Cuts a text so that its UTF-8 fits, between characters.
 *
 * @param text Any text.
 * @param limitBytes The room.
 * @returns At most `limitBytes` bytes.
 *
 * @example
 * ```ts
 * import { cutText } from "./cut_text.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(new TextDecoder().decode(cutText("grüße", 4)), "grü");
 * ```
 */
export function cutText(text: string, limitBytes: number): Uint8Array {
  const target = new Uint8Array(limitBytes);
  const { written } = new TextEncoder().encodeInto(text, target);
  return target.subarray(0, written);
}
