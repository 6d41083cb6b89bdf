/**
 * The arguments and the result of FDIR_CHECK [O]: what is to be done besides
 * checking, and the anomalies that are there. Imports the codec.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import {
  bytes,
  countedText,
  enumeration,
  lengthOf,
  rest,
  u16,
  u32,
  u64,
  u8,
} from "./fields.ts";
import { packEntries, RESULT_MAX_BYTES, unpackEntries } from "./result_list.ts";

/**
 * What FDIR_CHECK does, by name [O]; without arguments it checks.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FdirAction } from "@spaceos/pid1";
 *
 * assertEquals(Object.keys(FdirAction), ["CHECK", "RELEASE", "ADOPT"]);
 * ```
 */
export const FdirAction = {
  /** Check now. */
  CHECK: 0,
  /** Let go of latched anomalies, then check: what is still wrong stays. */
  RELEASE: 1,
  /** Take what the check finds for the reference of all later ones. */
  ADOPT: 2,
} as const;

/** What FDIR_CHECK does. */
export type FdirAction = typeof FdirAction[keyof typeof FdirAction];

/** The field table of the arguments of FDIR_CHECK. */
export const fdirRequestLayout: Layout<
  { readonly action: FdirAction },
  { readonly action: FdirAction }
> = defineLayout("FDIR_CHECK arguments", 1, {
  action: enumeration(0x00, "u8", FdirAction),
});

/**
 * Reads and judges the arguments of FDIR_CHECK.
 *
 * @param bytes Any bytes.
 * @returns What it is to do; `CHECK` if there are no arguments.
 * @throws {WireError} If there is anything but one known byte.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeFdirRequest, FdirAction } from "./fdir_result.ts";
 *
 * assertEquals(decodeFdirRequest(new Uint8Array()), FdirAction.CHECK);
 * assertEquals(decodeFdirRequest(Uint8Array.of(2)), FdirAction.ADOPT);
 * ```
 */
export function decodeFdirRequest(bytes: Uint8Array): FdirAction {
  return bytes.length === 0
    ? FdirAction.CHECK
    : fdirRequestLayout.decode(bytes).action;
}

/**
 * The bits of an anomaly's `flags` by name [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FdirFlag } from "@spaceos/pid1";
 *
 * const isLatched = (flags: number) => (flags & FdirFlag.LATCHED) !== 0;
 * assertEquals([1, 2, 3].map(isLatched), [true, false, true]);
 * ```
 */
export const FdirFlag = {
  /** Only the host can end it. */
  LATCHED: 1,
  /** It came and went too often. */
  FLAPPING: 2,
} as const;

/** The most bytes of an anomaly's subject and of its text. */
export const FDIR_TEXT_MAX_BYTES = 255;

/** One anomaly. */
export interface FdirEntry {
  /** 0x00 u8: the check's number; `CHECK_CODES` of `lib/fdir`. */
  readonly check: number;
  /** 0x01 u8: the bits of {@linkcode FdirFlag}. */
  readonly flags: number;
  /** 0x02 u64 `since_ms`: since when, milliseconds since boot. */
  readonly sinceMs: bigint;
  /** 0x0C the service, `init`, `image` or `machine`; `subject_len` at 0x0A counts its bytes. */
  readonly subject: string;
  /** Behind it: what is wrong; `text_len` at 0x0B counts its bytes. */
  readonly text: string;
}

/** The field table of an anomaly. */
export const fdirEntryLayout: Layout<FdirEntry, FdirEntry> = defineLayout(
  "FDIR_CHECK entry",
  0x0C + 2 * FDIR_TEXT_MAX_BYTES,
  {
    check: u8(0x00),
    flags: u8(0x01, { max: 3 }),
    sinceMs: u64(0x02),
    subjectLength: lengthOf(0x0A, "u8", "subject", {
      name: "subject_len",
      max: FDIR_TEXT_MAX_BYTES,
    }),
    textLength: lengthOf(0x0B, "u8", "text", {
      name: "text_len",
      max: FDIR_TEXT_MAX_BYTES,
    }),
    subject: countedText(0x0C, FDIR_TEXT_MAX_BYTES),
    text: countedText("after", FDIR_TEXT_MAX_BYTES),
  },
);

/** The result before its entries are read. */
export interface FdirResultRecord {
  /** 0x00 u32: how many checks there were since the boot, this one included. */
  readonly checks: number;
  /** 0x04 u16: how many processes were held against their reference. */
  readonly compared: number;
  /** 0x06 u16: how many anomalies there are. */
  readonly anomalyCount: number;
  /** 0x08 32 bytes: SHA-256 of the init's executable mappings of files. */
  readonly mappingsDigest: Uint8Array;
  /** 0x28 32 bytes: SHA-256 of the init's Seccomp lines. */
  readonly seccompDigest: Uint8Array;
  /** 0x48 32 bytes: SHA-256 of the init's control group. */
  readonly cgroupDigest: Uint8Array;
  /** 0x68 the anomalies, each after a u16 that counts its bytes. */
  readonly entries: Uint8Array;
}

const HEAD_BYTES = 0x68;

/** The field table of the result. */
export const fdirResultLayout: Layout<FdirResultRecord, FdirResultRecord> =
  defineLayout("FDIR_CHECK result", RESULT_MAX_BYTES, {
    checks: u32(0x00),
    compared: u16(0x04),
    anomalyCount: u16(0x06),
    mappingsDigest: bytes(0x08, 32),
    seccompDigest: bytes(0x28, 32),
    cgroupDigest: bytes(0x48, 32),
    entries: rest(0x68, RESULT_MAX_BYTES - HEAD_BYTES),
  });

/** What a check found. */
export interface FdirResult extends Omit<FdirResultRecord, "entries"> {
  /** The anomalies, as many as there was room for. */
  readonly anomalies: readonly FdirEntry[];
}

/**
 * The result of FDIR_CHECK.
 *
 * @param result What the check found.
 * @returns The bytes, with as many anomalies as there is room for.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeFdirResult, encodeFdirResult } from "./fdir_result.ts";
 *
 * const result = {
 *   checks: 3,
 *   compared: 2,
 *   anomalyCount: 1,
 *   mappingsDigest: new Uint8Array(32),
 *   seccompDigest: new Uint8Array(32),
 *   cgroupDigest: new Uint8Array(32),
 *   anomalies: [{ check: 6, flags: 0, sinceMs: 9n, subject: "machine", text: "+ evil" }],
 * };
 * assertEquals(decodeFdirResult(encodeFdirResult(result)), result);
 * ```
 */
export function encodeFdirResult(result: FdirResult): Uint8Array<ArrayBuffer> {
  const { anomalies, ...head } = result;
  const entries = packEntries(
    anomalies.values().map((entry) => fdirEntryLayout.encode(entry)),
    RESULT_MAX_BYTES - HEAD_BYTES,
  );
  return fdirResultLayout.encode({ ...head, entries });
}

/**
 * Reads and judges the result of FDIR_CHECK.
 *
 * @param bytes Any bytes.
 * @returns What the check found.
 * @throws {WireError} If they are not such a result.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { decodeFdirResult } from "./fdir_result.ts";
 * import { WireError } from "./error.ts";
 *
 * assertThrows(() => decodeFdirResult(new Uint8Array(9)), WireError);
 * ```
 */
export function decodeFdirResult(bytes: Uint8Array): FdirResult {
  const { entries, ...head } = fdirResultLayout.decode(bytes);
  const anomalies = unpackEntries(fdirResultLayout.name, entries)
    .map((entry) => fdirEntryLayout.decode(entry));
  return { ...head, anomalies };
}
