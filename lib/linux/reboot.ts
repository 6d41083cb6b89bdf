/**
 * The end of the machine: `reboot(2)`. Nothing here syncs, unmounts or asks
 * processes to stop; that is the caller's shutdown, done before. Imports the
 * libc table and the error type.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { check, libc } from "./libc.ts";

/** Commands of `linux/reboot.h`. */
const LINUX_REBOOT_CMD_POWER_OFF = 0x4321FEDC;
const LINUX_REBOOT_CMD_HALT = 0xCDEF0123;
const LINUX_REBOOT_CMD_RESTART = 0x01234567;
const LINUX_REBOOT_CMD_CAD_OFF = 0x00000000;

const EPERM = 1;

/** Options of {@linkcode poweroff}, {@linkcode halt} and {@linkcode reboot}. */
export interface RebootOptions {
  /**
   * Do it although this process is not PID 1. Without it the call is refused
   * then, so that an init under test on a developer's machine, started by root,
   * does not switch that machine off.
   */
  readonly force?: boolean;
}

function machine(command: number, what: string, options: RebootOptions): never {
  if (options.force !== true && libc().getpid() !== 1) {
    throw new SystemError({
      syscall: "reboot",
      errno: EPERM,
      detail:
        `${what} refused in process ${libc().getpid()}, expected process 1; ` +
        `{ force: true } overrides`,
    });
  }
  // The C parameter is an int; HALT has its top bit set.
  check(libc().reboot(command | 0), "reboot");
  // In a PID namespace the kernel ends the namespace's init by a signal, which
  // arrives on the way out of the call. Nothing may go on here.
  throw new SystemError({
    syscall: "reboot",
    errno: EPERM,
    detail: `${what} returned, expected the machine to end`,
  });
}

/**
 * Powers the machine off at once. Data that is not on the disk yet is lost:
 * sync and unmount first. In a PID namespace, ends the namespace instead.
 *
 * @param options Whether a process other than PID 1 may do it.
 * @returns Never, when it works.
 * @throws {SystemError} EPERM when this is not PID 1 and `force` is not set, or
 * without CAP_SYS_BOOT. See `reboot(2)`.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { poweroff } from "./reboot.ts";
 * import { SystemError } from "./error.ts";
 *
 * // A test is not PID 1, so the guard refuses.
 * assertThrows(() => poweroff(), SystemError, "expected process 1");
 * ```
 */
export function poweroff(options: RebootOptions = {}): never {
  return machine(LINUX_REBOOT_CMD_POWER_OFF, "poweroff", options);
}

/**
 * Halts the machine at once, leaving its power on. Sync and unmount first.
 *
 * @param options Whether a process other than PID 1 may do it.
 * @returns Never, when it works.
 * @throws {SystemError} As {@linkcode poweroff}.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { halt } from "./reboot.ts";
 * import { SystemError } from "./error.ts";
 *
 * assertThrows(() => halt(), SystemError, "EPERM");
 * ```
 */
export function halt(options: RebootOptions = {}): never {
  return machine(LINUX_REBOOT_CMD_HALT, "halt", options);
}

/**
 * Restarts the machine at once. Sync and unmount first.
 *
 * @param options Whether a process other than PID 1 may do it.
 * @returns Never, when it works.
 * @throws {SystemError} As {@linkcode poweroff}.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { reboot } from "./reboot.ts";
 * import { SystemError } from "./error.ts";
 *
 * assertThrows(() => reboot(), SystemError, "EPERM");
 * ```
 */
export function reboot(options: RebootOptions = {}): never {
  return machine(LINUX_REBOOT_CMD_RESTART, "reboot", options);
}

/**
 * Makes Ctrl-Alt-Del send SIGINT to PID 1 instead of restarting the machine on
 * the spot, so that it is a shutdown in order. Needs CAP_SYS_BOOT.
 *
 * @throws {SystemError} EPERM without the capability; EINVAL in a PID namespace.
 *
 * @example
 * ```ts ignore
 * import { catchCtrlAltDel } from "./reboot.ts";
 *
 * catchCtrlAltDel();
 * ```
 */
export function catchCtrlAltDel(): void {
  check(libc().reboot(LINUX_REBOOT_CMD_CAD_OFF), "reboot");
}
