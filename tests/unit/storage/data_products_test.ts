import { assertEquals, assertRejects } from "@std/assert";
import { checkVolume } from "../../../lib/storage/check.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import { repairVolume } from "../../../lib/storage/repair.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";
import { event, filled, makeDisk, range, reopen } from "./support.ts";

async function write(
  volume: Volume,
  name: string,
  data: Uint8Array,
): Promise<void> {
  await volume.dataProducts.write({
    name,
    dataProductClass: 3,
    priority: 1,
    data,
  });
}

async function names(volume: Volume): Promise<string[]> {
  return (await volume.dataProducts.list()).map(({ name }) => name);
}

Deno.test("dataProducts.write, list and read give back exactly what was written, after a reboot too", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  for (const length of [0, 1, 511, 512, 513, 1500]) {
    await write(volume, `n${length}`, filled(length, 1 + length % 200));
  }
  for (const other of [volume, await reopen(device)]) {
    assertEquals(
      await names(other),
      ["n0", "n1", "n511", "n512", "n513", "n1500"],
    );
    for (const length of [0, 1, 511, 512, 513, 1500]) {
      assertEquals(
        await other.dataProducts.read(`n${length}`),
        filled(length, 1 + length % 200),
      );
    }
  }
});

Deno.test("dataProducts places each descriptor behind the data before it, as formats.md says", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  await write(volume, "a", filled(600, 1));
  await write(volume, "b", filled(1, 2));
  const list = await volume.dataProducts.list();
  assertEquals(
    list.map((one) => [one.descriptorBlock, one.blockOffset, one.blockCount]),
    [[33, 1, 2], [36, 4, 1]],
  );
  assertEquals(device.bytes[34 * 512], 1);
  assertEquals(device.bytes[37 * 512], 2);
  assertEquals(device.bytes.slice(38 * 512, 39 * 512), new Uint8Array(512));
});

Deno.test("dataProducts.write flushes the data before its descriptor", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  await write(volume, "a", filled(600, 1));
  const order = device.steps.map((step) =>
    step.kind === "write" ? step.block : step.kind
  );
  assertEquals(order, [34, 35, 36, "durable", 63, "durable", 33, "durable"]);
});

Deno.test("dataProducts.read gives the newest of a name, and ENOENT for none", async () => {
  const volume = await openVolume(await makeDisk());
  await write(volume, "a", filled(3, 1));
  await write(volume, "a", filled(3, 2));
  assertEquals(await volume.dataProducts.read("a"), filled(3, 2));
  const [oldest] = await volume.dataProducts.list();
  assertEquals(await volume.dataProducts.read(oldest ?? ""), filled(3, 1));
  const error = await assertRejects(
    () => volume.dataProducts.read("b"),
    StorageError,
  );
  assertEquals(error.code, "ENOENT");
});

Deno.test("dataProducts.write fills the area to the last block, and says ENOSPC beyond", async () => {
  // 30 blocks: a descriptor and 29 blocks of data.
  const device = await makeDisk();
  const volume = await openVolume(device);
  assertEquals(await volume.dataProducts.freeBytes(), 29 * 512);
  const error = await assertRejects(
    () => write(volume, "a", filled(29 * 512 + 1, 1)),
    StorageError,
    "a needs 30 blocks and a descriptor, 30 blocks are free",
  );
  assertEquals(error.code, "ENOSPC");
  await write(volume, "a", filled(29 * 512, 7));
  assertEquals(await volume.dataProducts.freeBytes(), 0);
  await assertRejects(() => write(volume, "b", filled(0, 1)), StorageError);
  const again = await reopen(device);
  assertEquals(await again.dataProducts.read("a"), filled(29 * 512, 7));
  assertEquals(again.hasJournal, true);
});

