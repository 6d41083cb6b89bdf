/**
 * What the keys of a definition mean to the process that is made from it, as
 * the process itself and the kernel see it. Control groups with controllers
 * are for tests/vm: here the kernel may have none to give.
 */
import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import type { InitMachine } from "./init_machine.ts";
import { parseStatus } from "./namespace.ts";
import {
  oneProcessOf,
  powerOff,
  shell,
  startMachine,
  staying,
} from "./supervisor_facts.ts";

/** The lines that a service has written. */
function linesOf(machine: InitMachine, service: string): string[] {
  return [...machine.console.matchAll(RegExp(`\\] ${service}: (.*)\n`, "g"))]
    .map((match) => match[1] ?? "");
}

/**
 * Says what it was given, then `end`. Limits come from the parent, a moment
 * after the first instruction: it first waits until the last of them is there.
 */
const confess = (isComplete = "true"): string[] =>
  shell(
    `until ${isComplete}; do sleep 0.01; done
     cat /proc/self/status /proc/self/limits
     echo oom $(cat /proc/self/oom_score_adj); pwd; env; umask; nice
     ls -l /proc/self/fd
     ps -o sid= -p $$ | tr -d ' ' | sed 's/^/session /'; echo me $$; echo end`,
  );

Deno.test("a child of the init starts clean, and with what its definition says", async () => {
  const once = { type: "oneshot" } as const;
  await using machine = startMachine({
    plain: { ...once, command: confess() },
    dressed: {
      ...once,
      command: confess('[ "$(cat /proc/$$/oom_score_adj)" = 321 ]'),
      user: "nobody",
      group: 4242,
      supplementaryGroups: ["tty", 4343],
      ambientCapabilities: ["CAP_NET_BIND_SERVICE"],
      environment: { COLOUR: "green grass", PATH: "/bin:/usr/bin" },
      workingDirectory: "/usr/bin",
      nice: 7,
      oomScoreAdjust: 321,
      umask: "0027",
    },
    // As root: to limit another user's process the kernel asks for
    // CAP_SYS_RESOURCE, which this namespace may lack.
    limited: {
      ...once,
      command: confess("grep -q 'stack size *1000000 ' /proc/$$/limits"),
      limits: { nofile: { soft: 77, hard: 99 }, core: 0, stack: 1_000_000 },
    },
  });
  await machine.waitFor(/READY/);
  const facts = (service: string) => {
    const lines = linesOf(machine, service);
    assertEquals(lines.at(-1), "end");
    const status = parseStatus(lines.join("\n"));
    const limit = (name: string) =>
      lines.find((line) => line.startsWith(name))?.slice(26).trim().split(/\s+/)
        .slice(0, 2);
    return { lines, status, limit, text: lines.join("\n") };
  };
  const plain = facts("plain");
  for (const set of ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"]) {
    // The shell's own SIGINT and the like are not cat's.
    assertEquals(plain.status[set], "0000000000000000", set);
  }
  assertEquals(plain.status["Uid"], "0\t0\t0\t0");
  assertEquals(plain.status["NoNewPrivs"], "1");
  const descriptors = plain.lines.flatMap((line) =>
    /:\d\d (\d+) -> (.*)$/.exec(line)?.slice(1, 3).join(" ") ?? []
  );
  // The last is ls reading the folder itself.
  assertEquals(descriptors.length, 4, plain.text);
  assertEquals(descriptors[0], "0 /dev/null");
  assertMatch(descriptors[1] ?? "", /^1 pipe:/);
  assertMatch(descriptors[2] ?? "", /^2 pipe:/);
  const session = /^session (\d+)$/m.exec(plain.text)?.[1];
  assertEquals(session, /^me (\d+)$/m.exec(plain.text)?.[1], "its own session");
  assertStringIncludes(plain.text, "SPACEOS_SERVICE=plain");
  assertFalse(/^(?:DENO|NO_COLOR|XDG)/m.test(plain.text), "our environment");

  const { limit } = facts("limited");
  assertEquals(limit("Max open files"), ["77", "99"]);
  assertEquals(limit("Max core file size"), ["0", "0"]);
  assertEquals(limit("Max stack size"), ["1000000", "1000000"]);

  const { status, text } = facts("dressed");
  assertEquals(status["Uid"], "65534\t65534\t65534\t65534");
  assertEquals(status["Gid"], "4242\t4242\t4242\t4242");
  assertEquals(status["Groups"], "5 4343");
  for (const set of ["CapAmb", "CapPrm", "CapEff", "CapInh"]) {
    assertEquals(status[set], "0000000000000400", set);
  }
  assertMatch(text, /^oom 321$/m);
  assertMatch(text, /^\/usr\/bin$/m);
  assertMatch(text, /^COLOUR=green grass$/m);
  assertMatch(text, /^USER=nobody$/m);
  assertMatch(text, /^0027$/m);
  assertMatch(text, /^7$/m);
  await powerOff(machine);
});

Deno.test("children that a service forks at once have its limits, too", async () => {
  await using machine = startMachine({
    forks: {
      command: [
        "/usr/bin/perl",
        "-e",
        `for (1..20) { last unless fork; }
         my $score;
         do { select(undef, undef, undef, 0.02);
           open(my $o, "<", "/proc/self/oom_score_adj"); $score = <$o>;
         } until $score == 123;
         open(my $f, "<", "/proc/self/limits");
         my ($line) = grep { /Max open files/ } <$f>;
         my (undef, undef, undef, $soft, $hard) = split(" ", $line);
         syswrite(STDOUT, "has $soft $hard nice " . getpriority(0, 0) . " oom $score");
         sleep 1000 while 1;`,
      ],
      limits: { nofile: { soft: 55, hard: 66 } },
      nice: 3,
      oomScoreAdjust: 123,
    },
  });
  await machine.until(
    () => linesOf(machine, "forks").length === 21,
    "the words of all",
  );
  assertEquals(
    new Set(linesOf(machine, "forks")),
    new Set(["has 55 66 nice 3 oom 123"]),
  );
  await powerOff(machine);
});

