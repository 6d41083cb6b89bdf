/**
 * The image builder and the machine, with the smallest possible init: what
 * fails here is no fault of the library.
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { buildImage, type Image } from "../../rootfs/build.ts";
import { fileDigest } from "../../rootfs/toolchain/cache.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { Machine } from "./machine.ts";

const ENTRY = new URL("../fixtures/tiny_init/main.ts", import.meta.url);

async function build(
  outFolder: string,
  timeSeconds = 1_700_000_000,
): Promise<Image> {
  return await buildImage({
    entry: decodeURIComponent(ENTRY.pathname),
    outFolder,
    timeSeconds,
  });
}

async function withFolder(
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-image-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function digests(image: Image): Promise<string[]> {
  const paths = [image.kernelPath, image.initrdPath, image.commandLinePath];
  return await Promise.all(paths.map((path) => fileDigest(path, "sha256")));
}

Deno.test("buildImage gives the same bytes for the same inputs, and others for another time", async () => {
  await withFolder(async (folder) => {
    const first = await digests(await build(`${folder}/first`));
    assertEquals(await digests(await build(`${folder}/second`)), first);
    const later = await digests(await build(`${folder}/second`, 1_700_000_001));
    assert(later[1] !== first[1], "the time is in the archive");
    const names = [...Deno.readDirSync(`${folder}/second`)].map(({ name }) =>
      name
    ).sort();
    assertEquals(names, [
      ".spaceos-build.json",
      "spaceos-cmdline",
      "spaceos-initrd.img",
      "spaceos-kernel",
    ]);
  });
});

Deno.test("buildImage builds again what was damaged, and leaves alone what was not", async () => {
  await withFolder(async (folder) => {
    const image = await build(folder);
    const before = await digests(image);
    const { ino } = await Deno.stat(image.initrdPath);
    await build(folder);
    assertEquals((await Deno.stat(image.initrdPath)).ino, ino);
    await Deno.writeTextFile(image.initrdPath, "damaged");
    assertEquals(await digests(await build(folder)), before);
  });
});

Deno.test("a built image boots, and the machine tells how it ended", async () => {
  await withFolder(async (folder) => {
    const image = await build(folder);
    const disk = makeDisk("good");
    {
      await using machine = Machine.boot({ image, disk });
      const [line] = await machine.waitForConsole(/tiny init: READY.*\n/);
      assertMatch(line, /as process 1, started as \/init\n$/);
      assertEquals(await machine.waitForEnd(), "poweroff");
      assertEquals(machine.readDisk(), disk);
      await assertRejects(
        () => machine.waitForConsole("what nobody says"),
        Error,
        "tiny init: READY",
      );
    }
    {
      await using machine = Machine.boot({ image, append: "-- reset" });
      assertEquals(await machine.waitForEnd(), "reset");
    }
    {
      await using machine = Machine.boot({ image, append: "-- exit" });
      assertEquals(await machine.waitForEnd(), "panic");
    }
    {
      await using machine = Machine.boot({ image, append: "-- stay" });
      await machine.waitForConsole("tiny init: READY");
      await machine.cutPower();
      assertEquals(await machine.waitForEnd(), "killed");
    }
  });
});
