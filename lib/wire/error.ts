/**
 * The one error type of the wire room: a value that a layout can't hold, or
 * bytes that are not what a layout says. Imports the room's text helpers.
 *
 * @module
 */

import { toHex } from "./hex.ts";

/** What a {@linkcode WireError} is made of. */
export interface WireErrorParts {
  /** The layout's name, such as `"superblock"`. */
  readonly layout: string;
  /** The field's name as formats.md writes it, such as `"tenant_id"`. */
  readonly field: string;
  /** What was met. */
  readonly value: unknown;
  /** What was expected, such as `"0..65535"`. */
  readonly expected: string;
}

/**
 * Bytes or values that a layout refuses. Decoders throw nothing else, whatever
 * the bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { WireError } from "./error.ts";
 *
 * const error = new WireError({
 *   layout: "superblock",
 *   field: "tenant_id",
 *   value: 70000,
 *   expected: "0..65535",
 * });
 * assertEquals(error.message, "superblock: tenant_id is 70000, expected 0..65535");
 * ```
 */
export class WireError extends Error {
  /** Always `"WireError"`. */
  override readonly name = "WireError";
  /** The layout's name. */
  readonly layout: string;
  /** The field's name as formats.md writes it, or `"length"` for the whole. */
  readonly field: string;
  /** What was met. */
  readonly value: unknown;
  /** What was expected. */
  readonly expected: string;

  /**
   * Makes the error.
   *
   * @param parts What was met and what was expected, and where.
   */
  constructor(parts: WireErrorParts) {
    super(
      `${parts.layout}: ${parts.field} is ${
        showValue(parts.value)
      }, expected ${parts.expected}`,
    );
    this.layout = parts.layout;
    this.field = parts.field;
    this.value = parts.value;
    this.expected = parts.expected;
  }
}

const SHOWN_BYTES = 16;
const SHOWN_CHARACTERS = 64;

/** A value in a few words: this must not throw or grow with the value. */
function showValue(value: unknown): string {
  if (value instanceof Uint8Array) {
    const dots = value.length > SHOWN_BYTES ? "..." : "";
    const head = toHex(value.subarray(0, SHOWN_BYTES));
    return `${value.length} bytes${head && ` (${head}${dots})`}`;
  }
  if (typeof value === "string") {
    const dots = value.length > SHOWN_CHARACTERS ? "..." : "";
    return JSON.stringify(value.slice(0, SHOWN_CHARACTERS)) + dots;
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value === "function") return "a function";
  return String(value);
}
