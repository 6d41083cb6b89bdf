/**
 * The life of one service as a finite state machine: what state it is in, what
 * an event makes of it, and the one thing to do next. Pure: no clock, no
 * randomness, no process; time and chance are handed in. Imports only
 * `backoff.ts` and its types.
 *
 * ## The states
 *
 * | state    | meaning                                              | leaves it on                          |
 * |----------|------------------------------------------------------|---------------------------------------|
 * | Pending  | nothing runs and nothing is timed: new, waiting for dependencies, stopped, or finished | `start`, or dependencies that became ready |
 * | Starting | a process is being started and is not ready yet      | ready, exit, failure to start, time-out, `stop` |
 * | Running  | ready; for a oneshot: it has done its work           | exit, missed heartbeat, lost dependency, `stop` |
 * | Backoff  | it failed; the next attempt has a due time           | that time, `start`, `stop`            |
 * | Failed   | it will not be tried again by itself                 | `start`, or a failed dependency that recovered |
 *
 * A service that is being stopped is still Starting or Running, with `stopping`
 * saying why, because its process is still there. What it becomes after the
 * process ended is decided by that cause alone, so that no order of events can
 * lose a restart or a stop:
 *
 * | `stopping`                            | asked for by              | after the exit            |
 * |---------------------------------------|---------------------------|---------------------------|
 * | `requested`                           | `stop`                    | Pending (stopped)         |
 * | `restart`                             | `restart`; `start` during a stop | started again at once |
 * | `dependency`                          | a dependency that was lost | Pending (waiting)        |
 * | `start-timeout` `watchdog` `unhealthy` | a broken promise         | a failure: Backoff or Failed |
 *
 * ## Transitions
 *
 * | event ↓ in →  | Pending             | Starting            | Running             | Backoff            | Failed             |
 * |---------------|---------------------|---------------------|---------------------|--------------------|--------------------|
 * | `start`       | Starting, **spawn** ¹ | a stop becomes a restart | a stop becomes a restart | Starting, **spawn** ¹ | Starting, **spawn** ¹ |
 * | `stop`        | Pending (stopped)   | **stop**            | **stop** ²          | Pending (stopped)  | Pending (stopped)  |
 * | `restart`     | as `start`          | **stop**, then again | **stop**, then again ² | as `start`      | as `start`         |
 * | `spawned`     | –                   | Running, if that is readiness | –         | –                  | –                  |
 * | `failed`      | –                   | Backoff or Failed   | Backoff or Failed   | –                  | –                  |
 * | `ready`       | –                   | Running             | –                   | –                  | –                  |
 * | `heartbeat`   | –                   | –                   | noted               | –                  | –                  |
 * | `unhealthy`   | –                   | **stop**            | **stop**            | –                  | –                  |
 * | `exited`      | –                   | see below           | see below           | –                  | –                  |
 * | `tick`        | Starting, **spawn** ¹ ³ | **stop** on time-out or lost dependency | **stop** on missed heartbeat or lost dependency | when due: as Pending | a dependency that recovered: as Pending |
 *
 * ¹ if dependencies are ready; else Pending (waiting), or Failed when one failed.
 * ² a oneshot that has done its work has no process: it changes at once.
 * ³ only when it is waiting; a stopped or finished service stays so.
 *
 * An exit is a success when its code or signal is listed as one. Success of a
 * oneshot is Running. Success of a process is Backoff (`always`) or Pending
 * (finished), but for one that was not ready yet: that is a failure. Anything else is a failure: Backoff (`always`, `on-failure`), or
 * Failed (`never`, or more than the maximum of restarts in the window).
 *
 * @module
 */

import { backoffDelayMs, settledAfterMs, shortestDelayMs } from "./backoff.ts";
import {
  defaultServicePolicy,
  type ExitStatus,
  type FailedService,
  type FailureReason,
  type PendingService,
  type RunningService,
  type ServiceContext,
  type ServiceEvent,
  type ServiceHistory,
  type ServicePolicy,
  type ServiceState,
  type ServiceStep,
  type StartingService,
} from "./service_types.ts";

