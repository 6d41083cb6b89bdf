/**
 * How services say that they are ready and alive, with real pipes, sockets and
 * paths; and what is said too early, too late, by the wrong one, or not at all.
 */
import { assert, assertEquals, assertFalse, assertMatch } from "@std/assert";
import {
  countOf,
  killNow,
  oneProcessOf,
  powerOff,
  shell,
  startMachine,
  statusNumber,
  staying,
} from "./supervisor_facts.ts";

/** A command of a perl script, which can send datagrams without a module. */
const perl = (script: string): string[] => [
  "/usr/bin/perl",
  "-e",
  `$| = 1;
   sub notify { my ($text, $path) = @_; socket(my $s, 1, 2, 0) or die $!;
     send($s, $text, 0, pack("Sa*", 1, $path // $ENV{NOTIFY_SOCKET})); }
   ${script}`,
];

/** A service that needs another: it starts when that one is ready. */
const needs = (name: string) => ({
  command: shell(`echo ${name} was ready; exec sleep 1000000`),
  requires: [name],
});

Deno.test("a dependant starts only after each kind of readiness was told", async () => {
  await using machine = startMachine({
    fd: {
      // Not by bytes without a line feed, and not by one on standard output.
      command: shell(
        "echo; printf almost >&7; until [ -e /run/go ]; do sleep 0.02; done; echo fd speaks; echo >&7; exec sleep 1000000",
      ),
      readiness: { kind: "notify-fd", fd: 7 },
    },
    "after-fd": needs("fd"),
    socket: {
      command: perl(
        `notify("STATUS=warming up\\nERRNO=0"); select(undef, undef, undef, 0.02) until -e "/run/go";
         print "socket speaks\\n"; notify("STATUS=at work\\nREADY=1"); sleep 1000 while 1;`,
      ),
      readiness: { kind: "sd-notify" },
    },
    "after-socket": needs("socket"),
    path: {
      command: shell(
        "until [ -e /run/go ]; do sleep 0.02; done; mkdir -p /run/deep/er; echo path speaks; : > /run/deep/er/ready; exec sleep 1000000",
      ),
      readiness: { kind: "path", path: "/run/deep/er/ready" },
    },
    "after-path": needs("path"),
    once: {
      type: "oneshot",
      command: shell(
        "until [ -e /run/go ]; do sleep 0.02; done; echo once speaks",
      ),
    },
    "after-once": needs("once"),
  });
  const kinds = ["fd", "socket", "path", "once"];
  const init = await machine.pid();
  for (const kind of kinds) await oneProcessOf(machine, kind);
  assertFalse(/was ready/.test(machine.console));
  Deno.writeTextFileSync(`/proc/${init}/root/run/go`, "");
  await machine.waitFor(/READY.*8 of 8 services running/);
  const { console } = machine;
  // What a service prints and what it tells come on two ways: only what is
  // told has an order.
  for (const kind of kinds) {
    await machine.waitFor(RegExp(`${kind} speaks\n`));
    await machine.waitFor(RegExp(`${kind} was ready\n`));
    assertMatch(
      console,
      RegExp(`SERVICE_STARTED ${kind}:[^]*SERVICE_STARTED after-${kind}:`),
    );
  }
  assertEquals(countOf(console, /SERVICE_STARTED/), 8);
  await powerOff(machine);
});

Deno.test("who is not ready in time, closes its descriptor in silence, or ends first has failed to start", async () => {
  const readiness = { kind: "notify-fd", fd: 3, timeoutMs: 300 };
  await using machine = startMachine({
    late: { command: staying, readiness, restart: "never" },
    closes: {
      command: shell("exec 3>&-; echo closed; exec sleep 1000000"),
      readiness,
      restart: "never",
    },
    ends: {
      command: shell("exit 0"),
      readiness: { kind: "sd-notify" },
      restart: "never",
    },
    // What a path shows is of no worth when it was there before.
    stale: {
      command: staying,
      readiness: { kind: "path", path: "/run/stale", timeoutMs: 300 },
      pre: [shell(": > /run/stale")],
      restart: "never",
    },
    waits: needs("late"),
  });
  await machine.waitFor(/READY.*degraded.*5 failed/);
  const { console } = machine;
  for (const name of ["late", "closes", "stale"]) {
    assertMatch(
      console,
      RegExp(`SERVICE_START_TIMEOUT ${name}: not ready within 300 ms`),
    );
  }
  assertMatch(
    console,
    /SERVICE_FAILED ends: exited with code 0 before it was ready/,
  );
  assertMatch(
    console,
    /SERVICE_FAILED waits: can't start, because late failed/,
  );
  // An empty pipe that was closed is reported once, not without end.
  const before = ticksOf(await machine.pid());
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert(ticksOf(await machine.pid()) - before < 25, "the init is busy");
  await powerOff(machine);
});

