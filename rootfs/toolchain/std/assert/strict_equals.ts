/** Asserts identity. */
import { lineDifference, show } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Throws unless the values are the same by `Object.is`.
 *
 * @throws {AssertionError} when they are two values, even if they look alike
 */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const met = show(actual);
  const wanted = show(expected);
  const detail = met === wanted
    ? `Values have the same structure but are not the same value.\n\n${met}`
    : lineDifference(met, wanted);
  throw new AssertionError(
    `Values are not strictly equal${msg ? `: ${msg}` : "."}\n\n${detail}\n`,
  );
}
