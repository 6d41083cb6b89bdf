/**
 * The link to the host: whole frames in both directions over one virtio-serial
 * port, for ever, whatever the host does. The host may be away (the port then
 * reports a hang-up all the time), come and go in the middle of a frame, stop
 * reading, or write without end. Imports `linux`, `wire` and this room.
 *
 * - Frames wait in a `FrameQueue`, whose lanes are bounded.
 * - What is read in one turn is bounded; then the others have theirs.
 * - A host that is owed many ERROR frames is read no further until it has
 *   taken some, but for a batch each {@linkcode STALL_MS}: so one that reads
 *   gets an ERROR for each bad frame, and one that does not can still command.
 * - A frame that has begun and does not end is discarded at hang-up, and also
 *   when another host's first frame follows it: a hang-up that lasts less than
 *   a moment is not reported, but the kernel never joins what two connections
 *   sent, so a piece that is whole frames and nothing else begins with one:
 *   {@linkcode isWholeFrames} says why the rest of a frame is not, and what
 *   doubt remains. A host that wants to be sure writes whole frames. Where there
 *   was news of a hang-up, or the port did end, a head will do.
 * - The news of a hang-up may be older than the first question of the host that
 *   came next, which then lies behind what the last one left unread. So what is
 *   read after that news may be the next host's: its answers wait for a host
 *   for {@linkcode LEAVE_MS}; then the port is asked, and if nobody is there
 *   they were nobody's. So it is with what a host wrote that came and went
 *   before any news of it.
 * - The news may also be younger than that question: who has gone is told by
 *   another thread of the kernel than what came. So what began to wait less than
 *   {@linkcode LATE_NEWS_MS} before the news waits on.
 * - A hang-up that lasts less than a moment is no news at all. Whoever comes then
 *   is given what the last one has left, and passes over it.
 * - The events that a host finds waiting leave a few at a time, and what it asks
 *   meanwhile is answered between them.
 *
 * @module
 */
import { close, open, read, write } from "../linux/file.ts";
import type { Poller, PollEvents } from "../linux/poller.ts";
import { FRAME_SIZE_BYTES } from "../wire/frame.ts";
import {
  type FrameLane,
  FrameQueue,
  LANE_CAPACITY_FRAMES,
} from "./frame_queue.ts";
import { beginsFrame, Framer, isWholeFrames } from "./framer.ts";

/**
 * What is read in one turn; then everybody else has his. Few, since each bad
 * frame costs an answer: a flood must not keep the answers of the disk waiting.
 */
const TURN_BYTES = 4096;

/** A read gets no more from a port: QEMU hands over this much at once. */
const READ_BUFFER_BYTES = 4096;

/** Frames of one write: each write to a port interrupts the host. */
const WRITE_BATCH_FRAMES = 16;

/** Answers to the first piece of a turn that do not wait for those to the next. */
const FEW_FRAMES = WRITE_BATCH_FRAMES / 2;

/** How long a host that takes no ERROR frames waits for its next batch to be read. */
export const STALL_MS = 100;

/** How long answers to what was read after a hang-up wait for the next host. */
export const LEAVE_MS = 100;

/** How much younger than the next host's question the news of a hang-up may be. */
export const LATE_NEWS_MS = 500;

/**
 * Of a port that takes nothing it is noted so often what waits by then: what
 * came so much later counts as old as that.
 */
const STALL_NOTE_MS = LATE_NEWS_MS / 4;

/** The counters of a link; each starts at 0 when the link is opened. */
export interface LinkCounters {
  /** Whole frames received. */
  readonly framesIn: number;
  /** Whole frames written. */
  readonly framesOut: number;
  /** Frames that the queue had no room for, or whose reader went away. */
  readonly framesDropped: number;
}

/** What a link tells. */
export interface LinkEvents {
  /** A whole frame came: 256 bytes, good for the time of the call only. */
  readonly onFrame: (frame: Uint8Array) => void;
  /** The host opened its end, or closed it. */
  readonly onConnected: (isConnected: boolean) => void;
  /**
   * Whoever sent the frames that came since the host closed its end has gone,
   * too: their answers are owed to nobody.
   */
  readonly onForgotten?: () => void;
  /** The host has taken frames: there is room for more. */
  readonly onRoom?: () => void;
}

