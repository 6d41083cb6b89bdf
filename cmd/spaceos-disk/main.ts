/**
 * `spaceos-disk`: makes, shows, checks and repairs volumes, and reads and writes
 * what is on them. A thin command over `lib/storage`: this file finds the
 * subcommand, prints the help and turns errors into one line and an exit code.
 *
 * @module
 */

import { SystemError } from "../../lib/linux/error.ts";
import { StorageError } from "../../lib/storage/error.ts";
import { WireError } from "../../lib/wire/error.ts";
import { COMMANDS } from "./commands.ts";
import { CommandError, usageError } from "../command_line/error.ts";
import { ExitCode } from "./exit_code.ts";
import { commandHelp, generalHelp, optionsOf } from "./help.ts";
import { parseArguments } from "../command_line/options.ts";
import { Output, printable } from "../command_line/output.ts";
import {
  findCommand,
  groupHelp,
  requireOperands,
} from "../command_line/subcommand.ts";
import { VERSION } from "../command_line/version.ts";

async function run(args: readonly string[]): Promise<number> {
  const output = new Output();
  const [first = ""] = args;
  if (["", "--help", "-h", "help"].includes(first)) {
    const text = generalHelp(COMMANDS);
    if (first !== "") output.line(text);
    else console.error(text);
    return first === "" ? ExitCode.USAGE : ExitCode.OK;
  }
  if (first === "--version") {
    output.line(`spaceos-disk ${VERSION}`);
    return ExitCode.OK;
  }
  const found = findCommand(COMMANDS, args);
  if (found === undefined) {
    output.line(groupHelp(COMMANDS, args, commandHelp));
    return ExitCode.OK;
  }
  const { name, command } = found;
  const table = optionsOf(command);
  const parsed = parseArguments(found.args, table);
  if (parsed.has("help")) {
    output.line(commandHelp(name, command));
    return ExitCode.OK;
  }
  requireOperands(name, command.operands, parsed.operands);
  if (parsed.operands[0] === "") {
    throw usageError("TARGET is empty, expected a file or a block device");
  }
  return await command.run(parsed, output);
}

/** The exit code of an error, if it is one that a user can do something about. */
function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof StorageError) {
    if (error.code === "ENOENT") return ExitCode.NOT_FOUND;
    const isBad = error.code === "EUCLEAN" || error.code === "EBADMSG";
    return isBad ? ExitCode.BAD : ExitCode.FAILED;
  }
  if (error instanceof WireError) return ExitCode.USAGE;
  const isSystem = error instanceof SystemError ||
    Object.values(Deno.errors).some((type) => error instanceof type);
  return isSystem ? ExitCode.FAILED : undefined;
}

async function main(): Promise<number> {
  try {
    return await run(Deno.args);
  } catch (error) {
    // The reader of a pipe has seen enough: `spaceos-disk events ... | head`.
    if (error instanceof Deno.errors.BrokenPipe) return ExitCode.OK;
    const exitCode = exitCodeOf(error);
    if (exitCode === undefined) throw error;
    const message = error instanceof Error ? error.message : String(error);
    console.error(`spaceos-disk: ${printable(message)}`);
    if (exitCode === ExitCode.USAGE) {
      console.error("Try 'spaceos-disk --help' for more information.");
    }
    return exitCode;
  }
}

if (import.meta.main) Deno.exit(await main());
