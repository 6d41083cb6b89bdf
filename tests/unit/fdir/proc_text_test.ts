/** The readers of /proc against real and hostile texts. */
import { assert, assertEquals } from "@std/assert";
import {
  availablePercent,
  cgroupPath,
  executableMappings,
  moduleLines,
  mountLines,
  pressureFacts,
  startTicks,
  statusFacts,
} from "../../../lib/fdir/proc_text.ts";
import { formatManifest, parseManifest } from "../../../lib/fdir/manifest.ts";

Deno.test("executableMappings keeps what a file can execute, whatever its name", () => {
  const text = [
    "55d0c0000000-55d0c0001000 r--p 00000000 fe:01 1234                       /usr/bin/web",
    "55d0c0001000-55d0c0002000 r-xp 00001000 fe:01 1234                       /usr/bin/web",
    "7f0000000000-7f0000001000 rwxp 00000000 00:01 9                          /memfd:jit (deleted)",
    "7f0000002000-7f0000003000 --xs 00000000 fe:01 12                         /a name with  blanks\\012and a line feed",
    "7f0000004000-7f0000005000 rwxp 00000000 00:00 0 ",
    "7f0000006000-7f0000007000 rwxp 00000000 00:00 0                          [stack]",
    "7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0                          [vdso]",
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
  ].join("\n");
  assertEquals(executableMappings(text), [
    "55d0c0001000-55d0c0002000 r-xp 00001000 fe:01 1234 /usr/bin/web",
    "7f0000000000-7f0000001000 rwxp 00000000 00:01 9 /memfd:jit (deleted)",
    "7f0000002000-7f0000003000 --xs 00000000 fe:01 12 /a name with  blanks\\012and a line feed",
  ]);
});

Deno.test("executableMappings leaves out what has another form, and takes any text", () => {
  for (
    const text of [
      "",
      "\n\n",
      "1-2",
      "zz-yy r-xp 0 0:0 1 /a",
      "1-2 r-xp 0 00 1 /a",
    ]
  ) {
    assertEquals(executableMappings(text), []);
  }
  const huge = "1-2 r-xp 0 0:0 1 /" + "a".repeat(1_000_000);
  assertEquals(executableMappings(huge).length, 1);
});

Deno.test("statusFacts takes the kernel's lines and not a name that looks like one", () => {
  const text =
    "Name:\tx\\nSeccomp:\t9\nState:\tS (sleeping)\nUid:\t0\t0\t0\t0\n" +
    "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\nCapEff:\t0000000000000400\n" +
    "Seccomp:\t0\nVmRSS:\t  1 kB\n__proto__:\t1\n";
  assertEquals(statusFacts(text), {
    state: "S",
    privileges: {
      Uid: "0 0 0 0",
      NoNewPrivs: "1",
      Seccomp: "2",
      Seccomp_filters: "1",
      CapEff: "0000000000000400",
    },
  });
  assertEquals(statusFacts(""), { state: "", privileges: {} });
  assertEquals(statusFacts(":\n::\nState"), { state: "", privileges: {} });
});

Deno.test("startTicks finds its field behind any name", () => {
  const rest = "S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 99";
  for (const name of ["web", "a b", ")", "((", ") S 1 2 3 (", "\n) 1 (x)"]) {
    assertEquals(startTicks(`12 (${name}) ${rest}\n`), 4711);
  }
  for (
    const text of [
      "",
      "12",
      "12 (web",
      "12 (web) S 1 2",
      "12 (web) S " + "x ".repeat(30),
    ]
  ) {
    assertEquals(startTicks(text), null);
  }
});

Deno.test("cgroupPath wants the one hierarchy of cgroup2", () => {
  assertEquals(cgroupPath("0::/a b\n"), "/a b");
  assertEquals(cgroupPath("4:memory:/x\n"), null);
  assertEquals(cgroupPath(""), null);
});

Deno.test("mountLines leaves out ids and propagation, and lines without their dash", () => {
  assertEquals(
    mountLines(
      "22 1 0:21 / /proc rw - proc proc rw\n" +
        "23 1 0:22 / /a\\040b rw,nosuid shared:2 master:1 - tmpfs tmpfs rw,size=1k\nbad\n",
    ),
    [
      "0:21 / /proc rw proc proc rw",
      "0:22 / /a\\040b rw,nosuid tmpfs tmpfs rw,size=1k",
    ],
  );
});

Deno.test("moduleLines does not mind order and reference counts", () => {
  const before = moduleLines("b 20 1 a, Live 0x0\na 10 0 - Live 0x0\n");
  assertEquals(moduleLines("a 10 3 - Live 0x0\nb 20 0 - Live 0x0\n"), before);
});

Deno.test("pressureFacts and availablePercent read the kernel's figures, and nothing else", () => {
  const text = "some avg10=12.34 avg60=1.00 avg300=0.00 total=1\n" +
    "full avg10=5.00 avg60=0.00 avg300=0.00 total=0\n";
  assertEquals(pressureFacts(text), { some: 12.34, full: 5 });
  assertEquals(pressureFacts("some avg10=x\n"), { some: 0, full: 0 });
  assertEquals(availablePercent("MemTotal: 0 kB\nMemAvailable: 0 kB\n"), null);
  assertEquals(availablePercent("MemTotal:    400 kB\n"), null);
  assertEquals(
    availablePercent("MemTotal:    400 kB\nMemAvailable:  4 kB\n"),
    1,
  );
});

Deno.test("no reader throws at random bytes", () => {
  const words = [
    "State:",
    "0::",
    "r-xp",
    " - ",
    ")",
    "\n",
    "\t",
    " ",
    "1-2",
    "avg10=",
    "\0",
    "é",
  ];
  let seed = 1;
  const next = () => (seed = (seed * 48271) % 0x7FFFFFFF);
  for (let round = 0; round < 2000; round++) {
    const text = Array.from(
      { length: next() % 40 },
      () => words[next() % words.length],
    ).join("");
    executableMappings(text);
    statusFacts(text);
    startTicks(text);
    cgroupPath(text);
    mountLines(text);
    moduleLines(text);
    pressureFacts(text);
    availablePercent(text);
    const { entries } = parseManifest(text);
    assert(entries.length === 0);
  }
});

Deno.test("a manifest is what sha256sum writes, sorted by path", () => {
  const digest = "ab".repeat(32);
  const text = formatManifest([
    { path: "/b", digest },
    { path: "/a  b", digest },
    { path: "/a\nb", digest },
  ]);
  assertEquals(text, `${digest}  /a  b\n${digest}  /b\n`);
  assertEquals(parseManifest(text + "x\n").badLines, 1);
  assertEquals(parseManifest(`${digest} */bin\n`).entries[0]?.path, "/bin");
});
