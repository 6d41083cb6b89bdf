import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { crc32, type Gpt, readGpt } from "../../../cmd/spaceos-disk/gpt.ts";
import { bitwiseCrc32, makeGptDisk } from "./support.ts";

const PLAN = [
  { number: 1, name: "boot", firstSector: 64, sectors: 100 },
  { number: 3, name: "spaceös", firstSector: 1024, sectors: 2000 },
];
const EXPECTED = [
  { number: 1, name: "boot", offsetBytes: 32_768, lengthBytes: 51_200 },
  { number: 3, name: "spaceös", offsetBytes: 524_288, lengthBytes: 1_024_000 },
];

function read(
  disk: Uint8Array,
): Promise<Gpt | { readonly faults: readonly string[] }> {
  return readGpt(
    (offset, length) => disk.slice(offset, offset + length),
    disk.length,
  );
}

Deno.test("crc32 gives the check value of CRC-32 and agrees with a bitwise division", () => {
  assertEquals(crc32(new TextEncoder().encode("123456789")), 0xCBF43926);
  const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index * 7);
  assertEquals(crc32(bytes), bitwiseCrc32(bytes));
});

Deno.test("readGpt finds the partitions with their numbers, names and places", async () => {
  assertEquals(await read(makeGptDisk(PLAN)), {
    partitions: EXPECTED,
    primaryFault: undefined,
  });
});

Deno.test("readGpt reads disks with sectors of 4096 bytes", async () => {
  const plan = [{ number: 2, name: "big", firstSector: 20, sectors: 10 }];
  const disk = makeGptDisk(plan, { sectors: 64, sectorBytes: 4096 });
  assertEquals(await read(disk), {
    partitions: [
      { number: 2, name: "big", offsetBytes: 81_920, lengthBytes: 40_960 },
    ],
    primaryFault: undefined,
  });
});

Deno.test("readGpt tells every flipped bit of the primary header and entries, and takes the backup", async () => {
  const disk = makeGptDisk(PLAN);
  const places = [
    ...Array.from({ length: 92 }, (_, index) => 512 + index),
    ...Array.from({ length: 128 }, (_, index) => 1024 + index),
    1024 + 2 * 128 + 60,
    1024 + 127 * 128 + 127,
  ];
  for (const place of places) {
    for (let bit = 0; bit < 8; bit++) {
      const mask = 1 << bit;
      disk[place] = (disk[place] ?? 0) ^ mask;
      const table = await read(disk);
      assert("partitions" in table, `byte ${place} bit ${bit}`);
      assertEquals(table.partitions, EXPECTED);
      assert(table.primaryFault !== undefined, `byte ${place} bit ${bit}`);
      disk[place] = (disk[place] ?? 0) ^ mask;
    }
  }
});

Deno.test("readGpt says why neither copy can be used", async () => {
  const disk = makeGptDisk(PLAN);
  disk.fill(0, 512, 1024);
  disk[disk.length - 512 + 40] = 1;
  const table = await read(disk);
  assert("faults" in table);
  assertEquals(table.faults, [
    'primary table: no "EFI PART" at byte 512',
    "backup table: the CRC of its header is wrong",
  ]);
});

Deno.test("readGpt copes with disks of every small size and with random tables", async () => {
  for (const length of [0, 1, 511, 512, 513, 1024, 1100, 4096, 8192]) {
    const table = await read(new Uint8Array(length));
    assert("faults" in table, `${length}`);
  }
  const disk = makeGptDisk(PLAN);
  for (let round = 0; round < 400; round++) {
    const copy = disk.slice();
    const field = 512 + (round * 13) % 92;
    copy.set([round & 0xFF, 0xFF, 0xFF, 0xFF], field);
    // A right CRC over wrong numbers, in both copies' places.
    copy.fill(0, 528, 532);
    new DataView(copy.buffer).setUint32(
      528,
      bitwiseCrc32(copy.subarray(512, 604)),
      true,
    );
    copy.fill(0, copy.length - 512);
    const table = await read(copy);
    if ("faults" in table) {
      assertStringIncludes(table.faults[0] ?? "", "primary");
    }
  }
});
