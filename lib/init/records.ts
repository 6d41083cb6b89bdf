/**
 * The init's event records on their way: to the volume, where there is one,
 * and then to the host as EVR frames. A frame that the host sees is therefore
 * a record that survives a power cut, unless the volume refused it, which is
 * an event of its own. Bounded, and never waited for: a disk that does not
 * answer costs records, which are counted. Imports `storage`, `wire` and
 * `host`.
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
  /** Told the first time that the volume refuses a record, and when it takes them again. */
  readonly onStorage: (problem: string | null) => void;
  /** Told since when the oldest unanswered request is open; null when none is. */
  readonly onPending: (isPending: boolean) => void;
}

/**
 * How long after the last record the journal's image is written in place. The
 * record is safe before; afterwards software that knows no journal sees it.
 */
const CHECKPOINT_DELAY_MS = 1_000;

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
  #isFailing = false;
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
    const record: EventRecord = {
      timestamp: this.#parts.missionSeconds(),
      severity,
      eventCode: eventCodes[code].code,
      payload: cutText(text, EVENT_PAYLOAD_MAX_BYTES),
    };
    this.#count++;
    void this.#store(record).finally(() =>
      this.#parts.send(frameToHost(FrameType.EVR, encodeEventRecord(record)))
    );
  }

  async #store(record: EventRecord): Promise<void> {
    const { volume, onStorage } = this.#parts;
    if (volume === null || volume.readOnly) return;
    const wasUnanswered = this.#isUnanswered;
    this.#asked();
    let answered = true;
    try {
      await volume.events.append(record);
      if (this.#isFailing) onStorage(null);
      this.#isFailing = false;
    } catch (error) {
      answered = isAnswer(error) || (isClosed(error) && !wasUnanswered);
      this.#lostCount++;
      if (!this.#isFailing) {
        onStorage(error instanceof Error ? error.message : String(error));
      }
      this.#isFailing = true;
    } finally {
      this.#pending--;
      if (answered) this.#answered();
      this.#checkpointSoon(volume);
    }
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
