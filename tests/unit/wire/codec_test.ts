import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { defineLayout } from "../../../lib/wire/codec.ts";
import { WireError } from "../../../lib/wire/error.ts";
import {
  AFTER,
  countedBytes,
  countedText,
  crc32cOver,
  lengthOf,
  paddedBytes,
  paddedText,
  reserved,
  rest,
  terminatedText,
  u16,
  u32,
  u64,
  u8,
} from "../../../lib/wire/fields.ts";
import { fromHexDump } from "./support.ts";

Deno.test("defineLayout refuses a table with a gap, an overlap or another size", () => {
  assertThrows(
    () => defineLayout("x", 3, { a: u8(0), b: u8(2) }),
    RangeError,
    "x: b is at 2, expected 1",
  );
  assertThrows(
    () => defineLayout("x", 3, { a: u16(0), b: u8(1) }),
    RangeError,
    "x: b is at 1, expected 2",
  );
  assertThrows(
    () => defineLayout("x", 4, { a: u16(0), b: u8(2) }),
    RangeError,
    "x: the rows take 3 bytes, expected 4",
  );
});

Deno.test("defineLayout knows no offset behind a field of variable length", () => {
  const table = { size: lengthOf(0, "u8", "a"), a: countedBytes(1, 9) };
  const layout = defineLayout("x", 11, { ...table, b: u8(AFTER) });
  assertThrows(() => layout.offsetOf("b"), RangeError, "x: no field b");
  assertThrows(() => layout.offsetOf("c"), RangeError, "x: no field c");
  assertThrows(
    () => defineLayout("x", 11, { ...table, b: u8(10) }),
    RangeError,
    "x: b is at 10, expected after",
  );
});

const VARIABLE = defineLayout("variable", 2 + 5 + 3 + 1 + 4, {
  nameLength: lengthOf(0x00, "u8", "name"),
  dataLength: lengthOf(0x01, "u8", "data"),
  name: countedText(0x02, 5, { min: 1 }),
  data: countedBytes(AFTER, 3),
  kind: u8(AFTER, { min: 1 }),
  tail: rest(AFTER, 4),
});

Deno.test("a layout of variable length takes the room that its values need", () => {
  const record = {
    name: "né",
    data: new Uint8Array([7, 8]),
    kind: 9,
    tail: new Uint8Array([1]),
  };
  const bytes = fromHexDump("03 02 6ec3a9 0708 09 01");
  assertEquals(VARIABLE.encode(record), bytes);
  assertEquals(VARIABLE.decode(bytes), record);
});

Deno.test("a layout of variable length refuses lengths that its bytes can't hold", () => {
  const cases: [string, string][] = [
    ["0900 61 61 09", "name_length is 9, expected at most 2"],
    ["0104 61 0708 09", "data_length is 4, expected at most 2"],
    ["0606 616161616161 0708 09", "name_length is 6, expected at most 5"],
    ["0000 09", 'name is "", expected text of 1..5 bytes'],
    ["0100 61 00", "kind is 0, expected 1..255"],
    [
      "0100 61 09 0102030405",
      "tail is 5 bytes (0102030405), expected a Uint8Array of 0..4 bytes",
    ],
    ["0200 c328 09", "name is "],
  ];
  for (const [dump, message] of cases) {
    const error = assertThrows(
      () => VARIABLE.decode(fromHexDump(dump)),
      WireError,
    );
    assert(error.message.startsWith(`variable: ${message}`), error.message);
  }
});

Deno.test("decode refuses padding that is not zero and names its place", () => {
  const layout = defineLayout("x", 6, {
    size: lengthOf(0, "u8", "data"),
    data: paddedBytes(1, 4),
    unused: reserved(5, 1),
  });
  assertEquals(layout.decode(fromHexDump("02 0a0b0000 00")), {
    data: new Uint8Array([10, 11]),
  });
  const padding = assertThrows(
    () => layout.decode(fromHexDump("02 0a0b0001 00")),
    WireError,
  );
  assertEquals(
    padding.message,
    "x: data padding at 0x04 is 1, expected 0",
  );
  const spare = assertThrows(
    () => layout.decode(fromHexDump("02 0a0b0000 05")),
    WireError,
  );
  assertEquals(spare.message, "x: unused is 1 bytes (05), expected 0");
});

