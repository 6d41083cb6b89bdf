/** Asserts that a text matches a pattern. */
import { showShort, suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Throws unless the pattern is found in the text.
 *
 * @throws {AssertionError} when it is not found
 */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (expected.test(actual)) return;
  throw new AssertionError(
    `Expected ${showShort(actual)} to match ${expected}${suffix(msg)}`,
  );
}
