/**
 * What the host asks for, out of the frames it sends, and the frames that
 * answer it. Pure; imports `wire` and the table of commands.
 *
 * @module
 */
import { encodeFrameFault, type FrameFault } from "../wire/error_frame.ts";
import {
  Apid,
  encodeFrame,
  type Frame,
  frameLayout,
  FrameType,
  setPayloadLength,
} from "../wire/frame.ts";
import { RESULT_MAX_BYTES } from "../wire/result_list.ts";
import {
  decodeTelecommand,
  encodeAnswer,
  encodeWholeAnswer,
  PAGE_MAX_BYTES,
  PAGED_COMMANDS,
} from "../wire/telecommand.ts";
import { type HostAction, readAction } from "./commands.ts";

/** A telecommand of the host. */
export interface HostRequest {
  /** The command's code, as it came. */
  readonly command: number;
  /** The host's number for it, which the answer repeats. */
  readonly sequence: number;
  /** What it asks for. */
  readonly action: HostAction;
}

/**
 * Reads what a TC frame asks for.
 *
 * @param payload The frame's payload.
 * @returns The request; one that can't be carried out is `refused`. The bytes
 * of a PING are a view of the payload, good for as long as that is.
 * @throws {WireError} If the payload has no command and sequence, so that it
 * can't even be answered.
 *
 * @example
 * ```ts
 * import { readRequest } from "./requests.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const { sequence, action } = readRequest(Uint8Array.of(0, 2, 0, 7));
 * assertEquals(sequence, 7);
 * assertEquals(action, { kind: "power", action: "poweroff" });
 * ```
 */
export function readRequest(payload: Uint8Array): HostRequest {
  const { command, sequence, arguments: bytes } = decodeTelecommand(payload);
  return { command, sequence, action: readAction(command, bytes) };
}

/**
 * How many frames an answer may take: room is kept for them until it is given.
 *
 * @param command The command's number.
 * @returns 1, or what a result in pages may need.
 *
 * @example
 * ```ts
 * import { answerLimitFrames } from "./requests.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals([1, 8].map(answerLimitFrames), [1, 126]);
 * ```
 */
export function answerLimitFrames(command: number): number {
  if (!PAGED_COMMANDS.has(command)) return 1;
  return Math.ceil(RESULT_MAX_BYTES / PAGE_MAX_BYTES);
}

const PAYLOAD_OFFSET = frameLayout.offsetOf("payload");

/** The frame at hand of {@linkcode writeAnswer}: all have the same head. */
const answerFrame = encodeFrame({
  type: FrameType.TM,
  apid: Apid.INIT,
  destinationApid: Apid.HOST,
  payload: new Uint8Array(),
});

/**
 * Makes the frames that answer a request, one after another in the same memory.
 *
 * @param request The request.
 * @param status From `CommandStatus`.
 * @param result What the command gives back.
 * @param send Takes each frame: 256 bytes, which are good for the time of the
 * call only.
 * @throws {WireError} For a result that is longer than the command's can be;
 * nothing was sent then.
 *
 * @example
 * ```ts
 * import { readRequest, writeAnswer } from "./requests.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const request = readRequest(Uint8Array.of(0, 1, 0, 7, 42));
 * const sent: Uint8Array[] = [];
 * const result = Uint8Array.of(42);
 * writeAnswer(request, 0, result, (frame) => sent.push(frame.slice(8, 15)));
 * assertEquals([...sent[0] ?? []], [0x80, 1, 0, 7, 0, 0, 42]);
 * ```
 */
export function writeAnswer(
  request: HostRequest,
  status: number,
  result: Uint8Array,
  send: (frame: Uint8Array) => void,
): void {
  const { command, sequence } = request;
  const answer = { command, sequence, status, result };
  if (PAGED_COMMANDS.has(command)) {
    for (const payload of encodeAnswer(answer)) {
      answerFrame.set(payload, PAYLOAD_OFFSET);
      setPayloadLength(answerFrame, payload.length);
      send(answerFrame);
    }
    return;
  }
  const length = encodeWholeAnswer(answer, answerFrame, PAYLOAD_OFFSET);
  setPayloadLength(answerFrame, length);
  send(answerFrame);
}

/**
 * The ERROR frame for a frame that could not be taken.
 *
 * @param fault What was wrong with it.
 * @returns 256 bytes.
 *
 * @example
 * ```ts
 * import { errorFrame } from "./requests.ts";
 * import { FrameErrorCode } from "../wire/error_frame.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const frame = errorFrame({
 *   code: FrameErrorCode.MALFORMED,
 *   offendingType: 2,
 *   offendingApid: 0,
 *   offendingPayloadLength: 1,
 * });
 * assertEquals(frame.length, 256);
 * ```
 */
export function errorFrame(fault: FrameFault): Uint8Array {
  const { offendingApid } = fault;
  return encodeFrame({
    type: FrameType.ERROR,
    apid: Apid.INIT,
    // To whoever sent it; an id that is none can't be answered but by the host.
    destinationApid: offendingApid > Apid.LAST ? Apid.HOST : offendingApid,
    payload: encodeFrameFault(fault),
  });
}

/**
 * A frame from the init to the host.
 *
 * @param type What the payload is.
 * @param payload At most 248 bytes.
 * @returns 256 bytes.
 *
 * @example
 * ```ts
 * import { frameToHost } from "./requests.ts";
 * import { FrameType } from "../wire/frame.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(frameToHost(FrameType.LOG, new Uint8Array()).length, 256);
 * ```
 */
export function frameToHost(
  type: Frame["type"],
  payload: Uint8Array,
): Uint8Array {
  return encodeFrame({
    type,
    apid: Apid.INIT,
    destinationApid: Apid.HOST,
    payload,
  });
}
