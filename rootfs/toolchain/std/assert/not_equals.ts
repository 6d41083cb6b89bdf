/** Asserts structural difference. */
import { equal } from "./_equal.ts";
import { showShort, suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Throws when the values are structurally equal.
 *
 * @throws {AssertionError} when no difference is found
 */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    `Expected a value other than ${showShort(actual)}${suffix(msg)}`,
  );
}