Deno.test("dataProducts.write of several at once stores them one after another", async () => {
  const device = await makeDisk({ blockCount: 200 });
  const volume = await openVolume(device);
  await Promise.all([
    ...range(1, 10).map((value) =>
      write(volume, `p${value}`, filled(900, value))
    ),
    ...range(1, 10).map((code) => volume.events.append(event(code))),
  ]);
  const again = await reopen(device);
  assertEquals(await names(again), range(1, 10).map((value) => `p${value}`));
  for (const value of range(1, 10)) {
    assertEquals(
      await again.dataProducts.read(`p${value}`),
      filled(900, value),
    );
  }
  assertEquals(again.events.count, 10);
});

Deno.test("dataProducts.write refuses names and numbers out of range, and goes on", async () => {
  const volume = await openVolume(await makeDisk());
  await assertRejects(() => write(volume, "", filled(1, 1)), Error, "name");
  await assertRejects(() => write(volume, "x".repeat(65), filled(1, 1)));
  await write(volume, "é".repeat(32), filled(1, 1));
  assertEquals(await names(volume), ["é".repeat(32)]);
});

Deno.test("a damaged descriptor costs its product and no other", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  for (const value of range(1, 3)) {
    await write(volume, `p${value}`, filled(600, value));
  }
  await volume.close();
  device.bytes[36 * 512 + 0x0C] = 0x58;
  const again = await openVolume(device);
  assertEquals(await names(again), ["p1", "p3"]);
  await write(again, "p4", filled(10, 4));
  assertEquals(await names(await reopen(device)), ["p1", "p3", "p4"]);
  const report = await checkVolume(device);
  assertEquals(report.verdict, "bad");
  assertEquals(report.findings.map(({ block }) => block), [36]);
});

Deno.test("a descriptor block that can't be read costs its product and no other", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  for (const value of range(1, 3)) {
    await write(volume, `p${value}`, filled(600, value));
  }
  device.faults = { failRead: (block) => block === 36 };
  const again = await openVolume(device);
  assertEquals(await names(again), ["p1", "p3"]);
  assertEquals(await again.dataProducts.read("p3"), filled(600, 3));
});

Deno.test("damaged data is refused by read with EBADMSG and named by check", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  await write(volume, "p", filled(600, 1));
  device.bytes[35 * 512 + 100] = 9;
  const error = await assertRejects(
    () => volume.dataProducts.read("p"),
    StorageError,
  );
  assertEquals(error.code, "EBADMSG");
  const report = await checkVolume(device);
  assertEquals(report.verdict, "bad");
  assertEquals(report.findings.map(({ area }) => area), ["data products"]);
  assertEquals(
    (await checkVolume(device, { verifyData: false })).verdict,
    "clean",
  );
});

Deno.test("dataProducts.write does not touch what other software put into the area, until a repair", async () => {
  const device = await makeDisk({ journal: false });
  device.bytes.fill(0x41, 33 * 512, 40 * 512);
  const volume = await openVolume(device);
  assertEquals(await names(volume), []);
  assertEquals(await volume.dataProducts.freeBytes(), 0);
  const error = await assertRejects(
    () => write(volume, "p", filled(600, 1)),
    StorageError,
    "block 33 is neither a descriptor nor zero",
  );
  assertEquals(error.code, "EUCLEAN");
  const { before, after } = await repairVolume(device);
  assertEquals([before.verdict, after.verdict], ["repairable", "clean"]);
  const again = await openVolume(device);
  await write(again, "p", filled(600, 1));
  assertEquals(await again.dataProducts.read("p"), filled(600, 1));
});

Deno.test("DataProductStore tells of each product once it is durable, and of none that failed", async () => {
  const disk = await makeDisk({ blockCount: 64 });
  const { dataProducts } = await reopen(disk);
  const told: string[] = [];
  dataProducts.onWritten = ({ name }) => void told.push(name);
  const product = { dataProductClass: 1, priority: 0 };
  const data = new Uint8Array(600);
  await dataProducts.write({ ...product, name: "image-1", data });
  await dataProducts.write({ ...product, name: "image-2", data });
  const large = new Uint8Array(64 * 512);
  await dataProducts.write({ ...product, name: "image-3", data: large })
    .catch(() => {});
  assertEquals(told, ["image-1", "image-2"]);
});
