/**
 * Holds the image's files against the manifest of its build, bit by bit: at
 * each check every file's status is looked at, which is quick and shows every
 * change that was made by way of the file system, and what looks changed is
 * read at once. Besides, all files are read again and again in turn, as far as
 * the check's budget goes, because memory and disks forget without telling the
 * file system. Files are read on another thread, and a piece at a time.
 * Imports `wire`, `linux` and this room.
 *
 * @module
 */
import { close, open } from "../linux/file.ts";
import { status } from "../linux/file_status.ts";
import { preadAsync } from "../linux/positioned_file.ts";
import { toHex } from "../wire/hex.ts";
import type { ManifestEntry } from "./manifest.ts";
import type { Sha256 } from "./sha256.ts";

/** How much of a file is read in one go. */
const PIECE_BYTES = 256 * 1024;

/** How long the event loop may be kept from turning. */
const SLICE_MS = 5;

/** How long a check reads files that look changed, at most. */
const CHANGED_LIMIT_MS = 10_000;

/** What a check works with. */
export interface ImageFilesParts {
  /** The files. */
  readonly entries: readonly ManifestEntry[];
  /** Makes digests, for this alone: one may last from check to check. */
  readonly sha256: Sha256;
  /** Milliseconds since boot. */
  readonly nowMs: () => number;
  /** Lets the event loop turn. */
  readonly pause: () => Promise<void>;
  /** The folder in which the paths are looked up; left out, the root. */
  readonly root?: string;
}

/** What a check found. */
export interface ImageFilesReport {
  /** A sentence for each file that is not as it was built. */
  readonly findings: readonly string[];
  /** The files that are. */
  readonly goodFiles: ReadonlySet<string>;
}

interface FileState {
  readonly path: string;
  readonly digest: string;
  /** What its status was when it was last read to its end; null before. */
  seen: string | null;
  /** What is wrong with it; null for nothing, undefined before it was read. */
  finding: string | null | undefined;
}

/** A digest in the making. */
interface Reading {
  readonly file: FileState;
  /** The file's status when it was begun. */
  readonly seen: string;
  readonly descriptor: number;
  doneBytes: number;
}

/** The image's files, and what is known of each. */
export class ImageFiles {
  readonly #parts: ImageFilesParts;
  readonly #files: FileState[];
  /** The next file to be read in turn. */
  #next = 0;
  /** How often all files were read. */
  #rounds = 0;
  #reading: Reading | null = null;
  readonly #buffer = new Uint8Array(PIECE_BYTES);

  /**
   * Begins with no file read.
   *
   * @param parts What it works with.
   */
  constructor(parts: ImageFilesParts) {
    this.#parts = parts;
    this.#files = parts.entries.map(({ path, digest }) => ({
      path,
      digest,
      seen: null,
      finding: undefined,
    }));
  }

  /** How often every file has been read to its end since the beginning. */
  get rounds(): number {
    return this.#rounds;
  }

  /**
   * Checks. Only one check may be under way at a time.
   *
   * @param budgetMs How long files are read in turn, in milliseconds; 0 for not
   * at all. What is not read to its end is read on at the next check.
   * @returns What is wrong as far as is known, and what is known to be good.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { ImageFiles } from "./image_files.ts";
   * import { createSha256 } from "./sha256.ts";
   *
   * const files = new ImageFiles({
   *   entries: [{ path: "/no/such/file", digest: "00" }],
   *   sha256: await createSha256(),
   *   nowMs: () => performance.now(),
   *   pause: () => Promise.resolve(),
   * });
   * assertEquals((await files.check(10)).findings, ["/no/such/file is missing"]);
   * ```
   */
  async check(budgetMs: number): Promise<ImageFilesReport> {
    const { nowMs, pause } = this.#parts;
    const beganMs = nowMs();
    let sliceMs = beganMs;
    for (const file of this.#files) {
      if (nowMs() - sliceMs > SLICE_MS) {
        await pause();
        sliceMs = nowMs();
      }
      const seen = this.#look(file);
      const isChanged = seen !== null && file.seen !== null &&
        seen !== file.seen;
      if (!isChanged) continue;
      // The digest in the making gives way to it.
      this.#drop();
      await this.#read(file, seen, beganMs + CHANGED_LIMIT_MS);
    }
    if (budgetMs > 0) await this.#readInTurn(nowMs() + budgetMs);
    return {
      findings: this.#files.flatMap(({ finding }) => finding ?? []),
      goodFiles: new Set(
        this.#files.filter(({ finding }) => finding === null)
          .map(({ path }) => path),
      ),
    };
  }

  /** Reads on where the last check stopped; one piece at least. */
  async #readInTurn(untilMs: number): Promise<void> {
    for (let count = 0; count < this.#files.length; count++) {
      const file = this.#files[this.#next];
      if (file === undefined) return;
      const seen = this.#look(file);
      const isOver = seen === null || await this.#read(file, seen, untilMs);
      if (!isOver) return;
      this.#next = (this.#next + 1) % this.#files.length;
      if (this.#next === 0) this.#rounds++;
      if (this.#parts.nowMs() >= untilMs) return;
    }
  }

  /** The file's status in one text; null when it is no file any more, which is noted. */
  #look(file: FileState): string | null {
    try {
      const facts = status(this.#place(file));
      if (facts.kind !== "file") {
        file.finding = `${file.path} is a ${facts.kind}`;
        return null;
      }
      const { device, inode, lengthBytes, modifiedMs, changedMs } = facts;
      return `${device} ${inode} ${lengthBytes} ${modifiedMs} ${changedMs}`;
    } catch {
      file.finding = `${file.path} is missing`;
      return null;
    }
  }

  #place({ path }: FileState): string {
    return `${this.#parts.root ?? ""}${path}`;
  }

  /**
   * Reads a file, on from where it was left if it is still the same.
   *
   * @returns Whether it is read to its end, or can't be read.
   */
  async #read(
    file: FileState,
    seen: string,
    untilMs: number,
  ): Promise<boolean> {
    const { sha256, nowMs, pause } = this.#parts;
    let reading = this.#reading;
    if (reading?.file !== file || reading.seen !== seen) {
      this.#drop();
      let descriptor: number;
      try {
        descriptor = open(this.#place(file), ["nonblock"]);
      } catch {
        file.finding = `${file.path} can't be opened`;
        return true;
      }
      sha256.begin();
      reading = this.#reading = { file, seen, descriptor, doneBytes: 0 };
    }
    try {
      for (;;) {
        const count = await preadAsync(
          reading.descriptor,
          this.#buffer,
          reading.doneBytes,
        );
        sha256.add(this.#buffer.subarray(0, count));
        reading.doneBytes += count;
        if (count < this.#buffer.length) break;
        if (nowMs() >= untilMs) return false;
        await pause();
      }
      const isGood = toHex(sha256.end()) === file.digest;
      file.finding = isGood ? null : `${file.path} has another SHA-256`;
      file.seen = seen;
    } catch {
      file.finding = `${file.path} can't be read`;
    }
    this.#drop();
    return true;
  }

  /** Gives up the digest in the making. */
  #drop(): void {
    if (this.#reading === null) return;
    close(this.#reading.descriptor);
    this.#reading = null;
  }
}
