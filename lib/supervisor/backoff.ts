/**
 * How long a service waits before its next attempt: exponential growth with a
 * ceiling, and jitter that only ever lengthens a delay, so that the stated rate
 * is a promise. Pure: the random number is handed in. Imports nothing.
 *
 * @module
 */

/** The growth of the delay between one failure of a service and its next attempt. */
export interface BackoffPolicy {
  /** Delay after the first failure, in milliseconds, at least 0. */
  readonly initialMs: number;
  /** What each further failure multiplies the delay by, at least 1. */
  readonly factor: number;
  /** Ceiling of the delay before jitter, in milliseconds, at least `initialMs`. */
  readonly maximumMs: number;
  /** The most that jitter adds, as a share of the delay, 0 to 1. */
  readonly jitter: number;
  /** A run that was up for this long, in milliseconds, clears the count of failures. */
  readonly resetAfterMs: number;
}

/** A run that was up for this long was no mistake: its restart may be immediate, in milliseconds. */
export const settledAfterMs = 1_000;

/** The least that is waited after a shorter run, in milliseconds: PID 1 has more to do. */
export const shortestDelayMs = 10;

/**
 * The policy of a definition that says nothing: 0.5 s, doubled up to 60 s, forgotten after 60 s up.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defaultBackoffPolicy } from "@spaceos/pid1";
 *
 * const patient = { ...defaultBackoffPolicy, maximumMs: 600_000 };
 * assertEquals(patient.initialMs, 500);
 * ```
 */
export const defaultBackoffPolicy: BackoffPolicy = {
  initialMs: 500,
  factor: 2,
  maximumMs: 60_000,
  jitter: 0.1,
  resetAfterMs: 60_000,
};

/**
 * The delay before attempt number `attempt + 1`, in whole milliseconds.
 *
 * The result lies between `min(maximumMs, initialMs * factor ** attempt)` and
 * that value times `1 + jitter`. It never overflows, however large the attempt.
 *
 * @param policy The growth.
 * @param attempt How many failures in a row came before this one, from 0.
 * @param random A number from 0 (no jitter) up to, not including, 1.
 * @returns The delay in milliseconds.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { backoffDelayMs, defaultBackoffPolicy } from "@spaceos/pid1";
 *
 * const delays = [0, 1, 2, 3, 50].map((n) => backoffDelayMs(defaultBackoffPolicy, n, 0));
 * assertEquals(delays, [500, 1000, 2000, 4000, 60_000]);
 * ```
 */
export function backoffDelayMs(
  policy: BackoffPolicy,
  attempt: number,
  random: number,
): number {
  // A power that overflows is Infinity, which the ceiling takes back to a
  // number; 0 * Infinity is NaN, so a zero start is settled first.
  const grown = policy.initialMs === 0
    ? 0
    : policy.initialMs * Math.pow(policy.factor, Math.max(0, attempt));
  const delayMs = Math.min(policy.maximumMs, grown);
  const share = Math.min(1, Math.max(0, random)) * policy.jitter;
  return Math.ceil(delayMs + delayMs * share);
}
