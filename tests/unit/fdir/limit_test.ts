/** The limit checker against rows of results. */
import { assert, assertEquals } from "@std/assert";
import type { CheckPolicy } from "../../../lib/fdir/checks.ts";
import {
  FLAPPING_CLEAR_AFTER,
  FORGET_AFTER,
  GOOD_LIMIT,
  isFlapping,
  isForgotten,
  type LimitState,
  releaseLimit,
  stepLimit,
} from "../../../lib/fdir/limit.ts";

const POLICY: CheckPolicy = {
  enabled: true,
  response: "COUNT",
  bad: 1,
  of: 1,
  clearAfter: 2,
  latching: false,
};

/** Plays a row of results, `x` bad and `.` good, and shows what each changed: `T`, `C` or `-`. */
function play(
  row: string,
  policy: CheckPolicy,
  start: LimitState = GOOD_LIMIT,
): [string, LimitState] {
  let state = start;
  let changes = "";
  for (const [index, result] of [...row].entries()) {
    const step = stepLimit(state, policy, result === "x" ? "bad" : null, index);
    state = step.state;
    changes += step.change === null
      ? "-"
      : step.change === "tripped"
      ? "T"
      : "C";
  }
  return [changes, state];
}

Deno.test("stepLimit trips at the first bad result and clears after the good ones that the policy wants", () => {
  assertEquals(play("..x.x..x", POLICY)[0], "--T---CT");
});

Deno.test("stepLimit counts n bad results among the last m, wherever they stand", () => {
  const policy = { ...POLICY, bad: 2, of: 4 };
  assertEquals(play("x...x...x", policy)[0], "---------");
  assertEquals(play("x..x", policy)[0], "---T");
  const three = { ...POLICY, bad: 3, of: 3, clearAfter: 3 };
  assertEquals(play("xx.xx.xxx..x...", three)[0], "--------T-----C");
  const all = { ...POLICY, bad: 32, of: 32 };
  assertEquals(play("x".repeat(32), all)[0], "-".repeat(31) + "T");
  assertEquals(
    play("x".repeat(31) + "." + "x".repeat(31), all)[0].includes("T"),
    false,
  );
});

Deno.test("stepLimit forgets the results before an anomaly's end", () => {
  const policy = { ...POLICY, bad: 2, of: 4, clearAfter: 1 };
  assertEquals(play("xx.x.x", policy)[0], "-TC--T");
});

Deno.test("stepLimit holds a latched anomaly until it is released", () => {
  const policy = { ...POLICY, latching: true };
  const [changes, state] = play("x" + ".".repeat(50), policy);
  assertEquals(changes, "T" + "-".repeat(50));
  assert(state.isLatched);
  assertEquals(play("..", policy, releaseLimit(state))[0][0], "C");
});

Deno.test("stepLimit holds what flaps: the events of an endless flapping are few", () => {
  const [changes, state] = play("x..".repeat(200), POLICY);
  assertEquals(changes.replaceAll("-", ""), "TCTCT");
  assert(isFlapping(state));
  // It ends once it has been good for long, and begins anew then.
  const [after, calm] = play(".".repeat(FLAPPING_CLEAR_AFTER), POLICY, state);
  assert(after.includes("C"));
  assertEquals(isFlapping(calm), false);
  // The worst that a fast flapper can do to the event log.
  const worst = play(("x..x..x" + ".".repeat(10)).repeat(100), POLICY)[0];
  const events = worst.replaceAll("-", "").length;
  assert(events <= 6 * 100, `${events} events in ${worst.length} results`);
});

Deno.test("stepLimit forgets a history that is long past", () => {
  const [, state] = play("x.." + ".".repeat(FORGET_AFTER), POLICY);
  assert(isForgotten(state));
  assertEquals(state, GOOD_LIMIT);
});

Deno.test("stepLimit keeps the newest text and the time of the beginning", () => {
  const first = stepLimit(GOOD_LIMIT, POLICY, "one", 5).state;
  const second = stepLimit(first, POLICY, "two", 9).state;
  assertEquals([second.text, second.activeSinceMs], ["two", 5]);
});
