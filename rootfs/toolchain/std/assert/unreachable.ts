/** Marks what cannot be reached. */
import { suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Always throws: this place was thought to be unreachable.
 *
 * @throws {AssertionError} always
 */
export function unreachable(reason?: string): never {
  throw new AssertionError(`Unreachable${suffix(reason)}`);
}
