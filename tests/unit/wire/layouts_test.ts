import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
  fail,
} from "@std/assert";
import { WireError } from "../../../lib/wire/error.ts";
import { SAMPLES } from "./samples.ts";
import { bitwiseCrc32c, flipBit, Random } from "./support.ts";

Deno.test("every layout of lib/wire has a sample here", async () => {
  const names: string[] = [];
  const folder = new URL("../../../lib/wire/", import.meta.url);
  for await (const entry of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(new URL(entry.name, folder));
    // The examples in comments define layouts, too; they are not of the room.
    const code = text.replaceAll(/\/\*\*.*?\*\//gs, "");
    for (const call of code.matchAll(/defineLayout\(\s*"([^"]+)"/g)) {
      names.push(call[1] ?? "");
    }
  }
  assertEquals(
    names.sort(),
    SAMPLES.map(({ layout }) => layout.name).sort(),
  );
});

for (const { layout, random, known, knownBytes, refused } of SAMPLES) {
  const { name } = layout;
  const fixed = layout.minimumBytes === layout.sizeBytes;

  Deno.test(`${name}: encode gives the bytes that were made by other means`, () => {
    assertEquals(layout.encode(known), knownBytes);
  });

  Deno.test(`${name}: decode gives the record back from those bytes`, () => {
    const decoded: Record<string, unknown> = { ...layout.decode(knownBytes) };
    for (const [key, value] of Object.entries(known)) {
      assertEquals(decoded[key], value, key);
    }
    assertEquals(layout.read(knownBytes), layout.decode(knownBytes));
    assertEquals(layout.checkCrc(knownBytes), true);
  });

  Deno.test(`${name}: 2000 random records of all ranges survive encode and decode`, () => {
    const source = new Random(name.length * 7919);
    for (let round = 0; round < 2000; round++) {
      const record = random(source);
      const bytes = layout.encode(record);
      const { crc32, ...decoded } = { ...layout.decode(bytes) } as Record<
        string,
        unknown
      >;
      const { crc32: _, ...expected } = record;
      if ("crc32" in record) {
        const at = layout.offsetOf("crc32");
        assertEquals(crc32, bitwiseCrc32c(bytes.subarray(0, at)));
      }
      assertEquals(decoded, expected);
      assertEquals(layout.encode(layout.decode(bytes)), bytes);
      assertEquals(
        layout.encodeUnjudged(layout.decode(bytes)).length,
        bytes.length,
      );
      assert(bytes.length >= layout.minimumBytes);
      assert(bytes.length <= layout.sizeBytes);
      assert(layout.format(layout.decode(bytes)).length > 0);
    }
  });

  Deno.test(`${name}: encode refuses each field out of its range and names field, value and range`, () => {
    const touched = new Set<string>();
    for (const [change, message] of refused) {
      const error = assertThrows(
        () => layout.encode({ ...known, ...change }),
        WireError,
      );
      assert(
        error.message.startsWith(`${name}: ${message}`),
        `${error.message} does not begin with ${name}: ${message}`,
      );
      assertEquals(error.layout, name);
      const key = Object.keys(change)[0] ?? "";
      assertEquals(error.value, change[key]);
      touched.add(key);
    }
    const decoded = Object.keys(layout.decode(knownBytes));
    const untested = decoded.filter((key) =>
      !touched.has(key) && key !== "crc32"
    );
    assertEquals(untested, [], "fields without a refused value");
  });

  Deno.test(`${name}: encodeInto writes the same bytes in place, and nothing when it refuses`, () => {
    const target = new Uint8Array(knownBytes.length + 6).fill(0xEE);
    assertEquals(layout.encodeInto(known, target, 3), knownBytes.length);
    assertEquals(target.slice(3, -3), knownBytes);
    assertEquals(target.slice(0, 3), new Uint8Array(3).fill(0xEE));
    assertEquals(target.slice(-3), new Uint8Array(3).fill(0xEE));
    const before = target.slice();
    for (const offset of [-1, 7, 0.5, NaN]) {
      assertThrows(() => layout.encodeInto(known, target, offset), WireError);
    }
    const [change] = refused[0] ?? fail("no refused value");
    assertThrows(
      () => layout.encodeInto({ ...known, ...change }, target, 0),
      WireError,
    );
    assertEquals(target, before);
  });

  Deno.test(`${name}: decode and read refuse every wrong length by name`, () => {
    const lengths = [layout.sizeBytes + 1, layout.sizeBytes * 2];
    if (layout.minimumBytes > 0) lengths.push(0, layout.minimumBytes - 1);
    for (const length of lengths) {
      for (const judge of [true, false]) {
        const bytes = new Uint8Array(length);
        const error = assertThrows(
          () => judge ? layout.decode(bytes) : layout.read(bytes),
          WireError,
        );
        assertEquals(error.field, "length");
        assertEquals(error.value, length);
        assertEquals(layout.checkCrc(bytes), false);
      }
    }
  });

  Deno.test(`${name}: decode of 20,000 arrays of random bytes and lengths throws nothing but WireError`, () => {
    const source = new Random(name.length * 104_729);
    for (let round = 0; round < 20_000; round++) {
      const length = round % 3 === 0
        ? source.integer(0, layout.sizeBytes + 8)
        : source.integer(layout.minimumBytes, layout.sizeBytes);
      const bytes = source.bytes(
        round % 16 === 0 ? length : Math.min(length, 600),
      );
      try {
        const record = layout.decode(bytes);
        assertEquals(layout.encode(record), bytes, "what decodes is canonical");
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
    }
  });

  Deno.test(`${name}: decode of valid records with some bytes changed throws nothing but WireError`, () => {
    const source = new Random(name.length * 15_485_863);
    for (let round = 0; round < 2000; round++) {
      const bytes = layout.encode(random(source));
      for (let change = source.integer(1, 4); change > 0; change--) {
        bytes[source.integer(0, bytes.length - 1)] = source.u32();
      }
      try {
        const record = layout.decode(bytes);
        assertEquals(layout.decode(layout.encode(record)), record);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
      layout.format(layout.read(bytes));
    }
  });

  Deno.test(`${name}: the table's rows follow each other without gaps`, () => {
    let at = 0;
    for (const { offset, sizeBytes } of layout.describe()) {
      if (offset !== undefined) assertEquals(offset, at);
      at += sizeBytes;
    }
    assertEquals(at, layout.sizeBytes);
    if (fixed) assertEquals(layout.encode(known).length, layout.sizeBytes);
  });

  const crcs = layout.describe().filter(({ name }) => /crc32$/.test(name));
  const sealed = crcs.length > 0 && name !== "data product descriptor";
  if (sealed) {
    Deno.test(`${name}: decode of 5000 arrays of random bytes under a right CRC throws nothing but WireError`, () => {
      const source = new Random(name.length * 32_452_843);
      const at = crcs[0]?.offset ?? fail("no CRC");
      for (let round = 0; round < 5000; round++) {
        const bytes = source.bytes(layout.sizeBytes);
        if (round % 2 === 0) {
          bytes.set(layout.encode(random(source)));
          bytes[source.integer(0, at - 1)] = source.u32();
        }
        new DataView(bytes.buffer).setUint32(
          at,
          bitwiseCrc32c(bytes.subarray(0, at)),
        );
        try {
          const record = layout.decode(bytes);
          assertEquals(layout.encode(record), bytes);
        } catch (error) {
          if (!(error instanceof WireError)) throw error;
          assertNotEquals(error.field, crcs[0]?.name);
        }
      }
    });

    Deno.test(`${name}: every single-bit flip is detected`, () => {
      const source = new Random(4242);
      for (const record of [known, random(source), random(source)]) {
        const bytes = layout.encode(record);
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          assertThrows(
            () => layout.decode(flipBit(bytes, bit)),
            WireError,
            undefined,
            `bit ${bit}`,
          );
        }
      }
    });
  }
}
