/**
 * Storms of exits. Each SIGCHLD wakes the runtime, which costs more than the
 * reaping of a child; when children end by the hundred, as the orphans of a
 * build do, it is cheaper not to hear of each, and to look a moment later.
 * Imports the libc table.
 *
 * @module
 */

import { check, libc } from "./libc.ts";
import { SIGNALS } from "./signal_table.ts";

/** The time over which exits are counted, in milliseconds. */
const WINDOW_MS = 10;

/** More exits than this in a window are a storm. */
const STORM_EXITS = 20;

/** How long nobody hears of exits in a storm, in milliseconds. */
export const STORM_PAUSE_MS = 2;

/** `struct sigaction` of glibc: handler, mask, flags, restorer; there is room for others to grow. */
const SIGACTION_SIZE = 256;

/**
 * Counts exits, and tells a storm from what is normal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ExitStorm } from "./exit_storm.ts";
 *
 * const storm = new ExitStorm();
 * assertEquals([storm.note(20, 0), storm.note(1, 1)], [false, true]);
 * assertEquals(storm.note(20, 100), false);
 * ```
 */
export class ExitStorm {
  #sinceMs = -Infinity;
  #count = 0;

  /**
   * Notes that children were reaped.
   *
   * @param count How many.
   * @param nowMs The time, in milliseconds.
   * @returns Whether there are so many that it is better to pause.
   */
  note(count: number, nowMs: number): boolean {
    if (nowMs >= this.#sinceMs + WINDOW_MS) {
      this.#sinceMs = nowMs;
      this.#count = 0;
    }
    this.#count += count;
    return this.#count > STORM_EXITS;
  }
}

/**
 * Leaves SIGCHLD to its default effect, which is none: children that end wait
 * to be reaped, and nobody wakes up.
 *
 * @returns What hears of them again; reap once more after it was called, since
 * those that ended meanwhile will not be told of.
 * @throws {SystemError} Never on Linux.
 *
 * @example
 * ```ts
 * import { muteChildSignal } from "./exit_storm.ts";
 *
 * const hearAgain = muteChildSignal();
 * hearAgain();
 * ```
 */
export function muteChildSignal(): () => void {
  const defaultEffect = new Uint8Array(new ArrayBuffer(SIGACTION_SIZE));
  const before = new Uint8Array(new ArrayBuffer(SIGACTION_SIZE));
  const { sigaction } = libc();
  check(sigaction(SIGNALS.SIGCHLD, defaultEffect, before), "sigaction");
  return () => {
    check(sigaction(SIGNALS.SIGCHLD, before, null), "sigaction");
  };
}
