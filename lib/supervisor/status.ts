/**
 * Questions about the supervisor's state: one service, the counts for HEALTH,
 * whether the watchdog may be petted. Pure; imports only the supervisor's own
 * files.
 *
 * @module
 */

import { waitsFor } from "./rules.ts";
import type {
  ExitStatus,
  FailureReason,
  PendingService,
  ServiceState,
  StopCause,
} from "./service_types.ts";
import {
  killGraceMs,
  type ServicePhase,
  type ServiceRecord,
  shutdownTasksTimeoutMs,
  type SupervisorState,
} from "./supervisor_types.ts";
import { Turn } from "./turn.ts";

/** What is to be known of one service. */
export interface ServiceStatus {
  /** Its name. */
  readonly name: string;
  /** What it is, for people. */
  readonly description: string;
  /** One of the five states. */
  readonly state: ServiceState["kind"];
  /** Why it is Pending or Failed; null in other states. */
  readonly reason: PendingService["reason"] | FailureReason | null;
  /** Why it is being stopped, or null. */
  readonly stopping: StopCause | null;
  /** Which of its commands runs, or null. */
  readonly phase: ServicePhase | null;
  /** The process, or null. */
  readonly pid: number | null;
  /** The number of the instance, or null. */
  readonly instance: number | null;
  /** Since when it is in this state, in milliseconds since boot. */
  readonly sinceMs: number;
  /** When the next attempt is due, in milliseconds since boot, or null. */
  readonly nextAttemptMs: number | null;
  /** Restarts since it was defined. */
  readonly restarts: number;
  /** How its last process ended, or null. */
  readonly lastExit: ExitStatus | null;
  /** What went wrong last, or the empty string. */
  readonly lastError: string;
  /** The last `STATUS=` of the service, or the empty string. */
  readonly statusText: string;
  /** The services that it waits for before it can start. */
  readonly waitsFor: readonly string[];
  /** Whether it should be up, if mode and dependencies allow. */
  readonly isWanted: boolean;
  /** Whether it is held by `isolate`. */
  readonly isIsolated: boolean;
  /** Whether its process runs with an earlier definition. */
  readonly isOutdated: boolean;
  /** Whether the machine is of no use without it. */
  readonly isCritical: boolean;
}

/** How many services are in which state. */
export interface Summary {
  /** All services. */
  readonly total: number;
  /** Services in Pending. */
  readonly pending: number;
  /** Services in Starting. */
  readonly starting: number;
  /** Services in Running, and not being stopped. */
  readonly running: number;
  /** Services in Starting or Running that are being stopped. */
  readonly stopping: number;
  /** Services in Backoff. */
  readonly backoff: number;
  /** Services in Failed. */
  readonly failed: number;
  /** Services that should be up and are not, whatever their state; finished ones are not missed. */
  readonly missing: number;
  /** Restarts of all services since they were defined. */
  readonly restarts: number;
}

/** A deadline that passed this long ago without a step means that nobody steps. */
const overdueMs = 5_000;

/**
 * What is known of a service.
 *
 * @param state The supervisor.
 * @param name The service.
 * @returns Its status, or null when there is no such service.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { defineService } from "./definition.ts";
 * import { createSupervisor } from "./supervisor.ts";
 * import { statusOf } from "./status.ts";
 *
 * const state = createSupervisor([defineService("web", { command: ["/bin/web"] })]);
 * assertEquals(statusOf(state, "web")?.state, "pending");
 * assertEquals(statusOf(state, "wob"), null);
 * ```
 */
export function statusOf(
  state: SupervisorState,
  name: string,
): ServiceStatus | null {
  const index = state.graph.indexOf.get(name);
  const record = index === undefined ? undefined : state.records[index];
  if (index === undefined || record === undefined || isGone(record)) {
    return null;
  }
  const { definition, instance, state: service } = record;
  const isWaiting = record.isWanted && service.kind === "pending";
  return {
    name,
    description: definition.description,
    state: service.kind,
    reason: service.kind === "pending" || service.kind === "failed"
      ? service.reason
      : null,
    stopping: service.kind === "starting" || service.kind === "running"
      ? service.stopping
      : null,
    phase: instance?.phase ?? null,
    pid: instance?.pid ?? null,
    instance: instance?.number ?? null,
    sinceMs: service.sinceMs,
    nextAttemptMs: service.kind === "backoff" ? service.untilMs : null,
    restarts: service.history.restarts,
    lastExit: service.history.lastExit,
    lastError: service.history.lastError,
    statusText: record.statusText,
    waitsFor: isWaiting ? waitsFor(new Turn(state, 0, 0), index) : [],
    isWanted: record.isWanted,
    isIsolated: record.isIsolated,
    isOutdated: record.isOutdated,
    isCritical: definition.critical,
  };
}