/**
 * Makes one step: the state and the action that follow from an event.
 *
 * Total: every event is allowed in every state; one that makes no sense there
 * (an exit of a service that is not up, say) leaves the state as it is.
 *
 * @param state The state before.
 * @param event What happened.
 * @param nowMs The time since boot in milliseconds (CLOCK_BOOTTIME), never the wall clock.
 * @param policy The service's rules.
 * @param context Randomness and dependencies.
 * @returns The state after, and what to do.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { initialServiceState, svcStep } from "@spaceos/pid1";
 *
 * let step = svcStep(initialServiceState, { kind: "start" }, 0);
 * assertEquals(step.action, "spawn");
 * step = svcStep(step.state, { kind: "spawned", pid: 42 }, 1);
 * assertEquals(step.state.kind, "running");
 * step = svcStep(step.state, { kind: "exited", exit: { exitCode: 1, signal: null } }, 2);
 * assertEquals(step.state.kind, "backoff");
 * step = svcStep(step.state, { kind: "tick" }, 501);
 * assertEquals(step.action, "none");
 * step = svcStep(step.state, { kind: "tick" }, 502);
 * assertEquals(step.action, "spawn");
 * ```
 */
export function svcStep(
  state: ServiceState,
  event: ServiceEvent,
  nowMs: number,
  policy: ServicePolicy = defaultServicePolicy,
  context: ServiceContext = {},
): ServiceStep {
  switch (event.kind) {
    case "start":
      return start(state, nowMs, context);
    case "restart":
      return restart(state, nowMs, context);
    case "stop":
      return stop(state, nowMs);
    case "tick":
      return tick(state, nowMs, policy, context);
    case "heartbeat":
      return state.kind === "running"
        ? { state: { ...state, heartbeatMs: nowMs }, action: "none" }
        : unchanged(state);
    case "ready":
      return state.kind === "starting" && state.stopping === null &&
          state.pid !== null &&
          policy.type === "process"
        ? { state: running(state, state.pid, nowMs), action: "none" }
        : unchanged(state);
    case "spawned":
      return spawned(state, event.pid, nowMs, policy);
    case "failed":
      return hasProcess(state)
        ? ended(state, nowMs, policy, context, {
          reason: state.kind === "starting" ? "start-failed" : "exited",
          error: event.error,
        })
        : unchanged(state);
    case "unhealthy":
      return breakPromise(state, "unhealthy", event.error);
    case "exited":
      return exited(state, event.exit, nowMs, policy, context);
  }
}

/**
 * The next time at which a `tick` can change this state by itself, in
 * milliseconds since boot, or null when only events can.
 *
 * @param state The service.
 * @param policy Its rules.
 * @returns The due time, or null.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { initialServiceState, serviceDeadlineMs, svcStep } from "@spaceos/pid1";
 *
 * assertEquals(serviceDeadlineMs(initialServiceState), null);
 * const { state } = svcStep(initialServiceState, { kind: "start" }, 1000);
 * assertEquals(serviceDeadlineMs(state), 61_000); // the start time-out
 * ```
 */
export function serviceDeadlineMs(
  state: ServiceState,
  policy: ServicePolicy = defaultServicePolicy,
): number | null {
  switch (state.kind) {
    case "backoff":
      return state.untilMs;
    case "starting":
      return policy.startTimeoutMs === null || state.stopping !== null
        ? null
        : state.sinceMs + policy.startTimeoutMs;
    case "running":
      return policy.watchdogMs === null || state.stopping !== null ||
          policy.type === "oneshot"
        ? null
        : state.heartbeatMs + policy.watchdogMs;
    case "pending":
    case "failed":
      return null;
  }
}

/**
 * The state with its time-outs moved, for a process that was frozen and could
 * not have kept them.
 *
 * @param state The service.
 * @param byMs How much later, in milliseconds.
 * @returns The service with later time-outs.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { postponeDeadlines, serviceDeadlineMs, svcStep } from "./service.ts";
 * import { initialServiceState } from "./service_types.ts";
 *
 * const { state } = svcStep(initialServiceState, { kind: "start" }, 1000);
 * assertEquals(serviceDeadlineMs(postponeDeadlines(state, 500)), 61_500);
 * ```
 */
export function postponeDeadlines(
  state: ServiceState,
  byMs: number,
): ServiceState {
  if (state.kind === "starting") {
    return { ...state, sinceMs: state.sinceMs + byMs };
  }
  return state.kind === "running"
    ? { ...state, heartbeatMs: state.heartbeatMs + byMs }
    : state;
}

/**
 * Whether an exit counts as success under a policy.
 *
 * @param exit How the process ended.
 * @param policy The rules that list successes.
 * @returns True for a listed code or signal.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert/assert";
 * import { defaultServicePolicy, isSuccess } from "@spaceos/pid1";
 *
 * assert(isSuccess({ exitCode: 0, signal: null }, defaultServicePolicy));
 * assert(!isSuccess({ exitCode: null, signal: "SIGTERM" }, defaultServicePolicy));
 * ```
 */
