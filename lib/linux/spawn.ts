/**
 * Spawning: a child that starts clean, with exactly what it was granted. All
 * children of the program are made here; `Deno.Command` must not be used
 * besides, since its waiting and the reaper of `process.ts` would take each
 * other's exits. Imports the libc table, the error type, credentials and files.
 *
 * @module
 */

import { cString, cStringArray } from "./c_string.ts";
import { moveToCgroup } from "./cgroup_placement.ts";
import { readControl, readLine, writeControl } from "./control_file.ts";
import { withCredentials } from "./credentials.ts";
import { initialEnvironment } from "./environment.ts";
import { SystemError } from "./error.ts";
import { close, open } from "./file.ts";
import { status } from "./file_status.ts";
import { check, libc } from "./libc.ts";
import { type ResourceLimitName, setLimit } from "./resource_limit.ts";
import { SIGNALS } from "./signal_table.ts";
import { addFileActions } from "./spawn_descriptors.ts";
import type { SpawnOptions } from "./spawn_options.ts";

const ENOENT = 2;
const EINVAL = 22;

/** Flags of `spawn.h`. */
const POSIX_SPAWN_SETPGROUP = 0x02;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const POSIX_SPAWN_SETCGROUP = 0x100;

/** glibc's structures have 336 and 80 bytes; there is room for others to grow. */
const ATTRIBUTES_SIZE = 1024;
const FILE_ACTIONS_SIZE = 256;
const SIGNAL_SET_SIZE = 128;

const PRIO_PROCESS = 0;

/** What a spawn works with; nothing of it is in use when the spawn has returned. */
const pid = new Int32Array(new ArrayBuffer(4));
const actions = new Uint8Array(new ArrayBuffer(FILE_ACTIONS_SIZE));

/** Most looks for processes that were forked before the limits were set; only a fork bomb needs many. */
const MAXIMUM_LOOKS = 32;

/**
 * Starts a program (`posix_spawn(3)`). The child starts clean: no signal is
 * blocked or ignored, it leads its own session, it has descriptors 0, 1 and 2
 * and those granted and no others, and its credentials are in place before its
 * first instruction. Its limits, OOM score and control group follow at once,
 * also for what it forked meanwhile and its group shows; if one of them fails,
 * the child is killed, so that none runs without.
 *
 * @param options What to spawn.
 * @returns The process id. Enter it in your table before you next take exits:
 * the child is reaped in a later turn of the event loop at the earliest, or by
 * your own call.
 * @throws {SystemError} With the file as path: ENOENT, EACCES, ENOEXEC, EAGAIN,
 * ENOMEM; with the working directory as path when that is what is missing; with
 * the call that failed for credentials and limits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { waitForExit } from "./process.ts";
 * import { spawn } from "./spawn.ts";
 *
 * const pid = spawn({ argv: ["/bin/sh", "-c", "exit 7"], env: {} });
 * assertEquals(waitForExit(pid).exitCode, 7);
 * ```
 */
export function spawn(options: SpawnOptions): number {
  const [first] = options.argv;
  const file = options.file ??
    (first instanceof Uint8Array ? new TextDecoder().decode(first) : first);
  if (first === undefined || file === undefined) {
    throw new SystemError({
      syscall: "posix_spawn",
      errno: EINVAL,
      detail: "argv is empty, expected a program's name",
    });
  }
  const argv = cStringArray(options.argv);
  const envp = cStringArray(environmentEntries(options.env));
  const path = cString(file);
  let number = libc().posix_spawn_file_actions_init(actions);
  if (number !== 0) {
    const syscall = "posix_spawn_file_actions_init";
    throw new SystemError({ syscall, errno: number, path: file });
  }
  let inCgroup = false;
  try {
    addFileActions(actions, options);
    using placement = openCgroup(options.cgroup);
    inCgroup = placement.descriptor !== null;
    const attributes = attributesOf(options, placement.descriptor);
    number = withCredentials(
      options,
      () =>
        withInherited(
          options,
          () => libc().posix_spawn(pid, path, actions, attributes, argv, envp),
        ),
    );
  } finally {
    libc().posix_spawn_file_actions_destroy(actions);
  }
  if (number !== 0) throw spawnError(number, file, options.cwd);
  const child = pid[0] ?? 0;
  try {
    applyAfterStart(child, options, inCgroup);
  } catch (error) {
    // Not reaped yet, so the number is still its own; and that of its group,
    // in which is what it has forked.
    const isLeader = options.session !== "same";
    libc().kill(isLeader ? -child : child, SIGNALS.SIGKILL);
    throw error;
  }
  return child;
}

