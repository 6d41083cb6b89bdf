/** Asserts that a value is falsy. */
import { AssertionError } from "./assertion_error.ts";

/** The values that JavaScript takes as false. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/**
 * Throws when `expr` is truthy.
 *
 * @throws {AssertionError} when `expr` is truthy
 */
export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}