export function isSuccess(exit: ExitStatus, policy: ServicePolicy): boolean {
  return exit.signal === null
    ? exit.exitCode !== null && policy.successCodes.includes(exit.exitCode)
    : policy.successSignals.includes(exit.signal);
}

function unchanged(state: ServiceState): ServiceStep {
  return { state, action: "none" };
}

function start(
  state: ServiceState,
  nowMs: number,
  context: ServiceContext,
): ServiceStep {
  if (state.kind === "starting" || state.kind === "running") {
    // Wanted down a moment ago, wanted up now: the stop is under way and can't
    // be taken back, so it becomes the first half of a restart.
    return state.stopping === "requested"
      ? { state: { ...state, stopping: "restart" }, action: "none" }
      : unchanged(state);
  }
  return attempt(forgetFailures(state.history), nowMs, context);
}

function restart(
  state: ServiceState,
  nowMs: number,
  context: ServiceContext,
): ServiceStep {
  if (!hasProcess(state)) {
    return attempt(forgetFailures(state.history), nowMs, context);
  }
  return {
    state: { ...state, stopping: "restart" },
    action: state.stopping === null ? "stop" : "none",
  };
}

function stop(state: ServiceState, nowMs: number): ServiceStep {
  if (hasProcess(state)) {
    return {
      state: { ...state, stopping: "requested" },
      action: state.stopping === null ? "stop" : "none",
    };
  }
  if (
    state.kind === "pending" &&
    (state.reason === "stopped" || state.reason === "finished")
  ) {
    return unchanged(state);
  }
  return { state: pending("stopped", state.history, nowMs), action: "none" };
}

function tick(
  state: ServiceState,
  nowMs: number,
  policy: ServicePolicy,
  context: ServiceContext,
): ServiceStep {
  const dependencies = context.dependencies ?? "ready";
  switch (state.kind) {
    case "pending":
      if (state.reason !== "waiting" || dependencies === "waiting") {
        return unchanged(state);
      }
      return attempt(state.history, nowMs, context);
    case "backoff":
      return nowMs < state.untilMs
        ? unchanged(state)
        : attempt(state.history, nowMs, context);
    case "failed":
      if (state.reason !== "dependency-failed" || dependencies === "failed") {
        return unchanged(state);
      }
      return attempt(state.history, nowMs, context);
    case "starting":
    case "running":
      break;
  }
  if (state.stopping !== null) return unchanged(state);
  if (dependencies !== "ready") {
    return hasProcess(state)
      ? { state: { ...state, stopping: "dependency" }, action: "stop" }
      : attempt(state.history, nowMs, context);
  }
  const deadlineMs = serviceDeadlineMs(state, policy);
  if (deadlineMs === null || nowMs < deadlineMs) return unchanged(state);
  return state.kind === "starting"
    ? breakPromise(
      state,
      "start-timeout",
      `not ready within ${policy.startTimeoutMs} ms`,
    )
    : breakPromise(
      state,
      "watchdog",
      `no heartbeat within ${policy.watchdogMs} ms`,
    );
}

function spawned(
  state: ServiceState,
  pid: number,
  nowMs: number,
  policy: ServicePolicy,
): ServiceStep {
  if (state.kind !== "starting") return unchanged(state);
  const isReady = policy.type === "process" && policy.readiness === "spawned" &&
    state.stopping === null;
  return {
    state: isReady ? running(state, pid, nowMs) : { ...state, pid },
    action: "none",
  };
}

function exited(
  state: ServiceState,
  exit: ExitStatus,
  nowMs: number,
  policy: ServicePolicy,
  context: ServiceContext,
): ServiceStep {
  if (!hasProcess(state)) return unchanged(state);
  const noted = { ...state, history: { ...state.history, lastExit: exit } };
  if (
    policy.type === "oneshot" && noted.stopping === null &&
    isSuccess(exit, policy)
  ) {
    // Work that is done is as good as a long time up.
    const history = forgetFailures(noted.history);
    return {
      state: running({ ...noted, history }, null, nowMs),
      action: "none",
    };
  }
  const error = exit.signal === null
    ? `exited with code ${exit.exitCode}`
    : `was ended by ${exit.signal}`;
  if (state.kind === "starting" && policy.type === "process") {
    // It was to stay, and went before it was ready: no exit code makes that right.
    return ended(noted, nowMs, policy, context, {
      reason: "start-failed",
      error: `${error} before it was ready`,
    });
  }
  return ended(noted, nowMs, policy, context, {
    reason: isSuccess(exit, policy) ? "success" : "exited",
    error,
  });
}

