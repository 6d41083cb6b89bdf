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
  INIT_PARAMETER_FIRST,
  INIT_PARAMETERS,
  initParameter,
  type InitParameterName,
} from "../../lib/init/config.ts";
import { fromHex, hexNumber, toHex } from "../../lib/wire/hex.ts";
import {
  PARAMETER_VALUE_MAX_BYTES,
  type ParameterEntry,
} from "../../lib/wire/parameter.ts";
import { usageError } from "./error.ts";
import { type Arguments, parseInteger, quote } from "./options.ts";
import { showBytes, textOf } from "./output.ts";

const MAXIMUM_ID = 0xFFFF_FFFF;

/** The ways to give a value besides plain text. */
export const VALUE_OPTIONS = {
  hex: { value: "DIGITS", help: "the value as hexadecimal digits" },
  text: { value: "TEXT", help: "the value as text in UTF-8" },
  u32: { value: "N", help: "the value as a big-endian u32" },
  u64: { value: "N", help: "the value as a big-endian u64" },
} as const;

/** One of the options that give a value. */
export type ValueOption = keyof typeof VALUE_OPTIONS;

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

/** What a parameter is called: the init's own by name, all others by number. */
export function parameterName(id: number): string {
  return initParameter(id)?.name ?? showId(id);
}

/** A parameter's number. */
export function showId(id: number): string {
  return id > 0xFFFF ? hexNumber(id, 4) : String(id);
}

/** A value without an option: of the parameter's type if the init knows it, else text. */
export function plainValue(id: number, text: string): Uint8Array {
  const own = initParameter(id);
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

/** A parameter for programs. */
export function parameterJson(entry: ParameterEntry): object {
  const { parameterId, generation, value } = entry;
  const { name, number } = showParameter(parameterId, value);
  return {
    name,
    parameterId,
    generation,
    value: toHex(value),
    number,
    text: number === null ? textOf(value) ?? null : null,
  };
}

/** A value comes as its bytes or in JSON. */
export function requireOneForm(args: Arguments): void {
  if (args.has("raw") && args.has("json")) {
    throw usageError("expected --raw or --json, not both");
  }
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

/** The value that an option gives. */
export function encodeValue(way: ValueOption, text: string): Uint8Array {
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

/**
 * Holds a value against what the init takes: its own parameters have a type and
 * a range, and the rest of its ids are not for others.
 *
 * @param id The parameter.
 * @param value Its value.
 * @throws {CommandError} Naming the parameter, the value and what was expected.
 */
export function requireTaken(id: number, value: Uint8Array): void {
  if (id < INIT_PARAMETER_FIRST) return;
  const own = initParameter(id);
  if (own === undefined) {
    throw usageError(
      `parameter ${parameterName(id)} is reserved, expected a number below ${
        hexNumber(INIT_PARAMETER_FIRST, 4)
      } or one of: ${Object.keys(INIT_PARAMETERS).join(", ")}`,
    );
  }
  if (decodeInitValue(own, value) !== null) return;
  const { name, type, minimum, maximum, unit } = own;
  throw usageError(
    `${name} is ${
      showBytes(value)
    }, expected a ${type} of ${minimum}..${maximum} ${unit}`.trimEnd(),
  );
}
