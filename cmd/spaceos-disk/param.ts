/**
 * `spaceos-disk param`: reads and writes the parameters of a volume.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import {
  PARAMETER_VALUE_MAX_BYTES,
  type ParameterEntry,
} from "../../lib/wire/parameter.ts";
import { fromHex, toHex } from "../../lib/wire/hex.ts";
import type { Command } from "./command.ts";
import { CommandError, usageError } from "../command_line/error.ts";
import { ExitCode } from "./exit_code.ts";
import {
  type Arguments,
  parseInteger,
  quote,
} from "../command_line/options.ts";
import { type Output, showBytes, textOf } from "../command_line/output.ts";
import { TARGET_OPTIONS, withVolume } from "./target.ts";

const MAXIMUM_ID = 0xFFFFFFFF;

/** How much of a file is read at a time. */
const PIECE_BYTES = 64 * 1024;

/** The subcommand `param get`. */
export const paramGet: Command = {
  summary: "print a parameter",
  operands: ["TARGET", "ID"],
  options: {
    ...TARGET_OPTIONS,
    raw: { help: "write the bytes of the value and nothing else" },
    json: { help: "print one JSON object" },
  },
  details:
    `Prints text as it is and other values as 0x and hexadecimal digits. Exits with ${ExitCode.NOT_FOUND}
if there is no such parameter.`,
  run: async (args, output) => {
    const id = parseInteger("ID", args.operand(1), 0, MAXIMUM_ID);
    const entry = await withVolume(
      args,
      "read",
      (volume) => Promise.resolve(volume.parameters.get(id)),
    );
    if (entry === undefined) {
      throw new CommandError(
        ExitCode.NOT_FOUND,
        `${args.operand(0)} has no parameter ${id}`,
      );
    }
    if (args.has("raw")) output.bytes(entry.value);
    else if (args.has("json")) output.json(entryJson(entry));
    else output.line(showBytes(entry.value));
    return ExitCode.OK;
  },
};

/** The subcommand `param list`. */
export const paramList: Command = {
  summary: "print all parameters",
  operands: ["TARGET"],
  options: { ...TARGET_OPTIONS, json: { help: "print a JSON array" } },
  run: async (args, output) => {
    const entries = await withVolume(
      args,
      "read",
      (volume) => Promise.resolve(volume.parameters.list()),
    );
    if (args.has("json")) output.json(entries.map(entryJson));
    else printEntries(output, entries);
    return ExitCode.OK;
  },
};

/** The subcommand `param set`. */
export const paramSet: Command = {
  summary: "store a parameter",
  operands: ["TARGET", "ID", "[TEXT]"],
  options: {
    ...TARGET_OPTIONS,
    hex: { value: "DIGITS", help: "the value as hexadecimal digits" },
    u32: { value: "N", help: "the value as a big-endian u32" },
    u64: { value: "N", help: "the value as a big-endian u64" },
    file: {
      value: "FILE",
      help: "the value is the content of FILE (- for standard input)",
    },
    json: { help: "print the stored entry as JSON" },
  },
  details:
    `The value is TEXT in UTF-8, or what exactly one of the options gives; at most 240
bytes. When the command ends, the value survives a power cut.`,
  run: async (args, output) => {
    const id = parseInteger("ID", args.operand(1), 0, MAXIMUM_ID);
    const value = await valueOf(args);
    if (value.length > 240) {
      throw usageError(
        `the value has ${value.length} bytes, expected at most 240`,
      );
    }
    const entry = await withVolume(
      args,
      "write",
      (volume) => volume.parameters.set(id, value),
    );
    if (args.has("json")) output.json(entryJson(entry));
    else {
      output.line(
        `parameter ${id} stored, generation ${entry.generation}, ${value.length} bytes`,
      );
    }
    return ExitCode.OK;
  },
};

async function valueOf(args: Arguments): Promise<Uint8Array> {
  const ways = ["hex", "u32", "u64", "file"].filter((way) => args.has(way));
  const text = args.operands[2];
  if (ways.length + (text === undefined ? 0 : 1) !== 1) {
    throw usageError(
      "expected exactly one value: TEXT, --hex, --u32, --u64 or --file",
    );
  }
  if (text !== undefined) return new TextEncoder().encode(text);
  const given = args.text(ways[0] ?? "") ?? "";
  if (ways[0] === "file") {
    return await readInput(given, PARAMETER_VALUE_MAX_BYTES);
  }
  if (ways[0] === "hex") {
    const bytes = fromHex(given.replace(/^0x/, ""));
    if (bytes === undefined) {
      throw usageError(
        `--hex is ${quote(given)}, expected pairs of hexadecimal digits`,
      );
    }
    return bytes;
  }
  const view = new DataView(new ArrayBuffer(ways[0] === "u32" ? 4 : 8));
  if (ways[0] === "u32") {
    view.setUint32(0, parseInteger("--u32", given, 0, 0xFFFFFFFF));
  } else {
    const valid = /^(\d+|0[xX][\da-fA-F]+)$/.test(given);
    const number = valid ? BigInt(given) : -1n;
    if (number < 0n || number >= 2n ** 64n) {
      throw usageError(
        `--u64 is ${quote(given)}, expected an integer of 0..2^64-1`,
      );
    }
    view.setBigUint64(0, number);
  }
  return new Uint8Array(view.buffer);
}

/**
 * The content of a file, or of standard input for `-`.
 *
 * @throws {CommandError} When it can't be read, or is longer than can be used.
 */
export async function readInput(
  path: string,
  maximumBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const name = path === "-" ? "standard input" : path;
  const buffer = new Uint8Array(PIECE_BYTES);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  try {
    using file = path === "-" ? undefined : await Deno.open(path);
    for (const source = file ?? Deno.stdin; sizeBytes <= maximumBytes;) {
      const count = await source.read(buffer);
      if (count === null) return concat(pieces);
      pieces.push(buffer.slice(0, count));
      sizeBytes += count;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      ExitCode.FAILED,
      `${name} can't be read: ${reason}`,
    );
  }
  throw new CommandError(
    ExitCode.FAILED,
    `${name} has more than ${maximumBytes} bytes, expected at most that many`,
  );
}

function entryJson(entry: ParameterEntry): object {
  const { parameterId, generation, value } = entry;
  return {
    parameterId,
    generation,
    value: toHex(value),
    text: textOf(value) ?? null,
  };
}

function printEntries(
  output: Output,
  entries: readonly ParameterEntry[],
): void {
  output.table([
    ["ID", "GENERATION", "BYTES", "VALUE"],
    ...entries.map(({ parameterId, generation, value }) => [
      String(parameterId),
      String(generation),
      String(value.length),
      showBytes(value),
    ]),
  ]);
}
