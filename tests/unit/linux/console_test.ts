import {
  assert,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
} from "@std/assert";
import { ConsoleWriter } from "../../../lib/linux/console.ts";
import { pipe } from "../../../lib/linux/descriptor.ts";
import { close, open, read } from "../../../lib/linux/file.ts";
import { overrideLibc, setErrno } from "../../../lib/linux/libc.ts";

const decoder = new TextDecoder();

function readAll(descriptor: number): string {
  const buffer = new Uint8Array(1 << 20);
  let text = "";
  for (;;) {
    const count = read(descriptor, buffer);
    if (count === null || count === 0) return text;
    text += decoder.decode(buffer.subarray(0, count));
  }
}

Deno.test("ConsoleWriter on a full pipe drops whole lines, counts them, and says so in their place", () => {
  const [reader, writer] = pipe();
  const lines = new ConsoleWriter({ target: writer, capacityBytes: 1000 });
  const written = 5000;
  for (let number = 0; number < written; number++) {
    lines.line(`line ${number} ${"x".repeat(40)}`);
    assertLessOrEqual(lines.queuedBytes, 1000);
  }
  assertGreater(lines.droppedLines, 0);
  assertGreater(lines.queuedBytes, 0);

  let text = readAll(reader);
  while (!lines.flush()) text += readAll(reader);
  text += readAll(reader);

  const got = text.trimEnd().split("\n");
  const last = got.pop();
  assertEquals(last, `(${lines.droppedLines} lines dropped)`);
  // No line is cut or out of order, and none is missing without being counted.
  assertEquals(got.length + lines.droppedLines, written);
  got.forEach((line, number) => {
    assertEquals(line, `line ${number} ${"x".repeat(40)}`);
  });
  close(reader);
  close(writer);
});

Deno.test("ConsoleWriter keeps what a partial write left", () => {
  const taken: number[] = [];
  let room = 3;
  using _ = overrideLibc({
    write: (_descriptor, bytes, count) => {
      if (room === 0) return setErrno(11);
      const part = Math.min(room, Number(count));
      room -= part;
      taken.push(...(bytes as Uint8Array).subarray(0, part));
      return part;
    },
  });
  const lines = new ConsoleWriter({ target: 99 });
  lines.line("hello");
  assertEquals(lines.queuedBytes, 3);
  room = 1;
  assertEquals(lines.flush(), false);
  room = 100;
  assertEquals(lines.flush(), true);
  assertEquals(decoder.decode(Uint8Array.from(taken)), "hello\n");
});

Deno.test("ConsoleWriter neither throws nor grows when nobody reads any more", () => {
  const [reader, writer] = pipe();
  close(reader);
  const lines = new ConsoleWriter({ target: writer, capacityBytes: 500 });
  for (let number = 0; number < 1000; number++) lines.line("to nobody");
  assertEquals(lines.error?.code, "EPIPE");
  assertLessOrEqual(lines.queuedBytes, 500);
  assertGreater(lines.droppedLines, 900);
  close(writer);
});

Deno.test("ConsoleWriter opens its path again after a failure, and gets by without one", () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/console`;
  const lines = new ConsoleWriter({ target: path });
  lines.line("first");
  assertEquals(lines.error?.code, "ENOENT");
  assertEquals(lines.error?.path, path);
  Deno.writeTextFileSync(path, "");
  lines.line("second");
  assertEquals(lines.error, undefined);
  assertEquals(Deno.readTextFileSync(path), "first\nsecond\n");
  if (lines.descriptor !== undefined) close(lines.descriptor);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("ConsoleWriter passes bytes that are no text through", () => {
  const [reader, writer] = pipe();
  new ConsoleWriter({ target: writer }).line(Uint8Array.of(0xFF, 0x00, 0x80));
  const buffer = new Uint8Array(16);
  const count = read(reader, buffer) ?? 0;
  assertEquals(
    buffer.subarray(0, count),
    Uint8Array.of(0xFF, 0x00, 0x80, 0x0A),
  );
  close(reader);
  close(writer);
});

/** Runs a program that closes some standard descriptors and opens them again. */
async function reopen(
  closed: readonly number[],
  options: Record<string, unknown>,
): Promise<
  { result: unknown; links: string[]; kept: boolean[]; next: number }
> {
  const directory = await Deno.makeTempDir();
  const room = new URL("../../../lib/linux/", import.meta.url);
  const code = `
    import { openStandardDescriptors } from "${room}console.ts";
    import { close, open } from "${room}file.ts";
    import { libc } from "${room}libc.ts";
    for (const descriptor of ${JSON.stringify(closed)}) close(descriptor);
    const answer = openStandardDescriptors(${JSON.stringify(options)});
    const result = answer instanceof Error ? answer.message : answer;
    const links = [0, 1, 2].map((n) => Deno.readLinkSync("/proc/self/fd/" + n));
    const kept = [0, 1, 2].map((n) => libc().fcntl(n, 1, 0n) === 0);
    const next = open("/dev/null");
    Deno.writeTextFileSync("${directory}/result",
      JSON.stringify({ result, links, kept, next }));
  `;
  const program = `${directory}/program.ts`;
  await Deno.writeTextFile(program, code);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--no-check", "-A", program],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  assert(success);
  const text = await Deno.readTextFile(`${directory}/result`);
  await Deno.remove(directory, { recursive: true });
  return JSON.parse(text);
}

Deno.test("openStandardDescriptors opens those that are closed, and keeps them over exec", async () => {
  for (const closed of [[0, 1, 2], [1, 2], [0, 2], [2], [0], []]) {
    const { result, links, kept, next } = await reopen(closed, {
      path: "/dev/zero",
    });
    assertEquals(result, closed);
    closed.forEach((number) => assertEquals(links[number], "/dev/zero"));
    assertEquals(kept, [true, true, true]);
    assertGreater(next, 2);
  }
});

Deno.test("openStandardDescriptors takes /dev/null where there is no console", async () => {
  const { result, links } = await reopen([1, 2], { path: "/no/such/console" });
  assertEquals(result, [1, 2]);
  assertEquals(links.slice(1), ["/dev/null", "/dev/null"]);
});

Deno.test("openStandardDescriptors replaces /dev/null if asked to, and says why it could not", async () => {
  const replaced = await reopen([], { path: "/dev/zero", replaceNull: true });
  assertEquals(replaced.result, [0, 1]); // standard error is a pipe
  assertEquals(replaced.links.slice(0, 2), ["/dev/zero", "/dev/zero"]);
  const failed = await reopen([], {
    path: "/no/such/console",
    replaceNull: true,
  });
  assertEquals(
    failed.result,
    "open /no/such/console: ENOENT, no such file or directory",
  );
  assertEquals(failed.links.slice(0, 2), ["/dev/null", "/dev/null"]);
});

Deno.test("ConsoleWriter does not wait for a terminal that is stopped", () => {
  // A pipe that is full stands for it; the open must be O_NONBLOCK, too.
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/fifo`;
  new Deno.Command("mkfifo", { args: [path] }).outputSync();
  const lines = new ConsoleWriter({ target: path });
  lines.line("nobody has opened the other end");
  assertEquals(lines.error?.code, "ENXIO");
  const reader = open(path, ["nonblock"]);
  lines.line("now somebody has");
  assertEquals(
    readAll(reader),
    "nobody has opened the other end\nnow somebody has\n",
  );
  close(reader);
  if (lines.descriptor !== undefined) close(lines.descriptor);
  Deno.removeSync(directory, { recursive: true });
});
