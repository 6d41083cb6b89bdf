/**
 * The payload of a LOG frame: a line of output, or a part of one (formats.md,
 * "Payloads"). Imports the codec.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import { countedText, enumeration, lengthOf, rest } from "./fields.ts";
import { FRAME_PAYLOAD_MAX_BYTES } from "./frame.ts";

/**
 * Where a line comes from, by name [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { LogStream } from "@spaceos/pid1";
 *
 * const isComplaint = (stream: number) => stream === LogStream.STDERR;
 * assertEquals(isComplaint(2), true);
 * ```
 */
export const LogStream = {
  /** The init itself. */
  INIT: 0,
  /** A service's standard output. */
  STDOUT: 1,
  /** A service's standard error. */
  STDERR: 2,
} as const;

/** Where a line comes from. */
export type LogStream = typeof LogStream[keyof typeof LogStream];

/** The most bytes that the name in a LOG frame has. */
export const LOG_NAME_MAX_BYTES = 128;

const HEAD_BYTES = 2;
const TEXT_MAX_BYTES = FRAME_PAYLOAD_MAX_BYTES - HEAD_BYTES;

/** What a LOG frame says. */
export interface LogMessage {
  /** 0x00 u8: where the line comes from. */
  readonly stream: LogStream;
  /** 0x02 the service's name, 0..128 bytes; `name_len` at 0x01 counts them. */
  readonly name: string;
  /** Behind the name: the line without its line break, in whatever encoding. */
  readonly text: Uint8Array;
}

/** The field table of a LOG frame's payload. */
export const logLayout: Layout<LogMessage, LogMessage> = defineLayout(
  "LOG payload",
  HEAD_BYTES + LOG_NAME_MAX_BYTES + TEXT_MAX_BYTES,
  {
    stream: enumeration(0x00, "u8", LogStream),
    nameLength: lengthOf(0x01, "u8", "name", {
      name: "name_len",
      max: LOG_NAME_MAX_BYTES,
    }),
    name: countedText(0x02, LOG_NAME_MAX_BYTES),
    text: rest("after", TEXT_MAX_BYTES),
  },
);

/**
 * The payloads of the LOG frames that carry a line. A line that is too long for
 * one is split between characters, so that each part can be shown by itself; no
 * byte is lost.
 *
 * @param message The line.
 * @returns One payload or more, each of at most 248 bytes.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeLog, encodeLog, LogStream } from "./log.ts";
 *
 * const text = new TextEncoder().encode("x".repeat(300));
 * const payloads = encodeLog({ stream: LogStream.STDOUT, name: "sensor", text });
 * assertEquals(payloads.map((payload) => payload.length), [248, 68]);
 * assertEquals(decodeLog(payloads[1] ?? text).text.length, 60);
 * ```
 */
export function encodeLog(message: LogMessage): Uint8Array<ArrayBuffer>[] {
  const { stream, name, text } = message;
  const empty = logLayout.encode({ stream, name, text: new Uint8Array() });
  const room = FRAME_PAYLOAD_MAX_BYTES - empty.length;
  const payloads: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < text.length || payloads.length === 0;) {
    const end = splitPoint(text, at, room);
    payloads.push(
      logLayout.encode({ stream, name, text: text.subarray(at, end) }),
    );
    at = end;
  }
  return payloads;
}

/**
 * Reads and judges the payload of a LOG frame.
 *
 * @param payload Any bytes.
 * @returns The line, or the part of one that it carries.
 * @throws {WireError} If they are not such a payload.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeLog } from "./log.ts";
 *
 * assertThrows(() => decodeLog(new Uint8Array([1, 9])), WireError, "name_len is 9");
 * ```
 */
export function decodeLog(payload: Uint8Array): LogMessage {
  return logLayout.decode(payload);
}

/** Where the part that begins at `from` ends: not inside a UTF-8 character. */
function splitPoint(text: Uint8Array, from: number, room: number): number {
  const full = from + room;
  if (full >= text.length) return text.length;
  // A character has at most three continuation bytes (10xxxxxx). More of them
  // in a row are not UTF-8, and are cut where the room ends.
  for (let end = full; end > full - 4; end--) {
    if (((text[end] ?? 0) & 0xC0) !== 0x80) return end;
  }
  return full;
}
