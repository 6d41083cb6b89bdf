/**
 * The image builder and the machine, with the smallest possible init: what
 * fails here is no fault of the library.
 */
import { createHash } from "node:crypto";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { buildImage, type Image } from "../../rootfs/build.ts";
import { fileDigest } from "../../rootfs/toolchain/cache.ts";
import { ToolchainError } from "../../rootfs/toolchain/report.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { spdxProblems } from "../fixtures/spdx_rules.ts";
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

/** `SHA-256  ./path` of each plain file in a newc archive (cpio(5)). */
function filesOfArchive(archive: Uint8Array): string[] {
  const lines: string[] = [];
  const decoder = new TextDecoder();
  for (let at = 0;;) {
    const header = decoder.decode(archive.subarray(at, at + 110));
    const field = (index: number): number =>
      parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const nameStart = at + 110;
    const name = decoder.decode(
      archive.subarray(nameStart, nameStart + field(11) - 1),
    );
    if (name === "TRAILER!!!") return lines;
    const start = (nameStart + field(11) + 3) & ~3;
    const end = start + field(6);
    if ((field(1) & 0o170000) === 0o100000) {
      const digest = createHash("sha256").update(archive.subarray(start, end));
      lines.push(`${digest.digest("hex")}  ./${name}`);
    }
    at = (end + 3) & ~3;
  }
}

/** The bill of materials beside an image. */
const bomPath = (image: Image): string =>
  image.initrdPath.replace("initrd.img", "sbom.spdx.json");

async function digests(image: Image): Promise<string[]> {
  const paths = [
    image.kernelPath,
    image.initrdPath,
    image.commandLinePath,
    bomPath(image),
  ];
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
      ".lock",
      ".spaceos-build.json",
      "spaceos-cmdline",
      "spaceos-initrd.img",
      "spaceos-kernel",
      "spaceos-sbom.spdx.json",
    ]);
  });
});

Deno.test("buildImage lists what is in the image, as SPDX has it", async () => {
  await withFolder(async (folder) => {
    const image = await build(folder);
    const document = JSON.parse(await Deno.readTextFile(bomPath(image)));
    assertEquals(spdxProblems(document), []);
    // Every file of the archive, read here by the format's own rules.
    const inArchive = filesOfArchive(await Deno.readFile(image.initrdPath));
    const listed = document.files.map((
      file: {
        fileName: string;
        checksums: { algorithm: string; checksumValue: string }[];
      },
    ) => `${file.checksums[1]?.checksumValue}  ${file.fileName}`);
    assertEquals(listed.sort(), inArchive.sort());
    const versions = Object.fromEntries(
      document.packages.map((
        { name, versionInfo }: { name: string; versionInfo: string },
      ) => [name, versionInfo]),
    );
    assertMatch(versions["deno"], /^2\./);
    assertMatch(versions["v8"], /^\d+\.\d+/);
    // The smallest init imports nothing.
    assertEquals(versions["hash-wasm"], undefined);
    const kernel = document.packages.find(({ name }: { name: string }) =>
      name.startsWith("linux-image-")
    );
    assertMatch(kernel.versionInfo, /^\d+\.\d+/);
  });
});

Deno.test("buildImage builds again what was damaged, and leaves alone what was not", async () => {
  await withFolder(async (folder) => {
    const image = await build(folder);
    const before = await digests(image);
    // As an interrupted build leaves it.
    await Deno.mkdir(`${folder}/.build-interrupted/below`, { recursive: true });
    const { ino } = await Deno.stat(image.initrdPath);
    await build(folder);
    assertEquals((await Deno.stat(image.initrdPath)).ino, ino);
    await assertRejects(() => Deno.stat(`${folder}/.build-interrupted`));
    await Deno.writeTextFile(image.initrdPath, "damaged");
    assertEquals(await digests(await build(folder)), before);
  });
});

Deno.test("buildImage says what can't be put together before it makes anything", async () => {
  await withFolder(async (folder) => {
    const bytes = new Uint8Array(1);
    const cases = [
      [
        { files: [{ path: "/init", bytes, executable: true }] },
        "/init is in the image twice, as file and as file",
      ],
      [
        { files: [{ path: "/a/../b", bytes, executable: false }] },
        '"/a/../b" cannot be in the image',
      ],
      [
        { files: [{ path: "/init/x", bytes, executable: false }] },
        "/init/x cannot be below /init, which is a file",
      ],
      [
        { modules: ["no_such_module"] },
        "the kernel module no_such_module is neither in the package nor built in",
      ],
    ] as const;
    for (const [options, message] of cases) {
      await assertRejects(
        () =>
          buildImage({
            entry: decodeURIComponent(ENTRY.pathname),
            outFolder: folder,
            timeSeconds: 0,
            ...options,
          }),
        ToolchainError,
        message,
      );
    }
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), [
      ".lock",
    ]);
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

Deno.test("two builds into one folder at once leave one whole image", async () => {
  await withFolder(async (folder) => {
    const [first, second] = await Promise.all([
      build(folder, 1_700_000_000),
      build(folder, 1_700_000_001),
    ]);
    const record = JSON.parse(
      await Deno.readTextFile(`${folder}/.spaceos-build.json`),
    );
    for (const [name, digest] of Object.entries(record.outputs)) {
      assertEquals(await fileDigest(`${folder}/${name}`, "sha256"), digest);
    }
    assertEquals(first.initrdPath, second.initrdPath);
  });
});
