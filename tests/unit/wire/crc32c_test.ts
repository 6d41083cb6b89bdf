import { assertEquals, assertNotEquals } from "@std/assert";
import {
  Crc32c,
  crc32c,
  crc32cByHashWasm,
  crc32cByTable,
  HASH_WASM_FROM_BYTES,
  loadHashWasm,
} from "../../../lib/wire/crc32c.ts";
import { bitwiseCrc32c, Random } from "./support.ts";

// Else the table loop would be held against itself.
assertEquals(await loadHashWasm(), true);

// RFC 3720, appendix B.4, and the catalogue's check value.
const VECTORS: readonly (readonly [string, Uint8Array, number])[] = [
  ["no bytes", new Uint8Array(), 0],
  ["123456789", new TextEncoder().encode("123456789"), 0xE3069283],
  ["32 bytes of zero", new Uint8Array(32), 0x8A9136AA],
  ["32 bytes of one", new Uint8Array(32).fill(0xFF), 0x62A8AB43],
  ["32 rising bytes", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46DD794E],
  [
    "32 falling bytes",
    Uint8Array.from({ length: 32 }, (_, i) => 31 - i),
    0x113FDB5C,
  ],
];

Deno.test("crc32c gives the published check values with each engine", () => {
  for (const [name, bytes, expected] of VECTORS) {
    assertEquals(crc32c(bytes), expected, name);
    assertEquals(crc32cByTable(bytes), expected, name);
    assertEquals(crc32cByHashWasm(bytes), expected, name);
    assertEquals(bitwiseCrc32c(bytes), expected, name);
  }
});

Deno.test("crc32c agrees with hash-wasm and a bit-by-bit division at every length around its slices", () => {
  const random = new Random(1);
  for (let length = 0; length <= 600; length++) {
    const bytes = random.bytes(length);
    const expected = bitwiseCrc32c(bytes);
    assertEquals(crc32cByTable(bytes), expected, `${length} bytes`);
    assertEquals(crc32cByHashWasm(bytes), expected, `${length} bytes`);
  }
});

Deno.test("crc32c agrees with itself across the change of engine", () => {
  const random = new Random(2);
  for (
    const length of [
      HASH_WASM_FROM_BYTES - 1,
      HASH_WASM_FROM_BYTES,
      HASH_WASM_FROM_BYTES + 1,
      65_537,
    ]
  ) {
    const bytes = random.bytes(length);
    assertEquals(crc32c(bytes), crc32cByTable(bytes));
    assertEquals(crc32c(bytes), bitwiseCrc32c(bytes));
  }
});

Deno.test("crc32c reads only the view it is given, wherever it lies in its buffer", () => {
  const random = new Random(3);
  for (let offset = 0; offset < 20; offset++) {
    const whole = random.bytes(300);
    const view = whole.subarray(offset, offset + 252);
    assertEquals(crc32c(view), bitwiseCrc32c(view.slice()));
  }
});

Deno.test("Crc32c gives the same checksum however the bytes are cut", () => {
  const random = new Random(4);
  const bytes = random.bytes(5000);
  const expected = bitwiseCrc32c(bytes);
  for (let round = 0; round < 200; round++) {
    const crc = new Crc32c();
    for (let at = 0; at < bytes.length;) {
      const next = at + random.integer(0, 700);
      crc.update(bytes.subarray(at, next));
      at = next;
    }
    assertEquals(crc.digest(), expected);
  }
});

Deno.test("Crc32c can go on after a digest, and two of them don't disturb each other", () => {
  const random = new Random(5);
  const [left, right] = [random.bytes(100), random.bytes(100)];
  const one = new Crc32c().update(left);
  const other = new Crc32c().update(right);
  assertEquals(one.digest(), crc32c(left));
  assertEquals(other.digest(), crc32c(right));
  const both = new Uint8Array(200);
  both.set(left);
  both.set(right, 100);
  assertEquals(one.update(right).digest(), crc32c(both));
});

Deno.test("crc32c tells any single flipped bit of a 252-byte record", () => {
  const bytes = new Random(6).bytes(252);
  const expected = crc32c(bytes);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const mask = 1 << (bit % 8);
    const index = bit >>> 3;
    bytes[index] = (bytes[index] ?? 0) ^ mask;
    assertNotEquals(crc32c(bytes), expected, `bit ${bit}`);
    bytes[index] = (bytes[index] ?? 0) ^ mask;
  }
});
