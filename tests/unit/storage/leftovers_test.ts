/** What failed writes leave on the medium must not be taken for records later. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  buildEventBlock,
  readEventBlock,
} from "../../../lib/storage/event_block.ts";
import { EventRing } from "../../../lib/storage/events.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import { openVolume } from "../../../lib/storage/volume.ts";
import type { RecordingDevice } from "../../simulation/storage/recording_device.ts";
import { codes, event, filled, makeDisk, range, reopen } from "./support.ts";

/** Sixteen blocks of a ring, empty but for some. */
function ringOf(blocks: Readonly<Record<number, Uint8Array<ArrayBuffer>>>) {
  return new EventRing(
    range(0, 15).map((index) => blocks[index] ?? new Uint8Array(512)),
  );
}

/** The codes of all records on the medium, whether they count or not. */
function codesOnMedium(device: RecordingDevice): number[] {
  return range(17, 32).flatMap((block) =>
    readEventBlock(device.bytes.subarray(block * 512, (block + 1) * 512)).slots
      .flatMap((slot) => slot.kind === "record" ? [slot.record.eventCode] : [])
  ).sort((one, other) => one - other);
}

/** Has the next flushes fail; what they were for is on the medium all the same. */
function failFlushes(device: RecordingDevice, times: number): void {
  let left = times;
  device.faults = { failFlush: () => left-- > 0 };
}

Deno.test("EventRing goes on behind the newest record, not in a block that began later and ends before it", () => {
  const ring = ringOf({
    0: buildEventBlock(7n, range(7, 11).map((code) => event(code))),
    // Not taken, the device said; so it was done again in the block behind.
    1: buildEventBlock(13n, [event(13)]),
    2: buildEventBlock(12n, range(12, 17).map((code) => event(code))),
  });
  assertEquals(ring.nextSequence, 18n);
  const batch = ring.begin();
  assertEquals(batch.append(event(18)), 18n);
  assertEquals([...batch.started], [3]);
  ring.apply(batch);
  assertEquals(
    ring.recent().map(({ sequence }) => Number(sequence)),
    range(7, 18),
  );
});

Deno.test("EventRing takes the later block's word for a number that two blocks have", () => {
  const stale = buildEventBlock(
    7n,
    [7, 8, 900, 901].map((code) => event(code)),
  );
  const real = buildEventBlock(9n, [9, 10, 11].map((code) => event(code)));
  for (const blocks of [{ 3: stale, 4: real }, { 4: stale, 3: real }]) {
    const ring = ringOf(blocks);
    assertEquals(
      ring.recent().map(({ eventCode }) => eventCode),
      range(7, 11),
    );
    assertEquals(ring.nextSequence, 12n);
  }
});

Deno.test("what failed flushes left in the ring is cleared once the device works", async () => {
  for (const times of range(1, 12)) {
    for (const before of [1, 5, 6, 11]) {
      const device = await makeDisk();
      const volume = await openVolume(device);
      for (const code of range(1, before)) {
        await volume.events.append(event(code));
      }
      failFlushes(device, times);
      const last = before + 8;
      await Promise.all(
        range(before + 1, last).map((code) =>
          volume.events.append(event(code))
        ),
      );
      device.faults = {};
      await volume.checkpoint();
      const what = `${times} flushes failed after ${before} records`;
      assertEquals(codes(await reopen(device)), range(1, last), what);
      // A block that was not started over is left as it is: it holds others.
      const twice = codesOnMedium(device).filter((code, at, all) =>
        code === all[at - 1]
      );
      const atMost = (6 - before % 6) % 6;
      assert(twice.length <= atMost, `${what}: ${twice} stand there twice`);
    }
  }
});

Deno.test("a record that was refused never hides one of the same number", async () => {
  for (const before of range(0, 14)) {
    const device = await makeDisk();
    const volume = await openVolume(device);
    for (const code of range(1, before)) {
      await volume.events.append(event(code));
    }
    failFlushes(device, Infinity);
    for (const code of [901, 902]) {
      const error = await assertRejects(
        () => volume.events.append(event(code)),
        StorageError,
      );
      assertEquals(error.code, "EIO");
    }
    device.faults = {};
    const acknowledged = range(1, before);
    for (const code of range(before + 1, before + 8)) {
      await volume.events.append(event(code));
      acknowledged.push(code);
      const again = await reopen(device);
      const found = again.events.recent();
      assertEquals(
        found.filter(({ eventCode }) => eventCode < 900)
          .map(({ eventCode }) => eventCode),
        acknowledged,
        `${before} records before`,
      );
      const numbers = found.map(({ sequence }) => sequence);
      assertEquals(new Set(numbers).size, numbers.length);
      assertEquals(again.events.nextSequence, volume.events.nextSequence);
    }
  }
});

Deno.test("a value that was refused never outlives the one that was set after it", async () => {
  for (const sets of range(0, 5)) {
    for (const times of [...range(1, 8), Infinity]) {
      const device = await makeDisk();
      const volume = await openVolume(device);
      for (const id of range(1, 30)) {
        await volume.parameters.set(id, filled(4, id));
      }
      for (const value of range(1, sets)) {
        await volume.parameters.set(7, filled(4, value));
      }
      failFlushes(device, times);
      await volume.parameters.set(7, filled(4, 90)).catch(() => {});
      await volume.parameters.set(99, filled(4, 91)).catch(() => {});
      device.faults = {};
      await volume.parameters.set(99, filled(4, 92));
      await volume.parameters.set(7, filled(4, 93));
      const again = await reopen(device);
      assertEquals(again.parameters.get(7)?.value, filled(4, 93));
      assertEquals(again.parameters.get(99)?.value, filled(4, 92));
      for (const id of range(1, 30)) {
        if (id === 7) continue;
        assertEquals(again.parameters.get(id)?.value, filled(4, id));
      }
    }
  }
});

Deno.test("a device that fails whatever is flushed costs one block of old records at most", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  for (const code of range(1, 200)) await volume.events.append(event(code));
  const before = codes(volume);
  failFlushes(device, Infinity);
  for (const code of range(901, 930)) {
    await assertRejects(() => volume.events.append(event(code)), StorageError);
  }
  const left = new Set(codes(await reopen(device)));
  const lost = before.filter((code) => !left.has(code));
  assertEquals(lost, before.slice(0, lost.length));
  assert(lost.length <= 6, `${lost} are lost`);
  // And what memory still has is put back.
  device.faults = {};
  await volume.events.append(event(201));
  const after = codes(await reopen(device)).filter((code) => code < 900);
  assertEquals(after, codes(volume));
  // The numbers of the refused ones were skipped, and with them the end of a block.
  assertEquals(after, range(202 - after.length, 201));
  assert(after.length >= 85);
});

Deno.test("a journal that was given up serves again once the device takes it", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  const journal = device.blockCount - 1;
  for (const id of range(1, 32)) {
    await volume.parameters.set(id, filled(4, id));
  }
  await volume.checkpoint();
  device.faults = { failWrite: (block) => block === journal };
  // With all places taken, each change needs the journal.
  for (const value of range(1, 40)) {
    await volume.parameters.set(3, filled(4, value));
    assertEquals(volume.hasJournal, false);
  }
  device.faults = {};
  let changes = 0;
  while (!volume.hasJournal && changes < 100) {
    await volume.parameters.set(3, filled(4, 100 + changes++));
  }
  assertEquals(volume.hasJournal, true);
  const value = filled(4, 99 + changes);
  assertEquals((await reopen(device)).parameters.get(3)?.value, value);
});
