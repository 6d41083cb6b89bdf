/** Fails on purpose. */
import { suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Always throws.
 *
 * @throws {AssertionError} always
 */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}
