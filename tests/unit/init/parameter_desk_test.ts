import { assertEquals, assertInstanceOf } from "@std/assert";
import { parseCommandLine } from "../../../lib/init/command_line.ts";
import { readConfig } from "../../../lib/init/config.ts";
import { loadConfig } from "../../../lib/init/load_config.ts";
import { ParameterDesk } from "../../../lib/init/parameter_desk.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import type { ParameterStore } from "../../../lib/storage/volume.ts";
import { crc32c } from "../../../lib/wire/crc32c.ts";
import {
  type ParameterAnswer,
  type ParameterSet,
  ParameterStatus,
} from "../../../lib/wire/parameter_message.ts";
import {
  encodeParameterSets,
  STAGED_SET_MAX_BYTES,
  StagingId,
} from "../../../lib/wire/parameter_staging.ts";
import { makeDisk, reopen } from "../storage/support.ts";

const HEALTH_INTERVAL = 0xFFFF_0010;
const WATCHDOG_TIMEOUT = 0xFFFF_0012;
const BOOT_COUNT = 0xFFFF_0001;
const { OK, UNKNOWN, INVALID, STORAGE_ERROR, READ_ONLY } = ParameterStatus;

const u32 = (value: number) =>
  Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

/** A desk, and what it did. */
class Bench {
  readonly applied: string[] = [];
  readonly changes: string[] = [];
  readonly refusals: unknown[] = [];
  /** Values that the hardware refuses. */
  readonly refused = new Set<number>();
  readonly desk: ParameterDesk;

  constructor(store: ParameterStore | null) {
    this.desk = new ParameterDesk({
      store,
      config: readConfig((id) => store?.get(id)?.value).config,
      apply: (name, value) => {
        if (this.refused.has(value)) return "refused";
        this.applied.push(`${name}=${value}`);
        return null;
      },
      onChange: (text) => void this.changes.push(text),
      onRefused: (error) => void this.refusals.push(error),
    });
  }

  async set(parameterId: number, value: Uint8Array): Promise<ParameterAnswer> {
    const answers = await this.desk.set({ parameterId, value });
    assertEquals(answers.length, 1);
    const [answer] = answers;
    if (answer === undefined) throw new Error("no answer");
    assertEquals(answer.parameterId, parameterId);
    return answer;
  }

  get(parameterId: number): ParameterAnswer | undefined {
    return this.desk.get(parameterId)[0];
  }

  /** Stages sets in pieces, and commits them. */
  async commit(
    sets: readonly ParameterSet[],
    crc?: number,
  ): Promise<ParameterAnswer[]> {
    const bytes = encodeParameterSets(sets);
    await this.set(StagingId.STAGE, new Uint8Array());
    for (let at = 0; at < bytes.length; at += 240) {
      const answer = await this.set(
        StagingId.STAGE,
        bytes.subarray(at, at + 240),
      );
      assertEquals(answer.status, OK);
    }
    return await this.desk.set({
      parameterId: StagingId.COMMIT,
      value: u32(crc ?? crc32c(bytes)),
    });
  }
}

Deno.test("ParameterDesk gives the init's parameters, stored or not, and all that are stored", async () => {
  const volume = await reopen(await makeDisk());
  await volume.parameters.set(7, Uint8Array.of(1, 2));
  const bench = new Bench(volume.parameters);
  const all = bench.desk.get(null);
  assertEquals(all.map(({ parameterId }) => parameterId), [
    7,
    0xFFFF_0001,
    0xFFFF_0002,
    0xFFFF_0010,
    0xFFFF_0011,
    0xFFFF_0012,
    0xFFFF_0013,
  ]);
  assertEquals(all[0], {
    parameterId: 7,
    generation: 1,
    status: OK,
    value: Uint8Array.of(1, 2),
  });
  assertEquals(bench.get(HEALTH_INTERVAL), {
    parameterId: HEALTH_INTERVAL,
    generation: 0,
    status: OK,
    value: u32(10_000),
  });
  assertEquals(bench.get(8)?.status, UNKNOWN);
  assertEquals(bench.get(0xFFFF_FFFF)?.status, UNKNOWN);
  assertEquals(bench.get(StagingId.RECORD)?.status, UNKNOWN);
});

