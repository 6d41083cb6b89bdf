/**
 * The host's questions that the core can't answer, because the answer stands
 * on the disk or in the boot's timeline. Each is answered exactly once, some
 * time later, whatever the disk does. Imports `storage`, `wire` and this room.
 *
 * @module
 */
import type { HostRequest } from "../host/requests.ts";
import { StorageError } from "../storage/error.ts";
import type { Volume } from "../storage/volume.ts";
import {
  encodeBootTimeline,
  PHASE_NAME_MAX_BYTES,
  type PhaseEntry,
  PhaseOutcome,
} from "../wire/boot_timeline.ts";
import { cutText } from "../wire/cut_text.ts";
import { encodeDataProductList } from "../wire/data_product_list.ts";
import { encodeDataProductPiece } from "../wire/data_product_read.ts";
import { encodeEventList, type EventsRequest } from "../wire/event_list.ts";
import { CommandStatus } from "../wire/telecommand.ts";
import type { QueryAction } from "./core_types.ts";
import type { Timeline, TimelineEntry } from "./timeline.ts";

/** What questions are answered from. */
export interface QueriesParts {
  /** The volume, or null. */
  readonly volume: Volume | null;
  /** The boot's timeline. */
  readonly timeline: Timeline;
  /** Takes the answer. */
  readonly answer: (
    request: HostRequest,
    status: number,
    result?: Uint8Array,
  ) => void;
}

/** Answers questions. */
export class Queries {
  readonly #parts: QueriesParts;

  /**
   * Begins with no question open.
   *
   * @param parts What questions are answered from.
   */
  constructor(parts: QueriesParts) {
    this.#parts = parts;
  }

  /**
   * Answers a question, now or later.
   *
   * @param request Whom to answer.
   * @param action What is asked.
   */
  async ask(request: HostRequest, action: QueryAction): Promise<void> {
    const { answer } = this.#parts;
    let result: Uint8Array;
    try {
      result = await this.#result(action);
    } catch (error) {
      return answer(request, queryStatus(error));
    }
    answer(request, CommandStatus.OK, result);
  }

  async #result(action: QueryAction): Promise<Uint8Array> {
    if (action.kind === "read-timeline") {
      const phases = this.#parts.timeline.entries().map(phaseEntry);
      return encodeBootTimeline(phases, action.first);
    }
    const { volume } = this.#parts;
    if (volume === null) throw new NoVolumeError();
    switch (action.kind) {
      case "read-events":
        return eventsResult(volume, action.wanted);
      case "list-products": {
        const store = volume.dataProducts;
        const { products, gaps } = await store.catalogue();
        const freeBytes = BigInt(await store.freeBytes());
        const damagedCount = gaps.length;
        const catalogue = { products, freeBytes, damagedCount };
        return encodeDataProductList(catalogue, action.first);
      }
      case "read-product": {
        const { name, offset, length } = action.wanted;
        return encodeDataProductPiece(
          await volume.dataProducts.readPiece(name, offset, length),
        );
      }
    }
  }
}

class NoVolumeError extends Error {}

/**
 * The status that answers a question that failed.
 *
 * @param error What was thrown.
 * @returns From `CommandStatus`; EIO for what has no status of its own.
 *
 * @example
 * ```ts
 * import { StorageError } from "../storage/error.ts";
 * import { queryStatus } from "./queries.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(queryStatus(new StorageError("ENOENT", "no such product")), 2);
 * assertEquals(queryStatus(new RangeError()), 5);
 * ```
 */
export function queryStatus(error: unknown): number {
  if (error instanceof NoVolumeError) return CommandStatus.ENODEV;
  if (!(error instanceof StorageError)) return CommandStatus.EIO;
  // A volume is closed when the machine goes down, and gone for the host.
  if (error.code === "EBADF") return CommandStatus.ENODEV;
  return CommandStatus[error.code];
}

function eventsResult(volume: Volume, wanted: EventsRequest): Uint8Array {
  const { nextSequence } = volume.events;
  const events = volume.events.recent().filter(({ sequence }) =>
    wanted.from === 0n || (sequence !== null && sequence >= wanted.from)
  );
  return encodeEventList({
    nextSequence,
    events: events.slice(0, wanted.count),
  });
}

const OUTCOMES = {
  done: PhaseOutcome.DONE,
  skipped: PhaseOutcome.SKIPPED,
  failed: PhaseOutcome.FAILED,
} as const;

function phaseEntry(entry: TimelineEntry): PhaseEntry {
  const { name, startMs, durationMs, outcome } = entry;
  return {
    startMicroseconds: microseconds(startMs),
    durationMicroseconds: microseconds(durationMs ?? 0),
    outcome: outcome === undefined ? PhaseOutcome.RUNNING : OUTCOMES[outcome],
    name: new TextDecoder().decode(cutText(name, PHASE_NAME_MAX_BYTES)),
  };
}

function microseconds(ms: number): bigint {
  return BigInt(Math.max(0, Math.round(ms * 1000)));
}
