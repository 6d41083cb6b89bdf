import { assert, assertEquals } from "@std/assert";
import { Committer } from "../../../lib/storage/committer.ts";
import { EventRing } from "../../../lib/storage/events.ts";
import {
  buildEventBlock,
  readEventBlock,
  recordCrcsOf,
} from "../../../lib/storage/event_block.ts";
import { recoverEventBlock } from "../../../lib/storage/journal.ts";
import { crc32c } from "../../../lib/wire/crc32c.ts";
import { RecordingDevice } from "../../simulation/storage/recording_device.ts";
import { event, range } from "./support.ts";

const JOURNAL = 63;

function make(
  durableWrites = false,
): { device: RecordingDevice; committer: Committer } {
  const device = new RecordingDevice(new Uint8Array(64 * 512), durableWrites);
  const state = { journalBlock: JOURNAL, pending: null };
  return { device, committer: new Committer(device, state) };
}

function change(block: number, protect: boolean, again = false) {
  const image = new Uint8Array(512);
  return { block, image, protect, replacedCrcs: null, again };
}

/** The start of an event block over what another lap left there. */
function start(
  block: number,
  codes: readonly number[],
  replacedCrcs: readonly number[] = [1, 2, 3, 4, 5, 6],
) {
  const image = buildEventBlock(97n, codes.map((code) => event(code)));
  return { block, image, protect: true, replacedCrcs, again: true };
}

/** The blocks that were written, with `|` for a flush. */
function trace(device: RecordingDevice): string {
  const text = device.steps.map((step) =>
    step.kind === "write" ? String(step.block) : "|"
  ).join(" ");
  device.steps.length = 0;
  return text;
}

Deno.test("Committer writes the changes of one block to the journal and in place in turn", async () => {
  const { device, committer } = make();
  for (const expected of ["63 |", "1 |", "63 |", "1 |"]) {
    await committer.commit([change(1, true)]);
    assertEquals(trace(device), expected);
  }
});

Deno.test("Committer puts the pending image in place before the journal takes another", async () => {
  const { device, committer } = make();
  await committer.commit([change(1, true)]);
  await committer.commit([change(2, true)]);
  assertEquals(trace(device), "63 | 1 | 63 |");
  await committer.commit([change(3, true), change(4, true), change(5, false)]);
  assertEquals(trace(device), "2 5 | 63 | 3 | 63 |");
});

Deno.test("Committer writes what can harm nobody with the pending image in one flush", async () => {
  const { device, committer } = make();
  await committer.commit([change(1, true)]);
  trace(device);
  await committer.commit([change(5, false), change(9, false)]);
  assertEquals(trace(device), "1 5 9 |");
  assertEquals(committer.pending, null);
});

Deno.test("Committer wipes a spent journal with the next write in place, once", async () => {
  const { device, committer } = make();
  await committer.commit([change(1, true)]);
  await committer.commit([change(1, true)]);
  trace(device);
  await committer.commit([change(5, false)]);
  assertEquals(trace(device), "5 63 |");
  assertEquals(device.bytes.slice(JOURNAL * 512), new Uint8Array(512));
  await committer.commit([change(5, false)]);
  assertEquals(trace(device), "5 |");
});

Deno.test("Committer uses one durable write where one run of blocks is all", async () => {
  const { device, committer } = make(true);
  await committer.commit([change(5, false), change(6, false)]);
  await committer.wipe();
  const kinds = device.steps.map((step) =>
    step.kind === "durable" ? step.only?.size ?? "all" : step.kind
  );
  // The journal is wiped with the first change, so that one is two runs.
  assertEquals(kinds, ["write", "write", "write", "all"]);
  device.steps.length = 0;
  await committer.commit([change(5, false), change(6, false)]);
  assertEquals(
    device.steps.map((step) =>
      step.kind === "durable" ? step.only?.size ?? "all" : step.kind
    ),
    ["write", "write", 2],
  );
});

Deno.test("Committer starts one block over through the journal and clears the others in the same flush", async () => {
  const { device, committer } = make();
  await committer.commit([start(17, [1]), start(18, [2]), start(19, [3])]);
  // 17 in the journal, zeros over 18 and 19; then all three in place.
  assertEquals(trace(device), "18 19 63 | 17 18 19 |");
  await committer.commit([change(1, true), start(20, [4]), start(21, [5])]);
  assertEquals(trace(device), "20 21 63 | 1 20 21 |");
  // With news in the journal both wait for it, over zeros; the last one is
  // going to be changed again, so it is left to the journal.
  await committer.commit([change(1, true)]);
  trace(device);
  await committer.commit([
    { ...start(22, [6]), again: false },
    start(23, [7]),
  ]);
  assertEquals(trace(device), "1 22 23 | 22 63 |");
});

