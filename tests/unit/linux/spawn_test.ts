import { assert, assertEquals, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { duplicate, isOpen, pipe } from "../../../lib/linux/descriptor.ts";
import { close, read, write } from "../../../lib/linux/file.ts";
import { overrideLibc, setErrno } from "../../../lib/linux/libc.ts";
import { drainChildExits, waitForExit } from "../../../lib/linux/process.ts";
import { resolveCommand } from "../../../lib/linux/resolve_command.ts";
import { spawn } from "../../../lib/linux/spawn.ts";
import { descriptorMoves } from "../../../lib/linux/spawn_descriptors.ts";
import type { SpawnOptions } from "../../../lib/linux/spawn_options.ts";

Deno.test("descriptorMoves gives every target its source, whatever overlaps", () => {
  let seed = 1;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 5000; round++) {
    const wanted = new Map<number, number>();
    for (let count = 1 + random(8); count > 0; count--) {
      wanted.set(random(10), random(10));
    }
    // What the child does: dup2 in order, each number holding some open file.
    const table = new Map(
      Array.from({ length: 10 }, (_, number) => [number, `file ${number}`]),
    );
    for (const { from, to } of descriptorMoves(wanted)) {
      const file = table.get(from);
      assert(file !== undefined, "a move from a closed descriptor");
      table.set(to, file);
    }
    for (const [target, source] of wanted) {
      assertEquals(table.get(target), `file ${source}`);
    }
  }
});

