/**
 * What a subcommand is: one entry of the command table. Imports the options.
 *
 * @module
 */

import type { ExitCode } from "./exit_code.ts";
import type { Arguments, OptionTable } from "../command_line/options.ts";
import type { Output } from "../command_line/output.ts";

/** A subcommand. */
export interface Command {
  /** What it does, in one line. */
  readonly summary: string;
  /** Its operands as the help shows them, such as `["TARGET", "ID"]`; the last may be `[FILE]`, optional. */
  readonly operands: readonly string[];
  /** Its options. */
  readonly options: OptionTable;
  /** What more the help says. */
  readonly details?: string;
  /** Does it. */
  run(args: Arguments, output: Output): Promise<ExitCode>;
}
