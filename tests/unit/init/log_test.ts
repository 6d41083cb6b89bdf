import { assert, assertEquals } from "@std/assert";
import { formatLine, Log, type LogLine } from "../../../lib/init/log.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function sink() {
  const lines: string[] = [];
  return { lines, line: (bytes: Uint8Array) => void lines.push(text(bytes)) };
}

Deno.test("Log prints what was said before the sink came, then what comes", () => {
  const log = new Log({ nowMs: () => 12 });
  const console = sink();
  log.info("early");
  log.attach(console);
  log.warning("late");
  assertEquals(console.lines, [
    "[    0.012] spaceos-init: early",
    "[    0.012] spaceos-init: warning: late",
  ]);
});

Deno.test("Log says before each line what has waited to be said", () => {
  const log = new Log({ nowMs: () => 0 });
  const waiting = ["first", "second"];
  log.before = () => {
    for (const line of waiting.splice(0)) log.info(line);
  };
  log.line("service", "stdout", new TextEncoder().encode("third"));
  const lines = log.recent().map(({ sequence, bytes }) => [
    sequence,
    text(bytes),
  ]);
  assertEquals(lines, [[1, "first"], [2, "second"], [3, "third"]]);
});

Deno.test("Log keeps the init's own records of its level and above", () => {
  const log = new Log({ nowMs: () => 0, level: "warning" });
  log.debug("a");
  log.info("b");
  log.warning("c");
  log.error("d");
  log.level = "debug";
  log.debug("e");
  assertEquals(log.recent().map((line) => text(line.bytes)), [
    "warning: c",
    "error: d",
    "debug: e",
  ]);
});

Deno.test("Log gives each line of a text its own record", () => {
  const log = new Log({ nowMs: () => 0 });
  log.info("a\nb");
  assertEquals(log.recent().map((line) => text(line.bytes)), ["a", "b"]);
});

Deno.test("Log holds a bounded ring, forgets its oldest lines, and numbers lines without a gap", () => {
  const log = new Log({ nowMs: () => 0, ringBytes: 10_000 });
  for (let i = 0; i < 100_000; i++) {
    log.line("flood", "stdout", new Uint8Array(i % 300));
  }
  const lines = log.recent();
  assert(lines.length > 10 && lines.length < 200, `${lines.length} lines`);
  assertEquals(lines.at(-1)?.sequence, 100_000);
  for (const [index, line] of lines.entries()) {
    assertEquals(line.sequence, 100_000 - lines.length + 1 + index);
  }
});

Deno.test("Log's followers get each new line until they leave, and lines kept from the console too", () => {
  const log = new Log({ nowMs: () => 0 });
  const console = sink();
  const seen: LogLine[] = [];
  log.attach(console);
  const leave = log.follow((line) => void seen.push(line));
  log.line("demo", "stderr", Uint8Array.of(0xff), false);
  leave();
  log.info("unseen");
  assertEquals(seen.length, 1);
  assertEquals(seen[0]?.stream, "stderr");
  assertEquals(console.lines.length, 1);
  assertEquals(log.recent("demo").length, 1);
});

Deno.test("formatLine passes bytes through as they are", () => {
  const line = formatLine(0, "x", Uint8Array.of(0xff, 0xfe));
  assertEquals([...line.slice(-2)], [0xff, 0xfe]);
});