/**
 * How many services are in which state.
 *
 * @param state The supervisor.
 * @returns The counts.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { defineService } from "./definition.ts";
 * import { createSupervisor } from "./supervisor.ts";
 * import { summary } from "./status.ts";
 *
 * const state = createSupervisor([defineService("web", { command: ["/bin/web"] })]);
 * assertEquals(summary(state).pending, 1);
 * ```
 */
export function summary(state: SupervisorState): Summary {
  const counts = {
    pending: 0,
    starting: 0,
    running: 0,
    stopping: 0,
    backoff: 0,
    failed: 0,
  };
  let total = 0;
  let missing = 0;
  let restarts = 0;
  for (const [index, record] of state.records.entries()) {
    if (isGone(record)) continue;
    const { state: service } = record;
    total++;
    restarts += service.history.restarts;
    const isUp = service.kind === "starting" || service.kind === "running";
    const kind = isUp && service.stopping !== null ? "stopping" : service.kind;
    counts[kind]++;
    const isFinished = service.kind === "pending" &&
      service.reason === "finished";
    const isAllowed = !state.isSafeMode ||
      state.isAllowedInSafeMode[index] === true;
    if (record.isWanted && isAllowed && kind !== "running" && !isFinished) {
      missing++;
    }
  }
  return { total, ...counts, missing, restarts };
}

/**
 * Whether a service is on its way, up or down: one in Starting, or one that is
 * being stopped. This and {@linkcode hasFailed} are asked after every event, so
 * they count nothing.
 *
 * @param state The supervisor.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert/assert";
 * import { defineService } from "./definition.ts";
 * import { isMoving } from "./status.ts";
 * import { createSupervisor, stepSupervisor } from "./supervisor.ts";
 *
 * const state = createSupervisor([defineService("web", { command: ["/bin/web"] })]);
 * assert(isMoving(stepSupervisor(state, { kind: "start-all" }, 0).state));
 * ```
 */
export function isMoving({ records }: SupervisorState): boolean {
  // From the last: those before it have come up sooner, as a rule.
  for (let index = records.length - 1; index >= 0; index--) {
    const record = records[index];
    if (record === undefined || isGone(record)) continue;
    const { state } = record;
    if (state.kind === "starting") return true;
    if (state.kind === "running" && state.stopping !== null) return true;
  }
  return false;
}

/**
 * Whether a service is Failed.
 *
 * @param state The supervisor.
 *
 * @example
 * ```ts
 * import { assertFalse } from "@std/assert/false";
 * import { hasFailed } from "./status.ts";
 * import { createSupervisor } from "./supervisor.ts";
 *
 * assertFalse(hasFailed(createSupervisor([])));
 * ```
 */
export function hasFailed({ records }: SupervisorState): boolean {
  for (const record of records) {
    if (record.state.kind === "failed" && !isGone(record)) return true;
  }
  return false;
}

/**
 * Whether the watchdog may be petted as far as services are concerned.
 *
 * @param state The supervisor.
 * @param nowMs Milliseconds since boot.
 * @returns False when {@linkcode unhealthyCriticalServices} names one.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert/assert";
 * import { criticalServicesHealthy } from "./status.ts";
 * import { createSupervisor } from "./supervisor.ts";
 *
 * assert(criticalServicesHealthy(createSupervisor([]), 0));
 * ```
 */
export function criticalServicesHealthy(
  state: SupervisorState,
  nowMs: number,
): boolean {
  return unhealthyCriticalServices(state, nowMs).length === 0;
}

