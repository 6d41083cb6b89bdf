/**
 * The frames that wait for the host: four lanes of fixed size, taken in the
 * order in which they came. A frame is copied in and copied out, so that none
 * needs memory of its own. Pure; imports the size of a frame.
 *
 * | lane | holds | when it is full | when the host has gone |
 * |---|---|---|---|
 * | answer | what was asked for | the new frame is refused: one that waits is never dropped | is dropped |
 * | error | ERROR frames | the new frame is refused | is dropped |
 * | telemetry | how the machine is, and lines of the log | the oldest makes room | is dropped |
 * | event | events, and what products there are | the oldest makes room | waits for the next host |
 *
 * The events that a host finds waiting are its backlog: whatever else waits goes
 * before them, but for one of them in each {@linkcode BACKLOG_SHARE} frames. So
 * what a host asks first is answered first, and a host that never stops asking
 * has its backlog all the same.
 *
 * @module
 */
import { FRAME_SIZE_BYTES } from "../wire/frame.ts";

/** What a frame is worth. */
export type FrameLane = "answer" | "error" | "telemetry" | "event";

/** How many frames each lane holds. */
export const LANE_CAPACITY_FRAMES: Readonly<Record<FrameLane, number>> = {
  answer: 1024,
  error: 64,
  telemetry: 256,
  event: 256,
};

/** While other frames wait, one of so many is of the backlog. */
export const BACKLOG_SHARE = 16;

/** A frame that was taken and not sent. */
export interface UnsentFrame {
  /** 256 bytes. */
  readonly frame: Uint8Array;
  /** Its lane. */
  readonly lane: FrameLane;
  /** Its number, as {@linkcode FrameQueue.takenOrder} told it. */
  readonly order: number;
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
    event: new Ring(LANE_CAPACITY_FRAMES.event),
  };
  #nextOrder = 0;
  #takenOrder = -1;
  /** Events below this number were there before the host. */
  #backlogEnd = 0;
  /** Frames that went before the backlog since the last one of it. */
  #overtook = 0;
  #droppedFrames = 0;

  /** Frames that found no room, made room for others, or lost their reader. */
  get droppedFrames(): number {
    return this.#droppedFrames;
  }

  /** How many frames wait. */
  get length(): number {
    const { answer, error, telemetry, event } = this.#lanes;
    return answer.length + error.length + telemetry.length + event.length;
  }

  /** The number that the next frame will have: lower ones came before. */
  get nextOrder(): number {
    return this.#nextOrder;
  }

  /**
   * Gives a frame its number that need not wait here.
   *
   * @returns The number; whatever comes next has a higher one.
   */
  takeOrder(): number {
    return this.#nextOrder++;
  }

  /** The number of the frame that was taken last; -1 before any was. */
  get takenOrder(): number {
    return this.#takenOrder;
  }

  /** Whether events wait that were there before the host. */
  get hasBacklog(): boolean {
    return this.#lanes.event.firstOrder < this.#backlogEnd;
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
      if (lane === "answer" || lane === "error") return false;
      ring.drop(1);
    }
    ring.push(frame, this.#nextOrder++);
    return true;
  }

  /**
   * Takes the frame that came first, or that goes before the backlog.
   *
   * @param target Where it is copied to.
   * @param offset Where in it, in bytes; there are 256 bytes from there on.
   * @returns Its lane, or null when none waits.
   */
  shiftInto(target: Uint8Array, offset: number): FrameLane | null {
    const { answer, error, telemetry, event } = this.#lanes;
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
    const eventOrder = event.firstOrder;
    if (eventOrder < firstOrder) {
      const isOvertaken = firstOrder !== Infinity && this.hasBacklog &&
        ++this.#overtook < BACKLOG_SHARE;
      if (!isOvertaken) {
        this.#overtook = 0;
        lane = "event";
        firstOrder = eventOrder;
      }
    }
    if (firstOrder === Infinity) return null;
    this.#takenOrder = firstOrder;
    this.#lanes[lane].shiftInto(target, offset);
    return lane;
  }

  /** A host has come: the events that wait are its backlog. */
  beginBacklog(): void {
    this.#backlogEnd = this.#nextOrder;
  }

  /**
   * Forgets all but the events: whom the rest was for has gone.
   *
   * @param keepFrom Frames with this number or a higher one stay; none unless
   * given.
   */
  dropOwed(keepFrom = Infinity): void {
    for (const lane of ["answer", "error", "telemetry"] as const) {
      const ring = this.#lanes[lane];
      while (ring.firstOrder < keepFrom) {
        ring.drop(1);
        this.#droppedFrames++;
      }
    }
  }

  /**
   * Takes frames back that were taken and not sent; they stand first again.
   * Those for which there is no more room, and those whom
   * {@linkcode FrameQueue.dropOwed} would not keep, are dropped.
   *
   * @param taken The frames, in the order in which they were taken.
   * @param keepFrom As `dropOwed` has it.
   */
  restore(taken: readonly UnsentFrame[], keepFrom = Infinity): void {
    for (const { frame, lane, order } of taken.toReversed()) {
      const ring = this.#lanes[lane];
      const isKept = lane === "event" || order >= keepFrom;
      if (isKept && !ring.isFull) ring.unshift(frame, order);
      else this.#droppedFrames++;
    }
  }
}