/** Runs a shell command with descriptors and returns what came out of a pipe. */
function output(
  options: Omit<SpawnOptions, "stdout"> & { stdout?: "descriptor" },
): string {
  const [reader, writer] = pipe({
    nonblockReader: false,
    nonblockWriter: false,
  });
  const pid = spawn({ env: {}, ...options, stdout: writer });
  close(writer);
  const buffer = new Uint8Array(65_536);
  let text = "";
  for (;;) {
    const count = read(reader, buffer) ?? 0;
    if (count === 0) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  close(reader);
  assertEquals(waitForExit(pid).exitCode, 0);
  return text;
}

Deno.test("spawn really swaps descriptors in the child", () => {
  const first = pipe({ nonblockReader: false });
  const second = pipe({ nonblockReader: false });
  write(first[1], new TextEncoder().encode("first\n"));
  write(second[1], new TextEncoder().encode("second\n"));
  // Each has the number that the other is to have.
  const text = output({
    argv: [
      "/bin/sh",
      "-c",
      `read a </proc/self/fd/${first[0]}; read b </proc/self/fd/${
        second[0]
      }; echo $a $b`,
    ],
    descriptors: { [first[0]]: second[0], [second[0]]: first[0] },
  });
  assertEquals(text, "second first\n");
  for (const descriptor of [...first, ...second]) close(descriptor);
});

Deno.test("spawn passes arguments and environment byte for byte", () => {
  const strange = [
    "",
    " ",
    "a b",
    "'\"",
    "ünïcödé 🛰",
    "\n\t",
    "-n",
    "x".repeat(100_000),
  ];
  const text = output({
    argv: [
      "/bin/sh",
      "-c",
      'printf "%s\\0" "$0" "$@" "$VALUE"',
      "name",
      ...strange,
    ],
    env: { VALUE: "a=b\nc" },
  });
  assertEquals(text.split("\0").slice(0, -1), ["name", ...strange, "a=b\nc"]);
});

Deno.test("spawn gives argv[0] another name than the file, if asked to", () => {
  assertEquals(
    output({ file: "/bin/sh", argv: ["-login", "-c", "echo $0"] }),
    "-login\n",
  );
});

Deno.test("spawn fails with a SystemError that names what is wrong", () => {
  const directory = Deno.makeTempDirSync();
  const script = `${directory}/script`;
  Deno.writeTextFileSync(script, "#!/no/such/interpreter\n", { mode: 0o755 });
  const text = `${directory}/text`;
  Deno.writeTextFileSync(text, "not a program\n", { mode: 0o755 });
  const plain = `${directory}/plain`;
  Deno.writeTextFileSync(plain, "", { mode: 0o644 });
  const cases: [SpawnOptions, string, string, string | undefined][] = [
    [
      { argv: ["/no/such/program"] },
      "posix_spawn",
      "ENOENT",
      "/no/such/program",
    ],
    [{ argv: [script] }, "posix_spawn", "ENOENT", script],
    [{ argv: [text] }, "posix_spawn", "ENOEXEC", text],
    [{ argv: [plain] }, "posix_spawn", "EACCES", plain],
    [{ argv: [directory] }, "posix_spawn", "EACCES", directory],
    [
      { argv: ["/bin/true"], cwd: "/no/such/directory" },
      "chdir",
      "ENOENT",
      "/no/such/directory",
    ],
    [{ argv: ["/bin/true"], cwd: plain }, "chdir", "ENOTDIR", plain],
    [{ argv: [] }, "posix_spawn", "EINVAL", undefined],
    [
      { argv: ["/bin/true", "x".repeat(3 << 20)] },
      "posix_spawn",
      "E2BIG",
      "/bin/true",
    ],
    [{ argv: ["/bin/true"], stdin: 9999 }, "posix_spawn", "EBADF", "/bin/true"],
    [{ argv: ["/bin/true", "a\0b"] }, "encode", "EINVAL", '"a\\u0000b"'],
    [
      { argv: ["/bin/true"], env: { A: "\0" } },
      "encode",
      "EINVAL",
      '"A=\\u0000"',
    ],
  ];
  const before = openDescriptors();
  for (const [options, syscall, code, path] of cases) {
    const error = assertThrows(
      () => spawn({ env: {}, ...options }),
      SystemError,
    );
    assertEquals([error.syscall, error.code, error.path], [
      syscall,
      code,
      path,
    ]);
  }
  // None of them has left a descriptor or a child behind.
  assertEquals(openDescriptors(), before);
  assertEquals(drainChildExits(), []);
  assertThrows(() => waitForExit(-1), SystemError, "EINVAL");
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("spawn says that an interpreter is missing where the file is there", () => {
  const directory = Deno.makeTempDirSync();
  const script = `${directory}/script`;
  Deno.writeTextFileSync(script, "#!/no/such/interpreter\n", { mode: 0o755 });
  assertThrows(
    () => spawn({ argv: [script], env: {} }),
    SystemError,
    "its interpreter or loader is not",
  );
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("spawn leaves no descriptor behind in the parent, and none open in 300 children", () => {
  const before = openDescriptors();
  for (let round = 0; round < 300; round++) {
    waitForExit(spawn({ argv: ["/bin/true"], env: {}, descriptors: { 7: 1 } }));
  }
  assertEquals(openDescriptors(), before);
});

Deno.test("spawn closes the numbers between granted descriptors", () => {
  const [reader, writer] = pipe();
  const text = output({
    argv: [
      "/bin/sh",
      "-c",
      "for n in 3 4 5 6 7 8 9 10 11; do [ -e /proc/self/fd/$n ] && echo $n; done; :",
    ],
    descriptors: { 5: reader, 9: writer },
  });
  // The shell's own test opens nothing that stays.
  assertEquals(text, "5\n9\n");
  assert(isOpen(reader));
  close(reader);
  close(writer);
});

Deno.test("spawn closes what is open below a granted number that is far away", () => {
  const [reader, writer] = pipe();
  duplicate(reader, 90, false);
  duplicate(reader, 900, false);
  const text = output({
    argv: ["/bin/ls", "/proc/self/fd"],
    descriptors: { 800: writer },
  });
  assertEquals(text.trim().split("\n").sort(), ["0", "1", "2", "3", "800"]);
  for (const descriptor of [90, 900, reader, writer]) close(descriptor);
});

Deno.test("spawn kills what a child has forked when a limit is refused", () => {
  const [reader, writer] = pipe({ nonblockReader: false });
  const forked = new Uint8Array(1);
  {
    using _ = overrideLibc({
      prlimit: () => {
        assertEquals(read(reader, forked), 1);
        return setErrno(22);
      },
    });
    assertThrows(
      () =>
        spawn({
          argv: ["/bin/sh", "-c", "/bin/sleep 1000 & echo; wait"],
          env: {},
          stdout: writer,
          limits: { nofile: { soft: 10, hard: 10 } },
        }),
      SystemError,
      "prlimit",
    );
  }
  close(writer);
  // The end of the pipe: neither lives.
  assertEquals(read(reader, forked), 0);
  close(reader);
  const exits = [];
  while (exits.length === 0) exits.push(...drainChildExits());
  assertEquals(exits.map(({ signal }) => signal), ["SIGKILL"]);
});

Deno.test("resolveCommand searches as a shell does", () => {
  const directory = Deno.makeTempDirSync();
  Deno.mkdirSync(`${directory}/a/tool`, { recursive: true });
  Deno.mkdirSync(`${directory}/b`);
  Deno.mkdirSync(`${directory}/c`);
  Deno.writeTextFileSync(`${directory}/b/tool`, "", { mode: 0o644 });
  Deno.writeTextFileSync(`${directory}/c/tool`, "", { mode: 0o755 });
  const path = (...names: string[]): string =>
    names.map((name) => `${directory}/${name}`).join(":");
  // Over a directory and a file that may not be executed, to the one that may.
  assertEquals(
    resolveCommand("tool", path("none", "a", "b", "c")),
    `${directory}/c/tool`,
  );
  assertThrows(
    () => resolveCommand("tool", path("a", "b")),
    SystemError,
    "EACCES",
  );
  assertThrows(
    () => resolveCommand("tool", path("none")),
    SystemError,
    "ENOENT",
  );
  assertThrows(() => resolveCommand("", path("c")), SystemError, "ENOENT");
  assertEquals(
    resolveCommand(`${directory}/c/tool`, ""),
    `${directory}/c/tool`,
  );
  const inFile = assertThrows(
    () => resolveCommand(`${directory}/c/tool/x`, ""),
    SystemError,
  );
  assertEquals(inFile.code, "ENOTDIR");
  // A folder of the search path that is none is not about the name.
  assertThrows(
    () => resolveCommand("tool", path("c/tool")),
    SystemError,
    "ENOENT",
  );
  assertThrows(
    () => resolveCommand(`${directory}/c/none`, path("c")),
    SystemError,
    "ENOENT",
  );
  Deno.removeSync(directory, { recursive: true });
});

function openDescriptors(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].map((entry) => entry.name)
    .sort();
}
