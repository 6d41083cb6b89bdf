import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { StorageError } from "../../../lib/storage/error.ts";
import {
  buildParameterBlock,
  isZero,
  ParameterTable,
} from "../../../lib/storage/parameters.ts";
import { openVolume } from "../../../lib/storage/volume.ts";
import type { ParameterEntry } from "../../../lib/wire/parameter.ts";
import { filled, makeDisk, range, reopen } from "./support.ts";

function blankTable(): ParameterTable {
  return new ParameterTable(range(1, 16).map(() => new Uint8Array(512)));
}

function set(
  table: ParameterTable,
  id: number,
  value: Uint8Array,
): ParameterEntry {
  const batch = table.begin();
  const plan = batch.set(id, value);
  assert(plan.kind === "planned");
  table.apply(batch.changes());
  return plan.entry;
}

/** The blocks as a device would give them back. */
function reread(table: ParameterTable): ParameterTable {
  return new ParameterTable(range(0, 15).map((block) => table.image(block)));
}

Deno.test("isZero finds one bit anywhere, in arrays that begin and end anywhere, and looks at nothing else", () => {
  const bytes = new Uint8Array(24).fill(0xff);
  for (let start = 0; start <= 8; start++) {
    for (let length = 0; length <= 12; length++) {
      const part = bytes.subarray(start, start + length);
      part.fill(0);
      assert(isZero(part), `${start} ${length}`);
      for (let index = 0; index < length; index++) {
        part[index] = 1 << (index % 8);
        assertEquals(isZero(part), false, `${start} ${length} ${index}`);
        part[index] = 0;
      }
      part.fill(0xff);
    }
  }
});

Deno.test("parameters.get, set and list find the newest value after a reboot", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  assertEquals(volume.parameters.get(3), undefined);
  await volume.parameters.set(3, filled(240, 1));
  await volume.parameters.set(1, filled(0, 0));
  const entry = await volume.parameters.set(3, filled(5, 2));
  assertEquals(entry, { parameterId: 3, generation: 2, value: filled(5, 2) });
  for (const other of [volume, await reopen(device)]) {
    assertEquals(other.parameters.get(3)?.value, filled(5, 2));
    assertEquals(other.parameters.size, 2);
    assertEquals(
      other.parameters.list().map(({ parameterId }) => parameterId),
      [1, 3],
    );
  }
});

Deno.test("parameters.set copies the value when it is called", async () => {
  const volume = await openVolume(await makeDisk());
  const value = filled(4, 1);
  const stored = volume.parameters.set(1, value);
  value.fill(9);
  await stored;
  assertEquals(volume.parameters.get(1)?.value, filled(4, 1));
});

Deno.test("parameters.set refuses a value of 241 bytes and an id beyond 32 bits", async () => {
  const volume = await openVolume(await makeDisk());
  await assertRejects(() => volume.parameters.set(1, filled(241, 1)), Error);
  await assertRejects(() => volume.parameters.set(2 ** 32, filled(1, 1)));
  await assertRejects(() => volume.parameters.set(-1, filled(1, 1)));
  assertEquals(volume.parameters.size, 0);
});

Deno.test("parameters.set fills 32 slots, says ENOSPC for the next, and still updates", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  for (const id of range(1, 32)) {
    await volume.parameters.set(id, filled(id, id));
  }
  const error = await assertRejects(
    () => volume.parameters.set(99, filled(1, 1)),
    StorageError,
    "no free slot for parameter 99: 32 parameters in 32 slots",
  );
  assertEquals(error.code, "ENOSPC");
  for (const id of range(1, 32)) {
    await volume.parameters.set(id, filled(3, 100 + id));
  }
  const again = await reopen(device);
  for (const id of range(1, 32)) {
    assertEquals(again.parameters.get(id)?.value, filled(3, 100 + id));
  }
});

Deno.test("parameters.set refuses only the one that is too many of a batch", async () => {
  const volume = await openVolume(await makeDisk());
  const results = await Promise.allSettled(
    range(1, 40).map((id) => volume.parameters.set(id, filled(1, id))),
  );
  assertEquals(
    results.map(({ status }) => status),
    range(1, 40).map((id) => id <= 32 ? "fulfilled" : "rejected"),
  );
});

