/**
 * The supervisor under load, with real processes: a service that is killed a
 * thousand times, five hundred services at once, storms of orphans, a PID 1
 * that was stopped while its children died.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertLessOrEqual,
  assertStringIncludes,
} from "@std/assert";
import {
  allChildrenOf,
  countOf,
  isAlive,
  killNow,
  livingChildrenOf,
  oneProcessOf,
  powerOff,
  restless,
  serviceOf,
  shell,
  startMachine,
  staying,
} from "./supervisor_facts.ts";

/** A look at the kernel's facts costs little: often, so that a thousand do not take long. */
const LOOK_MS = 1;

const breath = () => new Promise((resolve) => setTimeout(resolve, LOOK_MS));

Deno.test("a service that is killed 1000 times in a row has exactly one live process after each", async () => {
  await using machine = startMachine({
    victim: { command: staying, ...restless },
  });
  const init = await machine.pid();
  let victim = await oneProcessOf(machine, "victim");
  const seen = new Set([victim]);
  const rounds = 1000;
  for (let round = 1; round <= rounds; round++) {
    killNow(victim);
    let next: number | undefined;
    const limitMs = Date.now() + 30_000;
    while (next === undefined) {
      // The init has no other children: each of them is the service's.
      const living = livingChildrenOf(init);
      assertLessOrEqual(living.length, 1, `round ${round}: ${living}`);
      next = living.find((pid) => pid !== victim);
      assert(Date.now() < limitMs, `round ${round}: not restarted`);
      if (next === undefined) await breath();
    }
    seen.add(next);
    victim = next;
  }
  assertEquals(seen.size, rounds + 1, "each had a process id of its own");
  await machine.waitFor(new RegExp(`restart ${rounds} in`));
  const console = await powerOff(machine);
  assertEquals(countOf(console, /SERVICE_STARTED victim:/), rounds + 1);
  assertEquals(
    countOf(console, /was ended by SIGKILL; restart \d+ in/),
    rounds,
  );
  assertEquals(isAlive(victim), false);
});

Deno.test("500 services come up, and go down in reverse order with no process left", async () => {
  const count = 500;
  // Chains of ten: each needs the one before it.
  const services = Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `s${index}`,
      {
        command: staying,
        requires: index % 10 === 0 ? [] : [`s${index - 1}`],
      },
    ]),
  );
  await using machine = startMachine(services);
  await machine.waitFor(/READY.*500 of 500 services running/);
  const init = await machine.pid();
  const living = livingChildrenOf(init);
  assertEquals(living.length, count);
  const console = await powerOff(machine);
  assertEquals(living.filter(isAlive), []);
  assertStringIncludes(console, `${count} services in`);
  assertStringIncludes(console, " 0 killed, 0 left");
  const orderOf = (what: string): Map<string, number> => {
    const lines = [...console.matchAll(new RegExp(`${what} (s\\d+):`, "g"))];
    return new Map(lines.map((match, index) => [match[1] ?? "", index]));
  };
  const started = orderOf("SERVICE_STARTED");
  const stopped = orderOf("SERVICE_STOPPED");
  assertEquals([started.size, stopped.size], [count, count]);
  for (let index = 0; index < count; index++) {
    if (index % 10 === 0) continue;
    const [own, needed] = [`s${index}`, `s${index - 1}`];
    assertGreater(started.get(own) ?? -1, started.get(needed) ?? Infinity);
    assertLess(stopped.get(own) ?? Infinity, stopped.get(needed) ?? -1);
  }
});

/** So often a service is restarted while a storm lasts; it ends no earlier. */
const LEAST_RESTARTS = 12;

Deno.test("bursts of 5000 orphans are reaped while another service is restarted again and again", async () => {
  await using machine = startMachine({
    // Each round leaves an orphan behind: the shell between it and us ends.
    storm: {
      command: shell(
        `until [ -e /run/go ]; do sleep 0.02; done; n=0
         while [ $n -lt 5000 ] || [ ! -e /run/enough ]; do (true &) ; n=$((n+1)); done
         echo over after $n; exec sleep 1000000`,
      ),
    },
    victim: { command: staying, ...restless },
  });
  const init = await machine.pid();
  let victim = await oneProcessOf(machine, "victim");
  Deno.writeTextFileSync(`/proc/${init}/root/run/go`, "");
  let restarts = 0;
  while (!machine.console.includes("storm: over")) {
    killNow(victim);
    victim = await oneProcessOf(machine, "victim", [victim]);
    restarts++;
    if (restarts === LEAST_RESTARTS) {
      Deno.writeTextFileSync(`/proc/${init}/root/run/enough`, "");
    }
  }
  const orphans = Number(/over after (\d+)/.exec(machine.console)?.[1]);
  // Nothing is left of the orphans, not even zombies.
  await machine.until(
    () => allChildrenOf(init).length === 2,
    "only the two services' processes",
  );
  const console = await powerOff(machine);
  assertEquals(countOf(console, /SERVICE_STARTED victim:/), restarts + 1);
  const reaped = Number(/, (\d+) of them orphans/.exec(console)?.[1]);
  // Some `true` may be reaped by its shell: the shell lives a little longer.
  assertGreater(reaped, orphans * 0.8);
  assertLessOrEqual(reaped, orphans);
});

Deno.test("500 services that die at once, while PID 1 is stopped, are restarted once each when it goes on", async () => {
  const names = Array.from({ length: 500 }, (_, index) => `s${index}`);
  await using machine = startMachine(Object.fromEntries(
    names.map((name) => [name, { command: staying, ...restless }]),
  ));
  await machine.waitFor(/READY.*500 of 500 services running/);
  const init = await machine.pid();
  const before = livingChildrenOf(init);
  assertEquals(before.length, names.length);
  killNow(init, "SIGSTOP");
  for (const pid of before) killNow(pid);
  await machine.until(() => !before.some(isAlive), "all deaths");
  killNow(init, "SIGCONT");
  await machine.until(
    () => livingChildrenOf(init).length === names.length,
    "all restarts",
  );
  await machine.until(
    () => {
      const found = livingChildrenOf(init).map(serviceOf);
      return found.length === names.length &&
        new Set(found).size === names.length;
    },
    "one process for each service",
  );
  const console = await powerOff(machine);
  for (const [what, times] of [["STARTED", 2], ["BACKOFF", 1]] as const) {
    const counts = new Map(names.map((name) => [name, 0]));
    for (
      const [, name = ""] of console.matchAll(
        RegExp(`SERVICE_${what} (s\\d+):`, "g"),
      )
    ) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    assertEquals(counts, new Map(names.map((name) => [name, times])));
  }
});
