import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { StorageError } from "../../../lib/storage/error.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";
import {
  cutAt,
  materialize,
  OUTCOMES,
} from "../../simulation/storage/power_cut.ts";
import { Random } from "../../simulation/random.ts";
import { codes, event, filled, makeDisk, range, reopen } from "./support.ts";

Deno.test("an event block that can't be read costs its records, and appends pass it by", async () => {
  const device = await makeDisk();
  const first = await openVolume(device);
  for (const code of range(1, 30)) await first.events.append(event(code));
  await first.close();
  const faults = { failRead: (block: number) => block === 18 };
  device.faults = faults;
  const volume = await openVolume(device);
  assertEquals(volume.recovery.unreadableBlocks, [18]);
  assertEquals(codes(volume), [...range(1, 6), ...range(13, 30)]);
  device.steps.length = 0;
  for (const code of range(31, 200)) await volume.events.append(event(code));
  assert(
    device.steps.every((step) => step.kind !== "write" || step.block !== 18),
  );
  const again = await reopen(device);
  assertEquals(codes(again).slice(-80), range(121, 200));
});

Deno.test("a parameter block that can't be read costs its parameters", async () => {
  const device = await makeDisk();
  const first = await openVolume(device);
  for (const id of range(1, 4)) await first.parameters.set(id, filled(1, id));
  await first.close();
  const bad = 1 +
    range(0, 15).findIndex((block) =>
      device.bytes[(block + 1) * 512 + 3] === 2
    );
  device.faults = { failRead: (block) => block === bad };
  const volume = await openVolume(device);
  assertEquals(volume.parameters.get(2), undefined);
  assertEquals(volume.parameters.size, 3);
  await volume.parameters.set(2, filled(2, 2));
  await volume.parameters.set(1, filled(2, 1));
  assertEquals((await reopen(device)).parameters.get(1)?.value, filled(2, 1));
});

Deno.test("a device that becomes read-only is named, harms nothing, and is used again when it takes writes", async () => {
  for (const blockCount of [64, 65]) {
    const device = await makeDisk({ blockCount });
    const volume = await openVolume(device);
    const refused = async (work: () => Promise<unknown>) => {
      const error = await assertRejects(work, StorageError);
      assertEquals(error.code, "EROFS");
      assertMatch(error.message, /^EROFS: the device is read-only: /);
    };
    const acknowledged: number[] = [];
    for (const code of range(1, 30)) {
      // The journal is wherever it may be: spent, ahead, of this store or that.
      device.faults = { isReadOnly: true };
      await refused(() => volume.events.append(event(900 + code)));
      await refused(() => volume.parameters.set(code % 5, filled(3, 99)));
      if (code % 3 === 0) {
        await refused(() => volume.parameters.set(7, filled(3, 99)));
      }
      assertEquals(await volume.scrub(), []);
      // With nothing in the journal there is nothing to refuse.
      await volume.checkpoint().catch(() => {});
      device.faults = {};
      await volume.events.append(event(code));
      acknowledged.push(code);
      await volume.parameters.set(code % 5, filled(2, code));
      if (code % 4 === 0) await volume.checkpoint();
      const again = await reopen(device);
      assertEquals(codes(again), acknowledged);
      assertEquals(again.parameters.get(code % 5)?.value, filled(2, code));
    }
    assertEquals(volume.hasJournal, true);
  }
});

for (const durable of [false, true]) {
  const failing = (bad: (block: number) => boolean) =>
    durable
      ? { failFlush: (pending: ReadonlySet<number>) => [...pending].some(bad) }
      : { failWrite: bad };
  const how = durable ? "flush" : "write";

  Deno.test(`an event block whose ${how} fails is evaded, and no record is lost`, async () => {
    const device = await makeDisk();
    const volume = await openVolume(device);
    for (const code of range(1, 5)) await volume.events.append(event(code));
    device.faults = failing((block) => block === 18 || block === 19);
    for (const code of range(6, 40)) {
      assertEquals(await volume.events.append(event(code)), BigInt(code));
      const again = await reopen(device);
      assertEquals(codes(again), range(1, code));
    }
    assert(volume.statistics.failedRounds > 0);
    await Promise.all(
      range(41, 70).map((code) => volume.events.append(event(code))),
    );
    assertEquals(codes(await reopen(device)), range(1, 70));
  });

  Deno.test(`a parameter block whose ${how} fails is evaded, and no value is lost`, async () => {
    const device = await makeDisk();
    const volume = await openVolume(device);
    for (const id of range(1, 20)) {
      await volume.parameters.set(id, filled(1, id));
    }
    device.faults = failing((block) => block === 2 || block === 5);
    for (const id of range(1, 20)) {
      await volume.parameters.set(id, filled(2, id));
      const again = await reopen(device);
      for (const other of range(1, 20)) {
        const length = other <= id ? 2 : 1;
        assertEquals(again.parameters.get(other)?.value, filled(length, other));
      }
    }
  });

  Deno.test(`a journal whose ${how} fails is given up, and the volume goes on`, async () => {
    const device = await makeDisk();
    const volume = await openVolume(device);
    for (const id of range(1, 32)) {
      await volume.parameters.set(id, filled(1, id));
    }
    await volume.checkpoint();
    device.faults = failing((block) => block === 63);
    for (const id of range(1, 32)) {
      await volume.parameters.set(id, filled(2, id));
    }
    for (const code of range(1, 30)) await volume.events.append(event(code));
    assertEquals(volume.hasJournal, false);
    const again = await reopen(device);
    assertEquals(codes(again), range(1, 30));
    for (const id of range(1, 32)) {
      assertEquals(again.parameters.get(id)?.value, filled(2, id));
    }
  });
}

