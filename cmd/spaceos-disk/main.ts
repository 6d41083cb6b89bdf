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
import { check, repair } from "./check.ts";
import type { Command } from "./command.ts";
import { dpGet, dpList, dpPut } from "./dp.ts";
import { events } from "./events.ts";
import { CommandError, ExitCode, usageError } from "./exit_code.ts";
import { format } from "./format.ts";
import { commandHelp, generalHelp, VERSION } from "./help.ts";
import { inspect } from "./inspect.ts";
import { type OptionTable, parseArguments, quote } from "./options.ts";
import { Output } from "./output.ts";
import { paramGet, paramList, paramSet } from "./param.ts";

const COMMANDS: Readonly<Record<string, Command>> = {
  format,
  inspect,
  check,
  repair,
  "param get": paramGet,
  "param set": paramSet,
  "param list": paramList,
  events,
  "dp list": dpList,
  "dp get": dpGet,
  "dp put": dpPut,
};

const HELP: OptionTable = {
  help: { help: "print this help", letter: "h" },
};

async function run(args: readonly string[]): Promise<ExitCode> {
  const output = new Output();
  const [first = "", second = "", ...further] = args;
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
  const pair = `${first} ${second}`;
  const name = Object.hasOwn(COMMANDS, pair) ? pair : first;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) return unknownCommand(output, first, second);
  const table = { ...command.options, ...HELP };
  const own = name === pair ? further : args.slice(1);
  const parsed = parseArguments(own, table);
  if (parsed.has("help")) {
    output.line(commandHelp(name, { ...command, options: table }));
    return ExitCode.OK;
  }
  requireOperands(name, command, parsed.operands);
  return await command.run(parsed, output);
}

/** `param --help` shows the help of its parts; all else is an error. */
function unknownCommand(
  output: Output,
  first: string,
  second: string,
): ExitCode {
  const parts = Object.keys(COMMANDS).filter((name) =>
    name.startsWith(`${first} `)
  );
  if (parts.length === 0) {
    throw usageError(
      `unknown command ${quote(first)}, expected one of: ${
        Object.keys(COMMANDS).join(", ")
      }`,
    );
  }
  if (second === "--help" || second === "-h") {
    const entries = parts.flatMap((name) => {
      const command = COMMANDS[name];
      return command === undefined ? [] : [commandHelp(name, command)];
    });
    output.line(entries.join("\n\n"));
    return ExitCode.OK;
  }
  throw usageError(
    `${first} is followed by ${quote(second)}, expected one of: ${
      parts.map((name) => name.slice(first.length + 1)).join(", ")
    }`,
  );
}

function requireOperands(
  name: string,
  command: Command,
  operands: readonly string[],
): void {
  const needed = command.operands.filter((operand) => !operand.startsWith("["));
  const missing = needed[operands.length];
  if (missing !== undefined) throw usageError(`${name}: ${missing} is missing`);
  const extra = operands[command.operands.length];
  if (extra !== undefined) {
    throw usageError(
      `${name}: ${quote(extra)} is too much, expected ${
        command.operands.join(" ")
      }`,
    );
  }
}

/** The exit code of an error, if it is one that a user can do something about. */
function exitCodeOf(error: unknown): ExitCode | undefined {
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

async function main(): Promise<ExitCode> {
  try {
    return await run(Deno.args);
  } catch (error) {
    // The reader of a pipe has seen enough: `spaceos-disk events ... | head`.
    if (error instanceof Deno.errors.BrokenPipe) return ExitCode.OK;
    const exitCode = exitCodeOf(error);
    if (exitCode === undefined) throw error;
    const message = error instanceof Error ? error.message : String(error);
    console.error(`spaceos-disk: ${message}`);
    if (exitCode === ExitCode.USAGE) {
      console.error("Try 'spaceos-disk --help' for more information.");
    }
    return exitCode;
  }
}

if (import.meta.main) Deno.exit(await main());
