/**
 * Reads a command line strictly: an option that is not known, misses its value
 * or has one it doesn't take is an error that names it. Imports the error of a command line.
 *
 * @module
 */

import { usageError } from "./error.ts";

/** An option of a command. */
export interface Option {
  /** What its value is called in the help; absent for one without a value. */
  readonly value?: string;
  /** What it does, in one line. */
  readonly help: string;
  /** A letter that stands for it. */
  readonly letter?: string;
  /** Whether it may be given more than once. */
  readonly repeats?: true;
}

/** The options of a command by name, without the dashes. */
export type OptionTable = Readonly<Record<string, Option>>;

/** A command line, read. */
export class Arguments {
  /** What is not an option, in order. */
  readonly operands: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  /** Takes operands and options as read. */
  constructor(
    operands: readonly string[],
    values: ReadonlyMap<string, readonly string[]>,
  ) {
    this.operands = operands;
    this.#values = values;
  }

  /** Whether an option was given. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The value of an option, or undefined. */
  text(name: string): string | undefined {
    return this.texts(name)[0];
  }

  /** All values of an option that may be given more than once. */
  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** The value of an option as an integer of a range, or undefined. */
  integer(name: string, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    return parseInteger(`--${name}`, text, min, max);
  }

  /** The operand at a place; the caller's table says that it is there. */
  operand(index: number): string {
    const operand = this.operands[index];
    if (operand === undefined) throw usageError(`operand ${index + 1} missing`);
    return operand;
  }
}

/** Reads arguments by a table of options. */
export function parseArguments(
  args: readonly string[],
  table: OptionTable,
): Arguments {
  const operands: string[] = [];
  const values = new Map<string, string[]>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (arg === "--") {
      operands.push(...args.slice(index + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      operands.push(arg);
      continue;
    }
    const [name, inline] = splitOption(arg, table);
    const option = Object.hasOwn(table, name) ? table[name] : undefined;
    if (option === undefined) {
      throw usageError(`unknown option ${arg.split("=")[0]}`);
    }
    if (option.value === undefined) {
      if (inline !== undefined) {
        throw usageError(`--${name} takes no value, got ${quote(inline)}`);
      }
      values.set(name, [""]);
      continue;
    }
    const value = inline ?? args[++index];
    if (value === undefined) {
      throw usageError(`--${name} needs a value: ${option.value}`);
    }
    const earlier = values.get(name) ?? [];
    if (earlier.length > 0 && option.repeats === undefined) {
      throw usageError(`--${name} is given twice`);
    }
    values.set(name, [...earlier, value]);
  }
  return new Arguments(operands, values);
}

function splitOption(
  arg: string,
  table: OptionTable,
): readonly [string, string | undefined] {
  if (!arg.startsWith("--")) {
    const named = Object.entries(table).find(([, { letter }]) =>
      letter === arg[1]
    );
    // `-n5` is `-n 5`.
    const inline = arg.length > 2 ? arg.slice(2) : undefined;
    return [named?.[0] ?? "", inline];
  }
  const equals = arg.indexOf("=");
  if (equals < 0) return [arg.slice(2), undefined];
  return [arg.slice(2, equals), arg.slice(equals + 1)];
}

/** An integer in decimal or `0x` hexadecimal, of a range. */
export function parseInteger(
  what: string,
  text: string,
  min: number,
  max: number,
): number {
  const value = /^(\d+|0[xX][\da-fA-F]+)$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) {
    throw usageError(
      `${what} is ${quote(text)}, expected an integer of ${min}..${max}`,
    );
  }
  return value;
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
};

/** A size in bytes such as `64M`; K, M, G and T are powers of 1024. */
export function parseSize(what: string, text: string): number {
  const [, digits, unit] = /^(\d+)([KMGT]?)(?:iB)?$/.exec(text) ?? [];
  const value = Number(digits) * (UNITS[unit ?? ""] ?? NaN);
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw usageError(
      `${what} is ${
        quote(text)
      }, expected a size in bytes such as 1048576, 64M or 1G`,
    );
  }
  return value;
}

/** Text in quotes, so that a message shows where it begins and ends. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? text.slice(0, 77) + "..." : text);
}
