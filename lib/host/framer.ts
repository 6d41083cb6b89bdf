/**
 * Cuts a byte stream into the fixed frames of the host link, and tells a piece
 * that begins with a frame from one that goes on with one. What it cuts it
 * neither decodes nor judges. Pure; may import `wire` only.
 *
 * @module
 */
import {
  Apid,
  FRAME_PAYLOAD_MAX_BYTES,
  FRAME_SIZE_BYTES,
  FRAME_VERSION,
  FrameType,
  receiveFrame,
} from "../wire/frame.ts";

/** The bytes of a frame's head. */
const HEAD_BYTES = FRAME_SIZE_BYTES - FRAME_PAYLOAD_MAX_BYTES;

const TYPES: ReadonlySet<number> = new Set(Object.values(FrameType));

/**
 * Whether bytes begin with the head of a frame of the host's: every field in
 * its range, and the host's id. Of random pieces one in three million million
 * does.
 *
 * @param bytes A piece of the stream.
 * @returns False also for a piece that is shorter than a head.
 *
 * @example
 * ```ts
 * import { beginsFrame } from "./framer.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(beginsFrame(Uint8Array.of(1, 2, 0, 0, 0, 4, 0, 0)), true);
 * assertEquals(beginsFrame(Uint8Array.of(1, 2, 0, 0, 0, 249, 0, 0)), false);
 * ```
 */
export function beginsFrame(bytes: Uint8Array): boolean {
  if (bytes.length < HEAD_BYTES || bytes[0] !== FRAME_VERSION) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
  return TYPES.has(view.getUint8(1)) && view.getUint16(2) === Apid.HOST &&
    view.getUint16(4) <= FRAME_PAYLOAD_MAX_BYTES &&
    view.getUint16(6) <= Apid.LAST;
}

/**
 * Whether a piece of the stream is whole frames and nothing else: a multiple
 * of 256 bytes, each 256 of them a valid frame with nothing but zeros behind
 * its payload, and the first from the host itself.
 *
 * The rest of a frame that goes on is none. Where a sender's writes end with
 * whole frames, what follows a part of one is no multiple of 256 bytes. A read
 * that fills its buffer is cut off at one, whatever follows; then the heads of
 * the real frames stand in the midst of each 256 bytes, and all of these would
 * have to be payload, behind 8 bytes that look like a head, 16 times in a row.
 *
 * That much is left to the sender: one that stops twice at the same offset of
 * a frame, and whose payloads hold such heads at that very offset, is taken
 * for somebody new. A switch therefore writes its tenants' frames whole.
 *
 * @param piece What one read gave.
 * @returns False also for no bytes at all.
 *
 * @example
 * ```ts
 * import { isWholeFrames } from "./framer.ts";
 * import { encodeFrame, FrameType } from "../wire/frame.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const frame = encodeFrame({
 *   type: FrameType.TC,
 *   apid: 0,
 *   destinationApid: 0,
 *   payload: Uint8Array.of(0, 1, 0, 7),
 * });
 * assertEquals(isWholeFrames(frame), true);
 * assertEquals(isWholeFrames(frame.subarray(0, 255)), false);
 * ```
 */
export function isWholeFrames(piece: Uint8Array): boolean {
  if (piece.length === 0 || piece.length % FRAME_SIZE_BYTES !== 0) return false;
  for (let at = 0; at < piece.length; at += FRAME_SIZE_BYTES) {
    const received = receiveFrame(piece.subarray(at, at + FRAME_SIZE_BYTES));
    if (!received.ok) return false;
    if (at === 0 && received.frame.apid !== Apid.HOST) return false;
  }
  return true;
}

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
   * @param onFrame Called with each whole frame: a view of the chunk or of the
   * framer's own memory, which is good for the time of the call only.
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
      const end = offset + FRAME_SIZE_BYTES;
      if (this.#filledBytes === 0 && end <= chunk.length) {
        onFrame(chunk.subarray(offset, end));
        offset = end;
        continue;
      }
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
        onFrame(this.#buffer);
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
