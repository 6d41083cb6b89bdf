/**
 * Serial number arithmetic on 16 bits (RFC 1982): how the generations of a
 * parameter are compared, so that they may wrap. Imports nothing.
 *
 * @module
 */

/**
 * Compares two generations. Of two that are 32768 apart the RFC says nothing;
 * here the numerically smaller one is then the earlier, so that the order is
 * the same from both sides.
 *
 * @param left A generation, 0..65535.
 * @param right Another one.
 * @returns Less than 0 if `left` is the earlier, more than 0 if it is the later,
 * 0 if they are equal.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { compareGenerations } from "./serial_number.ts";
 *
 * assert(compareGenerations(1, 2) < 0);
 * assert(compareGenerations(0, 0xFFFF) > 0, "0 comes after 65535");
 * assertEquals(compareGenerations(7, 7), 0);
 * ```
 */
export function compareGenerations(left: number, right: number): number {
  const ahead = (left - right) & 0xFFFF;
  if (ahead === 0) return 0;
  if (ahead === 0x8000) return left - right;
  return ahead < 0x8000 ? 1 : -1;
}
