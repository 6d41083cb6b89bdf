/**
 * PID 1 for the tests of signals: reports each one that comes, and ends when it
 * is told to by a shutdown signal and then SIGUSR2.
 *
 * @module
 */

import { setupSignals, shutdownRequested } from "../../../lib/linux/signal.ts";
import { report } from "./capture.ts";

let finished = false;
const handling = setupSignals({
  also: ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPWR", "SIGWINCH", "SIGQUIT"],
  onSignal: (signal) => {
    report("signal", { signal, shutdown: shutdownRequested() });
    if (signal === "SIGUSR2") finished = true;
    // What a callback throws must not end PID 1.
    if (signal === "SIGHUP") throw new Error("from a callback");
  },
  onError: (error) => report("error", `${error}`),
});
report("ready", Deno.pid);
while (!finished) await handling.wait();
handling[Symbol.dispose]();
report("end", shutdownRequested());
