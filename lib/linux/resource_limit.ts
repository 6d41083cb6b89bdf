/**
 * Resource limits of processes (`prlimit(2)`). Imports the libc table.
 *
 * @module
 */

import { check, libc } from "./libc.ts";

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
 * import { setLimit } from "./resource_limit.ts";
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
