/**
 * Virtual time: what is to happen, in the order of its time, and in the order
 * in which it was asked for at the same time. Imports nothing.
 *
 * @module
 */

/** Something that is to happen. */
export interface Entry {
  readonly atMs: number;
  readonly order: number;
  /** Null once it was taken back. */
  run: (() => void) | null;
}

/** The clock and everything that waits for it: a heap by time and order. */
export class Agenda {
  readonly #heap: Entry[] = [];
  #nowMs = 0;
  #order = 0;

  /** The time, in milliseconds. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** When the next thing happens; Infinity when nothing will. */
  get nextMs(): number {
    while (this.#heap[0]?.run === null) this.#pop();
    return this.#heap[0]?.atMs ?? Infinity;
  }

  /**
   * Plans something.
   *
   * @param atMs When; not before now. Nothing is planned for Infinity.
   * @param run What.
   * @returns The entry, whose `run` can be set to null to take it back.
   */
  at(atMs: number, run: () => void): Entry {
    const entry: Entry = {
      atMs: Math.max(atMs, this.#nowMs),
      order: this.#order++,
      run,
    };
    if (atMs !== Infinity) this.#push(entry);
    return entry;
  }

  /** Goes on to the next thing, and does it. */
  runNext(): void {
    const { nextMs } = this;
    const entry = this.#pop();
    if (entry === undefined) return;
    this.#nowMs = Math.max(this.#nowMs, nextMs);
    const { run } = entry;
    entry.run = null;
    run?.();
  }

  /** Lets time pass; what was due meanwhile is late. */
  pass(untilMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Forgets everything that was planned. */
  clear(): void {
    this.#heap.length = 0;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const other = heap[parent];
      if (other === undefined || !isBefore(entry, other)) break;
      heap[index] = other;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) {
      return first;
    }
    let index = 0;
    while (true) {
      let child = 2 * index + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      let least = left;
      if (right !== undefined && isBefore(right, left)) {
        child++;
        least = right;
      }
      if (!isBefore(least, last)) break;
      heap[index] = least;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.atMs < other.atMs ||
    (one.atMs === other.atMs && one.order < other.order);
}
