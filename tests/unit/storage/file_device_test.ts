import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import {
  type FileDeviceOptions,
  openFileDevice,
} from "../../../lib/storage/file_device.ts";
import { formatVolume } from "../../../lib/storage/format.ts";
import { readSuperblock } from "../../../lib/storage/read_superblock.ts";
import { openVolume } from "../../../lib/storage/volume.ts";
import { WireError } from "../../../lib/wire/error.ts";
import { checkMagic } from "../../../lib/wire/superblock.ts";
import { codes, event, filled, range } from "./support.ts";

async function withFile(
  blocks: number,
  test: (path: string) => Promise<void> | void,
): Promise<void> {
  const path = await Deno.makeTempFile({ prefix: "storage_test_" });
  try {
    await Deno.truncate(path, blocks * 512);
    await test(path);
  } finally {
    await Deno.remove(path);
  }
}

for (const blocking of [false, true]) {
  const how = blocking ? "blocking" : "on other threads";

  Deno.test(`a volume in a file lives on from one opening to the next (${how})`, async () => {
    await withFile(128, async (path) => {
      const device = openFileDevice(path, { blocking });
      await formatVolume(device, { tenantId: 3 });
      const volume = await openVolume(device);
      await Promise.all(
        range(1, 20).map((code) => volume.events.append(event(code))),
      );
      await volume.parameters.set(1, filled(5, 1));
      await volume.close();
      const again = await openVolume(openFileDevice(path, { readOnly: true }));
      assertEquals(codes(again), range(1, 20));
      assertEquals(again.parameters.get(1)?.value, filled(5, 1));
      await again.close();
      assertEquals(readSuperblock(path).tenantId, 3);
    });
  });

  Deno.test(`a volume inside a partition leaves the bytes around it alone (${how})`, async () => {
    await withFile(300, async (path) => {
      await Deno.writeFile(path, filled(300 * 512, 0xAB));
      const place: FileDeviceOptions = {
        offsetBytes: 100 * 512,
        lengthBytes: 100 * 512,
        blocking,
      };
      const device = openFileDevice(path, place);
      assertEquals(device.blockCount, 100);
      await formatVolume(device, { tenantId: 4 });
      const volume = await openVolume(device);
      await volume.events.append(event(1));
      await volume.dataProducts.write({
        name: "all",
        dataProductClass: 0,
        priority: 0,
        data: filled(65 * 512, 7),
      });
      await volume.close();
      const bytes = await Deno.readFile(path);
      assert(bytes.subarray(0, 100 * 512).every((byte) => byte === 0xAB));
      assert(bytes.subarray(200 * 512).every((byte) => byte === 0xAB));
      const again = await openVolume(openFileDevice(path, place));
      assertEquals(codes(again), [1]);
      assertEquals(await again.dataProducts.read("all"), filled(65 * 512, 7));
      await again.close();
      assertEquals(readSuperblock(path, 100 * 512).tenantId, 4);
    });
  });

  Deno.test(`FileBlockDevice says EIO and "truncated" when the file shrank (${how})`, async () => {
    await withFile(64, async (path) => {
      const device = openFileDevice(path, { blocking });
      await Deno.truncate(path, 10 * 512 + 100);
      const error = await assertRejects(
        () => device.read(10, 1),
        StorageError,
        "read 100 bytes at block 10, expected 512: truncated",
      );
      assertEquals(error.code, "EIO");
      device.close();
    });
  });
}

Deno.test("FileBlockDevice refuses what is outside it, and writes to a read-only one", async () => {
  await withFile(10, async (path) => {
    const device = openFileDevice(path);
    await assertRejects(() => device.read(9, 2), StorageError, "blocks 9..10");
    await assertRejects(() => device.read(-1, 1), StorageError);
    await assertRejects(() => device.write(10, filled(512, 1)), StorageError);
    await assertRejects(() => device.write(0, filled(100, 1)), StorageError);
    device.close();
    device.close();
    await assertRejects(() => device.read(0, 1), StorageError, "EBADF");
    const readOnly = openFileDevice(path, { readOnly: true });
    assert(readOnly.readOnly);
    await assertRejects(
      () => readOnly.write(0, filled(512, 1)),
      StorageError,
      "EROFS",
    );
    await readOnly.flush();
    readOnly.close();
  });
});

Deno.test("openFileDevice refuses parts that are not inside the file or not whole blocks", async () => {
  await withFile(10, (path) => {
    for (
      const options of [
        { offsetBytes: 100 },
        { offsetBytes: -512 },
        { offsetBytes: 10 * 512 },
        { offsetBytes: 512, lengthBytes: 10 * 512 },
        { lengthBytes: 511 },
      ]
    ) {
      assertThrows(() => openFileDevice(path, options), StorageError, "EINVAL");
    }
  });
  assertThrows(() => openFileDevice("/nonexistent"), SystemError, "ENOENT");
  assertThrows(() => openFileDevice("/dev/null"), SystemError, "EINVAL");
});

Deno.test("FileBlockDevice closes its descriptors only after the operations under way", async () => {
  await withFile(64, async (path) => {
    const device = openFileDevice(path);
    const reads = range(0, 20).map((block) => device.read(block, 1));
    device.close();
    for (const bytes of await Promise.all(reads)) {
      assertEquals(bytes.length, 512);
    }
  });
});

Deno.test("readSuperblock does not judge, and names what is missing", async () => {
  await withFile(1, (path) => {
    assertEquals(checkMagic(readSuperblock(path)), false);
    Deno.truncateSync(path, 47);
    assertThrows(() => readSuperblock(path), WireError, "truncated");
    Deno.truncateSync(path, 48);
    assertEquals(readSuperblock(path).totalBlocks, 0);
  });
  assertThrows(() => readSuperblock("/nonexistent"), SystemError, "ENOENT");
});
