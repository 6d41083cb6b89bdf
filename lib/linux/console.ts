/**
 * The console, which is all that an init has when something is wrong: opened
 * even where the kernel gave no descriptors, and written to without ever
 * waiting and without ever throwing. Imports files, the error type.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { duplicate, duplicateAbove, isOpen } from "./descriptor.ts";
import { close, open, write } from "./file.ts";
import { status } from "./file_status.ts";

/** Options of {@linkcode openStandardDescriptors}. */
export interface StandardDescriptorOptions {
  /** The console's device, default `/dev/console`. */
  readonly path?: string;
  /**
   * Also replace those that are `/dev/null`, default false. For PID 1: where the
   * kernel found no console to give, the runtime has put `/dev/null` there
   * before the first line of the program.
   */
  readonly replaceNull?: boolean;
}

/**
 * Makes sure that descriptors 0, 1 and 2 are open: those that are not are made
 * the console, or `/dev/null` where there is no console. Without this, the next
 * file that is opened would become the standard output, and text would go
 * into it. LinuxKit's images lack `/dev/console`, so call this again when
 * devtmpfs is mounted.
 *
 * @param options The device, and whether `/dev/null` counts as missing.
 * @returns The descriptors that were replaced, or an error if one could not be.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openStandardDescriptors } from "./console.ts";
 *
 * assertEquals(openStandardDescriptors(), []); // all three are open
 * ```
 */
export function openStandardDescriptors(
  options: StandardDescriptorOptions = {},
): number[] | SystemError {
  const path = options.path ?? "/dev/console";
  const missing = [0, 1, 2].filter((descriptor) =>
    !isOpen(descriptor) || (options.replaceNull === true && isNull(descriptor))
  );
  if (missing.length === 0) return [];
  let opened: number | undefined;
  let failure: SystemError | undefined;
  // What is /dev/null already is not made anew.
  const candidates = missing.every(isOpen) ? [path] : [path, "/dev/null"];
  for (const candidate of candidates) {
    try {
      opened = open(candidate, ["readWrite", "noControllingTerminal"]);
      break;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      failure ??= error;
    }
  }
  if (opened === undefined) {
    return failure ?? new SystemError({ syscall: "open", errno: ENOENT, path });
  }
  const source = opened;
  try {
    // The lowest free number was taken, which may be one of the three; it is
    // close-on-exec then, unlike a standard descriptor, so it is made over.
    const spare = 10;
    const from = source <= 2 ? duplicateAbove(source, spare) : source;
    for (const descriptor of missing) duplicate(from, descriptor, false);
    close(from);
  } catch (error) {
    if (error instanceof SystemError) return error;
    throw error;
  }
  return missing;
}

const ENOENT = 2;

function isNull(descriptor: number): boolean {
  try {
    return status(descriptor).specialDevice === "1:3";
  } catch {
    return false;
  }
}

/** Options of a {@linkcode ConsoleWriter}. */
export interface ConsoleWriterOptions {
  /** Bytes that may wait for the console, default 65536. */
  readonly capacityBytes?: number;
  /**
   * What to write to: a descriptor, or a path that is opened with O_NONBLOCK.
   * Default `/dev/console`. A descriptor that is shared with other programs is
   * not made O_NONBLOCK, since they would see it: give a path for one of our own.
   */
  readonly target?: number | string;
}

/**
 * Writes lines to a console that may be slow, full or gone. A line that has no
 * room in the buffer is dropped whole and counted, and the count is written as
 * a line when there is room again. No method throws or waits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pipe } from "./descriptor.ts";
 * import { close, read } from "./file.ts";
 * import { ConsoleWriter } from "./console.ts";
 *
 * const [reader, writer] = pipe();
 * const lines = new ConsoleWriter({ target: writer });
 * lines.line("spaceos-init: hello");
 * const buffer = new Uint8Array(64);
 * const count = read(reader, buffer) ?? 0;
 * assertEquals(
 *   new TextDecoder().decode(buffer.subarray(0, count)),
 *   "spaceos-init: hello\n",
 * );
 * close(reader);
 * close(writer);
 * ```
 */
