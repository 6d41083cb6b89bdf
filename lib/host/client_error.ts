/**
 * What can go wrong between a host's program and a VM, as one error type.
 * Imports `wire`.
 *
 * @module
 */
import { FrameErrorCode, type FrameFault } from "../wire/error_frame.ts";
import { Apid } from "../wire/frame.ts";
import { ParameterStatus } from "../wire/parameter_message.ts";
import { commandStatusName } from "../wire/telecommand.ts";

/** What went wrong, as one word for programs. */
export type HostClientErrorKind =
  /** There is no socket at the path, or nobody serves it. */
  | "unreachable"
  /** No whole answer came in time. */
  | "timeout"
  /** The connection ended, from either side. */
  | "closed"
  /** The VM carried the command out, or tried to, and said no; see `status`. */
  | "status"
  /** The VM did not take a parameter request; see `parameterStatus`. */
  | "parameter"
  /** The VM could not take the frame; see `fault`. */
  | "refused"
  /** What came is not what the format says. */
  | "malformed"
  /** More requests are under way, or more data would come, than is allowed. */
  | "limit";

/** What a {@linkcode HostClientError} tells besides its message. */
export interface HostClientErrorDetails {
  /** With kind `status`: the number that the VM answered, u16. */
  readonly status?: number;
  /** With kind `parameter`: why the VM did not take it. */
  readonly parameterStatus?: ParameterStatus;
  /** With kind `parameter`: the id of the parameter that is the reason, u32. */
  readonly parameterId?: number;
  /** With kind `refused`: what the ERROR frame said. */
  readonly fault?: FrameFault;
  /** What led to it. */
  readonly cause?: unknown;
}

/**
 * The one error of the host's client.
 *
 * @example
 * ```ts
 * import { HostClientError } from "./client_error.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const error = new HostClientError("status", "PING failed", { status: 38 });
 * assertEquals([error.kind, error.status], ["status", 38]);
 * ```
 */
export class HostClientError extends Error {
  /** Always `"HostClientError"`. */
  override readonly name = "HostClientError";
  /** What went wrong. */
  readonly kind: HostClientErrorKind;
  /** The number that the VM answered, or null. */
  readonly status: number | null;
  /** Why the VM did not take a parameter request, or null. */
  readonly parameterStatus: ParameterStatus | null;
  /** The id of the parameter that is the reason, or null. */
  readonly parameterId: number | null;
  /** What the ERROR frame said, or null. */
  readonly fault: FrameFault | null;

  /**
   * Makes the error.
   *
   * @param kind What went wrong.
   * @param message The same for people.
   * @param details What more is known.
   */
  constructor(
    kind: HostClientErrorKind,
    message: string,
    details: HostClientErrorDetails = {},
  ) {
    super(message, "cause" in details ? { cause: details.cause } : {});
    this.kind = kind;
    this.status = details.status ?? null;
    this.parameterStatus = details.parameterStatus ?? null;
    this.parameterId = details.parameterId ?? null;
    this.fault = details.fault ?? null;
  }
}

/** What each status of an answer means, for people; a test holds that none is missing. */
const STATUS_TEXTS: Readonly<Record<string, string>> = {
  EPERM: "not permitted to this sender",
  ENOENT: "there is no such thing",
  EIO: "the device failed",
  EAGAIN: "no room for it now; try again",
  ENOMEM: "a fixed limit is reached",
  EBUSY: "something else is under way",
  ENODEV: "this machine has no such device",
  EINVAL: "the arguments are not what the command takes",
  ENOSPC: "the volume is full",
  EROFS: "the volume is read-only",
  ENOSYS: "there is no such command",
  EBADMSG: "what is stored fails its CRC",
  EMSGSIZE: "the result is too large to send",
  ETIMEDOUT: "it did not end in time",
  EALREADY: "it is so already",
  EUCLEAN: "what is stored is damaged",
  ECANCELED: "a later command took its place",
};

