/**
 * Every layout of `lib/wire` with what the tests need to try it: a generator of
 * random valid records, a record whose bytes were made by other means (Python's
 * `struct` and a bitwise CRC), and changes that an encoder must refuse.
 *
 * @module
 */

import {
  bootTimelineLayout,
  phaseEntryLayout,
} from "../../../lib/wire/boot_timeline.ts";
import type { Layout } from "../../../lib/wire/codec.ts";
import {
  dataProductBlockLayout,
  dataProductLayout,
} from "../../../lib/wire/data_product.ts";
import {
  dataProductEntryLayout,
  dataProductListLayout,
} from "../../../lib/wire/data_product_list.ts";
import {
  dataProductPieceLayout,
  dataProductRequestLayout,
} from "../../../lib/wire/data_product_read.ts";
import {
  fdirEntryLayout,
  fdirRequestLayout,
  fdirResultLayout,
} from "../../../lib/wire/fdir_result.ts";
import { frameFaultLayout } from "../../../lib/wire/error_frame.ts";
import { eventLayout, eventTrailerLayout } from "../../../lib/wire/event.ts";
import {
  eventEntryLayout,
  eventListLayout,
  eventsRequestLayout,
} from "../../../lib/wire/event_list.ts";
import { frameLayout, FrameType } from "../../../lib/wire/frame.ts";
import { healthLayout } from "../../../lib/wire/health.ts";
import {
  journaledDescriptorLayout,
  journaledEventsLayout,
  journaledParameterLayout,
  journalLayout,
} from "../../../lib/wire/journal.ts";
import { logLayout } from "../../../lib/wire/log.ts";
import { parameterLayout } from "../../../lib/wire/parameter.ts";
import {
  parameterGetLayout,
  parameterResponseLayout,
  parameterSetLayout,
} from "../../../lib/wire/parameter_message.ts";
import { listRequestLayout } from "../../../lib/wire/result_list.ts";
import {
  serviceEntryLayout,
  serviceListLayout,
} from "../../../lib/wire/service_list.ts";
import { serviceStatusLayout } from "../../../lib/wire/service_status.ts";
import { sharedPageLayout } from "../../../lib/wire/shared_page.ts";
import { superblockLayout } from "../../../lib/wire/superblock.ts";
import {
  answerLayout,
  answerPageLayout,
  telecommandLayout,
} from "../../../lib/wire/telecommand.ts";
import {
  commitLayout,
  stagedRecordLayout,
  stagedSummaryLayout,
} from "../../../lib/wire/parameter_staging.ts";
import { timeSetLayout } from "../../../lib/wire/time_set.ts";
import { fromHexDump, type Random } from "./support.ts";

/** A record by its field names. */
export type Fields = Readonly<Record<string, unknown>>;

/** One layout with what the tests need. */
export interface Sample {
  readonly layout: Layout<object, object>;
  /** A random valid record. */
  readonly random: (random: Random) => Fields;
  /** A record, and its bytes as other means made them. */
  readonly known: Fields;
  readonly knownBytes: Uint8Array<ArrayBuffer>;
  /** For each field: a value that is refused, and how the message begins. */
  readonly refused: readonly (readonly [Fields, string])[];
}

interface TypedSample<Value extends object, Input extends object> {
  readonly layout: Layout<Value, Input>;
  readonly random: (random: Random) => Value;
  readonly known: Input;
  readonly knownBytes: Uint8Array<ArrayBuffer>;
  readonly refused: readonly (readonly [Fields, string])[];
}

/** Checks the types of a sample, then forgets them: the tests are generic. */
function sample<Value extends object, Input extends object>(
  typed: TypedSample<Value, Input>,
): Sample {
  return typed as unknown as Sample;
}

const VALUE = fromHexDump("0102030405060708090a");
const U8 = "expected 0..255";
const U16 = "expected 0..65535";
const U32 = "expected 0..4294967295";
const U64 = "expected a bigint of 0..18446744073709551615";
const TOO_WIDE_32 = 2 ** 32;

