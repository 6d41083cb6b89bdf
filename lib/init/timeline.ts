/**
 * The boot's timeline: what ran when, on one monotonic clock, so that a slow
 * boot can be explained after the fact. Pure: the times are handed in.
 *
 * @module
 */

/** One phase of the boot, or the start of one service. */
export interface TimelineEntry {
  /** What ran: a phase such as `mounts`, or `service NAME`. */
  readonly name: string;
  /** When it began, CLOCK_BOOTTIME, milliseconds since the kernel started. */
  readonly startMs: number;
  /** How long it took, milliseconds; absent while it runs. */
  readonly durationMs?: number;
  /** How it ended; absent while it runs. */
  readonly outcome?: "done" | "skipped" | "failed";
}

/** Entries kept; a machine with more services than this keeps the first ones. */
export const TIMELINE_CAPACITY = 1024;

/**
 * Collects {@linkcode TimelineEntry} records. Bounded: past
 * {@linkcode TIMELINE_CAPACITY} entries, new ones are counted and dropped.
 *
 * @example
 * ```ts
 * import { Timeline } from "./timeline.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const timeline = new Timeline();
 * timeline.begin("mounts", 100);
 * timeline.end("mounts", 112.5, "done");
 * assertEquals(timeline.entries()[0]?.durationMs, 12.5);
 * ```
 */
export class Timeline {
  readonly #entries = new Map<string, TimelineEntry>();
  #droppedCount = 0;

  /** Entries that found no room. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  /**
   * Marks the beginning of a phase. The first beginning of a name counts: a
   * service's later restarts are not part of the boot.
   *
   * @param name The phase.
   * @param nowMs CLOCK_BOOTTIME in milliseconds.
   */
  begin(name: string, nowMs: number): void {
    if (this.#entries.has(name)) return;
    if (this.#entries.size >= TIMELINE_CAPACITY) {
      this.#droppedCount++;
      return;
    }
    this.#entries.set(name, { name, startMs: nowMs });
  }

  /**
   * Marks the end of a phase that has begun and not ended; else nothing.
   *
   * @param name The phase.
   * @param nowMs CLOCK_BOOTTIME in milliseconds.
   * @param outcome How it ended.
   */
  end(
    name: string,
    nowMs: number,
    outcome: "done" | "skipped" | "failed",
  ): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.outcome !== undefined) return;
    this.#entries.set(name, {
      ...entry,
      durationMs: nowMs - entry.startMs,
      outcome,
    });
  }

  /**
   * The entries in the order in which they began.
   *
   * @returns A copy.
   */
  entries(): TimelineEntry[] {
    return [...this.#entries.values()];
  }

  /**
   * The entries that have ended, for the console: what took how long, in order.
   *
   * @returns One line, such as `kernel 1738 ms, runtime 621 ms`.
   */
  summary(): string {
    return this.entries().filter(({ durationMs }) => durationMs !== undefined)
      .map(({ name, durationMs }) => `${name} ${durationMs?.toFixed(0)} ms`)
      .join(", ");
  }
}
