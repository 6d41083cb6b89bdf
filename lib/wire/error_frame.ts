/**
 * The payload of an ERROR frame: why a frame could not be taken (formats.md,
 * "Payloads"). Imports the codec.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import { enumeration, reserved, u16, u8 } from "./fields.ts";

/**
 * Why a frame was refused, by name; the fields are upstream's, the numbers ours [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FrameErrorCode } from "@spaceos/pid1";
 *
 * assertEquals(FrameErrorCode.MESSAGE_TOO_LARGE, 3);
 * ```
 */
export const FrameErrorCode = {
  /** No such frame type. */
  UNKNOWN_TYPE: 1,
  /** No such version of the frame format. */
  UNKNOWN_VERSION: 2,
  /** The payload length exceeds 248. */
  MESSAGE_TOO_LARGE: 3,
  /** The source id is not the sender's, or is nobody's. */
  APID_NOT_ALLOCATED: 4,
  /** The receiver can't take it now; try again. */
  HOST_BUSY: 5,
  /** Anything else that is not as the format says. */
  MALFORMED: 6,
} as const;

/** Why a frame was refused. */
export type FrameErrorCode = typeof FrameErrorCode[keyof typeof FrameErrorCode];

/** The size of the payload in bytes. */
export const FRAME_FAULT_SIZE_BYTES = 8;

/** What an ERROR frame says. */
export interface FrameFault {
  /** 0x00 u8: why. */
  readonly code: FrameErrorCode;
  /** 0x01 u8: the refused frame's type, as it came. */
  readonly offendingType: number;
  /** 0x02 u16: its source id, as it came. */
  readonly offendingApid: number;
  /** 0x04 u16: its payload length, as it came. */
  readonly offendingPayloadLength: number;
}

/** The field table of an ERROR frame's payload. */
export const frameFaultLayout: Layout<FrameFault, FrameFault> = defineLayout(
  "ERROR payload",
  FRAME_FAULT_SIZE_BYTES,
  {
    code: enumeration(0x00, "u8", FrameErrorCode),
    offendingType: u8(0x01),
    offendingApid: u16(0x02, { hex: true }),
    offendingPayloadLength: u16(0x04),
    reserved: reserved(0x06, 2),
  },
);

/**
 * The payload of an ERROR frame.
 *
 * @param fault What is said.
 * @returns 8 bytes.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeFrameFault, encodeFrameFault, FrameErrorCode } from "./error_frame.ts";
 *
 * const fault = {
 *   code: FrameErrorCode.UNKNOWN_TYPE,
 *   offendingType: 99,
 *   offendingApid: 0x10,
 *   offendingPayloadLength: 3,
 * };
 * assertEquals(decodeFrameFault(encodeFrameFault(fault)), fault);
 * ```
 */
export function encodeFrameFault(fault: FrameFault): Uint8Array<ArrayBuffer> {
  return frameFaultLayout.encode(fault);
}

/**
 * Reads and judges the payload of an ERROR frame.
 *
 * @param payload Any bytes.
 * @returns What is said.
 * @throws {WireError} If they are not such a payload.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeFrameFault } from "./error_frame.ts";
 *
 * assertThrows(() => decodeFrameFault(new Uint8Array(8)), WireError, "code is 0");
 * ```
 */
export function decodeFrameFault(payload: Uint8Array): FrameFault {
  return frameFaultLayout.decode(payload);
}
