import { assert, assertEquals, assertRejects } from "@std/assert";
import { checkVolume } from "../../../lib/storage/check.ts";
import { repairVolume } from "../../../lib/storage/repair.ts";
import { openVolume } from "../../../lib/storage/volume.ts";
import { crc32c } from "../../../lib/wire/crc32c.ts";
import { codes, event, makeDisk, range, reopen } from "./support.ts";

/** Leaves no trailers, as software that knows none. */
function dropTrailers(bytes: Uint8Array): void {
  for (const block of range(17, 32)) {
    bytes.fill(0, block * 512 + 456, block * 512 + 512);
  }
}

/** Puts something behind the number of each trailer, under a right CRC. */
function extendTrailers(bytes: Uint8Array): void {
  for (const block of range(17, 32)) {
    const trailer = bytes.subarray(block * 512 + 456, block * 512 + 512);
    if (trailer[7] === 0) continue;
    trailer[8] = 1;
    new DataView(trailer.buffer, trailer.byteOffset)
      .setUint32(52, crc32c(trailer.subarray(0, 52)));
  }
}

Deno.test("events.append numbers records from 1 and keeps them over a reboot without close", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  assertEquals(volume.events.nextSequence, 1n);
  for (const code of range(1, 20)) {
    assertEquals(await volume.events.append(event(code)), BigInt(code));
    const again = await reopen(device);
    assertEquals(codes(again), range(1, code));
    assertEquals(again.events.nextSequence, BigInt(code + 1));
  }
});

Deno.test("events keeps the last 91 to 96 records in order over many laps", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  for (const code of range(1, 500)) {
    await volume.events.append(event(code, 1000 - code));
    const { count } = volume.events;
    assert(code < 96 ? count === code : count >= 91 && count <= 96);
    if (code % 37 === 0) {
      const again = await reopen(device);
      assertEquals(codes(again), range(code - again.events.count + 1, code));
      assertEquals(codes(again), codes(volume));
    }
  }
});

Deno.test("events.recent gives the last records, oldest first", async () => {
  const volume = await openVolume(await makeDisk());
  for (const code of range(1, 9)) await volume.events.append(event(code));
  const last = (limit: number) =>
    volume.events.recent(limit).map((stored) => stored.eventCode);
  assertEquals(last(3), [7, 8, 9]);
  assertEquals(last(0), []);
  assertEquals(last(100), range(1, 9));
  const [newest] = volume.events.recent(1);
  assertEquals(newest, {
    ...event(9),
    sequence: 9n,
    ringBlock: 1,
    slot: 2,
  });
});

Deno.test("events.append of one turn shares one flush, whatever was queued", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  const before = volume.statistics.flushes;
  const numbers = await Promise.all(
    range(1, 16).map((code) => volume.events.append(event(code))),
  );
  assertEquals(numbers, range(1, 16).map(BigInt));
  assertEquals(volume.statistics.flushes - before, 1);
  assertEquals(codes(await reopen(device)), range(1, 16));
});

Deno.test("events.append costs one flush and one block in steady state", async () => {
  const volume = await openVolume(await makeDisk());
  for (const code of range(1, 100)) await volume.events.append(event(code));
  const before = volume.statistics;
  for (const code of range(101, 220)) await volume.events.append(event(code));
  const after = volume.statistics;
  assertEquals(after.flushes - before.flushes, 120);
  assertEquals(after.blocksWritten - before.blocksWritten, 120);
});

Deno.test("events.append refuses a record out of range and stores nothing of it", async () => {
  const volume = await openVolume(await makeDisk());
  const payload = new Uint8Array(65);
  await assertRejects(
    () => volume.events.append({ ...event(1), payload }),
    Error,
    "payload",
  );
  await assertRejects(() => volume.events.append(event(-1)));
  assertEquals(volume.events.count, 0);
  assertEquals(await volume.events.append(event(1)), 1n);
});

