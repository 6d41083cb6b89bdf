/**
 * The payloads of PRM_GET, PRM_SET and PRM_RSP frames (formats.md, "Payloads").
 * Imports the codec.
 *
 * A PRM_RSP holds at most 238 bytes of a value, a parameter up to 240. A longer
 * value comes in two frames: one of exactly 238 bytes with `more` set, and one
 * with the rest under the same id and generation.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { defineLayout, type Layout } from "./codec.ts";
import { WireError } from "./error.ts";
import { countedBytes, enumeration, lengthOf, u16, u32, u8 } from "./fields.ts";
import { PARAMETER_VALUE_MAX_BYTES, type ParameterEntry } from "./parameter.ts";

/**
 * How a parameter request ended, by name [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ParameterStatus } from "@spaceos/pid1";
 *
 * const nameOf = (status: number) =>
 *   Object.entries(ParameterStatus).find(([, number]) => number === status)?.[0];
 * assertEquals(nameOf(4), "READ_ONLY");
 * ```
 */
export const ParameterStatus = {
  OK: 0,
  /** There is no such parameter. */
  UNKNOWN: 1,
  /** The value is not one that the parameter may have. */
  INVALID: 2,
  /** The volume could not store it. */
  STORAGE_ERROR: 3,
  /** The parameter can't be set. */
  READ_ONLY: 4,
} as const;

/** How a parameter request ended. */
export type ParameterStatus =
  typeof ParameterStatus[keyof typeof ParameterStatus];

/** The most bytes of a value in one PRM_RSP frame. */
export const PARAMETER_RESPONSE_VALUE_MAX_BYTES = 238;

/** What a PRM_SET frame asks. */
export interface ParameterSet {
  /** 0x00 u32 `param_id`: which parameter. */
  readonly parameterId: number;
  /** 0x06 the new value, 0..240 bytes; `len` at 0x04 counts them. */
  readonly value: Uint8Array;
}

/** What one PRM_RSP frame says. */
export interface ParameterResponse extends ParameterEntry {
  /** 0x06 u8: how the request ended. */
  readonly status: ParameterStatus;
  /** 0x07 u8: 1 if another frame of the same answer follows, else 0. */
  readonly more: number;
}

/** The field table of a PRM_GET payload that names one parameter. */
export const parameterGetLayout: Layout<
  { readonly parameterId: number },
  { readonly parameterId: number }
> = defineLayout("PRM_GET payload", 4, {
  parameterId: u32(0x00, { name: "param_id" }),
});

/** The field table of a PRM_SET payload. */
export const parameterSetLayout: Layout<ParameterSet, ParameterSet> =
  defineLayout("PRM_SET payload", 6 + PARAMETER_VALUE_MAX_BYTES, {
    parameterId: u32(0x00, { name: "param_id" }),
    length: lengthOf(0x04, "u16", "value", {
      name: "len",
      max: PARAMETER_VALUE_MAX_BYTES,
    }),
    value: countedBytes(0x06, PARAMETER_VALUE_MAX_BYTES),
  });

/** The field table of a PRM_RSP payload. */
export const parameterResponseLayout: Layout<
  ParameterResponse,
  ParameterResponse
> = defineLayout("PRM_RSP payload", 10 + PARAMETER_RESPONSE_VALUE_MAX_BYTES, {
  parameterId: u32(0x00, { name: "param_id" }),
  generation: u16(0x04),
  status: enumeration(0x06, "u8", ParameterStatus),
  more: u8(0x07, { max: 1 }),
  length: lengthOf(0x08, "u16", "value", {
    name: "len",
    max: PARAMETER_RESPONSE_VALUE_MAX_BYTES,
  }),
  value: countedBytes(0x0A, PARAMETER_RESPONSE_VALUE_MAX_BYTES),
});

/**
 * The payload of a PRM_GET frame.
 *
 * @param parameterId Which parameter, u32, or null for all.
 * @returns 4 bytes or none.
 * @throws {WireError} If the id is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeParameterGet } from "./parameter_message.ts";
 *
 * assertEquals(encodeParameterGet(258), new Uint8Array([0, 0, 1, 2]));
 * assertEquals(encodeParameterGet(null).length, 0);
 * ```
 */
export function encodeParameterGet(
  parameterId: number | null,
): Uint8Array<ArrayBuffer> {
  return parameterId === null
    ? new Uint8Array()
    : parameterGetLayout.encode({ parameterId });
}

/**
 * Reads and judges the payload of a PRM_GET frame.
 *
 * @param payload Any bytes.
 * @returns The parameter asked for, or null for all.
 * @throws {WireError} If there are neither 0 nor 4 bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeParameterGet } from "./parameter_message.ts";
 *
 * assertEquals(decodeParameterGet(new Uint8Array([0, 0, 1, 2])), 258);
 * assertEquals(decodeParameterGet(new Uint8Array()), null);
 * ```
 */
