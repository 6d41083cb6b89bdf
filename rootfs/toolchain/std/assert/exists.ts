/** Asserts that a value is there. */
import { suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Throws when `actual` is null or undefined.
 *
 * @throws {AssertionError} when there is no value
 */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    throw new AssertionError(
      `Expected a value, but met ${actual}${suffix(msg)}`,
    );
  }
}
