/**
 * What services write, with real pipes: floods, lines without an end, bytes
 * that are no text, and a pipe that outlives its writers.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { indexOfNeedle } from "@std/bytes";
import {
  countOf,
  endOfConsole,
  killNow,
  oneProcessOf,
  powerOff,
  restless,
  shell,
  startMachine,
  statusNumber,
} from "./supervisor_facts.ts";

Deno.test("a service that floods its output with 1 GB neither fills memory nor silences another", async () => {
  await using machine = startMachine({
    flood: {
      command: shell(
        "yes 'a flood of lines' | head -c 1000000000; echo over >&2; exec sleep 1000000",
      ),
    },
    voice: {
      command: shell(
        "i=0; while :; do i=$((i+1)); echo voice $i; sleep 0.1; done",
      ),
    },
  });
  await machine.waitFor(/voice: voice 1\n/);
  const init = await machine.pid();
  const rssBefore = statusNumber(init, "VmRSS");
  let rssMaximum = rssBefore;
  await machine.until(() => {
    rssMaximum = Math.max(rssMaximum, statusNumber(init, "VmRSS"));
    return endOfConsole(machine).includes("flood: over\n");
  }, "the end of the flood");
  const grownMebibytes = (rssMaximum - rssBefore) / 1024;
  assertLess(grownMebibytes, 200, "resident memory grew with the flood");
  const console = await powerOff(machine);
  // The other service was heard all the time, each line of it.
  const voices = [...console.matchAll(/voice: voice (\d+)\n/g)]
    .map((match) => Number(match[1]));
  assertGreater(voices.length, 5);
  assertEquals(voices, voices.map((_, index) => index + 1));
  // What was dropped is said, and all of it: said and shown are all there was.
  const shown = countOf(console, /\] flood: a flood of lines\n/);
  const dropped = [...console.matchAll(/flood: (\d+) lines dropped/g)]
    .reduce((sum, match) => sum + Number(match[1]), 0);
  // The last line is cut at the gigabyte, and kept as what it is.
  const all = Math.ceil(1_000_000_000 / "a flood of lines\n".length);
  assertGreater(dropped, 0);
  assertEquals(shown + dropped, all);
});

Deno.test("a last line without an end is kept when its process ends, and not joined with the next process's", async () => {
  await using machine = startMachine({
    partial: {
      command: shell("printf 'pid %d' $$; kill -KILL $$"),
      ...restless,
    },
  });
  await machine.waitFor(/restart 20 in/);
  const console = await powerOff(machine);
  const lines = [...console.matchAll(/\] partial: (.*)\n/g)].map((match) =>
    match[1] ?? ""
  );
  assertGreater(lines.length, 19);
  for (const line of lines) assertMatch(line, /^pid \d+$/);
  assertEquals(new Set(lines).size, lines.length);
});

Deno.test("bytes that are no text, NUL and empty lines pass through", async () => {
  await using machine = startMachine({
    bytes: {
      command: shell(
        "printf 'a\\377\\376\\200z\\n\\nb\\000c\\n\\303\\050\\n'; echo end; exec sleep 1000000",
      ),
    },
  });
  await machine.waitFor(/bytes: end\n/);
  const console = Deno.readFileSync(`${machine.folder}/console`);
  const has = (...bytes: number[]) =>
    indexOfNeedle(console, Uint8Array.from(bytes)) >= 0;
  assert(has(0x20, 0x61, 0xFF, 0xFE, 0x80, 0x7A, 0x0A), "invalid UTF-8");
  assert(has(0x20, 0x62, 0x00, 0x63, 0x0A), "NUL");
  assert(has(0x20, 0xC3, 0x28, 0x0A), "a broken sequence");
  assertMatch(machine.console, /bytes: \n/);
});

Deno.test("a line longer than the limit comes in pieces and whole", async () => {
  await using machine = startMachine({
    long: {
      command: shell(
        "head -c 100000 /dev/zero | tr '\\0' x; echo; echo end; exec sleep 1000000",
      ),
    },
  });
  await machine.waitFor(/long: end\n/);
  const pieces = [...machine.console.matchAll(/\] long: (x*)\n/g)];
  assertEquals(pieces.map((match) => match[1]).join("").length, 100_000);
  for (const [, piece = ""] of pieces) assertLess(piece.length, 4097);
});

Deno.test("the pipe of a service survives its restart: its orphan's lines and the next process's come", async () => {
  await using machine = startMachine({
    // The child outlives its parent: it left the group, and is in the way of
    // nobody, for its service has `scope: process` and no cgroup kill before
    // the post commands.
    writer: {
      command: shell("echo first words of $$; exec sleep 1000000"),
      ...restless,
    },
  });
  const pipes = new Set<string>();
  let pid = await oneProcessOf(machine, "writer");
  for (let round = 0; round < 5; round++) {
    await machine.until(
      () => countOf(machine.console, /first words of/) === round + 1,
      `words of process ${round}`,
    );
    pipes.add(Deno.readLinkSync(`/proc/${pid}/fd/1`));
    killNow(pid);
    pid = await oneProcessOf(machine, "writer", [pid]);
  }
  assertEquals(pipes.size, 1, "all processes wrote into one pipe");
  assertStringIncludes([...pipes].join(), "pipe:");
  // What the init says of a process waits for the process, but not too long.
  const told = machine.console;
  for (const { 1: number, index } of told.matchAll(/first words of (\d+)/g)) {
    const isUp = told.indexOf(`writer: is up, pid ${number}\n`);
    assert(isUp !== -1 && isUp < index, told);
  }
  await powerOff(machine);
});