Deno.test("decode judges the CRC before anything else, read not at all", () => {
  const layout = defineLayout("x", 8, {
    kind: u8(0, { max: 1 }),
    unused: reserved(1, 3),
    crc32: crc32cOver(4, 0, 4),
  });
  const bytes = layout.encode({ kind: 1 });
  assert(layout.checkCrc(bytes));
  bytes[0] = 9;
  assertFalse(layout.checkCrc(bytes));
  const error = assertThrows(() => layout.decode(bytes), WireError);
  assertEquals(error.field, "crc32");
  assertEquals(layout.read(bytes), { kind: 9 });
});

Deno.test("encode takes no hidden field from its input", () => {
  const layout = defineLayout("x", 4, { kind: u8(0), unused: reserved(1, 3) });
  const input = { kind: 1, unused: new Uint8Array([1, 2, 3]) };
  assertEquals(layout.encode(input), fromHexDump("01000000"));
});

Deno.test("encode pads text and refuses what would not come back the same", () => {
  const layout = defineLayout("x", 9, {
    size: lengthOf(0, "u8", "text"),
    text: paddedText(1, 8),
  });
  assertEquals(
    layout.encode({ text: "héé" }),
    fromHexDump(
      "05 68c3a9c3a9 000000",
    ),
  );
  for (const text of ["123456789", "a\0", "\uD800", "\uFFFD"]) {
    assertThrows(() => layout.encode({ text }), WireError, "text is ");
  }
});

Deno.test("terminated text ends at its zero byte and needs one", () => {
  const layout = defineLayout("x", 4, { text: terminatedText(0, 4) });
  assertEquals(layout.encode({ text: "abc" }), fromHexDump("61626300"));
  assertEquals(layout.decode(fromHexDump("61005858")).text, "a");
  assertThrows(() => layout.encode({ text: "abcd" }), WireError);
  assertThrows(() => layout.decode(fromHexDump("61626364")), WireError);
});

Deno.test("read takes an impossible length for the nearest that can be", () => {
  const layout = defineLayout("x", 5, {
    size: lengthOf(0, "u8", "data", { max: 4 }),
    data: paddedBytes(1, 4),
  });
  assertEquals(layout.read(fromHexDump("ff 01020304")).data.length, 4);
});

Deno.test("format shows every field in a line of its own, judged", () => {
  const layout = defineLayout("x", 14, {
    kind: u8(0, { max: 3 }),
    flags: u8(1, { hex: true }),
    total: u64(2),
    size: u32(10),
  });
  assertEquals(
    layout.format({ kind: 4, flags: 10, total: 2n ** 63n, size: 1 }),
    `kind   4 (bad: expected 0..3)
flags  0x0A
total  9223372036854775808
size   1`,
  );
});

Deno.test("WireError stays short whatever the value is", () => {
  const values = [
    "x".repeat(1_000_000),
    new Uint8Array(1_000_000),
    Array.from({ length: 100_000 }),
    { toString: () => "x".repeat(1_000_000) },
    Symbol("s"),
    () => 1,
    null,
    undefined,
  ];
  for (const value of values) {
    const error = new WireError({
      layout: "x",
      field: "f",
      value,
      expected: "0",
    });
    assert(error.message.length < 200, error.message.slice(0, 300));
  }
});

Deno.test("a decoded record keeps nothing of the bytes it came from", () => {
  const layout = defineLayout("x", 5, {
    size: lengthOf(0, "u8", "data"),
    data: paddedBytes(1, 4),
  });
  const bytes = fromHexDump("02 0a0b0000");
  const { data } = layout.decode(bytes);
  bytes.fill(0xFF);
  assertEquals(data, new Uint8Array([10, 11]));
});
