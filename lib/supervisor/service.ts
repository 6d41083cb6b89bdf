/**
 * The life of one service as a finite state machine: what state it is in, what
 * an event makes of it, and the one thing to do next. Pure: no clock, no
 * randomness, no process; time and chance are handed in. Imports only
 * `backoff.ts`.
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

import {
  backoffDelayMs,
  type BackoffPolicy,
  defaultBackoffPolicy,
} from "./backoff.ts";

/** How a process ended: by itself with a code, or by a signal. One of the two is null. */
export interface ExitStatus {
  /** The exit code, 0 to 255, or null when a signal ended it. */
  readonly exitCode: number | null;
  /** The name of the signal that ended it, for example `SIGKILL`, or null. */
  readonly signal: string | null;
}

/** What `svcStep` needs to know of a service's definition. */
export interface ServicePolicy {
  /** `process`: is up while it runs. `oneshot`: is up once it has exited with success. */
  readonly type: "process" | "oneshot";
  /** Which ends are followed by another attempt. A oneshot's success never is. */
  readonly restart: "always" | "on-failure" | "never";
  /** Exit codes that count as success. */
  readonly successCodes: readonly number[];
  /** Names of signals whose death counts as success. */
  readonly successSignals: readonly string[];
  /** The delay between attempts. */
  readonly backoff: BackoffPolicy;
  /** Most restarts within `restartWindowMs`; null sets no limit. */
  readonly maximumRestarts: number | null;
  /** The window that `maximumRestarts` is counted in, in milliseconds. */
  readonly restartWindowMs: number;
  /** What makes a process ready: that it was spawned, or an event `ready`. */
  readonly readiness: "spawned" | "notified";
  /** The longest time from spawn to ready (a oneshot: to its exit), in milliseconds; null waits for ever. */
  readonly startTimeoutMs: number | null;
  /** The longest time between heartbeats while Running, in milliseconds; null expects none. */
  readonly watchdogMs: number | null;
}

/** The policy of a definition that says nothing but its command. */
export const defaultServicePolicy: ServicePolicy = {
  type: "process",
  restart: "always",
  successCodes: [0],
  successSignals: [],
  backoff: defaultBackoffPolicy,
  maximumRestarts: 10,
  restartWindowMs: 600_000,
  readiness: "spawned",
  startTimeoutMs: 60_000,
  watchdogMs: null,
};

/** Why a live process is being stopped; it decides what the service becomes next. */
export type StopCause =
  | "requested"
  | "restart"
  | "dependency"
  | "start-timeout"
  | "watchdog"
  | "unhealthy";

/** Why a service will not be tried again by itself. */
export type FailureReason =
  | "exited"
  | "start-failed"
  | "start-timeout"
  | "watchdog"
  | "unhealthy"
  | "restart-limit"
  | "dependency-failed"
  | "definition";

/** What a service remembers across its states. Its size is bounded by `maximumRestarts`. */
export interface ServiceHistory {
  /** Failures in a row, the exponent of the backoff. */
  readonly failures: number;
  /** When the restarts of the current window were decided, oldest first, in milliseconds. */
  readonly restartTimesMs: readonly number[];
  /** Restarts after a failure or an end since the service was defined. */
  readonly restarts: number;
  /** How the last process of the service ended, or null. */
  readonly lastExit: ExitStatus | null;
  /** What went wrong last, in words, or the empty string. */
  readonly lastError: string;
}

/** Nothing runs and nothing is timed. */
export interface PendingService {
  /** The discriminant. */
  readonly kind: "pending";
  /** When it became so, in milliseconds. */
  readonly sinceMs: number;
  /** Why nothing runs: never started, waits for dependencies, was stopped, or ended as it should. */
  readonly reason: "new" | "waiting" | "stopped" | "finished";
  /** What the service remembers. */
  readonly history: ServiceHistory;
}

