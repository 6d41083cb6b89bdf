/**
 * How the command ends: its exit codes in one table. Imports the error of a
 * command line.
 *
 * @module
 */

import { FAILED_EXIT_CODE, USAGE_EXIT_CODE } from "../command_line/error.ts";

/** The exit codes, as `--help` lists them. */
export const ExitCode = {
  /** Done; check: the volume is clean. */
  OK: 0,
  /** check: something is wrong and can be repaired; repair: it was. */
  REPAIRABLE: 1,
  /** The volume is bad, or something in it can't be repaired. */
  BAD: 2,
  /** The device or a file can't be opened, read or written, or is full. */
  FAILED: FAILED_EXIT_CODE,
  /** There is no such parameter or data product. */
  NOT_FOUND: 4,
  /** It would harm data or a device that is in use. */
  REFUSED: 5,
  /** The command line is not understood. */
  USAGE: USAGE_EXIT_CODE,
} as const;

/** One of the exit codes. */
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];
