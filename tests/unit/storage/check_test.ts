import { assert, assertEquals, assertRejects } from "@std/assert";
import { checkVolume, type Finding } from "../../../lib/storage/check.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import { buildParameterBlock } from "../../../lib/storage/parameters.ts";
import { repairVolume } from "../../../lib/storage/repair.ts";
import { openVolume } from "../../../lib/storage/volume.ts";
import type { RecordingDevice } from "../../simulation/storage/recording_device.ts";
import { codes, event, filled, makeDisk, range } from "./support.ts";

/** A volume with something in every store. */
async function makeUsed(): Promise<RecordingDevice> {
  const device = await makeDisk();
  const volume = await openVolume(device);
  for (const code of range(1, 100)) await volume.events.append(event(code));
  for (const id of range(1, 20)) await volume.parameters.set(id, filled(3, id));
  await volume.dataProducts.write({
    name: "a",
    dataProductClass: 1,
    priority: 1,
    data: filled(700, 1),
  });
  await volume.close();
  device.steps.length = 0;
  return device;
}

function places(findings: readonly Finding[]): string[] {
  return findings.map((finding) =>
    `${finding.severity} ${finding.area} ${finding.block}:${finding.offset}`
  );
}

Deno.test("checkVolume finds nothing wrong with a used volume, and never writes", async () => {
  const device = await makeUsed();
  const report = await checkVolume(device);
  assertEquals(report.verdict, "clean");
  assertEquals(report.findings, []);
  assertEquals(report.superblock?.tenantId, 7);
  assertEquals(device.steps, []);
});

Deno.test("checkVolume names the field of a bad superblock, and repairVolume does not make one up", async () => {
  const device = await makeUsed();
  const good = device.bytes.slice(0, 512);
  device.bytes[8] = 0xFF;
  const report = await checkVolume(device);
  assertEquals(report.verdict, "bad");
  assertEquals(places(report.findings), ["error superblock 0:44"]);
  const { after, rewrittenBlocks } = await repairVolume(device);
  assertEquals([after.verdict, rewrittenBlocks], ["bad", []]);
  assertEquals(device.steps, []);
  const stated = await repairVolume(device, {
    superblock: {
      tenantId: 7,
      totalBlocks: 64,
      dataProductStart: 33,
      dataProductSize: 30,
      epoch: 1000n,
      uuid: new Uint8Array(16).fill(5),
    },
  });
  assertEquals(stated.after.verdict, "clean");
  assertEquals(device.bytes.slice(0, 512), good);
  assertEquals(codes(await openVolume(device)).at(-1), 100);
});

Deno.test("repairVolume refuses a stated superblock that does not fit the device", async () => {
  const device = await makeUsed();
  device.bytes[0] = 0;
  await assertRejects(
    () =>
      repairVolume(device, {
        superblock: {
          tenantId: 7,
          totalBlocks: 65,
          dataProductStart: 33,
          dataProductSize: 30,
          epoch: 0n,
          uuid: new Uint8Array(16),
        },
      }),
    StorageError,
    "truncated",
  );
  assertEquals(device.steps, []);
});

Deno.test("checkVolume finds a damaged parameter, and repairVolume clears it and leaves its neighbour", async () => {
  const device = await makeUsed();
  const before = (await openVolume(device)).parameters.list();
  device.bytes[512 + 20] = 0x77;
  const report = await checkVolume(device);
  assertEquals(report.verdict, "repairable");
  assertEquals(places(report.findings), ["warning parameters 1:0"]);
  const { after, rewrittenBlocks } = await repairVolume(device);
  assertEquals(after.verdict, "clean");
  assertEquals(rewrittenBlocks, [1]);
  const left = (await openVolume(device)).parameters.list();
  assert(left.length >= before.length - 1);
});

