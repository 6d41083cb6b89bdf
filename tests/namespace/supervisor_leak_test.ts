/**
 * What the init takes from the runtime and the kernel while services come and
 * go, in numbers: none of it may grow with the restarts.
 */
import { assertLessOrEqual } from "@std/assert";
import { makeDisk } from "../fixtures/make_disk.ts";
import { InitMachine } from "./init_machine.ts";
import { powerOff, restless, shell } from "./supervisor_facts.ts";

/** One service for each way to be ready; none of them ever is. */
const SERVICES = {
  simple: { command: shell("echo a line; exit 1"), ...restless },
  line: {
    command: shell("exit 1"),
    readiness: { kind: "notify-fd", fd: 3 },
    ...restless,
  },
  datagram: {
    command: shell("exit 1"),
    readiness: { kind: "sd-notify" },
    ...restless,
  },
  path: {
    command: shell("exit 1"),
    readiness: { kind: "path", path: "/run/never-there" },
    ...restless,
  },
};

/** Restarts of each service before the first look, and before the second. */
const LOOKS = [30, 230];

/** What a restart that is under way holds for each service, and some first calls. */
const MOMENTARY = 12;

Deno.test("neither libraries, listeners, timers, descriptors nor sockets grow with the restarts", async () => {
  await using machine = InitMachine.start({
    program: "counting_init.ts",
    services: SERVICES,
    disk: makeDisk("good"),
  });
  const counts: Record<string, number>[] = [];
  for (const restarts of LOOKS) {
    for (const name of Object.keys(SERVICES)) {
      await machine.waitFor(new RegExp(`${name}: .*; restart ${restarts} in`));
    }
    await machine.signal("SIGUSR2");
    const line = await machine.until(() => {
      try {
        return Deno.readTextFileSync(`${machine.folder}/counts`)
          .split("\n").slice(0, -1)[counts.length];
      } catch {
        return undefined; // not yet there
      }
    }, "the counts");
    counts.push(JSON.parse(line));
  }
  const [first = {}, second = {}] = counts;
  for (const [what, count] of Object.entries(first)) {
    assertLessOrEqual(
      second[what] ?? Infinity,
      count + MOMENTARY,
      `${what} after ${LOOKS} restarts: ${JSON.stringify(counts)}`,
    );
  }
  await powerOff(machine);
});
