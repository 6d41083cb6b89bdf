/**
 * The init's event records on their way: to the volume, where there is one,
 * and then to the host as EVR frames. A frame that the host sees is therefore
 * a record that survives a power cut, unless the volume refused it, which is
 * an event of its own. Bounded, and never waited for: a disk that does not
 * answer costs records, which are counted. While it fails it is tried again
 * from time to time, so that an idle machine learns when it works. Imports
 * `storage`, `wire` and `host`.
 *
 * @module
 */
import { frameToHost } from "../host/requests.ts";
import { StorageError } from "../storage/error.ts";
import type { Volume } from "../storage/volume.ts";
import { cutText } from "../wire/cut_text.ts";
import {
  encodeEventRecord,
  EVENT_PAYLOAD_MAX_BYTES,
  type EventRecord,
  type EventSeverity,
} from "../wire/event.ts";
import { type EventCodeName, eventCodes } from "../wire/event_code.ts";
import { FrameType } from "../wire/frame.ts";

/** What records are written with. */
export interface RecordsParts {
  /** The volume, or null. */
  readonly volume: Volume | null;
  /** Mission time in seconds. */
  readonly missionSeconds: () => number;
  /** Takes the EVR frame. */
  readonly send: (frame: Uint8Array) => void;
  /** Told the first time that the volume refuses something. */
  readonly onFailing: (problem: string) => void;
  /** Told when it takes records again, and how many were lost meanwhile. */
  readonly onRecovered: (lostCount: number) => void;
  /** Told since when the oldest unanswered request is open; null when none is. */
  readonly onPending: (isPending: boolean) => void;
}

/**
 * How long after the last record the journal's image is written in place. The
 * record is safe before; afterwards software that knows no journal sees it.
 */
const CHECKPOINT_DELAY_MS = 1_000;

/** How often a volume that fails is tried again. */
const RETRY_INTERVAL_MS = 5_000;

/** What a volume refuses with although the disk is well. */
const NO_FAILURE: readonly string[] = ["ENOSPC", "EAGAIN", "EBADF", "EINVAL"];

/** What a request ends with when the disk itself has said nothing. */
const SILENCE: readonly string[] = ["ETIMEDOUT", "EAGAIN", "EBADF"];

function isAnswer(error: unknown): boolean {
  return !(error instanceof StorageError && SILENCE.includes(error.code));
}

/** A volume that is closed has been asked nothing. */
function isClosed(error: unknown): boolean {
  return error instanceof StorageError && error.code === "EBADF";
}

/** Writes event records. */
export class Records {
  readonly #parts: RecordsParts;
  #count = 0;
  #lostCount = 0;
  #pending = 0;
  /** Whether the disk owes an answer. */
  #isUnanswered = false;
  /** Why the volume fails, as a record; null while it works. */
  #failure: EventRecord | null = null;
  /** Records that were lost before it failed. */
  #lostBefore = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #checkpointTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Begins with nothing written.
   *
   * @param parts What records are written with.
   */
  constructor(parts: RecordsParts) {
    this.#parts = parts;
  }

  /** Events since the boot. */
  get count(): number {
    return this.#count;
  }

  /** Events of them that the volume did not take. */
  get lostCount(): number {
    return this.#lostCount;
  }

  /**
   * Writes an event.
   *
   * @param code What happened.
   * @param severity How severe it is.
   * @param text The details, cut to 64 bytes.
   */
  write(code: EventCodeName, severity: EventSeverity, text: string): void {
    const record = this.#recordOf(code, severity, text);
    this.#count++;
    void this.#store(record, false).finally(() =>
      this.#parts.send(frameToHost(FrameType.EVR, encodeEventRecord(record)))
    );
  }

  /**
   * Takes the failure of another change of the volume.
   *
   * @param error What the volume refused it with.
   */
  refused(error: unknown): void {
    const { volume } = this.#parts;
    const isWell = error instanceof StorageError &&
      NO_FAILURE.includes(error.code);
    if (volume === null || volume.readOnly || isWell) return;
    this.#fail(error);
  }

  #recordOf(
    code: EventCodeName,
    severity: EventSeverity,
    text: string,
  ): EventRecord {
    return {
      timestamp: this.#parts.missionSeconds(),
      severity,
      eventCode: eventCodes[code].code,
      payload: cutText(text, EVENT_PAYLOAD_MAX_BYTES),
    };
  }

  async #store(record: EventRecord, isRetry: boolean): Promise<void> {
    const { volume } = this.#parts;
    if (volume === null || volume.readOnly) return;
    const wasUnanswered = this.#isUnanswered;
    this.#asked();
    let answered = true;
    try {
      await volume.events.append(record);
      this.#recover();
    } catch (error) {
      answered = isAnswer(error) || (isClosed(error) && !wasUnanswered);
      if (!isRetry) this.#lostCount++;
      this.#fail(error);
    } finally {
      this.#pending--;
      if (answered) this.#answered();
      this.#checkpointSoon(volume);
    }
  }

  #fail(error: unknown): void {
    if (this.#failure === null) {
      const problem = error instanceof Error ? error.message : String(error);
      const { severity } = eventCodes.STORAGE_FAILED;
      this.#failure = this.#recordOf("STORAGE_FAILED", severity, problem);
      this.#lostBefore = Math.max(0, this.#lostCount - 1);
      this.#parts.onFailing(problem);
    }
    clearTimeout(this.#retryTimer);
    if (isClosed(error)) return;
    this.#retryTimer = setTimeout(() => {
      // What it would not take is what it is to say first.
      const failure = this.#failure;
      if (failure !== null) void this.#store(failure, true);
    }, RETRY_INTERVAL_MS);
  }

  #recover(): void {
    if (this.#failure === null) return;
    this.#failure = null;
    clearTimeout(this.#retryTimer);
    this.#parts.onRecovered(this.#lostCount - this.#lostBefore);
  }

  #checkpointSoon(volume: Volume): void {
    clearTimeout(this.#checkpointTimer);
    this.#checkpointTimer = setTimeout(() => {
      // What fails here fails again, and is said, with the next record; a disk
      // that was silent is asked until it says something.
      volume.checkpoint().then(() => this.#answered(), (error) => {
        if (isAnswer(error)) this.#answered();
        else if (!isClosed(error)) this.#checkpointSoon(volume);
      });
    }, CHECKPOINT_DELAY_MS);
  }

  #asked(): void {
    this.#pending++;
    if (this.#isUnanswered) return;
    this.#isUnanswered = true;
    this.#parts.onPending(true);
  }

  /**
   * An answer shows that the storage lives: what is left waits from now on. A
   * request that has run out of its time is none: the disk may be dead.
   */
  #answered(): void {
    if (!this.#isUnanswered) return;
    this.#isUnanswered = this.#pending > 0;
    this.#parts.onPending(this.#isUnanswered);
  }
}
