/**
 * `spaceos-disk` on disks that are made to do harm: documented exit codes, one
 * line for an error, and nothing that a terminal would obey.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { hostileDisks } from "../../fixtures/hostile_disks.ts";
import { runDisk, withFolder } from "./support.ts";

const COMMANDS: readonly (readonly string[])[] = [
  ["inspect"],
  ["inspect", "--json"],
  ["check"],
  ["events"],
  ["param", "list"],
  ["dp", "list"],
  ["repair"],
];

/** One of each kind; what the library makes of all is tested beside it. */
const CHOSEN = [
  "format_version 255",
  "total_blocks 4294967295",
  "dp_start 0",
  "dp_size 4294967295",
  "stores that are all hostile",
  "names of control characters",
  "a journal that puts a descriptor into block 0",
];

Deno.test("spaceos-disk says what is wrong with a hostile disk, and obeys nothing on it", async () => {
  const disks = hostileDisks();
  await withFolder(async (folder) => {
    await Promise.all(CHOSEN.map(async (name) => {
      const disk = disks.find((other) => other.name === name);
      assert(disk !== undefined, name);
      const path = `${folder}/${disks.indexOf(disk)}`;
      await Deno.writeFile(path, disk.bytes);
      for (const [command = "", ...rest] of COMMANDS) {
        const nested = command === "param" || command === "dp";
        const args = nested
          ? [command, ...rest, path]
          : [command, path, ...rest];
        const { code, stdout, stderr } = await runDisk(args);
        const what = `${name}: ${args.join(" ")}: ${stdout}${stderr}`;
        assert(code <= 2, `exit code ${code}: ${what}`);
        if (disk.field !== null) {
          assertEquals(code, 2, what);
          assertMatch(stdout + stderr, new RegExp(`\\b${disk.field} is `));
        }
        assert(stderr.split("\n").length <= 2, what);
        const obeyed = [...stdout + stderr].filter((character) =>
          character < " " && character !== "\n" || character === "\x7f"
        );
        assertEquals(obeyed, [], what);
      }
      const left = await Deno.readFile(path);
      assertEquals(left.subarray(0, 512), disk.bytes.subarray(0, 512), name);
    }));
  });
});
