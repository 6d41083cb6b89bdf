/** The plainest assertion. */
import { AssertionError } from "./assertion_error.ts";

/**
 * Throws unless `expr` is truthy.
 *
 * @throws {AssertionError} when `expr` is falsy
 */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}