export class ConsoleWriter {
  readonly #capacityBytes: number;
  readonly #target: number | string;
  readonly #encoder = new TextEncoder();
  #descriptor: number | undefined;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Bytes of the first queued line that are written already. */
  #offset = 0;
  #dropped = 0;
  #droppedUnsaid = 0;
  #broken: SystemError | undefined;

  /**
   * Makes a writer; the target is opened with the first line.
   *
   * @param options The capacity and the target.
   */
  constructor(options: ConsoleWriterOptions = {}) {
    this.#capacityBytes = options.capacityBytes ?? 65_536;
    this.#target = options.target ?? "/dev/console";
  }

  /** Lines that were dropped since the start. */
  get droppedLines(): number {
    return this.#dropped;
  }

  /** Bytes that wait for the console. While it is not 0, call {@linkcode flush} when it takes data again. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** The descriptor to wait for, if there is one. */
  get descriptor(): number | undefined {
    return typeof this.#target === "number" ? this.#target : this.#descriptor;
  }

  /** Why the last attempt to write failed, if it did. */
  get error(): SystemError | undefined {
    return this.#broken;
  }

  /**
   * Writes a line, now or when the console takes it.
   *
   * @param text The line, without its newline; bytes are passed through as
   * they are.
   */
  line(text: string | Uint8Array): void {
    const body = typeof text === "string" ? this.#encoder.encode(text) : text;
    const bytes = new Uint8Array(body.length + 1);
    bytes.set(body);
    bytes[body.length] = 0x0A;
    if (this.#queuedBytes > 0) this.flush();
    if (this.#queuedBytes + bytes.length > this.#capacityBytes) {
      this.#dropped++;
      this.#droppedUnsaid++;
      return;
    }
    this.#push(bytes);
    this.flush();
  }

  /**
   * Writes what waits, as far as the console takes it.
   *
   * @returns Whether nothing waits any more.
   */
  flush(): boolean {
    const descriptor = this.#open();
    while (descriptor !== undefined) {
      const [first] = this.#queue;
      if (first === undefined) {
        if (this.#droppedUnsaid === 0) break;
        this.#sayDropped();
        continue;
      }
      let count: number | null;
      try {
        count = write(descriptor, first.subarray(this.#offset));
      } catch (error) {
        this.#fail(error);
        break;
      }
      if (count === null) break;
      this.#broken = undefined;
      this.#offset += count;
      this.#queuedBytes -= count;
      if (this.#offset === first.length) {
        this.#queue.shift();
        this.#offset = 0;
      }
    }
    return this.#queuedBytes === 0;
  }

  #push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
  }

  #sayDropped(): void {
    const count = this.#droppedUnsaid;
    this.#droppedUnsaid = 0;
    this.#push(
      this.#encoder.encode(
        `(${count} line${count === 1 ? "" : "s"} dropped)\n`,
      ),
    );
  }

  #open(): number | undefined {
    if (typeof this.#target === "number") return this.#target;
    if (this.#descriptor !== undefined) return this.#descriptor;
    try {
      this.#descriptor = open(this.#target, [
        "writeOnly",
        "nonblock",
        "noControllingTerminal",
      ]);
    } catch (error) {
      this.#broken = error instanceof SystemError ? error : undefined;
    }
    return this.#descriptor;
  }

  /**
   * The console is gone: what waits stays within the capacity, and a path is
   * opened anew with the next line.
   */
  #fail(error: unknown): void {
    this.#broken = error instanceof SystemError ? error : undefined;
    if (this.#descriptor === undefined) return;
    try {
      close(this.#descriptor);
    } catch {
      // It is closed all the same.
    }
    this.#descriptor = undefined;
  }
}
