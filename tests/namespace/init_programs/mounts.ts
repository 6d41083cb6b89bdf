/**
 * PID 1 for the tests of mounting, in a mount namespace of its own.
 *
 * @module
 */

import { SystemError } from "../../../lib/linux/error.ts";
import {
  CGROUP_FILESYSTEMS,
  type Filesystem,
  FILESYSTEMS,
  mount,
  readMounts,
  RUNTIME_FILESYSTEMS,
  setupFilesystems,
  unmount,
} from "../../../lib/linux/mount.ts";
import { report } from "./capture.ts";

const plain = (rows: readonly Filesystem[]): unknown[] =>
  setupFilesystems(rows).map(({ error, ...row }) => ({
    ...row,
    ...(error === undefined ? {} : { code: error.code, path: error.path }),
  }));

report("standard", plain(FILESYSTEMS));

// An empty root to work in, as an initramfs is before anything is mounted.
mount({ type: "tmpfs", source: "empty", target: "/mnt" });
const below = (rows: readonly Filesystem[]): Filesystem[] =>
  rows.map((row) => ({ ...row, target: `/mnt/a root${row.target}` }));
report("first", plain(below(FILESYSTEMS)));
report("second", plain(below(FILESYSTEMS)));
report(
  "runtime",
  plain(below([...RUNTIME_FILESYSTEMS, ...CGROUP_FILESYSTEMS])),
);
report(
  "runtimeAgain",
  plain(below([...RUNTIME_FILESYSTEMS, ...CGROUP_FILESYSTEMS])),
);
report(
  "modes",
  ["/tmp", "/run", "/dev/shm"].map((name) =>
    ((Deno.statSync(`/mnt/a root${name}`).mode ?? 0) & 0o7777).toString(8)
  ),
);
report(
  "failing",
  plain(below([
    { type: "nosuchfs", target: "/one" },
    { type: "tmpfs", target: "/two" },
    { type: "tmpfs", target: "/three", data: "size=not-a-size" },
    { type: "tmpfs", target: "/four" },
  ])),
);
report(
  "entries",
  readMounts().filter((entry) => entry.target.startsWith("/mnt/"))
    .map((entry) => [entry.target, entry.type, entry.flags]),
);
const file = "/mnt/a root/two/open";
const open = Deno.openSync(file, { create: true, write: true });
try {
  unmount("/mnt/a root/two");
} catch (error) {
  report("busy", error instanceof SystemError ? error.message : `${error}`);
}
unmount("/mnt/a root/two", { lazy: true });
open.close();
mount({ target: "/mnt/a root/four", flags: ["remount", "ro"] });
report(
  "remounted",
  readMounts().find((entry) => entry.target === "/mnt/a root/four")?.flags,
);
report(
  "left",
  readMounts().some((entry) => entry.target === "/mnt/a root/two"),
);
