/** Asserts that one value is more than another. */
import { showShort, suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Throws unless `actual > expected`.
 *
 * @throws {AssertionError} when it is not
 */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (actual > expected) return;
  throw new AssertionError(
    `Expected ${showShort(actual)} to be more than ${showShort(expected)}${
      suffix(msg)
    }`,
  );
}
