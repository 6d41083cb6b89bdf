/**
 * The names and numbers of Linux signals. Imports nothing.
 *
 * @module
 */

/**
 * Signal numbers by name, from `asm-generic/signal.h`, which x86-64 and AArch64
 * share.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SIGNALS } from "@spaceos/pid1";
 *
 * assertEquals(128 + SIGNALS.SIGTERM, 143);
 * ```
 */
export const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

/** The name of a signal other than a real-time one. */
export type SignalName = keyof typeof SIGNALS;

/** The first real-time signal that programs may use; glibc keeps 32 and 33. */
const SIGRTMIN = 34;
/** The last signal. */
const SIGRTMAX = 64;

const BY_NUMBER: ReadonlyMap<number, SignalName> = new Map(
  (Object.keys(SIGNALS) as SignalName[]).map((name) => [SIGNALS[name], name]),
);

/**
 * The name of a signal number.
 *
 * @param number 1 to 64.
 * @returns `"SIGTERM"`, `"SIGRTMIN+3"`, or `"signal 99"` for what is none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { signalName } from "./signal_table.ts";
 *
 * assertEquals(signalName(9), "SIGKILL");
 * assertEquals(signalName(37), "SIGRTMIN+3");
 * ```
 */
export function signalName(number: number): string {
  const name = BY_NUMBER.get(number);
  if (name !== undefined) return name;
  if (number >= SIGRTMIN && number <= SIGRTMAX) {
    return number === SIGRTMIN ? "SIGRTMIN" : `SIGRTMIN+${number - SIGRTMIN}`;
  }
  return `signal ${number}`;
}

/**
 * The number of a signal given as people write it: `SIGTERM`, `TERM`, `term`,
 * `15`, `SIGRTMIN+3`, `RTMAX-1`.
 *
 * @param text The name or number.
 * @returns 1 to 64, or `undefined` when it is none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { signalNumber } from "./signal_table.ts";
 *
 * assertEquals(signalNumber("term"), 15);
 * assertEquals(signalNumber("SIGRTMIN+3"), 37);
 * assertEquals(signalNumber("SIGNAL"), undefined);
 * ```
 */
export function signalNumber(text: string): number | undefined {
  const upper = text.toUpperCase();
  if (/^[0-9]{1,2}$/.test(upper)) {
    const number = Number(upper);
    return number >= 1 && number <= SIGRTMAX ? number : undefined;
  }
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  if (Object.hasOwn(SIGNALS, name)) return SIGNALS[name as SignalName];
  const alias = ALIASES[name];
  if (alias !== undefined) return alias;
  const realTime = /^SIGRT(MIN|MAX)(?:([+-])([0-9]{1,2}))?$/.exec(name);
  if (realTime === null) return undefined;
  const base = realTime[1] === "MIN" ? SIGRTMIN : SIGRTMAX;
  const distance = Number(realTime[3] ?? 0);
  const number = base + (realTime[2] === "-" ? -distance : distance);
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined;
}

/** Other names of the same signals, from `signal(7)`. */
const ALIASES: Readonly<Record<string, number>> = {
  SIGIOT: SIGNALS.SIGABRT,
  SIGCLD: SIGNALS.SIGCHLD,
  SIGPOLL: SIGNALS.SIGIO,
};
