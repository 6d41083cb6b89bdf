/**
 * Parameters as people write them: a name or a number for which one is meant,
 * and a value as text, as a number, or as hexadecimal digits. Imports the
 * init's table of parameters.
 *
 * @module
 */

import { LOG_LEVELS } from "../../lib/init/command_line.ts";
import {
  decodeInitValue,
  encodeInitValue,
  INIT_PARAMETERS,
  initParameter,
  type InitParameterName,
} from "../../lib/init/config.ts";
import { fromHex } from "../../lib/wire/hex.ts";
import { PARAMETER_VALUE_MAX_BYTES } from "../../lib/wire/parameter.ts";
import type { ParameterSet } from "../../lib/wire/parameter_message.ts";
import { usageError } from "../command_line/error.ts";
import {
  type Arguments,
  parseInteger,
  quote,
} from "../command_line/options.ts";
import { showBytes } from "../command_line/output.ts";

const MAXIMUM_ID = 0xFFFF_FFFF;

/** The ways to give a value besides plain text. */
export const VALUE_OPTIONS = {
  hex: { value: "DIGITS", help: "the value as hexadecimal digits" },
  text: { value: "TEXT", help: "the value as text in UTF-8" },
  u32: { value: "N", help: "the value as a big-endian u32" },
  u64: { value: "N", help: "the value as a big-endian u64" },
} as const;

/** The id that a name or a number means. */
export function parameterId(operand: string): number {
  if (isOwnName(operand)) return INIT_PARAMETERS[operand].id;
  if (/^[0-9]/.test(operand)) {
    return parseInteger("NAME", operand, 0, MAXIMUM_ID);
  }
  throw usageError(
    `NAME is ${quote(operand)}, expected a number or one of: ${
      Object.keys(INIT_PARAMETERS).join(", ")
    }`,
  );
}

function isOwnName(operand: string): operand is InitParameterName {
  return Object.hasOwn(INIT_PARAMETERS, operand);
}

/** What the operands of `param set` ask for: `NAME VALUE`, or `NAME=VALUE...`. */
export function parameterSets(args: Arguments): ParameterSet[] {
  const ways = Object.keys(VALUE_OPTIONS).filter((way) => args.has(way));
  const [first = "", second, ...more] = args.operands;
  if (first.includes("=") && ways.length === 0) {
    return args.operands.map((operand) => {
      const [name = "", ...rest] = operand.split("=");
      if (rest.length === 0) {
        throw usageError(`${quote(operand)} is no NAME=VALUE`);
      }
      return {
        parameterId: parameterId(name),
        value: plain(name, rest.join("=")),
      };
    });
  }
  if (more[0] !== undefined) throw usageError(`${quote(more[0])} is too much`);
  if (ways.length + (second === undefined ? 0 : 1) !== 1) {
    throw usageError(
      "expected exactly one value: VALUE, --hex, --text, --u32 or --u64",
    );
  }
  const [way = ""] = ways;
  const value = second === undefined
    ? encode(way, args.text(way) ?? "")
    : plain(first, second);
  return [{ parameterId: parameterId(first), value }];
}

/** A value without an option: of the parameter's type if the init knows it, else text. */
function plain(name: string, text: string): Uint8Array {
  const own = initParameter(parameterId(name));
  if (own === undefined) return checked(new TextEncoder().encode(text));
  const level = own.name === "log-level"
    ? LOG_LEVELS.findIndex((known) => known === text)
    : -1;
  if (own.name === "log-level" && level < 0 && !/^[0-9]/.test(text)) {
    throw usageError(
      `log-level is ${quote(text)}, expected one of: ${
        LOG_LEVELS.join(", ")
      }, or their number`,
    );
  }
  const { minimum, maximum } = own;
  const number = level >= 0
    ? level
    : parseInteger(own.name, text, minimum, maximum);
  return encodeInitValue(own, number);
}

function checked(value: Uint8Array): Uint8Array {
  if (value.length <= PARAMETER_VALUE_MAX_BYTES) return value;
  throw usageError(
    `the value has ${value.length} bytes, expected at most ${PARAMETER_VALUE_MAX_BYTES}`,
  );
}

/** A parameter as people and programs see it. */
export interface ShownParameter {
  /** Its name, or null for one of the user's. */
  readonly name: string | null;
  /** Its value as a number, if the init knows its type. */
  readonly number: number | null;
  /** Its value for people. */
  readonly text: string;
}

/** What a value means. */
export function showParameter(id: number, value: Uint8Array): ShownParameter {
  const own = initParameter(id);
  if (own === undefined) {
    return { name: null, number: null, text: showBytes(value) };
  }
  const { name, unit } = own;
  const number = decodeInitValue(own, value);
  if (number === null) return { name, number, text: showBytes(value) };
  const level = name === "log-level" ? LOG_LEVELS[number] : undefined;
  return { name, number, text: `${number} ${level ?? unit}`.trimEnd() };
}

function encode(way: string, text: string): Uint8Array {
  if (way === "text") return checked(new TextEncoder().encode(text));
  if (way === "hex") {
    const bytes = fromHex(text.replace(/^0x/, ""));
    if (bytes !== undefined) return checked(bytes);
    throw usageError(
      `--hex is ${quote(text)}, expected pairs of hexadecimal digits`,
    );
  }
  const bytes = new Uint8Array(way === "u32" ? 4 : 8);
  const view = new DataView(bytes.buffer);
  if (way === "u32") {
    view.setUint32(0, parseInteger("--u32", text, 0, 0xFFFF_FFFF));
    return bytes;
  }
  const number = /^(\d+|0[xX][\da-fA-F]+)$/.test(text) ? BigInt(text) : -1n;
  if (number < 0n || number >= 2n ** 64n) {
    throw usageError(
      `--u64 is ${quote(text)}, expected an integer of 0..2^64-1`,
    );
  }
  view.setBigUint64(0, number);
  return bytes;
}
