/**
 * What happens after a log was read, told from what the log has already: a VM
 * sends each event once, to whoever is there, and what waited for us may come
 * behind the answer that has the log. Imports `wire`.
 *
 * @module
 */

import { encodeEventRecord, type EventRecord } from "../../lib/wire/event.ts";
import { eventCodes } from "../../lib/wire/event_code.ts";
import { toHex } from "../../lib/wire/hex.ts";

/** Judges the events that come, in the order in which they do. */
export class NewEvents {
  /** The log's events that have not come by themselves. */
  readonly #known: string[];
  readonly #oldest: number;
  /** What comes may be older than all that the log still has. */
  #mayBeOlder: boolean;

  /** @param log What was read, oldest first. */
  constructor(log: readonly EventRecord[]) {
    this.#known = log.map((event) => toHex(encodeEventRecord(event)));
    this.#oldest = log[0]?.timestamp ?? 0;
    this.#mayBeOlder = log.length > 0;
  }

  /**
   * Whether an event is one that the log does not have, nor had.
   *
   * @param event The next that came.
   */
  isNew(event: EventRecord): boolean {
    const at = this.#known.indexOf(toHex(encodeEventRecord(event)));
    if (at >= 0) {
      this.#known.splice(at, 1);
      // Those that the log has forgotten were before any that it has.
      this.#mayBeOlder = false;
      return false;
    }
    const isOlder = this.#mayBeOlder && event.timestamp < this.#oldest &&
      // The clock may have been set back.
      event.eventCode !== eventCodes.CLOCK_SET.code;
    if (!isOlder) this.#mayBeOlder = false;
    return !isOlder;
  }
}
