/** A custom init, built on the library as the README shows it, in a machine. */
import { assertEquals, assertMatch } from "@std/assert";
import { buildImage } from "../../rootfs/build.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { readmeExample } from "../fixtures/readme_example.ts";
import { Machine } from "./machine.ts";

Deno.test("the README's custom init boots and shows the superblock, from wherever its user keeps it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "own init, ü " });
  try {
    const entry = `${folder}/my init.ts`;
    await Deno.writeTextFile(entry, `import "./words.ts";\n${readmeExample()}`);
    await Deno.writeTextFile(
      `${folder}/words.ts`,
      `console.log("words of its own");`,
    );
    // What a folder of somebody holds besides is no matter of the image.
    await Deno.symlink("nowhere", `${folder}/dangling`);
    const outFolder = `${folder}/out`;
    const build = () => buildImage({ entry, outFolder, timeSeconds: 0 });
    const image = await build();
    for (
      const [kind, expected] of [
        ["good", /tenant_id\s+4660\b[\s\S]*crc32\s+0x[0-9A-F]{8} \(valid\)/],
        ["bad-crc", /bad superblock/],
      ] as const
    ) {
      await using machine = Machine.boot({ image, disk: makeDisk(kind) });
      await machine.waitForConsole(expected);
      assertMatch(machine.console, /words of its own[\s\S]*magic|superblock/);
      await machine.cutPower();
    }
    const bill: { packages: { name: string }[] } = JSON.parse(
      await Deno.readTextFile(`${outFolder}/spaceos-sbom.spdx.json`),
    );
    assertEquals(bill.packages.some(({ name }) => name === "hash-wasm"), true);
    const { ino } = await Deno.stat(image.initrdPath);
    await Deno.writeTextFile(`${folder}/notes.txt`, "no part of it");
    await build();
    assertEquals((await Deno.stat(image.initrdPath)).ino, ino);
    await Deno.writeTextFile(`${folder}/words.ts`, `console.log("others");`);
    await build();
    assertEquals((await Deno.stat(image.initrdPath)).ino === ino, false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
