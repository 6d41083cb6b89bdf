/** Asserts that a promise is rejected. */
import {
  type ErrorConstructorLike,
  judgeError,
  readExpectation,
} from "./_expect_error.ts";
import { suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Runs `fn`, awaits its promise, and returns what it is rejected with.
 *
 * @throws {AssertionError} when it is not rejected, or `fn` throws by itself
 */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/**
 * Runs `fn`, awaits its promise, and returns the error that it is rejected
 * with, which must be of the class and contain the text.
 *
 * @throws {AssertionError} when it is not rejected, rejected with something else, or `fn` throws by itself
 */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorConstructorLike<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  classOrNote?: ErrorConstructorLike<E> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const expectation = readExpectation(classOrNote, msgIncludes, msg);
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (thrown) {
    throw new AssertionError(
      `Expected a rejected promise, but the function threw at once${
        suffix(expectation.note)
      }`,
      { cause: thrown },
    );
  }
  if (
    typeof promise !== "object" || promise === null ||
    typeof promise.then !== "function"
  ) {
    throw new AssertionError(
      `Expected the function to return a promise${suffix(expectation.note)}`,
    );
  }
  try {
    await promise;
  } catch (thrown) {
    judgeError(thrown, expectation);
    return thrown;
  }
  throw new AssertionError(
    `Expected the promise to be rejected${suffix(expectation.note)}`,
  );
}
