/**
 * Keeps process 1 alive: a program that ends, by an exception that nobody
 * catches or by having nothing left to wait for, is a kernel panic. Imports
 * the log.
 *
 * @module
 */
import type { Log } from "./log.ts";

/** The longest timer of the runtime. */
const MAXIMUM_TIMER_MS = 0x7FFF_FFFF;

/** Catches what nobody caught. At most one of these belongs in a program. */
export class ExceptionGuard {
  /** Told what was thrown, besides the log. */
  onException: (text: string) => void = () => {};
  readonly #log: Log;

  /**
   * Begins to guard, for good.
   *
   * @param log Says what was thrown.
   */
  constructor(log: Log) {
    this.#log = log;
    setInterval(() => {}, MAXIMUM_TIMER_MS);
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      this.#caught("uncaught exception", event.error);
    });
    globalThis.addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      this.#caught("unhandled rejection", event.reason);
    });
  }

  /** Total: what a listener of `error` throws ends the program. */
  #caught(what: string, error: unknown): void {
    try {
      const isError = error instanceof Error;
      this.#log.error(`${what}: ${isError ? error.stack : String(error)}`);
      this.onException(isError ? error.message : String(error));
    } catch {
      // There is nobody left to tell, and process 1 goes on.
    }
  }
}
