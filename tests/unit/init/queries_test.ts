import { assertEquals } from "@std/assert";
import type { HostRequest } from "../../../lib/host/requests.ts";
import type { QueryAction } from "../../../lib/init/core_types.ts";
import {
  DISK_QUERIES,
  Queries,
  QUERY_LIMIT_MS,
} from "../../../lib/init/queries.ts";
import { Timeline } from "../../../lib/init/timeline.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";
import { decodeBootTimeline } from "../../../lib/wire/boot_timeline.ts";
import { decodeDataProductList } from "../../../lib/wire/data_product_list.ts";
import { decodeDataProductPiece } from "../../../lib/wire/data_product_read.ts";
import { decodeEventList } from "../../../lib/wire/event_list.ts";
import { CommandStatus } from "../../../lib/wire/telecommand.ts";
import { event, makeDisk, range, reopen } from "../storage/support.ts";

/** Asks one question and gives its one answer. */
async function ask(
  volume: Volume | null,
  action: QueryAction,
  timeline = new Timeline(),
): Promise<{ status: number; result: Uint8Array }> {
  const answers: { status: number; result: Uint8Array }[] = [];
  const queries = new Queries({
    volume,
    timeline,
    answer: (_request, status, result = new Uint8Array()) =>
      void answers.push({ status, result }),
  });
  const request: HostRequest = { command: 1, sequence: 1, action };
  await queries.ask(request, action);
  assertEquals(answers.length, 1);
  return answers[0] ?? { status: -1, result: new Uint8Array() };
}

/** Timers that run when the test says so. */
function virtualTimers() {
  const { setTimeout, clearTimeout } = globalThis;
  const timers: { readonly delayMs: number; readonly run: () => void }[] = [];
  Object.assign(globalThis, {
    setTimeout: (run: () => void, delayMs: number) => {
      timers.push({ delayMs, run });
      return -1;
    },
    clearTimeout: () => {},
  });
  const restore = () =>
    void Object.assign(globalThis, { setTimeout, clearTimeout });
  return Object.assign(timers, { restore });
}

const readEvents = (from: bigint, count: number): QueryAction => ({
  kind: "read-events",
  wanted: { from, count },
});

Deno.test("Queries answers with ENODEV what stands on a volume that is not there", async () => {
  const wanted = { offset: 0, length: 1, name: "x" };
  for (
    const action of [
      readEvents(0n, 96),
      { kind: "list-products", first: 0 },
      { kind: "read-product", wanted },
    ] as const
  ) {
    assertEquals((await ask(null, action)).status, CommandStatus.ENODEV);
  }
});

Deno.test("Queries reads events from a number on, the oldest of them first", async () => {
  const volume = await reopen(await makeDisk());
  for (const code of range(1, 200)) await volume.events.append(event(code));
  const read = async (from: bigint, count: number) => {
    const { status, result } = await ask(volume, readEvents(from, count));
    assertEquals(status, CommandStatus.OK);
    const { nextSequence, events } = decodeEventList(result);
    assertEquals(nextSequence, 201n);
    return events.map(({ sequence }) => Number(sequence));
  };
  const all = await read(0n, 96);
  assertEquals(all.at(-1), 200);
  const [oldest = 0] = all;
  assertEquals(await read(0n, 3), range(oldest, oldest + 2));
  // What the ring has given up is not there; what follows is.
  assertEquals(await read(5n, 2), range(oldest, oldest + 1));
  assertEquals(await read(199n, 96), [199, 200]);
  assertEquals(await read(201n, 96), []);
});

Deno.test("Queries reads a product in pieces of any place and length", async () => {
  const volume = await reopen(await makeDisk({ blockCount: 256 }));
  const data = Uint8Array.from({ length: 3_001 }, (_, index) => index % 251);
  const write = (name: string, bytes: Uint8Array) =>
    volume.dataProducts.write({
      name,
      dataProductClass: 1,
      priority: 0,
      data: bytes,
    });
  await write("image", new Uint8Array(10));
  await write("image", data);
  await write("empty", new Uint8Array());
  const read = async (name: string, offset: number, length: number) => {
    const wanted = { name, offset, length };
    const { status, result } = await ask(volume, {
      kind: "read-product",
      wanted,
    });
    assertEquals(status, CommandStatus.OK);
    return decodeDataProductPiece(result);
  };
  for (const offset of [0, 1, 511, 512, 513, 2_999, 3_000]) {
    for (const length of [1, 2, 511, 512, 513, 3_001, 29_980]) {
      assertEquals(await read("image", offset, length), {
        dataLength: 3_001,
        offset,
        data: data.slice(offset, offset + length),
      });
    }
  }
  for (const offset of [3_001, 0xFFFF_FFFF]) {
    assertEquals((await read("image", offset, 1)).data.length, 0);
  }
  assertEquals((await read("empty", 0, 100)).data.length, 0);
  const { status } = await ask(volume, {
    kind: "read-product",
    wanted: { name: "none", offset: 0, length: 1 },
  });
  assertEquals(status, CommandStatus.ENOENT);
  const list = await ask(volume, { kind: "list-products", first: 1 });
  const { total, products, freeBytes } = decodeDataProductList(list.result);
  assertEquals([total, products.length], [3, 2]);
  assertEquals(freeBytes, BigInt(await volume.dataProducts.freeBytes()));
});