/** What a link needs of its port; nothing of it waits. */
export interface LinkPort {
  /**
   * Reads what is there.
   *
   * @param buffer Takes the bytes.
   * @returns How many; 0 without a host, null when there is nothing to read.
   */
  read(buffer: Uint8Array): number | null;
  /**
   * Writes as much as the port takes.
   *
   * @param bytes The bytes.
   * @returns How many it took; null for none.
   * @throws {Error} When the port is gone.
   */
  write(bytes: Uint8Array): number | null;
  /** Reports each change of what the port can do, beginning with how it is. */
  listen(onPolled: (polled: PollEvents) => void): void;
  /**
   * Says whether room to write is of interest, as it is at first. Where it is
   * not, a change of it need not be reported; where it is again, it is reported
   * how the port is.
   */
  watchRoom(isWatched: boolean): void;
  /** Reports anew what there is to read. */
  rearm(): void;
  /** Lets the port go. */
  close(): void;
}

/** What waited at a moment in which the port took nothing. */
interface StallNote {
  readonly timeMs: number;
  /** Frames below this number. */
  order: number;
}

/** Views of the frames that bytes hold from their beginning on. */
function framesOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from(
    { length: Math.floor(bytes.length / FRAME_SIZE_BYTES) },
    (_, index) =>
      bytes.subarray(index * FRAME_SIZE_BYTES, (index + 1) * FRAME_SIZE_BYTES),
  );
}

/**
 * A port behind a descriptor.
 *
 * @param descriptor An open port, or a stream socket in its place, with
 * O_NONBLOCK; the port's own from now on.
 * @param poller Says when it can be read or written.
 * @returns The port.
 */
export function descriptorPort(descriptor: number, poller: Poller): LinkPort {
  const interest = { read: true, edge: true, linger: true } as const;
  return {
    read: (buffer) => read(descriptor, buffer),
    write: (bytes) => write(descriptor, bytes),
    listen: (onPolled) =>
      poller.add(descriptor, { ...interest, write: true }, onPolled),
    watchRoom: (isWatched) =>
      poller.modify(descriptor, { ...interest, write: isWatched }),
    rearm: () => poller.rearm(descriptor),
    close: () => {
      poller.remove(descriptor);
      close(descriptor);
    },
  };
}

