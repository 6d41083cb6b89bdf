/**
 * PID 1 for the tests of control groups, on a cgroup2 mount of its own.
 *
 * @module
 */

import { Cgroup } from "../../../lib/linux/cgroup.ts";
import { close, open } from "../../../lib/linux/file.ts";
import { libc, overrideLibc } from "../../../lib/linux/libc.ts";
import { mount, setupFilesystems, unmount } from "../../../lib/linux/mount.ts";
import { Poller } from "../../../lib/linux/poller.ts";
import { drainChildExits, kill } from "../../../lib/linux/process.ts";
import { setupSignals } from "../../../lib/linux/signal.ts";
import { spawn } from "../../../lib/linux/spawn.ts";
import { report } from "./capture.ts";

mount({ type: "tmpfs", target: "/mnt" });
report(
  "mounted",
  setupFilesystems([{ type: "cgroup2", target: "/mnt/cgroup" }])[0]?.outcome,
);
const name = `spaceos-test-${crypto.randomUUID()}`;
const parent = new Cgroup(`/mnt/cgroup/${name}`);
parent.create();
const group = new Cgroup(`${parent.path}/service`);
using handling = setupSignals();

/** Makes the next opening of a cgroup.procs wait until there are three sleepers. */
function lateMove(): Disposable {
  const { openat } = libc();
  let done = false;
  return overrideLibc({
    openat: (directory, path, flags, mode) => {
      const name = new TextDecoder().decode(path as Uint8Array);
      if (!done && name.endsWith("/cgroup.procs\0")) {
        done = true;
        while (sleepers().length < 3);
      }
      return openat(directory, path, flags, mode);
    },
  });
}

/** Every `sleep` of this namespace. */
function sleepers(): number[] {
  return [...Deno.readDirSync("/proc")].map((entry) => Number(entry.name))
    .filter((pid) => {
      try {
        return Number.isInteger(pid) &&
          /^[0-9]+ \(sleep\) [^ZX]/.test(
            Deno.readTextFileSync(`/proc/${pid}/stat`),
          );
      } catch {
        return false; // it ended
      }
    });
}

/** Reaps until a number of exits came. */
async function exits(count: number): Promise<(string | null)[]> {
  const signals: (string | null)[] = [];
  while (signals.length < count) {
    signals.push(...drainChildExits().map((exit) => exit.signal));
    if (signals.length < count) await handling.wait();
  }
  return signals;
}

/** Waits for a change of cgroup.events until a condition holds. */
async function eventually(condition: () => boolean): Promise<void> {
  const descriptor = open(`${group.path}/cgroup.events`);
  const poller = new Poller();
  let wake: () => void = () => {};
  poller.add(
    descriptor,
    { read: false, priority: true, edge: true },
    () => wake(),
  );
  while (!condition()) await new Promise<void>((resolve) => wake = resolve);
  await poller.close();
  close(descriptor);
}

try {
  report("refusedControllers", group.create(["no-such-controller"]));
  report("createdAgain", group.create());
  report("emptyPopulated", group.populated());
  const pid = spawn({
    argv: ["/bin/sleep", "100000"],
    env: {},
    cgroup: group.path,
  });
  report(
    "members",
    group.processes().filter((member) => member === pid).length,
  );
  report("populated", group.populated());
  group.freeze(true);
  await eventually(() => group.frozen());
  report("frozen", group.frozen());
  group.freeze(false);
  await eventually(() => !group.frozen());
  report("thawed", !group.frozen());
  try {
    group.remove();
  } catch (error) {
    report("removeBusy", `${error}`);
  }
  group.kill();
  report("killed", await exits(1));
  await eventually(() => !group.populated());

  // Children that fork at once: each process must end up in the group, even one
  // that was forked before its parent was moved.
  let outside = 0;
  const rounds = 60;
  for (let round = 0; round < rounds; round++) {
    // In half of the rounds the move comes late, when all have been forked.
    using _ = round % 2 === 0 ? overrideLibc({}) : lateMove();
    const shell = spawn({
      argv: [
        "/bin/sh",
        "-c",
        "sleep 100000 & (sleep 100000 &) ; (setsid sleep 100000 &) ; wait",
      ],
      env: { PATH: "/usr/bin:/bin" },
      cgroup: group.path,
    });
    while (sleepers().length < 3) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const members = new Set(group.processes());
    outside += sleepers().filter((pid) => !members.has(pid)).length;
    for (const pid of sleepers()) kill(pid, 9);
    group.kill();
    const left = new Set([shell]);
    while (left.size > 0 || sleepers().length > 0) {
      for (const exit of drainChildExits()) left.delete(exit.pid);
      if (left.size > 0 || sleepers().length > 0) await handling.wait(10);
    }
  }
  report("outside", outside);

  // Forks as fast as they come cannot get away.
  spawn({
    argv: ["/bin/sh", "-c", "while :; do (sleep 100000 &); done"],
    env: { PATH: "/usr/bin:/bin" },
    cgroup: group.path,
  });
  while (group.processes().length < 100) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  group.kill();
  await eventually(() => !group.populated());
  report("stormOver", group.processes().length);
} finally {
  group.kill();
  await eventually(() => !group.populated());
  group.remove();
  group.remove();
  parent.remove();
}
report("gone", [
  group.populated(),
  [...Deno.readDirSync("/mnt/cgroup")].some((entry) => entry.name === name),
]);
group.kill();
unmount("/mnt/cgroup");
