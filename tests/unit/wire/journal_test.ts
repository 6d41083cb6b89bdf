import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeDataProductBlock } from "../../../lib/wire/data_product.ts";
import { WireError } from "../../../lib/wire/error.ts";
import {
  encodeEventRecord,
  encodeEventTrailer,
} from "../../../lib/wire/event.ts";
import {
  decodeJournal,
  encodeJournal,
  type JournalEntry,
  JournalKind,
} from "../../../lib/wire/journal.ts";
import { encodeParameterEntry } from "../../../lib/wire/parameter.ts";
import { bitwiseCrc32c, flipBit, fromHexDump, Random } from "./support.ts";

/** A parameter block with the given value lengths; -1 for an empty slot. */
function parameterImage(
  random: Random,
  lengths: readonly number[],
): Uint8Array<ArrayBuffer> {
  const image = random.bytes(512);
  for (const [slot, length] of lengths.entries()) {
    const entry = length < 0 ? new Uint8Array(252) : encodeParameterEntry({
      parameterId: random.u32(),
      generation: random.integer(0, 65_535),
      value: random.bytes(length),
    });
    image.set(entry, slot * 252);
  }
  return image;
}

function eventImage(random: Random, records: number): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(512);
  for (let slot = 0; slot < records; slot++) {
    const bytes = encodeEventRecord({
      timestamp: random.u32(),
      severity: random.pick([0, 1, 2, 3, 4]),
      eventCode: random.integer(0, 65_535),
      payload: random.bytes(random.integer(0, 64)),
    });
    image.set(bytes, slot * 76);
  }
  image.set(encodeEventTrailer({ sequence: random.u64() }), 456);
  return image;
}

function descriptorImage(random: Random): Uint8Array<ArrayBuffer> {
  return encodeDataProductBlock({
    blockOffset: random.u32(),
    blockCount: random.u32(),
    dataProductClass: random.integer(0, 65_535),
    priority: random.integer(0, 255),
    name: "product".slice(0, random.integer(1, 7)),
    dataCrc32: random.u32(),
    dataLength: random.u32(),
  });
}

function entries(random: Random): JournalEntry[] {
  const lengths = [-1, 0, 1, 100, 239, 240];
  return [
    ...lengths.flatMap((left) =>
      lengths.map((right) => ({
        kind: JournalKind.PARAMETERS,
        targetBlock: random.integer(1, 16),
        image: parameterImage(random, [left, right]),
      }))
    ),
    ...[0, 1, 5, 6].map((records) => ({
      kind: JournalKind.EVENTS,
      targetBlock: random.integer(17, 32),
      image: eventImage(random, records),
    })),
    {
      kind: JournalKind.EVENTS,
      targetBlock: random.integer(17, 32),
      image: eventImage(random, 1),
      replacedCrcs: [0, 1, 2, 0xFFFFFFFF, random.u32(), random.u32()],
    },
    {
      kind: JournalKind.DESCRIPTOR,
      targetBlock: random.pick([33, 0xFFFFFFFF]),
      image: descriptorImage(random),
    },
  ];
}

Deno.test("encodeJournal and decodeJournal give every kind of metadata block back byte for byte", () => {
  const random = new Random(1);
  for (let round = 0; round < 50; round++) {
    for (const entry of entries(random)) {
      const block = encodeJournal(entry);
      assertEquals(block.length, 512);
      assertEquals(decodeJournal(block), entry);
    }
  }
});

Deno.test("encodeJournal carries an event block that has no trailer", () => {
  const image = eventImage(new Random(2), 6).fill(0, 456);
  const entry = { kind: JournalKind.EVENTS, targetBlock: 20, image };
  assertEquals(decodeJournal(encodeJournal(entry)), entry);
});

Deno.test("encodeJournal gives the bytes that Python's struct gives", () => {
  const image = new Uint8Array(512);
  const value = fromHexDump("0102030405060708090a");
  image.set(
    encodeParameterEntry({
      parameterId: 0xDEADBEEF,
      generation: 0xFFFE,
      value,
    }),
    252,
  );
  image.set(fromHexDump("a001020304050607"), 504);
  const block = encodeJournal({
    kind: JournalKind.PARAMETERS,
    targetBlock: 5,
    image,
  });
  const expected = new Uint8Array(512);
  expected.set(fromHexDump(
    "4a010502 deadbeef 000a fffe 0102030405060708090a a001020304050607",
  ));
  expected.set(fromHexDump("db7a7e17"), 508);
  assertEquals(block, expected);
});

