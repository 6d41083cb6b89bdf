/**
 * Finds the subcommand that a command line names, of one word or two, and says
 * what is wrong with one that names none. Imports the options' quotes.
 *
 * @module
 */

import { usageError } from "./error.ts";
import { quote } from "./options.ts";

/** A subcommand that was found. */
export interface FoundCommand<C> {
  /** Its name, of one word or two. */
  readonly name: string;
  /** What the table has under it. */
  readonly command: C;
  /** The words behind its name. */
  readonly args: readonly string[];
}

/**
 * The subcommand that a command line begins with.
 *
 * @param table The subcommands by name.
 * @param words The command line; two words that are a name come before one.
 */
export function findCommand<C>(
  table: Readonly<Record<string, C>>,
  words: readonly string[],
): FoundCommand<C> | undefined {
  for (const count of [2, 1]) {
    const name = words.slice(0, count).join(" ");
    const command = Object.hasOwn(table, name) ? table[name] : undefined;
    if (command !== undefined) {
      return { name, command, args: words.slice(count) };
    }
  }
  return undefined;
}

/**
 * What comes of a command line that names no subcommand: `param --help` shows
 * the help of its parts; all else is an error.
 *
 * @param table The subcommands by name.
 * @param words The command line.
 * @param helpOf The help of one subcommand.
 * @returns The help.
 * @throws {CommandError} Naming the word, and what was expected.
 */
export function groupHelp<C>(
  table: Readonly<Record<string, C>>,
  words: readonly string[],
  helpOf: (name: string, command: C) => string,
): string {
  const [first = "", second = ""] = words;
  const parts = Object.entries(table).filter(([name]) =>
    name.startsWith(`${first} `)
  );
  if (parts.length === 0) {
    throw usageError(
      `unknown command ${quote(first)}, expected one of: ${
        Object.keys(table).join(", ")
      }`,
    );
  }
  if (second === "--help" || second === "-h") {
    return parts.map(([name, command]) => helpOf(name, command)).join("\n\n");
  }
  throw usageError(
    `${first} is followed by ${quote(second)}, expected one of: ${
      parts.map(([name]) => name.slice(first.length + 1)).join(", ")
    }`,
  );
}

/**
 * Holds the operands of a command line against those that the help shows.
 *
 * @param name The subcommand.
 * @param expected As the help shows them: `[NAME]` is optional, `[NAME...]`
 * stands for any number.
 * @param operands What the command line has.
 * @throws {CommandError} Naming the first that is missing or too much.
 */
export function requireOperands(
  name: string,
  expected: readonly string[],
  operands: readonly string[],
): void {
  const needed = expected.filter((operand) => !operand.startsWith("["));
  const missing = needed[operands.length];
  if (missing !== undefined) throw usageError(`${name}: ${missing} is missing`);
  const isOpen = expected.at(-1)?.endsWith("...]") ?? false;
  const extra = operands[expected.length];
  if (!isOpen && extra !== undefined) {
    throw usageError(
      `${name}: ${quote(extra)} is too much, expected ${
        expected.join(" ") || "no operand"
      }`,
    );
  }
}
