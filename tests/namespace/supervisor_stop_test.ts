/**
 * How services go down, with real processes: those that do not listen, those
 * that are stopped, those that were about to come back, and an operator who
 * asks more than once.
 */
import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import type { InitMachine } from "./init_machine.ts";
import { statusFields } from "./namespace.ts";
import {
  countOf,
  ended,
  isAlive,
  killNow,
  livingChildrenOf,
  livingDescendantsOf,
  oneProcessOf,
  powerOff,
  shell,
  startMachine,
  staying,
} from "./supervisor_facts.ts";

/** Ignores SIGTERM and says when it does. */
const deaf = shell("trap '' TERM; echo deaf; while :; do sleep 1000; done");

Deno.test("a service that ignores SIGTERM gets SIGKILL after its time-out, and the report says so", async () => {
  await using machine = startMachine({
    deaf: { command: deaf, stop: { timeoutMs: 300 } },
    good: { command: staying },
  });
  await machine.waitFor(/deaf: deaf\n/);
  const living = livingDescendantsOf(await machine.pid());
  const console = await powerOff(machine);
  const [, waited] = /SERVICE_KILLED deaf: SIGKILL after (\d+) ms/.exec(
    console,
  ) ?? [];
  assert(Number(waited) >= 300, `SIGKILL after ${waited} ms`);
  assertMatch(console, /SHUTDOWN_SERVICE deaf: needed SIGKILL after \d+ ms/);
  assertMatch(console, /SHUTDOWN_SERVICE good: stopped after \d+ ms/);
  assertMatch(console, /2 services in \d+ ms, 1 killed, 0 left/);
  assertEquals(living.filter(isAlive), []);
});

Deno.test("a service stopped by SIGSTOP goes down at its stop signal without SIGKILL", async () => {
  await using machine = startMachine({ frozen: { command: staying } });
  const pid = await oneProcessOf(machine, "frozen");
  killNow(pid, "SIGSTOP");
  await machine.until(
    () => statusFields(pid)?.["State"]?.startsWith("T"),
    "a stopped process",
  );
  const console = await powerOff(machine);
  assertMatch(console, /SHUTDOWN_SERVICE frozen: stopped after \d+ ms/);
  assertFalse(/SERVICE_KILLED/.test(console));
});

Deno.test("a stopped service that ignores its stop signal is killed", async () => {
  await using machine = startMachine({
    deaf: { command: deaf, stop: { timeoutMs: 100 } },
  });
  await machine.waitFor(/deaf: deaf\n/);
  const init = await machine.pid();
  const all = livingDescendantsOf(init);
  for (const pid of all) killNow(pid, "SIGSTOP");
  const console = await powerOff(machine);
  assertMatch(console, /SHUTDOWN_SERVICE deaf: needed SIGKILL/);
  assertEquals(all.filter(isAlive), []);
});

Deno.test("the stop signal of a definition is the one that is sent, to the process or its group", async () => {
  const script = (which: string) =>
    shell(
      `trap 'echo ${which} got USR1; exit 0' USR1
       trap 'echo ${which} got TERM; exit 0' TERM
       echo ${which} is up; while :; do sleep 0.05; done`,
    );
  await using machine = startMachine({
    one: { command: script("one"), stop: { signal: "SIGUSR1" } },
    two: {
      command: shell(
        `(trap 'echo child got TERM; exit 0' TERM; echo child is up;
             while :; do sleep 0.05; done) &
           trap 'echo parent got TERM; kill -KILL $!; exit 0' TERM
           echo two is up; while :; do sleep 0.05; done`,
      ),
      stop: { scope: "process" },
    },
  });
  for (const who of ["one: one", "two: two", "two: child"]) {
    await machine.waitFor(RegExp(`${who} is up\n`));
  }
  const console = await powerOff(machine);
  assertStringIncludes(console, "one: one got USR1\n");
  assertStringIncludes(console, "two: parent got TERM\n");
  assertFalse(/child got TERM|one got TERM/.test(console));
});

Deno.test("SIGTERM during a backoff ends the machine at once, and the service does not come back", async () => {
  await using machine = startMachine({
    crash: {
      command: shell("exit 7"),
      backoff: { initialMs: 86_400_000, maximumMs: 86_400_000, jitter: 0 },
    },
  });
  await machine.waitFor(/crash: exited with code 7; restart 1 in 86400000 ms/);
  const console = await powerOff(machine);
  assertEquals(countOf(console, /SERVICE_STARTED crash:/), 1);
});

Deno.test("SIGTERM while services still start ends the machine, and none of them starts after it", async () => {
  await using machine = startMachine({
    slow: {
      command: staying,
      readiness: { kind: "notify-fd", fd: 3, timeoutMs: null },
    },
    next: { command: staying, requires: ["slow"] },
  });
  await oneProcessOf(machine, "slow");
  const console = await powerOff(machine);
  assertFalse(/SERVICE_STARTED|READY/.test(console));
  assertMatch(console, /SHUTDOWN_SERVICE slow: stopped after/);
});

