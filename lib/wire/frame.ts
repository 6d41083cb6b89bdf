/**
 * The frame of the host link: 256 bytes, always (formats.md, "Frame"). Imports
 * the codec and the payload of an ERROR frame.
 *
 * @module
 */

import { defineLayout, type Layout, skipZeros } from "./codec.ts";
import { FrameErrorCode, type FrameFault } from "./error_frame.ts";
import { WireError } from "./error.ts";
import {
  enumeration,
  hiddenConstant,
  lengthOf,
  paddedBytes,
  u16,
  writeInteger,
} from "./fields.ts";

/**
 * The size of a frame in bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Apid, encodeFrame, FRAME_SIZE_BYTES, FrameType } from "@spaceos/pid1";
 *
 * const frame = encodeFrame({
 *   type: FrameType.TC,
 *   apid: Apid.HOST,
 *   destinationApid: Apid.INIT,
 *   payload: new Uint8Array(0),
 * });
 * assertEquals(frame.length, FRAME_SIZE_BYTES);
 * ```
 */
export const FRAME_SIZE_BYTES = 256;
/**
 * The most bytes that a payload has.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FRAME_PAYLOAD_MAX_BYTES, FRAME_SIZE_BYTES } from "@spaceos/pid1";
 *
 * assertEquals(FRAME_SIZE_BYTES - FRAME_PAYLOAD_MAX_BYTES, 8);
 * ```
 */
export const FRAME_PAYLOAD_MAX_BYTES = 248;
/** The version of the frame format [O]. */
export const FRAME_VERSION = 1;

/**
 * The frame types by name, in upstream's order; the numbers are ours [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FrameType } from "@spaceos/pid1";
 *
 * const nameOf = (type: number) =>
 *   Object.entries(FrameType).find(([, number]) => number === type)?.[0];
 * assertEquals(nameOf(2), "TC");
 * ```
 */
export const FrameType = {
  /** Telemetry: the answer to a telecommand. */
  TM: 1,
  /** Telecommand: the host asks for something. */
  TC: 2,
  /** Event report: an event record. */
  EVR: 3,
  /** Asks for a parameter or for all. */
  PRM_GET: 4,
  /** Sets a parameter. */
  PRM_SET: 5,
  /** Answers PRM_GET and PRM_SET. */
  PRM_RSP: 6,
  /** A data product was written: its descriptor. */
  DP: 7,
  /** How the machine is. */
  HEALTH: 8,
  /** A line of output. */
  LOG: 9,
  /** A frame could not be taken. */
  ERROR: 10,
} as const;

/** A frame's type. */
export type FrameType = typeof FrameType[keyof typeof FrameType];

/**
 * Application process ids (CCSDS) that have a meaning here.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Apid } from "@spaceos/pid1";
 *
 * const isOfTheSystem = (apid: number) => apid <= Apid.SYSTEM_LAST;
 * assertEquals([Apid.INIT, 0x010].map(isOfTheSystem), [true, false]);
 * ```
 */
export const Apid = {
  /** The host [O]. */
  HOST: 0x000,
  /** spaceos-init [O]. */
  INIT: 0x001,
  /** The last of the system's ids, 0x001..0x00F [U]. */
  SYSTEM_LAST: 0x00F,
  /** The last id there is. */
  LAST: 0x7FF,
} as const;

/** One frame. */
export interface Frame {
  /** 0x01 u8: what the payload is. */
  readonly type: FrameType;
  /** 0x02 u16: who sends it, 0..0x7FF. */
  readonly apid: number;
  /** 0x06 u16 `reserved`: whom it is for when it is switched, else 0. */
  readonly destinationApid: number;
  /** 0x08 0..248 bytes; `payload_length` at 0x04 counts them. */
  readonly payload: Uint8Array;
}

/** The field table of a frame. */
export const frameLayout: Layout<Frame, Frame> = defineLayout(
  "frame",
  FRAME_SIZE_BYTES,
  {
    version: hiddenConstant(0x00, "u8", FRAME_VERSION),
    type: enumeration(0x01, "u8", FrameType),
    apid: u16(0x02, { max: Apid.LAST, hex: true }),
    payloadLength: lengthOf(0x04, "u16", "payload", {
      max: FRAME_PAYLOAD_MAX_BYTES,
    }),
    destinationApid: u16(0x06, { name: "reserved", max: Apid.LAST, hex: true }),
    payload: paddedBytes(0x08, FRAME_PAYLOAD_MAX_BYTES, { isView: true }),
  },
);

/**
 * The 256 bytes of a frame.
 *
 * @param frame The frame.
 * @returns A fresh array.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Apid, decodeFrame, encodeFrame, FrameType } from "./frame.ts";
 *
 * const frame = {
 *   type: FrameType.TC,
 *   apid: Apid.HOST,
 *   destinationApid: 0,
 *   payload: new Uint8Array([0, 1, 0, 7]),
 * };
 * const bytes = encodeFrame(frame);
 * assertEquals(bytes.slice(0, 12), new Uint8Array([1, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 7]));
 * assertEquals(decodeFrame(bytes), frame);
 * ```
 */
export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  return frameLayout.encode(frame);
}