Deno.test("ParameterDesk judges, stores and applies what is set", async () => {
  const disk = await makeDisk();
  const volume = await reopen(disk);
  const bench = new Bench(volume.parameters);
  const answer = await bench.set(HEALTH_INTERVAL, u32(500));
  assertEquals(answer.status, OK);
  assertEquals([answer.generation, answer.value], [1, u32(500)]);
  assertEquals(bench.applied, ["health-interval=500"]);
  assertEquals(bench.changes, ["health-interval: 10000 -> 500"]);
  assertEquals(volume.parameters.get(HEALTH_INTERVAL)?.value, u32(500));

  for (
    const [id, value, status] of [
      [HEALTH_INTERVAL, u32(99), INVALID],
      [HEALTH_INTERVAL, new Uint8Array(3), INVALID],
      [HEALTH_INTERVAL, new Uint8Array(240), INVALID],
      [BOOT_COUNT, u32(1), READ_ONLY],
      [0xFFFF_0000, u32(1), UNKNOWN],
      [StagingId.RECORD, u32(1), UNKNOWN],
      [StagingId.RECORD + 3, u32(1), UNKNOWN],
    ] as const
  ) {
    assertEquals((await bench.set(id, value)).status, status);
  }
  assertEquals(bench.get(HEALTH_INTERVAL)?.value, u32(500));
  assertEquals(bench.applied.length, 1);

  // The user's ids: anything goes, and is stored.
  const long = new Uint8Array(240).fill(9);
  assertEquals((await bench.set(0, long)).value, long);
  assertEquals((await bench.set(0, new Uint8Array())).generation, 2);
  assertEquals((await bench.set(0xFFFE_FFFF, u32(1))).status, OK);
  assertEquals(volume.parameters.get(0)?.value, new Uint8Array());
});

Deno.test("ParameterDesk keeps the old value where the hardware refuses the new one", async () => {
  const volume = await reopen(await makeDisk());
  const bench = new Bench(volume.parameters);
  bench.refused.add(77);
  const answer = await bench.set(WATCHDOG_TIMEOUT, u32(77));
  assertEquals([answer.status, answer.value], [INVALID, u32(30)]);
  assertEquals(volume.parameters.get(WATCHDOG_TIMEOUT), undefined);
  const [commit, ...rest] = await bench.commit([
    { parameterId: HEALTH_INTERVAL, value: u32(700) },
    { parameterId: WATCHDOG_TIMEOUT, value: u32(77) },
  ]);
  assertEquals([commit?.status, commit?.value], [
    INVALID,
    u32(WATCHDOG_TIMEOUT),
  ]);
  assertEquals(rest, []);
  assertEquals(bench.applied, [
    "health-interval=700",
    "health-interval=10000",
  ]);
  assertEquals(bench.get(HEALTH_INTERVAL)?.value, u32(10_000));
  assertEquals(bench.changes, []);
});

Deno.test("ParameterDesk puts a value in force that it can't store, and says so", async () => {
  const bench = new Bench(null);
  const answer = await bench.set(HEALTH_INTERVAL, u32(500));
  assertEquals([answer.status, answer.value], [STORAGE_ERROR, u32(500)]);
  assertEquals(bench.applied, ["health-interval=500"]);
  assertEquals((await bench.set(7, u32(1))).status, STORAGE_ERROR);
  assertEquals(bench.get(7)?.status, UNKNOWN);

  const disk = await makeDisk();
  const volume = await reopen(disk, { readOnly: true });
  const other = new Bench(volume.parameters);
  assertEquals(
    (await other.set(HEALTH_INTERVAL, u32(500))).status,
    STORAGE_ERROR,
  );
  const [refusal] = other.refusals;
  assertInstanceOf(refusal, StorageError);
  assertEquals(refusal.code, "EROFS");
});

Deno.test("ParameterDesk stores 32 parameters of a user and refuses the next without harm", async () => {
  const volume = await reopen(await makeDisk());
  const bench = new Bench(volume.parameters);
  for (let id = 0; id < 32; id++) {
    assertEquals((await bench.set(id, u32(id))).status, OK);
  }
  assertEquals((await bench.set(32, u32(1))).status, STORAGE_ERROR);
  assertEquals((await bench.set(31, u32(99))).status, OK);
  // A commit needs a slot for its note, and says so before it changes anything.
  const [commit] = await bench.commit([
    { parameterId: 0, value: u32(100) },
    { parameterId: HEALTH_INTERVAL, value: u32(900) },
  ]);
  assertEquals(commit?.status, STORAGE_ERROR);
  assertEquals(bench.get(HEALTH_INTERVAL)?.value, u32(10_000));
  assertEquals(bench.changes, []);
  assertEquals(bench.get(0)?.value, u32(0));
});