Deno.test("events without trailers are ordered by timestamp, and appends start a fresh block", async () => {
  const device = await makeDisk();
  const first = await openVolume(device);
  for (const code of [5, 3, 9, 1, 7, 2, 8]) {
    await first.events.append(event(code));
  }
  await first.close();
  dropTrailers(device.bytes);
  const volume = await openVolume(device);
  assertEquals(codes(volume), [1, 2, 3, 5, 7, 8, 9]);
  assert(volume.events.recent().every((stored) => stored.sequence === null));
  assertEquals(await volume.events.append(event(6)), 1n);
  assertEquals(await volume.events.append(event(4)), 2n);
  const again = await reopen(device);
  // The numbered records keep their order; the others merge by timestamp.
  assertEquals(codes(again), [1, 2, 3, 5, 6, 4, 7, 8, 9]);
  assertEquals(again.events.nextSequence, 3n);
});

Deno.test("events behind trailers that are not all zero after the number have none, and are kept", async () => {
  const device = await makeDisk();
  const first = await openVolume(device);
  for (const code of range(1, 20)) await first.events.append(event(code));
  await first.close();
  extendTrailers(device.bytes);
  const { verdict, findings } = await checkVolume(device);
  assertEquals(verdict, "repairable");
  assertEquals(
    findings.filter(({ severity }) => severity === "warning")
      .map(({ block, offset }) => [block, offset]),
    [[17, 456], [18, 456], [19, 456], [20, 456]],
  );
  const volume = await openVolume(device);
  assertEquals(codes(volume), range(1, 20));
  assert(volume.events.recent().every(({ sequence }) => sequence === null));
  assertEquals(await volume.events.append(event(21)), 1n);
  await volume.close();
  assertEquals((await repairVolume(device)).after.verdict, "clean");
  assertEquals(codes(await reopen(device)), range(1, 21));
});

Deno.test("events that other software put into our newest block take the next number, and are not overwritten", async () => {
  const device = await makeDisk();
  const first = await openVolume(device);
  for (const code of [1, 2]) await first.events.append(event(code));
  await first.close();
  // It copies a record into the next slot and leaves our trailer as it is.
  const start = 17 * 512;
  device.bytes.copyWithin(start + 2 * 76, start + 76, start + 2 * 76);
  const volume = await openVolume(device);
  assertEquals(codes(volume), [1, 2, 2]);
  assertEquals(await volume.events.append(event(3)), 4n);
  const again = await reopen(device);
  assertEquals(codes(again), [1, 2, 2, 3]);
  assertEquals(
    again.events.recent().map(({ sequence }) => sequence),
    [1n, 2n, 3n, 4n],
  );
});

Deno.test("events.follow yields what is there and what comes, until it is aborted", async () => {
  const volume = await openVolume(await makeDisk());
  await volume.events.append(event(1));
  const controller = new AbortController();
  const seen: number[] = [];
  const followed = (async () => {
    const { signal } = controller;
    for await (const stored of volume.events.follow({ after: 0n, signal })) {
      seen.push(stored.eventCode);
      if (stored.eventCode === 5) controller.abort();
    }
  })();
  for (const code of range(2, 5)) await volume.events.append(event(code));
  await followed;
  assertEquals(seen, range(1, 5));
});

Deno.test("events.follow begins with new records, ends at close, and skips what the ring gave up", async () => {
  const volume = await openVolume(await makeDisk());
  await volume.events.append(event(1));
  const follower = volume.events.follow();
  const first = follower.next();
  await volume.events.append(event(2));
  assertEquals((await first).value?.eventCode, 2);
  for (const code of range(3, 300)) await volume.events.append(event(code));
  const next = (await follower.next()).value?.eventCode ?? 0;
  assertEquals(next, 300 - volume.events.count + 1);
  await volume.close();
  let count = 1;
  for await (const _ of follower) count++;
  assertEquals(count, volume.events.count);
});
