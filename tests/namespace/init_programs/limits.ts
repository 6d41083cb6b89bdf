/**
 * PID 1 for the tests of limits and the like: reports what a child reads of
 * itself once everything is in place.
 *
 * @module
 */

import { report } from "./capture.ts";
import { pipe } from "../../../lib/linux/descriptor.ts";
import { close, read, write } from "../../../lib/linux/file.ts";
import { waitForExit } from "../../../lib/linux/process.ts";
import { spawn } from "../../../lib/linux/spawn.ts";
import { SystemError } from "../../../lib/linux/error.ts";

// The child reads a line first, so that the parent's settings are in place.
const [gateReader, gate] = pipe({ nonblockReader: false });
const [reader, writer] = pipe({ nonblockReader: false, nonblockWriter: false });
const script =
  "read line; umask; cat /proc/self/limits /proc/self/oom_score_adj; " +
  "cat /proc/self/stat; pwd";
const pid = spawn({
  argv: ["/bin/sh", "-c", script],
  env: { PATH: "/usr/bin:/bin" },
  stdin: gateReader,
  stdout: writer,
  stderr: writer,
  cwd: "/proc/sys",
  umask: 0o027,
  nice: 7,
  oomScoreAdjust: 321,
  limits: {
    nofile: { soft: 77, hard: 99 },
    core: { soft: 0, hard: 0 },
    fsize: { soft: 2 ** 40, hard: Infinity },
  },
});
close(writer);
write(gate, new TextEncoder().encode("go\n"));
const buffer = new Uint8Array(65_536);
let text = "";
for (;;) {
  const count = read(reader, buffer) ?? 0;
  if (count === 0) break;
  text += new TextDecoder().decode(buffer.subarray(0, count));
}
report("child", { text, exitCode: waitForExit(pid).exitCode });
report("umaskAfter", Deno.umask());

// A limit that cannot be set must not leave a child without it.
try {
  spawn({
    argv: ["/bin/sleep", "1000"],
    limits: { nofile: { soft: 10, hard: 5 } },
  });
  report("refused", "nothing");
} catch (error) {
  const { drainChildExits } = await import("../../../lib/linux/process.ts");
  let exits = drainChildExits();
  while (exits.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    exits = drainChildExits();
  }
  report("refused", {
    message: error instanceof SystemError ? error.message : `${error}`,
    signals: exits.map((exit) => exit.signal),
  });
}
