/**
 * `spaceos-disk` on real block devices: loop devices, which need root and a
 * kernel that has them.
 *
 * @module
 */

import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { close, open } from "../../../lib/linux/file.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import { openFileDevice } from "../../../lib/storage/file_device.ts";
import { openVolume } from "../../../lib/storage/volume.ts";
import {
  diskCommand,
  makeGptDisk,
  runDisk,
  runProgram,
  withFolder,
} from "./support.ts";

const HAS_LOOP_DEVICES = await canAttach();

async function canAttach(): Promise<boolean> {
  if (Deno.uid() !== 0) return false;
  const image = await Deno.makeTempFile();
  try {
    await Deno.truncate(image, 65_536);
    const { code, stdout } = await runProgram([
      ...["losetup", "--find", "--show", image],
    ]);
    if (code !== 0) return false;
    await runProgram(["losetup", "--detach", stdout.trim()]);
    return true;
  } catch {
    return false;
  } finally {
    await Deno.remove(image);
  }
}

/** Calls back with a loop device over a file. */
async function withLoop(
  path: string,
  use: (device: string) => Promise<void>,
  ...options: string[]
): Promise<void> {
  const { code, stdout, stderr } = await runProgram([
    ...["losetup", "--find", "--show", ...options, path],
  ]);
  assertEquals(code, 0, stderr);
  const device = stdout.trim();
  try {
    await use(device);
  } finally {
    await runProgram(["losetup", "--detach", device]);
  }
}

/**
 * Waits until nobody has the device mounted any more: a mount namespace that
 * another program has made meanwhile holds a copy of the mount until it ends.
 */