export function decodeParameterGet(payload: Uint8Array): number | null {
  if (payload.length === 0) return null;
  return parameterGetLayout.decode(payload).parameterId;
}

/**
 * The payload of a PRM_SET frame.
 *
 * @param request What is asked.
 * @returns 6..246 bytes.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeParameterSet, encodeParameterSet } from "./parameter_message.ts";
 *
 * const request = { parameterId: 5, value: new Uint8Array([1, 2]) };
 * assertEquals(decodeParameterSet(encodeParameterSet(request)), request);
 * ```
 */
export function encodeParameterSet(
  request: ParameterSet,
): Uint8Array<ArrayBuffer> {
  return parameterSetLayout.encode(request);
}

/**
 * Reads and judges the payload of a PRM_SET frame.
 *
 * @param payload Any bytes.
 * @returns What is asked.
 * @throws {WireError} If they are not such a payload.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeParameterSet } from "./parameter_message.ts";
 *
 * assertThrows(
 *   () => decodeParameterSet(new Uint8Array([0, 0, 0, 1, 0, 9])),
 *   WireError,
 *   "len is 9, expected at most 0",
 * );
 * ```
 */
export function decodeParameterSet(payload: Uint8Array): ParameterSet {
  return parameterSetLayout.decode(payload);
}

/** One parameter in an answer, with its whole value. */
export interface ParameterAnswer extends ParameterEntry {
  /** How the request ended. */
  readonly status: ParameterStatus;
}

/**
 * The payloads of the PRM_RSP frames of one answer.
 *
 * @param answers The parameters, in the order in which they are sent.
 * @returns One payload for each, two for a value of more than 238 bytes; `more`
 * is set in all but the last. None for an answer without parameters.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeParameterResponses, ParameterStatus } from "./parameter_message.ts";
 *
 * const payloads = encodeParameterResponses([{
 *   parameterId: 1,
 *   generation: 1,
 *   status: ParameterStatus.OK,
 *   value: new Uint8Array(240),
 * }]);
 * assertEquals(payloads.map((payload) => payload.length), [248, 12]);
 * ```
 */
export function encodeParameterResponses(
  answers: readonly ParameterAnswer[],
): Uint8Array<ArrayBuffer>[] {
  const parts = answers.flatMap((answer) => {
    const { value } = answer;
    if (value.length > PARAMETER_VALUE_MAX_BYTES) {
      throw new WireError({
        layout: parameterResponseLayout.name,
        field: "value",
        value,
        expected: `0..${PARAMETER_VALUE_MAX_BYTES} bytes`,
      });
    }
    const split = PARAMETER_RESPONSE_VALUE_MAX_BYTES;
    if (value.length <= split) return [answer];
    return [
      { ...answer, value: value.subarray(0, split) },
      { ...answer, value: value.subarray(split) },
    ];
  });
  return parts.map((part, index) =>
    parameterResponseLayout.encode({
      ...part,
      more: index < parts.length - 1 ? 1 : 0,
    })
  );
}

/**
 * Reads and judges the payload of one PRM_RSP frame.
 *
 * @param payload Any bytes.
 * @returns What it says; the value may be one of two parts.
 * @throws {WireError} If they are not such a payload.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeParameterResponse } from "./parameter_message.ts";
 *
 * assertThrows(() => decodeParameterResponse(new Uint8Array(9)), WireError);
 * ```
 */
export function decodeParameterResponse(
  payload: Uint8Array,
): ParameterResponse {
  return parameterResponseLayout.decode(payload);
}

/**
 * Puts the values of one answer together again.
 *
 * @param responses All PRM_RSP messages of the answer, in the order they came.
 * @returns The parameters with their whole values.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   decodeParameterResponse,
 *   encodeParameterResponses,
 *   joinParameterResponses,
 *   ParameterStatus,
 * } from "./parameter_message.ts";
 *
 * const answer = {
 *   parameterId: 1,
 *   generation: 1,
 *   status: ParameterStatus.OK,
 *   value: new Uint8Array(239).fill(7),
 * };
 * const responses = encodeParameterResponses([answer]).map(decodeParameterResponse);
 * assertEquals(joinParameterResponses(responses), [answer]);
 * ```
 */
export function joinParameterResponses(
  responses: readonly ParameterResponse[],
): ParameterAnswer[] {
  const answers: ParameterAnswer[] = [];
  let open: ParameterAnswer | undefined;
  for (const { parameterId, generation, status, more, value } of responses) {
    if (
      open !== undefined && open.parameterId === parameterId &&
      open.generation === generation && open.status === status
    ) {
      answers.push({ ...open, value: concat([open.value, value]) });
      open = undefined;
      continue;
    }
    if (open !== undefined) answers.push(open);
    const answer = { parameterId, generation, status, value };
    const full = value.length === PARAMETER_RESPONSE_VALUE_MAX_BYTES;
    open = full && more === 1 ? answer : undefined;
    if (open === undefined) answers.push(answer);
  }
  if (open !== undefined) answers.push(open);
  return answers;
}