Deno.test("ParameterDesk commits a staged set, all of it", async () => {
  const volume = await reopen(await makeDisk());
  const bench = new Bench(volume.parameters);
  const sets = [
    { parameterId: 1, value: new Uint8Array(240).fill(1) },
    { parameterId: HEALTH_INTERVAL, value: u32(700) },
    { parameterId: 2, value: new Uint8Array(240).fill(2) },
  ];
  const [commit, ...answers] = await bench.commit(sets);
  assertEquals(commit, {
    parameterId: StagingId.COMMIT,
    generation: 0,
    status: OK,
    value: new Uint8Array(),
  });
  assertEquals(
    answers,
    sets.map((set) => ({ ...set, generation: 1, status: OK })),
  );
  assertEquals(bench.applied, ["health-interval=700"]);
  // It is no longer staged: the same again has nothing to commit.
  assertEquals(bench.get(StagingId.STAGE)?.value, u32x2(0, 0));
  const [again] = await bench.desk.set({
    parameterId: StagingId.COMMIT,
    value: u32(crc32c(encodeParameterSets(sets))),
  });
  assertEquals(again?.status, INVALID);
  // The note is no parameter that a host sees.
  assertEquals(
    bench.desk.get(null).map(({ parameterId }) => parameterId).slice(-1),
    [0xFFFF_0013],
  );
});

const u32x2 = (left: number, right: number) =>
  Uint8Array.from([...u32(left), ...u32(right)]);

Deno.test("ParameterDesk refuses a staged set as a whole, and names the reason", async () => {
  const volume = await reopen(await makeDisk());
  const bench = new Bench(volume.parameters);
  const good = { parameterId: 1, value: u32(1) };
  for (
    const [bad, status] of [
      [{ parameterId: HEALTH_INTERVAL, value: u32(1) }, INVALID],
      [{ parameterId: BOOT_COUNT, value: u32(1) }, READ_ONLY],
      [{ parameterId: 0xFFFF_FFFF, value: u32(1) }, UNKNOWN],
      [{ parameterId: StagingId.STAGE, value: u32(1) }, UNKNOWN],
      [good, INVALID],
    ] as const
  ) {
    const answers = await bench.commit([good, bad]);
    assertEquals(answers, [{
      parameterId: StagingId.COMMIT,
      generation: 0,
      status,
      value: u32(bad.parameterId),
    }]);
  }
  assertEquals((await bench.commit([good], 12345))[0]?.status, INVALID);
  const half = encodeParameterSets([good]).slice(0, -1);
  await bench.set(StagingId.STAGE, new Uint8Array());
  await bench.set(StagingId.STAGE, half);
  const [cut] = await bench.desk.set({
    parameterId: StagingId.COMMIT,
    value: u32(crc32c(half)),
  });
  assertEquals([cut?.status, cut?.value], [INVALID, new Uint8Array()]);
  assertEquals(volume.parameters.list(), []);
  assertEquals(bench.applied, []);
});

Deno.test("ParameterDesk bounds what is staged, and forgets it with the host", async () => {
  const bench = new Bench(null);
  const piece = new Uint8Array(240);
  for (let at = 0; at + 240 <= STAGED_SET_MAX_BYTES; at += 240) {
    assertEquals((await bench.set(StagingId.STAGE, piece)).status, OK);
  }
  const { status, value } = await bench.set(StagingId.STAGE, piece);
  assertEquals(status, INVALID);
  const staged = STAGED_SET_MAX_BYTES - STAGED_SET_MAX_BYTES % 240;
  assertEquals(value, u32x2(staged, crc32c(new Uint8Array(staged))));
  bench.desk.dropStaged();
  assertEquals(bench.get(StagingId.STAGE)?.value, u32x2(0, 0));
});

Deno.test("ParameterDesk commits without a volume only what is the init's own", async () => {
  const bench = new Bench(null);
  const own = { parameterId: HEALTH_INTERVAL, value: u32(800) };
  const [refused] = await bench.commit([own, {
    parameterId: 5,
    value: u32(1),
  }]);
  assertEquals([refused?.status, refused?.value], [STORAGE_ERROR, u32(5)]);
  assertEquals(bench.applied, []);
  const [commit] = await bench.commit([own]);
  assertEquals(commit?.status, STORAGE_ERROR);
  assertEquals(bench.applied, ["health-interval=800"]);
});

Deno.test("loadConfig reads what was stored, and warns of what can't be used", async () => {
  const disk = await makeDisk();
  const volume = await reopen(disk);
  await volume.parameters.set(HEALTH_INTERVAL, u32(600));
  await volume.parameters.set(WATCHDOG_TIMEOUT, u32(0));
  const loaded = await loadConfig(volume.parameters, parseCommandLine(""));
  assertEquals(loaded.config.healthIntervalMs, 600);
  assertEquals(loaded.config.watchdogTimeoutSeconds, 30);
  assertEquals(loaded.warnings, [
    "watchdog-timeout is stored as 00000000, expected a u32 of 1..3600",
  ]);
  assertEquals(loaded.problems, []);
});
