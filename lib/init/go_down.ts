/**
 * The last steps before the machine ends: what is on file systems reaches the
 * disk, file systems are detached, `reboot(2)`. Imports `linux` and the log.
 *
 * @module
 */
import { syncAll } from "../linux/positioned_file.ts";
import { mount, type MountEntry, readMounts, unmount } from "../linux/mount.ts";
import { halt, poweroff, reboot } from "../linux/reboot.ts";
import type { Log } from "./log.ts";
import type { PowerAction } from "./shutdown.ts";

/** The machine's own PID namespace (kernel: include/linux/proc_ns.h). */
const MACHINE_NAMESPACE = "pid:[4026531836]";

/**
 * Whether this process is in the machine's own PID namespace, so that the
 * clock, the disks and the machine's end are its business.
 *
 * @returns False in a container.
 *
 * @example
 * ```ts
 * import { isMachine } from "./go_down.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(typeof isMachine(), "boolean");
 * ```
 */
export function isMachine(): boolean {
  try {
    return Deno.readLinkSync("/proc/self/ns/pid") === MACHINE_NAMESPACE;
  } catch {
    // Without proc it can't be told, and the careful answer is no.
    return false;
  }
}

/**
 * Writes all file systems' data to their disks, then unmounts those that have
 * one, the innermost first; one that is busy is made read-only instead. May
 * hang with a disk that does: the caller has a deadline. In a container only
 * the first is done: its file systems are others' too, and go with it.
 *
 * @param log Says what could not be unmounted.
 */
export async function detachFilesystems(log: Log): Promise<void> {
  await syncAll();
  if (!isMachine()) return;
  for (const { target } of onDisks(readMounts()).reverse()) {
    try {
      unmount(target);
    } catch {
      makeReadOnly(target, log);
    }
  }
}

/** Mounts whose source is a device: those of the kernel have nothing to lose. */
function onDisks(mounts: readonly MountEntry[]): MountEntry[] {
  return mounts.filter((entry) => entry.source.startsWith("/dev/"));
}

function makeReadOnly(target: string, log: Log): void {
  try {
    mount({ target, type: "", flags: ["remount", "ro"] });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    log.warning(`${target} stays mounted: ${text}`);
  }
}

/**
 * Ends the machine.
 *
 * @param action How.
 * @returns Never, when it works.
 * @throws {SystemError} When the kernel refuses.
 */
export function endMachine(action: PowerAction): never {
  switch (action) {
    case "poweroff":
      return poweroff();
    case "halt":
      return halt();
    case "reboot":
      return reboot();
  }
}
