/**
 * Moving a process that has just been spawned into its control group, with all
 * that it has forked meanwhile. Imports control files and the error type.
 *
 * @module
 */

import { readControl, writeControl } from "./control_file.ts";
import { SystemError } from "./error.ts";

const ESRCH = 3;

/**
 * Moves a process that just started, and what it has forked meanwhile, into a
 * control group. What it forks later is born there. A process that forked twice
 * and made its own session, all in that instant, is not found.
 *
 * @param pid The process, not reaped.
 * @param directory The group's directory.
 * @throws {SystemError} ENOENT when there is no such group, EBUSY.
 *
 * @example
 * ```ts ignore
 * import { moveToCgroup } from "./cgroup_placement.ts";
 *
 * moveToCgroup(1234, "/sys/fs/cgroup/services/camera");
 * ```
 */
export function moveToCgroup(pid: number, directory: string): void {
  const procs = `${directory}/cgroup.procs`;
  writeControl(procs, `${pid}`);
  for (const stray of straysOf(pid)) {
    try {
      writeControl(procs, `${stray}`);
    } catch (error) {
      // It ended, which is as good.
      if (error instanceof SystemError && error.errno === ESRCH) continue;
      throw error;
    }
  }
}

/**
 * Processes that a child forked before it was moved. Process ids are given in
 * turn, so where the last one given is the child's own there are none, and
 * else they are among the ids after it.
 */
function straysOf(pid: number): number[] {
  const last = Number(
    readControl("/proc/loadavg").trim().split(" ").at(-1),
  );
  if (last === pid) return [];
  const strays = new Set([pid]);
  const entries = [...Deno.readDirSync("/proc")]
    .map((entry) => Number(entry.name))
    .filter((number) => Number.isInteger(number) && number !== pid)
    .filter((number) => last > pid ? number > pid && number <= last : true)
    .sort((a, b) => a - b);
  for (const candidate of entries) {
    const fields = processFields(candidate);
    if (fields === undefined) continue;
    if (fields.session === pid || strays.has(fields.parent)) {
      strays.add(candidate);
    }
  }
  strays.delete(pid);
  return [...strays];
}

function processFields(
  pid: number,
): { parent: number; session: number } | undefined {
  try {
    const text = readControl(`/proc/${pid}/stat`);
    // The name, in parentheses, may hold anything; fields go on after the last.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), session: Number(fields[3]) };
  } catch {
    return undefined; // it ended
  }
}
