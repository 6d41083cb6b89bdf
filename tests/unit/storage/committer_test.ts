import { assertEquals } from "@std/assert";
import { Committer } from "../../../lib/storage/committer.ts";
import { EventRing } from "../../../lib/storage/events.ts";
import { buildEventBlock } from "../../../lib/storage/event_block.ts";
import { recoverEventBlock } from "../../../lib/storage/journal.ts";
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
  return { block, image: new Uint8Array(512), protect, again };
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

Deno.test("recoverEventBlock clears what a torn start of a block left behind a new trailer", () => {
  const old = buildEventBlock(1n, range(1, 6).map((code) => event(code)));
  const journal = buildEventBlock(97n, [event(97)]);
  const mixed = old.slice();
  mixed.set(journal.subarray(0, 76));
  mixed.set(journal.subarray(448), 448);
  assertEquals(recoverEventBlock(journal, mixed, []), journal);
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
