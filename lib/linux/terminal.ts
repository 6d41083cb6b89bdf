/**
 * Terminals and job control: who is in the foreground, handing the terminal to
 * a child and taking it back, and stopping this process as a shell expects.
 * Imports the libc table, the error type, files and the signal names.
 *
 * @module
 */

import { readControl } from "./control_file.ts";
import { SystemError } from "./error.ts";
import { ioctl } from "./file.ts";
import { check, checkRetry, libc } from "./libc.ts";
import { SIGNALS } from "./signal_table.ts";

const SIG_BLOCK = 0;
const SIG_SETMASK = 2;

/** glibc's `struct sigaction`: handler, mask of 128 bytes, flags, restorer. */
const SIGACTION_SIZE = 152;

/**
 * The process group in the foreground of the terminal.
 *
 * @param descriptor The terminal.
 * @returns The group, or `undefined` when the descriptor is not this session's
 * controlling terminal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { foregroundGroup } from "./terminal.ts";
 *
 * assertEquals(foregroundGroup(-1), undefined);
 * ```
 */
export function foregroundGroup(descriptor: number): number | undefined {
  const group = libc().tcgetpgrp(descriptor);
  return group === -1 ? undefined : group;
}

/**
 * Makes a process group of this session the terminal's foreground. It works from
 * the background, too: SIGTTOU is held back meanwhile.
 *
 * @param descriptor This session's controlling terminal.
 * @param processGroup The group.
 * @throws {SystemError} ENOTTY when it is not our controlling terminal, EPERM
 * when the group is not of our session or has no members.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { SystemError } from "./error.ts";
 * import { setForegroundGroup } from "./terminal.ts";
 *
 * assertThrows(() => setForegroundGroup(-1, 5), SystemError, "EBADF");
 * ```
 */
export function setForegroundGroup(
  descriptor: number,
  processGroup: number,
): void {
  const before = new Uint8Array(new ArrayBuffer(128));
  const held = new Uint8Array(new ArrayBuffer(128));
  const bit = SIGNALS.SIGTTOU - 1;
  held[bit >>> 3] = 1 << (bit & 7);
  check(libc().pthread_sigmask(SIG_BLOCK, held, before), "pthread_sigmask");
  try {
    checkRetry(
      () => libc().tcsetpgrp(descriptor, processGroup),
      "tcsetpgrp",
      `process group ${processGroup}`,
    );
  } finally {
    libc().pthread_sigmask(SIG_SETMASK, before, null);
  }
}

/**
 * Gives the controlling terminal up (`TIOCNOTTY`). From a session leader this
 * takes it from the whole session, and the kernel sends SIGHUP and SIGCONT to
 * the foreground group.
 *
 * @param descriptor The controlling terminal.
 * @throws {SystemError} ENOTTY when it is not.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { SystemError } from "./error.ts";
 * import { detachTerminal } from "./terminal.ts";
 *
 * assertThrows(() => detachTerminal(-1), SystemError, "EBADF");
 * ```
 */
export function detachTerminal(descriptor: number): void {
  const TIOCNOTTY = 0x5422;
  ioctl(descriptor, TIOCNOTTY, null, "ioctl TIOCNOTTY");
}

/** Where this process stands among sessions and groups. */
export interface ProcessPlace {
  /** Process id. */
  readonly pid: number;
  /** Parent's process id; 0 when it is outside of our PID namespace. */
  readonly parentPid: number;
  /** Process group. */
  readonly processGroup: number;
  /** Session. */
  readonly session: number;
}

/**
 * Tells where this process stands. Groups and sessions outside of our PID
 * namespace are 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { processPlace } from "./terminal.ts";
 *
 * assertEquals(processPlace().pid, Deno.pid);
 * ```
 */
export function processPlace(): ProcessPlace {
  return {
    pid: libc().getpid(),
    parentPid: libc().getppid(),
    processGroup: libc().getpgid(0),
    session: libc().getsid(0),
  };
}

/**
 * Stops this process, and returns when it has been continued. With SIGTSTP the
 * kernel itself decides, as for a program without a handler: it does nothing in
 * a process group that no shell watches. PID 1 can't be stopped from inside of
 * its namespace; then this returns at once.
 *
 * @param signal SIGSTOP, or SIGTSTP with its default effect.
 * @throws {SystemError} Never on Linux.
 *
 * @example
 * ```ts ignore
 * import { stopSelf } from "./terminal.ts";
 *
 * stopSelf("SIGSTOP");
 * ```
 */
export function stopSelf(signal: "SIGSTOP" | "SIGTSTP"): void {
  const { getpid, kill, sigaction } = libc();
  if (signal === "SIGSTOP") {
    check(kill(getpid(), SIGNALS.SIGSTOP), "kill");
    return;
  }
  const byDefault = new Uint8Array(new ArrayBuffer(SIGACTION_SIZE));
  const before = new Uint8Array(new ArrayBuffer(SIGACTION_SIZE));
  check(sigaction(SIGNALS.SIGTSTP, byDefault, before), "sigaction");
  try {
    check(kill(getpid(), SIGNALS.SIGTSTP), "kill");
  } finally {
    check(sigaction(SIGNALS.SIGTSTP, before, null), "sigaction");
  }
}

/**
 * Whether this process's group is orphaned: no member has a parent in another
 * group of the same session, a shell, that could continue it. The kernel does
 * not let a terminal stop such a group. That of PID 1 counts as one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isOrphanedGroup } from "./terminal.ts";
 *
 * assertEquals(typeof isOrphanedGroup(), "boolean");
 * ```
 */
export function isOrphanedGroup(): boolean {
  const { pid, processGroup, session } = processPlace();
  if (pid === 1) return true;
  for (const entry of Deno.readDirSync("/proc")) {
    if (!/^[0-9]+$/.test(entry.name)) continue;
    const member = Number(entry.name);
    if (libc().getpgid(member) !== processGroup) continue;
    const parent = parentOf(member);
    if (
      parent !== undefined && parent > 1 &&
      libc().getpgid(parent) !== processGroup &&
      libc().getsid(parent) === session
    ) return false;
  }
  return true;
}

function parentOf(pid: number): number | undefined {
  try {
    const text = readControl(`/proc/${pid}/stat`);
    // The name, in parentheses, may hold anything; fields go on after the last.
    return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined; // it ended
  }
}

/**
 * Whether a {@linkcode SystemError} says that there is no terminal to act on any
 * more, which a caller of job control may pass over.
 *
 * @param error What was thrown.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { SystemError } from "./error.ts";
 * import { isTerminalGone } from "./terminal.ts";
 *
 * assert(isTerminalGone(new SystemError({ syscall: "tcsetpgrp", errno: 25 })));
 * ```
 */
export function isTerminalGone(error: unknown): boolean {
  return error instanceof SystemError &&
    ["ENOTTY", "EIO", "EPERM", "ENXIO", "EBADF", "EINVAL"].includes(error.code);
}
