/**
 * Processes: reaping them, signalling them, and what this one is to the kernel.
 * Children are reaped by one loop of `waitpid(-1, WNOHANG)`, run until it has
 * no more to say, since signals coalesce. Imports the libc table, the error
 * type and the clock.
 *
 * @module
 */

import { boottimeMs } from "./clock.ts";
import { SystemError } from "./error.ts";
import { check, errno, libc } from "./libc.ts";
import { signalName } from "./signal_table.ts";

const EPERM = 1;
const ESRCH = 3;
const EINTR = 4;
const ECHILD = 10;
const EINVAL = 22;

// --- Reaping ----------------------------------------------------------------

/** How a child ended. */
export interface ChildExit {
  /** Its process id, which the kernel may give to another process now. */
  readonly pid: number;
  /** 0 to 255 when it exited, `null` when a signal ended it. */
  readonly exitCode: number | null;
  /** The signal that ended it, for example `"SIGKILL"`, or `null`. */
  readonly signal: string | null;
  /** Whether it left a core dump. */
  readonly coreDumped: boolean;
  /** When it was reaped: milliseconds since boot. */
  readonly timeMs: number;
}

/**
 * Most exits that wait to be handed out. When the list is full, children are
 * left to the kernel, which keeps them as zombies: none is lost either way.
 */
const MAXIMUM_WAITING_EXITS = 65_536;
const WNOHANG = 1;

let waiting: ChildExit[] = [];
const statusWord = new Int32Array(new ArrayBuffer(4));

/**
 * Reaps children that have ended into the list that
 * {@linkcode drainChildExits} hands out.
 *
 * @param limit At most this many, so that a storm of exits can't hold the loop.
 * @returns How many it reaped; when that is the limit, there may be more.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { reapChildren } from "./process.ts";
 *
 * assertEquals(reapChildren(16), 0);
 * ```
 */
export function reapChildren(limit: number): number {
  const room = Math.min(limit, MAXIMUM_WAITING_EXITS - waiting.length);
  let count = 0;
  const { waitpid } = libc();
  let timeMs: number | undefined;
  while (count < room) {
    const pid = waitpid(-1, statusWord, WNOHANG);
    if (pid === -1 && errno() === EINTR) continue;
    if (pid <= 0) break; // none has ended, or ECHILD: there are no children
    timeMs ??= boottimeMs();
    waiting.push(decodeExit(pid, statusWord[0] ?? 0, timeMs));
    count++;
  }
  return count;
}

/**
 * Takes the exits of all children that have ended: those that the SIGCHLD
 * listener has reaped since the last call, and those that are found now. Each
 * exit is returned exactly once. As PID 1, this includes orphans that the
 * kernel gave to us.
 *
 * @param limit At most this many, default 65536; what is left comes next time.
 * @returns The exits in the order of reaping.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { drainChildExits } from "./process.ts";
 *
 * assertEquals(drainChildExits(), []);
 * ```
 */
export function drainChildExits(limit = MAXIMUM_WAITING_EXITS): ChildExit[] {
  if (waiting.length < limit) reapChildren(limit - waiting.length);
  if (waiting.length <= limit) {
    const all = waiting;
    waiting = [];
    return all;
  }
  return waiting.splice(0, limit);
}

/**
 * Waits for one child, holding up the thread: for tests and short helpers only.
 *
 * @param pid A child that was not reaped yet.
 * @throws {SystemError} ECHILD when it is not ours, or reaped already; EINVAL
 * for a number that means more than one process.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { waitForExit } from "./process.ts";
 * import { spawn } from "./spawn.ts";
 *
 * const pid = spawn({ argv: ["/bin/sh", "-c", "kill -9 $$"], env: {} });
 * assertEquals(waitForExit(pid).signal, "SIGKILL");
 * ```
 */
export function waitForExit(pid: number): ChildExit {
  refuseNoProcess(pid, "process", "waitpid");
  for (;;) {
    const result = libc().waitpid(pid, statusWord, 0);
    if (result === pid) {
      return decodeExit(pid, statusWord[0] ?? 0, boottimeMs());
    }
    const number = errno();
    if (number === EINTR) continue;
    throw new SystemError({
      syscall: "waitpid",
      errno: result === -1 ? number : ECHILD,
      path: `process ${pid}`,
    });
  }
}

const P_PID = 1;
const WSTOPPED = 2;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;

