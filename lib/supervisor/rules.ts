/**
 * The rules between services: who should be up, who may start, who must come
 * down first, and what one service's change means for its neighbours. Imports
 * only the supervisor's own files.
 *
 * ## Who should be up
 *
 * A service that is wanted (by the boot, a command, or somebody wanted that
 * requires or wants it), whose definition is still there and sound, that the
 * mode allows, unless everything is coming down.
 *
 * ## Up
 *
 * A service starts when all it `requires` is available, and all it `wants` or
 * comes `after` is settled. *Available* is Running, and not about to stop.
 * *Settled* is anything that will not change soon by itself: up, failed, in
 * backoff, not to be up at all, or waiting for something that is settled and
 * not available.
 *
 * ## Down
 *
 * | a dependency that is required … | its dependents                                |
 * |---------------------------------|-----------------------------------------------|
 * | is to stop or to restart        | come down first, wait, and come up again after it |
 * | died, or failed its health      | come down now, in order; wait; come up again after it |
 * | failed for good                 | come down, and are Failed until it recovers   |
 *
 * A service is asked to stop when everybody who requires it is down, and
 * everybody who only waits for it at start and is coming down, too, is down. Its
 * failure to stop holds the others up for its time-out, not longer. Who broke
 * a promise is stopped at once.
 *
 * @module
 */

import { beginPost, beginRun, stoppingOf, unwatch } from "./process_control.ts";
import { serviceDeadlineMs, svcStep } from "./service.ts";
import type { ServiceEvent, ServiceState } from "./service_types.ts";
import type { ServiceRecord } from "./supervisor_types.ts";
import { askToStop } from "./termination.ts";
import type { Turn } from "./turn.ts";

/** How what a service requires stands. */
export type Dependencies = "ready" | "waiting" | "failed";

/** What neighbours are told of a service. */
const told = { available: 1, failed: 2, settled: 4, down: 8, shouldBeUp: 16 };

/**
 * Whether a service should be up.
 *
 * @param turn The step.
 * @param index The service.
 * @returns What the rules say now.
 */
export function shouldBeUp(turn: Turn, index: number): boolean {
  const record = turn.record(index);
  if (!record.isWanted || record.isRemoved || record.problem !== null) {
    return false;
  }
  if (turn.shutdown !== null && turn.shutdown.stage !== "tasks") return false;
  return !turn.base.isSafeMode || turn.base.isAllowedInSafeMode[index] === true;
}

/**
 * Tells a service's state machine about an event, does what it asks for, and
 * writes down what became of it.
 *
 * @param turn The step.
 * @param index The service.
 * @param event The event.
 * @param dependencies What the event is judged by; a busy slot when left out.
 * @param nowMs The time it is judged at; that of the step when left out.
 */
export function apply(
  turn: Turn,
  index: number,
  event: ServiceEvent,
  dependencies: Dependencies = "waiting",
  nowMs: number = turn.nowMs,
): void {
  const { state: before, policy, instance } = turn.record(index);
  const { state, action } = svcStep(before, event, nowMs, policy, {
    random: turn.random(index),
    dependencies,
  });
  if (state === before) return;
  turn.change(index, { state });
  if (before.kind === "starting" && state.kind !== "starting") {
    unwatch(turn, index);
  }
  writeDown(turn, index, before, state);
  if (action === "spawn") beginRun(turn, index);
  else if (action === "stop") askToStop(turn, index);
  const hadDoneItsWork = before.kind === "running" && before.pid === null;
  if (
    hadDoneItsWork && state.kind !== "running" && action !== "spawn" &&
    instance === null
  ) {
    beginPost(turn, index);
  }
}

/**
 * Looks at every service that was marked, and at those that their changes
 * reach, until nothing changes.
 *
 * @param turn The step.
 */
export function settle(turn: Turn): void {
  // Each look either changes a service or ends; a service changes a few times
  // at most. The bound is a net: no rule that contradicts another may hang PID 1.
  let looks = 100 * turn.records.length + 1000;
  for (let index = turn.next(); index !== undefined; index = turn.next()) {
    if (looks-- === 0) {
      turn.log(
        "INTERNAL_ERROR",
        null,
        "the rules between services do not settle",
      );
      return;
    }
    lookAt(turn, index);
  }
}

/**
 * What a service waits for before it can start, by name.
 *
 * @param turn The step.
 * @param index The service.
 * @returns Names of services.
 */
export function waitsFor(turn: Turn, index: number): string[] {
  const { graph } = turn.base;
  const names = (graph.requires[index] ?? []).filter((other) =>
    !isAvailable(turn, other)
  );
  const soft = (graph.soft[index] ?? []).filter((other) =>
    !isTold(turn, other, told.settled)
  );
  return [...names, ...soft].map((other) => graph.names[other] ?? "");
}

