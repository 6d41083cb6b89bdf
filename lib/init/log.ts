/**
 * The init's log: what it says itself and what its services write, line by
 * line, with time and name, to a sink (the console) and into a ring in memory.
 * Never `console.log`, which throws when the console is broken. May import
 * nothing that has effects: the sink and the clock are handed in.
 *
 * @module
 */
import { concat } from "@std/bytes/concat";
import { LOG_LEVELS, type LogLevel } from "./command_line.ts";

/** Where a line came from: the init itself, or a stream of a service. */
export type LogStream = "init" | "stdout" | "stderr";

/** One line of the log. */
export interface LogLine {
  /** Counts lines from 1 since the boot; a gap means dropped lines. */
  readonly sequence: number;
  /** CLOCK_BOOTTIME, milliseconds. */
  readonly timeMs: number;
  /** `spaceos-init`, or the service's name. */
  readonly name: string;
  /** Which stream wrote it. */
  readonly stream: LogStream;
  /** The line without its newline, in whatever encoding it came. */
  readonly bytes: Uint8Array;
}

/**
 * Where lines go. It must neither throw nor wait; it drops and counts lines by
 * itself when it can't keep up, as the console's writer does.
 */
export interface LogSink {
  /** Takes one line without its newline. */
  line(bytes: Uint8Array): void;
}

/** Settings of a {@linkcode Log}. */
export interface LogOptions {
  /** CLOCK_BOOTTIME in milliseconds. */
  readonly nowMs: () => number;
  /** The least severe record of the init itself that is kept; default `info`. */
  readonly level?: LogLevel;
  /** The most bytes of text the ring holds; default 256 KiB. */
  readonly ringBytes?: number;
}

/** What a line costs in the ring besides its bytes: objects are not free. */
const LINE_OVERHEAD_BYTES = 96;

const encoder = new TextEncoder();

/**
 * The log. Bounded: the ring forgets its oldest lines.
 *
 * @example
 * ```ts
 * import { Log } from "./log.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const printed: string[] = [];
 * const log = new Log({ nowMs: () => 1500 });
 * log.attach({
 *   line: (bytes) => void printed.push(new TextDecoder().decode(bytes)),
 * });
 * log.info("READY");
 * assertEquals(printed, ["[    1.500] spaceos-init: READY"]);
 * ```
 */
export class Log {
  /** The least severe record of the init itself that is kept; may be changed. */
  level: LogLevel;
  /** Called before each line, to say first what has waited to be said. */
  before: (() => void) | undefined;
  readonly #nowMs: () => number;
  readonly #ringLimitBytes: number;
  readonly #ring = new Map<number, LogLine>();
  readonly #followers = new Set<(line: LogLine) => void>();
  #ringBytes = 0;
  #sequence = 0;
  #sink: LogSink | undefined;

  /**
   * Makes a log without a sink: lines wait in the ring.
   *
   * @param options The clock, the level and the ring's size.
   */
  constructor(options: LogOptions) {
    this.#nowMs = options.nowMs;
    this.level = options.level ?? "info";
    this.#ringLimitBytes = options.ringBytes ?? 256 * 1024;
  }

  /** Says something of interest to a developer only. */
  debug(text: string): void {
    this.#say("debug", text);
  }

  /** Says that something happened as it should. */
  info(text: string): void {
    this.#say("info", text);
  }

  /** Says that something is not as it should be, and that the init goes on. */
  warning(text: string): void {
    this.#say("warning", text);
  }

  /** Says that something failed. */
  error(text: string): void {
    this.#say("error", text);
  }

  /**
   * Adds a line of a service, or of the init, whatever the level.
   *
   * @param name Who wrote it.
   * @param stream On which stream.
   * @param bytes The line, without its newline.
   * @param toConsole False keeps it from the sink.
   */
  line(
    name: string,
    stream: LogStream,
    bytes: Uint8Array,
    toConsole = true,
  ): void {
    this.before?.();
    const line: LogLine = {
      sequence: ++this.#sequence,
      timeMs: this.#nowMs(),
      name,
      stream,
      bytes,
    };
    this.#remember(line);
    if (toConsole) this.#print(line);
    for (const follower of this.#followers) follower(line);
  }

  /**
   * Names the sink and prints what the ring holds so far, so that what was said
   * before the console was open is not lost.
   *
   * @param sink Where lines go from now on.
   */
  attach(sink: LogSink): void {
    this.#sink = sink;
    for (const line of this.#ring.values()) this.#print(line);
  }

  /**
   * Calls back for each new line.
   *
   * @param follower Must not throw.
   * @returns A function that ends it.
   */
  follow(follower: (line: LogLine) => void): () => void {
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  /**
   * The lines in memory, oldest first.
   *
   * @param name Only the lines of this writer; all when absent.
   * @returns A copy.
   */
  recent(name?: string): LogLine[] {
    const lines = [...this.#ring.values()];
    return name === undefined
      ? lines
      : lines.filter((line) => line.name === name);
  }

  /**
   * The oldest line in memory that came after another: for a reader who takes
   * lines as he can, and sees by their numbers what he has missed.
   *
   * @param sequence The number of the last line he has; 0 for none.
   * @returns The line, or null when there is none.
   */
  after(sequence: number): LogLine | null {
    if (sequence >= this.#sequence) return null;
    const [oldest] = this.#ring.values();
    return this.#ring.get(sequence + 1) ?? oldest ?? null;
  }

  #say(level: LogLevel, text: string): void {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(this.level)) return;
    const prefix = level === "info" ? "" : `${level}: `;
    for (const part of text.split("\n")) {
      this.line("spaceos-init", "init", encoder.encode(prefix + part));
    }
  }

  #remember(line: LogLine): void {
    this.#ring.set(line.sequence, line);
    this.#ringBytes += line.bytes.length + LINE_OVERHEAD_BYTES;
    for (const [sequence, oldest] of this.#ring) {
      if (this.#ringBytes <= this.#ringLimitBytes) break;
      this.#ring.delete(sequence);
      this.#ringBytes -= oldest.bytes.length + LINE_OVERHEAD_BYTES;
    }
  }

  #print(line: LogLine): void {
    this.#sink?.line(formatLine(line.timeMs, line.name, line.bytes));
  }
}

/**
 * One line as the console shows it: `[seconds] name: text`.
 *
 * @param timeMs CLOCK_BOOTTIME, milliseconds.
 * @param name Who says it.
 * @param text What is said.
 * @returns The line's bytes, without a newline.
 *
 * @example
 * ```ts
 * import { formatLine } from "./log.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const line = formatLine(61_234, "demo", "hello");
 * assertEquals(new TextDecoder().decode(line), "[   61.234] demo: hello");
 * ```
 */
export function formatLine(
  timeMs: number,
  name: string,
  text: string | Uint8Array,
): Uint8Array {
  const head = encoder.encode(
    `[${(timeMs / 1000).toFixed(3).padStart(9)}] ${name}: `,
  );
  const body = typeof text === "string" ? encoder.encode(text) : text;
  return concat([head, body]);
}
