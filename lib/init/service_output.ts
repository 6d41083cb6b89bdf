/**
 * What services write, on its way into the log: a pipe for each stream of each
 * service, which lives as long as the service is defined, so that nothing is
 * lost over a restart. A stream that writes more than {@linkcode LINE_LIMIT}
 * lines in a second loses what is more, which is counted and said. Imports
 * `linux` and this room.
 *
 * @module
 */
import { boottimeMs } from "../linux/clock.ts";
import { lastingPipe, openWriter } from "../linux/descriptor.ts";
import { close, read } from "../linux/file.ts";
import type { Poller } from "../linux/poller.ts";
import { LINE_LIMIT, LINE_WINDOW_MS, LineLimit } from "./line_limit.ts";
import { type Line, LineSplitter } from "./line_splitter.ts";
import type { Log, LogStream } from "./log.ts";

/** Read at once; then the other descriptors have their turn. */
const READ_BUFFER_BYTES = 65_536;

/** Reads in one go when a process has ended: what a pipe can hold, and more. */
const FINAL_READS = 32;

interface Stream {
  readonly reader: number;
  readonly splitter: LineSplitter;
  readonly onLine: (line: Line) => void;
  readonly limit: LineLimit;
  /** Says how many lines were dropped. */
  readonly sayDropped: () => void;
  /** Due when lines were dropped and nobody was told yet. */
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** The pipes of all services. */
export class ServiceOutput {
  readonly #poller: Poller;
  readonly #log: Log;
  readonly #streams = new Map<string, Stream>();
  /** One buffer serves all: a read is split into lines before the next. */
  readonly #buffer = new Uint8Array(READ_BUFFER_BYTES);

  /**
   * Begins without pipes.
   *
   * @param poller Says when there is something to read.
   * @param log Where lines go.
   */
  constructor(poller: Poller, log: Log) {
    this.#poller = poller;
    this.#log = log;
  }

  /**
   * The writing end of a service's stream, for the child that is to be spawned.
   * The pipe outlives every process that writes to it.
   *
   * @param service The service.
   * @param stream Which stream.
   * @returns A descriptor; close it after the spawn.
   * @throws {SystemError} EMFILE when there are no descriptors left.
   */
  writer(service: string, stream: LogStream): number {
    const key = `${stream} ${service}`;
    const known = this.#streams.get(key);
    if (known !== undefined) return openWriter(known.reader);
    const [reader, writer] = lastingPipe();
    const limit = new LineLimit();
    const entry: Stream = {
      reader,
      splitter: new LineSplitter(),
      limit,
      onLine: (line) => {
        if (limit.admit()) this.#log.line(service, stream, line.bytes);
      },
      sayDropped: () => {
        clearTimeout(entry.timer);
        entry.timer = undefined;
        const count = limit.end();
        if (count === 0) return;
        this.#log.warning(
          `${service}: ${count} lines dropped, more than ${LINE_LIMIT} in a second`,
        );
      },
      timer: undefined,
    };
    this.#streams.set(key, entry);
    this.#poller.add(reader, { read: true }, () => void this.#read(entry));
    return writer;
  }

  /**
   * Takes what a process left behind when it ended, its last line too, even
   * without a newline.
   *
   * @param service The service.
   */
  finish(service: string): void {
    for (const stream of ["stdout", "stderr"] as const) {
      const entry = this.#streams.get(`${stream} ${service}`);
      if (entry === undefined) continue;
      for (let reads = 0; reads < FINAL_READS && this.#read(entry); reads++);
      entry.splitter.flush(entry.onLine);
      entry.sayDropped();
    }
  }

  /**
   * Closes a service's pipes: its definition is gone.
   *
   * @param service The service.
   */
  forget(service: string): void {
    this.finish(service);
    for (const stream of ["stdout", "stderr"] as const) {
      const key = `${stream} ${service}`;
      const entry = this.#streams.get(key);
      if (entry === undefined) continue;
      this.#poller.remove(entry.reader);
      close(entry.reader);
      this.#streams.delete(key);
    }
  }

  /** Reads once; says whether there may be more. */
  #read(entry: Stream): boolean {
    const { reader, splitter, onLine, limit } = entry;
    const count = read(reader, this.#buffer);
    if (count === null || count === 0) return false;
    const chunk = this.#buffer.subarray(0, count);
    limit.begin(boottimeMs());
    if (limit.isExhausted) limit.drop(splitter.skip(chunk, onLine));
    else splitter.push(chunk, onLine);
    if (limit.dropped > 0) {
      entry.timer ??= setTimeout(entry.sayDropped, LINE_WINDOW_MS);
    }
    return count === this.#buffer.length;
  }
}
