/**
 * `spaceosctl`: talks to running VMs over the sockets of their ports. A thin
 * command over `lib/host`: this file finds the subcommand, prints the help and
 * turns errors into one line and an exit code.
 *
 * @module
 */

import { CommandError, usageError } from "../command_line/error.ts";
import {
  type OptionTable,
  parseArguments,
  quote,
} from "../command_line/options.ts";
import { Output, printable } from "../command_line/output.ts";
import {
  findCommand,
  groupHelp,
  requireOperands,
} from "../command_line/subcommand.ts";
import { VERSION } from "../command_line/version.ts";
import { COMMANDS } from "./commands.ts";
import { CtlError, ExitCode } from "./exit_code.ts";
import { commandHelp, generalHelp, optionsOf } from "./help.ts";
import { runOnVms } from "./run_vm.ts";
import { findTargets, TARGET_OPTIONS } from "./targets.ts";

async function run(args: readonly string[], output: Output): Promise<number> {
  const [leading, words] = splitLeading(args);
  const [first = ""] = words;
  if (words.length === 0 && leading.length > 0) {
    // An option without its value is the greater mistake.
    parseArguments(leading, LEADING_OPTIONS);
    throw usageError("a command is missing");
  }
  if (["", "--help", "-h", "help"].includes(first)) {
    const text = generalHelp(COMMANDS);
    if (first !== "") output.line(text);
    else output.error(text);
    return first === "" ? ExitCode.USAGE : ExitCode.OK;
  }
  if (first === "--version") {
    output.line(`spaceosctl ${VERSION}`);
    return ExitCode.OK;
  }
  if (first.startsWith("-")) throw usageError(`unknown option ${quote(first)}`);
  const found = findCommand(COMMANDS, words);
  if (found === undefined) {
    output.line(groupHelp(COMMANDS, words, commandHelp));
    return ExitCode.OK;
  }
  const { name, command, args: own } = found;
  if (command.scope === "raw") {
    if (leading.length > 0) {
      throw usageError(`${name} has options of its own, behind its name`);
    }
    return await command.run(own);
  }
  const parsed = parseArguments([...leading, ...own], optionsOf(command));
  if (parsed.has("help")) {
    output.line(commandHelp(name, command));
    return ExitCode.OK;
  }
  requireOperands(name, command.operands, parsed.operands);
  if (command.scope === "local") {
    return await command.run({ targets: [], args: parsed, output });
  }
  const targets = findTargets(parsed.texts("socket"));
  if (command.scope === "vm") {
    return await runOnVms(command, targets, parsed, output);
  }
  return await command.run({ targets, args: parsed, output });
}

/** The options that may stand before the command. */
const LEADING_OPTIONS: OptionTable = {
  ...TARGET_OPTIONS,
  json: { help: "", letter: "j" },
};

/** Options that stand before the command, and the rest. */
function splitLeading(
  args: readonly string[],
): readonly [readonly string[], readonly string[]] {
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at] ?? "";
    const found = Object.entries(LEADING_OPTIONS).find(([name, { letter }]) =>
      arg === `--${name}` || arg.startsWith(`--${name}=`) ||
      arg.startsWith(`-${letter}`) && !arg.startsWith("--")
    );
    if (found === undefined) break;
    const [name, { value }] = found;
    const isApart = arg === `--${name}` || arg.length === 2;
    if (value !== undefined && isApart) at++;
  }
  return [args.slice(0, at), args.slice(at)];
}

/**
 * Does what a command line says.
 *
 * @param args The words behind the program's name.
 * @param output Where it writes.
 * @returns The exit code.
 */
export async function main(
  args: readonly string[],
  output: Output,
): Promise<number> {
  try {
    return await run(args, output);
  } catch (error) {
    // The reader of a pipe has seen enough: `spaceosctl logs | head`.
    if (error instanceof Deno.errors.BrokenPipe) return ExitCode.OK;
    const isKnown = error instanceof CtlError || error instanceof CommandError;
    if (!isKnown) throw error;
    output.error(`spaceosctl: ${printable(error.message)}`);
    if (error.exitCode === ExitCode.USAGE) {
      output.error("Try 'spaceosctl --help' for more information.");
    }
    return error.exitCode;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args, new Output()));
