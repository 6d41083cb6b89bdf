/**
 * Several parameters set at once [O]: they are loaded into a staged set by
 * PRM_SET frames to one reserved id, and committed all or none by a PRM_SET to
 * another. Imports the codec and the payload of PRM_SET.
 *
 * | PRM_SET to | value | does |
 * |---|---|---|
 * | `STAGE` | bytes | appends them to the staged set |
 * | `STAGE` | nothing | empties the staged set |
 * | `COMMIT` | u32 CRC-32C of the staged set | sets all of it, or nothing |
 *
 * The staged set is one byte string: PRM_SET payloads (u32 param_id, u16 len,
 * value) one behind the other, cut into frames anywhere, so that every value
 * finds room. It belongs to the connection and is forgotten at hang-up, and the
 * CRC of the commit keeps two hosts from committing a mixture.
 *
 * `STAGE` is answered, to PRM_SET and PRM_GET, with {@linkcode StagedSummary}.
 * `COMMIT` is answered with its own status and, when that is OK, with each
 * parameter of the set; when it is not OK, the value is the u32 id of the
 * parameter that is the reason, or nothing. What was refused stays staged.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { defineLayout, type Layout } from "./codec.ts";
import { WireError } from "./error.ts";
import { rest, u16, u32 } from "./fields.ts";
import { PARAMETER_VALUE_MAX_BYTES } from "./parameter.ts";
import {
  decodeParameterSet,
  encodeParameterSet,
  type ParameterSet,
} from "./parameter_message.ts";

/** The ids that are reserved for setting several parameters at once [O]. */
export const StagingId = {
  /** Loads the staged set. */
  STAGE: 0xFFFF_FE00,
  /** Commits it. */
  COMMIT: 0xFFFF_FE01,
  /**
   * The store's own note of a set that is being committed, and with rising ids
   * what has no room in it. Not for hosts.
   */
  RECORD: 0xFFFF_FF00,
} as const;

const HEAD_BYTES = 6;

/** The most bytes of a staged set: as many parameters as a volume holds. */
export const STAGED_SET_MAX_BYTES: number = 32 *
  (HEAD_BYTES + PARAMETER_VALUE_MAX_BYTES);

/** How a staged set stands. */
export interface StagedSummary {
  /** 0x00 u32: how many bytes are staged. */
  readonly length: number;
  /** 0x04 u32: their CRC-32C, which the commit repeats. */
  readonly setChecksum: number;
}

/** The field table of the answer to `STAGE`. */
export const stagedSummaryLayout: Layout<StagedSummary, StagedSummary> =
  defineLayout("staged set", 8, {
    length: u32(0x00),
    setChecksum: u32(0x04, { hex: true }),
  });

/** The field table of a commit's value. */
export const commitLayout: Layout<
  { readonly setChecksum: number },
  { readonly setChecksum: number }
> = defineLayout("commit", 4, { setChecksum: u32(0x00, { hex: true }) });

/** The store's note of a set: its first part, and what tells that it is whole. */
export interface StagedRecord {
  /** 0x00 u32: the CRC-32C of the whole set. */
  readonly setChecksum: number;
  /** 0x04 u16: the length of the whole set in bytes. */
  readonly length: number;
  /** 0x06 the set's first bytes; the rest stands under the ids that follow. */
  readonly first: Uint8Array;
}

/** The most bytes of a set in the first of its records. */
export const RECORD_FIRST_MAX_BYTES: number = PARAMETER_VALUE_MAX_BYTES - 6;

/** The field table of the note. */
export const stagedRecordLayout: Layout<StagedRecord, StagedRecord> =
  defineLayout("staged record", PARAMETER_VALUE_MAX_BYTES, {
    setChecksum: u32(0x00, { hex: true }),
    length: u16(0x04),
    first: rest(0x06, RECORD_FIRST_MAX_BYTES),
  });

/**
 * A staged set.
 *
 * @param sets The parameters and their values.
 * @returns The bytes to stage, in pieces of at most 240.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeParameterSets, encodeParameterSets } from "./parameter_staging.ts";
 *
 * const sets = [
 *   { parameterId: 1, value: new Uint8Array([7]) },
 *   { parameterId: 2, value: new Uint8Array(240) },
 * ];
 * assertEquals(encodeParameterSets(sets).length, 253);
 * assertEquals(decodeParameterSets(encodeParameterSets(sets)), sets);
 * ```
 */
export function encodeParameterSets(
  sets: readonly ParameterSet[],
): Uint8Array<ArrayBuffer> {
  return concat(sets.map(encodeParameterSet));
}

/**
 * Takes a staged set apart.
 *
 * @param bytes Any bytes.
 * @returns The parameters and their values, in their order.
 * @throws {WireError} If the bytes are not whole PRM_SET payloads.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeParameterSets } from "./parameter_staging.ts";
 *
 * assertThrows(
 *   () => decodeParameterSets(new Uint8Array(7)),
 *   WireError,
 *   "staged set: bytes is 1, expected at least 6",
 * );
 * ```
 */
export function decodeParameterSets(bytes: Uint8Array): ParameterSet[] {
  const sets: ParameterSet[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < HEAD_BYTES) {
      throw new WireError({
        layout: stagedSummaryLayout.name,
        field: "bytes",
        value: bytes.length - at,
        expected: `at least ${HEAD_BYTES}`,
      });
    }
    const length = (bytes[at + 4] ?? 0) << 8 | (bytes[at + 5] ?? 0);
    const end = at + HEAD_BYTES + length;
    sets.push(decodeParameterSet(bytes.subarray(at, end)));
    at = end;
  }
  return sets;
}
