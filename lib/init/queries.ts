/**
 * The host's questions that the core can't answer, because the answer stands
 * on the disk or in the boot's timeline. Each is answered exactly once,
 * whatever the disk does: what is in memory at once, what must be read from the
 * disk within {@linkcode QUERY_LIMIT_MS}. Of the latter,
 * {@linkcode DISK_QUERIES} are under way at most. Imports `storage`, `wire` and
 * this room.
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

/** How long the disk may take for an answer, before it is ETIMEDOUT. */
export const QUERY_LIMIT_MS = 30_000;

/**
 * How many questions may wait for the disk; one more is answered with EAGAIN.
 * One whose time is up waits on: a disk that hangs holds so many, and no more.
 */
export const DISK_QUERIES = 8;

type DiskAction = Extract<
  QueryAction,
  { readonly kind: "list-products" | "read-product" }
>;

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
  /** Questions that wait for the disk, also those whose time is up. */
  #underWay = 0;

  /**
   * Begins with no question open.
   *
   * @param parts What questions are answered from.
   */
  constructor(parts: QueriesParts) {
    this.#parts = parts;
  }

  /**
   * Answers a question: before it returns, unless the disk must be read.
   *
   * @param request Whom to answer.
   * @param action What is asked.
   */
  async ask(request: HostRequest, action: QueryAction): Promise<void> {
    const { answer } = this.#parts;
    let result: Uint8Array;
    try {
      const found = this.#result(action);
      result = found instanceof Promise ? await found : found;
    } catch (error) {
      return answer(request, queryStatus(error));
    }
    answer(request, CommandStatus.OK, result);
  }

  #result(action: QueryAction): Uint8Array | Promise<Uint8Array> {
    if (action.kind === "read-timeline") {
      const phases = this.#parts.timeline.entries().map(phaseEntry);
      return encodeBootTimeline(phases, action.first);
    }
    const { volume } = this.#parts;
    if (volume === null) throw new NoVolumeError();
    if (action.kind === "read-events") {
      return eventsResult(volume, action.wanted);
    }
    return this.#read(volume, action);
  }

  /** Reads what is asked for, if not too many wait already, within the limit. */
  async #read(volume: Volume, action: DiskAction): Promise<Uint8Array> {
    if (this.#underWay >= DISK_QUERIES) {
      throw new StorageError(
        "EAGAIN",
        `${DISK_QUERIES} questions wait for the disk`,
      );
    }
    this.#underWay++;
    const reading = diskResult(volume, action).finally(() => this.#underWay--);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new StorageError("ETIMEDOUT", `no answer in ${QUERY_LIMIT_MS} ms`),
          ),
        QUERY_LIMIT_MS,
      );
    });
    try {
      return await Promise.race([reading, late]);
    } finally {
      clearTimeout(timer);
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

async function diskResult(
  volume: Volume,
  action: DiskAction,
): Promise<Uint8Array> {
  const store = volume.dataProducts;
  if (action.kind === "read-product") {
    const { name, offset, length } = action.wanted;
    return encodeDataProductPiece(await store.readPiece(name, offset, length));
  }
  const { products, gaps } = await store.catalogue();
  const freeBytes = BigInt(await store.freeBytes());
  const catalogue = { products, freeBytes, damagedCount: gaps.length };
  return encodeDataProductList(catalogue, action.first);
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