function lookAt(turn: Turn, index: number): void {
  const before = turn.record(index);
  decide(turn, index);
  forgetWhenGone(turn, index);
  const record = turn.record(index);
  const deadlineMs = deadlineOf(record);
  const published = bulletin(turn, index);
  if (deadlineMs !== record.deadlineMs || published !== record.published) {
    turn.note(index, { deadlineMs, published });
  }
  if (published !== before.published) {
    const { graph } = turn.base;
    for (
      const lists of [
        graph.requiredBy,
        graph.softBy,
        graph.requires,
        graph.soft,
      ]
    ) {
      for (const neighbour of lists[index] ?? []) turn.look(neighbour);
    }
  }
}

/** A service whose definition is gone leaves nothing behind once it is down. */
function forgetWhenGone(turn: Turn, index: number): void {
  const { definition, isRemoved, isForgotten, instance, state } = turn.record(
    index,
  );
  if (!isRemoved || isForgotten || instance !== null) return;
  if (state.kind === "starting" || state.kind === "running") return;
  turn.note(index, { isForgotten: true });
  turn.effects.push({ kind: "forget", service: definition.name });
}

/** One decision about one service; a change brings it here again. */
function decide(turn: Turn, index: number): void {
  const record = turn.record(index);
  const { state, instance } = record;
  if (record.problem !== null) return;
  const isUp = state.kind === "starting" || state.kind === "running";
  const stopping = stoppingOf(state);
  if (!shouldBeUp(turn, index)) {
    if (isUp) {
      if (stopping === "requested") return;
      if (mayComeDown(turn, index)) apply(turn, index, { kind: "stop" });
      // Its time-outs run on while it waits for its dependents.
      else if (stopping === null) keepTime(turn, index);
    } else if (state.kind !== "pending" || state.reason === "waiting") {
      apply(turn, index, { kind: "stop" });
    }
    return;
  }
  if (record.isRestartRequested) {
    if (isUp && stopping === null && !mayComeDown(turn, index)) {
      keepTime(turn, index);
      return;
    }
    turn.change(index, { isRestartRequested: false });
    const hasDoneItsWork = state.kind === "running" && state.pid === null;
    apply(
      turn,
      index,
      { kind: hasDoneItsWork ? "stop" : "restart" },
      mayStart(turn, index),
    );
    return;
  }
  if (
    state.kind === "pending" &&
    (state.reason === "new" || state.reason === "stopped")
  ) {
    if (instance === null) {
      apply(turn, index, { kind: "start" }, mayStart(turn, index));
    }
    return;
  }
  if (!isUp) {
    apply(turn, index, { kind: "tick" }, mayStart(turn, index));
    return;
  }
  // What it becomes after the exit is decided after the exit.
  if (stopping !== null) return;
  const required = requirements(turn, index);
  if (required !== "ready" && mayComeDown(turn, index)) {
    apply(turn, index, { kind: "tick" }, required);
    return;
  }
  const isLosing = required !== "ready";
  if (isLosing !== record.isLosing) turn.change(index, { isLosing });
  keepTime(turn, index);
}

/** Lets a live service miss its time-outs, unless it can't keep them. */
function keepTime(turn: Turn, index: number): void {
  const { state, instance } = turn.record(index);
  const since = instance?.frozenSinceMs ?? null;
  if (since !== null || (state.kind === "running" && instance?.termination)) {
    return;
  }
  apply(turn, index, { kind: "tick" }, "ready");
}

/** How what a service requires stands. */
function requirements(turn: Turn, index: number): Dependencies {
  let result: Dependencies = "ready";
  for (const other of turn.base.graph.requires[index] ?? []) {
    if (turn.record(other).state.kind === "failed") return "failed";
    if (!isAvailable(turn, other)) result = "waiting";
  }
  return result;
}

/** Whether a service that is not up may start now. */
function mayStart(turn: Turn, index: number): Dependencies {
  const { instance, isIsolated } = turn.record(index);
  if (instance !== null || isIsolated) return "waiting";
  const required = requirements(turn, index);
  if (required !== "ready") return required;
  const soft = turn.base.graph.soft[index] ?? [];
  return soft.every((other) => isSettled(turn, other)) ? "ready" : "waiting";
}

/** Whether nobody is left who must come down before this service. */
function mayComeDown(turn: Turn, index: number): boolean {
  if (turn.shutdown?.urgency === 2) return true;
  const { graph } = turn.base;
  for (const other of graph.requiredBy[index] ?? []) {
    if (!isDown(turn, other)) return false;
  }
  for (const other of graph.softBy[index] ?? []) {
    if (!isDown(turn, other) && !shouldBeUp(turn, other)) return false;
  }
  return true;
}

