/**
 * PID 1 for the test of exits that come before their owner is known: waits,
 * without letting the event loop turn, until a child is a zombie, and only then
 * enters it in its table.
 *
 * @module
 */

import { drainChildExits } from "../../../lib/linux/process.ts";
import { setupSignals } from "../../../lib/linux/signal.ts";
import { spawn } from "../../../lib/linux/spawn.ts";
import { report } from "./capture.ts";

const rounds = 200;
using handling = setupSignals();
const table = new Set<number>();
let known = 0, unknown = 0;
for (let round = 0; round < rounds; round++) {
  const pid = spawn({ argv: ["/bin/true"], env: {} });
  while (!/\) Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`))) {
    // The zombie is the fact that is waited for.
  }
  table.add(pid);
  while (table.has(pid)) {
    for (const exit of drainChildExits()) {
      if (table.delete(exit.pid)) known++;
      else unknown++;
    }
    if (table.has(pid)) await handling.wait();
  }
  // Let the listener run, too: it must find nothing more.
  await new Promise((resolve) => setTimeout(resolve, 0));
  unknown += drainChildExits().length;
}
report("exits", { known, unknown });
