import { assert, assertEquals, assertThrows } from "@std/assert";
import { WireError } from "../../../lib/wire/error.ts";
import {
  readSeqlock,
  SEQLOCK_ATTEMPTS,
  SHARED_PAGE_SIZE_BYTES,
  SharedPage,
} from "../../../lib/wire/shared_page.ts";

Deno.test("SharedPage reads and writes each word at its place of formats.md", () => {
  const memory = new Uint8Array(SHARED_PAGE_SIZE_BYTES);
  const page = new SharedPage(memory);
  const view = new DataView(memory.buffer);
  page.setWord64("guestHeartbeat", 0x0102030405060708n);
  page.setWord64("hostHeartbeatAck", 2n);
  page.setWord32("guestStatus", 3);
  page.setWord32("hostCommand", 0xFFFFFFFF);
  page.setWord32("guestCommandAck", 5);
  page.writeMissionTime({ seconds: 6n, nanos: 7 });
  assertEquals(view.getBigUint64(0x000), 0x0102030405060708n);
  assertEquals(view.getBigUint64(0x008), 2n);
  assertEquals(view.getUint32(0x010), 2);
  assertEquals(view.getBigUint64(0x014), 6n);
  assertEquals(view.getUint32(0x01C), 7);
  assertEquals(view.getUint32(0x020), 3);
  assertEquals(view.getUint32(0x024), 0xFFFFFFFF);
  assertEquals(view.getUint32(0x028), 5);
  assertEquals(page.word64("guestHeartbeat"), 0x0102030405060708n);
  assertEquals(page.word32("hostCommand"), 0xFFFFFFFF);
});

Deno.test("SharedPage refuses memory of another size or alignment", () => {
  for (const length of [0, 4095, 4097]) {
    assertThrows(() => new SharedPage(new Uint8Array(length)), WireError);
  }
  const unaligned = new Uint8Array(new ArrayBuffer(4104), 4, 4096);
  assertThrows(() => new SharedPage(unaligned), WireError, "a multiple of 8");
});

Deno.test("SharedPage cuts a long health text between characters and always ends it", () => {
  const memory = new Uint8Array(SHARED_PAGE_SIZE_BYTES).fill(0xAA);
  const page = new SharedPage(memory);
  for (const text of ["", "ok", "x".repeat(255), "x".repeat(300)]) {
    page.setHealth(text);
    assertEquals(page.snapshot().guestHealth, text.slice(0, 255));
    assertEquals(memory[0x1FF], 0);
  }
  page.setHealth("x" + "😀".repeat(100));
  assertEquals(page.snapshot().guestHealth, "x" + "😀".repeat(63));
  page.setHealth("a\0b");
  assertEquals(page.snapshot().guestHealth, "a");
  assertEquals(memory[0x0FF], 0xAA, "the byte before is untouched");
  assertEquals(memory[0x200], 0xAA, "the byte behind is untouched");
});

Deno.test("writeMissionTime refuses what is out of range and writes nothing then", () => {
  const memory = new Uint8Array(SHARED_PAGE_SIZE_BYTES);
  const page = new SharedPage(memory);
  for (
    const time of [
      { seconds: -1n, nanos: 0 },
      { seconds: 2n ** 64n, nanos: 0 },
      { seconds: 0n, nanos: 1_000_000_000 },
      { seconds: 0n, nanos: 0.5 },
    ]
  ) {
    assertThrows(() => page.writeMissionTime(time), WireError);
  }
  assert(memory.every((byte) => byte === 0));
});

Deno.test("readSeqlock gives only values that no write overlapped", () => {
  // What the memory holds at each read of the version, in turn.
  const script: readonly (readonly [number, string])[] = [
    [1, "torn"],
    [2, "old"],
    [4, "torn"],
    [5, "torn"],
    [6, "new"],
    [6, "new"],
  ];
  let step = -1;
  const at = () => script[Math.min(step, script.length - 1)] ?? [0, ""];
  const read: string[] = [];
  const value = readSeqlock(
    () => {
      step++;
      return at()[0];
    },
    () => {
      read.push(at()[1]);
      return at()[1];
    },
    10,
  );
  assertEquals(value, "new");
  assertEquals(
    read,
    ["old", "new"],
    "nothing is read while the version is odd",
  );
});

Deno.test("readSeqlock gives up after its bound with a WireError", () => {
  let reads = 0;
  let version = 0;
  const error = assertThrows(
    () =>
      readSeqlock(
        () => version += 2,
        () => reads++,
        5,
      ),
    WireError,
  );
  assertEquals(reads, 5);
  assertEquals(error.field, "time_version");
  assertEquals(
    error.message,
    "shared page: time_version is 18, expected an even number that stays, within 5 attempts",
  );
});

Deno.test("readMissionTime is not held by a writer that died in the middle of a write", () => {
  const memory = new Uint8Array(SHARED_PAGE_SIZE_BYTES);
  const page = new SharedPage(memory);
  new DataView(memory.buffer).setUint32(0x010, 7);
  assertThrows(
    () => page.readMissionTime(),
    WireError,
    `within ${SEQLOCK_ATTEMPTS} attempts`,
  );
  page.writeMissionTime({ seconds: 1n, nanos: 2 });
  assertEquals(page.readMissionTime(), { seconds: 1n, nanos: 2 });
  assertEquals(new DataView(memory.buffer).getUint32(0x010), 8);
});

Deno.test("readMissionTime judges the nanoseconds that another writer left", () => {
  const memory = new Uint8Array(SHARED_PAGE_SIZE_BYTES);
  new DataView(memory.buffer).setUint32(0x01C, 1_000_000_000);
  assertThrows(
    () => new SharedPage(memory).readMissionTime(),
    WireError,
    "mission_nanos is 1000000000",
  );
});

Deno.test("the version of the mission time wraps to 0", () => {
  const memory = new Uint8Array(SHARED_PAGE_SIZE_BYTES);
  new DataView(memory.buffer).setUint32(0x010, 0xFFFFFFFE);
  const page = new SharedPage(memory);
  page.writeMissionTime({ seconds: 3n, nanos: 4 });
  assertEquals(new DataView(memory.buffer).getUint32(0x010), 0);
  assertEquals(page.readMissionTime(), { seconds: 3n, nanos: 4 });
});

Deno.test("readMissionTime never gives a torn time while another thread writes", async () => {
  const buffer = new SharedArrayBuffer(SHARED_PAGE_SIZE_BYTES + 8);
  const page = new SharedPage(
    new Uint8Array(buffer, 0, SHARED_PAGE_SIZE_BYTES),
  );
  const url = new URL("../../fixtures/mission_time_writer.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  const words = new Int32Array(buffer, SHARED_PAGE_SIZE_BYTES, 2);
  await new Promise((resolve) => worker.onmessage = resolve);
  worker.postMessage(buffer);
  let whole = 0;
  let refused = 0;
  const seen = new Set<number>();
  while (whole < 20_000 || seen.size < 50) {
    if (Atomics.load(words, 1) === 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    try {
      const { seconds, nanos } = page.readMissionTime(4);
      assertEquals(nanos, Number(seconds >> 20n) % 1000);
      if (seen.size < 1000) seen.add(Number(seconds >> 20n));
      whole++;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      refused++;
    }
    // A single processor must get the writer its turn, too.
    if ((whole + refused) % 256 === 0) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  Atomics.store(words, 0, 1);
  worker.terminate();
});
