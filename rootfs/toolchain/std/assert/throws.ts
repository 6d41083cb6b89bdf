/** Asserts that a function throws. */
import {
  type ErrorConstructorLike,
  judgeError,
  readExpectation,
} from "./_expect_error.ts";
import { suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Runs `fn` and returns what it throws.
 *
 * @throws {AssertionError} when it does not throw
 */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/**
 * Runs `fn` and returns the error that it throws, which must be of the class
 * and contain the text.
 *
 * @throws {AssertionError} when it does not throw, or something else
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorConstructorLike<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  classOrNote?: ErrorConstructorLike<E> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const expectation = readExpectation(classOrNote, msgIncludes, msg);
  try {
    fn();
  } catch (thrown) {
    judgeError(thrown, expectation);
    return thrown;
  }
  throw new AssertionError(
    `Expected the function to throw${suffix(expectation.note)}`,
  );
}
