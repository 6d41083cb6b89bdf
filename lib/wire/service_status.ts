/**
 * The result of SERVICE_STATUS [O]: all that is known of one service. Imports
 * the codec and the states of `service_list.ts`.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import {
  countedText,
  enumeration,
  lengthOf,
  u16,
  u32,
  u64,
  u8,
} from "./fields.ts";
import { SERVICE_NAME_MAX_BYTES, ServiceStateCode } from "./service_list.ts";

/**
 * How a process ended, by name [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ExitKind } from "@spaceos/pid1";
 *
 * assertEquals(ExitKind.SIGNALED, 2);
 * ```
 */
export const ExitKind = {
  /** None has ended yet. */
  NONE: 0,
  /** It exited; `exit_code` is its code. */
  EXITED: 1,
  /** A signal ended it; `exit_signal` is its name. */
  SIGNALED: 2,
} as const;

/** How a process ended. */
export type ExitKind = typeof ExitKind[keyof typeof ExitKind];

/** The most bytes of a free text; the init cuts longer ones between characters. */
export const STATUS_TEXT_MAX_BYTES = 255;
/** The most bytes of one of the words that the supervisor uses. */
export const STATUS_WORD_MAX_BYTES = 32;
/** The most bytes of the names of other services. */
export const WAITS_FOR_MAX_BYTES = 1024;

/** All that is known of one service. */
export interface ServiceStatusRecord {
  /** 0x00 u8: its state. */
  readonly state: ServiceStateCode;
  /** 0x01 u8: the bits of `ServiceFlag`. */
  readonly flags: number;
  /** 0x02 u32: its process, or 0. */
  readonly pid: number;
  /** 0x06 u32: restarts since it was defined. */
  readonly restarts: number;
  /** 0x0A u64 `since_ms`: since when it is in this state, milliseconds since boot. */
  readonly sinceMs: bigint;
  /** 0x12 u64 `next_attempt_ms`: when it is tried again, milliseconds since boot, or 0. */
  readonly nextAttemptMs: bigint;
  /** 0x1A u32: which instance of it this is, from 1, or 0. */
  readonly instance: number;
  /** 0x1E u8: how its last process ended. */
  readonly exitKind: ExitKind;
  /** 0x1F u16: the code with which it exited, else 0. */
  readonly exitCode: number;
  /** The name, 1..64 bytes; `name_len` at 0x21 counts them. */
  readonly name: string;
  /** Why it is pending or failed, such as `restart-limit`, or nothing; counted at 0x22. */
  readonly reason: string;
  /** Why it is being stopped, such as `watchdog`, or nothing; counted at 0x23. */
  readonly stopping: string;
  /** Which of its commands runs, such as `main`, or nothing; counted at 0x24. */
  readonly phase: string;
  /** The signal that ended its last process, such as `SIGKILL`, or nothing; counted at 0x25. */
  readonly exitSignal: string;
  /** What it is, for people; counted at 0x26. */
  readonly description: string;
  /** What went wrong last; counted at 0x27. */
  readonly lastError: string;
  /** The last `STATUS=` of the service; counted at 0x28. */
  readonly statusText: string;
  /** The services that it waits for, with spaces between; counted by the u16 at 0x29. */
  readonly waitsFor: string;
}

const word = { max: STATUS_WORD_MAX_BYTES } as const;
const text = { max: STATUS_TEXT_MAX_BYTES } as const;

/** The field table of the result. */
export const serviceStatusLayout: Layout<
  ServiceStatusRecord,
  ServiceStatusRecord
> = defineLayout(
  "SERVICE_STATUS result",
  0x2B + SERVICE_NAME_MAX_BYTES + 4 * STATUS_WORD_MAX_BYTES +
    3 * STATUS_TEXT_MAX_BYTES + WAITS_FOR_MAX_BYTES,
  {
    state: enumeration(0x00, "u8", ServiceStateCode),
    flags: u8(0x01, { max: 31 }),
    pid: u32(0x02),
    restarts: u32(0x06),
    sinceMs: u64(0x0A),
    nextAttemptMs: u64(0x12),
    instance: u32(0x1A),
    exitKind: enumeration(0x1E, "u8", ExitKind),
    exitCode: u16(0x1F),
    nameLength: lengthOf(0x21, "u8", "name", {
      name: "name_len",
      min: 1,
      max: SERVICE_NAME_MAX_BYTES,
    }),
    reasonLength: lengthOf(0x22, "u8", "reason", word),
    stoppingLength: lengthOf(0x23, "u8", "stopping", word),
    phaseLength: lengthOf(0x24, "u8", "phase", word),
    exitSignalLength: lengthOf(0x25, "u8", "exitSignal", word),
    descriptionLength: lengthOf(0x26, "u8", "description", text),
    lastErrorLength: lengthOf(0x27, "u8", "lastError", text),
    statusTextLength: lengthOf(0x28, "u8", "statusText", text),
    waitsForLength: lengthOf(0x29, "u16", "waitsFor", {
      max: WAITS_FOR_MAX_BYTES,
    }),
    name: countedText(0x2B, SERVICE_NAME_MAX_BYTES, { min: 1 }),
    reason: countedText("after", STATUS_WORD_MAX_BYTES),
    stopping: countedText("after", STATUS_WORD_MAX_BYTES),
    phase: countedText("after", STATUS_WORD_MAX_BYTES),
    exitSignal: countedText("after", STATUS_WORD_MAX_BYTES),
    description: countedText("after", STATUS_TEXT_MAX_BYTES),
    lastError: countedText("after", STATUS_TEXT_MAX_BYTES),
    statusText: countedText("after", STATUS_TEXT_MAX_BYTES),
    waitsFor: countedText("after", WAITS_FOR_MAX_BYTES),
  },
);

/**
 * The result of SERVICE_STATUS.
 *
 * @param status What is known.
 * @returns 44..2024 bytes.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeServiceStatus, encodeServiceStatus } from "./service_status.ts";
 *
 * const status = {
 *   state: 4,
 *   flags: 1,
 *   pid: 0,
 *   restarts: 10,
 *   sinceMs: 90_000n,
 *   nextAttemptMs: 0n,
 *   instance: 0,
 *   exitKind: 2,
 *   exitCode: 0,
 *   name: "gps",
 *   reason: "restart-limit",
 *   stopping: "",
 *   phase: "",
 *   exitSignal: "SIGSEGV",
 *   description: "",
 *   lastError: "killed by SIGSEGV",
 *   statusText: "",
 *   waitsFor: "",
 * } as const;
 * assertEquals(decodeServiceStatus(encodeServiceStatus(status)), status);
 * ```
 */
export function encodeServiceStatus(
  status: ServiceStatusRecord,
): Uint8Array<ArrayBuffer> {
  return serviceStatusLayout.encode(status);
}

/**
 * Reads and judges the result of SERVICE_STATUS.
 *
 * @param bytes Any bytes.
 * @returns What is known.
 * @throws {WireError} If they are not such a result.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeServiceStatus } from "./service_status.ts";
 *
 * assertThrows(() => decodeServiceStatus(new Uint8Array(9)), WireError);
 * ```
 */
export function decodeServiceStatus(bytes: Uint8Array): ServiceStatusRecord {
  return serviceStatusLayout.decode(bytes);
}