/** A process is being started and is not ready yet. */
export interface StartingService {
  /** The discriminant. */
  readonly kind: "starting";
  /** When the spawn was asked for, in milliseconds. */
  readonly sinceMs: number;
  /** The process, or null before `spawned`. */
  readonly pid: number | null;
  /** Why it is being stopped, or null. */
  readonly stopping: StopCause | null;
  /** What the service remembers. */
  readonly history: ServiceHistory;
}

/** Ready. */
export interface RunningService {
  /** The discriminant. */
  readonly kind: "running";
  /** When it became ready, in milliseconds. */
  readonly sinceMs: number;
  /** The process, or null for a oneshot that has done its work. */
  readonly pid: number | null;
  /** Why it is being stopped, or null. */
  readonly stopping: StopCause | null;
  /** When the last heartbeat came, in milliseconds; at first the time it became ready. */
  readonly heartbeatMs: number;
  /** What the service remembers. */
  readonly history: ServiceHistory;
}

/** It failed, and the next attempt has a due time. */
export interface BackoffService {
  /** The discriminant. */
  readonly kind: "backoff";
  /** When it failed, in milliseconds. */
  readonly sinceMs: number;
  /** When the next attempt is due, in milliseconds. */
  readonly untilMs: number;
  /** What the service remembers. */
  readonly history: ServiceHistory;
}

/** It will not be tried again by itself. */
export interface FailedService {
  /** The discriminant. */
  readonly kind: "failed";
  /** When it was given up, in milliseconds. */
  readonly sinceMs: number;
  /** Why. */
  readonly reason: FailureReason;
  /** What the service remembers. */
  readonly history: ServiceHistory;
}

/** The five states of a service. The table at the head of this file explains them. */
export type ServiceState =
  | PendingService
  | StartingService
  | RunningService
  | BackoffService
  | FailedService;

/** What can happen to a service. */
export type ServiceEvent =
  | {
    /** Wanted up; wanted up anew; wanted down; time passed or a dependency changed; a sign of life; ready. */
    readonly kind:
      | "start"
      | "stop"
      | "restart"
      | "tick"
      | "heartbeat"
      | "ready";
  }
  | {
    /** The process exists. */
    readonly kind: "spawned";
    /** Its process id. */
    readonly pid: number;
  }
  | {
    /** The process could not be made, or is gone in a way that is a failure whatever its exit. */
    readonly kind: "failed";
    /** Why, in words. */
    readonly error: string;
  }
  | {
    /** The process ended. */
    readonly kind: "exited";
    /** How. */
    readonly exit: ExitStatus;
  }
  | {
    /** Somebody who watches it found it broken. */
    readonly kind: "unhealthy";
    /** What was found, in words. */
    readonly error: string;
  };

/** The facts from outside the service that a step depends on. */
export interface ServiceContext {
  /** A number from 0 up to, not including, 1, for the jitter; 0 when left out. */
  readonly random?: number;
  /** Whether what the service requires is up, can still come up, or failed; ready when left out. */
  readonly dependencies?: "ready" | "waiting" | "failed";
}

/** What a step made of a service, and the one thing to do now. */
export interface ServiceStep {
  /** The state after the event; the same object when nothing changed. */
  readonly state: ServiceState;
  /** `spawn` a process, ask the process to `stop`, or do nothing. */
  readonly action: "none" | "spawn" | "stop";
}

const emptyHistory: ServiceHistory = {
  failures: 0,
  restartTimesMs: [],
  restarts: 0,
  lastExit: null,
  lastError: "",
};

/** A service that was never started. */
export const initialServiceState: ServiceState = {
  kind: "pending",
  sinceMs: 0,
  reason: "new",
  history: emptyHistory,
};

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
 * import { initialServiceState, postponeDeadlines, serviceDeadlineMs, svcStep } from "./service.ts";
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
  return retry(history, nowMs, policy, context.random ?? 0);
}

/** Decides a restart: Backoff, or Failed when the window is full. */
function retry(
  history: ServiceHistory,
  nowMs: number,
  policy: ServicePolicy,
  random: number,
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
  return {
    state: {
      kind: "backoff",
      sinceMs: nowMs,
      untilMs: nowMs + backoffDelayMs(policy.backoff, history.failures, random),
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
