/**
 * The hardware watchdog, by the kernel's `watchdog-api`: opening it starts it,
 * a pet puts the reset off, and closing it without the magic character leaves
 * it armed, which is what a reset wants. Imports files and the error type.
 *
 * @module
 */

import { readControl } from "./control_file.ts";
import { SystemError } from "./error.ts";
import { close, ioctl, open, write } from "./file.ts";

/** Requests of `linux/watchdog.h`. */
const WDIOC_GETSUPPORT = 0x80285700;
const WDIOC_GETBOOTSTATUS = 0x80045702;
const WDIOC_KEEPALIVE = 0x80045705;
const WDIOC_SETTIMEOUT = 0xC0045706;
const WDIOC_GETTIMEOUT = 0x80045707;
const WDIOF_CARDRESET = 0x0020;
const WDIOF_SETTIMEOUT = 0x0080;
const WDIOF_MAGICCLOSE = 0x0100;

/** What the device says about itself; see `linux/watchdog.h`. */
export interface WatchdogInfo {
  /** The driver's name, for example `"Software Watchdog"`. */
  readonly identity: string;
  /** The firmware's version. */
  readonly firmwareVersion: number;
  /** Whether the time-out can be set. */
  readonly canSetTimeout: boolean;
  /**
   * Whether the driver knows the magic close. One that does may still have been
   * loaded with `nowayout`, and then does not heed it: see
   * {@linkcode Watchdog.noWayOut}.
   */
  readonly magicClose: boolean;
  /** Whether this watchdog caused the last reset, as far as it can tell. */
  readonly causedLastReset: boolean;
}

/** Options of {@linkcode openWatchdog}. */
export interface WatchdogOptions {
  /** The device, default `/dev/watchdog`. */
  readonly path?: string;
  /** Seconds without a pet until the reset; left out, the driver's own. */
  readonly timeoutS?: number;
}

/** An open watchdog, which runs. */
export interface Watchdog {
  /** The descriptor. */
  readonly descriptor: number;
  /** The device. */
  readonly path: string;
  /** What the device says about itself; `undefined` when it says nothing. */
  readonly info: WatchdogInfo | undefined;
  /**
   * Seconds without a pet until the reset, as the device has it now, which may
   * differ from what was asked; `undefined` when it does not tell.
   */
  readonly timeoutS: number | undefined;
  /** Why the time-out that was asked for was not set, if it was not. */
  readonly timeoutError: SystemError | undefined;
  /**
   * Whether it cannot be stopped any more: `nowayout` in sysfs, or
   * `undefined` when sysfs does not tell.
   */
  readonly noWayOut: boolean | undefined;
}

/**
 * Which watchdog to open: one of hardware before the kernel's own timer, which
 * stops with the processor that it is to watch.
 *
 * @param folder Where the kernel tells of them, or a mock of it.
 * @returns The device; `/dev/watchdog` where the kernel tells nothing.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { findWatchdog } from "./watchdog.ts";
 *
 * assertEquals(findWatchdog("/no/such/folder"), "/dev/watchdog");
 * ```
 */
export function findWatchdog(folder = "/sys/class/watchdog"): string {
  let names: string[];
  try {
    names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return "/dev/watchdog";
  }
  const hardware = names.filter((name) => /^watchdog\d+$/.test(name))
    .toSorted((a, b) => Number(a.slice(8)) - Number(b.slice(8)))
    .find((name) => {
      try {
        const identity = readControl(`${folder}/${name}/identity`).trim();
        return identity !== "Software Watchdog";
      } catch {
        return false;
      }
    });
  return hardware === undefined ? "/dev/watchdog" : `/dev/${hardware}`;
}

/**
 * Opens the watchdog, which starts it, sets the time-out, and pets it once.
 *
 * @param options The device and the time-out.
 * @throws {SystemError} With the device as path: ENOENT when there is none,
 * EBUSY when another program has it.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { SystemError } from "./error.ts";
 * import { openWatchdog } from "./watchdog.ts";
 *
 * assertThrows(
 *   () => openWatchdog({ path: "/dev/no-watchdog" }),
 *   SystemError,
 *   "ENOENT",
 * );
 * ```
 */
export function openWatchdog(options: WatchdogOptions = {}): Watchdog {
  const path = options.path ?? "/dev/watchdog";
  const descriptor = open(path, ["writeOnly"]);
  const info = readInfo(descriptor);
  let timeoutError: SystemError | undefined;
  let timeoutS: number | undefined;
  if (options.timeoutS !== undefined) {
    // The driver answers with what it took.
    const answer = attempt(() =>
      number32(
        descriptor,
        WDIOC_SETTIMEOUT,
        "ioctl WDIOC_SETTIMEOUT",
        Math.max(1, Math.round(options.timeoutS ?? 0)),
      )
    );
    if (answer instanceof SystemError) timeoutError = answer;
    else timeoutS = answer;
  }
  if (timeoutS === undefined) {
    const answer = attempt(() =>
      number32(descriptor, WDIOC_GETTIMEOUT, "ioctl WDIOC_GETTIMEOUT")
    );
    if (!(answer instanceof SystemError)) timeoutS = answer;
  }
  const watchdog = {
    descriptor,
    path,
    info,
    timeoutS,
    timeoutError,
    noWayOut: readNoWayOut(path),
  };
  petWatchdog(watchdog);
  return watchdog;
}

