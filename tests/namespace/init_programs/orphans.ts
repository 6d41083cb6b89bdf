/**
 * PID 1 for the tests of reaping: makes orphans by double forks of a shell and
 * reports each exit it was handed.
 *
 * Arguments: the number of orphans, and how many shells make them.
 *
 * @module
 */

import { drainChildExits } from "../../../lib/linux/process.ts";
import { setupSignals } from "../../../lib/linux/signal.ts";
import { spawn } from "../../../lib/linux/spawn.ts";

const orphans = Number(Deno.args[0]);
const shells = Number(Deno.args[1]);
const perShell = Math.ceil(orphans / shells);

let signals = 0;
using handling = setupSignals({ onSignal: () => signals++ });
// Each "( command & )" forks twice, so the command's parent is gone at once.
const script =
  `n=0; while [ $n -lt ${perShell} ]; do ( : & ); n=$((n+1)); done; exit 7`;
const own = new Set<number>();
for (let index = 0; index < shells; index++) {
  own.add(spawn({ argv: ["/bin/sh", "-c", script], env: {} }));
}
const seen = new Map<number, number>();
let ownExits = 0, orphanExits = 0, wrong = 0;
while (ownExits < shells || orphanExits < perShell * shells) {
  for (const exit of drainChildExits()) {
    seen.set(exit.pid, (seen.get(exit.pid) ?? 0) + 1);
    if (own.delete(exit.pid)) {
      ownExits++;
      if (exit.exitCode !== 7) wrong++;
    } else {
      orphanExits++;
      if (exit.exitCode !== 0) wrong++;
    }
  }
  if (ownExits < shells || orphanExits < perShell * shells) {
    await handling.wait();
  }
}
console.log(JSON.stringify({
  reaped: {
    pid: Deno.pid,
    ownExits,
    orphanExits,
    wrong,
    again: drainChildExits().length,
    signals,
    // Process ids may come round again only after all others were used.
    repeated: [...seen.values()].filter((count) => count > 1).length,
  },
}));