/**
 * A status of an answer in words.
 *
 * @param status From `CommandStatus`, or any other number.
 * @returns Its name, with its meaning where it has one here.
 *
 * @example
 * ```ts
 * import { describeStatus } from "./client_error.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(describeStatus(30), "EROFS, the volume is read-only");
 * assertEquals(describeStatus(999), "status 999");
 * ```
 */
export function describeStatus(status: number): string {
  const name = commandStatusName(status);
  const text = STATUS_TEXTS[name];
  return text === undefined ? `status ${name}` : `${name}, ${text}`;
}

const FAULT_NAMES = new Map<number, string>(
  Object.entries(FrameErrorCode).map(([name, code]) => [code, name]),
);

/**
 * An ERROR frame in words.
 *
 * @param fault What it said.
 * @returns Its code's name and the frame that was meant.
 *
 * @example
 * ```ts
 * import { describeFault } from "./client_error.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const fault = { code: 1, offendingType: 2, offendingApid: 0, offendingPayloadLength: 4 } as const;
 * assertEquals(
 *   describeFault(fault),
 *   "UNKNOWN_TYPE for a frame of type 2 from 0x000 with 4 bytes",
 * );
 * ```
 */
export function describeFault(fault: FrameFault): string {
  const { offendingType, offendingApid, offendingPayloadLength } = fault;
  const name = FAULT_NAMES.get(fault.code) ?? String(fault.code);
  const apid = offendingApid.toString(16).toUpperCase().padStart(3, "0");
  return `${name} for a frame of type ${offendingType} from 0x${apid} ` +
    `with ${offendingPayloadLength} bytes`;
}

/**
 * An ERROR frame in words, with who sent it: a VM, or a switch before it, which
 * speaks as the host.
 *
 * @param apid The ERROR frame's source id.
 * @param fault What it said.
 * @returns Who refused the frame, and why.
 *
 * @example
 * ```ts
 * import { describeRefusal } from "./client_error.ts";
 * import { assertStringIncludes } from "@std/assert/string-includes";
 *
 * const fault = { code: 5, offendingType: 2, offendingApid: 0, offendingPayloadLength: 4 } as const;
 * assertStringIncludes(describeRefusal(1, fault), "the VM refused the frame");
 * assertStringIncludes(describeRefusal(0, fault), "the VM is not there");
 * ```
 */
export function describeRefusal(apid: number, fault: FrameFault): string {
  const text = describeFault(fault);
  if (apid !== Apid.HOST) return `the VM refused the frame: ${text}`;
  return fault.code === FrameErrorCode.HOST_BUSY
    ? `the VM is not there, or does not read; the switch refused the frame: ${text}`
    : `the switch refused the frame: ${text}`;
}

const PARAMETER_TEXTS: Readonly<Record<ParameterStatus, string>> = {
  [ParameterStatus.OK]: "OK",
  [ParameterStatus.UNKNOWN]: "there is no such parameter",
  [ParameterStatus.INVALID]: "the value is not one that it may have",
  [ParameterStatus.STORAGE_ERROR]: "the volume could not store it",
  [ParameterStatus.READ_ONLY]: "it can't be set",
};

/**
 * The status of a parameter request in words.
 *
 * @param status From `ParameterStatus`.
 * @returns What it means.
 *
 * @example
 * ```ts
 * import { describeParameterStatus } from "./client_error.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(describeParameterStatus(4), "it can't be set");
 * ```
 */
export function describeParameterStatus(status: ParameterStatus): string {
  return PARAMETER_TEXTS[status];
}

/**
 * What an error says.
 *
 * @param error Whatever was thrown.
 * @returns Its message.
 *
 * @example
 * ```ts
 * import { messageOf } from "./client_error.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals([messageOf(new Error("no")), messageOf("no")], ["no", "no"]);
 * ```
 */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