Deno.test("Queries answers also when the disk fails, and after it was closed", async () => {
  const disk = await makeDisk({ blockCount: 128 });
  const volume = await openVolume(disk);
  await volume.dataProducts.write({
    name: "image",
    dataProductClass: 1,
    priority: 0,
    data: new Uint8Array(5_000),
  });
  const action = {
    kind: "read-product",
    wanted: { name: "image", offset: 0, length: 100 },
  } as const;
  disk.faults = { failRead: (block) => block > 33 };
  assertEquals((await ask(volume, action)).status, CommandStatus.EIO);
  disk.faults = {};
  assertEquals((await ask(volume, action)).status, CommandStatus.OK);
});

Deno.test("Queries gives up a disk that hangs, and lets no more wait for it than it can hold", async () => {
  const disk = await makeDisk({ blockCount: 128 });
  const volume = await openVolume(disk);
  const data = new Uint8Array(5_000);
  await volume.dataProducts.write({
    name: "image",
    dataProductClass: 1,
    priority: 0,
    data,
  });
  const { promise: healed, resolve: heal } = Promise.withResolvers<void>();
  let isHung = true;
  const readDisk = disk.read.bind(disk);
  disk.read = async (block, count) => {
    if (isHung) await healed;
    return await readDisk(block, count);
  };
  const statuses: number[] = [];
  const queries = new Queries({
    volume,
    timeline: new Timeline(),
    answer: (_request, status) => void statuses.push(status),
  });
  const action = {
    kind: "read-product",
    wanted: { name: "image", offset: 0, length: 100 },
  } as const;
  const request: HostRequest = { command: 18, sequence: 1, action };
  const turns = virtualTimers();
  try {
    const waiting = range(1, DISK_QUERIES).map(() =>
      queries.ask(request, action)
    );
    // What is in memory is told while the disk owes all that it may.
    await queries.ask(request, readEvents(0n, 96));
    await queries.ask(request, { kind: "read-timeline", first: 0 });
    assertEquals(statuses, [CommandStatus.OK, CommandStatus.OK]);
    await queries.ask(request, action);
    assertEquals(statuses.splice(0).at(-1), CommandStatus.EAGAIN);
    assertEquals(
      turns.map(({ delayMs }) => delayMs),
      waiting.map(() => QUERY_LIMIT_MS),
    );
    for (const { run } of turns.splice(0)) run();
    await Promise.all(waiting);
    assertEquals(
      statuses.splice(0),
      waiting.map(() => CommandStatus.ETIMEDOUT),
    );
    // They are answered, and hang all the same.
    await queries.ask(request, action);
    assertEquals(statuses.splice(0), [CommandStatus.EAGAIN]);
  } finally {
    turns.restore();
  }
  isHung = false;
  heal();
  // Reads stand in line: behind this one, those before it have ended.
  await volume.dataProducts.readPiece("image", 0, 1);
  await new Promise((resolve) => setTimeout(resolve, 0));
  await queries.ask(request, action);
  assertEquals(statuses, [CommandStatus.OK]);
});

Deno.test("Queries tells the timeline in microseconds, long names cut between characters", async () => {
  const timeline = new Timeline();
  timeline.begin("mounts", 10.5);
  timeline.end("mounts", 12.75, "done");
  timeline.begin(`service ${"ü".repeat(100)}`, 20);
  const { result } = await ask(null, {
    kind: "read-timeline",
    first: 0,
  }, timeline);
  const { phases } = decodeBootTimeline(result);
  assertEquals(phases[0], {
    startMicroseconds: 10_500n,
    durationMicroseconds: 2_250n,
    outcome: 1,
    name: "mounts",
  });
  assertEquals(phases[1]?.outcome, 0);
  assertEquals(phases[1]?.name, `service ${"ü".repeat(60)}`);
});
