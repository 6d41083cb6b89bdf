/**
 * One party's place at the switch: its connection, while it has one, what it
 * sent and what waits for it. Imports `linux`'s descriptors and the framer.
 *
 * What waits has a lane for each sender, and the lanes are emptied in turn, so
 * that a party that floods another takes nothing from a third. A lane that is
 * nearly full holds its sender up (the server reads no more from it), which the
 * sender feels as a full socket, but not for long: a lane that did not make room
 * in time is overrun, and until it has, it holds nobody up, and what does not
 * fit is refused. So a receiver that is slow, or deaf, costs a sender a moment
 * now and then, and its frames to others go on. Answers to the party's own
 * mistakes have a lane of their own, so that only its own mistakes can hold it
 * up there.
 *
 * @module
 */
import { close, read, write } from "../linux/file.ts";
import { FRAME_SIZE_BYTES } from "../wire/frame.ts";
import { Framer } from "./framer.ts";

/** Frames of one read and of one write. */
const CHUNK_FRAMES = 32;
/** Frames that may wait in one lane. */
export const LANE_CAPACITY_FRAMES = 128;
/** From here on a lane holds its sender up: what one more read brings still fits. */
export const LANE_HIGH_FRAMES: number = LANE_CAPACITY_FRAMES - CHUNK_FRAMES;
/** Down here the sender goes on. */
export const LANE_LOW_FRAMES: number = LANE_HIGH_FRAMES / 2;
/** Reads and writes in one go; then others have their turn. */
const BATCH = 8;

/** What a party's place counts, since the switch began. */
export interface SwitchPortCounters {
  /** Connections that were made. */
  readonly connections: number;
  /** Whole frames that came from it. */
  readonly framesIn: number;
  /** Whole frames that were written to it. */
  readonly framesOut: number;
  /** Frames that waited for it when it left. */
  readonly framesLost: number;
  /** Frames that it left unfinished when it left. */
  readonly framesCut: number;
}

/** A first-in-first-out list of frames in one piece of memory. */
class Lane {
  readonly #bytes = new Uint8Array(LANE_CAPACITY_FRAMES * FRAME_SIZE_BYTES);
  #first = 0;
  #count = 0;
  /** Whether it has held its sender up for too long, and has no room yet. */
  isOverrun = false;

  get length(): number {
    return this.#count;
  }

