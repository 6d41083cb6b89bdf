/** Asserts that a text contains another. */
import { showShort, suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Throws unless `actual` contains `expected`.
 *
 * @throws {AssertionError} when it does not
 */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(
    `Expected ${showShort(actual)} to contain ${showShort(expected)}${
      suffix(msg)
    }`,
  );
}
