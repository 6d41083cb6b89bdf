/** Asserts the class of a value. */
import { showShort, suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/** Any class, abstract ones too. */
export type AnyConstructor = abstract new (...args: never[]) => unknown;

/**
 * Throws unless `actual` is an instance of the class.
 *
 * @throws {AssertionError} when it is of another class, or no object
 */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  const met = typeof actual === "object" && actual !== null
    ? actual.constructor?.name ?? "Object"
    : showShort(actual);
  throw new AssertionError(
    `Expected an instance of ${
      expectedType.name || "the given class"
    }, but met ${met}${suffix(msg)}`,
  );
}
