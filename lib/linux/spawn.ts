/**
 * Spawning: a child that starts clean, with exactly what it was granted. All
 * children of the program are made here; `Deno.Command` must not be used
 * besides, since its waiting and the reaper of `process.ts` would take each
 * other's exits. Imports the libc table, the error type, credentials and files.
 *
 * @module
 */

import { type Credentials, withCredentials } from "./credentials.ts";
import { SystemError } from "./error.ts";
import { close, isOpen, open, status } from "./file.ts";
import { check, cString, cStringArray, libc } from "./libc.ts";
import { SIGNALS } from "./signal_table.ts";

const ENOENT = 2;
const ESRCH = 3;
const EACCES = 13;
const EINVAL = 22;

/** Where a child's descriptor comes from: one of ours, `/dev/null`, or the same number here. */
export type ChildDescriptor = number | "null" | "inherit";

/** Limits of `getrlimit(2)` by name, with their numbers from `asm-generic/resource.h`. */
export const RESOURCE_LIMITS = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
} as const satisfies Record<string, number>;

/** The name of a resource limit, as `limits.conf` and prlimit(1) write it. */
export type ResourceLimitName = keyof typeof RESOURCE_LIMITS;

/** A soft and a hard limit; `Infinity` is none. */
export interface ResourceLimit {
  /** What the process has. */
  readonly soft: number;
  /** Up to where it may raise the soft limit. */
  readonly hard: number;
}

/** What to spawn, and how. */
export interface SpawnOptions extends Credentials {
  /**
   * The program's arguments; the first is its name for itself. Bytes are passed
   * as they are.
   */
  readonly argv: readonly (string | Uint8Array)[];
  /** The file to execute, default `argv[0]`. There is no search of PATH: see {@linkcode resolveCommand}. */
  readonly file?: string;
  /**
   * The environment, default that of this process: variables by name, or a list
   * of `NAME=value` in bytes, which is passed as it is.
   */
  readonly env?: Readonly<Record<string, string>> | readonly Uint8Array[];
  /** The working directory, entered with the child's credentials. Default: ours. */
  readonly cwd?: string;
  /** Descriptor 0, default `"null"`. */
  readonly stdin?: ChildDescriptor;
  /** Descriptor 1, default `"null"`. */
  readonly stdout?: ChildDescriptor;
  /** Descriptor 2, default `"null"`. */
  readonly stderr?: ChildDescriptor;
  /** Further descriptors by their number in the child, for example `{ 3: notify }`. */
  readonly descriptors?: Readonly<Record<number, number>>;
  /**
   * `"new"`: a session of its own. `"group"`: a process group of its own in our
   * session. `"same"`: neither. Default `"new"`.
   */
  readonly session?: "new" | "group" | "same";
  /**
   * A terminal device that, with a new session, becomes its controlling terminal,
   * and those of descriptors 0, 1 and 2 that are not given.
   */
  readonly terminal?: string;
  /**
   * With `session: "group"`: our descriptor of the terminal whose foreground
   * group the child becomes before its first instruction (glibc 2.35; see
   * `setForegroundGroup` for what can be done before that).
   */
  readonly foregroundOf?: number;
  /** Signals that stay blocked, default none. */
  readonly blockedSignals?: readonly number[];
  /** Signals that stay ignored if this process ignores them, default none: all have their default effect. */
  readonly ignoredSignals?: readonly number[];
  /** File mode creation mask, default ours. */
  readonly umask?: number;
  /** Nice value, -20 to 19, default ours. */
  readonly nice?: number;
  /** Resource limits; those not named are ours. Set right after the start. */
  readonly limits?: Readonly<Partial<Record<ResourceLimitName, ResourceLimit>>>;
  /** `/proc/PID/oom_score_adj`, -1000 to 1000, default ours. Set right after the start. */
  readonly oomScoreAdjust?: number;
  /** Directory of the control group to start in. */
  readonly cgroup?: string;
}

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