/** One open port. */
export class HostLink {
  readonly #port: LinkPort;
  readonly #events: LinkEvents;
  readonly #framer = new Framer();
  readonly #buffer = new Uint8Array(READ_BUFFER_BYTES);
  readonly #queue = new FrameQueue();
  readonly #nowMs: () => number;
  /** Views of the frames that a read of nothing but whole ones has brought. */
  readonly #wholeFrames = framesOf(this.#buffer);
  /** The frames under way: how many, their lanes and numbers, and how many bytes are written. */
  #batchFrames = 0;
  readonly #batchLanes: FrameLane[] = new Array(WRITE_BATCH_FRAMES).fill(
    "answer",
  );
  readonly #batchOrders: number[] = new Array(WRITE_BATCH_FRAMES).fill(0);
  readonly #batchBytes = new Uint8Array(WRITE_BATCH_FRAMES * FRAME_SIZE_BYTES);
  #writtenBytes = 0;
  #stallTimer: ReturnType<typeof setTimeout> | undefined;
  #leaveTimer: ReturnType<typeof setTimeout> | undefined;
  /** The port was asked whether there is a host, and what was read without one is forgotten if not. */
  #isHostAwaited = false;
  /** Since the queue was last empty, oldest first; the first covers what is older. */
  readonly #stallNotes: StallNote[] = [];
  /** The host has hung up, and what it left is not read to its end. */
  #isLeaving = false;
  /** Something was read without a host that we know of. */
  #hasReadAlone = false;
  /** Frames leave together, when all that is at hand is done. */
  #isGathering = false;
  #isConnected = false;
  /** Whether the port tells of room to write: each write makes some, later. */
  #isRoomWatched = true;
  /** The port ended like one that is hung up since the last piece came. */
  #mayHaveLeft = false;
  #isClosed = false;
  #framesIn = 0;
  #framesOut = 0;

  /**
   * Begins to listen.
   *
   * @param port The port; the link's own from now on.
   * @param events Whom to tell; the functions must not throw.
   * @param nowMs A clock that never goes back, milliseconds.
   * @throws {SystemError} If the port can't be waited for.
   */
  constructor(
    port: LinkPort,
    events: LinkEvents,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#port = port;
    this.#events = events;
    this.#nowMs = nowMs;
    port.listen((polled) => this.#onPolled(polled));
  }

  /**
   * Begins to listen to an open descriptor.
   *
   * @param descriptor An open port, or a stream socket in its place, with
   * O_NONBLOCK; the link's own from now on.
   * @param poller Says when the port can be read or written.
   * @param events Whom to tell; the functions must not throw.
   * @returns The link.
   * @throws {SystemError} If the descriptor can't be waited for.
   */
  static over(
    descriptor: number,
    poller: Poller,
    events: LinkEvents,
  ): HostLink {
    return new HostLink(descriptorPort(descriptor, poller), events);
  }

  /**
   * Opens a port and begins to listen.
   *
   * @param path The port's device node.
   * @param poller Says when the port can be read or written.
   * @param events Whom to tell; the functions must not throw.
   * @returns The link.
   * @throws {SystemError} ENOENT without such a port, EBUSY when another
   * program has it.
   */
  static open(path: string, poller: Poller, events: LinkEvents): HostLink {
    const descriptor = open(path, ["readWrite", "nonblock"]);
    try {
      return HostLink.over(descriptor, poller, events);
    } catch (error) {
      close(descriptor);
      throw error;
    }
  }

  /** Whether the host has its end open, as far as the port tells. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** The counters so far. */
  get counters(): LinkCounters {
    return {
      framesIn: this.#framesIn,
      framesOut: this.#framesOut,
      framesDropped: this.#queue.droppedFrames,
    };
  }

  /**
   * How many more frames a lane holds now.
   *
   * @param lane The lane.
   * @returns 0 to its capacity.
   */
  room(lane: FrameLane): number {
    return LANE_CAPACITY_FRAMES[lane] - this.#queue.waiting(lane);
  }

  /**
   * Sends a frame now, or as soon as the host takes it.
   *
   * @param frame 256 bytes; they are copied.
   * @param lane What it is worth.
   * @returns Whether it was taken.
   */
  send(frame: Uint8Array, lane: FrameLane): boolean {
    const isTaken = this.#mayJoinBatch(frame)
      ? this.#joinBatch(frame, lane)
      : this.#queue.push(frame, lane);
    if (!this.#isGathering || this.#waiting() >= WRITE_BATCH_FRAMES) {
      this.#flush();
    }
    return isTaken;
  }

  /**
   * Has the frames that are sent meanwhile leave together, as the answers to
   * what is being read do.
   *
   * @param action Sends them.
   */
  gather(action: () => void): void {
    if (this.#isGathering) return action();
    this.#isGathering = true;
    try {
      action();
    } finally {
      this.#isGathering = false;
    }
    this.#flush();
  }

  /** Whether a frame would leave the queue as soon as it was in it. */
  #mayJoinBatch(frame: Uint8Array): boolean {
    return this.#isConnected && this.#writtenBytes === 0 &&
      this.#batchFrames < WRITE_BATCH_FRAMES && this.#queue.length === 0 &&
      frame.length === FRAME_SIZE_BYTES;
  }

  #joinBatch(frame: Uint8Array, lane: FrameLane): true {
    const index = this.#batchFrames++;
    this.#batchLanes[index] = lane;
    this.#batchOrders[index] = this.#queue.takeOrder();
    this.#batchBytes.set(frame, index * FRAME_SIZE_BYTES);
    return true;
  }

  /** Closes the port. What waits is lost. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#stallTimer);
    clearTimeout(this.#leaveTimer);
    this.#port.close();
  }

  readonly #onFrame = (frame: Uint8Array): void => {
    this.#framesIn++;
    this.#events.onFrame(frame);
  };

  #onPolled(polled: PollEvents): void {
    if (polled.hangup) this.#hangUp();
    else this.#connected(true);
    this.#flush();
    this.#takeTurn(polled.hangup);
    this.#watchRoom(this.#needsRoom());
  }

  #needsRoom(): boolean {
    return !this.#isConnected || this.#batchFrames > 0 ||
      this.#queue.hasBacklog;
  }

  /** A host that comes is told as room to write; one that is there need not be. */
  #watchRoom(isWatched: boolean): void {
    if (this.#isClosed || isWatched === this.#isRoomWatched) return;
    this.#isRoomWatched = isWatched;
    this.#port.watchRoom(isWatched);
  }

  /** Reads for a while, answers, and sees to it that the rest is read later. */
  #takeTurn(hasHungUp: boolean, isForced = false): void {
    this.#isGathering = true;
    let outcome: "empty" | "more" | "stalled";
    try {
      outcome = this.#receive(hasHungUp, isForced);
    } finally {
      this.#isGathering = false;
    }
    if (outcome === "empty") this.#drained();
    this.#flush();
    const mayGoOn = outcome === "stalled" && this.#hasErrorRoom();
    this.#goOn(mayGoOn ? "more" : outcome);
  }

  /** Sees to it that what was left unread is read, now or later. */
  #goOn(outcome: "empty" | "more" | "stalled"): void {
    if (this.#isClosed || outcome === "empty") return;
    // Only changes are reported: what was left must be asked for.
    if (outcome === "more") return this.#port.rearm();
    const framesOut = this.#framesOut;
    this.#stallTimer ??= setTimeout(() => {
      this.#stallTimer = undefined;
      // If it is we who stood still, the news that it took some is on its way.
      this.#flush();
      this.#takeTurn(false, this.#framesOut === framesOut);
    }, STALL_MS);
  }

  /** Reads for a while. Who has hung up waits for no answer. */
  #receive(
    hasHungUp: boolean,
    isForced: boolean,
  ): "empty" | "more" | "stalled" {
    for (let bytes = 0; bytes < TURN_BYTES;) {
      const isFirst = bytes === 0;
      if (!hasHungUp && !(isForced && isFirst) && !this.#hasErrorRoom()) {
        return "stalled";
      }
      const count = this.#read();
      if (count === null) return "empty";
      if (count === 0) {
        this.#hangUp();
        return "empty";
      }
      bytes += count;
      this.#take(count);
      if (this.#isClosed) return "empty";
      // Whoever asks one thing after another need not wait until we have found
      // nothing more; the answers to many leave together.
      if (isFirst && this.#waiting() < FEW_FRAMES) this.#flush();
    }
    return hasHungUp || this.#hasErrorRoom() ? "more" : "stalled";
  }

  /** Hands out the frames that so many bytes of the buffer complete. */
  #take(count: number): void {
    if (!this.#isConnected) this.#hasReadAlone = true;
    const pendingBytes = this.#framer.pendingBytes;
    const piece = this.#buffer.subarray(0, count);
    if (pendingBytes > 0 && this.#isOfAnother(piece)) this.#framer.reset();
    this.#mayHaveLeft = false;
    if (this.#framer.pendingBytes > 0 || count % FRAME_SIZE_BYTES !== 0) {
      this.#framer.push(piece, this.#onFrame);
      return;
    }
    const frames = count / FRAME_SIZE_BYTES;
    for (let index = 0; index < frames; index++) {
      const frame = this.#wholeFrames[index];
      if (frame !== undefined) this.#onFrame(frame);
    }
  }

  /** Whether a piece is another host's first, and not the rest of a frame. */
  #isOfAnother(piece: Uint8Array): boolean {
    const mayBe = this.#isLeaving || this.#mayHaveLeft;
    return mayBe ? beginsFrame(piece) : isWholeFrames(piece);
  }

  /** Frames that wait, in all lanes and to be written. */
  #waiting(): number {
    return this.#queue.length + this.#batchFrames;
  }

  #read(): number | null {
    try {
      return this.#port.read(this.#buffer);
    } catch {
      // The port is gone, as a hang-up is: whatever comes is reported.
      return 0;
    }
  }

  /** Whether each frame of one more read could be answered with an ERROR. */
  #hasErrorRoom(): boolean {
    return this.room("error") >= READ_BUFFER_BYTES / FRAME_SIZE_BYTES;
  }

  /** The host has gone: from now on what is read may be the next one's. */
  #hangUp(): void {
    // The first that a host writes may come before the news that it is there:
    // what looks like a hang-up then may be none.
    if (!this.#isConnected) {
      if (this.#isHostAwaited) this.#forget();
      this.#mayHaveLeft = true;
      return;
    }
    this.#isLeaving = true;
    const keepFrom = this.#lateFrom();
    this.#queue.dropOwed(keepFrom);
    // The host's next life begins with a whole frame, too.
    const sent = Math.floor(this.#writtenBytes / FRAME_SIZE_BYTES);
    const unsent = framesOf(this.#batchBytes).map((frame, index) => ({
      frame,
      lane: this.#batchLanes[index] ?? "answer",
      order: this.#batchOrders[index] ?? 0,
    }));
    this.#queue.restore(unsent.slice(sent, this.#batchFrames), keepFrom);
    this.#batchFrames = 0;
    this.#writtenBytes = 0;
    this.#connected(false);
  }

  /** The number of the first frame that began to wait too lately to be old. */
  #lateFrom(): number {
    const newsMs = this.#nowMs() - LATE_NEWS_MS;
    const old = this.#stallNotes.findLast(({ timeMs }) => timeMs <= newsMs);
    return old?.order ?? 0;
  }

  /** The port takes nothing: notes what waits by now. */
  #noteStall(): void {
    const notes = this.#stallNotes;
    const timeMs = this.#nowMs();
    const last = notes.at(-1);
    const order = this.#queue.nextOrder;
    if (last !== undefined && timeMs - last.timeMs < STALL_NOTE_MS) {
      last.order = order;
      return;
    }
    notes.push({ timeMs, order });
    // Of those that are old enough one will do.
    while ((notes[1]?.timeMs ?? Infinity) <= timeMs - LATE_NEWS_MS) {
      notes.shift();
    }
  }

  /** All that there was to read is read. */
  #drained(): void {
    if (this.#isLeaving) this.#framer.reset();
    else if (!this.#hasReadAlone) return;
    this.#isLeaving = false;
    this.#hasReadAlone = false;
    clearTimeout(this.#leaveTimer);
    this.#leaveTimer = setTimeout(() => {
      // On a busy machine the news that the next one is there may be on its way.
      this.#isHostAwaited = true;
      this.#port.rearm();
    }, LEAVE_MS);
  }

  /** Nobody has come for what was read without a host. */
  #forget(): void {
    this.#isHostAwaited = false;
    this.#queue.dropOwed();
    this.#events.onForgotten?.();
  }

  #connected(isConnected: boolean): void {
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    clearTimeout(this.#leaveTimer);
    if (isConnected) {
      this.#isLeaving = false;
      this.#hasReadAlone = false;
      this.#isHostAwaited = false;
      this.#queue.beginBacklog();
    }
    this.#events.onConnected(isConnected);
  }

  #flush(): void {
    // A port without its host takes nothing, and tells when it is there.
    if (!this.#isConnected || this.#isClosed) return;
    const before = this.#framesOut;
    while (this.#fill() && this.#writeBatch()) {
      if (!this.#queue.hasBacklog) continue;
      // The rest of it goes on when what the host has asked by then is read.
      if (this.#isRoomWatched) this.#port.rearm();
      else this.#watchRoom(true);
      break;
    }
    if (this.#framesOut === before) return;
    if (this.#stallTimer !== undefined && this.#hasErrorRoom()) {
      clearTimeout(this.#stallTimer);
      this.#stallTimer = undefined;
      this.#port.rearm();
    }
    this.#events.onRoom?.();
  }

  /** Takes frames from the queue to be written; says whether there are any. */
  #fill(): boolean {
    if (this.#batchFrames > 0) return true;
    while (this.#batchFrames < WRITE_BATCH_FRAMES) {
      const at = this.#batchFrames * FRAME_SIZE_BYTES;
      const lane = this.#queue.shiftInto(this.#batchBytes, at);
      if (lane === null) break;
      this.#batchOrders[this.#batchFrames] = this.#queue.takenOrder;
      this.#batchLanes[this.#batchFrames++] = lane;
    }
    if (this.#batchFrames > 0) return true;
    if (this.#stallNotes.length > 0) this.#stallNotes.length = 0;
    return false;
  }

  /** Writes what it can; says whether all of the batch is written. */
  #writeBatch(): boolean {
    const end = this.#batchFrames * FRAME_SIZE_BYTES;
    while (this.#writtenBytes < end) {
      const rest = this.#batchBytes.subarray(this.#writtenBytes, end);
      let count: number | null;
      try {
        count = this.#port.write(rest);
      } catch {
        // The port is gone or the host left: its hang-up is reported.
        count = null;
      }
      // The port takes no more: it says when it does.
      if (count === null || count === 0) {
        this.#noteStall();
        this.#watchRoom(true);
        return false;
      }
      const before = Math.floor(this.#writtenBytes / FRAME_SIZE_BYTES);
      this.#writtenBytes += count;
      this.#framesOut += Math.floor(this.#writtenBytes / FRAME_SIZE_BYTES) -
        before;
    }
    this.#batchFrames = 0;
    this.#writtenBytes = 0;
    return true;
  }
}
