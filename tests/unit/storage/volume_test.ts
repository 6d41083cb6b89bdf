import { assert, assertEquals, assertRejects } from "@std/assert";
import type { BlockDevice } from "../../../lib/storage/device.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import { describeContent, formatVolume } from "../../../lib/storage/format.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import { openVolume } from "../../../lib/storage/volume.ts";
import { encodeSuperblock } from "../../../lib/wire/superblock.ts";
import { codes, event, filled, makeDisk, range, reopen } from "./support.ts";

const SUPERBLOCK = {
  tenantId: 1,
  totalBlocks: 64,
  dataProductStart: 33,
  dataProductSize: 30,
  epoch: 0n,
  uuid: new Uint8Array(16),
};

Deno.test("openVolume names the field of a bad superblock, its value and what was expected", async () => {
  const cases: readonly [
    (bytes: Uint8Array) => void,
    string,
    string,
    string,
  ][] = [
    [
      (bytes) => bytes[0] = 0,
      "magic",
      "EUCLEAN",
      "magic is 0x00504F53, expected 0x53504F53",
    ],
    [(bytes) => bytes[7] = 9, "crc32", "EBADMSG", "crc32 is"],
    [
      (bytes) =>
        bytes.set(encodeSuperblock({ ...SUPERBLOCK, totalBlocks: 65 })),
      "total_blocks",
      "EUCLEAN",
      "total_blocks is 65, but the device has only 64 blocks: it is truncated",
    ],
    [
      (bytes) => bytes.set(encodeSuperblock({ ...SUPERBLOCK, totalBlocks: 3 })),
      "total_blocks",
      "EUCLEAN",
      "expected at least 33",
    ],
    [
      (bytes) =>
        bytes.set(encodeSuperblock({ ...SUPERBLOCK, dataProductStart: 32 })),
      "dp_start",
      "EUCLEAN",
      "dp_start is 32, expected 33..64",
    ],
    [
      (bytes) =>
        bytes.set(encodeSuperblock({ ...SUPERBLOCK, dataProductSize: 32 })),
      "dp_size",
      "EUCLEAN",
      "dp_size is 32, expected at most 31",
    ],
  ];
  for (const [spoil, field, code, message] of cases) {
    const device = await makeDisk();
    spoil(device.bytes);
    const error = await assertRejects(
      () => openVolume(device),
      StorageError,
      message,
    );
    assertEquals([error.field, error.code], [field, code]);
    assertEquals(device.steps, []);
  }
});

Deno.test("openVolume says EIO when the superblock can't be read", async () => {
  const device = await makeDisk();
  device.faults = { failRead: (block) => block === 0 };
  const error = await assertRejects(() => openVolume(device), StorageError);
  assertEquals([error.code, error.block], ["EIO", 0]);
});

Deno.test("formatVolume writes the superblock last, and refuses small and read-only devices", async () => {
  const device = await makeDisk();
  await formatVolume(device, { tenantId: 2 });
  const writes = device.steps.map((step) =>
    step.kind === "write" ? step.block : step.kind
  );
  assertEquals(writes.slice(0, 2), [0, "durable"]);
  assertEquals(writes.slice(-3), ["durable", 0, "durable"]);
  const small = new MemoryBlockDevice({ blockCount: 35 });
  await assertRejects(
    () => formatVolume(small, { tenantId: 1 }),
    StorageError,
    "the device has 35 blocks of 512 bytes, a volume needs at least 36",
  );
  const large = new MemoryBlockDevice({ blockCount: 64 });
  for (const totalBlocks of [35, 65, 36.5]) {
    await assertRejects(
      () => formatVolume(large, { tenantId: 1, totalBlocks }),
      StorageError,
      `a volume of ${totalBlocks} blocks on a device of 64: expected 36..64`,
    );
  }
  const smallest = new MemoryBlockDevice({ blockCount: 36 });
  await formatVolume(smallest, { tenantId: 1 });
  await openVolume(smallest);
  const readOnly = new MemoryBlockDevice({ blockCount: 64, readOnly: true });
  await assertRejects(
    () => formatVolume(readOnly, { tenantId: 1 }),
    StorageError,
  );
});

Deno.test("describeContent tells what a device holds", async () => {
  const at = (offset: number, ...bytes: number[]) => {
    const device = new MemoryBlockDevice({ blockCount: 256 });
    device.bytes.set(bytes, offset);
    return describeContent(device);
  };
  assertEquals(await at(0), null);
  assertEquals(await at(1080, 0x53, 0xEF), "an ext2, ext3 or ext4 file system");
  assertEquals(
    await at(512, ...new TextEncoder().encode("EFI PART")),
    "a GPT partition table",
  );
  assertEquals(await at(70_000, 1), "data (first at byte 70000)");
  assertEquals(await at(256 * 512 - 1, 1), "data in the last block, 255");
});

