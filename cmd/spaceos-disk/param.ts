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
import type { Command } from "./command.ts";
import { CommandError, readError, usageError } from "../command_line/error.ts";
import { ExitCode } from "./exit_code.ts";
import type { Arguments } from "../command_line/options.ts";
import type { Output } from "../command_line/output.ts";
import {
  encodeValue,
  parameterId,
  parameterJson,
  parameterName,
  plainValue,
  requireOneForm,
  requireTaken,
  showId,
  showParameter,
  VALUE_OPTIONS,
  type ValueOption,
} from "../command_line/parameter_value.ts";
import { TARGET_OPTIONS, withVolume } from "./target.ts";

/** How much of a file is read at a time. */
const PIECE_BYTES = 64 * 1024;

/** The subcommand `param get`. */
export const paramGet: Command = {
  summary: "print a parameter",
  operands: ["TARGET", "NAME"],
  options: {
    ...TARGET_OPTIONS,
    raw: { help: "write the bytes of the value and nothing else" },
    json: { help: "print one JSON object" },
  },
  details:
    `NAME is a number, or the name of one of the init's own parameters. Prints a value
of these as a number with its unit, text as it is, and others as 0x and
hexadecimal digits. Exits with ${ExitCode.NOT_FOUND} if there is no such parameter.`,
  run: async (args, output) => {
    const id = parameterId(args.operand(1));
    requireOneForm(args);
    const entry = await withVolume(
      args,
      "read",
      (volume) => Promise.resolve(volume.parameters.get(id)),
    );
    if (entry === undefined) {
      throw new CommandError(
        ExitCode.NOT_FOUND,
        `${args.operand(0)} has no parameter ${parameterName(id)}`,
      );
    }
    if (args.has("raw")) output.bytes(entry.value);
    else if (args.has("json")) output.json(parameterJson(entry));
    else output.line(showParameter(id, entry.value).text);
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
    if (args.has("json")) output.json(entries.map(parameterJson));
    else printEntries(output, entries);
    return ExitCode.OK;
  },
};

/** The subcommand `param set`. */
export const paramSet: Command = {
  summary: "store a parameter",
  operands: ["TARGET", "NAME", "[VALUE]"],
  options: {
    ...TARGET_OPTIONS,
    ...VALUE_OPTIONS,
    file: {
      value: "FILE",
      help: "the value is the content of FILE (- for standard input)",
    },
    force: { help: "store what the init would not take, too", letter: "f" },
    json: { help: "print the stored entry as JSON" },
  },
  details:
    `NAME is a number, or the name of one of the init's own parameters. VALUE is of the
parameter's own type; for one that is not the init's it is text in UTF-8,
unless exactly one of the options gives the value; at most 240 bytes. When the
command ends, the value survives a power cut. What the init would not take is
refused without --force: a value out of the range of one of its own parameters,
and the numbers from 0xFFFF0000 on that are none of them.`,
  run: async (args, output) => {
    const id = parameterId(args.operand(1));
    const value = await valueOf(id, args);
    if (!args.has("force")) requireTaken(id, value);
    const entry = await withVolume(
      args,
      "write",
      (volume) => volume.parameters.set(id, value),
    );
    if (args.has("json")) output.json(parameterJson(entry));
    else {
      output.line(
        `parameter ${
          parameterName(id)
        } stored, generation ${entry.generation}, ${value.length} bytes`,
      );
    }
    return ExitCode.OK;
  },
};

async function valueOf(id: number, args: Arguments): Promise<Uint8Array> {
  const ways = (Object.keys(VALUE_OPTIONS) as ValueOption[])
    .filter((way) => args.has(way));
  const file = args.text("file");
  const plain = args.operands[2];
  const [way] = ways;
  const given = [plain, file].filter((one) => one !== undefined);
  if (ways.length + given.length !== 1) {
    throw usageError(
      "expected exactly one value: VALUE, --hex, --text, --u32, --u64 or --file",
    );
  }
  if (way !== undefined) return encodeValue(way, args.text(way) ?? "");
  if (file !== undefined) {
    return await readInput(file, PARAMETER_VALUE_MAX_BYTES);
  }
  return plainValue(id, plain ?? "");
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
    throw readError(name, error);
  }
  throw new CommandError(
    ExitCode.FAILED,
    `${name} has more than ${maximumBytes} bytes, expected at most that many`,
  );
}

function printEntries(
  output: Output,
  entries: readonly ParameterEntry[],
): void {
  output.table([
    ["NAME", "ID", "GENERATION", "BYTES", "VALUE"],
    ...entries.map(({ parameterId, generation, value }) => {
      const { name, text } = showParameter(parameterId, value);
      return [
        name ?? "-",
        showId(parameterId),
        String(generation),
        String(value.length),
        text,
      ];
    }),
  ]);
}
