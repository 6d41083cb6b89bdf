/**
 * A line of the log as LOG frames for the host. Pure; imports `wire` and
 * `host`.
 *
 * @module
 */
import { frameToHost } from "../host/requests.ts";
import { FrameType } from "../wire/frame.ts";
import { encodeLog, LogStream } from "../wire/log.ts";
import type { LogLine } from "./log.ts";

const STREAMS = {
  init: LogStream.INIT,
  stdout: LogStream.STDOUT,
  stderr: LogStream.STDERR,
} as const;

/**
 * The frames of a line: one, or more for a long one.
 *
 * @param line The line.
 * @returns 256 bytes each.
 *
 * @example
 * ```ts
 * import { logFrames } from "./log_frames.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const line = { sequence: 1, timeMs: 0, name: "web", stream: "stdout" } as const;
 * assertEquals(logFrames({ ...line, bytes: new Uint8Array(500) }).length, 3);
 * ```
 */
export function logFrames(line: LogLine): Uint8Array[] {
  const stream = STREAMS[line.stream];
  return encodeLog({ stream, name: line.name, text: line.bytes })
    .map((payload) => frameToHost(FrameType.LOG, payload));
}
