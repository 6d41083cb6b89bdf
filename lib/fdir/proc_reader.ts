/**
 * Reads files of `/proc` and `/sys`, whatever they hold and whenever their
 * process vanishes: bounded, and never waiting for the process that they are
 * about. Imports `linux`.
 *
 * Most files of `/proc/PID` are made without asking the process. `maps` is not:
 * its reader waits for the lock of the process's memory, which a process that
 * hangs in a page fault may hold for ever. It is therefore read on another
 * thread, and given up after a while.
 *
 * @module
 */
import { close, open, read } from "../linux/file.ts";
import { preadAsync } from "../linux/positioned_file.ts";

/** The most bytes of a file that are read at once; longer ones are cut. */
const TEXT_MAX_BYTES = 256 * 1024;

/** The most bytes of `maps` that are read. */
const MAPS_MAX_BYTES = 1024 * 1024;

/** How much of `maps` is read in one go. */
const MAPS_STEP_BYTES = 32 * 1024;

/** How long a process may hold up the reading of its `maps`. */
const MAPS_LIMIT_MS = 2_000;

/** The most readings of `maps` that may hang at a time: each keeps a thread. */
const MAXIMUM_STUCK = 4;

/** Stands for what is behind the last line that was read. */
const CUT_LINE = `0-0 r-xp 0 0:0 1 (more than ${MAPS_MAX_BYTES} bytes)\n`;

/** Reads files below one folder. */
export class ProcReader {
  readonly #root: string;
  readonly #buffer = new Uint8Array(TEXT_MAX_BYTES);
  readonly #stuck = new Set<number>();

  /**
   * Begins without having read anything.
   *
   * @param root The folder, `/proc` or a mock of it.
   */
  constructor(root: string) {
    this.#root = root;
  }

  /**
   * Reads a file.
   *
   * @param path The file, below the folder.
   * @returns Its text, at most 256 KiB of it; null when it can't be read, which
   * is what happens to the files of a process that has ended.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { ProcReader } from "./proc_reader.ts";
   *
   * assertEquals(new ProcReader("/proc").text("no such file"), null);
   * ```
   */
  text(path: string): string | null {
    let descriptor: number;
    try {
      descriptor = open(`${this.#root}/${path}`, ["nonblock"]);
    } catch {
      return null;
    }
    try {
      let filled = 0;
      while (filled < this.#buffer.length) {
        const count = read(descriptor, this.#buffer.subarray(filled));
        if (count === null || count === 0) break;
        filled += count;
      }
      return new TextDecoder().decode(this.#buffer.subarray(0, filled));
    } catch {
      return null;
    } finally {
      close(descriptor);
    }
  }

  /**
   * Reads the links of a folder.
   *
   * @param path The folder, below the reader's.
   * @param names The links.
   * @returns Where each points to, without those that are not there; null when
   * none is.
   */
  links(
    path: string,
    names: readonly string[],
  ): Record<string, string> | null {
    const found: Record<string, string> = {};
    for (const name of names) {
      try {
        found[name] = Deno.readLinkSync(`${this.#root}/${path}/${name}`);
      } catch {
        // The process has ended, or the kernel has no such namespace.
      }
    }
    return Object.keys(found).length === 0 ? null : found;
  }

  /**
   * Reads the memory map of a process.
   *
   * @param pid The process.
   * @returns The text of `maps`, at most 1 MiB of it, the last line telling
   * when that was not all; null when it can't be read, or not now.
   */
  async maps(pid: number): Promise<string | null> {
    if (this.#stuck.has(pid) || this.#stuck.size >= MAXIMUM_STUCK) return null;
    let descriptor: number;
    try {
      descriptor = open(`${this.#root}/${pid}/maps`, ["nonblock"]);
    } catch {
      return null;
    }
    const reading = readAll(descriptor).catch(() => null);
    const settled = reading.finally(() => close(descriptor));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), MAPS_LIMIT_MS);
    });
    const outcome = await Promise.race([settled, late]);
    clearTimeout(timer);
    if (outcome !== "late") return outcome;
    this.#stuck.add(pid);
    void settled.finally(() => this.#stuck.delete(pid));
    return null;
  }
}

async function readAll(descriptor: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let done = 0;
  while (done < MAPS_MAX_BYTES) {
    // A thread that hangs keeps its buffer: none is ever used again.
    const buffer = new Uint8Array(MAPS_STEP_BYTES);
    const count = await preadAsync(descriptor, buffer, done);
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    done += count;
    if (count < buffer.length) return text;
  }
  return text.slice(0, text.lastIndexOf("\n") + 1) + CUT_LINE;
}