Deno.test("checkVolume finds two newest entries, and repairVolume keeps the one that counted", async () => {
  const device = await makeDisk();
  const entry = (value: number) => ({
    parameterId: 1,
    generation: 5,
    value: filled(1, value),
  });
  const tail = new Uint8Array(8);
  device.bytes.set(buildParameterBlock([null, entry(1)], tail), 3 * 512);
  device.bytes.set(buildParameterBlock([entry(2), null], tail), 9 * 512);
  const report = await checkVolume(device);
  assertEquals(places(report.findings), ["warning parameters 9:0"]);
  assertEquals((await repairVolume(device)).after.verdict, "clean");
  const volume = await openVolume(device);
  assertEquals(volume.parameters.get(1)?.value, filled(1, 1));
});

Deno.test("checkVolume finds damaged records and trailers, and repairVolume keeps all the rest", async () => {
  const device = await makeUsed();
  const before = codes(await openVolume(device));
  const lost = 20;
  const block = 17 + Math.floor((lost - 1) / 6);
  device.bytes[block * 512 + ((lost - 1) % 6) * 76 + 9] = 0xEE;
  device.bytes[30 * 512 + 456] = 0xEE;
  const report = await checkVolume(device);
  assertEquals(report.verdict, "repairable");
  assertEquals(
    report.findings.filter(({ severity }) => severity === "warning").length,
    2,
  );
  const { after } = await repairVolume(device);
  assertEquals(after.verdict, "clean");
  const volume = await openVolume(device);
  assertEquals(
    codes(volume).toSorted((a, b) => a - b),
    before.filter((code) => code !== lost),
  );
  assertEquals(await volume.events.append(event(101)), 101n);
});

Deno.test("checkVolume says info for a journal that is ahead or torn, which is no damage", async () => {
  const device = await makeDisk();
  const volume = await openVolume(device);
  await volume.events.append(event(1));
  const ahead = await checkVolume(device);
  assertEquals([ahead.verdict, places(ahead.findings)], [
    "clean",
    ["info journal 63:0"],
  ]);
  device.bytes.fill(0x5A, 63 * 512 + 100, 63 * 512 + 110);
  const torn = await checkVolume(device);
  assertEquals([torn.verdict, places(torn.findings)], [
    "clean",
    ["info journal 63:0"],
  ]);
  const { after } = await repairVolume(device);
  assertEquals(after.findings, []);
});

Deno.test("checkVolume calls blocks that can't be read bad, and repairVolume rewrites them", async () => {
  const device = await makeUsed();
  const bad = new Set([5, 20]);
  device.faults = { failRead: (block) => bad.has(block) };
  const report = await checkVolume(device);
  assertEquals(report.verdict, "bad");
  assertEquals(places(report.findings), [
    "error parameters 5:0",
    "error events 20:0",
  ]);
  // The disk replaces a sector when it is written.
  const write = device.write.bind(device);
  device.write = (block, bytes) => {
    bad.delete(block);
    return write(block, bytes);
  };
  const { after, rewrittenBlocks } = await repairVolume(device);
  assertEquals(after.verdict, "clean");
  assertEquals(rewrittenBlocks, [5, 20]);
});

Deno.test("checkVolume and openVolume take any metadata whatever without throwing", async () => {
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 16;
  };
  const used = await makeUsed();
  const medium = used.bytes.slice();
  for (let round = 0; round < 300; round++) {
    used.bytes.set(medium);
    for (let hit = 0; hit <= random() % 8; hit++) {
      const block = 1 + random() % 63;
      const from = block * 512 + random() % 512;
      for (let at = from; at < (block + 1) * 512 && random() % 40 > 0; at++) {
        used.bytes[at] = random();
      }
    }
    const before = used.bytes.slice();
    const report = await checkVolume(used);
    assertEquals(used.bytes, before);
    const volume = await openVolume(used);
    await volume.events.append(event(1));
    await volume.parameters.set(1, filled(1, 1));
    await volume.close();
    if (report.verdict !== "bad") {
      assertEquals((await repairVolume(used)).after.verdict, "clean");
    }
  }
});
