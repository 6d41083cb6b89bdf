/** Asserts that one value is at least another. */
import { showShort, suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Throws unless `actual >= expected`.
 *
 * @throws {AssertionError} when it is not
 */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (actual >= expected) return;
  throw new AssertionError(
    `Expected ${showShort(actual)} to be at least ${showShort(expected)}${
      suffix(msg)
    }`,
  );
}
