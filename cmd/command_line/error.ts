/**
 * The error with which a program for the host ends: one line and an exit code.
 * Imports nothing.
 *
 * @module
 */

/** The exit code of a command line that is not understood. */
export const USAGE_EXIT_CODE = 64;

/** The exit code where a file or a device can't be read or written. */
export const FAILED_EXIT_CODE = 3;

/** Ends the command with one line on standard error and an exit code. */
export class CommandError extends Error {
  /** Always `"CommandError"`. */
  override readonly name = "CommandError";
  /** What the process exits with: one of the program's exit codes. */
  readonly exitCode: number;

  /** Makes the error from its exit code and its line. */
  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A command line that is not understood. */
export function usageError(message: string): CommandError {
  return new CommandError(USAGE_EXIT_CODE, message);
}

/** A file that can't be written, or not whole. */
export function writeError(path: string, cause: unknown): CommandError {
  return new CommandError(
    FAILED_EXIT_CODE,
    `${path} can't be written: ${reasonOf(cause)}`,
  );
}

/** A file that can't be read. */
export function readError(path: string, cause: unknown): CommandError {
  return new CommandError(
    FAILED_EXIT_CODE,
    `${path} can't be read: ${reasonOf(cause)}`,
  );
}

/** What the runtime says of a file, without its own calls and their names. */
function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.replace(/ \(os error \d+\).*$/s, "");
}
