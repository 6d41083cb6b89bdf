/**
 * Credentials for a child without a helper program. Linux keeps credentials
 * for each thread, and a child gets those of the thread that makes it: so this
 * thread alone takes the child's user, groups and ambient capabilities, spawns,
 * and takes its own back. Its saved user id stays 0 for the way back; `execve`
 * replaces the child's saved id by the effective one, so the child has no way
 * back. The raw system calls are used because glibc's functions change every
 * thread. Imports the libc table and the error type.
 *
 * While the thread is another user, the kernel marks the process as not
 * dumpable, so that no process of that user can trace it or the child before
 * its `execve`; the mark is put back at the end.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { check, libc, syscallNumbers } from "./libc.ts";

/** Who a child is to be. What is left out stays as it is. */
export interface Credentials {
  /** User id, real, effective and saved. */
  readonly userId?: number;
  /** Group id, real, effective and saved. */
  readonly groupId?: number;
  /**
   * Supplementary groups. Left out together with a user or group id that is
   * given, they are none, so that a service does not keep root's groups.
   */
  readonly supplementaryGroupIds?: readonly number[];
  /**
   * Capabilities that a user other than root keeps over `execve`, by name,
   * for example `["CAP_NET_BIND_SERVICE"]`; see `capabilities(7)`.
   */
  readonly ambientCapabilities?: readonly CapabilityName[];
}

/** Capability numbers of `linux/capability.h`, by name. */
export const CAPABILITIES = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_FOWNER: 3,
  CAP_FSETID: 4,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_SETPCAP: 8,
  CAP_LINUX_IMMUTABLE: 9,
  CAP_NET_BIND_SERVICE: 10,
  CAP_NET_BROADCAST: 11,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_IPC_LOCK: 14,
  CAP_IPC_OWNER: 15,
  CAP_SYS_MODULE: 16,
  CAP_SYS_RAWIO: 17,
  CAP_SYS_CHROOT: 18,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_PACCT: 20,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_BOOT: 22,
  CAP_SYS_NICE: 23,
  CAP_SYS_RESOURCE: 24,
  CAP_SYS_TIME: 25,
  CAP_SYS_TTY_CONFIG: 26,
  CAP_MKNOD: 27,
  CAP_LEASE: 28,
  CAP_AUDIT_WRITE: 29,
  CAP_AUDIT_CONTROL: 30,
  CAP_SETFCAP: 31,
  CAP_MAC_OVERRIDE: 32,
  CAP_MAC_ADMIN: 33,
  CAP_SYSLOG: 34,
  CAP_WAKE_ALARM: 35,
  CAP_BLOCK_SUSPEND: 36,
  CAP_AUDIT_READ: 37,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
  CAP_CHECKPOINT_RESTORE: 40,
} as const satisfies Record<string, number>;

/** The name of a capability, as in `capabilities(7)`. */
export type CapabilityName = keyof typeof CAPABILITIES;

const EPERM = 1;

/** `prctl` operations of `linux/prctl.h`. */
const PR_SET_PDEATHSIG = 1;
const PR_GET_PDEATHSIG = 2;
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;

/** `_LINUX_CAPABILITY_VERSION_3`: two words for each of the three sets. */
const LINUX_CAPABILITY_VERSION_3 = 0x20080522;

/** Real, effective and saved id of the calling thread. */
type Identity = readonly [real: number, effective: number, saved: number];

function identity(which: "user" | "group"): Identity {
  const ids = new Uint32Array(new ArrayBuffer(12));
  const call = which === "user" ? libc().getresuid : libc().getresgid;
  check(
    call(ids.subarray(0, 1), ids.subarray(1, 2), ids.subarray(2, 3)),
    which === "user" ? "getresuid" : "getresgid",
  );
  return [ids[0] ?? 0, ids[1] ?? 0, ids[2] ?? 0];
}

function setIdentity(which: "user" | "group", ids: Identity): void {
  const numbers = syscallNumbers();
  const [real, effective, saved] = ids;
  check(
    libc().syscallPlain(
      BigInt(which === "user" ? numbers.setresuid : numbers.setresgid),
      BigInt(real),
      BigInt(effective),
      BigInt(saved),
    ),
    which === "user" ? "setresuid" : "setresgid",
  );
}

function groups(): Uint32Array<ArrayBuffer> {
  const count = check(libc().getgroups(0, null), "getgroups");
  const ids = new Uint32Array(new ArrayBuffer(count * 4));
  check(libc().getgroups(count, ids), "getgroups");
  return ids;
}

function setGroups(ids: Uint32Array<ArrayBuffer>): void {
  check(
    libc().syscall(
      BigInt(syscallNumbers().setgroups),
      BigInt(ids.length),
      ids.length === 0 ? null : ids,
      0n,
    ),
    "setgroups",
  );
}

