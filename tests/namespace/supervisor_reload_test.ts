/**
 * SIGHUP has the init read its definitions anew: with real files, processes,
 * control groups and descriptors.
 */
import {
  assertEquals,
  assertFalse,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import type { InitMachine } from "./init_machine.ts";
import {
  countOf,
  isAlive,
  oneProcessOf,
  powerOff,
  processesOf,
  shell,
  startMachine,
  staying,
} from "./supervisor_facts.ts";

function define(machine: InitMachine, name: string, definition: unknown): void {
  Deno.writeTextFileSync(
    `${machine.folder}/services.d/${name}.json`,
    JSON.stringify(definition),
  );
}

function undefine(machine: InitMachine, name: string): void {
  Deno.removeSync(`${machine.folder}/services.d/${name}.json`);
}

/** Sends SIGHUP and waits for what the init says of it. */
async function reload(machine: InitMachine, answer: RegExp): Promise<string> {
  const from = machine.console.length;
  await machine.signal("SIGHUP");
  const [line] = await machine.waitFor(answer, from);
  return line;
}

const descriptorsOf = (pid: number): number =>
  [...Deno.readDirSync(`/proc/${pid}/fd`)].length;

Deno.test("SIGHUP starts new services, stops removed ones, and leaves changed ones as they are until their restart", async () => {
  await using machine = startMachine({
    stays: { command: staying },
    changes: { command: shell("echo version 1; exec sleep 1000000") },
    leaves: {
      command: shell(
        "trap 'echo bye; exit 0' TERM; echo hears; while :; do sleep 0.05; done",
      ),
    },
  });
  await machine.waitFor(/READY.*3 of 3 services running/);
  await machine.waitFor(/leaves: hears\n/);
  const init = await machine.pid();
  const stays = await oneProcessOf(machine, "stays");
  const changes = await oneProcessOf(machine, "changes");
  const leaves = await oneProcessOf(machine, "leaves");
  const groups = `/proc/${init}/root/sys/fs/cgroup/spaceos`;
  const hasGroups = [...Deno.readDirSync(groups)]
    .some(({ name }) => name === "leaves");
  const before = descriptorsOf(init);

  undefine(machine, "leaves");
  define(machine, "changes", {
    command: shell("echo version 2; exec sleep 1000000"),
  });
  define(machine, "comes", { command: staying, requires: ["stays"] });
  await reload(machine, /DEFINITIONS_RELOADED 3 services\n/);
  await oneProcessOf(machine, "comes");
  await machine.waitFor(/SERVICE_STOPPED leaves: is down/);
  assertFalse(isAlive(leaves));
  assertStringIncludes(machine.console, "leaves: bye\n");
  assertEquals(processesOf(init, "stays"), [stays]);
  assertEquals(processesOf(init, "changes"), [changes]);
  // Two pipes went with the one that left, two came with the new one.
  await machine.until(() => descriptorsOf(init) === before, "closed pipes");
  if (hasGroups) {
    await machine.until(
      () =>
        ![...Deno.readDirSync(groups)].some(({ name }) => name === "leaves"),
      "its control group to be removed",
    );
  }

  // A crash brings the new definition into force.
  Deno.kill(changes, "SIGKILL");
  await machine.waitFor(/changes: version 2\n/);
  await powerOff(machine);
});

Deno.test("SIGHUP with definitions that can't be used changes nothing and names what is wrong", async () => {
  await using machine = startMachine({ stays: { command: staying } });
  await machine.waitFor(/READY/);
  const stays = await oneProcessOf(machine, "stays");
  const init = await machine.pid();

  define(machine, "good", { command: staying });
  define(machine, "bad", { command: staying, restrat: "never" });
  const refused = await reload(machine, /DEFINITIONS_REFUSED .*\n/);
  assertMatch(refused, /bad\.json:1:\d+: error: \$\.restrat: unknown key/);
  undefine(machine, "bad");

  define(machine, "good", { command: staying, requires: ["nobody"] });
  assertMatch(
    await reload(machine, /DEFINITIONS_REFUSED .*\n/),
    /good\.json:.*no definition has this name.*"nobody"/,
  );
  define(machine, "good", { command: staying, after: ["other"] });
  define(machine, "other", { command: staying, wants: ["good"] });
  assertMatch(
    await reload(machine, /DEFINITIONS_REFUSED .*\n/),
    /dependency cycle: good -> other -> good/,
  );
  undefine(machine, "other");
  define(machine, "good", { command: staying, noNewPrivileges: false });
  assertMatch(
    await reload(machine, /DEFINITIONS_REFUSED .*\n/),
    /good: \$\.noNewPrivileges: expected true until the next boot/,
  );
  assertEquals(processesOf(init, "stays"), [stays]);
  assertFalse(machine.console.includes("SERVICE_STARTED good"));

  define(machine, "good", { command: staying });
  await reload(machine, /DEFINITIONS_RELOADED 2 services\n/);
  await oneProcessOf(machine, "good");
  await powerOff(machine);
});

Deno.test("a broken definition at boot is made good by SIGHUP, and the machine is nominal again", async () => {
  await using machine = startMachine({
    stays: { command: staying },
    broken: { command: "not a list" },
  });
  await machine.waitFor(
    /READY.*degraded.*1 of 1 services running.*definitions/,
  );
  define(machine, "broken", { command: staying });
  await reload(machine, /DEFINITIONS_RELOADED 2 services\n/);
  await machine.waitFor(/MODE_CHANGED degraded -> nominal/);
  await oneProcessOf(machine, "broken");
  await powerOff(machine);
});

Deno.test("a storm of SIGHUP while services crash costs no service and no descriptor", async () => {
  await using machine = startMachine({
    crash: {
      command: shell("sleep 0.02; exit 1"),
      backoff: { initialMs: 10, maximumMs: 10, factor: 1, jitter: 0 },
      restartLimit: { maximum: null },
    },
    stays: { command: staying },
  });
  await machine.waitFor(/READY/);
  const init = await machine.pid();
  const stays = await oneProcessOf(machine, "stays");
  const before = descriptorsOf(init);
  // Many signals are one: on a slow machine it takes more of them.
  for (
    let round = 0;
    round < 200 || countOf(machine.console, /DEFINITIONS_RELOADED/) <= 10;
    round += 2
  ) {
    for (const there of [true, false]) {
      if (there) define(machine, "flicker", { command: staying });
      else undefine(machine, "flicker");
      Deno.kill(init, "SIGHUP");
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
  await reload(machine, /DEFINITIONS_RELOADED 2 services\n/);
  await machine.until(
    () => processesOf(init, "flicker").length === 0,
    "the last flicker to be down",
  );
  const crashes = countOf(machine.console, /SERVICE_BACKOFF crash/);
  await machine.until(
    () => countOf(machine.console, /SERVICE_BACKOFF crash/) > crashes + 3,
    "the crash loop to go on",
  );
  assertEquals(processesOf(init, "stays"), [stays]);
  await machine.until(
    () => descriptorsOf(init) <= before + 1,
    "no descriptor to be left",
  );
  await powerOff(machine);
});
