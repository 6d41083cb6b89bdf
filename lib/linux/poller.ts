/**
 * The one place where the program waits for descriptors: an epoll set, and one
 * `epoll_wait` at a time on another thread. The callbacks run on the JavaScript
 * thread and read or write O_NONBLOCK descriptors there. Nothing else waits:
 * the runtime's own asynchronous reads park a thread each, and with 32 of them
 * every asynchronous call hangs. Imports the libc table, the error type and
 * files.
 *
 * A callback should do a bounded amount of work, some reads of a buffer, and
 * return: what is left is reported again, after the others had their turn and
 * after timers. With `edge`, only a change is reported; a callback that stops
 * early then asks with {@linkcode Poller.rearm}.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { close } from "./file.ts";
import { check, errno, libc } from "./libc.ts";

/** Bits of `sys/epoll.h`. */
const EPOLLIN = 0x001;
const EPOLLPRI = 0x002;
const EPOLLOUT = 0x004;
const EPOLLERR = 0x008;
const EPOLLHUP = 0x010;
const EPOLLRDHUP = 0x2000;
const EPOLLET = 2 ** 31;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;

/** Most events of one wait; the others come with the next, in turn. */
const MAXIMUM_EVENTS = 64;

/**
 * `struct epoll_event`: u32 events, u64 data. On x86-64 it is packed; on
 * AArch64 the data is aligned to 8 bytes.
 */
const PACKED = Deno.build.arch === "x86_64";
const EVENT_SIZE = PACKED ? 12 : 16;
const DATA_OFFSET = PACKED ? 4 : 8;
/** The same in words of 32 bits; both architectures are little-endian. */
const EVENT_WORDS = EVENT_SIZE / 4;
const DATA_WORD = DATA_OFFSET / 4;

/** How long one wait in place may be; all else that the program does waits, too. */
const LINGER_MS = 1;
/** How long waits in place may follow each other before timers have their turn. */
const LINGER_LIMIT_MS = 8;

/** Stands for the wake-up descriptor in an event's data. */
const WAKE_ID = 0;

const EINTR = 4;
const EBADF = 9;
const EEXIST = 17;

/** What happened to a descriptor. */
export interface PollEvents {
  /** There is something to read, or the end of it. */
  readonly readable: boolean;
  /** It takes data again. */
  readonly writable: boolean;
  /** The other side is gone; data may be left to read. */
  readonly hangup: boolean;
  /** It has failed. */
  readonly error: boolean;
  /** Exceptional data: a changed cgroup.events or PSI trigger, for example. */
  readonly priority: boolean;
}

/** What to wait for. */
export interface PollInterest {
  /** Wait for data, default true. */
  readonly read?: boolean;
  /** Wait for room, default false. */
  readonly write?: boolean;
  /** Wait for exceptional data, default false. */
  readonly priority?: boolean;
  /**
   * Report changes only. For a descriptor that is hung up all the time, such as
   * a virtio port without its host, which would be reported without end.
   */
  readonly edge?: boolean;
  /**
   * After data, wait for more in place for a moment, before the wait goes back
   * to the other thread: for a peer that asks, waits for the answer and asks
   * again. Measured in an emulated machine, going to the other thread and back
   * costs as much as such a peer's whole round trip.
   */
  readonly linger?: boolean;
}

/** Called when something happened to a descriptor. */
export type PollCallback = (events: PollEvents) => void;

/** Options of a {@linkcode Poller}. */
export interface PollerOptions {
  /**
   * Told what a callback threw, with its descriptor, and what stopped the
   * waiting itself, with descriptor -1.
   */
  readonly onError?: (error: unknown, descriptor: number) => void;
}

interface Entry {
  readonly descriptor: number;
  readonly callback: PollCallback;
  interest: PollInterest;
}

/**
 * Waits for many descriptors at once and calls back.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pipe } from "./descriptor.ts";
 * import { close, read, write } from "./file.ts";
 * import { Poller } from "./poller.ts";
 *
 * const poller = new Poller();
 * const [reader, writer] = pipe();
 * const text = await new Promise<string>((resolve) => {
 *   poller.add(reader, { read: true }, () => {
 *     const buffer = new Uint8Array(64);
 *     const count = read(reader, buffer) ?? 0;
 *     resolve(new TextDecoder().decode(buffer.subarray(0, count)));
 *   });
 *   write(writer, new TextEncoder().encode("hello"));
 * });
 * assertEquals(text, "hello");
 * await poller.close();
 * close(reader);
 * close(writer);
 * ```
 */