async function untilFree(device: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    try {
      return close(open(device, ["readWrite", "exclusive"]));
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function must(...argv: string[]): Promise<void> {
  const { code, stderr } = await runProgram(argv);
  assertEquals(code, 0, `${argv.join(" ")}: ${stderr}`);
}

Deno.test({
  name: "format, write, read and check work on a block device",
  ignore: !HAS_LOOP_DEVICES,
  fn: () =>
    withFolder(async (folder) => {
      const image = `${folder}/image`;
      await Deno.writeFile(image, new Uint8Array(1_048_576));
      await withLoop(image, async (device) => {
        const made = await runDisk(["format", device, "--tenant", "5"]);
        assertEquals(made.code, 0, made.stderr);
        assertStringIncludes(made.stdout, "2048 blocks");
        assertEquals(
          (await runDisk(["param", "set", device, "1", "x"])).code,
          0,
        );
        assertEquals((await runDisk(["check", device])).code, 0);
        // The file behind it is the loop device's business alone.
        const refused = await runDisk(["param", "set", image, "1", "y"]);
        assertEquals(refused.code, 5);
        assertStringIncludes(refused.stderr, `it is attached to ${device}`);
      });
      assertEquals((await runDisk(["param", "get", image, "1"])).stdout, "x\n");
    }),
});

Deno.test({
  name:
    "a device that another program has open for itself is refused, --force or not",
  ignore: !HAS_LOOP_DEVICES,
  fn: () =>
    withFolder(async (folder) => {
      const image = `${folder}/image`;
      await Deno.writeFile(image, new Uint8Array(1_048_576));
      await withLoop(image, async (device) => {
        const held = open(device, ["readWrite", "exclusive"]);
        try {
          const refused = await runDisk(["format", device, "--force"]);
          assertEquals(refused.code, 5);
          assertStringIncludes(
            refused.stderr,
            `${device} is in use: the kernel refuses exclusive use (O_EXCL)`,
          );
        } finally {
          close(held);
        }
        assertEquals((await runDisk(["format", device])).code, 0);
      });
    }),
});

Deno.test({
  name:
    "a mounted device is refused by its mount point, --force or not, and stays whole",
  ignore: !HAS_LOOP_DEVICES,
  fn: () =>
    withFolder(async (folder) => {
      const image = `${folder}/image`;
      const mountPoint = `${folder}/mounted here`;
      await Deno.mkdir(mountPoint);
      await Deno.writeFile(image, new Uint8Array(4 * 1_048_576));
      await must("mkfs.ext4", "-q", "-F", image);
      await withLoop(image, async (device) => {
        await must("mount", device, mountPoint);
        try {
          await Deno.writeTextFile(`${mountPoint}/file`, "kept");
          for (const command of [["format", "--force"], ["repair"]]) {
            const [name = "", ...options] = command;
            const refused = await runDisk([name, device, ...options]);
            assertEquals(refused.code, 5, refused.stderr);
            assertEquals(
              refused.stderr,
              `spaceos-disk: ${device} is in use: it is mounted on ${mountPoint}; expected a device or file that nothing else writes\n`,
            );
          }
          assertEquals(await Deno.readTextFile(`${mountPoint}/file`), "kept");
        } finally {
          await must("umount", mountPoint);
        }
        await untilFree(device);
        const refused = await runDisk(["format", device]);
        assertEquals(refused.code, 5);
        assertStringIncludes(
          refused.stderr,
          "an ext2, ext3 or ext4 file system",
        );
      });
    }),
});

Deno.test({
  name:
    "a disk with a mounted partition is refused, its other partition is not",
  ignore: !HAS_LOOP_DEVICES,
  fn: () =>
    withFolder(async (folder) => {
      const image = `${folder}/image`;
      const mountPoint = `${folder}/m`;
      await Deno.mkdir(mountPoint);
      await Deno.writeFile(
        image,
        makeGptDisk(
          [
            { number: 1, name: "files", firstSector: 2048, sectors: 8192 },
            { number: 2, name: "volume", firstSector: 10_240, sectors: 2048 },
          ],
          { sectors: 16_384 },
        ),
      );
      await withLoop(image, async (device) => {
        // A kernel that reads GPTs has found them itself; one that doesn't is told.
        await runProgram(["addpart", device, "1", "2048", "8192"]);
        await runProgram(["addpart", device, "2", "10240", "2048"]);
        await must("mkfs.ext4", "-q", `${device}p1`);
        await must("mount", `${device}p1`, mountPoint);
        try {
          const whole = await runDisk(["format", device, "--force"]);
          assertEquals(whole.code, 5);
          assertStringIncludes(whole.stderr, `it is mounted on ${mountPoint}`);
          const first = await runDisk([
            ...["format", device, "--force", "--partition", "1"],
          ]);
          assertEquals(first.code, 5);
          const second = await runDisk(["format", device, "--partition", "2"]);
          assertEquals(second.code, 0, second.stderr);
          assertEquals((await runDisk(["check", `${device}p2`])).code, 0);
        } finally {
          await must("umount", mountPoint);
        }
      }, "--partscan");
    }),
});

for (const blocking of [false, true]) {
  const how = blocking ? "blocking" : "on other threads";
  Deno.test({
    name:
      `a volume on a device that is set read-only says EROFS, and works when it is writable again (${how})`,
    ignore: !HAS_LOOP_DEVICES,
    fn: () =>
      withFolder(async (folder) => {
        const image = `${folder}/image`;
        await Deno.writeFile(image, new Uint8Array(1_048_576));
        await withLoop(image, async (path) => {
          await must(...diskCommand(), "format", path);
          const volume = await openVolume(openFileDevice(path, { blocking }));
          const value = Uint8Array.of(1);
          await volume.parameters.set(1, value);
          await must("blockdev", "--setro", path);
          for (let round = 0; round < 3; round++) {
            const error = await assertRejects(
              () => volume.parameters.set(2, value),
              StorageError,
            );
            assertEquals(error.code, "EROFS");
            assertMatch(error.message, /^EROFS: the device is read-on/);
          }
          await must("blockdev", "--setrw", path);
          await volume.parameters.set(3, value);
          await volume.close();
          const again = await openVolume(openFileDevice(path, { blocking }));
          const ids = again.parameters.list().map((entry) => entry.parameterId);
          assertEquals(ids, [1, 3]);
          await again.close();
        });
      }),
  });
}