/** Bytes given as hexadecimal digits, filled up with zeros, then a CRC. */
function padded(
  sizeBytes: number,
  head: string,
  tail = "",
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  const end = fromHexDump(tail);
  bytes.set(fromHexDump(head));
  bytes.set(end, sizeBytes - end.length);
  return bytes;
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const u8 = (random: Random) => edge(random, 0xFF);
const u16 = (random: Random) => edge(random, 0xFFFF);
const u32 = (random: Random) => edge(random, 0xFFFFFFFF);

/** An integer of 0..max; an end of the range one time in four. */
function edge(random: Random, max: number): number {
  const kind = random.integer(0, 7);
  return kind === 0 ? 0 : kind === 1 ? max : random.u32() % (max + 1);
}

function u64(random: Random): bigint {
  const kind = random.integer(0, 7);
  return kind === 0 ? 0n : kind === 1 ? 2n ** 64n - 1n : random.u64();
}

function someBytes(random: Random, max: number): Uint8Array<ArrayBuffer> {
  return random.bytes(edge(random, max));
}

const LETTERS = ["a", "Z", "0", "-", " ", "é", "ß", "漢", "😀", "\n"];

/** Text of 1..max bytes in UTF-8, of letters of one to four bytes. */
function someText(random: Random, max: number): string {
  let text: string = random.pick(["a", "b"]);
  const wanted = edge(random, max);
  for (;;) {
    const longer = text + random.pick(LETTERS);
    if (new TextEncoder().encode(longer).length > Math.max(1, wanted)) {
      return text;
    }
    text = longer;
  }
}

const EVENT_HEX = "01020304 03 05 0a0b 68656c6c6f";
const EVENT_BYTES = padded(76, EVENT_HEX, "323d6222");
const DESCRIPTOR = {
  blockOffset: 0x11,
  blockCount: 0x22,
  dataProductClass: 0x3344,
  priority: 5,
  name: "cafés",
  dataCrc32: 0xCAFEBABE,
};
const DESCRIPTOR_BYTES = padded(
  80,
  "00000011 00000022 3344 05 06 636166c3a973",
  "cafebabe",
);
const randomDescriptor = (random: Random) => ({
  blockOffset: u32(random),
  blockCount: u32(random),
  dataProductClass: u16(random),
  priority: u8(random),
  name: someText(random, 64),
  dataCrc32: u32(random),
});
const DESCRIPTOR_REFUSED = [
  [{ blockOffset: -1 }, `block_offset is -1, ${U32}`],
  [{ blockCount: TOO_WIDE_32 }, `block_count is 4294967296, ${U32}`],
  [{ dataProductClass: 65_536 }, `dp_class is 65536, ${U16}`],
  [{ priority: 256 }, `priority is 256, ${U8}`],
  [{ name: "" }, `name is "", expected text of 1..64 bytes`],
  [{ name: "é".repeat(33) }, "name is "],
  [{ name: "a\0b" }, "name is "],
  [{ name: "\uD800" }, "name is "],
  [{ dataCrc32: 1.5 }, `crc32 is 1.5, ${U32}`],
] as const;

const randomService = (random: Random) => ({
  state: random.pick([0, 1, 2, 3, 4]),
  flags: random.integer(0, 31),
  pid: u32(random),
  restarts: u32(random),
  sinceMs: u64(random),
  name: someText(random, 64),
});
const SERVICE_REFUSED = [
  [{ state: 5 }, "state is 5, expected 0 PENDING, 1 STARTING"],
  [{ flags: 32 }, "flags is 32, expected 0..31"],
  [{ pid: -1 }, `pid is -1, ${U32}`],
  [{ restarts: -1 }, `restarts is -1, ${U32}`],
  [{ sinceMs: -1n }, `since_ms is -1, ${U64}`],
] as const;
const randomList = (random: Random) => ({
  total: u32(random),
  first: u32(random),
  entries: someBytes(random, 300),
});
const LIST_REFUSED = [
  [{ total: -1 }, `total is -1, ${U32}`],
  [{ first: -1 }, `first is -1, ${U32}`],
  [{ entries: new Uint8Array(30_000) }, "entries is 30000 bytes"],
] as const;

/** Every layout there is. */
export const SAMPLES: readonly Sample[] = [
  sample({
    layout: superblockLayout,
    random: (random) => ({
      magic: 0x53504F53,
      formatVersion: 1,
      reserved: 0,
      tenantId: u16(random),
      totalBlocks: u32(random),
      dataProductStart: u32(random),
      dataProductSize: u32(random),
      epoch: u64(random),
      uuid: random.bytes(16),
      crc32: 0,
    }),
    known: {
      tenantId: 0x1234,
      totalBlocks: 2048,
      dataProductStart: 33,
      dataProductSize: 2014,
      epoch: 1_750_000_000n,
      uuid: fromHexDump("f81d4fae7dec11d0a76500a0c91e6bf6"),
    },
    knownBytes: fromHexDump(`53504f53 01 00 1234 00000800 00000021 000007de
      00000000684ee180 f81d4fae7dec11d0a76500a0c91e6bf6 0421e6c3`),
    refused: [
      [{ magic: 0 }, "magic is 0, expected 0x53504F53"],
      [{ formatVersion: 2 }, "format_version is 2, expected 1"],
      [{ reserved: 1 }, "reserved is 1, expected 0"],
      [{ tenantId: 65_536 }, `tenant_id is 65536, ${U16}`],
      [{ totalBlocks: TOO_WIDE_32 }, `total_blocks is 4294967296, ${U32}`],
      [{ dataProductStart: -1 }, `dp_start is -1, ${U32}`],
      [{ dataProductSize: NaN }, `dp_size is NaN, ${U32}`],
      [{ epoch: 2n ** 64n }, `epoch is 18446744073709551616, ${U64}`],
      [{ uuid: new Uint8Array(17) }, "uuid is 17 bytes"],
    ],
  }),
  sample({
    layout: parameterLayout,
    random: (random) => ({
      parameterId: u32(random),
      generation: u16(random),
      value: someBytes(random, 240),
    }),
    known: { parameterId: 0xDEADBEEF, generation: 0xFFFE, value: VALUE },
    knownBytes: padded(
      252,
      "deadbeef 000a fffe 0102030405060708090a",
      "7224c0be",
    ),
    refused: [
      [{ parameterId: -1 }, `param_id is -1, ${U32}`],
      [{ generation: 65_536 }, `generation is 65536, ${U16}`],
      [
        { value: new Uint8Array(241) },
        "value is 241 bytes (00000000000000000000000000000000...), expected a Uint8Array of 0..240 bytes",
      ],
      [{ value: "text" }, 'value is "text", expected a Uint8Array'],
    ],
  }),
  sample({
    layout: eventLayout,
    random: (random) => ({
      timestamp: u32(random),
      severity: random.pick([0, 1, 2, 3, 4]),
      eventCode: u16(random),
      payload: someBytes(random, 64),
    }),
    known: {
      timestamp: 0x01020304,
      severity: 3,
      eventCode: 0x0A0B,
      payload: new TextEncoder().encode("hello"),
    },
    knownBytes: EVENT_BYTES,
    refused: [
      [{ timestamp: TOO_WIDE_32 }, `timestamp is 4294967296, ${U32}`],
      [
        { severity: 5 },
        "severity is 5, expected 0 DEBUG, 1 INFO, 2 WARNING, 3 ERROR, 4 CRITICAL",
      ],
      [{ severity: -1 }, "severity is -1, expected 0 DEBUG"],
      [{ eventCode: 65_536 }, `event_code is 65536, ${U16}`],
      [{ payload: new Uint8Array(65) }, "payload is 65 bytes"],
    ],
  }),
  sample({
    layout: eventTrailerLayout,
    random: (random) => ({ sequence: u64(random) }),
    known: { sequence: 0x0102030405060708n },
    knownBytes: padded(56, "0102030405060708", "fee6e590"),
    refused: [
      [{ sequence: -1n }, `sequence is -1, ${U64}`],
      [{ sequence: 1 }, `sequence is 1, ${U64}`],
    ],
  }),
  sample({
    layout: dataProductLayout,
    random: randomDescriptor,
    known: DESCRIPTOR,
    knownBytes: DESCRIPTOR_BYTES,
    refused: DESCRIPTOR_REFUSED,
  }),
  sample({
    layout: dataProductBlockLayout,
    random: (random) => ({
      ...randomDescriptor(random),
      dataLength: u32(random),
    }),
    known: { ...DESCRIPTOR, dataLength: 0x4321 },
    knownBytes: joined(
      DESCRIPTOR_BYTES,
      fromHexDump("00004321 754e9145"),
      new Uint8Array(424),
    ),
    refused: [
      ...DESCRIPTOR_REFUSED,
      [{ dataLength: -1 }, `data_length is -1, ${U32}`],
    ],
  }),
  sample({
    layout: journalLayout,
    random: (random) => ({
      kind: random.pick([1, 2, 3]),
      targetBlock: random.integer(0, 32),
      occupied: random.integer(0, 3),
      payload: random.bytes(504),
    }),
    known: {
      kind: 1,
      targetBlock: 5,
      occupied: 2,
      payload: padded(
        504,
        "deadbeef 000a fffe 0102030405060708090a a001020304050607",
      ),
    },
    knownBytes: padded(
      512,
      "4a010502 deadbeef 000a fffe 0102030405060708090a a001020304050607",
      "db7a7e17",
    ),
    refused: [
      [
        { kind: 0 },
        "kind is 0, expected 1 PARAMETERS, 2 EVENTS, 3 DESCRIPTOR",
      ],
      [{ targetBlock: 33 }, "target_block is 33, expected 0..32"],
      [{ occupied: 4 }, "occupied is 4, expected 0..3"],
      [{ payload: new Uint8Array(503) }, "payload is 503 bytes"],
    ],
  }),
  sample({
    layout: journaledParameterLayout,
    random: (random) => ({
      parameterId: u32(random),
      generation: u16(random),
      value: someBytes(random, 240),
    }),
    known: { parameterId: 0xDEADBEEF, generation: 0xFFFE, value: VALUE },
    knownBytes: fromHexDump("deadbeef 000a fffe 0102030405060708090a"),
    refused: [
      [{ parameterId: -1 }, `param_id is -1, ${U32}`],
      [{ generation: -1 }, `generation is -1, ${U16}`],
      [{ value: new Uint8Array(241) }, "value is 241 bytes"],
    ],
  }),
  sample({
    layout: journaledEventsLayout,
    random: (random) => ({
      records: random.bytes(456),
      sequence: u64(random),
      replacedCrcs: Array.from({ length: 6 }, () => u32(random)),
    }),
    known: {
      records: joined(...Array.from({ length: 6 }, () => EVENT_BYTES)),
      sequence: 13n,
      replacedCrcs: [1, 2, 3, 4, 5, 6],
    },
    knownBytes: joined(
      ...Array.from({ length: 6 }, () => EVENT_BYTES),
      fromHexDump(`000000000000000d 00000001 00000002 00000003
        00000004 00000005 00000006`),
    ),
    refused: [
      [{ records: new Uint8Array(455) }, "records is 455 bytes"],
      [{ sequence: -1n }, `sequence is -1, ${U64}`],
      [{ replacedCrcs: [] }, "replaced_crcs is a list of 0"],
      [
        { replacedCrcs: [1, 2, 3, 4, 5, -1] },
        "replaced_crcs is a list of 6, expected 6",
      ],
    ],
  }),
  sample({
    layout: journaledDescriptorLayout,
    random: (random) => ({
      targetBlock: 33 + edge(random, 0xFFFFFFFF - 33),
      descriptor: random.bytes(88),
    }),
    known: {
      targetBlock: 0x12345,
      descriptor: joined(DESCRIPTOR_BYTES, fromHexDump("00004321 754e9145")),
    },
    knownBytes: joined(
      fromHexDump("00012345"),
      DESCRIPTOR_BYTES,
      fromHexDump("00004321 754e9145"),
    ),
    refused: [
      [{ targetBlock: 32 }, "target_block is 32, expected 33..4294967295"],
      [{ descriptor: new Uint8Array(87) }, "descriptor is 87 bytes"],
    ],
  }),
  sample({
    layout: frameLayout,
    random: (random) => ({
      type: random.pick(Object.values(FrameType)),
      apid: edge(random, 0x7FF),
      destinationApid: edge(random, 0x7FF),
      payload: someBytes(random, 248),
    }),
    known: { type: 8, apid: 0x7FF, destinationApid: 0x123, payload: VALUE },
    knownBytes: padded(256, "01 08 07ff 000a 0123 0102030405060708090a"),
    refused: [
      [{ type: 0 }, "type is 0, expected 1 TM, 2 TC, 3 EVR, 4 PRM_GET"],
      [{ type: 11 }, "type is 11, expected 1 TM"],
      [{ type: 255 }, "type is 255, expected 1 TM"],
      [{ apid: 0x800 }, "apid is 2048, expected 0..2047"],
      [{ destinationApid: 0x800 }, "reserved is 2048, expected 0..2047"],
      [{ payload: new Uint8Array(249) }, "payload is 249 bytes"],
    ],
  }),
  sample({
    layout: frameFaultLayout,
    random: (random) => ({
      code: random.pick([1, 2, 3, 4, 5, 6]),
      offendingType: u8(random),
      offendingApid: u16(random),
      offendingPayloadLength: u16(random),
    }),
    known: {
      code: 3,
      offendingType: 9,
      offendingApid: 0xABCD,
      offendingPayloadLength: 300,
    },
    knownBytes: fromHexDump("03 09 abcd 012c 0000"),
    refused: [
      [{ code: 0 }, "code is 0, expected 1 UNKNOWN_TYPE, 2 UNKNOWN_VERSION"],
      [{ code: 7 }, "code is 7, expected 1 UNKNOWN_TYPE"],
      [{ offendingType: 256 }, `offending_type is 256, ${U8}`],
      [{ offendingApid: -1 }, `offending_apid is -1, ${U16}`],
      [
        { offendingPayloadLength: 65_536 },
        `offending_payload_length is 65536, ${U16}`,
      ],
    ],
  }),
  sample({
    layout: logLayout,
    random: (random) => ({
      stream: random.pick([0, 1, 2]),
      name: someText(random, 128),
      text: someBytes(random, 246),
    }),
    known: {
      stream: 2,
      name: "gps",
      text: new TextEncoder().encode("no fix"),
    },
    knownBytes: fromHexDump("02 03 677073 6e6f20666978"),
    refused: [
      [{ stream: 3 }, "stream is 3, expected 0 INIT, 1 STDOUT, 2 STDERR"],
      [{ name: "x".repeat(129) }, "name is "],
      [{ text: new Uint8Array(247) }, "text is 247 bytes"],
    ],
  }),
  sample({
    layout: healthLayout,
    random: (random) => ({
      uptimeSeconds: u32(random),
      mode: random.pick([0, 1, 2, 3, 4]),
      servicesRunning: u8(random),
      servicesFailed: u8(random),
      anomaliesActive: u8(random),
      memoryAvailableKib: u32(random),
      memoryTotalKib: u32(random),
      loadHundredths: u16(random),
      bootCount: u16(random),
      framesIn: u32(random),
      framesOut: u32(random),
      framesDropped: u32(random),
      childExits: u32(random),
      eventCount: u32(random),
      watchdogPets: u32(random),
    }),
    known: {
      uptimeSeconds: 0x01,
      mode: 4,
      servicesRunning: 5,
      servicesFailed: 6,
      anomaliesActive: 7,
      memoryAvailableKib: 0x08,
      memoryTotalKib: 0x0C,
      loadHundredths: 0x10,
      bootCount: 0x12,
      framesIn: 0x14,
      framesOut: 0x18,
      framesDropped: 0x1C,
      childExits: 0x20,
      eventCount: 0x24,
      watchdogPets: 0x28,
    },
    knownBytes: fromHexDump(`00000001 04 05 06 07 00000008 0000000c 0010 0012
      00000014 00000018 0000001c 00000020 00000024 00000028`),
    refused: [
      [{ uptimeSeconds: -1 }, `uptime_s is -1, ${U32}`],
      [{ mode: 5 }, "mode is 5, expected 0 BOOTING, 1 NOMINAL, 2 DEGRADED"],
      [{ servicesRunning: 256 }, `services_running is 256, ${U8}`],
      [{ servicesFailed: 256 }, `services_failed is 256, ${U8}`],
      [{ anomaliesActive: 256 }, `anomalies_active is 256, ${U8}`],
      [{ memoryAvailableKib: -1 }, `mem_available_kib is -1, ${U32}`],
      [{ memoryTotalKib: 0.5 }, `mem_total_kib is 0.5, ${U32}`],
      [{ loadHundredths: 65_536 }, `load1_x100 is 65536, ${U16}`],
      [{ bootCount: 65_536 }, `boot_count is 65536, ${U16}`],
      [{ framesIn: "1" }, `frames_in is "1", ${U32}`],
      [{ framesOut: null }, `frames_out is null, ${U32}`],
      [{ framesDropped: undefined }, `frames_dropped is undefined, ${U32}`],
      [{ childExits: {} }, `child_exits is an object, ${U32}`],
      [{ eventCount: 1n }, `event_count is 1, ${U32}`],
      [{ watchdogPets: Infinity }, `watchdog_pets is Infinity, ${U32}`],
    ],
  }),
  sample({
    layout: parameterGetLayout,
    random: (random) => ({ parameterId: u32(random) }),
    known: { parameterId: 0x01020304 },
    knownBytes: fromHexDump("01020304"),
    refused: [[{ parameterId: -1 }, `param_id is -1, ${U32}`]],
  }),
  sample({
    layout: parameterSetLayout,
    random: (random) => ({
      parameterId: u32(random),
      value: someBytes(random, 240),
    }),
    known: { parameterId: 7, value: VALUE },
    knownBytes: fromHexDump("00000007 000a 0102030405060708090a"),
    refused: [
      [{ parameterId: TOO_WIDE_32 }, `param_id is 4294967296, ${U32}`],
      [{ value: new Uint8Array(241) }, "value is 241 bytes"],
    ],
  }),
  sample({
    layout: parameterResponseLayout,
    random: (random) => ({
      parameterId: u32(random),
      generation: u16(random),
      status: random.pick([0, 1, 2, 3, 4]),
      more: random.integer(0, 1),
      value: someBytes(random, 238),
    }),
    known: {
      parameterId: 7,
      generation: 0x0809,
      status: 2,
      more: 1,
      value: VALUE,
    },
    knownBytes: fromHexDump("00000007 0809 02 01 000a 0102030405060708090a"),
    refused: [
      [{ parameterId: -1 }, `param_id is -1, ${U32}`],
      [{ generation: 65_536 }, `generation is 65536, ${U16}`],
      [{ status: 5 }, "status is 5, expected 0 OK, 1 UNKNOWN, 2 INVALID"],
      [{ more: 2 }, "more is 2, expected 0..1"],
      [{ value: new Uint8Array(239) }, "value is 239 bytes"],
    ],
  }),
  sample({
    layout: telecommandLayout,
    random: (random) => ({
      command: edge(random, 0x7FFF),
      sequence: u16(random),
      arguments: someBytes(random, 244),
    }),
    known: { command: 5, sequence: 0x1234, arguments: VALUE },
    knownBytes: fromHexDump("0005 1234 0102030405060708090a"),
    refused: [
      [{ command: 0x8000 }, "command is 32768, expected 0..32767"],
      [{ sequence: -1 }, `sequence is -1, ${U16}`],
      [{ arguments: new Uint8Array(245) }, "arguments is 245 bytes"],
    ],
  }),
  sample({
    layout: answerLayout,
    random: (random) => ({
      command: 0x8000 + edge(random, 0x7FFF),
      sequence: u16(random),
      status: u16(random),
      result: someBytes(random, 242),
    }),
    known: { command: 0x8001, sequence: 0x1234, status: 38, result: VALUE },
    knownBytes: fromHexDump("8001 1234 0026 0102030405060708090a"),
    refused: [
      [{ command: 1 }, "command is 1, expected 32768..65535"],
      [{ sequence: 65_536 }, `sequence is 65536, ${U16}`],
      [{ status: -1 }, `status is -1, ${U16}`],
      [{ result: new Uint8Array(243) }, "result is 243 bytes"],
    ],
  }),
  sample({
    layout: answerPageLayout,
    random: (random) => ({
      command: 0x8000 + edge(random, 0x7FFF),
      sequence: u16(random),
      status: u16(random),
      index: edge(random, 0xFFFE),
      count: 1 + edge(random, 0xFFFE),
      result: someBytes(random, 238),
    }),
    known: {
      command: 0x8008,
      sequence: 1,
      status: 0,
      index: 2,
      count: 3,
      result: VALUE,
    },
    knownBytes: fromHexDump("8008 0001 0000 0002 0003 0102030405060708090a"),
    refused: [
      [{ command: 8 }, "command is 8, expected 32768..65535"],
      [{ sequence: -1 }, `sequence is -1, ${U16}`],
      [{ status: 65_536 }, `status is 65536, ${U16}`],
      [{ index: 65_535 }, "index is 65535, expected 0..65534"],
      [{ count: 0 }, "count is 0, expected 1..65535"],
      [{ result: new Uint8Array(239) }, "result is 239 bytes"],
    ],
  }),
  sample({
    layout: listRequestLayout,
    random: (random) => ({ first: u32(random) }),
    known: { first: 0x01020304 },
    knownBytes: fromHexDump("01020304"),
    refused: [[{ first: -1 }, `first is -1, ${U32}`]],
  }),
  sample({
    layout: serviceEntryLayout,
    random: randomService,
    known: {
      state: 2,
      flags: 9,
      pid: 0x1234,
      restarts: 3,
      sinceMs: 0x0102030405060708n,
      name: "gps",
    },
    knownBytes: fromHexDump(
      "02 09 00001234 00000003 0102030405060708 03 677073",
    ),
    refused: [...SERVICE_REFUSED, [{ name: "" }, 'name is ""']],
  }),
  sample({
    layout: serviceListLayout,
    random: randomList,
    known: { total: 9, first: 7, entries: VALUE },
    knownBytes: fromHexDump("00000009 00000007 0102030405060708090a"),
    refused: LIST_REFUSED,
  }),
  sample({
    layout: fdirRequestLayout,
    random: (random) => ({ action: random.pick([0, 1, 2]) }),
    known: { action: 2 },
    knownBytes: fromHexDump("02"),
    refused: [[{ action: 3 }, "action is 3, expected 0 CHECK, 1 RELEASE"]],
  }),
  sample({
    layout: fdirEntryLayout,
    random: (random) => ({
      check: u8(random),
      flags: random.integer(0, 3),
      sinceMs: u64(random),
      subject: someText(random, 40),
      text: someText(random, 255),
    }),
    known: {
      check: 6,
      flags: 2,
      sinceMs: 0x0102030405060708n,
      subject: "machine",
      text: "+ a",
    },
    knownBytes: fromHexDump(
      "06 02 0102030405060708 07 03 6d616368696e65 2b2061",
    ),
    refused: [
      [{ check: 256 }, `check is 256, ${U8}`],
      [{ flags: 4 }, "flags is 4, expected 0..3"],
      [{ sinceMs: -1n }, `since_ms is -1, ${U64}`],
      [{ subject: "x".repeat(256) }, "subject is"],
      [{ text: "x".repeat(256) }, "text is"],
    ],
  }),
  sample({
    layout: fdirResultLayout,
    random: (random) => ({
      checks: u32(random),
      compared: u16(random),
      anomalyCount: u16(random),
      mappingsDigest: random.bytes(32),
      seccompDigest: random.bytes(32),
      cgroupDigest: random.bytes(32),
      entries: someBytes(random, 300),
    }),
    known: {
      checks: 3,
      compared: 2,
      anomalyCount: 1,
      mappingsDigest: new Uint8Array(32).fill(1),
      seccompDigest: new Uint8Array(32).fill(2),
      cgroupDigest: new Uint8Array(32).fill(3),
      entries: VALUE,
    },
    knownBytes: fromHexDump(
      `00000003 0002 0001 ${"01".repeat(32)} ${"02".repeat(32)} ${
        "03".repeat(32)
      } 0102030405060708090a`,
    ),
    refused: [
      [{ checks: -1 }, `checks is -1, ${U32}`],
      [{ compared: 65536 }, `compared is 65536, ${U16}`],
      [{ anomalyCount: -1 }, `anomaly_count is -1, ${U16}`],
      [{ mappingsDigest: new Uint8Array(31) }, "mappings_digest is 31 bytes"],
      [{ seccompDigest: new Uint8Array(31) }, "seccomp_digest is 31 bytes"],
      [{ cgroupDigest: new Uint8Array(31) }, "cgroup_digest is 31 bytes"],
      [{ entries: new Uint8Array(40_000) }, "entries is 40000 bytes"],
    ],
  }),
  sample({
    layout: serviceStatusLayout,
    random: (random) => ({
      ...randomService(random),
      nextAttemptMs: u64(random),
      instance: u32(random),
      exitKind: random.pick([0, 1, 2]),
      exitCode: u16(random),
      reason: someText(random, 32),
      stopping: someText(random, 32),
      phase: someText(random, 32),
      exitSignal: someText(random, 32),
      description: someText(random, 40),
      lastError: someText(random, 40),
      statusText: someText(random, 40),
      waitsFor: someText(random, 40),
    }),
    known: {
      state: 3,
      flags: 1,
      pid: 0,
      restarts: 2,
      sinceMs: 5n,
      nextAttemptMs: 6n,
      instance: 7,
      exitKind: 2,
      exitCode: 0x0102,
      name: "gps",
      reason: "r",
      stopping: "st",
      phase: "p",
      exitSignal: "SIGHUP",
      description: "d",
      lastError: "le",
      statusText: "",
      waitsFor: "a b",
    },
    knownBytes: fromHexDump(`03 01 00000000 00000002 0000000000000005
      0000000000000006 00000007 02 0102 03 01 02 01 06 01 02 00 0003
      677073 72 7374 70 534947485550 64 6c65 612062`),
    refused: [
      ...SERVICE_REFUSED,
      [{ name: "" }, 'name is ""'],
      [{ nextAttemptMs: -1n }, `next_attempt_ms is -1, ${U64}`],
      [{ instance: -1 }, `instance is -1, ${U32}`],
      [{ exitKind: 3 }, "exit_kind is 3, expected 0 NONE, 1 EXITED"],
      [{ exitCode: -1 }, `exit_code is -1, ${U16}`],
      [{ reason: "x".repeat(33) }, "reason is "],
      [{ stopping: "x".repeat(33) }, "stopping is "],
      [{ phase: "x".repeat(33) }, "phase is "],
      [{ exitSignal: "x".repeat(33) }, "exit_signal is "],
      [{ description: "x".repeat(256) }, "description is "],
      [{ lastError: "x".repeat(256) }, "last_error is "],
      [{ statusText: "x".repeat(256) }, "status_text is "],
      [{ waitsFor: "x".repeat(1025) }, "waits_for is "],
    ],
  }),
  sample({
    layout: eventsRequestLayout,
    random: (random) => ({
      from: u64(random),
      count: random.integer(1, 96),
    }),
    known: { from: 0x0102030405060708n, count: 96 },
    knownBytes: fromHexDump("0102030405060708 0060"),
    refused: [
      [{ from: -1n }, `from is -1, ${U64}`],
      [{ count: 97 }, "count is 97, expected 1..96"],
    ],
  }),
  sample({
    layout: eventEntryLayout,
    random: (random) => ({ sequence: u64(random), record: random.bytes(76) }),
    known: { sequence: 13n, record: EVENT_BYTES },
    knownBytes: joined(fromHexDump("000000000000000d"), EVENT_BYTES),
    refused: [
      [{ sequence: -1n }, `sequence is -1, ${U64}`],
      [{ record: new Uint8Array(75) }, "record is 75 bytes"],
    ],
  }),
  sample({
    layout: eventListLayout,
    random: (random) => ({
      nextSequence: u64(random),
      entries: someBytes(random, 300),
    }),
    known: { nextSequence: 14n, entries: VALUE },
    knownBytes: fromHexDump("000000000000000e 0102030405060708090a"),
    refused: [
      [{ nextSequence: -1n }, `next_sequence is -1, ${U64}`],
      [{ entries: new Uint8Array(8065) }, "entries is 8065 bytes"],
    ],
  }),
  sample({
    layout: phaseEntryLayout,
    random: (random) => ({
      startMicroseconds: u64(random),
      durationMicroseconds: u64(random),
      outcome: random.pick([0, 1, 2, 3]),
      name: someText(random, 128),
    }),
    known: {
      startMicroseconds: 0x0102n,
      durationMicroseconds: 0x0304n,
      outcome: 1,
      name: "mounts",
    },
    knownBytes: fromHexDump(
      "0000000000000102 0000000000000304 01 06 6d6f756e7473",
    ),
    refused: [
      [{ startMicroseconds: -1n }, `start_us is -1, ${U64}`],
      [{ durationMicroseconds: -1n }, `duration_us is -1, ${U64}`],
      [{ outcome: 4 }, "outcome is 4, expected 0 RUNNING, 1 DONE"],
      [{ name: "" }, 'name is ""'],
    ],
  }),
  sample({
    layout: bootTimelineLayout,
    random: randomList,
    known: { total: 9, first: 7, entries: VALUE },
    knownBytes: fromHexDump("00000009 00000007 0102030405060708090a"),
    refused: LIST_REFUSED,
  }),
  sample({
    layout: dataProductEntryLayout,
    random: (random) => ({
      descriptor: random.bytes(80),
      dataLength: u32(random),
    }),
    known: { descriptor: DESCRIPTOR_BYTES, dataLength: 0x4321 },
    knownBytes: joined(DESCRIPTOR_BYTES, fromHexDump("00004321")),
    refused: [
      [{ descriptor: new Uint8Array(79) }, "descriptor is 79 bytes"],
      [{ dataLength: -1 }, `data_length is -1, ${U32}`],
    ],
  }),
  sample({
    layout: dataProductListLayout,
    random: (random) => ({
      ...randomList(random),
      freeBytes: u64(random),
      damagedCount: u32(random),
    }),
    known: {
      total: 9,
      first: 7,
      freeBytes: 0x0200n,
      damagedCount: 1,
      entries: VALUE,
    },
    knownBytes: fromHexDump(`00000009 00000007 0000000000000200 00000001
      0102030405060708090a`),
    refused: [
      ...LIST_REFUSED,
      [{ freeBytes: -1n }, `free_bytes is -1, ${U64}`],
      [{ damagedCount: -1 }, `damaged_count is -1, ${U32}`],
    ],
  }),
  sample({
    layout: dataProductRequestLayout,
    random: (random) => ({
      offset: u32(random),
      length: random.integer(1, 29_980),
      name: someText(random, 64),
    }),
    known: { offset: 0x0102, length: 0x0304, name: "image-1" },
    knownBytes: fromHexDump("00000102 00000304 07 696d6167652d31"),
    refused: [
      [{ offset: -1 }, `offset is -1, ${U32}`],
      [{ length: 29_981 }, "length is 29981, expected 1..29980"],
      [{ name: "" }, 'name is ""'],
    ],
  }),
  sample({
    layout: dataProductPieceLayout,
    random: (random) => ({
      dataLength: u32(random),
      offset: u32(random),
      data: someBytes(random, 300),
    }),
    known: { dataLength: 0x0102, offset: 0x0304, data: VALUE },
    knownBytes: fromHexDump("00000102 00000304 0102030405060708090a"),
    refused: [
      [{ dataLength: -1 }, `data_length is -1, ${U32}`],
      [{ offset: -1 }, `offset is -1, ${U32}`],
      [{ data: new Uint8Array(29_981) }, "data is 29981 bytes"],
    ],
  }),
  sample({
    layout: timeSetLayout,
    random: (random) => ({
      seconds: u64(random),
      nanoseconds: edge(random, 999_999_999),
    }),
    known: { seconds: 0x0102030405060708n, nanoseconds: 0x0A0B0C0D },
    knownBytes: fromHexDump("0102030405060708 0a0b0c0d"),
    refused: [
      [{ seconds: -1n }, `mission_seconds is -1, ${U64}`],
      [
        { nanoseconds: 1e9 },
        "mission_nanos is 1000000000, expected 0..999999999",
      ],
    ],
  }),
  sample({
    layout: stagedSummaryLayout,
    random: (random) => ({ length: u32(random), setChecksum: u32(random) }),
    known: { length: 0x01020304, setChecksum: 0x05060708 },
    knownBytes: fromHexDump("01020304 05060708"),
    refused: [
      [{ length: -1 }, `length is -1, ${U32}`],
      [{ setChecksum: 2 ** 32 }, `set_checksum is 4294967296, ${U32}`],
    ],
  }),
  sample({
    layout: commitLayout,
    random: (random) => ({ setChecksum: u32(random) }),
    known: { setChecksum: 0x05060708 },
    knownBytes: fromHexDump("05060708"),
    refused: [[{ setChecksum: 2 ** 32 }, `set_checksum is 4294967296, ${U32}`]],
  }),
  sample({
    layout: stagedRecordLayout,
    random: (random) => ({
      setChecksum: u32(random),
      length: edge(random, 0xFFFF),
      first: random.bytes(edge(random, 234)),
    }),
    known: {
      setChecksum: 0x05060708,
      length: 3,
      first: new Uint8Array([9, 8, 7]),
    },
    knownBytes: fromHexDump("05060708 0003 090807"),
    refused: [
      [{ setChecksum: 2 ** 32 }, `set_checksum is 4294967296, ${U32}`],
      [{ length: 65536 }, "length is 65536, expected 0..65535"],
      [
        { first: new Uint8Array(235) },
        "first is",
      ],
    ],
  }),
  sample({
    layout: sharedPageLayout,
    random: (random) => ({
      guestHeartbeat: u64(random),
      hostHeartbeatAck: u64(random),
      timeVersion: u32(random),
      missionSeconds: u64(random),
      missionNanos: edge(random, 999_999_999),
      guestStatus: u32(random),
      hostCommand: u32(random),
      guestCommandAck: u32(random),
      guestHealth: someText(random, 255),
    }),
    known: {
      guestHeartbeat: 0x0001020304050607n,
      hostHeartbeatAck: 0x08090A0B0C0D0E0Fn,
      timeVersion: 0x10111213,
      missionSeconds: 0x1415161718191A1Bn,
      missionNanos: 0x1C1D1E1F,
      guestStatus: 0x20212223,
      hostCommand: 0x24252627,
      guestCommandAck: 0x28292A2B,
      guestHealth: "nominal",
    },
    knownBytes: joined(
      padded(
        0x100,
        `000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
         202122232425262728292a2b`,
      ),
      padded(0xF00, "6e6f6d696e616c"),
    ),
    refused: [
      [{ guestHeartbeat: -1n }, `guest_heartbeat is -1, ${U64}`],
      [{ hostHeartbeatAck: 0 }, `host_heartbeat_ack is 0, ${U64}`],
      [{ timeVersion: -1 }, `time_version is -1, ${U32}`],
      [{ missionSeconds: -1n }, `mission_seconds is -1, ${U64}`],
      [
        { missionNanos: 1e9 },
        "mission_nanos is 1000000000, expected 0..999999999",
      ],
      [{ guestStatus: -1 }, `guest_status is -1, ${U32}`],
      [{ hostCommand: -1 }, `host_command is -1, ${U32}`],
      [{ guestCommandAck: -1 }, `guest_command_ack is -1, ${U32}`],
      [{ guestHealth: "x".repeat(256) }, "guest_health is "],
    ],
  }),
];
