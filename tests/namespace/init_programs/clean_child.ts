/**
 * PID 1 for the tests of what a child is given: makes itself as unclean as it
 * can (open descriptors that are not close-on-exec, blocked signals, a wrapper
 * that ignores others), spawns, and reports what the children see of
 * themselves.
 *
 * @module
 */

import { duplicate } from "../../../lib/linux/descriptor.ts";
import { open } from "../../../lib/linux/file.ts";
import { libc } from "../../../lib/linux/libc.ts";
import { capture, report } from "./capture.ts";

// Descriptors that a child would inherit if nothing closed them.
const leak = open("/etc/hostname");
for (const number of [40, 77, 500]) duplicate(leak, number, false);
// A blocked signal of this thread would be inherited, too.
const SIG_BLOCK = 0;
const set = new Uint8Array(new ArrayBuffer(128));
set[1] = 0x02; // signal 10, SIGUSR1
libc().pthread_sigmask(SIG_BLOCK, set, null);

report("parentStatus", Deno.readTextFileSync("/proc/thread-self/status"));
report("status", capture({ argv: ["/bin/cat", "/proc/self/status"] }).text);
report("stat", capture({ argv: ["/bin/cat", "/proc/self/stat"] }).text);
report("descriptors", capture({ argv: ["/bin/ls", "/proc/self/fd"] }).text);
report(
  "links",
  capture({ argv: ["/bin/readlink", "/proc/self/fd/0", "/proc/self/fd/3"] })
    .text,
);
report(
  "environment",
  capture({ argv: ["/usr/bin/env"], env: { A: "1", B: "x y" } }).text,
);
report(
  "granted",
  capture({
    argv: ["/bin/ls", "/proc/self/fd"],
    descriptors: { 5: leak, 8: leak },
  }).text,
);
report(
  "group",
  capture({ argv: ["/bin/cat", "/proc/self/stat"], session: "group" }).text,
);
report(
  "same",
  capture({ argv: ["/bin/cat", "/proc/self/stat"], session: "same" }).text,
);
report(
  "masked",
  capture({
    argv: ["/bin/cat", "/proc/self/status"],
    blockedSignals: [12, 34],
    ignoredSignals: [12, 13],
  }).text,
);
report("own", Deno.readTextFileSync("/proc/thread-self/stat"));
