/**
 * Cuts a byte stream into the fixed frames of the host link. Pure bytes: it
 * neither decodes nor judges what it cuts. May import `wire` only.
 *
 * @module
 */
import { FRAME_SIZE_BYTES } from "../wire/frame.ts";

/**
 * Collects bytes as they come and hands out whole frames. It holds one frame
 * at most, so its memory is fixed whatever the peer sends.
 */
export class Framer {
  readonly #buffer = new Uint8Array(FRAME_SIZE_BYTES);
  #filledBytes = 0;

  /** Bytes of an unfinished frame, 0..255. */
  get pendingBytes(): number {
    return this.#filledBytes;
  }

  /**
   * Takes bytes off the stream and calls back for each frame they complete.
   *
   * @param chunk Any number of bytes.
   * @param onFrame Called with each whole frame; the array is the callee's own.
   *
   * @example
   * ```ts
   * import { Framer } from "./framer.ts";
   * import { assertEquals } from "@std/assert/equals";
   *
   * const framer = new Framer();
   * let frames = 0;
   * framer.push(new Uint8Array(300), () => frames++);
   * assertEquals([frames, framer.pendingBytes], [1, 44]);
   * ```
   */
  push(chunk: Uint8Array, onFrame: (frame: Uint8Array) => void): void {
    let offset = 0;
    while (offset < chunk.length) {
      const take = Math.min(
        FRAME_SIZE_BYTES - this.#filledBytes,
        chunk.length - offset,
      );
      this.#buffer.set(
        chunk.subarray(offset, offset + take),
        this.#filledBytes,
      );
      this.#filledBytes += take;
      offset += take;
      if (this.#filledBytes === FRAME_SIZE_BYTES) {
        this.#filledBytes = 0;
        onFrame(this.#buffer.slice());
      }
    }
  }

  /**
   * Forgets an unfinished frame: the peer hung up, and what it sends after it
   * comes back begins a new frame (formats.md, "Frame").
   *
   * @returns The number of bytes that were dropped.
   */
  reset(): number {
    const droppedBytes = this.#filledBytes;
    this.#filledBytes = 0;
    return droppedBytes;
  }
}
