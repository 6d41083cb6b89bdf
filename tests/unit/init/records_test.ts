/** Records on their way to a disk that fails, and works again. */
import { assertEquals, assertMatch } from "@std/assert";
import { Records } from "../../../lib/init/records.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";
import { EventSeverity } from "../../../lib/wire/event.ts";
import { eventCodes } from "../../../lib/wire/event_code.ts";
import type { RecordingDevice } from "../../simulation/storage/recording_device.ts";
import { makeDisk, reopen } from "../storage/support.ts";

/** Timers that fire when the test says so. */
class Timers implements Disposable {
  readonly #waiting = new Map<number, () => void>();
  readonly #setTimeout = globalThis.setTimeout;
  readonly #clearTimeout = globalThis.clearTimeout;
  #last = 0;

  constructor() {
    Object.assign(globalThis, {
      setTimeout: (work: () => void) => {
        this.#waiting.set(++this.#last, work);
        return this.#last;
      },
      clearTimeout: (timer?: number) =>
        void (timer !== undefined && this.#waiting.delete(timer)),
    });
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** All that are set are due, and what follows from them is done. */
  async fire(): Promise<void> {
    const due = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const work of due) work();
    await this.rest();
  }

  /** A disk in memory answers without a timer: one turn later all is done. */
  async rest(): Promise<void> {
    const later = this.#setTimeout;
    await new Promise<void>((resolve) => void later(resolve, 0));
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, {
      setTimeout: this.#setTimeout,
      clearTimeout: this.#clearTimeout,
    });
  }
}

/** Records over a volume, and what they told. */
class Bench {
  readonly told: string[] = [];
  sent = 0;
  readonly records: Records;

  constructor(volume: Volume | null) {
    this.records = new Records({
      volume,
      missionSeconds: () => 7,
      send: () => void this.sent++,
      onFailing: (problem) => void this.told.push(problem),
      onRecovered: (lost) => void this.told.push(`${lost} lost`),
      onPending: () => {},
    });
  }

  write(text: string): void {
    this.records.write("READY", EventSeverity.INFO, text);
  }
}

/** The records on a disk, as code and text. */
async function recordsOn(device: RecordingDevice): Promise<string[]> {
  const volume = await reopen(device);
  return volume.events.recent().map(({ eventCode, payload }) =>
    `${eventCode.toString(16)} ${new TextDecoder().decode(payload)}`
  );
}

Deno.test("Records tells once that the disk fails, tries it again, and says what was lost", async () => {
  const device = await makeDisk();
  using timers = new Timers();
  const bench = new Bench(await openVolume(device));
  bench.write("before");
  await timers.rest();
  device.faults = { isReadOnly: true };
  bench.write("lost");
  bench.write("lost, too");
  await timers.rest();
  assertEquals(bench.told.length, 1);
  assertMatch(bench.told[0] ?? "", /^EROFS: the device is read-only/);
  await timers.fire();
  await timers.fire();
  assertEquals(bench.told.length, 1);
  assertEquals(bench.sent, 3);
  device.faults = {};
  await timers.fire();
  assertEquals(bench.told.slice(1), ["2 lost"]);
  const [before, failed, ...more] = await recordsOn(device);
  assertEquals([before, more], ["2 before", []]);
  assertMatch(failed ?? "", /^201 EROFS: the device is read-only/);
  assertEquals(eventCodes.STORAGE_FAILED.code, 0x201);
  // It is left alone again, but for what the journal holds.
  await timers.fire();
  assertEquals(timers.count, 0);
  assertEquals([bench.records.count, bench.records.lostCount], [3, 2]);
});

Deno.test("Records takes a record that goes well for the end of a failure, and a refused parameter for its begin", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  using timers = new Timers();
  const bench = new Bench(volume);
  for (const code of ["ENOSPC", "EAGAIN", "EBADF"] as const) {
    bench.records.refused(new StorageError(code, "no fault of the disk"));
  }
  assertEquals([bench.told, timers.count], [[], 0]);
  bench.records.refused(new StorageError("EIO", "write of block 3 failed"));
  assertEquals(bench.told, ["EIO: write of block 3 failed"]);
  bench.write("all is well");
  await timers.rest();
  assertEquals(bench.told.slice(1), ["0 lost"]);
  assertEquals(await recordsOn(device), ["2 all is well"]);
  bench.records.refused(new StorageError("EIO", "again"));
  await volume.close();
  // Nobody asks a volume that is closed again and again.
  await timers.fire();
  await timers.fire();
  assertEquals(timers.count, 0);
});

Deno.test("Records leaves a volume alone that is read-only from the beginning", async () => {
  const device = await makeDisk();
  using timers = new Timers();
  const bench = new Bench(await reopen(device, { readOnly: true }));
  bench.write("nowhere");
  bench.records.refused(new StorageError("EROFS", "read-only"));
  await timers.rest();
  assertEquals([bench.told, bench.sent, timers.count], [[], 1, 0]);
});
