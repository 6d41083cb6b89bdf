/**
 * The console as a sink of the log. What a slow console does not take at once
 * is offered again after a moment; while nothing waits, nothing wakes up.
 * Imports `linux`'s console.
 *
 * @module
 */
import type { ConsoleWriter } from "../linux/console.ts";
import type { LogSink } from "./log.ts";

/** When a console that was full is tried again, at first and at the longest. */
const RETRY_MS = 20;
const MAXIMUM_RETRY_MS = 1_000;

/** What the shell asks of the console besides lines. */
export interface ConsoleState {
  /** Lines that the console had no room for since the boot. */
  readonly droppedLines: number;
  /** Prints what is queued, as far as the console takes it. */
  flush(): void;
}

/** Prints the log on the console. */
export class ConsoleSink implements LogSink, ConsoleState {
  readonly #console: ConsoleWriter;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #delayMs = RETRY_MS;

  /**
   * Begins to print.
   *
   * @param console Where to.
   */
  constructor(console: ConsoleWriter) {
    this.#console = console;
  }

  /** Lines that the console had no room for since the boot. */
  get droppedLines(): number {
    return this.#console.droppedLines;
  }

  /**
   * Prints a line, or queues it.
   *
   * @param bytes The line, without its newline.
   */
  line(bytes: Uint8Array): void {
    this.#console.line(bytes);
    this.#retry();
  }

  /** Prints what is queued, as far as the console takes it. */
  flush(): void {
    this.#console.flush();
  }

  #retry(): void {
    if (this.#console.queuedBytes === 0) this.#delayMs = RETRY_MS;
    else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#console.flush();
        this.#retry();
      }, this.#delayMs);
      this.#delayMs = Math.min(2 * this.#delayMs, MAXIMUM_RETRY_MS);
    }
  }
}
