/**
 * The arguments and the result of EVENTS_READ [O]: records of the event log as
 * they are, each with its number. Imports the codec and the record.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { defineLayout, type Layout } from "./codec.ts";
import { WireError } from "./error.ts";
import {
  EVENT_RECORD_SIZE_BYTES,
  eventLayout,
  type EventRecord,
} from "./event.ts";
import { bytes, rest, u16, u64 } from "./fields.ts";

/** The most records of one answer: all that the ring holds. */
export const EVENTS_READ_MAX_COUNT = 96;

/** What EVENTS_READ asks for. */
export interface EventsRequest {
  /**
   * 0x00 u64 `from`: the number of the first record that is wanted. With 0,
   * records that other software wrote, which have no number, come as well.
   */
  readonly from: bigint;
  /** 0x08 u16: how many records at most, 1..96. */
  readonly count: number;
}

/** The field table of the arguments. */
export const eventsRequestLayout: Layout<EventsRequest, EventsRequest> =
  defineLayout("EVENTS_READ arguments", 10, {
    from: u64(0x00),
    count: u16(0x08, { min: 1, max: EVENTS_READ_MAX_COUNT }),
  });

/** One record as it is sent. */
export interface NumberedRecord {
  /** 0x00 u64: its number from 1 since format; 0 for one that has none. */
  readonly sequence: bigint;
  /** 0x08 76 bytes: the record as it is in the log. */
  readonly record: Uint8Array;
}

const ENTRY_BYTES = 8 + EVENT_RECORD_SIZE_BYTES;

/** The field table of an entry. */
export const eventEntryLayout: Layout<NumberedRecord, NumberedRecord> =
  defineLayout("EVENTS_READ entry", ENTRY_BYTES, {
    sequence: u64(0x00),
    record: bytes(0x08, EVENT_RECORD_SIZE_BYTES),
  });

/** The result before its entries are read. */
export interface EventListRecord {
  /** 0x00 u64 `next_sequence`: the number that the next record of the log will get. */
  readonly nextSequence: bigint;
  /** 0x08 the entries, 84 bytes each, oldest first. */
  readonly entries: Uint8Array;
}

/** The field table of the result. */
export const eventListLayout: Layout<EventListRecord, EventListRecord> =
  defineLayout(
    "EVENTS_READ result",
    8 + EVENTS_READ_MAX_COUNT * ENTRY_BYTES,
    {
      nextSequence: u64(0x00),
      entries: rest(0x08, EVENTS_READ_MAX_COUNT * ENTRY_BYTES),
    },
  );

/** A record with its number. */
export interface NumberedEvent extends EventRecord {
  /** Its number from 1 since format; null for one that has none. */
  readonly sequence: bigint | null;
}

/** A piece of the event log. */
export interface EventList {
  /** The number that the next record of the log will get. */
  readonly nextSequence: bigint;
  /** The records, oldest first. */
  readonly events: readonly NumberedEvent[];
}

/**
 * The arguments of EVENTS_READ.
 *
 * @param request What is wanted.
 * @returns 10 bytes.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeEventsRequest, encodeEventsRequest } from "./event_list.ts";
 *
 * const request = { from: 7n, count: 20 };
 * assertEquals(decodeEventsRequest(encodeEventsRequest(request)), request);
 * ```
 */
export function encodeEventsRequest(
  request: EventsRequest,
): Uint8Array<ArrayBuffer> {
  return eventsRequestLayout.encode(request);
}

/**
 * Reads and judges the arguments of EVENTS_READ.
 *
 * @param bytes Any bytes.
 * @returns What is wanted.
 * @throws {WireError} If they are not such arguments.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeEventsRequest } from "./event_list.ts";
 *
 * assertThrows(
 *   () => decodeEventsRequest(new Uint8Array(10)),
 *   WireError,
 *   "count is 0, expected 1..96",
 * );
 * ```
 */
export function decodeEventsRequest(bytes: Uint8Array): EventsRequest {
  return eventsRequestLayout.decode(bytes);
}

/**
 * The result of EVENTS_READ.
 *
 * @param list At most 96 records.
 * @returns 8 bytes and 84 for each record.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeEventList, encodeEventList } from "./event_list.ts";
 *
 * const payload = new Uint8Array([1]);
 * const event = { timestamp: 9, severity: 1, eventCode: 2, payload } as const;
 * const list = { nextSequence: 8n, events: [{ ...event, sequence: 7n }] };
 * assertEquals(decodeEventList(encodeEventList(list)), list);
 * ```
 */
export function encodeEventList(list: EventList): Uint8Array<ArrayBuffer> {
  const entries = list.events.map((event) =>
    eventEntryLayout.encode({
      sequence: event.sequence ?? 0n,
      record: eventLayout.encode(event),
    })
  );
  const { nextSequence } = list;
  return eventListLayout.encode({ nextSequence, entries: concat(entries) });
}

/**
 * Reads and judges the result of EVENTS_READ.
 *
 * @param bytes Any bytes.
 * @returns The records.
 * @throws {WireError} If they are not such a result, or a record is not valid.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeEventList } from "./event_list.ts";
 *
 * assertThrows(() => decodeEventList(new Uint8Array(9)), WireError, "84 bytes each");
 * ```
 */
export function decodeEventList(bytes: Uint8Array): EventList {
  const { nextSequence, entries } = eventListLayout.decode(bytes);
  if (entries.length % ENTRY_BYTES !== 0) {
    throw new WireError({
      layout: eventListLayout.name,
      field: "entries",
      value: entries.length,
      expected: `${ENTRY_BYTES} bytes each`,
    });
  }
  const count = entries.length / ENTRY_BYTES;
  const events = Array.from({ length: count }, (_, index) => {
    const start = index * ENTRY_BYTES;
    const { sequence, record } = eventEntryLayout.decode(
      entries.subarray(start, start + ENTRY_BYTES),
    );
    const number = sequence === 0n ? null : sequence;
    return { ...eventLayout.decode(record), sequence: number };
  });
  return { nextSequence, events };
}
