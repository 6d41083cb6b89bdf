/**
 * The switch at work: a unix socket for each tenant and for the system, the
 * uplink to a VM's port, and between them the rules of `switch.ts`. Imports
 * `linux`, the rules and the places.
 *
 * No party can harm another: what may wait is bounded (`switch_port.ts`), a
 * party that reads too slowly is refused to those who send to it, one that leaves
 * is forgotten, and each has one connection, so that nobody takes another's
 * place while it is there. What an operator has left on in the VM is ended when
 * it goes (`log_follow.ts`).
 *
 * @module
 */
import { close } from "../linux/file.ts";
import type { Poller, PollEvents } from "../linux/poller.ts";
import { acceptStream, connectStream, listenStream } from "../linux/socket.ts";
import { LogFollow } from "./log_follow.ts";
import {
  type FrameSwitch,
  REFUSAL_REASONS,
  type RefusalReason,
} from "./switch.ts";
import { SYSTEM, UPLINK } from "./switch_plan.ts";
import { takeFolder } from "./switch_folder.ts";
import { SwitchPort, type SwitchPortCounters } from "./switch_port.ts";

/** How long a sender waits for room in its lane before it goes on without, unless said otherwise. */
const HOLD_LIMIT_MS = 1_000;
/** How often that is looked at while anybody waits. */
const HOLD_CHECK_MS = 200;
/** How long to wait before the uplink is tried again: at first, and at most. */
const UPLINK_RETRY_MS = { first: 100, longest: 5_000 } as const;
/** How long to wait for descriptors to become free. */
const ACCEPT_RETRY_MS = 1_000;

/** How a socket's file is made. */
export interface SwitchSocketOptions {
  /** Permissions, default 0o600. */
  readonly mode?: number;
  /** The user that owns it, default the switch's own. */
  readonly userId?: number;
  /** Its group, default the switch's own. */
  readonly groupId?: number;
}

/** What a server works with. */
export interface SwitchServerOptions {
  /** The rules. */
  readonly frames: FrameSwitch;
  /** The folder of the sockets; made if it is not there. */
  readonly directory: string;
  /** How a party's socket is made; left out, 0o600. */
  readonly sockets?: Readonly<Record<string, SwitchSocketOptions>>;
  /** The socket of the VM's port; needed if the rules have an uplink. */
  readonly uplinkPath?: string;
  /** Waits for descriptors. */
  readonly poller: Poller;
  /** A monotonic clock in milliseconds. */
  readonly nowMs: () => number;
  /**
   * How long a receiver that is too slow may hold a sender up, in milliseconds,
   * before what does not fit is refused; default 1000.
   */
  readonly holdLimitMs?: number;
  /** Told in a sentence what happens; at `"detail"` each connection, too. */
  readonly onMessage: (
    level: "problem" | "notice" | "detail",
    text: string,
  ) => void;
}

/** What the switch counts for a party, since it began. */
export interface SwitchCounters extends SwitchPortCounters {
  /** Whether it is connected now. */
  readonly isConnected: boolean;
  /** Its frames that were refused, by reason. */
  readonly refused: Readonly<Record<RefusalReason, number>>;
}

/**
 * The switch at work.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FrameSwitch, Poller, SwitchServer } from "@spaceos/pid1";
 *
 * const directory = Deno.makeTempDirSync();
 * const apids = { first: 0x10, last: 0x1F };
 * const server = new SwitchServer({
 *   frames: new FrameSwitch({
 *     tenants: [{ name: "camera", apids, sendTo: [] }],
 *     uplink: null,
 *   }),
 *   directory,
 *   poller: new Poller({ onError: console.error }),
 *   nowMs: () => performance.now(),
 *   onMessage: (_level, text) => console.log(text),
 * });
 * server.start();
 * assertEquals(server.counters.get("camera")?.isConnected, false);
 * server.close();
 * Deno.removeSync(directory, { recursive: true });
 * ```
 */
export class SwitchServer {
  readonly #options: SwitchServerOptions;
  readonly #ports = new Map<string, SwitchPort>();
  readonly #refused = new Map<string, Record<RefusalReason, number>>();
  readonly #listeners = new Map<string, number>();
  readonly #touched = new Set<SwitchPort>();
  readonly #logFollow = new LogFollow();
  /** What is to be said to the VM since the operator has gone, as soon as there is room. */
  #farewell: Uint8Array | null = null;
  #lock: number | null = null;
  #holdTimer: ReturnType<typeof setTimeout> | undefined;
  #retryTimers = new Map<string, ReturnType<typeof setTimeout>>();
  #uplinkDelayMs: number = UPLINK_RETRY_MS.first;
  #isUplinkAbsent = false;
  #isClosed = false;

  /**
   * Makes the parties' places; nothing is opened yet.
   *
   * @param options What it works with.
   */
  constructor(options: SwitchServerOptions) {
    this.#options = options;
    for (const name of options.frames.parties) {
      const port = new SwitchPort(name, {
        onFrame: (frame) => this.#frame(port, frame),
        onRoom: (from) => this.#release(name, from),
      });
      this.#ports.set(name, port);
      this.#refused.set(name, noRefusals());
    }
  }

