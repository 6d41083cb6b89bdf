/** What assertThrows and assertRejects share: judging the thrown value. */
import { showShort, suffix } from "./_text.ts";
import { AssertionError } from "./assertion_error.ts";

/** A class of errors. */
export type ErrorConstructorLike<E extends Error> = abstract new (
  ...args: never[]
) => E;

/** The arguments of both assertions after the function, sorted out. */
export interface Expectation<E extends Error> {
  /** The class that the error must have, if one was named. */
  readonly errorClass: ErrorConstructorLike<E> | undefined;
  /** The text that the error's message must contain, if one was given. */
  readonly messageIncludes: string | undefined;
  /** The caller's addition to a failure message. */
  readonly note: string | undefined;
}

/** Sorts out `(fn, msg?)` and `(fn, ErrorClass, msgIncludes?, msg?)`. */
export function readExpectation<E extends Error>(
  classOrNote: ErrorConstructorLike<E> | string | undefined,
  messageIncludes: string | undefined,
  note: string | undefined,
): Expectation<E> {
  if (typeof classOrNote === "function") {
    return { errorClass: classOrNote, messageIncludes, note };
  }
  return {
    errorClass: undefined,
    messageIncludes: undefined,
    note: classOrNote,
  };
}

/** Throws unless what was thrown is what was expected. */
export function judgeError<E extends Error>(
  thrown: unknown,
  { errorClass, messageIncludes, note }: Expectation<E>,
): void {
  if (!errorClass) return;
  if (!(thrown instanceof Error)) {
    throw new AssertionError(
      `Expected an error of class ${errorClass.name}, but met ${
        showShort(thrown)
      }${suffix(note)}`,
    );
  }
  if (!(thrown instanceof errorClass)) {
    throw new AssertionError(
      `Expected an error of class ${errorClass.name}, but met ${
        thrown.constructor?.name ?? "an object"
      }: ${thrown.message}${suffix(note)}`,
      { cause: thrown },
    );
  }
  if (
    messageIncludes !== undefined && !thrown.message.includes(messageIncludes)
  ) {
    throw new AssertionError(
      `Expected the message of the error to contain ${
        showShort(messageIncludes)
      }, but met ${showShort(thrown.message)}${suffix(note)}`,
      { cause: thrown },
    );
  }
}
