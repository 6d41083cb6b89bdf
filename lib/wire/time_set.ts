/**
 * The arguments of TIME_SET [O]: the mission time, in the units of the shared
 * page. Imports the codec.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import { u32, u64 } from "./fields.ts";

/** A mission time. */
export interface MissionTime {
  /** 0x00 u64 `mission_seconds`: whole seconds. */
  readonly seconds: bigint;
  /** 0x08 u32 `mission_nanos`: nanoseconds, 0..999,999,999. */
  readonly nanoseconds: number;
}

/** The field table of the arguments. */
export const timeSetLayout: Layout<MissionTime, MissionTime> = defineLayout(
  "TIME_SET arguments",
  12,
  {
    seconds: u64(0x00, { name: "mission_seconds" }),
    nanoseconds: u32(0x08, { name: "mission_nanos", max: 999_999_999 }),
  },
);

/**
 * The arguments of TIME_SET.
 *
 * @param time The mission time.
 * @returns 12 bytes.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeTimeSet, encodeTimeSet } from "./time_set.ts";
 *
 * const time = { seconds: 1_800_000_000n, nanoseconds: 500_000_000 };
 * assertEquals(decodeTimeSet(encodeTimeSet(time)), time);
 * ```
 */
export function encodeTimeSet(time: MissionTime): Uint8Array<ArrayBuffer> {
  return timeSetLayout.encode(time);
}

/**
 * Reads and judges the arguments of TIME_SET.
 *
 * @param bytes Any bytes.
 * @returns The mission time.
 * @throws {WireError} If they are not such arguments.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeTimeSet } from "./time_set.ts";
 *
 * assertThrows(() => decodeTimeSet(new Uint8Array(11)), WireError, "12 bytes");
 * ```
 */
export function decodeTimeSet(bytes: Uint8Array): MissionTime {
  return timeSetLayout.decode(bytes);
}
