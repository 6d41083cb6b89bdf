/**
 * A staged set of parameters and the power: cut at every point of a commit, in
 * every way that the model of the disk knows, a set is there whole or not at
 * all after the next boot.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertRejects,
} from "@std/assert";
import { parseCommandLine } from "../../../lib/init/command_line.ts";
import { loadConfig } from "../../../lib/init/load_config.ts";
import {
  finishStoredSet,
  isRecordId,
  storeSet,
} from "../../../lib/init/staged_commit.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";
import type { ParameterSet } from "../../../lib/wire/parameter_message.ts";
import { StagingId } from "../../../lib/wire/parameter_staging.ts";
import { Random } from "../../simulation/random.ts";
import {
  cutAt,
  fates,
  materialize,
} from "../../simulation/storage/power_cut.ts";
import { RecordingDevice } from "../../simulation/storage/recording_device.ts";
import { makeDisk } from "../storage/support.ts";

const isLong = Deno.env.get("SPACEOS_TEST_LONG") === "1";

/** For each cut: which of its fates are played through. */
const BUDGET = {
  enumerate: isLong ? 2_000 : 40,
  perSubset: isLong ? 20 : 2,
  subsets: isLong ? 200 : 10,
};

const set = (parameterId: number, length: number, value: number) => ({
  parameterId,
  value: new Uint8Array(length).fill(value),
});

const OLD: readonly ParameterSet[] = [
  set(1, 200, 1),
  set(2, 4, 1),
  set(9, 4, 1),
];

/** Sets of one record, and of several. */
const SETS: readonly (readonly ParameterSet[])[] = [
  [set(1, 10, 2), set(2, 4, 2), set(3, 4, 2)],
  [set(1, 240, 2), set(2, 240, 2), set(3, 239, 2)],
];

function hasAll(volume: Volume, sets: readonly ParameterSet[]): boolean {
  return sets.every(({ parameterId, value }) => {
    const stored = volume.parameters.get(parameterId)?.value;
    return stored !== undefined && stored.length === value.length &&
      stored.every((byte, index) => byte === value[index]);
  });
}

function hasNone(volume: Volume): boolean {
  return hasAll(volume, OLD) && volume.parameters.get(3) === undefined;
}

for (const [index, sets] of SETS.entries()) {
  Deno.test(`storeSet sets all or none over a power cut at any instant, set ${index}`, async () => {
    const disk = await makeDisk();
    const volume = await openVolume(disk);
    for (const { parameterId, value } of OLD) {
      await volume.parameters.set(parameterId, value);
    }
    await volume.checkpoint();
    const start = disk.bytes.slice();
    disk.steps.length = 0;
    const entries = await storeSet(volume.parameters, sets);
    assertEquals(
      entries.map(({ value }) => value),
      sets.map(({ value }) => value),
    );
    const acknowledged = disk.steps.length;
    await volume.close();

    let whole = 0;
    let none = 0;
    const random = new Random(7, index);
    for (let count = 0; count <= disk.steps.length; count++) {
      const cut = cutAt(start, disk.steps, count);
      for (const fate of fates(cut.pending.length, BUDGET, random)) {
        const bytes = materialize(cut, fate, random);
        const device = new MemoryBlockDevice({ bytes });
        const after = await openVolume(device);
        const { problems } = await loadConfig(
          after.parameters,
          parseCommandLine(""),
        );
        assertEquals(problems, []);
        const isWhole = hasAll(after, sets);
        assert(isWhole || hasNone(after), `half a set, cut at ${count}`);
        assert(isWhole || count < acknowledged, `lost, cut at ${count}`);
        assertEquals(after.parameters.get(9)?.value, OLD[2]?.value);
        // What is finished is finished: the next boot has nothing to do.
        assertEquals(await finishStoredSet(after.parameters), null);
        if (isWhole) whole++;
        else none++;
      }
    }
    assertGreater(whole, 10);
    assertGreater(none, 10);
  });
}

Deno.test("storeSet notes nothing for one parameter, and leaves an empty note for several", async () => {
  const volume = await openVolume(await makeDisk());
  await storeSet(volume.parameters, [set(1, 4, 1)]);
  assertEquals(volume.parameters.get(StagingId.RECORD), undefined);
  await storeSet(volume.parameters, [set(1, 4, 2), set(2, 4, 2)]);
  assertEquals(volume.parameters.get(StagingId.RECORD)?.value.length, 0);
  assertEquals(await storeSet(volume.parameters, []), []);
});

Deno.test("storeSet that can't note a set changes nothing", async () => {
  const volume = await openVolume(await makeDisk());
  for (let id = 0; id < 31; id++) {
    await volume.parameters.set(id, Uint8Array.of(1));
  }
  const error = await assertRejects(
    () => storeSet(volume.parameters, [set(0, 240, 2), set(1, 240, 2)]),
    StorageError,
    "3 more slots",
  );
  assertEquals(error.code, "ENOSPC");
  assertEquals(
    volume.parameters.list().some(({ parameterId }) => isRecordId(parameterId)),
    false,
  );
  // One that takes one note has just room.
  await storeSet(volume.parameters, [set(0, 4, 2), set(1, 4, 2)]);
});

Deno.test("a device that fails behind the commit point is made up for by the next boot", async () => {
  const disk = await makeDisk();
  const volume = await openVolume(disk);
  const sets = [set(1, 4, 2), set(2, 4, 2)];
  await storeSet(volume.parameters, [set(1, 4, 1), set(2, 4, 1)]);
  // The note goes through, and then nothing does.
  const note = volume.parameters.get(StagingId.RECORD)?.generation ?? 0;
  disk.faults = {
    failWrite: () =>
      (volume.parameters.get(StagingId.RECORD)?.generation ?? 0) > note,
  };
  await assertRejects(() => storeSet(volume.parameters, sets), StorageError);
  const device = new RecordingDevice(disk.bytes.slice());
  const after = await openVolume(device);
  const { lines, problems } = await loadConfig(
    after.parameters,
    parseCommandLine(""),
  );
  assertEquals(problems, []);
  assertEquals(lines, ["a staged set of 2 parameters was finished"]);
  assert(hasAll(after, sets));
});

Deno.test("a note that is not whole is emptied, and said", async () => {
  const volume = await openVolume(await makeDisk());
  await volume.parameters.set(StagingId.RECORD, new Uint8Array(40).fill(3));
  const { problems } = await loadConfig(
    volume.parameters,
    parseCommandLine(""),
  );
  assertEquals(problems.length, 1);
  assert(problems[0]?.includes("not whole"));
  assertEquals(await finishStoredSet(volume.parameters), null);
});
