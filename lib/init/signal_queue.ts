/**
 * Signals from the first moment on: the kernel drops those that process 1 has
 * no handler for, so the handlers are there before the boot, and what comes
 * before anybody listens waits. Imports `linux`'s signals and the log.
 *
 * @module
 */
import { setupSignals } from "../linux/signal.ts";
import type { SignalName } from "../linux/signal_table.ts";
import type { Log } from "./log.ts";
import type { SignalSource } from "./shell.ts";

/** Signals that mean something to the core, besides SIGCHLD. */
const SIGNALS_OF_INTEREST: readonly SignalName[] = [
  "SIGTERM",
  "SIGINT",
  "SIGPWR",
  "SIGHUP",
];

/** Two of a kind say no more than one that comes twice: a hurry. */
const CAPACITY = 16;

/** The signals of this process. */
export class SignalQueue implements SignalSource {
  #waiting: SignalName[] = [];
  #listener: ((signal: SignalName) => void) | null = null;

  /**
   * Installs the handlers.
   *
   * @param log Says what a listener threw.
   * @throws {SystemError} EINVAL if a signal can't be caught.
   */
  constructor(log: Log) {
    setupSignals({
      shutdown: [],
      also: SIGNALS_OF_INTEREST,
      onSignal: (signal) => this.#arrived(signal),
      onError: (error) => log.error(`signal: ${String(error)}`),
    });
  }

  /** Who is told from now on. */
  get onSignal(): (signal: SignalName) => void {
    return this.#listener ?? (() => {});
  }

  /** Who is told from now on; what has waited is told at once. */
  set onSignal(listener: (signal: SignalName) => void) {
    this.#listener = listener;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const signal of waiting) listener(signal);
  }

  #arrived(signal: SignalName): void {
    if (this.#listener !== null) return this.#listener(signal);
    // One SIGCHLD stands for any number of exits.
    const isKnown = signal === "SIGCHLD" && this.#waiting.includes(signal);
    if (isKnown || this.#waiting.length >= CAPACITY) return;
    this.#waiting.push(signal);
  }
}
