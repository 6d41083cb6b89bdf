/**
 * The codecs that follow from field tables against the same written by hand
 * with a DataView, which judge as much.
 *
 * @module
 */

import { crc32c } from "../../lib/wire/crc32c.ts";
import {
  decodeEventRecord,
  encodeEventRecord,
  type EventRecord,
  EventSeverity,
} from "../../lib/wire/event.ts";
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameType,
} from "../../lib/wire/frame.ts";
import {
  decodeParameterEntry,
  encodeParameterEntry,
  type ParameterEntry,
} from "../../lib/wire/parameter.ts";
import type { Comparison } from "./harness.ts";

const frame: Frame = {
  type: FrameType.TC,
  apid: 1,
  destinationApid: 0,
  payload: new Uint8Array(64).fill(7),
};
const entry: ParameterEntry = {
  parameterId: 42,
  generation: 3,
  value: new Uint8Array(32).fill(9),
};
const record: EventRecord = {
  timestamp: 1000,
  severity: EventSeverity.INFO,
  eventCode: 1,
  payload: new Uint8Array(20).fill(5),
};

function requireRange(value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`${value} is not 0..${max}`);
  }
}

function requireZero(bytes: Uint8Array, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    if (bytes[at] !== 0) throw new RangeError(`byte ${at} is not zero`);
  }
}

function encodeFrameByHand(value: Frame): Uint8Array {
  requireRange(value.type, 10);
  requireRange(value.apid, 0x7FF);
  requireRange(value.destinationApid, 0x7FF);
  requireRange(value.payload.length, 248);
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 1);
  view.setUint8(1, value.type);
  view.setUint16(2, value.apid);
  view.setUint16(4, value.payload.length);
  view.setUint16(6, value.destinationApid);
  bytes.set(value.payload, 8);
  return bytes;
}

function decodeFrameByHand(bytes: Uint8Array): object {
  requireRange(bytes.length, 256);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint8(0) !== 1) throw new RangeError("version");
  const type = view.getUint8(1);
  const apid = view.getUint16(2);
  const length = view.getUint16(4);
  const destinationApid = view.getUint16(6);
  requireRange(type, 10);
  requireRange(apid, 0x7FF);
  requireRange(length, 248);
  requireRange(destinationApid, 0x7FF);
  requireZero(bytes, 8 + length, 256);
  return { type, apid, destinationApid, payload: bytes.slice(8, 8 + length) };
}

function encodeEntryByHand(value: ParameterEntry): Uint8Array {
  requireRange(value.parameterId, 0xFFFFFFFF);
  requireRange(value.generation, 0xFFFF);
  requireRange(value.value.length, 240);
  const bytes = new Uint8Array(252);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, value.parameterId);
  view.setUint16(4, value.value.length);
  view.setUint16(6, value.generation);
  bytes.set(value.value, 8);
  view.setUint32(248, crc32c(bytes.subarray(0, 248)));
  return bytes;
}

function decodeEntryByHand(bytes: Uint8Array): object {
  requireRange(bytes.length, 252);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(248) !== crc32c(bytes.subarray(0, 248))) {
    throw new RangeError("crc");
  }
  const length = view.getUint16(4);
  requireRange(length, 240);
  requireZero(bytes, 8 + length, 248);
  return {
    parameterId: view.getUint32(0),
    generation: view.getUint16(6),
    value: bytes.slice(8, 8 + length),
  };
}

/** Keeps the results in use. */
let sink: unknown;

function repeat(work: () => unknown): (times: number) => void {
  return (times) => {
    for (let time = 0; time < times; time++) sink = work();
  };
}

function comparison(
  title: string,
  byHand: () => unknown,
  byTable: () => unknown,
): Comparison {
  return {
    title,
    baseline: "by hand",
    contenders: [
      { name: "by hand", run: repeat(byHand) },
      { name: "by field table", run: repeat(byTable) },
    ],
  };
}

const frameBytes = encodeFrame(frame);
const entryBytes = encodeParameterEntry(entry);
const recordBytes = encodeEventRecord(record);

export const comparisons: readonly Comparison[] = [
  comparison(
    "encode a frame",
    () => encodeFrameByHand(frame),
    () => encodeFrame(frame),
  ),
  comparison(
    "decode a frame",
    () => decodeFrameByHand(frameBytes),
    () => decodeFrame(frameBytes),
  ),
  comparison(
    "encode a parameter entry",
    () => encodeEntryByHand(entry),
    () => encodeParameterEntry(entry),
  ),
  comparison(
    "decode a parameter entry",
    () => decodeEntryByHand(entryBytes),
    () => decodeParameterEntry(entryBytes),
  ),
  {
    title: "encode and decode an event record",
    baseline: "encode",
    contenders: [
      { name: "encode", run: repeat(() => encodeEventRecord(record)) },
      { name: "decode", run: repeat(() => decodeEventRecord(recordBytes)) },
    ],
  },
];

/** The sink, so that it counts as used. */
export function last(): unknown {
  return sink;
}
