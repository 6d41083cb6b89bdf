/** Asserts structural equality. */
import { equal } from "./_equal.ts";
import { lineDifference, show } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Throws unless the values are structurally equal.
 *
 * @throws {AssertionError} with a line difference when they are not
 */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  const texts = typeof actual === "string" && typeof expected === "string" &&
    (actual.includes("\n") || expected.includes("\n"));
  const difference = lineDifference(
    texts ? actual : show(actual),
    texts ? expected : show(expected),
  );
  throw new AssertionError(
    `Values are not equal${msg ? `: ${msg}` : "."}\n\n` +
      `    [Diff] Actual (-) / Expected (+)\n\n${difference}\n`,
  );
}
