/**
 * How the command ends: its exit codes in one table, and the error that carries
 * one. Imports nothing.
 *
 * @module
 */

/** The exit codes, as `--help` lists them. */
export const ExitCode = {
  /** Done; check: the volume is clean. */
  OK: 0,
  /** check: something is wrong and can be repaired; repair: it was. */
  REPAIRABLE: 1,
  /** The volume is bad, or something in it can't be repaired. */
  BAD: 2,
  /** The device can't be opened, read or written, or is full. */
  FAILED: 3,
  /** There is no such parameter or data product. */
  NOT_FOUND: 4,
  /** It would harm data or a device that is in use. */
  REFUSED: 5,
  /** The command line is not understood. */
  USAGE: 64,
} as const;

/** One of the exit codes. */
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/** Ends the command with one line on standard error and an exit code. */
export class CommandError extends Error {
  /** Always `"CommandError"`. */
  override readonly name = "CommandError";
  /** What the process exits with. */
  readonly exitCode: ExitCode;

  /** Makes the error from its exit code and its line. */
  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A command line that is not understood. */
export function usageError(message: string): CommandError {
  return new CommandError(ExitCode.USAGE, message);
}