/**
 * Critical services without which the machine is of no use: Failed, still there
 * after SIGKILL, or past a deadline that nobody saw to. A service that is up,
 * starting, within its backoff, waiting for one of those, or down because
 * somebody decided so (a command, safe mode, isolation, a shutdown) is not
 * among them.
 *
 * @param state The supervisor.
 * @param nowMs Milliseconds since boot.
 * @returns Their names.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { defineService } from "./definition.ts";
 * import { createSupervisor, stepSupervisor } from "./supervisor.ts";
 * import { unhealthyCriticalServices } from "./status.ts";
 *
 * const web = defineService("web", { command: ["/bin/web"], critical: true, restart: "never" });
 * let state = createSupervisor([web]);
 * state = stepSupervisor(state, { kind: "start-all" }, 0).state;
 * assertEquals(unhealthyCriticalServices(state, 0), []);
 * const failed = { kind: "spawn-failed", service: "web", instance: 1, error: "ENOENT" } as const;
 * state = stepSupervisor(state, failed, 1).state;
 * assertEquals(unhealthyCriticalServices(state, 2), ["web"]);
 * ```
 */
export function unhealthyCriticalServices(
  state: SupervisorState,
  nowMs: number,
): string[] {
  if (state.shutdown !== null) return [];
  return state.records.flatMap((record, index) => {
    const { definition, instance, state: service } = record;
    if (
      !definition.critical || !record.isWanted || record.isIsolated ||
      record.isRemoved
    ) return [];
    if (state.isSafeMode && state.isAllowedInSafeMode[index] !== true) {
      return [];
    }
    const isBroken = service.kind === "failed" ||
      instance?.termination?.stage === "abandoned" ||
      nowMs > record.deadlineMs + overdueMs;
    return isBroken ? [definition.name] : [];
  });
}

/**
 * The longest that a shutdown can take from a state, if processes do all they
 * can to hold it up: the deadline for whoever waits for `all-stopped`.
 *
 * @param state The supervisor.
 * @returns Milliseconds from the request.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { defineService } from "./definition.ts";
 * import { shutdownBoundMs } from "./status.ts";
 * import { createSupervisor } from "./supervisor.ts";
 *
 * const web = defineService("web", { command: ["/bin/web"] });
 * assertEquals(shutdownBoundMs(createSupervisor([web])), 15_000);
 * ```
 */
export function shutdownBoundMs(state: SupervisorState): number {
  const { graph } = state;
  const isBroken = (index: number): boolean =>
    state.records[index]?.problem != null;
  // The longest way through the graph, each service after all that depend on it.
  const finishMs = new Array<number>(state.records.length).fill(0);
  const open = state.records.map((_, index) =>
    (graph.requiredBy[index]?.length ?? 0) + (graph.softBy[index]?.length ?? 0)
  );
  const queue = open.flatMap((count, index) => count === 0 ? [index] : []);
  let longestMs = 0;
  for (const index of queue) {
    const ownMs = isBroken(index) ? 0 : ownBoundMs(state.records[index]);
    const endMs = (finishMs[index] ?? 0) + ownMs;
    longestMs = Math.max(longestMs, endMs);
    for (
      const other of [
        ...graph.requires[index] ?? [],
        ...graph.soft[index] ?? [],
      ]
    ) {
      finishMs[other] = Math.max(finishMs[other] ?? 0, endMs);
      const left = (open[other] ?? 0) - 1;
      open[other] = left;
      if (left === 0) queue.push(other);
    }
  }
  const hasTasks = state.records.some(({ definition }) =>
    definition.start === "shutdown"
  );
  return longestMs + (hasTasks ? shutdownTasksTimeoutMs : 0);
}

function ownBoundMs(record: ServiceRecord | undefined): number {
  if (record === undefined) return 0;
  const { stop, post } = record.definition;
  const oneMs = stop.timeoutMs + killGraceMs;
  // The process; each post command; what the last one leaves behind.
  return oneMs * (1 + post.length + (post.length > 0 ? 1 : 0));
}

/** A removed service is only remembered until the next reload. */
function isGone(record: ServiceRecord): boolean {
  return record.isRemoved && record.instance === null;
}
