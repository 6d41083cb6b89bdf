/**
 * What this project relies on in @std/bytes; see std_assert_test.ts.
 */
import { assertEquals } from "@std/assert";
import {
  concat,
  copy,
  endsWith,
  equals,
  indexOfNeedle,
  startsWith,
} from "@std/bytes";

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

Deno.test("concat joins in order and copies", () => {
  const first = bytes(1, 2);
  const joined = concat([first, bytes(), bytes(3)]);
  first[0] = 9;
  assertEquals(joined, new Uint8Array([1, 2, 3]));
  assertEquals(concat([]).length, 0);
});

Deno.test("copy writes what fits, from the offset on", () => {
  const target = bytes(0, 0, 0);
  assertEquals(copy(bytes(1, 2), target, 2), 1);
  assertEquals(target, bytes(0, 0, 1));
  assertEquals(copy(bytes(5), target, -3), 1);
  assertEquals(target, bytes(5, 0, 1));
  assertEquals(copy(bytes(5), target, 7), 0);
});

Deno.test("equals, startsWith and endsWith compare by content", () => {
  assertEquals(equals(bytes(1, 2), bytes(1, 2)), true);
  assertEquals(equals(bytes(1, 2), bytes(1, 3)), false);
  assertEquals(equals(bytes(1, 2), bytes(1)), false);
  // Long enough for a comparison by words, with a difference in each place.
  const long = new Uint8Array(2048).fill(7);
  for (const at of [0, 3, 1023, 1024, 2047]) {
    const other = long.slice();
    other[at] = 8;
    assertEquals(equals(long, other), false, `difference at ${at}`);
    assertEquals(equals(long.subarray(1), other.subarray(1)), at === 0);
  }
  assertEquals(equals(long, long.slice()), true);
  assertEquals(startsWith(bytes(1, 2, 3), bytes(1, 2)), true);
  assertEquals(startsWith(bytes(1, 2, 3), bytes(2)), false);
  assertEquals(startsWith(bytes(1), bytes(1, 2)), false);
  assertEquals(endsWith(bytes(1, 2, 3), bytes(2, 3)), true);
  assertEquals(endsWith(bytes(1, 2, 3), bytes(2)), false);
  assertEquals(endsWith(bytes(1), bytes(1, 1)), false);
});

Deno.test("indexOfNeedle finds the first occurrence from the start on", () => {
  const source = bytes(1, 1, 2, 1, 1, 2);
  assertEquals(indexOfNeedle(source, bytes(1, 2)), 1);
  assertEquals(indexOfNeedle(source, bytes(1, 2), 2), 4);
  assertEquals(indexOfNeedle(source, bytes(1, 2), -2), 4);
  assertEquals(indexOfNeedle(source, bytes(2, 2)), -1);
  assertEquals(indexOfNeedle(source, bytes(1, 2), 6), -1);
});
