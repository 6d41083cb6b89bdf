/**
 * The limit checker: from a row of good and bad results to an anomaly that
 * begins and ends. As the limit checkers of F Prime and cFS have it, `bad` of
 * the last `of` results make an anomaly, `clearAfter` good ones in a row end
 * it, and a latched one waits for the host. One that comes and goes is held
 * after its third beginning until it has been good for long, so that a
 * flapping check can't fill the event log. Pure; imports the policy's type.
 *
 * @module
 */
import type { CheckPolicy } from "./checks.ts";

/** What is known of one check of one subject. */
export interface LimitState {
  /** The last 32 results, the newest in bit 0; 1 is bad. */
  readonly results: number;
  /** Good results in a row up to now, at most {@linkcode FORGET_AFTER}. */
  readonly goodInRow: number;
  /** When the anomaly began, milliseconds; null while there is none. */
  readonly activeSinceMs: number | null;
  /** Whether only the host can end it. */
  readonly isLatched: boolean;
  /** How often it began since it was last forgotten. */
  readonly trips: number;
  /** What was found last. */
  readonly text: string;
}

/** What a result changed. */
export type LimitChange = "tripped" | "cleared" | null;

/** After so many beginnings an anomaly is flapping. */
export const FLAPPING_AFTER = 3;

/** A flapping anomaly ends after so many good results in a row. */
export const FLAPPING_CLEAR_AFTER = 10;

/** After so many good results in a row earlier anomalies are forgotten. */
export const FORGET_AFTER = 32;

/** A check that never had a bad result. */
export const GOOD_LIMIT: LimitState = {
  results: 0,
  goodInRow: FORGET_AFTER,
  activeSinceMs: null,
  isLatched: false,
  trips: 0,
  text: "",
};

/**
 * Whether a state is as if there had never been a bad result, and need not be
 * kept.
 *
 * @param state The state.
 * @returns True for {@linkcode GOOD_LIMIT} and what equals it.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { GOOD_LIMIT, isForgotten } from "./limit.ts";
 *
 * assert(isForgotten(GOOD_LIMIT));
 * ```
 */
export function isForgotten(state: LimitState): boolean {
  return state.activeSinceMs === null && state.goodInRow >= FORGET_AFTER;
}

/**
 * Whether an anomaly has come and gone too often.
 *
 * @param state The state.
 * @returns True from the third beginning on.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { GOOD_LIMIT, isFlapping } from "./limit.ts";
 *
 * assertEquals(isFlapping({ ...GOOD_LIMIT, trips: 3 }), true);
 * ```
 */
export function isFlapping(state: LimitState): boolean {
  return state.trips >= FLAPPING_AFTER;
}

/**
 * Takes one result.
 *
 * @param state The state before.
 * @param policy How results are judged.
 * @param problem What is wrong, or null for a good result.
 * @param nowMs Milliseconds since boot.
 * @returns The state after, and what changed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DEFAULT_FDIR_POLICY } from "./checks.ts";
 * import { GOOD_LIMIT, stepLimit } from "./limit.ts";
 *
 * const { cgroup } = DEFAULT_FDIR_POLICY.checks;
 * const { state, change } = stepLimit(GOOD_LIMIT, cgroup, "moved", 0);
 * assertEquals([change, state.activeSinceMs], ["tripped", 0]);
 * ```
 */
export function stepLimit(
  state: LimitState,
  policy: CheckPolicy,
  problem: string | null,
  nowMs: number,
): { readonly state: LimitState; readonly change: LimitChange } {
  const isBad = problem !== null;
  const results = ((state.results << 1) | (isBad ? 1 : 0)) >>> 0;
  const goodInRow = isBad ? 0 : Math.min(FORGET_AFTER, state.goodInRow + 1);
  const next: LimitState = {
    ...state,
    results,
    goodInRow,
    text: problem ?? state.text,
  };
  if (state.activeSinceMs === null) {
    if (isBad && badCount(results, policy.of) >= policy.bad) {
      return {
        state: {
          ...next,
          activeSinceMs: nowMs,
          isLatched: policy.latching,
          trips: state.trips + 1,
        },
        change: "tripped",
      };
    }
    return {
      state: goodInRow >= FORGET_AFTER ? GOOD_LIMIT : next,
      change: null,
    };
  }
  const needed = isFlapping(state)
    ? Math.max(FLAPPING_CLEAR_AFTER, policy.clearAfter)
    : policy.clearAfter;
  if (state.isLatched || goodInRow < needed) {
    return { state: next, change: null };
  }
  return { state: ended(next), change: "cleared" };
}

/**
 * Lets go of a latched anomaly: it ends with its next good results.
 *
 * @param state The state.
 * @returns The state, not latched.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { GOOD_LIMIT, releaseLimit } from "./limit.ts";
 *
 * assertEquals(releaseLimit({ ...GOOD_LIMIT, isLatched: true }).isLatched, false);
 * ```
 */
export function releaseLimit(state: LimitState): LimitState {
  return { ...state, isLatched: false };
}

/** Results before the end of an anomaly have no say in the next one. */
function ended(state: LimitState): LimitState {
  return {
    ...state,
    results: 0,
    activeSinceMs: null,
    isLatched: false,
    trips: isFlapping(state) ? 0 : state.trips,
  };
}

/** The bad ones of the last `of` results. */
function badCount(results: number, of: number): number {
  let rest = of >= 32 ? results : results & ((1 << of) - 1);
  let count = 0;
  for (; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}