Deno.test("a device that fails everything is told to each operation, and works again when it heals", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  await volume.events.append(event(1));
  await volume.parameters.set(1, filled(1, 1));
  device.faults = { failWrite: () => true };
  const changes: (() => Promise<unknown>)[] = [
    () => volume.events.append(event(2)),
    () => volume.parameters.set(1, filled(1, 2)),
    () =>
      volume.dataProducts.write({
        name: "a",
        dataProductClass: 1,
        priority: 1,
        data: filled(10, 1),
      }),
  ];
  for (const change of changes) {
    const error = await assertRejects(change, StorageError);
    assertEquals(error.code, "EIO");
  }
  assertEquals(codes(volume), [1]);
  assertEquals(volume.parameters.get(1)?.value, filled(1, 1));
  device.faults = {};
  await volume.events.append(event(3));
  await volume.parameters.set(1, filled(1, 3));
  const again = await reopen(device);
  assertEquals(codes(again), [1, 3]);
  assertEquals(again.parameters.get(1)?.value, filled(1, 3));
});

Deno.test("close releases the device and reports EIO when its last writes fail", async () => {
  const device = await makeDisk();
  let closed = 0;
  device.close = () => {
    closed++;
  };
  const volume = await openVolume(device);
  await volume.events.append(event(1));
  device.faults = { failWrite: () => true };
  await assertRejects(() => volume.close(), StorageError, "EIO");
  assertEquals(closed, 1);
  // Nothing was lost: the journal holds it.
  assertEquals(codes(await reopen(device)), [1]);
});

Deno.test("recovery that can't write in place serves the journal's content, and the volume goes on", async () => {
  const device = await makeDisk();
  const first = await openVolume(device);
  for (const id of range(1, 32)) await first.parameters.set(id, filled(1, id));
  await first.checkpoint();
  await first.parameters.set(9, filled(3, 9));
  const target =
    (await reopen(device, { readOnly: true })).recovery.targetBlock;
  device.faults = { failWrite: (block) => block === target };
  const volume = await openVolume(device);
  assertEquals(volume.recovery.journal, "ahead");
  assertEquals(volume.parameters.get(9)?.value, filled(3, 9));
  // The store is full and one block of it is lost: what needs the journal fails.
  await assertRejects(
    () => volume.parameters.set(9, filled(4, 9)),
    StorageError,
  );
  assertEquals(volume.parameters.get(9)?.value, filled(3, 9));
  assertEquals((await reopen(device)).parameters.get(9)?.value, filled(3, 9));
});

Deno.test("a failing flush rejects the data product that it was for, and only that", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  device.faults = {
    failFlush: (pending) => [...pending].some((block) => block > 33),
  };
  const product = {
    name: "a",
    dataProductClass: 1,
    priority: 1,
    data: filled(10, 1),
  };
  await assertRejects(() => volume.dataProducts.write(product), StorageError);
  device.faults = {};
  await volume.events.append(event(1));
  await volume.dataProducts.write({ ...product, name: "b" });
  const again = await reopen(device);
  assertEquals(
    (await again.dataProducts.list()).map(({ name }) => name),
    ["b"],
  );
});

for (const before of [10, 11]) {
  Deno.test(`a block that is moved takes the place of no record while an empty one is left, after ${before} records`, async () => {
    const device = await makeDisk();
    const volume = await openVolume(device);
    for (const code of range(1, before)) {
      await volume.events.append(event(code));
    }
    // Of these the journal holds what goes into the second block; the third
    // gets the newest.
    await Promise.all(
      range(before + 1, 14).map((code) => volume.events.append(event(code))),
    );
    device.faults = { failWrite: (block) => block === 18 };
    await volume.events.append(event(15));
    device.faults = {};
    assertEquals(codes(await reopen(device)), range(1, 15));
    for (const code of range(16, 80)) {
      await volume.events.append(event(code));
      assertEquals(codes(await reopen(device)), range(1, code));
    }
  });
}