Deno.test("parameters.set of one turn may use the slot that an earlier one of the turn frees", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  for (const id of range(1, 31)) await volume.parameters.set(id, filled(1, id));
  await Promise.all([
    volume.parameters.set(1, filled(2, 1)),
    volume.parameters.set(32, filled(1, 32)),
  ]);
  const again = await reopen(device);
  assertEquals(again.parameters.size, 32);
  assertEquals(again.parameters.get(1)?.value, filled(2, 1));
});

Deno.test("ParameterTable keeps the newest value while generations wrap", () => {
  let table = blankTable();
  // A second parameter that is never written again must not be touched.
  set(table, 2, filled(1, 77));
  for (let count = 1; count <= 70_000; count++) {
    const { generation } = set(table, 1, filled(2, count & 0xff));
    assertEquals(generation, count & 0xffff);
    if (count % 4999 === 0) table = reread(table);
    assertEquals(table.get(1)?.value, filled(2, count & 0xff));
  }
  assertEquals(table.get(2)?.value, filled(1, 77));
});

Deno.test("ParameterTable lets no copy lag behind far enough to win again", () => {
  const table = blankTable();
  // A full store, where copies compete for slots.
  for (const id of range(1, 20)) set(table, id, filled(1, id));
  for (let count = 0; count < 5000; count++) {
    const id = 1 + (count * 7) % 20;
    set(table, id, filled(2, count & 0xff));
    const newest = table.get(id)?.generation ?? 0;
    for (const slot of range(0, 31)) {
      const content = table.slot(slot);
      if (content.kind !== "entry" || content.entry.parameterId !== id) {
        continue;
      }
      assert(((newest - content.entry.generation) & 0xffff) < 32);
    }
  }
});

Deno.test("ParameterTable takes the lower slot of two equal generations", () => {
  const images = range(1, 16).map(() => new Uint8Array(512));
  const entry = (value: number) => ({
    parameterId: 1,
    generation: 5,
    value: filled(1, value),
  });
  images[2] = buildParameterBlock([null, entry(1)], new Uint8Array(8));
  images[9] = buildParameterBlock([entry(2), null], new Uint8Array(8));
  assertEquals(new ParameterTable(images).get(1)?.value, filled(1, 1));
});

Deno.test("ParameterTable preserves the last eight bytes of a block, unless the block is garbage", () => {
  const tail = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  const images = range(1, 16).map(() => new Uint8Array(512));
  for (const image of images) image.set(tail, 504);
  images[3] = filled(512, 0xff);
  const table = new ParameterTable(images);
  for (const id of range(1, 32)) set(table, id, filled(200, id));
  for (const block of range(0, 15)) {
    const expected = block === 3 ? new Uint8Array(8) : tail;
    assertEquals(table.image(block)?.slice(504), expected);
  }
});

Deno.test("ParameterTable steps further while a block can't be read, and leaves that block alone", () => {
  const images: (Uint8Array<ArrayBuffer> | null)[] = range(1, 16).map(() =>
    new Uint8Array(512)
  );
  images[0] = null;
  const table = new ParameterTable(images);
  assertEquals(set(table, 1, filled(1, 1)).generation, 1);
  assertEquals(set(table, 1, filled(1, 2)).generation, 257);
  assertEquals(table.image(0), null);
  for (const id of range(2, 30)) set(table, id, filled(1, 1));
  const batch = table.begin();
  assertThrows(
    () => batch.set(31, filled(1, 1)),
    StorageError,
    "EIO: no usable slot for parameter 31: 1 blocks of the store fail",
  );
});

Deno.test("ParameterTable reuses a damaged slot", () => {
  const images = range(1, 16).map(() => filled(512, 0xff));
  const table = new ParameterTable(images);
  for (const id of range(1, 32)) set(table, id, filled(1, id));
  assertEquals(reread(table).size, 32);
});
