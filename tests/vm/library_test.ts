/** A custom init, built on the library as the README shows it, in a machine. */
import { assertMatch } from "@std/assert";
import { buildImage } from "../../rootfs/build.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { writeReadmeExample } from "../fixtures/readme_example.ts";
import { Machine } from "./machine.ts";

Deno.test("the README's custom init boots and shows the superblock", async () => {
  using example = writeReadmeExample();
  const outFolder = await Deno.makeTempDir({ prefix: "spaceos-example-" });
  try {
    const image = await buildImage({
      entry: example.path,
      outFolder,
      timeSeconds: 0,
    });
    for (
      const [kind, expected] of [
        ["good", /tenant_id\s+4660\b[\s\S]*crc32\s+0x[0-9A-F]{8} \(valid\)/],
        ["bad-crc", /bad superblock/],
      ] as const
    ) {
      await using machine = Machine.boot({ image, disk: makeDisk(kind) });
      await machine.waitForConsole(expected);
      assertMatch(machine.console, expected);
      await machine.cutPower();
    }
  } finally {
    await Deno.remove(outFolder, { recursive: true });
  }
});
