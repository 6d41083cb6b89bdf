/**
 * Parameters as people write them: a name or a number for which one is meant,
 * and a value as text, as a number, or as hexadecimal digits. Imports the
 * init's table of parameters.
 *
 * @module
 */

import { fromHex } from "../../lib/wire/hex.ts";
import { PARAMETER_VALUE_MAX_BYTES } from "../../lib/wire/parameter.ts";
import { usageError } from "../spaceos-disk/exit_code.ts";
import {
  type Arguments,
  parseInteger,
  quote,
} from "../spaceos-disk/options.ts";

const MAXIMUM_ID = 0xFFFF_FFFF;

/** The ways to give a value besides plain text. */
export const VALUE_OPTIONS = {
  hex: { value: "DIGITS", help: "the value as hexadecimal digits" },
  text: { value: "TEXT", help: "the value as text in UTF-8" },
  u32: { value: "N", help: "the value as a big-endian u32" },
  u64: { value: "N", help: "the value as a big-endian u64" },
} as const;

/** The id that an operand means. */
export function parameterId(operand: string): number {
  return parseInteger("NAME", operand, 0, MAXIMUM_ID);
}

/** The value of a command line: exactly one of VALUE and the options. */
export function parameterValue(args: Arguments): Uint8Array {
  const ways = Object.keys(VALUE_OPTIONS).filter((way) => args.has(way));
  const operand = args.operands[1];
  if (ways.length + (operand === undefined ? 0 : 1) !== 1) {
    throw usageError(
      "expected exactly one value: VALUE, --hex, --text, --u32 or --u64",
    );
  }
  const [way = "text"] = ways;
  const value = encode(way, operand ?? args.text(way) ?? "");
  if (value.length > PARAMETER_VALUE_MAX_BYTES) {
    throw usageError(
      `the value has ${value.length} bytes, expected at most ${PARAMETER_VALUE_MAX_BYTES}`,
    );
  }
  return value;
}

function encode(way: string, text: string): Uint8Array {
  if (way === "text") return new TextEncoder().encode(text);
  if (way === "hex") {
    const bytes = fromHex(text.replace(/^0x/, ""));
    if (bytes !== undefined) return bytes;
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
