/**
 * Finds the frames in a byte stream that may begin in the middle of one. A
 * program that connects to a VM's socket can meet the rest of a frame that was
 * meant for the one before it; without looking for the next beginning, all
 * that follows would be cut at the wrong places for ever. Imports `wire`.
 *
 * @module
 */
import {
  type Frame,
  FRAME_PAYLOAD_MAX_BYTES,
  FRAME_SIZE_BYTES,
  FRAME_VERSION,
  FrameType,
  receiveFrame,
} from "../wire/frame.ts";

/** The bytes of a frame's head: version to destination. */
const HEAD_BYTES = FRAME_SIZE_BYTES - FRAME_PAYLOAD_MAX_BYTES;

/** The highest number of a frame's type. */
const LAST_TYPE = Math.max(...Object.values(FrameType));

/**
 * Cuts a stream into valid frames and skips, byte by byte, what is none. It
 * holds less than one frame besides the chunk at hand.
 */
export class FrameScanner {
  #pending: Uint8Array = new Uint8Array(0);
  #skippedBytes = 0;

  /** How many bytes belonged to no valid frame. */
  get skippedBytes(): number {
    return this.#skippedBytes;
  }

  /** Bytes of a frame whose rest has not come, 0..255. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  /**
   * Takes bytes off the stream and calls back for each valid frame.
   *
   * @param chunk Any number of bytes; not kept.
   * @param onFrame Called with each frame, whose payload is the callee's own.
   *
   * @example
   * ```ts
   * import { FrameScanner } from "./frame_scanner.ts";
   * import { encodeFrame } from "../wire/frame.ts";
   * import { assertEquals } from "@std/assert/equals";
   *
   * const payload = new Uint8Array([7]);
   * const frame = { type: 1, apid: 1, destinationApid: 0, payload } as const;
   * const scanner = new FrameScanner();
   * const types: number[] = [];
   * scanner.push(new Uint8Array(100).fill(0xAA), () => {});
   * scanner.push(encodeFrame(frame), ({ type }) => types.push(type));
   * assertEquals([types, scanner.skippedBytes], [[1], 100]);
   * ```
   */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    const bytes = new Uint8Array(this.#pending.length + chunk.length);
    bytes.set(this.#pending);
    bytes.set(chunk, this.#pending.length);
    let at = 0;
    while (at < bytes.length) {
      if (!mayBegin(bytes, at)) {
        at++;
        this.#skippedBytes++;
        continue;
      }
      if (bytes.length - at < FRAME_SIZE_BYTES) break;
      const received = receiveFrame(bytes.subarray(at, at + FRAME_SIZE_BYTES));
      if (!received.ok) {
        at++;
        this.#skippedBytes++;
        continue;
      }
      at += FRAME_SIZE_BYTES;
      onFrame(received.frame);
    }
    this.#pending = bytes.slice(at);
  }
}

/** Whether a frame could begin at a place, as far as its head is there. */
function mayBegin(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] !== FRAME_VERSION) return false;
  const type = bytes[at + 1];
  if (type === undefined) return true;
  if (type === 0 || type > LAST_TYPE) return false;
  if (at + HEAD_BYTES > bytes.length) return true;
  const length = (bytes[at + 4] ?? 0) << 8 | (bytes[at + 5] ?? 0);
  return length <= FRAME_PAYLOAD_MAX_BYTES;
}