/**
 * Changes the time-out of a running watchdog (`WDIOC_SETTIMEOUT`), and pets it.
 *
 * @param watchdog The open watchdog.
 * @param timeoutS Seconds without a pet until the reset, at least 1.
 * @returns Seconds, as the device has it now, which may differ.
 * @throws {SystemError} EOPNOTSUPP from a device whose time-out is fixed,
 * EINVAL for a time-out that it can't have.
 *
 * @example
 * ```ts ignore
 * import { openWatchdog, setWatchdogTimeout } from "./watchdog.ts";
 *
 * setWatchdogTimeout(openWatchdog(), 60);
 * ```
 */
export function setWatchdogTimeout(
  watchdog: Watchdog,
  timeoutS: number,
): number {
  const seconds = number32(
    watchdog.descriptor,
    WDIOC_SETTIMEOUT,
    "ioctl WDIOC_SETTIMEOUT",
    timeoutS,
  );
  petWatchdog(watchdog);
  return seconds;
}

/**
 * Puts the reset off by one time-out (`WDIOC_KEEPALIVE`, or a write for a
 * driver without it).
 *
 * @param watchdog The open watchdog, or its descriptor.
 * @throws {SystemError} EIO, EBADF: the hardware will reset the machine.
 *
 * @example
 * ```ts
 * import { close, open } from "./file.ts";
 * import { petWatchdog } from "./watchdog.ts";
 *
 * // Any device that takes a byte serves to show it.
 * const descriptor = open("/dev/null", ["writeOnly"]);
 * petWatchdog(descriptor);
 * close(descriptor);
 * ```
 */
export function petWatchdog(watchdog: Watchdog | number): void {
  const descriptor = typeof watchdog === "number"
    ? watchdog
    : watchdog.descriptor;
  const answer = attempt(() =>
    number32(descriptor, WDIOC_KEEPALIVE, "ioctl WDIOC_KEEPALIVE")
  );
  // Not "V", which is the magic character.
  if (answer instanceof SystemError) write(descriptor, Uint8Array.of(0x20));
}

/**
 * Closes the watchdog. With `disarm`, the magic character is written first, and
 * the machine is no longer watched: for a clean hand-over only, never on the
 * way to a reset. A device with `nowayout` stays armed all the same.
 *
 * @param watchdog The open watchdog.
 * @param options Whether to disarm it.
 * @throws {SystemError} EIO, EBADF.
 *
 * @example
 * ```ts ignore
 * import { closeWatchdog, openWatchdog } from "./watchdog.ts";
 *
 * closeWatchdog(openWatchdog({ timeoutS: 30 }), { disarm: true });
 * ```
 */
export function closeWatchdog(
  watchdog: Watchdog,
  options: { readonly disarm: boolean },
): void {
  try {
    if (options.disarm) {
      write(watchdog.descriptor, new TextEncoder().encode("V"));
    }
  } finally {
    close(watchdog.descriptor);
  }
}

function attempt<T>(action: () => T): T | SystemError {
  try {
    return action();
  } catch (error) {
    if (error instanceof SystemError) return error;
    throw error;
  }
}

function number32(
  descriptor: number,
  request: number,
  name: string,
  value = 0,
): number {
  const argument = new Int32Array(new ArrayBuffer(4));
  argument[0] = value;
  ioctl(descriptor, request, argument, name);
  return argument[0] ?? 0;
}

function readInfo(descriptor: number): WatchdogInfo | undefined {
  // struct watchdog_info: u32 options, u32 firmware_version, u8 identity[32].
  const bytes = new Uint8Array(new ArrayBuffer(40));
  const answer = attempt(() =>
    ioctl(descriptor, WDIOC_GETSUPPORT, bytes, "ioctl WDIOC_GETSUPPORT")
  );
  if (answer instanceof SystemError) return undefined;
  const view = new DataView(bytes.buffer);
  const options = view.getUint32(0, true);
  const status = attempt(() =>
    number32(descriptor, WDIOC_GETBOOTSTATUS, "ioctl WDIOC_GETBOOTSTATUS")
  );
  const end = bytes.indexOf(0, 8);
  return {
    identity: new TextDecoder().decode(
      bytes.subarray(8, end === -1 ? bytes.length : end),
    ),
    firmwareVersion: view.getUint32(4, true),
    canSetTimeout: (options & WDIOF_SETTIMEOUT) !== 0,
    magicClose: (options & WDIOF_MAGICCLOSE) !== 0,
    causedLastReset: typeof status === "number" &&
      (status & WDIOF_CARDRESET) !== 0,
  };
}

/** `/dev/watchdog` is the first device of the class. */
function readNoWayOut(path: string): boolean | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const device = name === "watchdog" ? "watchdog0" : name;
  try {
    return readControl(`/sys/class/watchdog/${device}/nowayout`)
      .trim() === "1";
  } catch {
    return undefined;
  }
}
