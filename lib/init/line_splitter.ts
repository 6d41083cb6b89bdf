/**
 * Cuts what a service writes into lines, as bytes: no decoding, so that output
 * in any encoding passes through unharmed. Pure: imports nothing.
 *
 * @module
 */

/** The longest line kept in one piece, in bytes; a longer one is split. */
export const LINE_LIMIT_BYTES = 4096;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** A line, without its newline. */
export interface Line {
  /** The line's bytes, at most {@linkcode LINE_LIMIT_BYTES}. */
  readonly bytes: Uint8Array;
  /** False when the line goes on in the next one, because it was too long. */
  readonly ended: boolean;
}

/**
 * Collects bytes and hands out lines. Holds {@linkcode LINE_LIMIT_BYTES} at
 * most: a flood without a newline comes out in pieces that say so, and no
 * byte is lost.
 */
export class LineSplitter {
  readonly #buffer = new Uint8Array(LINE_LIMIT_BYTES);
  #filledBytes = 0;

  /**
   * Takes bytes and calls back for each line they complete.
   *
   * @param chunk Any number of bytes.
   * @param onLine Called with each line; its bytes are the callee's own.
   *
   * @example
   * ```ts
   * import { LineSplitter } from "./line_splitter.ts";
   * import { assertEquals } from "@std/assert/equals";
   *
   * const splitter = new LineSplitter();
   * const lines: string[] = [];
   * const take = ({ bytes }: { bytes: Uint8Array }) =>
   *   void lines.push(new TextDecoder().decode(bytes));
   * splitter.push(new TextEncoder().encode("one\ntwo\r\nthr"), take);
   * splitter.flush(take);
   * assertEquals(lines, ["one", "two", "thr"]);
   * ```
   */
  push(chunk: Uint8Array, onLine: (line: Line) => void): void {
    let offset = 0;
    while (offset < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, offset);
      const end = newline === -1 ? chunk.length : newline;
      const room = LINE_LIMIT_BYTES - this.#filledBytes;
      if (end - offset > room) {
        this.#append(chunk.subarray(offset, offset + room));
        offset += room;
        this.#emit(false, onLine);
        continue;
      }
      this.#append(chunk.subarray(offset, end));
      offset = end;
      if (newline !== -1) {
        offset++;
        this.#emit(true, onLine);
      }
    }
  }

  /**
   * Throws lines away and counts them, which is much cheaper than handing them
   * out. What follows the last newline is kept: it is the next line's beginning.
   *
   * @param chunk Any number of bytes.
   * @param onLine Called with the pieces of a line that is too long to keep.
   * @returns How many lines were thrown away.
   *
   * @example
   * ```ts
   * import { LineSplitter } from "./line_splitter.ts";
   * import { assertEquals } from "@std/assert/equals";
   *
   * const splitter = new LineSplitter();
   * const lines: string[] = [];
   * const take = ({ bytes }: { bytes: Uint8Array }) =>
   *   void lines.push(new TextDecoder().decode(bytes));
   * const bytes = new TextEncoder().encode("one\ntwo\nthr");
   * assertEquals(splitter.skip(bytes, take), 2);
   * splitter.flush(take);
   * assertEquals(lines, ["thr"]);
   * ```
   */
  skip(chunk: Uint8Array, onLine: (line: Line) => void): number {
    const last = chunk.lastIndexOf(NEWLINE);
    let count = 0;
    if (last !== -1) {
      this.#filledBytes = 0;
      for (let offset = 0; offset <= last; offset++) {
        if (chunk[offset] === NEWLINE) count++;
      }
    }
    this.push(chunk.subarray(last + 1), onLine);
    return count;
  }

  /**
   * Hands out what is left, a last line without a newline, if there is any.
   *
   * @param onLine Called once or not at all.
   */
  flush(onLine: (line: Line) => void): void {
    if (this.#filledBytes > 0) this.#emit(true, onLine);
  }

  #append(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#filledBytes);
    this.#filledBytes += bytes.length;
  }

  #emit(ended: boolean, onLine: (line: Line) => void): void {
    let length = this.#filledBytes;
    // Programs that believe in a terminal end their lines with CR LF.
    if (ended && this.#buffer[length - 1] === CARRIAGE_RETURN) length--;
    this.#filledBytes = 0;
    onLine({ bytes: this.#buffer.slice(0, length), ended });
  }
}
