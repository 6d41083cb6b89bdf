/**
 * The frames that wait for the host: three lanes of fixed size, taken in the
 * order in which they came. Pure; imports nothing.
 *
 * | lane | holds | when it is full |
 * |---|---|---|
 * | answer | what was asked for | the new frame is refused: one that waits is never dropped |
 * | error | ERROR frames | the new frame is refused |
 * | telemetry | what nobody asked for | the oldest makes room |
 *
 * @module
 */

/** What a frame is worth. */
export type FrameLane = "answer" | "error" | "telemetry";

/** How many frames each lane holds. */
export const LANE_CAPACITY_FRAMES: Readonly<Record<FrameLane, number>> = {
  answer: 1024,
  error: 64,
  telemetry: 256,
};

/** A frame that waits. */
export interface QueuedFrame {
  /** 256 bytes. */
  readonly frame: Uint8Array;
  /** Its lane. */
  readonly lane: FrameLane;
  /** Its number: lower ones go first. */
  readonly order: number;
}

/** A first-in-first-out list over a fixed array. */
class Ring {
  readonly #slots: (QueuedFrame | undefined)[];
  #first = 0;
  length = 0;

  constructor(capacity: number) {
    this.#slots = new Array(capacity).fill(undefined);
  }

  get isFull(): boolean {
    return this.length === this.#slots.length;
  }

  peek(): QueuedFrame | undefined {
    return this.length === 0 ? undefined : this.#slots[this.#first];
  }

  push(queued: QueuedFrame): void {
    this.#slots[(this.#first + this.length) % this.#slots.length] = queued;
    this.length++;
  }

  unshift(queued: QueuedFrame): void {
    this.#first = (this.#first + this.#slots.length - 1) % this.#slots.length;
    this.#slots[this.#first] = queued;
    this.length++;
  }

  shift(): QueuedFrame | undefined {
    const queued = this.peek();
    if (queued === undefined) return undefined;
    this.#slots[this.#first] = undefined;
    this.#first = (this.#first + 1) % this.#slots.length;
    this.length--;
    return queued;
  }
}

/**
 * The queue of a link.
 *
 * @example
 * ```ts
 * import { FrameQueue, LANE_CAPACITY_FRAMES } from "./frame_queue.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const queue = new FrameQueue();
 * for (let value = 0; value <= LANE_CAPACITY_FRAMES.telemetry; value++) {
 *   queue.push(new Uint8Array(256).fill(value), "telemetry");
 * }
 * assertEquals(queue.droppedFrames, 1);
 * assertEquals(queue.shift()?.frame[0], 1);
 * ```
 */
export class FrameQueue {
  readonly #lanes: Readonly<Record<FrameLane, Ring>> = {
    answer: new Ring(LANE_CAPACITY_FRAMES.answer),
    error: new Ring(LANE_CAPACITY_FRAMES.error),
    telemetry: new Ring(LANE_CAPACITY_FRAMES.telemetry),
  };
  #nextOrder = 0;
  #droppedFrames = 0;

  /** Frames that found no room, made room for others, or lost their reader. */
  get droppedFrames(): number {
    return this.#droppedFrames;
  }

  /**
   * How many frames of a lane wait.
   *
   * @param lane The lane.
   * @returns 0 to its capacity.
   */
  waiting(lane: FrameLane): number {
    return this.#lanes[lane].length;
  }

  /**
   * Adds a frame.
   *
   * @param frame 256 bytes; must not be changed afterwards.
   * @param lane What it is worth.
   * @returns Whether it was taken.
   */
  push(frame: Uint8Array, lane: FrameLane): boolean {
    const ring = this.#lanes[lane];
    if (ring.isFull) {
      this.#droppedFrames++;
      if (lane !== "telemetry") return false;
      ring.shift();
    }
    ring.push({ frame, lane, order: this.#nextOrder++ });
    return true;
  }

  /**
   * Takes the frame that came first.
   *
   * @returns The frame, or undefined when none waits.
   */
  shift(): QueuedFrame | undefined {
    let best: Ring | undefined;
    let bestOrder = Infinity;
    for (const ring of Object.values(this.#lanes)) {
      const order = ring.peek()?.order ?? Infinity;
      if (order < bestOrder) {
        best = ring;
        bestOrder = order;
      }
    }
    return best?.shift();
  }

  /**
   * Forgets answers and ERROR frames: whom they were for has gone.
   */
  dropAnswers(): void {
    for (const lane of ["answer", "error"] as const) {
      while (this.#lanes[lane].shift() !== undefined) this.#droppedFrames++;
    }
  }

  /**
   * Takes frames back that were taken and not sent; they stand first again.
   * Answers, and telemetry for which there is no more room, are dropped.
   *
   * @param taken The frames, in the order in which they were taken.
   */
  restore(taken: readonly QueuedFrame[]): void {
    for (const queued of taken.toReversed()) {
      const ring = this.#lanes.telemetry;
      if (queued.lane === "telemetry" && !ring.isFull) ring.unshift(queued);
      else this.#droppedFrames++;
    }
  }
}