export class Poller implements Disposable {
  readonly #epoll: number;
  readonly #wake: number;
  readonly #options: PollerOptions;
  /** The events of the wait under way; the other thread writes here. */
  readonly #events = new Uint32Array(EVENT_WORDS * MAXIMUM_EVENTS);
  /** By a number that is never used again, so that a late event can't hit a new owner of a descriptor. */
  readonly #entries = new Map<number, Entry>();
  readonly #ids = new Map<number, number>();
  #nextId = WAKE_ID + 1;
  #hasMore = false;
  #running: Promise<void> | undefined;
  #closed = false;

  /**
   * Makes the epoll set. No thread waits until a descriptor is added.
   *
   * @param options Whom to tell of errors.
   * @throws {SystemError} EMFILE when there are no descriptors left.
   */
  constructor(options: PollerOptions = {}) {
    this.#options = options;
    this.#epoll = check(libc().epoll_create1(O_CLOEXEC), "epoll_create1");
    try {
      this.#wake = check(libc().eventfd(0, O_CLOEXEC | O_NONBLOCK), "eventfd");
      this.#control(EPOLL_CTL_ADD, this.#wake, EPOLLIN, WAKE_ID);
    } catch (error) {
      close(this.#epoll);
      throw error;
    }
  }

  /** How many descriptors are waited for. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Starts waiting for a descriptor. Remove it before it is closed.
   *
   * @param descriptor An open descriptor of a kind that can be waited for: not
   * a regular file.
   * @param interest What to wait for.
   * @param callback Called with what happened.
   * @throws {SystemError} EEXIST when it was added already, EPERM for a regular
   * file, EBADF when it is not open.
   */
  add(
    descriptor: number,
    interest: PollInterest,
    callback: PollCallback,
  ): void {
    this.#refuseClosed();
    if (this.#ids.has(descriptor)) {
      throw new SystemError({
        syscall: "epoll_ctl",
        errno: EEXIST,
        path: `descriptor ${descriptor}`,
      });
    }
    const id = this.#nextId++;
    this.#control(EPOLL_CTL_ADD, descriptor, interestBits(interest), id);
    this.#ids.set(descriptor, id);
    this.#entries.set(id, { descriptor, callback, interest });
    // A wait that is under way already sees the new member.
    this.#running ??= this.#run();
  }

  /**
   * Changes what a descriptor is waited for.
   *
   * @param descriptor A descriptor that was added.
   * @param interest What to wait for from now on.
   * @throws {SystemError} EBADF when it was not added.
   */
  modify(descriptor: number, interest: PollInterest): void {
    const [id, entry] = this.#find(descriptor);
    entry.interest = interest;
    this.#control(EPOLL_CTL_MOD, descriptor, interestBits(interest), id);
  }

  /**
   * Asks for a report of what is the case now, not only of changes: for an
   * `edge` callback that stopped before "would block".
   *
   * @param descriptor A descriptor that was added.
   * @throws {SystemError} EBADF when it was not added.
   */
  rearm(descriptor: number): void {
    const [id, entry] = this.#find(descriptor);
    this.#control(EPOLL_CTL_MOD, descriptor, interestBits(entry.interest), id);
  }

  /**
   * Stops waiting for a descriptor. Its callback is not called again, not even
   * for what was reported already. Unknown descriptors are ignored.
   *
   * @param descriptor The descriptor.
   */
  remove(descriptor: number): void {
    const id = this.#ids.get(descriptor);
    if (id === undefined) return;
    this.#ids.delete(descriptor);
    this.#entries.delete(id);
    // A descriptor that was closed first has left the set by itself.
    libc().epoll_ctl(
      this.#epoll,
      EPOLL_CTL_DEL,
      descriptor,
      this.#event(0, id),
    );
    if (this.#entries.size === 0) this.#interrupt();
  }

  /**
   * Stops everything.
   *
   * @returns Settled when no thread waits any more.
   */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#entries.clear();
      this.#ids.clear();
      if (this.#running === undefined) this.#release();
      else this.#interrupt();
    }
    await this.#running;
  }

  /** Stops everything, without waiting for the waiting thread. */
  [Symbol.dispose](): void {
    void this.close();
  }

  async #run(): Promise<void> {
    const { epoll_waitAsync } = libc();
    while (!this.#closed && this.#entries.size > 0) {
      let count = await epoll_waitAsync(
        this.#epoll,
        this.#events,
        MAXIMUM_EVENTS,
        -1,
      );
      if (count === -1) {
        // errno stayed on the other thread. Ask again here, without waiting.
        count = libc().epoll_wait(this.#epoll, this.#events, MAXIMUM_EVENTS, 0);
        const number = errno();
        if (count === -1 && number !== EINTR) {
          this.#tell(
            new SystemError({ syscall: "epoll_wait", errno: number }),
            -1,
          );
          break;
        }
      }
      this.#hasMore = false;
      for (let index = 0; index < count; index++) this.#dispatch(index);
      if (this.#hasMore) await this.#linger();
    }
    this.#running = undefined;
    if (this.#closed) this.#release();
  }

  /** Waits on this thread while there is traffic, but not for long. */
  async #linger(): Promise<void> {
    const untilMs = performance.now() + LINGER_LIMIT_MS;
    do {
      // What the callbacks have promised has its turn.
      await undefined;
      if (this.#closed || this.#entries.size === 0) return;
      const count = libc().epoll_wait(
        this.#epoll,
        this.#events,
        MAXIMUM_EVENTS,
        LINGER_MS,
      );
      if (count <= 0) return;
      for (let index = 0; index < count; index++) this.#dispatch(index);
    } while (performance.now() < untilMs);
  }

  #dispatch(index: number): void {
    const word = index * EVENT_WORDS;
    const bits = this.#events[word] ?? 0;
    const id = (this.#events[word + DATA_WORD] ?? 0) +
      (this.#events[word + DATA_WORD + 1] ?? 0) * 2 ** 32;
    if (id === WAKE_ID) {
      libc().read(this.#wake, new Uint8Array(8), 8n);
      return;
    }
    const entry = this.#entries.get(id);
    if (entry === undefined) return; // removed after it was reported
    if (entry.interest.linger && (bits & EPOLLIN) !== 0) this.#hasMore = true;
    try {
      entry.callback({
        readable: (bits & EPOLLIN) !== 0,
        writable: (bits & EPOLLOUT) !== 0,
        hangup: (bits & (EPOLLHUP | EPOLLRDHUP)) !== 0,
        error: (bits & EPOLLERR) !== 0,
        priority: (bits & EPOLLPRI) !== 0,
      });
    } catch (error) {
      this.#tell(error, entry.descriptor);
    }
  }

  #tell(error: unknown, descriptor: number): void {
    try {
      this.#options.onError?.(error, descriptor);
    } catch {
      // A hook that throws has nobody left to tell, and the loop must go on.
    }
  }

  /** Ends the wait under way. */
  #interrupt(): void {
    libc().write(this.#wake, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8n);
  }

  #release(): void {
    close(this.#wake);
    close(this.#epoll);
  }

  #find(descriptor: number): [id: number, entry: Entry] {
    const id = this.#ids.get(descriptor);
    const entry = id === undefined ? undefined : this.#entries.get(id);
    if (id === undefined || entry === undefined) {
      throw new SystemError({
        syscall: "epoll_ctl",
        errno: EBADF,
        path: `descriptor ${descriptor}`,
        detail: "expected a descriptor that was added",
      });
    }
    return [id, entry];
  }

  #refuseClosed(): void {
    if (!this.#closed) return;
    throw new SystemError({
      syscall: "epoll_ctl",
      errno: EBADF,
      detail: "the poller is closed",
    });
  }

  #event(bits: number, id: number): DataView<ArrayBuffer> {
    const event = new DataView(new ArrayBuffer(EVENT_SIZE));
    event.setUint32(0, bits, true);
    event.setBigUint64(DATA_OFFSET, BigInt(id), true);
    return event;
  }

  #control(
    operation: number,
    descriptor: number,
    bits: number,
    id: number,
  ): void {
    check(
      libc().epoll_ctl(
        this.#epoll,
        operation,
        descriptor,
        this.#event(bits, id),
      ),
      "epoll_ctl",
      `descriptor ${descriptor}`,
    );
  }
}

function interestBits(interest: PollInterest): number {
  return ((interest.read ?? true) ? EPOLLIN | EPOLLRDHUP : 0) +
    (interest.write ? EPOLLOUT : 0) +
    (interest.priority ? EPOLLPRI : 0) +
    (interest.edge ? EPOLLET : 0);
}