  /**
   * Opens the sockets, and begins to try the uplink.
   *
   * @throws {SystemError} EBUSY when another switch has the folder, EPERM when
   * others may write in it, EADDRINUSE when another program listens on a socket,
   * EEXIST when a socket's name is a file of another kind.
   */
  start(): void {
    const { directory, sockets, frames } = this.#options;
    try {
      this.#lock = takeFolder(directory);
      for (const name of frames.parties) {
        if (name === UPLINK) continue;
        this.#listen(name, sockets?.[name] ?? {});
      }
    } catch (error) {
      this.close();
      throw error;
    }
    if (frames.parties.includes(UPLINK)) this.#connectUplink();
  }

  /**
   * The path of a party's socket.
   *
   * @param name The party.
   * @returns `<dir>/<name>.sock`.
   */
  socketPath(name: string): string {
    return `${this.#options.directory}/${name}.sock`;
  }

  /** The counters of each party. */
  get counters(): ReadonlyMap<string, SwitchCounters> {
    return new Map(
      [...this.#ports].map(([name, port]) => [name, {
        ...port.counters,
        isConnected: port.isConnected,
        refused: { ...this.#refused.get(name) ?? noRefusals() },
      }]),
    );
  }

  /** Closes everything and removes the sockets. What waits is lost. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#holdTimer);
    for (const timer of this.#retryTimers.values()) clearTimeout(timer);
    this.#retryTimers.clear();
    for (const port of this.#ports.values()) this.#detach(port);
    for (const [name, listener] of this.#listeners) {
      this.#options.poller.remove(listener);
      close(listener);
      try {
        Deno.removeSync(this.socketPath(name));
      } catch {
        // Somebody removed it before.
      }
    }
    this.#listeners.clear();
    if (this.#lock !== null) close(this.#lock);
    this.#lock = null;
  }

  #listen(name: string, socket: SwitchSocketOptions): void {
    const path = this.socketPath(name);
    const listener = listenStream(path, { mode: socket.mode ?? 0o600 });
    this.#listeners.set(name, listener);
    const { userId, groupId } = socket;
    if (userId !== undefined || groupId !== undefined) {
      Deno.chownSync(path, userId ?? null, groupId ?? null);
    }
    this.#options.poller.add(
      listener,
      { read: true, edge: true },
      () => this.#accept(name),
    );
  }

  /** Takes the connections that wait; all but one are turned away. */
  #accept(name: string): void {
    const listener = this.#listeners.get(name);
    const port = this.#ports.get(name);
    if (listener === undefined || port === undefined) return;
    for (;;) {
      // One that has left, and whose last frames are still to be read, is
      // followed by the next as soon as that is done.
      if (port.hasHungUp && port.descriptor !== null) return;
      let descriptor: number | null;
      try {
        descriptor = acceptStream(listener);
      } catch (error) {
        this.#say("problem", `${name}: ${messageOf(error)}`);
        return this.#later(
          name,
          ACCEPT_RETRY_MS,
          () => this.#accept(name),
        );
      }
      if (descriptor === null) return;
      if (port.descriptor === null) {
        this.#attach(port, descriptor);
      } else {
        this.#say("detail", `${name}: a second connection was turned away`);
        close(descriptor);
      }
    }
  }

  #attach(port: SwitchPort, descriptor: number): void {
    try {
      this.#options.poller.add(
        descriptor,
        // A stream of frames in place costs half of what it does by way of the
        // other thread, which is woken for each batch.
        { read: true, write: true, edge: true, linger: true },
        (events) => this.#polled(port, events),
      );
    } catch (error) {
      close(descriptor);
      return this.#say("problem", `${port.name}: ${messageOf(error)}`);
    }
    port.attach(descriptor);
    this.#say("detail", `${port.name}: connected`);
  }

  #detach(port: SwitchPort): void {
    const { descriptor } = port;
    if (descriptor === null) return;
    this.#options.poller.remove(descriptor);
    port.detach();
    this.#say("detail", `${port.name}: disconnected`);
    if (this.#isClosed) return;
    if (port.name === SYSTEM) {
      this.#farewell = this.#logFollow.end();
      this.#sayFarewell();
    }
    if (port.name === UPLINK) {
      // The VM hears of it by itself.
      this.#logFollow.forget();
      this.#farewell = null;
    }
    if (port.name === UPLINK) this.#retryUplink();
    else this.#accept(port.name);
  }

  #connectUplink(): void {
    const { uplinkPath = "" } = this.#options;
    const port = this.#ports.get(UPLINK);
    if (port === undefined || port.descriptor !== null) return;
    try {
      this.#attach(port, connectStream(uplinkPath));
    } catch (error) {
      if (!this.#isUplinkAbsent) {
        this.#isUplinkAbsent = true;
        this.#say("notice", `${UPLINK}: ${messageOf(error)}; trying on`);
      }
    }
    if (port.descriptor === null) return this.#retryUplink();
    this.#isUplinkAbsent = false;
    this.#say("notice", `${UPLINK}: connected to ${uplinkPath}`);
  }

  #retryUplink(): void {
    const delayMs = this.#uplinkDelayMs;
    this.#uplinkDelayMs = Math.min(2 * delayMs, UPLINK_RETRY_MS.longest);
    this.#later(UPLINK, delayMs, () => this.#connectUplink());
  }

  #later(name: string, delayMs: number, action: () => void): void {
    clearTimeout(this.#retryTimers.get(name));
    this.#retryTimers.set(name, setTimeout(action, delayMs));
  }

  #polled(port: SwitchPort, events: PollEvents): void {
    if (events.hangup || events.error) port.hangUp();
    // Also how a writer that is gone is found out.
    this.#flush(port);
    this.#receive(port);
  }

  #receive(port: SwitchPort): void {
    const result = port.receive();
    if (result === "end") this.#detach(port);
    else if (result === "more" && port.descriptor !== null) {
      this.#options.poller.rearm(port.descriptor);
    }
    this.#flushTouched();
  }

  /** Ends what an operator has left on; says whether what the next one says may follow. */
  #sayFarewell(): boolean {
    if (this.#farewell === null) return true;
    const uplink = this.#ports.get(UPLINK);
    if (!uplink?.isConnected || !uplink.push(SYSTEM, this.#farewell)) {
      return false;
    }
    this.#farewell = null;
    this.#touched.add(uplink);
    return true;
  }

  #frame(sender: SwitchPort, frame: Uint8Array): void {
    const { frames } = this.#options;
    const { name } = sender;
    if (name === UPLINK) this.#uplinkDelayMs = UPLINK_RETRY_MS.first;
    const decision = frames.decide(name, frame);
    if (decision.kind === "refuse") {
      return this.#refuse(sender, decision.reason, decision.answer);
    }
    const receiver = this.#ports.get(decision.to);
    const isOperators = name === SYSTEM && decision.to === UPLINK;
    const isTaken = receiver?.isConnected === true &&
      (!isOperators || this.#sayFarewell()) && receiver.push(name, frame);
    if (receiver !== undefined && isTaken) {
      if (isOperators) this.#logFollow.note(frame);
      this.#touched.add(receiver);
      return this.#holdIfFull(receiver, sender);
    }
    const refusal = frames.undeliverable(
      name,
      frame,
      receiver?.isConnected ? "busy" : "absent",
    );
    this.#refuse(sender, refusal.reason, refusal.answer);
  }

  #refuse(
    sender: SwitchPort,
    reason: RefusalReason,
    answer: Uint8Array | null,
  ): void {
    const counts = this.#refused.get(sender.name);
    if (counts !== undefined) counts[reason]++;
    if (answer === null || !sender.isConnected) return;
    sender.push(sender.name, answer);
    this.#touched.add(sender);
    this.#holdIfFull(sender, sender);
  }

  #holdIfFull(receiver: SwitchPort, sender: SwitchPort): void {
    if (sender.heldBy.has(receiver.name)) return;
    if (!receiver.shouldHold(sender.name)) return;
    sender.heldBy.set(receiver.name, this.#options.nowMs());
    this.#watchHolds();
  }

  #watchHolds(): void {
    this.#holdTimer ??= setTimeout(() => this.#checkHolds(), HOLD_CHECK_MS);
  }

  /** Lets those go on who have waited long enough. */
  #checkHolds(): void {
    this.#holdTimer = undefined;
    const { holdLimitMs = HOLD_LIMIT_MS } = this.#options;
    const nowMs = this.#options.nowMs();
    for (const sender of this.#ports.values()) {
      for (const [name, sinceMs] of [...sender.heldBy]) {
        // Whoever does not read the answers to its own mistakes waits alone.
        if (name === sender.name) continue;
        if (nowMs - sinceMs < holdLimitMs) {
          this.#watchHolds();
          continue;
        }
        this.#ports.get(name)?.overrun(sender.name);
        this.#release(name, sender.name);
      }
    }
  }

  /** A party has room for a sender again, or will not have any. */
  #release(receiver: string, from: string): void {
    if (receiver === UPLINK && from === SYSTEM) this.#sayFarewell();
    const sender = this.#ports.get(from);
    if (sender === undefined || !sender.heldBy.delete(receiver)) return;
    if (sender.heldBy.size > 0 || sender.descriptor === null) return;
    // Its turn comes with the next round of the poller: not in the middle of
    // what is under way.
    this.#options.poller.rearm(sender.descriptor);
  }

  #flushTouched(): void {
    for (const port of this.#touched) {
      this.#touched.delete(port);
      this.#flush(port);
    }
  }

  #flush(port: SwitchPort): void {
    const isMore = port.flush();
    if (isMore && port.descriptor !== null) {
      this.#options.poller.rearm(port.descriptor);
    }
  }

  #say(level: "problem" | "notice" | "detail", text: string): void {
    this.#options.onMessage(level, text);
  }
}

function noRefusals(): Record<RefusalReason, number> {
  return Object.fromEntries(
    REFUSAL_REASONS.map((reason) => [reason, 0]),
  ) as Record<RefusalReason, number>;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
