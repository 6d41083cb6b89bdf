/**
 * An event record: 76 bytes, six in a block of the event ring, and the trailer
 * behind them that numbers the records (formats.md, "Event record"). The same
 * record is the payload of an EVR frame. Imports the codec.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import {
  crc32cOver,
  enumeration,
  lengthOf,
  paddedBytes,
  reserved,
  u16,
  u32,
  u64,
} from "./fields.ts";

/**
 * How severe an event is, by name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EventSeverity } from "@spaceos/pid1";
 *
 * const isSevere = (severity: number) => severity >= EventSeverity.ERROR;
 * assertEquals([EventSeverity.INFO, EventSeverity.CRITICAL].map(isSevere), [
 *   false,
 *   true,
 * ]);
 * ```
 */
export const EventSeverity = {
  DEBUG: 0,
  INFO: 1,
  WARNING: 2,
  ERROR: 3,
  CRITICAL: 4,
} as const;

/** How severe an event is: 0 DEBUG to 4 CRITICAL. */
export type EventSeverity = typeof EventSeverity[keyof typeof EventSeverity];

/** The size of a record in bytes. */
export const EVENT_RECORD_SIZE_BYTES = 76;
/** How many records an event block holds. */
export const EVENT_RECORDS_PER_BLOCK = 6;
/** The most bytes that a payload has. */
export const EVENT_PAYLOAD_MAX_BYTES = 64;
/** Where the trailer of an event block begins. */
export const EVENT_TRAILER_OFFSET = 456;
/** The size of the trailer in bytes. */
export const EVENT_TRAILER_SIZE_BYTES = 56;

/** One event. */
export interface EventRecord {
  /** 0x00 u32: mission time in seconds. */
  readonly timestamp: number;
  /** 0x04 u8: how severe it is. */
  readonly severity: EventSeverity;
  /** 0x06 u16 `event_code`: what happened. */
  readonly eventCode: number;
  /** 0x08 the details, 0..64 bytes; `payload_len` at 0x05 counts them. */
  readonly payload: Uint8Array;
}

/** What stands behind the records of an event block. */
export interface EventTrailer {
  /** 0x1C8 u64: the number of the block's first record, from 1 since format. */
  readonly sequence: bigint;
}

/** The field table of an event record. */
export const eventLayout: Layout<EventRecord, EventRecord> = defineLayout(
  "event record",
  EVENT_RECORD_SIZE_BYTES,
  {
    timestamp: u32(0x00),
    severity: enumeration(0x04, "u8", EventSeverity),
    payloadLength: lengthOf(0x05, "u8", "payload", {
      name: "payload_len",
      max: EVENT_PAYLOAD_MAX_BYTES,
    }),
    eventCode: u16(0x06),
    payload: paddedBytes(0x08, EVENT_PAYLOAD_MAX_BYTES),
    crc32: crc32cOver(0x48, 0x00, 0x48),
  },
);

/**
 * The field table of the trailer; offsets count from
 * {@linkcode EVENT_TRAILER_OFFSET}. The 44 bytes behind the number are zero; a
 * trailer with anything else there is none of ours, whatever its CRC says, and
 * the block's records have no numbers.
 */
export const eventTrailerLayout: Layout<EventTrailer, EventTrailer> =
  defineLayout("event trailer", EVENT_TRAILER_SIZE_BYTES, {
    sequence: u64(0x00),
    reserved: reserved(0x08, 44),
    crc32: crc32cOver(0x34, 0x00, 0x34),
  });

/**
 * The 76 bytes of a record.
 *
 * @param record The record.
 * @returns A fresh array.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeEventRecord, encodeEventRecord, EventSeverity } from "./event.ts";
 *
 * const record = {
 *   timestamp: 100,
 *   severity: EventSeverity.INFO,
 *   eventCode: 1,
 *   payload: new Uint8Array([1, 2]),
 * };
 * assertEquals(decodeEventRecord(encodeEventRecord(record)), record);
 * ```
 */
export function encodeEventRecord(
  record: EventRecord,
): Uint8Array<ArrayBuffer> {
  return eventLayout.encode(record);
}

/**
 * Reads and judges a record: CRC, severity, length and padding.
 *
 * @param bytes Any bytes.
 * @returns The record.
 * @throws {WireError} If they are not a valid record. An all-zero slot is none.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeEventRecord } from "./event.ts";
 *
 * assertThrows(() => decodeEventRecord(new Uint8Array(76)), WireError, "crc32");
 * ```
 */
export function decodeEventRecord(bytes: Uint8Array): EventRecord {
  return eventLayout.decode(bytes);
}

/**
 * The 56 bytes of a trailer.
 *
 * @param trailer The trailer.
 * @returns A fresh array.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeEventTrailer, encodeEventTrailer } from "./event.ts";
 *
 * const trailer = { sequence: 13n };
 * assertEquals(decodeEventTrailer(encodeEventTrailer(trailer)), trailer);
 * ```
 */
export function encodeEventTrailer(
  trailer: EventTrailer,
): Uint8Array<ArrayBuffer> {
  return eventTrailerLayout.encode(trailer);
}

/**
 * Reads and judges a trailer: its CRC, and that the bytes between are zero.
 *
 * @param bytes Any bytes.
 * @returns The trailer.
 * @throws {WireError} If they are not a valid trailer.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeEventTrailer } from "./event.ts";
 *
 * assertThrows(() => decodeEventTrailer(new Uint8Array(56)), WireError, "crc32");
 * ```
 */
export function decodeEventTrailer(bytes: Uint8Array): EventTrailer {
  return eventTrailerLayout.decode(bytes);
}
