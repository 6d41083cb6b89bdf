/**
 * PID 1 for the test of coalesced signals: spawns children that wait, says so,
 * and reports how many exits it was handed by how many signals after the test
 * has stopped it, ended the children, and let it go on.
 *
 * Argument: the number of children.
 *
 * @module
 */

import { drainChildExits } from "../../../lib/linux/process.ts";
import { setupSignals } from "../../../lib/linux/signal.ts";
import { spawn } from "../../../lib/linux/spawn.ts";
import { report } from "./capture.ts";

const count = Number(Deno.args[0]);
let signals = 0;
using handling = setupSignals({ onSignal: () => signals++ });
const own = new Set<number>();
for (let index = 0; index < count; index++) {
  own.add(spawn({ argv: ["/bin/sleep", "100000"], env: {} }));
}
report("ready", own.size);
const bySignal = new Map<string, number>();
let unknown = 0;
while (own.size > 0) {
  await handling.wait();
  for (const exit of drainChildExits()) {
    if (!own.delete(exit.pid)) unknown++;
    const name = `${exit.signal}`;
    bySignal.set(name, (bySignal.get(name) ?? 0) + 1);
  }
}
report("done", { bySignal: Object.fromEntries(bySignal), unknown, signals });