/**
 * Starts a program (`posix_spawn(3)`). The child starts clean: no signal is
 * blocked or ignored, it leads its own session, it has descriptors 0, 1 and 2
 * and those granted and no others, and its credentials are in place before its
 * first instruction. Its limits, OOM score and control group follow at once;
 * if one of them fails, the child is killed, so that none runs without.
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
  const pid = new Int32Array(new ArrayBuffer(4));
  const attributes = new Uint8Array(new ArrayBuffer(ATTRIBUTES_SIZE));
  const actions = new Uint8Array(new ArrayBuffer(FILE_ACTIONS_SIZE));

  using cleanup = new DisposableStack();
  const result = (number: number, syscall: string): void => {
    if (number !== 0) {
      throw new SystemError({ syscall, errno: number, path: file });
    }
  };
  result(libc().posix_spawnattr_init(attributes), "posix_spawnattr_init");
  cleanup.defer(() => void libc().posix_spawnattr_destroy(attributes));
  result(
    libc().posix_spawn_file_actions_init(actions),
    "posix_spawn_file_actions_init",
  );
  cleanup.defer(() => void libc().posix_spawn_file_actions_destroy(actions));
  const inCgroup = setAttributes(attributes, options, cleanup);
  addFileActions(actions, options, cleanup);

  const number = withCredentials(
    options,
    () =>
      withInherited(
        options,
        () => libc().posix_spawn(pid, path, actions, attributes, argv, envp),
      ),
  );
  if (number !== 0) throw spawnError(number, file, options.cwd);
  const child = pid[0] ?? 0;
  try {
    applyAfterStart(child, options, inCgroup);
  } catch (error) {
    // Not reaped yet, so the number is still its own.
    libc().kill(child, SIGNALS.SIGKILL);
    throw error;
  }
  return child;
}

function environmentEntries(
  environment: SpawnOptions["env"],
): readonly (string | Uint8Array)[] {
  if (environment instanceof Array) return environment;
  return Object.entries(environment ?? Deno.env.toObject())
    .map(([name, value]) => `${name}=${value}`);
}

/** Sets the attributes; returns whether they place the child in its cgroup. */
function setAttributes(
  attributes: Uint8Array<ArrayBuffer>,
  options: SpawnOptions,
  cleanup: DisposableStack,
): boolean {
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
  let inCgroup = false;
  const setCgroup = libc().posix_spawnattr_setcgroup_np;
  if (options.cgroup !== undefined && setCgroup) {
    const directory = open(options.cgroup, ["directory"]);
    cleanup.defer(() => close(directory));
    setCgroup(attributes, directory);
    flags |= POSIX_SPAWN_SETCGROUP;
    inCgroup = true;
  }
  libc().posix_spawnattr_setflags(attributes, flags);
  return inCgroup;
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

/** What the child's descriptors are made from, and the closing of all others. */
function addFileActions(
  actions: Uint8Array<ArrayBuffer>,
  options: SpawnOptions,
  cleanup: DisposableStack,
): void {
  const add = (number: number, syscall: string): void => {
    if (number !== 0) throw new SystemError({ syscall, errno: number });
  };
  let nullDescriptor: number | undefined;
  const openNull = (): number => {
    if (nullDescriptor === undefined) {
      const opened = open("/dev/null", ["readWrite"]);
      cleanup.defer(() => close(opened));
      nullDescriptor = opened;
    }
    return nullDescriptor;
  };
  const wanted = new Map<number, number>();
  [options.stdin, options.stdout, options.stderr].forEach((choice, target) => {
    if (options.terminal !== undefined && choice === undefined) return;
    const source = choice ?? "null";
    if (typeof source === "number") wanted.set(target, source);
    else if (source === "inherit" && isOpen(target)) wanted.set(target, target);
    else wanted.set(target, openNull());
  });
  for (const [target, source] of Object.entries(options.descriptors ?? {})) {
    wanted.set(Number(target), source);
  }
  const libcFunctions = libc();
  const setForeground = libcFunctions.posix_spawn_file_actions_addtcsetpgrp_np;
  if (options.foregroundOf !== undefined && setForeground) {
    // First of all, while our own numbers still hold in the child.
    add(
      setForeground(actions, options.foregroundOf),
      "posix_spawn_file_actions_addtcsetpgrp_np",
    );
  }
  for (const { from, to } of descriptorMoves(wanted)) {
    add(
      libcFunctions.posix_spawn_file_actions_adddup2(actions, from, to),
      "posix_spawn_file_actions_adddup2",
    );
  }
  const highest = Math.max(2, ...wanted.keys());
  if (options.terminal !== undefined) {
    const O_RDWR = 2;
    // Above all others, where the closing below finds it.
    const spare = Math.max(highest, ...wanted.values()) + wanted.size + 1;
    add(
      libcFunctions.posix_spawn_file_actions_addopen(
        actions,
        spare,
        cString(options.terminal),
        O_RDWR,
        0,
      ),
      "posix_spawn_file_actions_addopen",
    );
    for (const target of [0, 1, 2]) {
      if (wanted.has(target)) continue;
      add(
        libcFunctions.posix_spawn_file_actions_adddup2(actions, spare, target),
        "posix_spawn_file_actions_adddup2",
      );
    }
  }
  for (const target of openBetween(3, highest)) {
    if (wanted.has(target)) continue;
    add(
      libcFunctions.posix_spawn_file_actions_addclose(actions, target),
      "posix_spawn_file_actions_addclose",
    );
  }
  add(
    libcFunctions.posix_spawn_file_actions_addclosefrom_np(
      actions,
      highest + 1,
    ),
    "posix_spawn_file_actions_addclosefrom_np",
  );
  if (options.cwd !== undefined) {
    add(
      libcFunctions.posix_spawn_file_actions_addchdir_np(
        actions,
        cString(options.cwd),
      ),
      "posix_spawn_file_actions_addchdir_np",
    );
  }
}

/**
 * Numbers that may be open and must be closed one by one, below the highest that
 * is granted. Where that is far, only those that are open are named.
 */
function openBetween(first: number, end: number): number[] {
  const NEAR = 64;
  if (end > NEAR) {
    try {
      return [...Deno.readDirSync("/proc/self/fd")]
        .map((entry) => Number(entry.name))
        .filter((number) => number >= first && number < end);
    } catch {
      // No /proc yet: name them all.
    }
  }
  return Array.from(
    { length: Math.max(0, end - first) },
    (_, index) => first + index,
  );
}

/** One `dup2` of the child. */
export interface DescriptorMove {
  /** The open descriptor. */
  readonly from: number;
  /** The number that it gets. */
  readonly to: number;
}

/**
 * The order of `dup2` calls that gives each target its source, although a
 * target's number may be another's source: a source that would be overwritten
 * before it is used is first moved out of the way, above all others. A source
 * that is its own target is moved onto itself, which makes glibc clear its
 * close-on-exec flag.
 *
 * @param wanted Sources by target.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { descriptorMoves } from "./spawn.ts";
 *
 * // 0 and 1 change places: 1 is needed after it was overwritten.
 * assertEquals(descriptorMoves(new Map([[1, 0], [0, 1]])), [
 *   { from: 0, to: 2 },
 *   { from: 1, to: 0 },
 *   { from: 2, to: 1 },
 * ]);
 * ```
 */
export function descriptorMoves(
  wanted: ReadonlyMap<number, number>,
): DescriptorMove[] {
  let spare = Math.max(...wanted.keys(), ...wanted.values(), -1) + 1;
  const moves: DescriptorMove[] = [];
  const place = new Map<number, number>();
  const targets = [...wanted].sort(([a], [b]) => a - b);
  const overwritten = (source: number, index: number): boolean =>
    targets.slice(0, index).some(([target]) => target === source);
  targets.forEach(([, source], index) => {
    if (place.has(source) || !overwritten(source, index)) return;
    moves.push({ from: source, to: spare });
    place.set(source, spare++);
  });
  for (const [target, source] of targets) {
    moves.push({ from: place.get(source) ?? source, to: target });
  }
  return moves;
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

/** Limits and the like, which only the parent can set, and only now. */
function applyAfterStart(
  pid: number,
  options: SpawnOptions,
  inCgroup: boolean,
): void {
  if (options.cgroup !== undefined && !inCgroup) {
    moveToCgroup(pid, options.cgroup);
  }
  if (options.nice !== undefined) {
    check(
      libc().setpriority(PRIO_PROCESS, pid, options.nice),
      "setpriority",
      `process ${pid}`,
    );
  }
  for (const [name, limit] of Object.entries(options.limits ?? {})) {
    setLimit(pid, name as ResourceLimitName, limit);
  }
  if (options.oomScoreAdjust !== undefined) {
    writeControl(`/proc/${pid}/oom_score_adj`, `${options.oomScoreAdjust}`);
  }
}

/**
 * Sets a resource limit of a process (`prlimit(2)`).
 *
 * @param pid The process; 0 is this one.
 * @param name Which limit.
 * @param limit The soft and the hard limit; `Infinity` is none.
 * @throws {SystemError} EPERM when the hard limit would rise without
 * CAP_SYS_RESOURCE, EINVAL when the soft limit is above the hard one.
 *
 * @example
 * ```ts
 * import { setLimit } from "./spawn.ts";
 *
 * setLimit(0, "core", { soft: 0, hard: Infinity });
 * ```
 */
export function setLimit(
  pid: number,
  name: ResourceLimitName,
  limit: ResourceLimit,
): void {
  const RLIM_INFINITY = 0xFFFF_FFFF_FFFF_FFFFn;
  const value = (number: number): bigint =>
    number === Infinity ? RLIM_INFINITY : BigInt(number);
  const pair = new BigUint64Array(new ArrayBuffer(16));
  pair[0] = value(limit.soft);
  pair[1] = value(limit.hard);
  check(
    libc().prlimit(pid, RESOURCE_LIMITS[name], pair, null),
    "prlimit",
    `${name} of process ${pid}`,
  );
}

function writeControl(path: string, text: string): void {
  const descriptor = open(path, ["writeOnly"]);
  try {
    const bytes = new TextEncoder().encode(text);
    check(libc().write(descriptor, bytes, BigInt(bytes.length)), "write", path);
  } finally {
    close(descriptor);
  }
}

/**
 * Moves a process that just started, and what it has forked meanwhile, into a
 * control group. What it forks later is born there.
 */
function moveToCgroup(pid: number, directory: string): void {
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
    Deno.readTextFileSync("/proc/loadavg").trim().split(" ").at(-1),
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
    const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The name, in parentheses, may hold anything; fields go on after the last.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), session: Number(fields[3]) };
  } catch {
    return undefined; // it ended
  }
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

