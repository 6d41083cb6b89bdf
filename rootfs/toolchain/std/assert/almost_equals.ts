/** Asserts that two numbers are close to each other. */
import { suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Throws when two numbers differ by more than the tolerance, which is one
 * ten-millionth of the expected number unless given.
 *
 * @throws {AssertionError} when they are too far apart
 */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ??
    (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const distance = Math.abs(expected - actual);
  if (distance <= allowed) return;
  throw new AssertionError(
    `Expected ${expected} within ${allowed}, but met ${actual}, ${distance} away${
      suffix(msg)
    }`,
  );
}
