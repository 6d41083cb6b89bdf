/**
 * The link to the host: whole frames in both directions over one virtio-serial
 * port, for ever, whatever the host does. The host may be away (the port then
 * reports a hang-up all the time), come and go in the middle of a frame, or
 * stop reading. Imports `linux`, `wire` and the framer.
 *
 * Frames wait in a bounded queue. When it is full, the oldest telemetry makes
 * room, and then the newest answer is refused: an answer that was queued is
 * never dropped.
 *
 * @module
 */
import { close, open, read, write } from "../linux/file.ts";
import type { Poller, PollEvents } from "../linux/poller.ts";
import { FRAME_SIZE_BYTES } from "../wire/frame.ts";
import { Framer } from "./framer.ts";

/** Frames that may wait for the host. */
export const QUEUE_CAPACITY_FRAMES = 256;

/** Reads in one go; then the other descriptors have their turn. */
const READ_BATCH = 16;

/** A read gets no more from a port: QEMU hands over this much at once. */
const READ_BUFFER_BYTES = 4096;

/** Frames of one write: each write to a port interrupts the host. */
const WRITE_FRAMES = 16;

/** What a frame is worth when the queue is full. */
export type FramePriority = "answer" | "telemetry";

/** The counters of a link; each starts at 0 when the link is opened. */
export interface LinkCounters {
  /** Whole frames received. */
  readonly framesIn: number;
  /** Whole frames written. */
  readonly framesOut: number;
  /** Frames that the queue had no room for. */
  readonly framesDropped: number;
}

/** What a link tells. */
export interface LinkEvents {
  /** A whole frame came: 256 bytes. */
  readonly onFrame: (frame: Uint8Array) => void;
  /** The host opened its end, or closed it. */
  readonly onConnected: (isConnected: boolean) => void;
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
  /** Reports anew what there is to read. */
  rearm(): void;
  /** Lets the port go. */
  close(): void;
}

/** A port behind a descriptor with O_NONBLOCK. */
function descriptorPort(descriptor: number, poller: Poller): LinkPort {
  return {
    read: (buffer) => read(descriptor, buffer),
    write: (bytes) => write(descriptor, bytes),
    listen: (onPolled) =>
      poller.add(
        descriptor,
        { read: true, write: true, edge: true, linger: true },
        onPolled,
      ),
    rearm: () => poller.rearm(descriptor),
    close: () => {
      poller.remove(descriptor);
      close(descriptor);
    },
  };
}

interface Queued {
  readonly frame: Uint8Array;
  readonly priority: FramePriority;
}

/** One open port. */
export class HostLink {
  readonly #port: LinkPort;
  readonly #events: LinkEvents;
  readonly #framer = new Framer();
  readonly #buffer = new Uint8Array(READ_BUFFER_BYTES);
  #queue: Queued[] = [];
  /** Frames that are under way, from the first byte that is not written yet. */
  readonly #output = new Uint8Array(WRITE_FRAMES * FRAME_SIZE_BYTES);
  #outputStart = 0;
  #outputEnd = 0;
  #isReceiving = false;
  #isConnected = false;
  #framesIn = 0;
  #framesOut = 0;
  #framesDropped = 0;

  /**
   * Begins to listen.
   *
   * @param port The port; the link's own from now on.
   * @param events Whom to tell; the functions must not throw.
   * @throws {SystemError} If the port can't be waited for.
   */
  constructor(port: LinkPort, events: LinkEvents) {
    this.#port = port;
    this.#events = events;
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
      framesDropped: this.#framesDropped,
    };
  }

  /**
   * Sends a frame now, or as soon as the host takes it.
   *
   * @param frame 256 bytes; must not be changed afterwards.
   * @param priority Whether it may make room for others.
   * @returns Whether it was taken.
   */
  send(frame: Uint8Array, priority: FramePriority): boolean {
    if (this.#queue.length >= QUEUE_CAPACITY_FRAMES && !this.#makeRoom()) {
      this.#framesDropped++;
      return false;
    }
    this.#queue.push({ frame, priority });
    // The answers to what is being read leave together.
    if (!this.#isReceiving || this.#queue.length >= WRITE_FRAMES) this.#flush();
    return true;
  }

  /** Closes the port. What waits is lost. */
  close(): void {
    this.#port.close();
    this.#queue = [];
  }

  /** Gives up the oldest telemetry that is not under way; says whether it could. */
  #makeRoom(): boolean {
    const index = this.#queue.findIndex(({ priority }) =>
      priority === "telemetry"
    );
    if (index === -1) return false;
    this.#queue.splice(index, 1);
    this.#framesDropped++;
    return true;
  }

  #onPolled(polled: PollEvents): void {
    if (!polled.hangup) this.#connected(true);
    this.#isReceiving = true;
    let isMore: boolean;
    try {
      isMore = this.#receive();
    } finally {
      this.#isReceiving = false;
    }
    // What a host sent before it hung up is taken first.
    if (polled.hangup && !isMore) this.#hangUp();
    this.#flush();
    // Only changes are reported: what was left unread must be asked for.
    if (isMore) this.#port.rearm();
  }

  /** Reads for a while; says whether there may be more. */
  #receive(): boolean {
    for (let reads = 0; reads < READ_BATCH; reads++) {
      const count = this.#port.read(this.#buffer);
      if (count === null) return false;
      if (count === 0) {
        this.#hangUp();
        return false;
      }
      this.#framer.push(this.#buffer.subarray(0, count), (frame) => {
        this.#framesIn++;
        this.#events.onFrame(frame);
      });
    }
    return true;
  }

  #hangUp(): void {
    this.#framer.reset();
    // The host's next life begins with a whole frame, too.
    this.#outputStart -= this.#outputStart % FRAME_SIZE_BYTES;
    this.#connected(false);
  }

  #connected(isConnected: boolean): void {
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    this.#events.onConnected(isConnected);
  }

  #flush(): void {
    for (;;) {
      if (this.#outputStart === this.#outputEnd) this.#fillOutput();
      if (this.#outputStart === this.#outputEnd) return;
      let count: number | null;
      try {
        count = this.#port.write(
          this.#output.subarray(this.#outputStart, this.#outputEnd),
        );
      } catch {
        // The port is gone or the host left: what waits waits for its return.
        return;
      }
      // The port takes no more (or has no host): it says when it does.
      if (count === null || count === 0) return;
      const before = wholeFrames(this.#outputStart);
      this.#outputStart += count;
      this.#framesOut += wholeFrames(this.#outputStart) - before;
    }
  }

  #fillOutput(): void {
    this.#outputStart = 0;
    this.#outputEnd = 0;
    for (const { frame } of this.#queue.splice(0, WRITE_FRAMES)) {
      this.#output.set(frame, this.#outputEnd);
      this.#outputEnd += FRAME_SIZE_BYTES;
    }
  }
}

function wholeFrames(bytes: number): number {
  return Math.floor(bytes / FRAME_SIZE_BYTES);
}