Deno.test("a journal that can't be read again is trusted with nothing", async () => {
  const device = await makeDisk();
  const first = await openVolume(device);
  await first.events.append(event(1));
  await first.close();
  const faults = { failRead: (block: number) => block === 63 };
  device.faults = faults;
  const volume = await openVolume(device);
  assertEquals(volume.recovery.journal, "unreadable");
  assertEquals(volume.hasJournal, false);
  for (const code of range(2, 20)) {
    await volume.events.append(event(code));
    device.faults = faults;
    assertEquals(codes(await reopen(device)), range(1, code));
  }
});

Deno.test("a journal that can be read again once it is written is used", async () => {
  const device = await makeDisk();
  let isBad = true;
  device.faults = {
    failRead: (block) => isBad && block === 63,
    failWrite: (block) => {
      if (block === 63) isBad = false;
      return false;
    },
  };
  const volume = await openVolume(device);
  assertEquals(volume.recovery.journal, "unreadable");
  assertEquals(volume.hasJournal, true);
});

/** Codes of the group that meets the bad block. */
const GROUP = 1000;

/** What a volume holds: the codes of the group, behind older ones in their order. */
function judgeGroup(
  volume: Volume,
  acknowledged: number,
  size: number,
  what: string,
): void {
  const found = codes(volume);
  const group = found.filter((code) => code >= GROUP);
  const older = found.slice(0, found.length - group.length);
  assertEquals(older, [...new Set(older)].sort((a, b) => a - b), what);
  assert(older.every((code) => code < GROUP), `${what}: ${found}`);
  assertEquals(group, [...new Set(group)].sort((a, b) => a - b), what);
  const wanted = range(GROUP, GROUP + size - 1).slice(0, acknowledged);
  assertEquals(group.slice(0, acknowledged), wanted, what);
  const numbers = volume.events.recent().map(({ sequence }) => sequence ?? -1n);
  assert(
    numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0n)),
    `${what}: numbers ${numbers}`,
  );
}

Deno.test("a group of events that meets a bad block is there once and in order, wherever the power is cut", async () => {
  const random = new Random(7);
  let cuts = 0;
  for (const before of [90, 96, 98, 99, 102]) {
    for (const bad of [17, 18, 19, 32]) {
      for (const size of [5, 12, 18]) {
        for (const fails of ["write", "flush"] as const) {
          const device = await makeDisk();
          const volume = await openVolume(device);
          for (const code of range(1, before)) {
            await volume.events.append(event(code));
          }
          const start = device.bytes.slice();
          device.steps.length = 0;
          device.faults = fails === "write"
            ? { failWrite: (block) => block === bad }
            : { failFlush: (pending) => pending.has(bad) };
          await Promise.all(
            range(0, size - 1).map(async (operation) => {
              await volume.events.append(event(GROUP + operation));
              device.steps.push({ kind: "acknowledged", operation });
            }),
          );
          const what = `${before} before, block ${bad} fails its ${fails}`;
          judgeGroup(volume, size, size, what);
          judgeGroup(await reopen(device), size, size, what);
          // What a failed flush leaves is for the disk to say: no model of it.
          if (fails === "flush") continue;
          for (let count = 0; count <= device.steps.length; count++) {
            const cut = cutAt(start, device.steps, count);
            const acknowledged = device.steps.slice(0, count)
              .filter(({ kind }) => kind === "acknowledged").length;
            for (let draw = 0; draw < 4; draw++) {
              const fate = cut.pending.map(() =>
                random.below(OUTCOMES + 1) - 1
              );
              const medium = materialize(cut, fate, random);
              const again = await openVolume(
                new MemoryBlockDevice({ bytes: medium }),
              );
              judgeCut(again, acknowledged, size, `${what}, cut at ${count}`);
              cuts++;
            }
          }
        }
      }
    }
  }
  assert(cuts > 1000, `${cuts} cuts`);
});

/** After a cut records of other laps may have lost their number, but none has another's. */
function judgeCut(
  volume: Volume,
  acknowledged: number,
  size: number,
  what: string,
): void {
  const numbered = volume.events.recent()
    .filter(({ sequence }) => sequence !== null);
  for (const { sequence, eventCode } of numbered) {
    if (eventCode < GROUP) assertEquals(sequence, BigInt(eventCode), what);
  }
  const group = numbered.map(({ eventCode }) => eventCode)
    .filter((code) => code >= GROUP);
  assertEquals(group, [...new Set(group)].sort((a, b) => a - b), what);
  assertEquals(
    group.slice(0, acknowledged),
    range(GROUP, GROUP + size - 1).slice(0, acknowledged),
    what,
  );
}