Deno.test("pre and post commands run in their order, and post is told how the service ended", async () => {
  await using machine = startMachine({
    whole: {
      command: shell("echo main; kill -USR1 $$"),
      pre: [shell("echo pre 1"), shell("echo pre 2")],
      post: [shell("echo post 1 after $SPACEOS_EXIT"), shell("echo post 2")],
      restart: "never",
    },
    "no-pre": {
      command: shell("echo never"),
      pre: [shell("exit 3"), shell("echo never")],
      post: [shell("echo cleans up"), shell("exit 4")],
      restart: "never",
    },
    once: {
      type: "oneshot",
      command: shell("echo work"),
      post: [shell("echo undo")],
    },
  });
  await machine.waitFor(/READY.*degraded/);
  await machine.waitFor(/whole: post 2\n/);
  assertEquals(linesOf(machine, "whole"), [
    "pre 1",
    "pre 2",
    "main",
    "post 1 after SIGUSR1",
    "post 2",
  ]);
  await machine.waitFor(/SERVICE_COMMAND_FAILED no-pre: post command.*code 4/);
  assertEquals(linesOf(machine, "no-pre"), ["cleans up"]);
  assertMatch(
    machine.console,
    /SERVICE_FAILED no-pre: pre command \/bin\/sh exited with code 3/,
  );
  assertEquals(linesOf(machine, "once"), ["work"]);
  const console = await powerOff(machine);
  assertMatch(console, /once: undo\n/);
});

Deno.test("output goes to the log, the console or nowhere, and input comes from the console or nowhere", async () => {
  const say = shell("echo out; echo error >&2; exec sleep 1000000");
  await using machine = startMachine({
    log: { command: say },
    // Silent: the test's console is a file, where two writers would meet.
    console: { command: staying, stdout: "console", stderr: "console" },
    null: { command: say, stdout: "null", stderr: "null" },
    input: { command: staying, stdin: "console" },
  });
  await machine.waitFor(/READY.*4 of 4/);
  await machine.waitFor(/log: error\n/);
  await machine.waitFor(/log: out\n/);
  assertEquals(linesOf(machine, "log").sort(), ["error", "out"]);
  assertEquals(linesOf(machine, "null"), []);
  const target = (pid: number, fd: number) =>
    Deno.readLinkSync(`/proc/${pid}/fd/${fd}`);
  const input = await oneProcessOf(machine, "input");
  // The test's console is a file that is bound over the device.
  assert(/console$/.test(target(input, 0)), target(input, 0));
  const loud = await oneProcessOf(machine, "console");
  for (const fd of [1, 2]) {
    assert(/console$/.test(target(loud, fd)), target(loud, fd));
  }
  const none = await oneProcessOf(machine, "null");
  assertEquals([0, 1, 2].map((fd) => target(none, fd)), [
    "/dev/null",
    "/dev/null",
    "/dev/null",
  ]);
  await powerOff(machine);
});

Deno.test("restart, success codes and the limit of restarts decide who comes back", async () => {
  const quick = { initialMs: 10, maximumMs: 10, factor: 1, jitter: 0 };
  await using machine = startMachine({
    always: {
      command: shell("exit 0"),
      backoff: quick,
      restartLimit: { maximum: 3 },
    },
    "on-failure": {
      command: shell("exit 9"),
      restart: "on-failure",
      successCodes: [9],
    },
    failing: {
      command: shell("exit 1"),
      restart: "on-failure",
      successCodes: [9],
      backoff: quick,
      restartLimit: { maximum: 2 },
    },
    signal: {
      command: shell("kill -USR2 $$"),
      restart: "on-failure",
      successSignals: ["SIGUSR2"],
    },
    never: { command: shell("exit 1"), restart: "never" },
    missing: {
      command: ["/no/such/program"],
      backoff: quick,
      restartLimit: { maximum: 1 },
    },
    nobody: {
      command: staying,
      user: "no-such-user",
      backoff: quick,
      restartLimit: { maximum: 0 },
    },
  });
  await machine.waitFor(/SERVICE_FAILED always: ended with success; too many/);
  await machine.waitFor(/SERVICE_FAILED failing: exited with code 1; too many/);
  await machine.waitFor(
    /SERVICE_FAILED missing: .*\/no\/such\/program: ENOENT.*too many/,
  );
  await machine.waitFor(/SERVICE_FAILED nobody: .*no-such-user: ENOENT/);
  await machine.waitFor(/SERVICE_FAILED never: exited with code 1; given up/);
  await machine.waitFor(/SERVICE_FINISHED on-failure/);
  await machine.waitFor(/SERVICE_FINISHED signal/);
  const { console } = machine;
  const count = (pattern: RegExp) => [...console.matchAll(pattern)].length;
  assertEquals(count(/SERVICE_STARTED always/g), 4);
  assertEquals(count(/SERVICE_STARTED failing/g), 3);
  assertEquals(count(/SERVICE_FINISHED on-failure/g), 1);
  assertEquals(count(/SERVICE_FINISHED signal/g), 1);
  assertEquals(count(/SERVICE_STARTED never/g), 1);
  await powerOff(machine);
});
