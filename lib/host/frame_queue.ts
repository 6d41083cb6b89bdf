/**
 * The frames that wait for the host: three lanes of fixed size, taken in the
 * order in which they came. A frame is copied in and copied out, so that none
 * needs memory of its own. Pure; imports the size of a frame.
 *
 * | lane | holds | when it is full |
 * |---|---|---|
 * | answer | what was asked for | the new frame is refused: one that waits is never dropped |
 * | error | ERROR frames | the new frame is refused |
 * | telemetry | what nobody asked for | the oldest makes room |
 *
 * @module
 */
import { FRAME_SIZE_BYTES } from "../wire/frame.ts";

/** What a frame is worth. */
export type FrameLane = "answer" | "error" | "telemetry";

/** How many frames each lane holds. */
export const LANE_CAPACITY_FRAMES: Readonly<Record<FrameLane, number>> = {
  answer: 1024,
  error: 64,
  telemetry: 256,
};

/** A frame that was taken and not sent. */
export interface UnsentFrame {
  /** 256 bytes. */
  readonly frame: Uint8Array;
  /** Its lane. */
  readonly lane: FrameLane;
}

/** A first-in-first-out list of frames in one piece of memory. */
class Ring {
  readonly #capacity: number;
  readonly #bytes: Uint8Array;
  /** The number of each frame: lower ones go first. */
  readonly #orders: number[];
  #first = 0;
  length = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#bytes = new Uint8Array(capacity * FRAME_SIZE_BYTES);
    this.#orders = new Array(capacity).fill(0);
  }

  get isFull(): boolean {
    return this.length === this.#capacity;
  }

  /** The number of the first frame; Infinity when there is none. */
  get firstOrder(): number {
    return this.length === 0 ? Infinity : this.#orders[this.#first] ?? Infinity;
  }

  push(frame: Uint8Array, order: number): void {
    this.#put((this.#first + this.length) % this.#capacity, frame, order);
    this.length++;
  }

  unshift(frame: Uint8Array, order: number): void {
    this.#first = (this.#first + this.#capacity - 1) % this.#capacity;
    this.#put(this.#first, frame, order);
    this.length++;
  }

  #put(slot: number, frame: Uint8Array, order: number): void {
    this.#bytes.set(frame, slot * FRAME_SIZE_BYTES);
    this.#orders[slot] = order;
  }

  /** Copies the first frame out. */
  shiftInto(target: Uint8Array, offset: number): void {
    const at = this.#first * FRAME_SIZE_BYTES;
    target.set(this.#bytes.subarray(at, at + FRAME_SIZE_BYTES), offset);
    this.drop(1);
  }

  /** Forgets so many from the front. */
  drop(count: number): void {
    this.#first = (this.#first + count) % this.#capacity;
    this.length -= count;
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
 * const frame = new Uint8Array(256);
 * assertEquals(queue.droppedFrames, 1);
 * assertEquals([queue.shiftInto(frame, 0), frame[0]], ["telemetry", 1]);
 * ```
 */
export class FrameQueue {
  readonly #lanes: Readonly<Record<FrameLane, Ring>> = {
    answer: new Ring(LANE_CAPACITY_FRAMES.answer),
    error: new Ring(LANE_CAPACITY_FRAMES.error),
    telemetry: new Ring(LANE_CAPACITY_FRAMES.telemetry),
  };
  #nextOrder = 0;
  /** Below it are the numbers of frames that were taken back. */
  #lowestOrder = 0;
  #droppedFrames = 0;

  /** Frames that found no room, made room for others, or lost their reader. */
  get droppedFrames(): number {
    return this.#droppedFrames;
  }

  /** How many frames wait. */
  get length(): number {
    const { answer, error, telemetry } = this.#lanes;
    return answer.length + error.length + telemetry.length;
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
   * @param frame 256 bytes; they are copied.
   * @param lane What it is worth.
   * @returns Whether it was taken.
   * @throws {RangeError} If it is of another size.
   */
  push(frame: Uint8Array, lane: FrameLane): boolean {
    if (frame.length !== FRAME_SIZE_BYTES) {
      throw new RangeError(
        `a frame of ${frame.length} bytes, expected ${FRAME_SIZE_BYTES}`,
      );
    }
    const ring = this.#lanes[lane];
    if (ring.isFull) {
      this.#droppedFrames++;
      if (lane !== "telemetry") return false;
      ring.drop(1);
    }
    ring.push(frame, this.#nextOrder++);
    return true;
  }

  /**
   * Takes the frame that came first.
   *
   * @param target Where it is copied to.
   * @param offset Where in it, in bytes; there are 256 bytes from there on.
   * @returns Its lane, or null when none waits.
   */
  shiftInto(target: Uint8Array, offset: number): FrameLane | null {
    const { answer, error, telemetry } = this.#lanes;
    let lane: FrameLane = "answer";
    let firstOrder = answer.firstOrder;
    if (error.firstOrder < firstOrder) {
      lane = "error";
      firstOrder = error.firstOrder;
    }
    if (telemetry.firstOrder < firstOrder) {
      lane = "telemetry";
      firstOrder = telemetry.firstOrder;
    }
    if (firstOrder === Infinity) return null;
    this.#lanes[lane].shiftInto(target, offset);
    return lane;
  }

  /**
   * Forgets answers and ERROR frames: whom they were for has gone.
   */
  dropAnswers(): void {
    for (const lane of ["answer", "error"] as const) {
      const ring = this.#lanes[lane];
      this.#droppedFrames += ring.length;
      ring.drop(ring.length);
    }
  }

  /**
   * Takes frames back that were taken and not sent; they stand first again.
   * Answers, and telemetry for which there is no more room, are dropped.
   *
   * @param taken The frames, in the order in which they were taken.
   */
  restore(taken: readonly UnsentFrame[]): void {
    for (const { frame, lane } of taken.toReversed()) {
      const ring = this.#lanes.telemetry;
      if (lane === "telemetry" && !ring.isFull) {
        ring.unshift(frame, --this.#lowestOrder);
      } else this.#droppedFrames++;
    }
  }
}
