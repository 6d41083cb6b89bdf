/**
 * The two clocks: CLOCK_BOOTTIME for intervals, which no step of the wall
 * clock moves and which counts through suspend, and CLOCK_REALTIME for
 * records. Imports the libc table only.
 *
 * @module
 */

import { check, libc } from "./libc.ts";

/** clockid_t values of `linux/time.h`. */
const CLOCK_REALTIME = 0;
const CLOCK_BOOTTIME = 7;

/**
 * One `struct timespec`: seconds and nanoseconds, 8 bytes each, little-endian.
 * Read in halves, since each `bigint` would be an object.
 */
const timespec = new Uint32Array(4);

/** A clock's time in milliseconds. */
function gettime(clock: number): number {
  check(libc().clock_gettime(clock, timespec), "clock_gettime");
  const seconds = (timespec[1] ?? 0) * 2 ** 32 + (timespec[0] ?? 0);
  return seconds * 1e3 + (timespec[2] ?? 0) / 1e6;
}

/**
 * Time since boot in milliseconds with a fraction (CLOCK_BOOTTIME).
 *
 * @throws {SystemError} Never on a Linux kernel since 2.6.39.
 *
 * @example
 * ```ts
 * import { assertGreater } from "@std/assert";
 * import { boottimeMs } from "./clock.ts";
 *
 * assertGreater(boottimeMs(), 0);
 * ```
 */
export function boottimeMs(): number {
  return gettime(CLOCK_BOOTTIME);
}

/**
 * Wall-clock time in milliseconds since 1970 with a fraction
 * (CLOCK_REALTIME). It may step: use it for records, never for intervals.
 *
 * @throws {SystemError} Never on Linux.
 *
 * @example
 * ```ts
 * import { assertGreater } from "@std/assert";
 * import { realtimeMs } from "./clock.ts";
 *
 * assertGreater(realtimeMs(), 1e12);
 * ```
 */
export function realtimeMs(): number {
  return gettime(CLOCK_REALTIME);
}

/**
 * Sets the wall clock (`clock_settime(2)`). Needs CAP_SYS_TIME.
 *
 * @param ms Milliseconds since 1970; a fraction is kept to the microsecond.
 * @throws {SystemError} EPERM without the capability, EINVAL for a time that
 * the kernel refuses, such as one before 1970.
 *
 * @example
 * ```ts ignore
 * import { setRealtime } from "./clock.ts";
 *
 * setRealtime(Date.UTC(2026, 0, 1));
 * ```
 */
export function setRealtime(ms: number): void {
  const microseconds = BigInt(Math.round(ms * 1e3));
  const wanted = new BigInt64Array(new ArrayBuffer(16));
  const rest = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n;
  wanted[0] = (microseconds - rest) / 1_000_000n;
  wanted[1] = rest * 1000n;
  check(libc().clock_settime(CLOCK_REALTIME, wanted), "clock_settime");
}
