/**
 * The result of BOOT_TIMELINE [O]: what ran when in the boot, on the monotonic
 * clock that counts from the kernel's start. Imports the codec and the lists.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import { countedText, enumeration, lengthOf, u64 } from "./fields.ts";
import {
  listFields,
  type ListRecord,
  readListPiece,
  RESULT_MAX_BYTES,
  writeListPiece,
} from "./result_list.ts";

/**
 * How a phase ended, by name [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { PhaseOutcome } from "@spaceos/pid1";
 *
 * const hasEnded = (outcome: number) => outcome !== PhaseOutcome.RUNNING;
 * assertEquals(hasEnded(PhaseOutcome.SKIPPED), true);
 * ```
 */
export const PhaseOutcome = {
  /** It has not ended. */
  RUNNING: 0,
  DONE: 1,
  SKIPPED: 2,
  FAILED: 3,
} as const;

/** How a phase ended. */
export type PhaseOutcome = typeof PhaseOutcome[keyof typeof PhaseOutcome];

/** The most bytes that a phase's name has. */
export const PHASE_NAME_MAX_BYTES = 128;

/** One phase of the boot, or the start of one service. */
export interface PhaseEntry {
  /** 0x00 u64 `start_us`: when it began, in microseconds. */
  readonly startMicroseconds: bigint;
  /** 0x08 u64 `duration_us`: how long it took, in microseconds; 0 while it runs. */
  readonly durationMicroseconds: bigint;
  /** 0x10 u8: how it ended. */
  readonly outcome: PhaseOutcome;
  /** 0x12 what ran: 1..128 bytes; `name_len` at 0x11 counts them. */
  readonly name: string;
}

/** The field table of an entry. */
export const phaseEntryLayout: Layout<PhaseEntry, PhaseEntry> = defineLayout(
  "BOOT_TIMELINE entry",
  0x12 + PHASE_NAME_MAX_BYTES,
  {
    startMicroseconds: u64(0x00, { name: "start_us" }),
    durationMicroseconds: u64(0x08, { name: "duration_us" }),
    outcome: enumeration(0x10, "u8", PhaseOutcome),
    nameLength: lengthOf(0x11, "u8", "name", {
      name: "name_len",
      min: 1,
      max: PHASE_NAME_MAX_BYTES,
    }),
    name: countedText(0x12, PHASE_NAME_MAX_BYTES, { min: 1 }),
  },
);

/** The field table of the result. */
export const bootTimelineLayout: Layout<ListRecord, ListRecord> = defineLayout(
  "BOOT_TIMELINE result",
  RESULT_MAX_BYTES,
  listFields,
);

/** A piece of the timeline. */
export interface BootTimeline {
  /** How many entries there are in all. */
  readonly total: number;
  /** The number of the first entry here, from 0. */
  readonly first: number;
  /** The entries, in the order in which they began. */
  readonly phases: readonly PhaseEntry[];
}

/**
 * The result of BOOT_TIMELINE.
 *
 * @param phases All entries.
 * @param first The first that is wanted, from 0.
 * @returns As many as there is room for.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   decodeBootTimeline,
 *   encodeBootTimeline,
 *   PhaseOutcome,
 * } from "./boot_timeline.ts";
 *
 * const mounts = {
 *   startMicroseconds: 900_000n,
 *   durationMicroseconds: 1200n,
 *   outcome: PhaseOutcome.DONE,
 *   name: "mounts",
 * };
 * const timeline = decodeBootTimeline(encodeBootTimeline([mounts], 0));
 * assertEquals(timeline, { total: 1, first: 0, phases: [mounts] });
 * ```
 */
export function encodeBootTimeline(
  phases: readonly PhaseEntry[],
  first: number,
): Uint8Array<ArrayBuffer> {
  return writeListPiece(bootTimelineLayout, phaseEntryLayout, phases, first);
}

/**
 * Reads and judges the result of BOOT_TIMELINE.
 *
 * @param bytes Any bytes.
 * @returns A piece of the timeline.
 * @throws {WireError} If they are not such a result.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeBootTimeline } from "./boot_timeline.ts";
 *
 * assertThrows(() => decodeBootTimeline(new Uint8Array(7)), WireError);
 * ```
 */
export function decodeBootTimeline(bytes: Uint8Array): BootTimeline {
  const { total, first, items: phases } = readListPiece(
    bootTimelineLayout,
    phaseEntryLayout,
    bytes,
  );
  return { total, first, phases };
}
