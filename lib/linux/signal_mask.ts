/**
 * What this process was given for signals when it started, blocked or ignored,
 * and how to give the same to a child. Imports the libc table and the signal
 * names.
 *
 * @module
 */

import { readControl } from "./control_file.ts";
import { check, libc } from "./libc.ts";

/** SIGPIPE, and glibc's own. */
const NOT_INHERITED: readonly number[] = [13, 32, 33];

/** Signals by number. */
export interface SignalState {
  /** Signals that are blocked. */
  readonly blocked: readonly number[];
  /** Signals that are ignored. */
  readonly ignored: readonly number[];
}

/**
 * Reads which signals this thread blocks and this process ignores. Call it
 * before the first listener is added, to see what was inherited. Left out of what
 * is ignored are SIGPIPE, which the runtime ignores whatever was inherited, and
 * 32 and 33, which glibc keeps for itself and leaves ignored behind
 * `posix_spawn(3)`.
 *
 * @returns Nothing blocked or ignored where /proc is not mounted.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readSignalState } from "./signal_mask.ts";
 *
 * assertEquals(readSignalState().blocked, []);
 * ```
 */
export function readSignalState(): SignalState {
  let text: string;
  try {
    text = readControl("/proc/thread-self/status");
  } catch {
    return { blocked: [], ignored: [] };
  }
  return {
    blocked: parseSignalSet(/^SigBlk:\s*([0-9a-f]+)$/m.exec(text)?.[1] ?? "0"),
    ignored: parseSignalSet(/^SigIgn:\s*([0-9a-f]+)$/m.exec(text)?.[1] ?? "0")
      .filter((signal) => !NOT_INHERITED.includes(signal)),
  };
}

/**
 * Parses a set of signals as `/proc/PID/status` writes it.
 *
 * @param text Hexadecimal digits; bit n - 1 stands for signal n.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseSignalSet } from "./signal_mask.ts";
 *
 * assertEquals(parseSignalSet("8000000000004001"), [1, 15, 64]);
 * ```
 */
export function parseSignalSet(text: string): number[] {
  const bits = BigInt(`0x${text}`);
  const signals: number[] = [];
  for (let signal = 1; signal <= 64; signal++) {
    if ((bits >> BigInt(signal - 1) & 1n) === 1n) signals.push(signal);
  }
  return signals;
}

/**
 * Unblocks every signal on this thread. A program that was started with signals
 * blocked would not hear them: its other threads have inherited the same mask.
 *
 * @throws {SystemError} Never on Linux.
 *
 * @example
 * ```ts
 * import { unblockSignals } from "./signal_mask.ts";
 *
 * unblockSignals();
 * ```
 */
export function unblockSignals(): void {
  const SIG_SETMASK = 2;
  const none = new Uint8Array(new ArrayBuffer(128));
  check(libc().pthread_sigmask(SIG_SETMASK, none, null), "pthread_sigmask");
}
