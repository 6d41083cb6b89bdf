/**
 * Boots that are cut: QEMU is killed at seeded points of the boot, over and over
 * on one disk, and `spaceos-disk` says what the disk then counts. What the
 * console has shown is counted, nothing is counted twice, and after the third
 * failed boot comes safe mode, in which the host mends what was wrong.
 * SPACEOS_CUT_SEED repeats a run.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { INIT_PARAMETERS } from "../../lib/init/config.ts";
import { ParameterStatus } from "../../lib/wire/parameter_message.ts";
import { CommandCode } from "../../lib/wire/telecommand.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { runDisk } from "../unit/disk/support.ts";
import { Host } from "./host.ts";
import { Machine } from "./machine.ts";

/** How often the disk is looked at. */
const LOOK_MS = 2;

/** A boot changes the disk about so often, seen from outside. */
const MOST_CHANGES = 5;

/** So long after such a change at most the power is cut. */
const MOST_DELAY_MS = 20;

const { "boot-count": BOOTS, "failed-boots": FAILED, "fdir-interval": MENDED } =
  INIT_PARAMETERS;

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A small generator of numbers from 0 to below a limit. */
function generator(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  };
}

/** The whole numbers that a disk has for the init, by id; 0 where it has none. */
async function numbersOf(
  path: string,
  disk: Uint8Array,
): Promise<(id: number) => number> {
  await Deno.writeFile(path, disk);
  const { code, stdout, stderr } = await runDisk([
    "param",
    "list",
    path,
    "--json",
  ]);
  assertEquals(code, 0, stderr);
  const entries = JSON.parse(stdout) as {
    parameterId: number;
    value: string;
  }[];
  return (id) => {
    const entry = entries.find(({ parameterId }) => parameterId === id);
    return entry === undefined ? 0 : parseInt(entry.value, 16);
  };
}

/** Boots, and cuts the power a moment after the disk has changed so often. */
async function cutBoot(
  disk: Uint8Array,
  changes: number,
  delayMs: number,
): Promise<{ disk: Uint8Array; shown: number | null }> {
  await using machine = Machine.boot({ disk });
  let last = disk;
  for (let seen = 0; seen < changes;) {
    const now = machine.readDisk();
    if (now.some((byte, at) => byte !== last[at])) seen++;
    // Whatever the disk shows: a boot that is there has written all it will.
    if (/READY after/.test(machine.console)) break;
    last = now;
    await wait(LOOK_MS);
  }
  await wait(delayMs);
  await machine.cutPower();
  const [, boot] = /BOOT boot (\d+), /.exec(machine.console) ?? [];
  return {
    disk: machine.readDisk(),
    shown: boot === undefined ? null : Number(boot),
  };
}

Deno.test("the boot counter counts each boot once, wherever it is cut, and the fourth after three failed ones is safe and can be mended", async () => {
  const seed = Number(
    Deno.env.get("SPACEOS_CUT_SEED") ?? Math.floor(Math.random() * 1e9),
  );
  console.log(`cut seed: SPACEOS_CUT_SEED=${seed}`);
  const random = generator(seed);
  const folder = await Deno.makeTempDir({ prefix: "spaceos-counter-" });
  const path = `${folder}/disk.img`;
  try {
    let disk: Uint8Array = makeDisk("good");
    let boots = 0;
    const cuts: string[] = [];
    while (boots < 3) {
      assert(cuts.length < 12, cuts.join("; "));
      const changes = random(MOST_CHANGES + 1);
      const delayMs = random(MOST_DELAY_MS + 1);
      const cut = await cutBoot(disk, changes, delayMs);
      const read = await numbersOf(path, cut.disk);
      const now = read(BOOTS.id);
      cuts.push(
        `${changes} changes and ${delayMs} ms: shown ${cut.shown}, counted ${now}`,
      );
      const story = cuts.join("; ");
      if (cut.shown === null) {
        assert(now === boots || now === boots + 1, story);
      } else {
        assertEquals([cut.shown, now], [boots + 1, boots + 1], story);
      }
      assertEquals(read(FAILED.id), now, `failed ones: ${story}`);
      boots = now;
      disk = cut.disk;
    }
    console.log(cuts.join("\n"));

    // Somebody had set what made them fail.
    await Deno.writeFile(path, disk);
    const set = await runDisk([
      "param",
      "set",
      path,
      `${MENDED.id}`,
      "--u32",
      "3600",
    ]);
    assertEquals(set.code, 0, set.stderr);
    await using machine = Machine.boot({ disk: await Deno.readFile(path) });
    const host = new Host(await machine.connectIpc());
    await machine.waitForConsole(/READY after [^\n]*safe[^\n]*\n/);
    assertMatch(machine.console, /safe mode: 3 boots in a row failed/);
    assertMatch(machine.console, /BOOT boot 4, 3 failed before it/);
    const value = (answers: { value: Uint8Array; status: number }[]) =>
      answers.map(({ status, value }) => [status, ...value.slice(-2)]);
    assertEquals(value((await host.parameters(MENDED.id)).answers), [
      [ParameterStatus.OK, 3600 >> 8, 3600 & 0xFF],
    ]);
    const answers = await host.setParameter(
      MENDED.id,
      Uint8Array.of(0, 0, 0x4E, 0x20),
    );
    assertEquals(value(answers), [[ParameterStatus.OK, 0x4E, 0x20]]);
    await machine.waitForConsole("PARAMETER_SET fdir-interval: 3600 -> 20000");
    // What is answered is stored: the next boot is no safe one. The console may
    // not have shown it yet.
    await host.done(CommandCode.LEAVE_SAFE_MODE);
    await machine.cutPower();
    const read = await numbersOf(path, machine.readDisk());
    assertEquals(read(MENDED.id), 20_000);
    assertEquals(read(BOOTS.id), 4);
    assertEquals(read(FAILED.id), 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
