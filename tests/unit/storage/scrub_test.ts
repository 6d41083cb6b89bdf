/** Scrubbing against damage of every metadata block. */
import { assert, assertEquals } from "@std/assert";
import { formatVolume } from "../../../lib/storage/format.ts";
import { openFileDevice } from "../../../lib/storage/file_device.ts";
import { crc32c } from "../../../lib/wire/crc32c.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";

const event = (text: string) => ({
  timestamp: 1,
  severity: 1 as const,
  eventCode: 1,
  payload: new TextEncoder().encode(text),
});

async function filledVolume(
  device: MemoryBlockDevice,
): Promise<Volume> {
  await formatVolume(device, { tenantId: 1 });
  const volume = await openVolume(device);
  for (let id = 0; id < 20; id++) {
    await volume.parameters.set(id, Uint8Array.of(id));
  }
  for (let count = 0; count < 120; count++) {
    await volume.events.append(event(`event ${count}`));
  }
  return volume;
}

Deno.test("scrub finds nothing on a volume that nobody harmed, whatever the journal holds", async () => {
  const volume = await filledVolume(new MemoryBlockDevice({ blockCount: 64 }));
  assertEquals(await volume.scrub(), []);
  await volume.events.append(event("one more"));
  assertEquals(await volume.scrub(), []);
});

Deno.test("scrub finds a flipped bit in each metadata block, repairs it, and loses nothing", async () => {
  const device = new MemoryBlockDevice({ blockCount: 64 });
  const volume = await filledVolume(device);
  await volume.checkpoint();
  const before = device.bytes.slice(0, 33 * 512);
  for (let block = 0; block <= 32; block++) {
    // Of block 0 only the superblock is ours.
    const offset = block === 0 ? 0x15 : (block * 37) % 500;
    const at = block * 512 + offset;
    device.bytes[at] = (device.bytes[at] ?? 0) ^ 0x10;
    const area = block === 0
      ? "superblock"
      : block < 17
      ? "parameters"
      : "events";
    assertEquals(await volume.scrub(), [
      { area, block, kind: "different", isRepaired: true },
    ]);
    assertEquals(await volume.scrub(), []);
  }
  assertEquals(device.bytes.slice(0, 33 * 512), before);
  await volume.close();
  const again = await openVolume(device);
  assertEquals(again.parameters.size, 20);
  assertEquals(again.events.recent(1)[0]?.sequence, 120n);
});

Deno.test("scrub leaves alone what stands behind the superblock in its block", async () => {
  const device = new MemoryBlockDevice({ blockCount: 64 });
  const volume = await filledVolume(device);
  device.bytes.fill(7, 48, 512);
  assertEquals(await volume.scrub(), []);
  device.bytes[0] = 0;
  assertEquals((await volume.scrub()).length, 1);
  assert(device.bytes.slice(48, 512).every((byte) => byte === 7));
});

Deno.test("scrub restores the superblock that was read, whoever wrote it, and leaves a valid one alone", async () => {
  const device = new MemoryBlockDevice({ blockCount: 64 });
  await formatVolume(device, { tenantId: 1 });
  // Software that has a use for the reserved byte.
  const sign = (change: (bytes: Uint8Array) => void): Uint8Array => {
    const bytes = device.bytes.subarray(0, 48);
    change(bytes);
    new DataView(device.bytes.buffer).setUint32(
      0x2C,
      crc32c(bytes.subarray(0, 0x2C)),
    );
    return bytes.slice();
  };
  const theirs = sign((bytes) => bytes[5] = 0x5A);
  const volume = await openVolume(device);
  assertEquals(volume.superblock.reserved, 0x5A);
  assertEquals(await volume.scrub(), []);
  assertEquals(device.bytes.slice(0, 48), theirs);
  const finding = { area: "superblock", block: 0, kind: "different" } as const;
  for (const at of [5, 0x2C]) {
    device.bytes[at] = (device.bytes[at] ?? 0) ^ 1;
    assertEquals(await volume.scrub(), [{ ...finding, isRepaired: true }]);
    assertEquals(device.bytes.slice(0, 48), theirs);
    assertEquals(await volume.scrub(), []);
  }
  const other = sign((bytes) => bytes[7] = 9);
  assertEquals(await volume.scrub(), [{ ...finding, isRepaired: false }]);
  assertEquals(device.bytes.slice(0, 48), other);
});

Deno.test("scrub goes on past a block that can't be read, and says when a repair fails", async () => {
  const device = new MemoryBlockDevice({ blockCount: 64 });
  const volume = await filledVolume(device);
  await volume.checkpoint();
  const { read, write } = device;
  device.read = async (block, count) => {
    if (block <= 5 && 5 < block + count) throw new Error("EIO");
    return await read.call(device, block, count);
  };
  device.write = async (block, bytes) => {
    if (block === 5) throw new Error("EIO");
    await write.call(device, block, bytes);
  };
  device.bytes[7 * 512] = 99;
  assertEquals(await volume.scrub(), [
    { area: "parameters", block: 5, kind: "unreadable", isRepaired: false },
    { area: "parameters", block: 7, kind: "different", isRepaired: true },
  ]);
  // The volume still takes changes.
  await volume.parameters.set(3, Uint8Array.of(33));
  assertEquals(volume.parameters.get(3)?.value[0], 33);
});

Deno.test("scrub of a read-only volume finds and writes nothing", async () => {
  const device = new MemoryBlockDevice({ blockCount: 64 });
  await (await filledVolume(device)).close();
  const volume = await openVolume(device, { readOnly: true });
  device.bytes[512] = (device.bytes[512] ?? 0) ^ 1;
  const before = device.bytes.slice();
  assertEquals((await volume.scrub()).map(({ isRepaired }) => isRepaired), [
    false,
  ]);
  assertEquals(device.bytes, before);
});

Deno.test("scrub runs beside a stream of changes without disturbing them", async () => {
  const device = new MemoryBlockDevice({ blockCount: 64 });
  const volume = await filledVolume(device);
  const work: Promise<unknown>[] = [];
  for (let count = 0; count < 200; count++) {
    work.push(volume.events.append(event(`more ${count}`)));
    if (count % 7 === 0) {
      work.push(volume.parameters.set(count % 20, Uint8Array.of(count)));
    }
    if (count % 20 === 0) {
      work.push(volume.scrub().then((found) => assertEquals(found, [])));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  await Promise.all(work);
  assertEquals(volume.events.nextSequence, 321n);
});

Deno.test("scrub reads the medium, not what the kernel remembers of it", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.truncate(path, 64 * 512);
    await formatVolume(openFileDevice(path), { tenantId: 1 });
    const volume = await openVolume(openFileDevice(path));
    await volume.parameters.set(1, Uint8Array.of(1));
    await volume.checkpoint();
    const file = await Deno.open(path, { write: true });
    await file.seek(20 * 512, Deno.SeekMode.Start);
    await file.write(Uint8Array.of(1, 2, 3));
    file.close();
    assertEquals((await volume.scrub()).map(({ block }) => block), [20]);
    await volume.close();
  } finally {
    await Deno.remove(path);
  }
});