function environmentEntries(
  given: SpawnOptions["env"],
): readonly (string | Uint8Array)[] {
  if (given instanceof Array) return given;
  let environment = given;
  if (environment === undefined) {
    try {
      environment = Deno.env.toObject();
    } catch {
      // An entry that is no UTF-8: kernels pass parts of their command line.
      return initialEnvironment();
    }
  }
  return Object.entries(environment).map(([name, value]) => `${name}=${value}`);
}

/** The group's directory for as long as the spawn takes, where glibc places children. */
function openCgroup(
  directory: string | undefined,
): Disposable & { readonly descriptor: number | null } {
  const isPlaced = directory !== undefined &&
    libc().posix_spawnattr_setcgroup_np;
  const descriptor = isPlaced ? open(directory, ["directory"]) : null;
  return {
    descriptor,
    [Symbol.dispose]: () => {
      if (descriptor !== null) close(descriptor);
    },
  };
}

/** Those of a child that starts clean, by its session; they are values without pointers. */
const cleanAttributes = new Map<
  SpawnOptions["session"],
  Uint8Array<ArrayBuffer>
>();

/** The attributes, which are made once where they are what nearly every child has. */
function attributesOf(
  options: SpawnOptions,
  cgroup: number | null,
): Uint8Array<ArrayBuffer> {
  const { session = "new", blockedSignals, ignoredSignals } = options;
  const isClean = cgroup === null && !blockedSignals?.length &&
    !ignoredSignals?.length;
  const known = isClean ? cleanAttributes.get(session) : undefined;
  if (known !== undefined) return known;
  const attributes = makeAttributes(options, cgroup);
  if (isClean) cleanAttributes.set(session, attributes);
  return attributes;
}

function makeAttributes(
  options: SpawnOptions,
  cgroup: number | null,
): Uint8Array<ArrayBuffer> {
  // There is nothing to destroy: to `posix_spawnattr_destroy` it is no more.
  const attributes = new Uint8Array(new ArrayBuffer(ATTRIBUTES_SIZE));
  libc().posix_spawnattr_init(attributes);
  let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  libc().posix_spawnattr_setsigmask(
    attributes,
    signalSet(options.blockedSignals ?? []),
  );
  const defaults = signalSet([]).fill(0xFF);
  for (const signal of options.ignoredSignals ?? []) {
    removeSignal(defaults, signal);
  }
  libc().posix_spawnattr_setsigdefault(attributes, defaults);
  const session = options.session ?? "new";
  if (session === "new") flags |= POSIX_SPAWN_SETSID;
  if (session === "group") {
    flags |= POSIX_SPAWN_SETPGROUP;
    libc().posix_spawnattr_setpgroup(attributes, 0);
  }
  if (cgroup !== null) {
    libc().posix_spawnattr_setcgroup_np?.(attributes, cgroup);
    flags |= POSIX_SPAWN_SETCGROUP;
  }
  libc().posix_spawnattr_setflags(attributes, flags);
  return attributes;
}

/** A `sigset_t`: bit n - 1 stands for signal n. */
function signalSet(signals: readonly number[]): Uint8Array<ArrayBuffer> {
  const set = new Uint8Array(new ArrayBuffer(SIGNAL_SET_SIZE));
  for (const signal of signals) {
    const index = (signal - 1) >>> 3;
    set[index] = (set[index] ?? 0) | (1 << ((signal - 1) & 7));
  }
  return set;
}

function removeSignal(set: Uint8Array, signal: number): void {
  const index = (signal - 1) >>> 3;
  set[index] = (set[index] ?? 0) & ~(1 << ((signal - 1) & 7));
}

/** The umask reaches the child from here; then it is put back. */
function withInherited<T>(options: SpawnOptions, action: () => T): T {
  const mask = options.umask === undefined
    ? undefined
    : libc().umask(options.umask);
  try {
    return action();
  } finally {
    if (mask !== undefined) libc().umask(mask);
  }
}