/** `waitid(2)` for one child; the status of `siginfo_t`, or nothing. */
function waitFor(pid: number, options: number): number | undefined {
  // siginfo_t of a child: signo, errno, code, then at 16 pid, uid, status.
  const information = new DataView(new ArrayBuffer(128));
  for (;;) {
    if (libc().waitid(P_PID, pid, information, options | WNOHANG) !== -1) break;
    const number = errno();
    if (number === ECHILD) return undefined;
    if (number !== EINTR) {
      throw new SystemError({
        syscall: "waitid",
        errno: number,
        path: `process ${pid}`,
      });
    }
  }
  return information.getInt32(16, true) === pid
    ? information.getInt32(24, true)
    : undefined;
}

/**
 * Whether a child has been stopped since the last call, as a terminal does with
 * Ctrl-Z. Its end is left for {@linkcode drainChildExits}.
 *
 * @param pid A child that was not reaped.
 * @returns The number of the signal that stopped it, or `undefined`.
 * @throws {SystemError} EINVAL for what is no process id.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { kill, takeStop, waitForExit } from "./process.ts";
 * import { spawn } from "./spawn.ts";
 *
 * const pid = spawn({ argv: ["/bin/sleep", "1000"], env: {} });
 * assertEquals(takeStop(pid), undefined);
 * kill(pid, 9);
 * waitForExit(pid);
 * ```
 */
export function takeStop(pid: number): number | undefined {
  refuseNoProcess(pid, "process", "waitid");
  return waitFor(pid, WSTOPPED);
}

/**
 * Whether a child has ended and waits to be reaped. Until it is, its number and
 * that of its group can't be given to others.
 *
 * @param pid A child.
 * @throws {SystemError} EINVAL for what is no process id.
 *
 * @example
 * ```ts
 * import { assertFalse } from "@std/assert";
 * import { hasEnded, kill, waitForExit } from "./process.ts";
 * import { spawn } from "./spawn.ts";
 *
 * const pid = spawn({ argv: ["/bin/sleep", "1000"], env: {} });
 * assertFalse(hasEnded(pid));
 * kill(pid, 9);
 * waitForExit(pid);
 * ```
 */
export function hasEnded(pid: number): boolean {
  refuseNoProcess(pid, "process", "waitid");
  return waitFor(pid, WEXITED | WNOWAIT) !== undefined;
}

/**
 * Takes a wait status apart, as `WIFEXITED` and its like do.
 *
 * @param pid The child.
 * @param word The status that `waitpid(2)` gave.
 * @param timeMs When, in milliseconds since boot.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeExit } from "./process.ts";
 *
 * assertEquals(decodeExit(5, 3 << 8, 0).exitCode, 3);
 * assertEquals(decodeExit(5, 0x80 | 11, 0).signal, "SIGSEGV");
 * ```
 */
export function decodeExit(
  pid: number,
  word: number,
  timeMs: number,
): ChildExit {
  const signal = word & 0x7F;
  return {
    pid,
    exitCode: signal === 0 ? (word >>> 8) & 0xFF : null,
    signal: signal === 0 ? null : signalName(signal),
    coreDumped: signal !== 0 && (word & 0x80) !== 0,
    timeMs,
  };
}

/**
 * Whether this process has children, ended ones that nobody has reaped yet
 * among them (`waitid(2)` with WNOWAIT, which takes nothing). For PID 1, whose
 * children all orphans become, "no" means that no other program is left.
 *
 * @returns False when there is none.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { hasChildren, waitForExit } from "./process.ts";
 * import { spawn } from "./spawn.ts";
 *
 * const pid = spawn({ argv: ["/bin/true"] });
 * assert(hasChildren());
 * waitForExit(pid);
 * ```
 */
export function hasChildren(): boolean {
  const P_ALL = 0;
  const options = WEXITED | WNOHANG | WNOWAIT;
  // siginfo_t has 128 bytes.
  const information = new Uint8Array(new ArrayBuffer(128));
  return libc().waitid(P_ALL, 0, information, options) !== -1 ||
    errno() !== ECHILD;
}

// --- Signalling -------------------------------------------------------------

function send(target: number, signal: number, what: string): boolean {
  if (libc().kill(target, signal) !== -1) return true;
  const number = errno();
  if (number === ESRCH) return false;
  throw new SystemError({ syscall: "kill", errno: number, path: what });
}

/**
 * Sends a signal to one process (`kill(2)`). Be sure that the process is a
 * child that was not reaped: only then is its number still its own.
 *
 * @param pid The process, above 0.
 * @param signal A signal's number, or 0 to only look.
 * @returns Whether there was such a process.
 * @throws {SystemError} EPERM when it belongs to another user; EINVAL for a pid
 * that means more than one process, or for no signal.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { kill } from "./process.ts";
 *
 * assert(kill(Deno.pid, 0));
 * ```
 */
