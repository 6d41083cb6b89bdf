/**
 * Moving a process that has just been spawned into its control group, with all
 * that it has forked meanwhile. Imports the libc table, control files and the
 * error type.
 *
 * @module
 */

import { readControl, readLine, writeControl } from "./control_file.ts";
import { SystemError } from "./error.ts";
import { libc } from "./libc.ts";

const ESRCH = 3;

/**
 * Most looks for processes that were forked before the move. Each look finds
 * those that the ones found before have forked meanwhile; only a fork bomb needs
 * many, and it must not keep PID 1.
 */
const MAXIMUM_LOOKS = 32;

/**
 * Moves a process that just started, and what it has forked meanwhile, into a
 * control group. What it forks later is born there. To PID 1, every process is
 * known that it has not moved yet; any other process knows only descendants and
 * the child's own session, so one that forked twice and made a session, all in
 * that instant, is not found.
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
  // Who was not moved yet may have forked while we looked.
  const moved = new Set([pid]);
  for (let look = 0; look < MAXIMUM_LOOKS; look++) {
    const strays = straysOf(pid, moved);
    if (strays.length === 0) return;
    for (const stray of strays) {
      moved.add(stray);
      try {
        writeControl(procs, `${stray}`);
      } catch (error) {
        // It ended, which is as good.
        if (error instanceof SystemError && error.errno === ESRCH) continue;
        throw error;
      }
    }
  }
}

/**
 * Processes that a child forked before it was moved, besides those that are
 * known. Process ids are given in turn, so where the last one given is the
 * child's own there are none, and else they are among the ids after it.
 */
function straysOf(pid: number, known: ReadonlySet<number>): number[] {
  const last = Number(readLine("/proc/loadavg").split(" ").at(-1));
  if (last === pid) return [];
  const strays = new Set(known);
  // All earlier processes of the machine were moved when they were spawned, so
  // a younger one that is still where PID 1 is was forked by the child, whoever
  // its parent is by now.
  const birth = processFields(pid)?.startTime ?? Infinity;
  const ownGroup = libc().getpid() === 1 ? groupOf(1) : undefined;
  const entries = [...Deno.readDirSync("/proc")]
    .map((entry) => Number(entry.name))
    .filter((number) => Number.isInteger(number) && number !== pid)
    .filter((number) => last > pid ? number > pid && number <= last : true)
    .sort((a, b) => a - b);
  for (const candidate of entries) {
    const fields = processFields(candidate);
    if (fields === undefined) continue;
    const isLeft = ownGroup !== undefined && candidate !== 1 &&
      !fields.isKernelThread && fields.startTime >= birth &&
      groupOf(candidate) === ownGroup;
    if (fields.session === pid || strays.has(fields.parent) || isLeft) {
      strays.add(candidate);
    }
  }
  return [...strays].filter((stray) => !known.has(stray));
}

/** The line of a process's place in cgroup2. */
function groupOf(pid: number): string | undefined {
  try {
    return readControl(`/proc/${pid}/cgroup`).split("\n")
      .find((line) => line.startsWith("0::"));
  } catch {
    return undefined; // it ended
  }
}

interface ProcessFields {
  readonly parent: number;
  readonly session: number;
  readonly isKernelThread: boolean;
  /** Clock ticks since the boot. */
  readonly startTime: number;
}

/** PF_KTHREAD of `linux/sched.h`, in the flags of proc_pid_stat(5). */
const KERNEL_THREAD = 0x0020_0000;

function processFields(pid: number): ProcessFields | undefined {
  try {
    const text = readControl(`/proc/${pid}/stat`);
    // The name, in parentheses, may hold anything; fields go on after the last.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return {
      parent: Number(fields[1]),
      session: Number(fields[3]),
      isKernelThread: (Number(fields[6]) & KERNEL_THREAD) !== 0,
      startTime: Number(fields[19]),
    };
  } catch {
    return undefined; // it ended
  }
}