/**
 * Reads and judges a frame.
 *
 * @param bytes Any bytes.
 * @returns The frame; its payload is a view of these bytes, not a copy.
 * @throws {WireError} If they are not a valid frame.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeFrame } from "./frame.ts";
 *
 * assertThrows(() => decodeFrame(new Uint8Array(256)), WireError, "version is 0");
 * ```
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  return frameLayout.decode(bytes);
}

/** What {@linkcode receiveFrame} made of the bytes. */
export type ReceivedFrame =
  | { readonly ok: true; readonly frame: Frame }
  | {
    readonly ok: false;
    /** What the ERROR frame in answer says. */
    readonly fault: FrameFault;
    /**
     * Whether the sender is told: not if the frame was itself an ERROR, lest
     * two peers answer each other for ever.
     */
    readonly answer: boolean;
    /** The same in words. */
    readonly reason: string;
  };

/**
 * Judges the 256 bytes that a link delivered. Never throws, so that no peer can
 * harm the receiver.
 *
 * @param bytes What came.
 * @returns The frame, whose payload is a view of these bytes and not a copy, or
 * the payload of the ERROR frame that answers it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FrameErrorCode } from "./error_frame.ts";
 * import { receiveFrame } from "./frame.ts";
 *
 * const received = receiveFrame(new Uint8Array(256).fill(0xFF));
 * assertEquals(received.ok, false);
 * assertEquals(
 *   !received.ok && received.fault.code,
 *   FrameErrorCode.UNKNOWN_VERSION,
 * );
 * ```
 */
export function receiveFrame(bytes: Uint8Array): ReceivedFrame {
  const plain = plainFrame(bytes);
  if (plain !== null) return { ok: true, frame: plain };
  try {
    return { ok: true, frame: frameLayout.decode(bytes) };
  } catch (error) {
    const field = error instanceof WireError ? error.field : "";
    const offendingType = bytes[TYPE_AT] ?? 0;
    return {
      ok: false,
      fault: {
        code: FAULT_OF_FIELD[field] ?? FrameErrorCode.MALFORMED,
        offendingType,
        offendingApid: u16At(bytes, APID_AT),
        offendingPayloadLength: u16At(bytes, LENGTH_AT),
      },
      answer: offendingType !== FrameType.ERROR,
      reason: error instanceof Error ? error.message : String(error),
    };
  }
}

const VERSION_AT = frameLayout.offsetOf("version");
const TYPE_AT = frameLayout.offsetOf("type");
const APID_AT = frameLayout.offsetOf("apid");
const LENGTH_AT = frameLayout.offsetOf("payloadLength");
const DESTINATION_AT = frameLayout.offsetOf("destinationApid");
const PAYLOAD_AT = frameLayout.offsetOf("payload");

const TYPES: ReadonlySet<number> = new Set(Object.values(FrameType));

function isFrameType(type: number): type is FrameType {
  return TYPES.has(type);
}

/**
 * The frame in bytes with which nothing is wrong, read without the table; null
 * leaves it to the table. Nearly every frame is such a one, and the table takes
 * ten times as many instructions, which an emulated machine feels.
 */
function plainFrame(bytes: Uint8Array): Frame | null {
  if (bytes.length !== FRAME_SIZE_BYTES) return null;
  const type = bytes[TYPE_AT] ?? 0;
  const apid = u16At(bytes, APID_AT);
  const length = u16At(bytes, LENGTH_AT);
  const destinationApid = u16At(bytes, DESTINATION_AT);
  const end = PAYLOAD_AT + length;
  if (
    bytes[VERSION_AT] !== FRAME_VERSION || !isFrameType(type) ||
    apid > Apid.LAST || destinationApid > Apid.LAST ||
    length > FRAME_PAYLOAD_MAX_BYTES ||
    skipZeros(bytes, end, FRAME_SIZE_BYTES) !== FRAME_SIZE_BYTES
  ) return null;
  const payload = bytes.subarray(PAYLOAD_AT, end);
  return { type, apid, destinationApid, payload };
}

/**
 * Says how long the payload of a frame is that was written in its place, and
 * clears what the last one had more.
 *
 * @param frame A valid frame: 256 bytes.
 * @param lengthBytes The new length, 0..248.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeFrame, encodeFrame, FrameType, setPayloadLength } from "./frame.ts";
 *
 * const frame = { type: FrameType.TM, apid: 1, destinationApid: 0 };
 * const bytes = encodeFrame({ ...frame, payload: Uint8Array.of(7, 8, 9) });
 * setPayloadLength(bytes, 1);
 * assertEquals(decodeFrame(bytes).payload, Uint8Array.of(7));
 * ```
 */
export function setPayloadLength(frame: Uint8Array, lengthBytes: number): void {
  const before = u16At(frame, LENGTH_AT);
  if (lengthBytes < before) {
    frame.fill(0, PAYLOAD_AT + lengthBytes, PAYLOAD_AT + before);
  }
  writeInteger(frame, LENGTH_AT, 2, lengthBytes);
}

const FAULT_OF_FIELD: Readonly<Record<string, FrameErrorCode>> = {
  version: FrameErrorCode.UNKNOWN_VERSION,
  type: FrameErrorCode.UNKNOWN_TYPE,
  apid: FrameErrorCode.APID_NOT_ALLOCATED,
  payload_length: FrameErrorCode.MESSAGE_TOO_LARGE,
};

function u16At(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] ?? 0) << 8 | (bytes[offset + 1] ?? 0);
}