  /** Copies a frame in, if there is room. */
  push(frame: Uint8Array): boolean {
    if (this.#count === LANE_CAPACITY_FRAMES) return false;
    const slot = (this.#first + this.#count) % LANE_CAPACITY_FRAMES;
    this.#bytes.set(frame, slot * FRAME_SIZE_BYTES);
    this.#count++;
    return true;
  }

  /** Copies up to so many of the first frames out; returns how many. */
  shiftInto(target: Uint8Array, offset: number, most: number): number {
    // Those up to the end of the memory lie side by side.
    const count = Math.min(
      most,
      this.#count,
      LANE_CAPACITY_FRAMES - this.#first,
    );
    const start = this.#first * FRAME_SIZE_BYTES;
    const end = start + count * FRAME_SIZE_BYTES;
    target.set(this.#bytes.subarray(start, end), offset);
    this.#first = (this.#first + count) % LANE_CAPACITY_FRAMES;
    this.#count -= count;
    return count;
  }
}

/** What a place tells. */
export interface SwitchPortEvents {
  /** A whole frame came: 256 bytes, good for the time of the call only. */
  readonly onFrame: (frame: Uint8Array) => void;
  /** The lane of a sender has room again, or is gone. */
  readonly onRoom: (from: string) => void;
}

/** One party's place. */
export class SwitchPort {
  /** The party. */
  readonly name: string;
  readonly #events: SwitchPortEvents;
  readonly #framer = new Framer();
  readonly #input = new Uint8Array(CHUNK_FRAMES * FRAME_SIZE_BYTES);
  readonly #output = new Uint8Array(CHUNK_FRAMES * FRAME_SIZE_BYTES);
  readonly #lanes = new Map<string, Lane>();
  /** Names of the lanes, in the order of their turns. */
  #turns: string[] = [];
  #outputStart = 0;
  #outputEnd = 0;
  #descriptor: number | null = null;
  #hasHungUp = false;
  #isWriteDead = false;
  #connections = 0;
  #framesIn = 0;
  #bytesOut = 0;
  #framesLost = 0;
  #framesCut = 0;

  /**
   * The parties that hold this one up, with the time since when; it is not read
   * from while there are any.
   */
  readonly heldBy: Map<string, number> = new Map();

  /**
   * Begins without a connection.
   *
   * @param name The party.
   * @param events Whom to tell; the functions must not throw.
   */
  constructor(name: string, events: SwitchPortEvents) {
    this.name = name;
    this.#events = events;
  }

  /** The connection, or null. */
  get descriptor(): number | null {
    return this.#descriptor;
  }

  /** Whether the party can get frames. */
  get isConnected(): boolean {
    return this.#descriptor !== null && !this.#isWriteDead;
  }

  /** Whether the party has closed its end; what it sent may be left to read. */
  get hasHungUp(): boolean {
    return this.#hasHungUp;
  }

  /** What happened so far. */
  get counters(): SwitchPortCounters {
    return {
      connections: this.#connections,
      framesIn: this.#framesIn,
      framesOut: Math.floor(this.#bytesOut / FRAME_SIZE_BYTES),
      framesLost: this.#framesLost,
      framesCut: this.#framesCut,
    };
  }

  /**
   * Whether a sender should wait until its lane has room.
   *
   * @param from The sender.
   */
  shouldHold(from: string): boolean {
    const lane = this.#lanes.get(from);
    return lane !== undefined && lane.length >= LANE_HIGH_FRAMES &&
      !lane.isOverrun;
  }

  /**
   * Gives up waiting for room in a sender's lane: it holds nobody up until it
   * has some.
   *
   * @param from The sender.
   */
  overrun(from: string): void {
    const lane = this.#lanes.get(from);
    if (lane !== undefined) lane.isOverrun = true;
  }

  /**
   * Takes a connection; there must be none.
   *
   * @param descriptor A stream with O_NONBLOCK; the place's own from now on.
   */
  attach(descriptor: number): void {
    this.#descriptor = descriptor;
    this.#hasHungUp = false;
    this.#isWriteDead = false;
    this.#connections++;
  }

  /** Closes the connection. What waited is lost, and counted. */
  detach(): void {
    if (this.#descriptor === null) return;
    close(this.#descriptor);
    this.#descriptor = null;
    if (this.#framer.reset() > 0) this.#framesCut++;
    this.#forgetOutput();
    this.heldBy.clear();
  }

  /** Notes that the party has closed its end. */
  hangUp(): void {
    this.#hasHungUp = true;
  }

  /**
   * Lets a frame wait for this party. {@linkcode SwitchPort.flush} sends it.
   *
   * @param from The sender, whose lane it waits in.
   * @param frame 256 bytes; they are copied.
   * @returns Whether there was room.
   */
  push(from: string, frame: Uint8Array): boolean {
    let lane = this.#lanes.get(from);
    if (lane === undefined) {
      lane = new Lane();
      this.#lanes.set(from, lane);
    }
    if (!lane.push(frame)) return false;
    if (lane.length === 1) this.#turns.push(from);
    return true;
  }

  get #hasOutput(): boolean {
    return this.#outputEnd > this.#outputStart || this.#turns.length > 0;
  }

  /**
   * Writes what waits, as far as the party takes it.
   *
   * @returns Whether more could be written at once.
   */
  flush(): boolean {
    const descriptor = this.#descriptor;
    if (descriptor === null || this.#isWriteDead) return false;
    for (let writes = 0; writes < BATCH; writes++) {
      if (this.#outputStart === this.#outputEnd) this.#fillOutput();
      if (this.#outputStart === this.#outputEnd) return false;
      let count: number | null;
      try {
        count = write(
          descriptor,
          this.#output.subarray(this.#outputStart, this.#outputEnd),
        );
      } catch {
        // It left. What it sent before may still be there to be read.
        this.#isWriteDead = true;
        this.#forgetOutput();
        return false;
      }
      if (count === null || count === 0) return false;
      this.#outputStart += count;
      this.#bytesOut += count;
    }
    return this.#hasOutput;
  }

  /**
   * Reads what came, unless somebody holds this party up.
   *
   * @returns `"more"` when there may be more, `"end"` when the party has left,
   * `"empty"` when all is read or must wait.
   */
  receive(): "more" | "end" | "empty" {
    const descriptor = this.#descriptor;
    if (descriptor === null) return "empty";
    for (let reads = 0; reads < BATCH; reads++) {
      if (this.heldBy.size > 0) return "empty";
      let count: number | null;
      try {
        count = read(descriptor, this.#input);
      } catch {
        return "end";
      }
      if (count === null) return "empty";
      if (count === 0) return "end";
      this.#framer.push(this.#input.subarray(0, count), (frame) => {
        this.#framesIn++;
        this.#events.onFrame(frame);
      });
    }
    return "more";
  }

  /** Takes frames off the lanes, one of each in turn; all at once off a single one. */
  #fillOutput(): void {
    this.#outputStart = 0;
    this.#outputEnd = 0;
    const roomy: string[] = [];
    while (this.#outputEnd < this.#output.length) {
      const from = this.#turns.shift();
      if (from === undefined) break;
      const lane = this.#lanes.get(from);
      if (lane === undefined) continue;
      const before = lane.length;
      const roomBytes = this.#output.length - this.#outputEnd;
      const most = this.#turns.length > 0 ? 1 : roomBytes / FRAME_SIZE_BYTES;
      const count = lane.shiftInto(this.#output, this.#outputEnd, most);
      this.#outputEnd += count * FRAME_SIZE_BYTES;
      if (before > LANE_LOW_FRAMES && lane.length <= LANE_LOW_FRAMES) {
        lane.isOverrun = false;
        roomy.push(from);
      }
      if (lane.length > 0) this.#turns.push(from);
    }
    for (const from of roomy) this.#events.onRoom(from);
  }

  #forgetOutput(): void {
    const senders = [...this.#lanes.keys()];
    for (const lane of this.#lanes.values()) this.#framesLost += lane.length;
    this.#framesLost += Math.ceil(
      (this.#outputEnd - this.#outputStart) / FRAME_SIZE_BYTES,
    );
    // The next connection begins with a whole frame.
    this.#bytesOut -= this.#bytesOut % FRAME_SIZE_BYTES;
    this.#lanes.clear();
    this.#turns = [];
    this.#outputStart = 0;
    this.#outputEnd = 0;
    for (const from of senders) this.#events.onRoom(from);
  }
}
