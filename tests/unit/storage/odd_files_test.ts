/** What is no disk, given as one: it must be refused at once, never waited for. */
import { assertEquals, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { openFileDevice } from "../../../lib/storage/file_device.ts";
import { readSuperblock } from "../../../lib/storage/read_superblock.ts";
import { WireError } from "../../../lib/wire/error.ts";

Deno.test("readSuperblock and openFileDevice refuse a FIFO without a writer, a directory and short files at once", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const fifo = `${folder}/fifo`;
    const made = new Deno.Command("mkfifo", { args: [fifo] }).outputSync();
    assertEquals(made.success, true);
    assertThrows(() => readSuperblock(fifo), SystemError, "ESPIPE");
    for (const readOnly of [true, false]) {
      assertThrows(() => openFileDevice(fifo, { readOnly }));
    }
    assertThrows(() => readSuperblock(folder), SystemError, "EISDIR");
    for (const lengthBytes of [0, 47]) {
      const path = `${folder}/short`;
      Deno.writeFileSync(path, new Uint8Array(lengthBytes));
      assertThrows(() => readSuperblock(path), WireError, "truncated");
      assertThrows(() => openFileDevice(path));
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

for (const offsetBytes of [-1, 0.5, NaN, Infinity, 2 ** 63]) {
  Deno.test(`readSuperblock refuses the offset ${offsetBytes} in words`, () => {
    assertThrows(
      () => readSuperblock("/dev/zero", offsetBytes),
      WireError,
      "superblock: offset is",
    );
  });
}