Deno.test("a read-only volume shows what the journal holds, refuses changes, and writes nothing", async () => {
  const device = await makeDisk();
  const first = await openVolume(device);
  await first.events.append(event(1));
  const medium = device.bytes.slice();
  device.steps.length = 0;
  const volume = await openVolume(device, { readOnly: true });
  assertEquals(volume.recovery.journal, "ahead");
  assertEquals(codes(volume), [1]);
  for (
    const change of [
      () => volume.events.append(event(2)),
      () => volume.parameters.set(1, filled(1, 1)),
      () =>
        volume.dataProducts.write({
          name: "a",
          dataProductClass: 0,
          priority: 0,
          data: filled(1, 1),
        }),
    ]
  ) {
    const error = await assertRejects<StorageError>(change, StorageError);
    assertEquals(error.code, "EROFS");
  }
  await volume.checkpoint();
  await volume.close();
  assertEquals(device.bytes, medium);
  assertEquals(device.steps, []);
});

Deno.test("close carries out what waits, puts the journal's image in place and empties it", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  const appended = volume.events.append(event(1));
  await volume.close();
  assertEquals(await appended, 1n);
  assertEquals(device.bytes.slice(63 * 512), new Uint8Array(512));
  const again = await reopen(device);
  assertEquals(again.recovery.journal, "empty");
  assertEquals(codes(again), [1]);
  await volume.close();
  const error = await assertRejects(
    () => volume.events.append(event(2)),
    StorageError,
  );
  assertEquals(error.code, "EBADF");
});

Deno.test("a volume without a journal works, and its journal block belongs to the data", async () => {
  const device = await makeDisk({ journal: false });
  const volume = await openVolume(device);
  assertEquals(volume.geometry.journalBlock, null);
  assertEquals(volume.recovery.journal, "absent");
  for (const code of range(1, 120)) await volume.events.append(event(code));
  for (const id of range(1, 32)) await volume.parameters.set(id, filled(1, id));
  for (const id of range(1, 32)) await volume.parameters.set(id, filled(2, id));
  await volume.dataProducts.write({
    name: "all",
    dataProductClass: 0,
    priority: 0,
    data: filled(30 * 512, 9),
  });
  const again = await reopen(device);
  assertEquals(codes(again).at(-1), 120);
  assertEquals(again.parameters.get(32)?.value, filled(2, 32));
  assertEquals(await again.dataProducts.read("all"), filled(30 * 512, 9));
});

/** A disk whose flushes wait until the test lets them through. */
class StuckDevice extends MemoryBlockDevice implements BlockDevice {
  release: () => void = () => {};
  stuck = false;

  override flush(): Promise<void> {
    if (!this.stuck) return Promise.resolve();
    return new Promise((resolve) => this.release = resolve);
  }
}

async function makeStuck(): Promise<StuckDevice> {
  const device = new StuckDevice({ blockCount: 64 });
  await formatVolume(device, { tenantId: 1 });
  return device;
}

Deno.test("a stuck flush makes operations fail with EAGAIN when the queue is full, and loses none before", async () => {
  const device = await makeStuck();
  const volume = await openVolume(device, { maximumQueueLength: 8 });
  device.stuck = true;
  const waiting = range(1, 8).map((code) => volume.events.append(event(code)));
  const error = await assertRejects(
    () => volume.events.append(event(9)),
    StorageError,
    "8 operations wait for the device, at most 8 may",
  );
  assertEquals(error.code, "EAGAIN");
  assertEquals(volume.statistics.pendingOperations, 8);
  device.stuck = false;
  device.release();
  assertEquals(await Promise.all(waiting), range(1, 8).map(BigInt));
  assertEquals(await volume.events.append(event(9)), 9n);
});

Deno.test("operations time out at the caller when they are told to, and the volume goes on", async () => {
  const device = await makeStuck();
  const volume = await openVolume(device, { operationTimeoutMs: 20 });
  device.stuck = true;
  const error = await assertRejects(
    () => volume.events.append(event(1)),
    StorageError,
  );
  assertEquals(error.code, "ETIMEDOUT");
  device.stuck = false;
  device.release();
  // The first one happened after all.
  assertEquals(await volume.events.append(event(2)), 2n);
  await volume.close();
});

Deno.test("operations of all kinds in one turn are all acknowledged and durable", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  await Promise.all(
    range(1, 200).map((number) =>
      number % 2 === 0
        ? volume.events.append(event(number))
        : volume.parameters.set(number % 31, filled(4, number))
    ),
  );
  const again = await reopen(device);
  assertEquals(again.events.nextSequence, 101n);
  assertEquals(again.parameters.size, 31);
  assertEquals(again.parameters.get(199 % 31)?.value, filled(4, 199));
  assert(volume.statistics.flushes < 200);
});
