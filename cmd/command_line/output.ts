/**
 * What the programs for the host write: lines, tables, JSON and raw bytes on standard output.
 * Colours only where a terminal shows them, and what comes from a volume never
 * controls that terminal. Imports text helpers and the error.
 *
 * @module
 */

import { toHex } from "../../lib/wire/hex.ts";
import { writeError } from "./error.ts";

/** The colours in use, by what they mean. */
export type Colour = "good" | "warning" | "bad" | "faint" | "strong";

const SEQUENCES: Readonly<Record<Colour, string>> = {
  good: "32",
  warning: "33",
  bad: "31",
  faint: "2",
  strong: "1",
};

/** Writes to standard output. */
export class Output {
  readonly #coloured: boolean;

  /** Decides about colours: a terminal, and NO_COLOR (no-color.org) not set. */
  constructor() {
    this.#coloured = Deno.stdout.isTerminal() &&
      (Deno.env.get("NO_COLOR") ?? "") === "" &&
      Deno.env.get("TERM") !== "dumb";
  }

  /** Text in a colour, where there are colours. */
  paint(colour: Colour, text: string): string {
    if (!this.#coloured) return text;
    return `\x1b[${SEQUENCES[colour]}m${text}\x1b[0m`;
  }

  /** Writes one line. */
  line(text = ""): void {
    this.bytes(new TextEncoder().encode(text + "\n"));
  }

  /** Writes a value as JSON, over several lines for people to read. */
  json(value: unknown): void {
    this.line(jsonText(value, 2));
  }

  /** Writes a value as JSON in one line, for a stream of them. */
  jsonLine(value: unknown): void {
    this.line(jsonText(value));
  }

  /** Writes rows in columns; a column is as wide as its widest cell. */
  table(rows: readonly (readonly string[])[]): void {
    const widths = (rows[0] ?? []).map((_, column) =>
      Math.max(...rows.map((row) => (row[column] ?? "").length))
    );
    for (const [index, row] of rows.entries()) {
      const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
      const text = cells.join("  ").trimEnd();
      this.line(index === 0 ? this.paint("faint", text) : text);
    }
  }

  /** Writes one line to standard error. */
  error(text: string): void {
    console.error(text);
  }

  /**
   * Writes bytes as they are.
   *
   * @throws {CommandError} When there is no room for them.
   * @throws {Deno.errors.BrokenPipe} When nobody reads on.
   */
  bytes(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length;) {
        done += Deno.stdout.writeSync(bytes.subarray(done));
      }
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw error;
      throw writeError("standard output", error);
    }
  }
}

/** JSON has no 64-bit integers: those that a double can't hold become text. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  return value instanceof Uint8Array ? toHex(value) : value;
}

/**
 * What must not reach a terminal: control characters, and those of Unicode
 * that break lines or turn the direction of what follows.
 */
const HARMFUL =
  // deno-lint-ignore no-control-regex -- these are what must not get through.
  /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const escapeOf = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** A value as JSON, harmless on a terminal too: JSON itself lets C1 through. */
function jsonText(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, jsonValue, indent);
  return text.replace(
    HARMFUL,
    (character) => character === "\n" ? character : escapeOf(character),
  );
}

/** Text as it is, but what must not reach a terminal as escapes. */
export function printable(text: string): string {
  return text.replace(HARMFUL, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : escapeOf(character);
  });
}

/** The text that bytes are in UTF-8, or undefined if they are none. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes for people: text where they are text, else hexadecimal digits. */
export function showBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return "(empty)";
  const text = textOf(bytes);
  // deno-lint-ignore no-control-regex -- binary values are full of these.
  if (text !== undefined && !/[\x00-\x08\x0e-\x1f]/.test(text)) {
    return printable(text);
  }
  return `0x${toHex(bytes)}`;
}

/** A number of bytes for people. */
export function showSize(bytes: number): string {
  for (
    const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], [
      "KiB",
      1024,
    ]] as const
  ) {
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  }
  return `${bytes} bytes`;
}
