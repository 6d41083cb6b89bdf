/**
 * When something that a device refused is tried again: at once after news of it,
 * then after ever more occasions. It counts occasions and not time, since a disk
 * that nobody writes to need not be tried. Pure; imports nothing.
 *
 * @module
 */

/** The most occasions that are let pass. */
const MAXIMUM_PAUSE = 1024;

/**
 * Counts down to the next try.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { RetryPace } from "./retry_pace.ts";
 *
 * const pace = new RetryPace(1);
 * assertEquals(pace.isDue(), true);
 * pace.failed();
 * assertEquals(pace.isDue(), true);
 * pace.failed();
 * assertEquals([pace.isDue(), pace.isDue()], [false, true]);
 * ```
 */
export class RetryPace {
  readonly #firstPause: number;
  #pause: number;
  #left = 0;

  /**
   * Begins with a try that is due.
   *
   * @param firstPause After the first failure, which occasion is the next try: 1
   * for the very next one.
   */
  constructor(firstPause: number) {
    this.#firstPause = firstPause;
    this.#pause = firstPause;
  }

  /** There is an occasion: says whether to use it. */
  isDue(): boolean {
    return --this.#left <= 0;
  }

  /** The next occasion is to be used. */
  hurry(): void {
    this.#left = 0;
  }

  /** The try failed: the pause to the next one doubles each time. */
  failed(): void {
    this.#left = this.#pause;
    this.#pause = Math.min(2 * this.#pause, MAXIMUM_PAUSE);
  }

  /** The try succeeded: the pauses begin anew. */
  succeeded(): void {
    this.#left = 0;
    this.#pause = this.#firstPause;
  }
}
