/** A port in memory, for tests of what stands above it. */
import type { LinkPort } from "../../../lib/host/link.ts";
import type { PollEvents } from "../../../lib/linux/poller.ts";

/** A port of which the test is the host. */
export class FakePort implements LinkPort {
  /** What the host wrote and was not read yet, read by read. */
  readonly pieces: Uint8Array[] = [];
  /** What the link wrote, write by write. */
  readonly written: Uint8Array[] = [];
  /** How many bytes the host still takes. */
  room = Infinity;
  #onPolled: (polled: PollEvents) => void = () => {};
  /** How often the link asked for more. */
  rearmed = 0;

  read(buffer: Uint8Array): number | null {
    const piece = this.pieces.shift();
    if (piece === undefined) return null;
    buffer.set(piece);
    return piece.length;
  }

  write(bytes: Uint8Array): number | null {
    const count = Math.min(bytes.length, this.room);
    if (count === 0) return null;
    this.room -= count;
    this.written.push(bytes.slice(0, count));
    return count;
  }

  listen(onPolled: (polled: PollEvents) => void): void {
    this.#onPolled = onPolled;
    this.poll();
  }

  /** Reports to the link. */
  poll(hangup = false): void {
    const events = { readable: true, writable: true, error: false };
    this.#onPolled({ ...events, hangup, priority: false });
  }

  /** Whether the link wants to know of room to write. */
  isRoomWatched = true;

  watchRoom(isWatched: boolean): void {
    this.isRoomWatched = isWatched;
  }

  rearm(): void {
    this.rearmed++;
  }

  close(): void {}
}
