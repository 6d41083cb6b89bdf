/**
 * What a service's state machine works with: the five states and what each
 * remembers, the events that can happen to a service, the rules that its
 * definition sets, and the outcome of a step. Types, and the values to begin
 * with; `service.ts` explains them and has the machine. Imports only
 * `backoff.ts`.
 *
 * @module
 */

import { type BackoffPolicy, defaultBackoffPolicy } from "./backoff.ts";

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

/**
 * The policy of a definition that says nothing but its command.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defaultServicePolicy, isSuccess } from "@spaceos/pid1";
 *
 * const policy = { ...defaultServicePolicy, successCodes: [0, 3] };
 * assertEquals(isSuccess({ exitCode: 3, signal: null }, policy), true);
 * ```
 */
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

/** The five states of a service. The table at the head of `service.ts` explains them. */
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

/**
 * A service that was never started.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { initialServiceState } from "@spaceos/pid1";
 *
 * assertEquals(initialServiceState.kind, "pending");
 * assertEquals(initialServiceState.history.restarts, 0);
 * ```
 */
export const initialServiceState: ServiceState = {
  kind: "pending",
  sinceMs: 0,
  reason: "new",
  history: emptyHistory,
};
