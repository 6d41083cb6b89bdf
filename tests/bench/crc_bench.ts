/**
 * CRC-32C: ours against hash-wasm used directly and against the plain loop of
 * one table and one byte at a time, at the sizes of our records and at 1 MiB.
 *
 * @module
 */

import { createCRC32 } from "hash-wasm";
import {
  crc32c,
  crc32cByHashWasm,
  crc32cByTable,
  loadHashWasm,
} from "../../lib/wire/crc32c.ts";
import type { Comparison } from "./harness.ts";

const hasher = await createCRC32(0x82F63B78);
await loadHashWasm();
const table = new Int32Array(256).map((_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1
      ? (remainder >>> 1) ^ 0x82F63B78
      : remainder >>> 1;
  }
  return remainder;
});

function byPlainTable(bytes: Uint8Array): number {
  let remainder = -1;
  for (const byte of bytes) {
    remainder = (table[(remainder ^ byte) & 0xFF] ?? 0) ^ (remainder >>> 8);
  }
  return ~remainder >>> 0;
}

function byHashWasm(bytes: Uint8Array): number {
  return parseInt(hasher.init().update(bytes).digest("hex"), 16);
}

/** Keeps the results in use, so that no compiler drops the work. */
let sink = 0;

function repeat(
  compute: (bytes: Uint8Array) => number,
  bytes: Uint8Array,
): (times: number) => void {
  return (times) => {
    for (let time = 0; time < times; time++) sink ^= compute(bytes);
  };
}

function comparison(sizeBytes: number): Comparison {
  const bytes = Uint8Array.from(
    { length: sizeBytes },
    (_, index) => index * 31,
  );
  const short = sizeBytes <= 512;
  return {
    title: `CRC-32C of ${sizeBytes} bytes`,
    baseline: "hash-wasm",
    contenders: [
      { name: "hash-wasm", run: repeat(byHashWasm, bytes) },
      { name: "plain table loop", run: repeat(byPlainTable, bytes) },
      { name: "crc32c", run: repeat(crc32c, bytes) },
    ],
    targets: [
      short
        ? {
          contender: "crc32c",
          atLeast: 3,
          otherwise:
            "both need 0.6 to 0.7 ns for a byte (see 1 MiB), so all that can be " +
            "saved is hash-wasm's 0.3 us for a call",
        }
        : { contender: "crc32c", atLeast: 0.95 },
    ],
  };
}

/** Where the two engines cross: the reason for `HASH_WASM_FROM_BYTES`. */
function crossing(sizeBytes: number): Comparison {
  const bytes = new Uint8Array(sizeBytes).fill(0xA5);
  return {
    title: `the two engines at ${sizeBytes} bytes`,
    baseline: "hash-wasm engine",
    contenders: [
      { name: "hash-wasm engine", run: repeat(crc32cByHashWasm, bytes) },
      { name: "table engine", run: repeat(crc32cByTable, bytes) },
    ],
  };
}

export const comparisons: readonly Comparison[] = [
  ...[48, 252, 512, 1 << 20].map(comparison),
  ...[1024, 2048, 4096].map(crossing),
];

/** The sink, so that it counts as used. */
export function checksum(): number {
  return sink;
}
