/**
 * Frames of the host's peers: a switch hands the init what others sent to it.
 * They reach no command; each becomes an event, so many at a time, since an
 * event is a write to the disk and a peer may be hostile. Pure; imports `wire`.
 *
 * @module
 */
import { cutText } from "../wire/cut_text.ts";
import { EVENT_PAYLOAD_MAX_BYTES } from "../wire/event.ts";
import { type Frame, FrameType } from "../wire/frame.ts";
import { toHex } from "../wire/hex.ts";

/** Frames that are recorded at once, when none came before. */
export const PEER_FRAME_BURST = 16;

/** How long it takes until one more is recorded, in milliseconds. */
export const PEER_FRAME_INTERVAL_MS = 10_000;

/** How often it is said how many were not recorded, at most, in milliseconds. */
export const PEER_DROP_NOTICE_MS = 60_000;

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(FrameType).map(([name, type]) => [type, name]),
);

/**
 * A frame as the payload of an event: type, sender, length, and as much of the
 * payload in hexadecimal digits as there is room for.
 *
 * @param frame The frame.
 * @returns At most 64 bytes of text.
 *
 * @example
 * ```ts
 * import { peerFrameText } from "./peer_frames.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const payload = Uint8Array.of(1, 2, 255);
 * const frame = { type: 2, apid: 0x21, destinationApid: 1, payload } as const;
 * assertEquals(peerFrameText(frame), "TC from 0x021, 3 bytes: 0102ff");
 * ```
 */
export function peerFrameText(frame: Frame): string {
  const { type, apid, payload } = frame;
  const sender = `0x${apid.toString(16).toUpperCase().padStart(3, "0")}`;
  const text = `${
    TYPE_NAMES.get(type) ?? type
  } from ${sender}, ${payload.length} bytes: ${toHex(payload)}`;
  return new TextDecoder().decode(cutText(text, EVENT_PAYLOAD_MAX_BYTES));
}

/**
 * Counts the frames of peers.
 *
 * @example
 * ```ts
 * import { PEER_FRAME_BURST, PeerLimit } from "./peer_frames.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const limit = new PeerLimit();
 * for (let frame = 0; frame < PEER_FRAME_BURST; frame++) limit.admit(0);
 * assertEquals(limit.admit(0), false);
 * assertEquals(limit.takeDropped(0), 1);
 * assertEquals(limit.admit(10_000), true);
 * ```
 */
export class PeerLimit {
  #left = PEER_FRAME_BURST;
  #sinceMs = 0;
  #droppedFrames = 0;
  #noticeMs = -Infinity;

  /**
   * Takes a frame.
   *
   * @param nowMs CLOCK_BOOTTIME, milliseconds.
   * @returns Whether it should be recorded.
   */
  admit(nowMs: number): boolean {
    const gained = Math.floor((nowMs - this.#sinceMs) / PEER_FRAME_INTERVAL_MS);
    if (gained > 0) {
      this.#left = Math.min(PEER_FRAME_BURST, this.#left + gained);
      this.#sinceMs += gained * PEER_FRAME_INTERVAL_MS;
    }
    if (this.#left === 0) {
      this.#droppedFrames++;
      return false;
    }
    this.#left--;
    return true;
  }

  /**
   * Frames that were not recorded since the last time, when it is time to say so.
   *
   * @param nowMs CLOCK_BOOTTIME, milliseconds.
   * @returns Their number, which begins anew; 0 too soon after the last time.
   */
  takeDropped(nowMs: number): number {
    const droppedFrames = this.#droppedFrames;
    if (droppedFrames === 0 || nowMs < this.#noticeMs + PEER_DROP_NOTICE_MS) {
      return 0;
    }
    this.#noticeMs = nowMs;
    this.#droppedFrames = 0;
    return droppedFrames;
  }
}
