/**
 * PID 1 for the tests of credentials: spawns children as other users and
 * reports what they and this thread are, before and after.
 *
 * @module
 */

import { libc } from "../../../lib/linux/libc.ts";
import { setParentDeathSignal } from "../../../lib/linux/process.ts";
import type { SpawnOptions } from "../../../lib/linux/spawn_options.ts";
import { SystemError } from "../../../lib/linux/error.ts";
import { capture, report } from "./capture.ts";

const PR_GET_PDEATHSIG = 2;
const PR_GET_DUMPABLE = 3;

function parent(): Record<string, unknown> {
  const signal = new Int32Array(new ArrayBuffer(4));
  const place = Deno.UnsafePointer.of(signal);
  libc().prctl(
    PR_GET_PDEATHSIG,
    BigInt(Deno.UnsafePointer.value(place)),
    0n,
    0n,
    0n,
  );
  return {
    threads: [...Deno.readDirSync("/proc/self/task")].map((entry) =>
      Deno.readTextFileSync(`/proc/self/task/${entry.name}/status`)
        .split("\n")
        .filter((line) => /^(Uid|Gid|Groups|Cap|NoNew)/.test(line))
        .join("\n")
    ).filter((text, index, all) => all.indexOf(text) === index),
    dumpable: libc().prctl(PR_GET_DUMPABLE, 0n, 0n, 0n, 0n),
    deathSignal: signal[0],
  };
}

function attempt(options: SpawnOptions): unknown {
  try {
    const { text, exit } = capture(options);
    return { text, exitCode: exit.exitCode };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return { error: error.message };
  }
}

setParentDeathSignal(10);
const status = ["/bin/cat", "/proc/self/status"];
report("before", parent());
report("user", attempt({ argv: status, userId: 900, groupId: 901 }));
report(
  "groups",
  attempt({
    argv: status,
    userId: 900,
    groupId: 901,
    supplementaryGroupIds: [44, 902],
  }),
);
report(
  "ambient",
  attempt({
    argv: status,
    userId: 900,
    groupId: 901,
    ambientCapabilities: ["CAP_NET_BIND_SERVICE", "CAP_SYSLOG"],
  }),
);
report("groupOnly", attempt({ argv: status, groupId: 901 }));
for (const way of ["--reuid=0", "--regid=0", "--clear-groups"]) {
  report(
    `back${way}`,
    attempt({
      argv: [
        "/usr/bin/setpriv",
        way,
        ...(way === "--regid=0" ? ["--keep-groups"] : []),
        "/bin/cat",
        "/proc/self/status",
      ],
      userId: 900,
      groupId: 901,
    }),
  );
}
report("asRoot", attempt({ argv: status }));
report(
  "failing",
  attempt({ argv: ["/no/such/program"], userId: 900, groupId: 901 }),
);
report(
  "forbidden",
  attempt({ argv: ["/bin/cat", "/etc/shadow"], userId: 900, groupId: 901 }),
);
for (let round = 0; round < 200; round++) {
  capture({
    argv: ["/bin/true"],
    userId: 1000 + round,
    groupId: 2000 + round,
    ambientCapabilities: ["CAP_KILL"],
  });
}
report("after", parent());
