/**
 * Disks that are made to do harm: a volume opens on them or says which field is
 * wrong, and everything that can be asked of it is answered, refused with an
 * error of its own, or repaired; nothing outside the stores is ever written.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { findVolume } from "../../../lib/init/find_volume.ts";
import { parseCommandLine } from "../../../lib/init/command_line.ts";
import { checkVolume } from "../../../lib/storage/check.ts";
import { readCatalogue } from "../../../lib/storage/data_products.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import { geometryOf } from "../../../lib/storage/layout.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import { repairVolume } from "../../../lib/storage/repair.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";
import { WireError } from "../../../lib/wire/error.ts";
import { encodeDataProductBlock } from "../../../lib/wire/data_product.ts";
import {
  type HostileDisk,
  hostileDisks,
} from "../../fixtures/hostile_disks.ts";
import { event } from "./support.ts";

const DISKS = hostileDisks();

/** Runs what may be refused, but with an error of the library's own. */
async function orRefused(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StorageError || error instanceof WireError)) {
      throw error;
    }
  }
}

/** Asks for everything and changes something in each store. */
async function useAll(volume: Volume): Promise<void> {
  const { parameters, events, dataProducts } = volume;
  assert(events.count <= 96 && events.recent().length === events.count);
  assert(parameters.list().length <= 32);
  for (const product of await dataProducts.list()) {
    await orRefused(() => dataProducts.read(product));
    await orRefused(() => dataProducts.readPiece(product.name, 0, 4096));
  }
  await orRefused(() => dataProducts.freeBytes());
  await orRefused(() => parameters.set(7, new Uint8Array([1])));
  for (let code = 1; code <= 7; code++) {
    await orRefused(() => events.append(event(code)));
  }
  await orRefused(() =>
    Promise.all(
      Array.from({ length: 20 }, (_, at) => events.append(event(10 + at))),
    )
  );
  await orRefused(() =>
    dataProducts.write({
      name: "mine",
      dataProductClass: 1,
      priority: 1,
      data: new Uint8Array(600),
    })
  );
}

async function withBadSuperblock(
  { name, field, bytes }: HostileDisk,
): Promise<void> {
  const error = await assertRejects(
    () => openVolume(new MemoryBlockDevice({ bytes: bytes.slice() })),
    StorageError,
    field ?? "",
    name,
  );
  assertEquals(error.field, field, name);
  const device = new MemoryBlockDevice({ bytes: bytes.slice() });
  const { verdict, findings } = await checkVolume(device);
  assertEquals([verdict, findings.length], ["bad", 1], name);
  await repairVolume(device);
  assertEquals(device.bytes, bytes, `${name}: nothing is guessed`);
  // What the init says.
  const path = "/dev/vda";
  const found = await findVolume(parseCommandLine(`spaceos.disk=${path}`), {
    exists: () => true,
    open: () => new MemoryBlockDevice({ bytes: bytes.slice() }),
  });
  assertEquals(found.volume, null, name);
  assert(
    found.reasons.some((reason) =>
      reason.startsWith(path) && reason.includes(` ${field} is `)
    ),
    `${name}: ${found.reasons}`,
  );
}

Deno.test("a volume opens on every hostile disk or names the superblock's field, and so does the init", async () => {
  for (const disk of DISKS) {
    if (disk.field === null) {
      await openVolume(new MemoryBlockDevice({ bytes: disk.bytes.slice() }));
    } else await withBadSuperblock(disk);
  }
});

Deno.test("what can be asked of a volume on a hostile disk is answered or refused, and its superblock stays", async () => {
  for (const { name, field, bytes } of DISKS) {
    if (field !== null) continue;
    try {
      const device = new MemoryBlockDevice({ bytes: bytes.slice() });
      const volume = await openVolume(device);
      // Opening writes a metadata block at most, and never over other data.
      const written = changedBlocks(bytes, device.bytes);
      assert(written.length <= 1, `opening wrote ${written}`);
      assert(written.every((block) => block >= 1 && block <= 32), `${written}`);
      await useAll(volume);
      await volume.close();
      assertEquals(device.bytes.subarray(0, 512), bytes.subarray(0, 512));
      await useAll(await openVolume(device));
    } catch (error) {
      throw new Error(`${name}: ${error}`, { cause: error });
    }
  }
});

Deno.test("check judges every hostile disk without writing, and what repair leaves is no worse", async () => {
  const rank = { clean: 0, repairable: 1, bad: 2 };
  for (const { name, field, bytes } of DISKS) {
    if (field !== null) continue;
    const device = new MemoryBlockDevice({ bytes: bytes.slice() });
    const { verdict } = await checkVolume(device);
    assertEquals(device.bytes, bytes, name);
    const { before, after } = await repairVolume(device);
    assertEquals(before.verdict, verdict, name);
    assert(rank[after.verdict] <= rank[verdict], `${name}: ${after.verdict}`);
    assert(verdict !== "repairable" || after.verdict === "clean", name);
    assertEquals(device.bytes.subarray(0, 512), bytes.subarray(0, 512), name);
  }
});

/** A disk of a tebibyte that is made up as it is read. */
class EndlessDisk extends MemoryBlockDevice {
  override readonly blockCount = 2 ** 31;
  reads = 0;
  readonly #make: (block: number) => Uint8Array | null;

  constructor(make: (block: number) => Uint8Array | null) {
    super({ blockCount: 1 });
    this.#make = make;
  }

  override read(
    block: number,
    count: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    this.reads++;
    const bytes = new Uint8Array(count * 512);
    for (let at = 0; at < count; at++) {
      const made = this.#make(block + at);
      if (made === null) return Promise.reject(new Error("bad sector"));
      bytes.set(made, at * 512);
    }
    return Promise.resolve(bytes);
  }
}

const ENDLESS = geometryOf(
  { totalBlocks: 2 ** 31, dataProductStart: 33, dataProductSize: 2 ** 31 - 34 },
  2 ** 31,
);

Deno.test("a catalogue without end is cut short, and a disk that is gone is not asked for each block", async () => {
  const endless = new EndlessDisk((block) =>
    encodeDataProductBlock({
      blockOffset: block - 32,
      blockCount: 0,
      dataProductClass: 0,
      priority: 0,
      name: "again",
      dataCrc32: 0,
      dataLength: 0,
    })
  );
  const catalogue = await readCatalogue(endless, ENDLESS);
  assertEquals(catalogue.products.length, 65_536);
  assertEquals([catalogue.isCutShort, catalogue.endBlock], [true, null]);
  const gone = new EndlessDisk(() => null);
  const { gaps, endBlock } = await readCatalogue(gone, ENDLESS);
  assertEquals([gaps.length, endBlock], [1, null]);
  assert(gone.reads < 2000, `${gone.reads} reads`);
});

/** The blocks that differ. */
function changedBlocks(before: Uint8Array, after: Uint8Array): number[] {
  const changed: number[] = [];
  for (let block = 0; block * 512 < before.length; block++) {
    const at = block * 512;
    for (let byte = at; byte < at + 512; byte++) {
      if (before[byte] === after[byte]) continue;
      changed.push(block);
      break;
    }
  }
  return changed;
}