Deno.test("decodeJournal tells every single flipped bit", () => {
  const random = new Random(3);
  const all = entries(random);
  for (const index of [0, 14, 35, 36, 39, 40, 41]) {
    const entry = all[index];
    assert(entry);
    const block = encodeJournal(entry);
    for (let bit = 0; bit < 512 * 8; bit++) {
      assertThrows(() => decodeJournal(flipBit(block, bit)), WireError);
    }
  }
});

Deno.test("decodeJournal takes an all-zero block for an empty journal and nothing else", () => {
  assertEquals(decodeJournal(new Uint8Array(512)), null);
  for (let bit = 0; bit < 512 * 8; bit++) {
    const block = flipBit(new Uint8Array(512), bit);
    assertThrows(() => decodeJournal(block), WireError);
  }
  for (const length of [0, 511, 513]) {
    assertThrows(() => decodeJournal(new Uint8Array(length)), WireError);
  }
});

Deno.test("decodeJournal refuses every torn mix of two journal blocks", () => {
  const random = new Random(4);
  const [one, other] = [
    encodeJournal({
      kind: JournalKind.PARAMETERS,
      targetBlock: 1,
      image: parameterImage(random, [240, 240]),
    }),
    encodeJournal({
      kind: JournalKind.EVENTS,
      targetBlock: 17,
      image: eventImage(random, 6),
    }),
  ];
  for (let at = 1; at < 512; at++) {
    const torn = one.slice();
    torn.set(other.subarray(at), at);
    // The first bytes of both are the same magic.
    if (at === 1) assertEquals(torn, other);
    else assertThrows(() => decodeJournal(torn), WireError, undefined, `${at}`);
  }
});

Deno.test("encodeJournal refuses an image that would not come back the same", () => {
  const random = new Random(5);
  const parameters = parameterImage(random, [10, -1]);
  const padding = parameters.slice();
  padding[100] = 1;
  const events = eventImage(random, 3);
  const descriptor = descriptorImage(random);
  const refused: [Omit<JournalEntry, "targetBlock">, number, string][] = [
    [{ kind: 1, image: flipBit(parameters, 8) }, 1, "parameter entry: crc32"],
    [{ kind: 1, image: padding }, 1, "parameter entry: crc32"],
    [{ kind: 2, image: flipBit(events, 460 * 8) }, 17, "event trailer: crc32"],
    [
      { kind: 3, image: flipBit(descriptor, 511 * 8) },
      33,
      "data product block: reserved",
    ],
    [{ kind: 1, image: new Uint8Array(511) }, 1, "journal block: image"],
    [{ kind: 1, image: parameters }, 17, "target_block is 17, expected 1..16"],
    [{ kind: 1, image: parameters }, 0, "target_block is 0, expected 1..16"],
    [{ kind: 2, image: events }, 16, "target_block is 16, expected 17..32"],
    [{ kind: 3, image: descriptor }, 32, "target_block is 32, expected 33.."],
  ];
  for (const [part, targetBlock, message] of refused) {
    assertThrows(
      () => encodeJournal({ ...part, targetBlock }),
      WireError,
      message,
    );
  }
});

Deno.test("an image survives every bit of its records and tail being anything", () => {
  // Record bytes and the last eight bytes are carried as they are, so damage in
  // them is neither hidden nor a reason to refuse.
  const random = new Random(6);
  for (let round = 0; round < 100; round++) {
    const image = eventImage(random, 6);
    image.set(random.bytes(456));
    const entry = { kind: JournalKind.EVENTS, targetBlock: 17, image };
    assertEquals(decodeJournal(encodeJournal(entry)), entry);
  }
});

Deno.test("decodeJournal of random packed images under a right CRC throws nothing but WireError", () => {
  const random = new Random(7);
  let decoded = 0;
  for (let round = 0; round < 1000; round++) {
    const block = encodeJournal(
      random.pick(entries(random).slice(round % 2 === 0 ? -6 : 0)),
    );
    for (let change = random.integer(0, 3); change > 0; change--) {
      block[random.integer(1, round % 3 === 0 ? 20 : 507)] = random.u32();
    }
    const view = new DataView(block.buffer);
    view.setUint32(508, bitwiseCrc32c(block.subarray(0, 508)));
    try {
      const entry = decodeJournal(block);
      assert(entry);
      assertEquals(entry.image.length, 512);
      assertEquals(encodeJournal(entry), block, "what decodes is canonical");
      decoded++;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  }
  assert(decoded > 100, `only ${decoded} were decoded`);
});
