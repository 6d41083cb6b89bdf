/**
 * The error with which a program for the host ends: one line and an exit code.
 * Imports nothing.
 *
 * @module
 */

/** The exit code of a command line that is not understood. */
export const USAGE_EXIT_CODE = 64;

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
