/**
 * How many lines of one stream are taken: so many in a second, and what is more
 * is dropped, counted and said. A program that writes without end then neither
 * keeps PID 1 busy nor waits for it, and its neighbours are heard. Pure:
 * imports nothing.
 *
 * @module
 */

/** Lines of a stream that are taken in one window. */
export const LINE_LIMIT = 2_000;

/** The window, in milliseconds. */
export const LINE_WINDOW_MS = 1_000;

/**
 * Counts the lines of a stream in windows of a second. Nothing happens between
 * windows: a quiet stream costs nothing.
 *
 * @example
 * ```ts
 * import { LINE_LIMIT, LineLimit } from "./line_limit.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const limit = new LineLimit();
 * limit.begin(0);
 * for (let line = 0; line < LINE_LIMIT; line++) limit.admit();
 * assertEquals([limit.admit(), limit.isExhausted], [false, true]);
 * limit.drop(10);
 * assertEquals(limit.end(), 11);
 * limit.begin(1000);
 * assertEquals(limit.admit(), true);
 * ```
 */
export class LineLimit {
  #windowMs = -Infinity;
  #taken = 0;
  #dropped = 0;

  /** Whether the window has no room for another line. */
  get isExhausted(): boolean {
    return this.#taken >= LINE_LIMIT;
  }

  /** Lines dropped in this window. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Tells the time, before lines come. Begins a window when the last one is
   * over and its dropped lines were taken by {@linkcode end}.
   *
   * @param nowMs CLOCK_BOOTTIME, milliseconds.
   */
  begin(nowMs: number): void {
    if (this.#dropped > 0 || nowMs < this.#windowMs + LINE_WINDOW_MS) return;
    this.#windowMs = nowMs;
    this.#taken = 0;
  }

  /**
   * Asks for one line.
   *
   * @returns Whether it is taken; if not, it is counted.
   */
  admit(): boolean {
    if (this.isExhausted) {
      this.#dropped++;
      return false;
    }
    this.#taken++;
    return true;
  }

  /**
   * Counts lines that were dropped without a look.
   *
   * @param count How many.
   */
  drop(count: number): void {
    this.#dropped += count;
  }

  /**
   * Ends the window.
   *
   * @returns How many lines it dropped.
   */
  end(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#windowMs = -Infinity;
    return dropped;
  }
}
