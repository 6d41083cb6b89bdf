/**
 * What the host asks for, out of the frames it sends: one table of commands,
 * each with the arguments it takes. Pure; imports `wire`.
 *
 * @module
 */
import {
  CommandCode,
  CommandStatus,
  decodeTelecommand,
  encodeAnswer,
  type Telecommand,
} from "../wire/telecommand.ts";
import { Apid, encodeFrame, type Frame, FrameType } from "../wire/frame.ts";
import { encodeFrameFault, type FrameFault } from "../wire/error_frame.ts";

/** What a telecommand asks for, its arguments read. */
export type HostAction =
  /** Answer with the same bytes. */
  | { readonly kind: "ping"; readonly payload: Uint8Array }
  /** Go down. */
  | {
    readonly kind: "power";
    readonly action: "poweroff" | "reboot" | "halt";
  }
  /** Start, stop or restart a service. */
  | {
    readonly kind: "service";
    readonly command: "start" | "stop" | "restart";
    readonly service: string;
  }
  /** Enter or leave safe mode. */
  | { readonly kind: "safe-mode"; readonly isOn: boolean }
  /** Send each line of the log from now on, or no more; only one writer's, or all. */
  | {
    readonly kind: "follow-log";
    readonly isOn: boolean;
    readonly name: string | null;
  }
  /** It can't be done: the status says why. */
  | { readonly kind: "refused"; readonly status: number };

/** A telecommand of the host. */
export interface HostRequest {
  /** The command's code, as it came. */
  readonly command: number;
  /** The host's number for it, which the answer repeats. */
  readonly sequence: number;
  /** What it asks for. */
  readonly action: HostAction;
}

type Reader = (argumentBytes: Uint8Array) => HostAction;

const invalid: HostAction = {
  kind: "refused",
  status: CommandStatus.EINVAL,
};

/** A command without arguments. */
const plain = (action: HostAction): Reader => (bytes) =>
  bytes.length === 0 ? action : invalid;

/** A name in UTF-8, or null when it is none. */
function readName(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** A command whose argument is a service's name, in UTF-8. */
const named = (command: "start" | "stop" | "restart"): Reader => (bytes) => {
  const service = readName(bytes);
  return service === null || service === ""
    ? invalid
    : { kind: "service", command, service };
};

/** LOG_FOLLOW [O]: 0x00 u8 1 to begin or 0 to end, then a name, or nothing for all. */
function followLog(bytes: Uint8Array): HostAction {
  const [isOn] = bytes;
  const name = readName(bytes.subarray(1));
  if ((isOn !== 0 && isOn !== 1) || name === null) return invalid;
  return { kind: "follow-log", isOn: isOn === 1, name: name || null };
}

/** The commands that this init carries out. */
const COMMANDS: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [CommandCode.PING, (payload) => ({ kind: "ping", payload })],
  [CommandCode.POWEROFF, plain({ kind: "power", action: "poweroff" })],
  [CommandCode.REBOOT, plain({ kind: "power", action: "reboot" })],
  [CommandCode.HALT, plain({ kind: "power", action: "halt" })],
  [CommandCode.SERVICE_START, named("start")],
  [CommandCode.SERVICE_STOP, named("stop")],
  [CommandCode.SERVICE_RESTART, named("restart")],
  [CommandCode.ENTER_SAFE_MODE, plain({ kind: "safe-mode", isOn: true })],
  [CommandCode.LEAVE_SAFE_MODE, plain({ kind: "safe-mode", isOn: false })],
  [CommandCode.LOG_FOLLOW, followLog],
]);

/**
 * Reads what a TC frame asks for.
 *
 * @param payload The frame's payload.
 * @returns The request; one that can't be carried out is `refused`.
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
  const telecommand: Telecommand = decodeTelecommand(payload);
  const { command, sequence } = telecommand;
  const reader = COMMANDS.get(command);
  const action: HostAction = reader === undefined
    ? { kind: "refused", status: CommandStatus.ENOSYS }
    : reader(telecommand.arguments);
  return { command, sequence, action };
}

/**
 * The frames that answer a request.
 *
 * @param request The request.
 * @param status From `CommandStatus`.
 * @param result What the command gives back.
 * @returns One frame, or more for a result in pages; 256 bytes each.
 *
 * @example
 * ```ts
 * import { answerFrames, readRequest } from "./requests.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const request = readRequest(Uint8Array.of(0, 1, 0, 7, 42));
 * const [frame] = answerFrames(request, 0, Uint8Array.of(42));
 * assertEquals([...frame?.slice(8, 15) ?? []], [0x80, 1, 0, 7, 0, 0, 42]);
 * ```
 */
export function answerFrames(
  request: HostRequest,
  status: number,
  result: Uint8Array = new Uint8Array(),
): Uint8Array[] {
  const { command, sequence } = request;
  const payloads = encodeAnswer({ command, sequence, status, result });
  return payloads.map((payload) => frameToHost(FrameType.TM, payload));
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
  return frameToHost(FrameType.ERROR, encodeFrameFault(fault));
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