/** Effective, permitted and inheritable sets: low words, then high words. */
type CapabilitySets = Uint32Array<ArrayBuffer>;

function capabilityHeader(): Uint32Array<ArrayBuffer> {
  const header = new Uint32Array(new ArrayBuffer(8));
  header[0] = LINUX_CAPABILITY_VERSION_3;
  return header;
}

function capabilities(): CapabilitySets {
  const sets = new Uint32Array(new ArrayBuffer(24));
  check(libc().capget(capabilityHeader(), sets), "capget");
  return sets;
}

function setCapabilities(sets: CapabilitySets): void {
  check(libc().capset(capabilityHeader(), sets), "capset");
}

function prctl(operation: number, argument2: bigint, argument3 = 0n): number {
  return check(
    libc().prctl(operation, argument2, argument3, 0n, 0n),
    "prctl",
  );
}

function parentDeathSignal(): number {
  const signal = new Int32Array(new ArrayBuffer(4));
  prctl(
    PR_GET_PDEATHSIG,
    BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(signal))),
  );
  return signal[0] ?? 0;
}

/**
 * Runs an action with this thread's credentials changed, and changes them back
 * whatever happens. The action must be synchronous: spawn, and nothing else.
 *
 * @param credentials Who to be; with none of the fields the action just runs.
 * @param action What to do.
 * @returns What the action returned.
 * @throws {SystemError} EPERM without CAP_SETUID, CAP_SETGID or, for ambient
 * capabilities, CAP_SETPCAP; and what the action throws.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { withCredentials } from "./credentials.ts";
 *
 * assertEquals(withCredentials({}, () => 7), 7);
 * ```
 */
export function withCredentials<T>(
  credentials: Credentials,
  action: () => T,
): T {
  const { userId, groupId, supplementaryGroupIds, ambientCapabilities } =
    credentials;
  const changesGroups = userId !== undefined || groupId !== undefined ||
    supplementaryGroupIds !== undefined;
  const ambient = ambientCapabilities ?? [];
  if (!changesGroups && ambient.length === 0) return action();

  // Undone from the last to the first: each step needs the rights that the
  // steps before it left.
  const undo: (() => void)[] = [];
  const dumpable = libc().prctl(PR_GET_DUMPABLE, 0n, 0n, 0n, 0n);
  const deathSignal = parentDeathSignal();
  undo.push(() => {
    if (dumpable === 1) prctl(PR_SET_DUMPABLE, 1n);
    // A change of credentials clears it.
    if (deathSignal !== 0) prctl(PR_SET_PDEATHSIG, BigInt(deathSignal));
  });
  try {
    if (ambient.length > 0) {
      const before = capabilities();
      undo.push(() => setCapabilities(before));
      setCapabilities(inheriting(before, ambient));
    }
    if (changesGroups) {
      const before = groups();
      undo.push(() => setGroups(before));
      setGroups(Uint32Array.from(supplementaryGroupIds ?? []));
    }
    if (groupId !== undefined) {
      const before = identity("group");
      undo.push(() => setIdentity("group", before));
      setIdentity("group", [groupId, groupId, groupId]);
    }
    if (userId !== undefined) {
      const before = identity("user");
      undo.push(() => setIdentity("user", before));
      // The saved id keeps the way back, and with it the permitted set.
      setIdentity("user", [userId, userId, before[1]]);
    }
    if (ambient.length > 0) {
      undo.push(() => {
        prctl(PR_CAP_AMBIENT, BigInt(PR_CAP_AMBIENT_CLEAR_ALL));
      });
      for (const name of ambient) {
        prctl(
          PR_CAP_AMBIENT,
          BigInt(PR_CAP_AMBIENT_RAISE),
          BigInt(CAPABILITIES[name]),
        );
      }
    }
    return action();
  } finally {
    restore(undo.reverse());
  }
}

/** The same sets, with the named capabilities inheritable besides. */
function inheriting(
  sets: CapabilitySets,
  names: readonly CapabilityName[],
): CapabilitySets {
  const wanted = sets.slice();
  for (const name of names) {
    const number = CAPABILITIES[name];
    // Each half is three words: effective, permitted, inheritable.
    const word = 2 + 3 * (number >>> 5);
    wanted[word] = ((wanted[word] ?? 0) | (1 << (number & 31))) >>> 0;
  }
  return wanted;
}

/**
 * The way back. A step fails only where the kernel's own rules are broken (a
 * security module, say); the others are done all the same, and then the thread
 * must not go on as it is.
 */
function restore(steps: readonly (() => void)[]): void {
  let cause: unknown;
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      cause ??= error;
    }
  }
  if (cause === undefined) return;
  throw new SystemError({
    syscall: "restore credentials",
    errno: cause instanceof SystemError ? cause.errno : EPERM,
    detail: "this thread is left with other credentials than its own",
  }, { cause });
}
