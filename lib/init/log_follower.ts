/**
 * The log as a host follows it: the lines that it holds, then each new one, some
 * at a time, so that who asks meanwhile has his answer. Imports `host`, the log
 * and its frames.
 *
 * @module
 */
import type { HostLink } from "../host/link.ts";
import type { Log, LogLine } from "./log.ts";
import { logFrames } from "./log_frames.ts";

/** Lines of the log leave this much room for HEALTH, and for the longest of them. */
const LOG_ROOM_FRAMES = 128;

/** Lines of the log that are sent at once. */
const LOG_SLICE_LINES = 32;

/** Whose lines of the log are sent, and the last that was. */
interface Following {
  readonly name: string | null;
  readonly sinceMs: number;
  sequence: number;
}

/** Sends the log to the host that follows it. */
export class LogFollower {
  readonly #log: Log;
  readonly #nowMs: () => number;
  #following: Following | null = null;
  #unfollow: (() => void) | null = null;
  #isPumping = false;
  #pumpTimer: ReturnType<typeof setTimeout> | undefined;
  #link: HostLink | null = null;

  /**
   * Begins with nobody who follows.
   *
   * @param log The log.
   * @param nowMs The time since boot, milliseconds.
   *
   * @example
   * ```ts
   * import { Log } from "./log.ts";
   * import { LogFollower } from "./log_follower.ts";
   * import { assertEquals } from "@std/assert/equals";
   *
   * const follower = new LogFollower(new Log({ nowMs: () => 0 }), () => 0);
   * assertEquals(follower.sinceMs, Infinity);
   * ```
   */
  constructor(log: Log, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** Since when the log is followed, milliseconds since boot; Infinity if it is not. */
  get sinceMs(): number {
    return this.#following?.sinceMs ?? Infinity;
  }

  /**
   * Begins, or begins anew, with the lines that the log holds.
   *
   * @param link Takes the frames.
   * @param name Whose lines; null for all.
   */
  begin(link: HostLink, name: string | null): void {
    this.end();
    const [oldest] = this.#log.recent();
    // What the log had forgotten before was not missed.
    const sequence = (oldest?.sequence ?? 1) - 1;
    this.#link = link;
    this.#following = { name, sinceMs: this.#nowMs(), sequence };
    this.#unfollow = this.#log.follow(() => this.goOn());
    this.sendSome();
  }

  /** Sends no more. */
  end(): void {
    this.#unfollow?.();
    this.#unfollow = null;
    this.#following = null;
    clearTimeout(this.#pumpTimer);
    this.#pumpTimer = undefined;
  }

  /** There is a new line, or room: who is behind goes on at his own pace. */
  goOn(): void {
    if (this.#pumpTimer === undefined) this.sendSome();
  }

  /** Sends some lines, while there is room, and the next ones soon. */
  sendSome(): void {
    const link = this.#link;
    // Sending makes room, and room is what calls for more.
    if (link === null || this.#following === null || this.#isPumping) return;
    this.#isPumping = true;
    let lines = 0;
    try {
      link.gather(() => {
        while (
          lines < LOG_SLICE_LINES && this.#following !== null &&
          link.room("telemetry") > LOG_ROOM_FRAMES &&
          this.#sendNextLine(link, this.#following)
        ) lines++;
      });
    } finally {
      this.#isPumping = false;
    }
    if (lines < LOG_SLICE_LINES) return;
    this.#pumpTimer ??= setTimeout(() => {
      this.#pumpTimer = undefined;
      this.sendSome();
    }, 0);
  }

  /** Sends the next of the lines that are followed; says whether there was one. */
  #sendNextLine(link: HostLink, following: Following): boolean {
    for (;;) {
      const line = this.#log.after(following.sequence);
      if (line === null) return false;
      const missed = line.sequence - following.sequence - 1;
      following.sequence = line.sequence;
      if (missed > 0) this.#sendLine(link, missedNotice(line, missed));
      if (following.name !== null && line.name !== following.name) continue;
      this.#sendLine(link, line);
      return true;
    }
  }

  #sendLine(link: HostLink, line: LogLine): void {
    for (const frame of logFrames(line)) link.send(frame, "telemetry");
  }
}

/** Says before a line how many the log has forgotten since the last one. */
function missedNotice(line: LogLine, missed: number): LogLine {
  const text = `${missed} lines of the log were too fast for the host`;
  const bytes = new TextEncoder().encode(text);
  return { ...line, name: "spaceos-init", stream: "init", bytes };
}