/** How often, and how far apart, a child is looked at until it has stopped. */
const STOP_LOOKS = 100;
const STOP_LOOK_MS = 0.2;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Whether a child stands still, or is dead and needs no limit. */
function isStopped(pid: number): boolean {
  const stat = readControl(`/proc/${pid}/stat`);
  return /^[TXZ]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

/** Limits and the like, which only the parent can set, and only now. */
function applyAfterStart(
  pid: number,
  options: SpawnOptions,
  inCgroup: boolean,
): void {
  const { cgroup } = options;
  if (cgroup !== undefined && !inCgroup) moveToCgroup(pid, cgroup);
  const limits = limitsToSet(options);
  if (limits.length === 0) return;
  if (options.limits?.stack === undefined) setLimits(pid, limits);
  else {
    // posix_spawn returns in the midst of the child's execve, which ends by
    // writing back the limit of the stack that it began with. A stopped child
    // has come to its end.
    libc().kill(pid, SIGNALS.SIGSTOP);
    for (let look = 0; look < STOP_LOOKS && !isStopped(pid); look++) {
      Atomics.wait(pause, 0, 0, STOP_LOOK_MS);
    }
    setLimits(pid, limits);
    libc().kill(pid, SIGNALS.SIGCONT);
  }
  if (cgroup === undefined) return;
  // What it has forked meanwhile inherited what it had before.
  const limited = new Set([pid]);
  for (let look = 0; look < MAXIMUM_LOOKS; look++) {
    const others = readControl(`${cgroup}/cgroup.procs`).split("\n")
      .map(Number).filter((member) => member > 0 && !limited.has(member));
    if (others.length === 0) return;
    for (const other of others) {
      limited.add(other);
      try {
        setLimits(other, limits);
      } catch (error) {
        // It ended, which is as good.
        const isGone = error instanceof SystemError &&
          (error.code === "ESRCH" || error.code === "ENOENT");
        if (!isGone) throw error;
      }
    }
  }
}

/** Sets one limit of a process. */
type LimitSetter = (pid: number) => void;

/** What a child has not inherited already. */
function limitsToSet(
  { nice, limits, oomScoreAdjust }: SpawnOptions,
): LimitSetter[] {
  const setters: LimitSetter[] = [];
  if (nice !== undefined && nice !== libc().getpriority(PRIO_PROCESS, 0)) {
    setters.push((pid) => {
      const result = libc().setpriority(PRIO_PROCESS, pid, nice);
      check(result, "setpriority", `process ${pid}`);
    });
  }
  for (const name of Object.keys(limits ?? {}) as ResourceLimitName[]) {
    const limit = limits?.[name];
    if (limit !== undefined) setters.push((pid) => setLimit(pid, name, limit));
  }
  if (
    oomScoreAdjust !== undefined &&
    oomScoreAdjust !== Number(readLine("/proc/self/oom_score_adj"))
  ) {
    setters.push((pid) =>
      writeControl(`/proc/${pid}/oom_score_adj`, `${oomScoreAdjust}`)
    );
  }
  return setters;
}

function setLimits(pid: number, setters: readonly LimitSetter[]): void {
  for (const set of setters) set(pid);
}

/** posix_spawn gives one number for several steps; say which it was. */
function spawnError(
  number: number,
  file: string,
  cwd: string | undefined,
): SystemError {
  if (cwd !== undefined) {
    try {
      if (status(cwd).kind !== "directory") {
        return new SystemError({ syscall: "chdir", errno: number, path: cwd });
      }
    } catch (error) {
      if (error instanceof SystemError) {
        return new SystemError({
          syscall: "chdir",
          errno: error.errno,
          path: cwd,
        });
      }
      throw error;
    }
  }
  const init = { syscall: "posix_spawn", errno: number, path: file };
  if (number === ENOENT && exists(file)) {
    return new SystemError({
      ...init,
      detail: "the file is there, its interpreter or loader is not",
    });
  }
  return new SystemError(init);
}

function exists(file: string): boolean {
  try {
    status(file);
    return true;
  } catch {
    return false;
  }
}