/**
 * Finds a program as a shell does: a name with a slash is taken as it is, any
 * other is looked for in the directories of a search path.
 *
 * @param name The program's name or path.
 * @param searchPath Directories with colons between them.
 * @returns The path of an executable file.
 * @throws {SystemError} ENOENT when there is none; EACCES when there is one that
 * may not be executed.
 *
 * @example
 * ```ts
 * import { assertMatch } from "@std/assert";
 * import { resolveCommand } from "./spawn.ts";
 *
 * assertMatch(resolveCommand("sh", "/usr/bin:/bin"), /\/sh$/);
 * ```
 */
export function resolveCommand(
  name: string,
  searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
): string {
  const candidates = name.includes("/") ? [name] : name === ""
    ? []
    // An empty directory in a search path is the working directory.
    : searchPath.split(":").map((directory) => `${directory || "."}/${name}`);
  const X_OK = 1, AT_FDCWD = -100;
  let failure = ENOENT;
  for (const candidate of candidates) {
    try {
      if (status(candidate).kind !== "file") {
        failure = EACCES;
        continue;
      }
      check(
        libc().faccessat(AT_FDCWD, cString(candidate), X_OK, 0),
        "faccessat",
        candidate,
      );
      return candidate;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (error.errno === EACCES) failure = EACCES;
    }
  }
  throw new SystemError({ syscall: "exec", errno: failure, path: name });
}