Deno.test("SIGTERM as early as the init can take it ends the machine in order", async () => {
  // The signal comes at another moment of the boot each time: as soon as the
  // process exists, when it has said something, when the services start.
  const moments: ((machine: InitMachine) => boolean)[] = [
    () => true,
    (machine) => machine.console.length > 0,
    (machine) => machine.console.includes("BOOT"),
    (machine) => machine.console.includes("SERVICE_STARTED"),
  ];
  for (const moment of moments) {
    await using machine = startMachine({ stays: { command: staying } });
    const init = await machine.pid();
    // Before the kernel knows of a handler, it throws a signal to PID 1 away.
    await machine.until(() => {
      const caught = statusFields(init)?.["SigCgt"];
      return caught !== undefined && (BigInt(`0x${caught}`) & 0x4000n) !== 0n;
    }, "a handler for SIGTERM");
    await machine.until(() => moment(machine), "the moment");
    const console = await powerOff(machine);
    assertMatch(console, /poweroff after [\d.]+ s\n$/);
  }
});

Deno.test("a second SIGTERM cuts the time-outs, and a third kills at once", async () => {
  const services = { deaf: { command: deaf, stop: { timeoutMs: 600_000 } } };
  for (const signals of [2, 3]) {
    await using machine = startMachine(services);
    await machine.waitFor(/deaf: deaf\n/);
    // What each of them is answered with.
    const answers = [
      /asked for by SIGTERM/,
      /again: all time-outs are cut/,
      /again: everything is killed/,
    ];
    for (const answer of answers.slice(0, signals)) {
      await machine.signal("SIGTERM");
      await machine.waitFor(answer);
    }
    const console = await ended(machine);
    assertMatch(console, /SHUTDOWN_SERVICE deaf: needed SIGKILL/);
    assertMatch(console, /1 services in \d+ ms, 1 killed, 0 left/);
    // Ten minutes were asked for: whatever the machine's speed, it was cut.
    const waited = Number(/SIGKILL after (\d+) ms/.exec(console)?.[1]);
    assert(waited < 600_000, `SIGKILL after ${waited} ms`);
    if (signals === 2) assert(waited >= 1000, `SIGKILL after ${waited} ms`);
  }
});

Deno.test("processes that left their service's session and group go down with the machine", async () => {
  await using machine = startMachine({
    leaver: {
      command: shell(
        "setsid sh -c 'trap \"\" TERM HUP; echo away; while :; do sleep 1000; done' & exec sleep 1000000",
      ),
      stop: { timeoutMs: 200 },
    },
  });
  await machine.waitFor(/leaver: away\n/);
  const init = await machine.pid();
  const all = await machine.until(() => {
    const found = livingDescendantsOf(init);
    return found.length >= 3 && found;
  }, "the service, who left, and its child");
  const console = await powerOff(machine);
  assertEquals(all.filter(isAlive), []);
  assertMatch(console, /SERVICE_REMAINS leaver|SERVICE_KILLED leaver/);
});

Deno.test("a service that goes into the background is tracked by its cgroup, and restarted when that is empty", async () => {
  await using machine = startMachine({
    daemon: {
      // Forked twice: its parent is the init, its session its own.
      command: shell(
        "(setsid sh -c 'echo serving $$; exec sleep 1000000' &) ; exit 0",
      ),
      readiness: { kind: "exit" },
      stop: { scope: "cgroup" },
      backoff: { initialMs: 10, jitter: 0 },
    },
    user: { command: staying, requires: ["daemon"] },
  });
  await machine.waitFor(/READY.*2 of 2 services running/);
  await machine.waitFor(/daemon: serving \d+\n/);
  const init = await machine.pid();
  const daemon = await machine.until(
    () =>
      livingChildrenOf(init).find((pid) =>
        commandLine(pid).includes("sleep 1000000") && inGroup(pid, "daemon")
      ),
    "the daemon's process",
  );
  killNow(daemon);
  // Its death is seen, its dependant comes down and up again with it.
  await machine.waitFor(/SERVICE_BACKOFF daemon:/);
  await machine.until(
    () => countOf(machine.console, /SERVICE_STARTED daemon:/) === 2,
    "the second daemon",
  );
  await machine.until(
    () => countOf(machine.console, /SERVICE_STARTED user:/) === 2,
    "its user",
  );
  const living = livingDescendantsOf(init);
  const console = await powerOff(machine);
  assertEquals(living.filter(isAlive), []);
  assertMatch(console, /SHUTDOWN_SERVICE daemon: stopped after/);
  assertFalse(console.includes("SERVICE_KILLED"));
});

function commandLine(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
  } catch {
    return "";
  }
}

function inGroup(pid: number, service: string): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cgroup`).trimEnd()
      .endsWith(`/spaceos/${service}`);
  } catch {
    return false;
  }
}