export function kill(pid: number, signal: number): boolean {
  refuseNoProcess(pid, "process");
  return send(pid, signal, `process ${pid}`);
}

/**
 * Sends a signal to a process group (`kill(2)` with a negative number).
 *
 * @param processGroup The group, above 1.
 * @param signal A signal's number, or 0 to only look.
 * @returns Whether there was such a group.
 * @throws {SystemError} EPERM when no member may be signalled; EINVAL for a
 * number that is not a group, or for no signal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { killGroup, waitForExit } from "./process.ts";
 * import { spawn } from "./spawn.ts";
 *
 * const pid = spawn({ argv: ["/bin/sleep", "1000"], env: {} });
 * killGroup(pid, 15);
 * assertEquals(waitForExit(pid).signal, "SIGTERM");
 * ```
 */
export function killGroup(processGroup: number, signal: number): boolean {
  refuseNoProcess(processGroup, "process group");
  // -1 would be every process there is.
  if (processGroup === 1) {
    throw new SystemError({
      syscall: "kill",
      errno: EINVAL,
      path: "process group 1",
      detail: "expected a group above 1",
    });
  }
  return send(-processGroup, signal, `process group ${processGroup}`);
}

/**
 * Sends a signal to every process but this one and PID 1 (`kill(-1)`): the end
 * of a shutdown. Refused in a process other than PID 1.
 *
 * @param signal A signal's number.
 * @returns Whether there was any process.
 * @throws {SystemError} EPERM when this is not PID 1.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { SystemError } from "./error.ts";
 * import { killAll } from "./process.ts";
 *
 * assertThrows(() => killAll(15), SystemError, "expected process 1");
 * ```
 */
export function killAll(signal: number): boolean {
  const self = libc().getpid();
  if (self !== 1) {
    throw new SystemError({
      syscall: "kill",
      errno: EPERM,
      detail:
        `signal to every process refused in process ${self}, expected process 1`,
    });
  }
  return send(-1, signal, "every process");
}

function refuseNoProcess(
  number: number,
  what: string,
  syscall = "kill",
): void {
  if (Number.isInteger(number) && number > 0) return;
  throw new SystemError({
    syscall,
    errno: EINVAL,
    path: `${what} ${number}`,
    detail: "expected a whole number above 0",
  });
}

// --- This process -----------------------------------------------------------

const PR_SET_PDEATHSIG = 1;
const PR_SET_CHILD_SUBREAPER = 36;
const PR_SET_NO_NEW_PRIVS = 38;

function prctl(operation: number, argument: number, what: string): void {
  check(libc().prctl(operation, BigInt(argument), 0n, 0n, 0n), "prctl", what);
}

/**
 * Makes this process the parent of its orphaned descendants, as PID 1 is
 * (`PR_SET_CHILD_SUBREAPER`).
 *
 * @param on Whether to be it.
 * @throws {SystemError} EINVAL on kernels before 3.4.
 *
 * @example
 * ```ts
 * import { setSubreaper } from "./process.ts";
 *
 * setSubreaper(true);
 * setSubreaper(false);
 * ```
 */
export function setSubreaper(on: boolean): void {
  prctl(PR_SET_CHILD_SUBREAPER, on ? 1 : 0, "PR_SET_CHILD_SUBREAPER");
}

/**
 * Has the kernel send this process a signal when its parent dies
 * (`PR_SET_PDEATHSIG`). A parent that is dead already sends none: compare
 * `getppid` before and after.
 *
 * @param signal The signal's number, 0 for none.
 * @throws {SystemError} EINVAL for what is no signal.
 *
 * @example
 * ```ts
 * import { setParentDeathSignal } from "./process.ts";
 *
 * setParentDeathSignal(0);
 * ```
 */
export function setParentDeathSignal(signal: number): void {
  prctl(PR_SET_PDEATHSIG, signal, "PR_SET_PDEATHSIG");
}

/**
 * Takes from this thread, and from every process that it will spawn, the way to
 * more rights through set-user-ID programs and file capabilities. It cannot be
 * undone.
 *
 * @throws {SystemError} EINVAL on kernels before 3.5.
 *
 * @example
 * ```ts ignore
 * import { setNoNewPrivileges } from "./process.ts";
 *
 * setNoNewPrivileges();
 * ```
 */
export function setNoNewPrivileges(): void {
  prctl(PR_SET_NO_NEW_PRIVS, 1, "PR_SET_NO_NEW_PRIVS");
}
