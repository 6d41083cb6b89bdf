/** The disk image with a partition table, read back by `spaceos-disk`'s reader. */
import { assertEquals, assertThrows } from "@std/assert";
import { readGpt } from "../../../cmd/spaceos-disk/gpt.ts";
import { gptDisk } from "../../../rootfs/gpt.ts";

const VOLUME = new Uint8Array(64 * 512).fill(0x5a);

Deno.test("gptDisk puts the volume into the first partition, in both copies of the table", async () => {
  const disk = gptDisk(VOLUME);
  for (const damaged of ["nothing", "primary", "backup"]) {
    const copy = disk.slice();
    if (damaged === "primary") copy.fill(0, 512, 1024);
    if (damaged === "backup") copy.fill(0, copy.length - 512);
    const table = await readGpt(
      (offset, length) => copy.subarray(offset, offset + length),
      copy.length,
    );
    assertEquals("faults" in table, false, damaged);
    if ("faults" in table) return;
    const [partition] = table.partitions;
    assertEquals(table.partitions.length, 1);
    assertEquals(partition, {
      number: 1,
      name: "spaceos",
      offsetBytes: 1 << 20,
      lengthBytes: VOLUME.length,
    });
  }
  assertEquals(disk.subarray(1 << 20, (1 << 20) + VOLUME.length), VOLUME);
  assertEquals([disk[450], disk[510], disk[511]], [0xee, 0x55, 0xaa]);
});

Deno.test("gptDisk refuses what is no whole number of sectors", () => {
  assertThrows(() => gptDisk(new Uint8Array(513)), RangeError, "513 bytes");
  assertThrows(() => gptDisk(new Uint8Array(0)), RangeError, "0 bytes");
});