/** The process is gone, or never came: the cause of the stop, else the policy, decides. */
function ended(
  state: StartingService | RunningService,
  nowMs: number,
  policy: ServicePolicy,
  context: ServiceContext,
  end: {
    readonly reason: "success" | "exited" | "start-failed";
    readonly error: string;
  },
): ServiceStep {
  let history = state.history;
  if (
    state.kind === "running" &&
    nowMs - state.sinceMs >= policy.backoff.resetAfterMs
  ) {
    history = forgetFailures(history);
  }
  let reason: "success" | FailureReason = end.reason;
  if (state.stopping !== null) {
    if (state.stopping === "requested") {
      return { state: pending("stopped", history, nowMs), action: "none" };
    }
    if (state.stopping === "dependency") {
      return { state: pending("waiting", history, nowMs), action: "none" };
    }
    if (state.stopping === "restart") {
      return attempt(forgetFailures(history), nowMs, context);
    }
    reason = state.stopping;
  } else if (reason !== "success") {
    history = { ...history, lastError: end.error };
  }
  if (reason === "success" && policy.restart !== "always") {
    return {
      state: pending("finished", forgetFailures(history), nowMs),
      action: "none",
    };
  }
  if (reason !== "success" && policy.restart === "never") {
    return { state: failed(reason, history, nowMs), action: "none" };
  }
  const isSettled = state.kind === "running" &&
    nowMs - state.sinceMs >= settledAfterMs;
  const shortestMs = isSettled ? 0 : shortestDelayMs;
  return retry(history, nowMs, policy, context.random ?? 0, shortestMs);
}

/** Decides a restart: Backoff, or Failed when the window is full. */
function retry(
  history: ServiceHistory,
  nowMs: number,
  policy: ServicePolicy,
  random: number,
  shortestMs: number,
): ServiceStep {
  const limit = policy.maximumRestarts;
  let times: readonly number[] = [];
  if (limit !== null) {
    times = history.restartTimesMs.filter((timeMs) =>
      timeMs > nowMs - policy.restartWindowMs
    );
    if (times.length >= limit) {
      return { state: failed("restart-limit", history, nowMs), action: "none" };
    }
    times = [...times, nowMs];
  }
  const delayMs = backoffDelayMs(policy.backoff, history.failures, random);
  return {
    state: {
      kind: "backoff",
      sinceMs: nowMs,
      untilMs: nowMs + Math.max(shortestMs, delayMs),
      history: {
        ...history,
        failures: history.failures + 1,
        restarts: history.restarts + 1,
        restartTimesMs: times,
      },
    },
    action: "none",
  };
}

/** Starts if dependencies allow it; else says what it waits for. */
function attempt(
  history: ServiceHistory,
  nowMs: number,
  context: ServiceContext,
): ServiceStep {
  switch (context.dependencies ?? "ready") {
    case "ready":
      return {
        state: {
          kind: "starting",
          sinceMs: nowMs,
          pid: null,
          stopping: null,
          history,
        },
        action: "spawn",
      };
    case "waiting":
      return { state: pending("waiting", history, nowMs), action: "none" };
    case "failed":
      return {
        state: failed("dependency-failed", history, nowMs),
        action: "none",
      };
  }
}

/** A live process broke a promise: it is stopped, and its end will be a failure. */
function breakPromise(
  state: ServiceState,
  cause: "start-timeout" | "watchdog" | "unhealthy",
  error: string,
): ServiceStep {
  if (!hasProcess(state) || state.stopping !== null) return unchanged(state);
  return {
    state: {
      ...state,
      stopping: cause,
      history: { ...state.history, lastError: error },
    },
    action: "stop",
  };
}

/** Whether there is a process to wait for: a oneshot that has done its work has none. */
function hasProcess(
  state: ServiceState,
): state is StartingService | (RunningService & { readonly pid: number }) {
  return state.kind === "starting" ||
    (state.kind === "running" && state.pid !== null);
}

function forgetFailures(history: ServiceHistory): ServiceHistory {
  return { ...history, failures: 0, restartTimesMs: [] };
}

function pending(
  reason: PendingService["reason"],
  history: ServiceHistory,
  nowMs: number,
): PendingService {
  return { kind: "pending", sinceMs: nowMs, reason, history };
}

function failed(
  reason: FailureReason,
  history: ServiceHistory,
  nowMs: number,
): FailedService {
  return { kind: "failed", sinceMs: nowMs, reason, history };
}

function running(
  state: StartingService | RunningService,
  pid: number | null,
  nowMs: number,
): RunningService {
  return {
    kind: "running",
    sinceMs: nowMs,
    pid,
    stopping: null,
    heartbeatMs: nowMs,
    history: { ...state.history, lastError: "" },
  };
}
