/** The fuzzer itself: it finds, shrinks and repeats. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  fuzz,
  FuzzFailure,
  mutateText,
  showBytes,
  shrinkBytes,
  shrinkText,
  shrinkWords,
  type Target,
} from "./fuzz.ts";
import { Random } from "../random.ts";

const limits = { seed: 7, cases: 20_000, budgetMs: 60_000 };

/** A program that fails where a text has both an "x" and, later, a "y". */
const buggy: Target<string> = {
  name: "buggy",
  draw: (random) => mutateText(random, "some words xx and more", ["y"]),
  check: (text) => {
    if (/x[^]*y/.test(text)) throw new TypeError("y after x");
  },
  shrink: shrinkText,
  show: JSON.stringify,
};

Deno.test("fuzz finds a failure, shrinks it to what is needed, and tells seed and case", () => {
  const error = assertThrows(() => fuzz(buggy, limits), FuzzFailure);
  const match =
    /^buggy: seed 7, case (\d+), shrunk to "xy": TypeError: y after x$/
      .exec(error.message);
  assert(match !== null, error.message);
  // The same again, and from the case's number alone.
  const again = assertThrows(() => fuzz(buggy, limits), FuzzFailure);
  assertEquals(again.message, error.message);
  const other = assertThrows(
    () => fuzz(buggy, { ...limits, seed: 8 }),
    FuzzFailure,
  );
  assert(other.message.includes("seed 8"));
});

Deno.test("fuzz ends at its limits and says how many cases there were", () => {
  const harmless = { ...buggy, check: () => {} };
  assertEquals(fuzz(harmless, { ...limits, cases: 100 }), 100);
  assertEquals(fuzz(harmless, { ...limits, budgetMs: -1 }), 0);
});

Deno.test("what shrinks bytes and words ends with the smallest", () => {
  const smallest = <T>(
    start: T,
    shrink: (value: T) => Iterable<T>,
    isBad: (value: T) => boolean,
  ): T => {
    let current = start;
    for (let found: T | undefined = start; found !== undefined;) {
      current = found;
      found = [...shrink(current)].find(isBad);
    }
    return current;
  };
  const bytes = smallest(
    new Random(1).bytes(300).fill(9, 100, 101),
    shrinkBytes,
    (value) => value.includes(9),
  );
  assertEquals(showBytes(bytes), 'Uint8Array.fromHex("09")');
  const words = smallest(
    ["run", "--config=/etc/x", "-v"],
    shrinkWords,
    (value) => value.some((word) => word.includes("=")),
  );
  assertEquals(words, ["="]);
});