Deno.test("Committer puts a started block in place before a record that is the same as the old one there", async () => {
  const same = event(9);
  const old = buildEventBlock(1n, [event(1), same, event(3)]);
  const { device, committer } = make();
  device.bytes.set(old, 17 * 512);
  await committer.commit([start(17, [7], recordCrcsOf(old))]);
  const image = buildEventBlock(97n, [event(7), same]);
  const next = {
    block: 17,
    image,
    protect: true,
    replacedCrcs: null,
    again: true,
  };
  assertEquals(trace(device), "63 |");
  await committer.commit([next]);
  assertEquals(trace(device), "17 | 63 |");
  // Another record goes the short way.
  const { device: other, committer: short } = make();
  other.bytes.set(old, 17 * 512);
  await short.commit([start(17, [7], recordCrcsOf(old))]);
  trace(other);
  await short.commit([{
    ...next,
    image: buildEventBlock(97n, [event(7), event(8)]),
  }]);
  assertEquals(trace(other), "17 |");
});

Deno.test("Committer starts the only block over that there is without mixing two laps", async () => {
  const { device, committer } = make();
  await committer.commit([start(17, [1, 2, 3, 4, 5, 6])]);
  trace(device);
  await committer.commit([start(17, [7])]);
  assertEquals(trace(device), "17 | 63 |");
});

Deno.test("recoverEventBlock tells every torn mix of two laps, from either end, byte by byte", () => {
  const old = buildEventBlock(1n, range(1, 6).map((code) => event(code)));
  const replaced = recordCrcsOf(old);
  // The same record in the first slot, and others.
  for (const first of [1, 97]) {
    const journal = buildEventBlock(97n, [event(first)]);
    const written = buildEventBlock(97n, [event(first), event(98), event(99)]);
    for (let at = 0; at <= 512; at++) {
      for (const [head, tail] of [[written, old], [old, written]] as const) {
        const torn = head.slice();
        torn.set(tail.subarray(at), at);
        const image = recoverEventBlock(journal, torn, [], replaced) ?? torn;
        const numbered = readEventBlock(image).slots.flatMap((slot) =>
          slot.kind === "record"
            ? [`${slot.sequence} ${slot.record.eventCode}`]
            : []
        );
        const allowed = [`97 ${first}`, "98 98", "99 99"];
        assertEquals(numbered[0], allowed[0], `torn at ${at}`);
        for (const record of numbered) {
          assert(allowed.includes(record), `torn at ${at}: ${record}`);
        }
      }
    }
  }
});

Deno.test("recoverEventBlock keeps what was appended in place after the journal's image", () => {
  const journal = buildEventBlock(97n, [event(97)]);
  const replaced = [1, 2, 3, 4, 5, 6];
  const standing = buildEventBlock(97n, [event(97), event(98)]);
  assertEquals(recoverEventBlock(journal, standing, [], replaced), null);
});

Deno.test("a trailer with anything behind its number gives no numbers, whatever its CRC", () => {
  const image = buildEventBlock(7n, [event(1)]);
  const trailer = image.subarray(456);
  for (let at = 8; at < 52; at++) {
    trailer[at] = 1;
    new DataView(image.buffer).setUint32(508, crc32c(trailer.subarray(0, 52)));
    const block = readEventBlock(image);
    assertEquals([block.trailer, block.firstSequence], ["damaged", null]);
    const [slot] = block.slots;
    assert(slot?.kind === "record" && slot.sequence === null);
    trailer[at] = 0;
  }
});

Deno.test("EventRing puts off an append that would push out one of its own batch", () => {
  const ring = new EventRing(range(1, 16).map(() => new Uint8Array(512)));
  for (const block of range(2, 15)) ring.exclude(block);
  const batch = ring.begin();
  for (const code of range(1, 12)) {
    assertEquals(batch.append(event(code)), BigInt(code));
  }
  assertEquals(batch.append(event(13)), null);
  ring.apply(batch);
  const next = ring.begin();
  assertEquals(next.append(event(13)), 13n);
  ring.apply(next);
  assertEquals(
    ring.recent().map((stored) => stored.eventCode),
    range(7, 13),
  );
});
