/**
 * A queue between a writer that never waits and one reader that does: bounded,
 * and what finds no room pushes out the oldest. Imports nothing.
 *
 * @module
 */

/**
 * An async iterable over what somebody pushes. Made for one reader.
 *
 * @example
 * ```ts
 * import { BoundedStream } from "./bounded_stream.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const stream = new BoundedStream<number>(2);
 * for (const item of [1, 2, 3]) stream.push(item);
 * stream.end();
 * assertEquals(stream.droppedCount, 1);
 * assertEquals(await Array.fromAsync(stream), [2, 3]);
 * ```
 */
export class BoundedStream<T> implements AsyncIterableIterator<T> {
  readonly #capacity: number;
  readonly #onEnd: () => void;
  // In a box, so that an item may be undefined.
  #items: { readonly value: T }[] = [];
  #waiting: ((result: IteratorResult<T>) => void)[] = [];
  #isEnded = false;
  #droppedCount = 0;

  /**
   * Begins empty.
   *
   * @param capacity How many items may wait for the reader, at least 1.
   * @param onEnd Called once when the stream ends, from either side.
   */
  constructor(capacity: number, onEnd: () => void = () => {}) {
    this.#capacity = capacity;
    this.#onEnd = onEnd;
  }

  /** How many items were pushed out before they were read. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  /** How many items wait for the reader. */
  get waitingCount(): number {
    return this.#items.length;
  }

  /**
   * Hands an item to the reader, now or when it asks. Nothing happens once the
   * stream has ended.
   *
   * @param item What to hand over.
   */
  push(item: T): void {
    if (this.#isEnded) return;
    const reader = this.#waiting.shift();
    if (reader !== undefined) return reader({ done: false, value: item });
    if (this.#items.length >= this.#capacity) {
      this.#items.shift();
      this.#droppedCount++;
    }
    this.#items.push({ value: item });
  }

  /** Ends the stream: what waits can still be read, nothing new comes. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const reader of this.#waiting) {
      reader({ done: true, value: undefined });
    }
    this.#waiting = [];
    this.#onEnd();
  }

  /**
   * The next item.
   *
   * @returns The item, or that the stream has ended.
   */
  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, ...item });
    if (this.#isEnded) {
      return Promise.resolve({ done: true, value: undefined });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Ends the stream from the reader's side, as `break` in a loop does.
   *
   * @returns That it has ended.
   */
  return(): Promise<IteratorResult<T>> {
    this.#items = [];
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  /**
   * The stream itself.
   *
   * @returns Itself.
   */
  [Symbol.asyncIterator](): this {
    return this;
  }
}
