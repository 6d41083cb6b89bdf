/**
 * How many descriptors the init may have. The kernel gives process 1 as few as
 * any program (1024), and every service takes two for its output: the init
 * raises its own limit, and its children start with the one it found. Imports
 * `linux`.
 *
 * @module
 */
import { readControl } from "../linux/control_file.ts";
import { type ResourceLimit, setLimit } from "../linux/resource_limit.ts";

/** Enough for every service that definitions allow, with room to spare. */
export const DESCRIPTOR_LIMIT = 65_536;

/**
 * Reads the limit of descriptors from `/proc/PID/limits` (proc_pid_limits(5)).
 *
 * @param text The file's content.
 * @returns The limit, or null when it is not there.
 *
 * @example
 * ```ts
 * import { parseDescriptorLimit } from "./descriptor_limit.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(
 *   parseDescriptorLimit("Max open files     1024     unlimited     files\n"),
 *   { soft: 1024, hard: Infinity },
 * );
 * ```
 */
export function parseDescriptorLimit(text: string): ResourceLimit | null {
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(text) ?? [];
  if (soft === undefined || hard === undefined) return null;
  const number = (word: string) => word === "unlimited" ? Infinity : +word;
  return { soft: number(soft), hard: number(hard) };
}

/**
 * Raises the limit of this process.
 *
 * @returns The limit that it had: what its children are to start with. Null
 * when nothing was changed, because it is high enough, or can't be.
 *
 * @example
 * ```ts ignore
 * import { raiseDescriptorLimit } from "./descriptor_limit.ts";
 *
 * const before = raiseDescriptorLimit();
 * ```
 */
export function raiseDescriptorLimit(): ResourceLimit | null {
  try {
    const text = readControl("/proc/self/limits");
    const before = parseDescriptorLimit(text);
    if (before === null || before.soft >= DESCRIPTOR_LIMIT) return null;
    const hard = Math.max(before.hard, DESCRIPTOR_LIMIT);
    setLimit(0, "nofile", { soft: DESCRIPTOR_LIMIT, hard });
    return before;
  } catch {
    // Without CAP_SYS_RESOURCE it stays as it is: fewer services fit.
    return null;
  }
}
