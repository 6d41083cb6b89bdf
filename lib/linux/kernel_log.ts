/**
 * The kernel's own log: its last lines, and when it handed the machine over to
 * the init. Imports the libc table only.
 *
 * @module
 */

import { check, libc } from "./libc.ts";

/** `SYSLOG_ACTION_READ_ALL`, syslog(2). */
const READ_ALL = 3;

/** The last lines, enough for those between the handover and our first call. */
const SIZE_BYTES = 8192;

/**
 * The last 8 KiB of the kernel's log. Nothing is taken out of it.
 *
 * @returns Lines such as `<6>[    1.737682] Run /init as init process`.
 * @throws {SystemError} EPERM where only root may read it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { readKernelLog } from "./kernel_log.ts";
 *
 * try {
 *   assertEquals(typeof readKernelLog(), "string");
 * } catch {
 *   // This machine keeps it from us.
 * }
 * ```
 */
export function readKernelLog(): string {
  const bytes = new Uint8Array(SIZE_BYTES);
  const count = check(libc().klogctl(READ_ALL, bytes, SIZE_BYTES), "klogctl");
  return new TextDecoder().decode(bytes.subarray(0, count));
}

/**
 * When the kernel started the init, on the clock that counts from its own start.
 *
 * @param log Lines of the kernel's log.
 * @returns Milliseconds, or null when the line is not among them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { handoverMs } from "./kernel_log.ts";
 *
 * const log = "<6>[    1.737682] Run /init as init process\n";
 * assertEquals(handoverMs(log), 1737.682);
 * assertEquals(handoverMs(""), null);
 * ```
 */
export function handoverMs(log: string): number | null {
  const [, seconds, microseconds] =
    /^(?:<\d+>)?\[ *(\d+)\.(\d{6})\] Run \S+ as init process$/m.exec(log) ?? [];
  if (seconds === undefined || microseconds === undefined) return null;
  return Number(seconds) * 1000 + Number(microseconds) / 1000;
}