function isAvailable(turn: Turn, index: number): boolean {
  const record = turn.record(index);
  return record.state.kind === "running" && record.state.stopping === null &&
    !record.isLosing && !record.isRestartRequested && shouldBeUp(turn, index);
}

function isDown(turn: Turn, index: number): boolean {
  const { state, instance } = turn.record(index);
  if (instance !== null) return instance.termination?.stage === "abandoned";
  return state.kind !== "running" && state.kind !== "starting";
}

function isSettled(turn: Turn, index: number): boolean {
  if (!shouldBeUp(turn, index)) return true;
  const record = turn.record(index);
  switch (record.state.kind) {
    case "backoff":
    case "failed":
      return true;
    case "starting":
      return record.instance?.termination?.stage === "abandoned";
    case "running":
      return record.state.stopping === null ||
        record.instance?.termination?.stage === "abandoned";
    case "pending":
      if (record.state.reason === "finished" || record.isIsolated) return true;
      if (record.instance?.termination?.stage === "abandoned") return true;
      return (turn.base.graph.requires[index] ?? []).some((other) =>
        // What the neighbour last published: asking it anew would go on to its
        // own neighbours, and on.
        isTold(turn, other, told.settled) && !isAvailable(turn, other)
      );
  }
}

function isTold(turn: Turn, index: number, bit: number): boolean {
  return (turn.record(index).published & bit) !== 0;
}

function bulletin(turn: Turn, index: number): number {
  return (isAvailable(turn, index) ? told.available : 0) |
    (turn.record(index).state.kind === "failed" ? told.failed : 0) |
    (isSettled(turn, index) ? told.settled : 0) |
    (isDown(turn, index) ? told.down : 0) |
    (shouldBeUp(turn, index) ? told.shouldBeUp : 0);
}

/** When a service is to be looked at again, whatever happens. */
function deadlineOf(record: ServiceRecord): number {
  const { state, instance, policy } = record;
  const endMs = instance?.termination?.deadlineMs ?? Infinity;
  const isPaused = instance?.frozenSinceMs !== null && instance !== null;
  const isGoing = state.kind === "running" && instance?.termination;
  if (isPaused || isGoing) return endMs;
  return Math.min(endMs, serviceDeadlineMs(state, policy) ?? Infinity);
}

/** The story of a service in the event log: one line for each turn that it takes. */
function writeDown(
  turn: Turn,
  index: number,
  before: ServiceState,
  after: ServiceState,
): void {
  const { definition } = turn.record(index);
  const { history } = after;
  const stopping = stoppingOf(after);
  if (after.kind !== before.kind) {
    switch (after.kind) {
      case "running":
        turn.log(
          "SERVICE_STARTED",
          index,
          after.pid === null ? "has done its work" : `is up, pid ${after.pid}`,
        );
        return;
      case "backoff":
        turn.log(
          "SERVICE_BACKOFF",
          index,
          `${reasonText(history)}; restart ${history.restarts} in ${
            after.untilMs - turn.nowMs
          } ms`,
        );
        return;
      case "failed":
        turn.log(
          "SERVICE_FAILED",
          index,
          failureText(turn, index, after.reason, reasonText(history)),
          definition.critical ? 4 : 3,
        );
        return;
      case "pending":
        if (after.reason === "finished") {
          turn.log("SERVICE_FINISHED", index, "has finished");
        } else if (before.kind === "starting" || before.kind === "running") {
          const wait = after.reason === "waiting" ? " and waits" : "";
          turn.log("SERVICE_STOPPED", index, `is down${wait}`);
        }
        return;
      case "starting":
        return;
    }
  }
  if (stopping === null || stopping === stoppingOf(before)) return;
  if (stopping === "start-timeout") {
    turn.log("SERVICE_START_TIMEOUT", index, history.lastError);
  }
  if (stopping === "watchdog") {
    turn.log("SERVICE_WATCHDOG_MISSED", index, history.lastError);
  }
  if (stopping === "unhealthy") {
    turn.log("SERVICE_UNHEALTHY", index, history.lastError);
  }
}

function reasonText(history: ServiceState["history"]): string {
  return history.lastError === "" ? "ended with success" : history.lastError;
}

function failureText(
  turn: Turn,
  index: number,
  reason: string,
  text: string,
): string {
  if (reason === "dependency-failed") {
    const { graph } = turn.base;
    const culprit = (graph.requires[index] ?? [])
      .find((other) => turn.record(other).state.kind === "failed");
    return `can't start, because ${
      graph.names[culprit ?? -1] ?? "what it requires"
    } failed`;
  }
  return reason === "restart-limit"
    ? `${text}; too many restarts, given up`
    : `${text}; given up`;
}