Deno.test("what is said after the death of a process is not taken for a word of the next one", async () => {
  await using machine = startMachine({
    heir: {
      // The first leaves a child behind that speaks for it, on both channels,
      // when the second is there.
      command: perl(
        `if (!-e "/run/first") { open(my $f, ">", "/run/first");
           my $path = $ENV{NOTIFY_SOCKET};
           if (!fork) { setpgrp; select(undef, undef, undef, 0.02) until -e "/run/second";
             notify("READY=1", $path); open(my $old, ">", "/run/spoken"); exit 0; }
           kill "KILL", $$; }
         open(my $f, ">", "/run/second"); print "second waits\\n"; sleep 1000 while 1;`,
      ),
      readiness: { kind: "sd-notify", timeoutMs: null },
      stop: { scope: "process" },
      backoff: { initialMs: 10, jitter: 0 },
    },
    pipe: {
      command: shell(
        `if [ ! -e /run/one ]; then : > /run/one
           (trap '' PIPE; until [ -e /run/two ]; do sleep 0.02; done; echo >&3; : > /run/said) &
           kill -KILL $$; fi
         : > /run/two; echo second waits; exec sleep 1000000`,
      ),
      readiness: { kind: "notify-fd", fd: 3, timeoutMs: null },
      stop: { scope: "process" },
      backoff: { initialMs: 10, jitter: 0 },
    },
  });
  await machine.waitFor(/heir: second waits/);
  await machine.waitFor(/pipe: second waits/);
  // With control groups the child is killed with the service; without, it speaks
  // to nobody. Either way the second is not ready.
  await new Promise((resolve) => setTimeout(resolve, 300));
  assertFalse(/SERVICE_STARTED/.test(machine.console));
  await powerOff(machine);
});

Deno.test("a service that misses a heartbeat is stopped and started again, one that keeps them is not", async () => {
  await using machine = startMachine({
    alive: {
      command: perl(
        `die unless $ENV{WATCHDOG_USEC} == 2000000;
         while (1) { notify("WATCHDOG=1"); select(undef, undef, undef, 0.05); }`,
      ),
      health: { watchdogMs: 2000 },
    },
    dies: {
      command: perl(
        `notify("WATCHDOG=1") for 1..3; print "silent from now on\\n"; sleep 1000 while 1;`,
      ),
      health: { watchdogMs: 300 },
      backoff: { initialMs: 10, jitter: 0 },
    },
    trips: {
      command: perl(
        `notify("READY=1\\nWATCHDOG=trigger"); sleep 1000 while 1;`,
      ),
      readiness: { kind: "sd-notify" },
      restart: "never",
    },
  });
  await machine.waitFor(
    /SERVICE_WATCHDOG_MISSED dies: no heartbeat within 300 ms/,
  );
  await machine.waitFor(/SERVICE_BACKOFF dies: no heartbeat within 300 ms/);
  await machine.until(
    () => countOf(machine.console, /silent from now on/) >= 7,
    "seven runs, longer than the other may be silent",
  );
  await machine.waitFor(/SERVICE_FAILED trips: asked to be restarted/);
  assertFalse(/SERVICE_[A-Z_]+ alive: no/.test(machine.console));
  assertEquals(countOf(machine.console, /SERVICE_STARTED alive/), 1);
  await powerOff(machine);
});

Deno.test("a flood of notifications starves nobody and costs no memory", async () => {
  await using machine = startMachine({
    flood: {
      command: perl(
        `notify("READY=1"); my $text = "STATUS=" . ("x" x 3000) . "\\nREADY=1\\nWATCHDOG=1\\n";
         socket(my $s, 1, 2, 0); my $to = pack("Sa*", 1, $ENV{NOTIFY_SOCKET});
         for (my $n = 0; $n < 20000 || !-e "/run/enough"; $n++) { send($s, $text, 0, $to); }
         print "over\\n"; sleep 1000 while 1;`,
      ),
      readiness: { kind: "sd-notify" },
    },
    victim: {
      command: staying,
      backoff: { initialMs: 10, jitter: 0, maximumMs: 10 },
      restartLimit: { maximum: null },
    },
  });
  await machine.waitFor(/SERVICE_STARTED flood/);
  const init = await machine.pid();
  const rssBefore = statusNumber(init, "VmRSS");
  let restarts = 0;
  let victim = await oneProcessOf(machine, "victim");
  while (!machine.console.includes("flood: over")) {
    killNow(victim);
    victim = await oneProcessOf(machine, "victim", [victim]);
    restarts++;
    if (restarts === 5) {
      Deno.writeTextFileSync(`/proc/${init}/root/run/enough`, "");
    }
  }
  const grownMebibytes = (statusNumber(init, "VmRSS") - rssBefore) / 1024;
  assert(grownMebibytes < 100, `memory grew by ${grownMebibytes} MiB`);
  await powerOff(machine);
});

/** Processor time of a process so far, in hundredths of a second. */
function ticksOf(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
