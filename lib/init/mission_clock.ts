/**
 * Mission time: what records are stamped with. It is the wall clock until the
 * host sets it; from then on it runs by CLOCK_BOOTTIME, so that nobody who
 * steps the wall clock afterwards moves it. Setting it sets the wall clock,
 * too, for the services, where this init is the machine's and the kernel takes
 * the time; nothing that the init waits for is measured by either clock.
 * Imports `wire`; the clocks are handed in.
 *
 * @module
 */
import type { MissionTime } from "../wire/time_set.ts";

/** The clocks of the machine. */
export interface MachineClocks {
  /** CLOCK_BOOTTIME, milliseconds. */
  boottimeMs(): number;
  /** The wall clock, milliseconds since 1970. */
  realtimeMs(): number;
  /**
   * Sets the wall clock.
   *
   * @throws {Error} Where it is not ours to set, or the kernel refuses.
   */
  setRealtime(ms: number): void;
}

/**
 * The mission clock.
 *
 * @example
 * ```ts
 * import { MissionClock } from "./mission_clock.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * let nowMs = 0;
 * const clock = new MissionClock({
 *   boottimeMs: () => nowMs,
 *   realtimeMs: () => 5_000,
 *   setRealtime: () => {},
 * });
 * assertEquals(clock.seconds(), 5);
 * clock.set({ seconds: 1_000n, nanoseconds: 500_000_000 });
 * nowMs = 2_600;
 * assertEquals(clock.seconds(), 1_003);
 * ```
 */
export class MissionClock {
  readonly #clocks: MachineClocks;
  /** Mission time at boot, milliseconds; null until it is set. */
  #offsetMs: number | null = null;

  /**
   * Begins as the wall clock.
   *
   * @param clocks The machine's clocks.
   */
  constructor(clocks: MachineClocks) {
    this.#clocks = clocks;
  }

  /**
   * Mission time now.
   *
   * @returns Milliseconds.
   */
  nowMs(): number {
    return this.#offsetMs === null
      ? this.#clocks.realtimeMs()
      : this.#offsetMs + this.#clocks.boottimeMs();
  }

  /**
   * Mission time now, as records carry it.
   *
   * @returns Whole seconds, u32; it begins again at 0 after 2^32 seconds.
   */
  seconds(): number {
    return Math.floor(this.nowMs() / 1000) >>> 0;
  }

  /**
   * Sets the clock.
   *
   * @param time Mission time now.
   * @returns What was done, in words.
   */
  set(time: MissionTime): string {
    const before = this.nowMs();
    // Whole microseconds: finer parts are lost in a number of this size, and
    // may not round up to the next second.
    const wantedMs = Number(time.seconds) * 1000 +
      Math.floor(time.nanoseconds / 1e3) / 1e3;
    this.#offsetMs = wantedMs - this.#clocks.boottimeMs();
    const text = `${toSeconds(before)} -> ${toSeconds(wantedMs)}`;
    try {
      this.#clocks.setRealtime(wantedMs);
      return text;
    } catch {
      // It is another's in a container, and the kernel takes no time before
      // the machine's own start (EINVAL).
      return `${text}, wall clock left`;
    }
  }
}

function toSeconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
