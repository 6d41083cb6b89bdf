/**
 * The supervisor: one pure function from (state, event, time) to (state,
 * effects) over all services of a machine. It never reads a clock, starts a
 * process or sends a signal itself; its owner turns facts into events, carries
 * out effects in order, and sends a `tick` when {@linkcode nextDeadlineMs} is
 * reached. Steps are total: no event throws, whatever it says; one that names an
 * unknown service or an earlier instance changes nothing. Imports only the
 * supervisor's own files and the table of event codes.
 *
 * The rules stand where they are kept: the five states of a service in
 * `service.ts`, what services mean for each other in `rules.ts`, the processes
 * of one in `process_control.ts` and how they end in `termination.ts`, new
 * definitions in `reload.ts`, and how all go down in `shutdown_stages.ts`.
 *
 * @module
 */

import type { ServiceDefinition } from "./service_definition.ts";
import { buildGraph, pulledUpBy } from "./graph.ts";
import {
  onCgroup,
  onExited,
  onSpawned,
  onSpawnFailed,
} from "./process_control.ts";
import { reload } from "./reload.ts";
import { apply, settle, shouldBeUp } from "./rules.ts";
import { postponeDeadlines } from "./service.ts";
import { newRecord, problemsOf, safeModeClosure } from "./service_record.ts";
import { advanceShutdown, requestShutdown } from "./shutdown_stages.ts";
import type {
  ServiceCommand,
  SupervisorEvent,
  SupervisorState,
  SupervisorStep,
} from "./supervisor_types.ts";
import { escalate, expectEnd, freeze, thaw } from "./termination.ts";
import { Turn } from "./turn.ts";

export type {
  ServiceCommand,
  ServiceInstance,
  ServicePhase,
  ServiceRecord,
  Shutdown,
  ShutdownReportEntry,
  SupervisorEffect,
  SupervisorEvent,
  SupervisorState,
  SupervisorStep,
  Termination,
} from "./supervisor_types.ts";
export {
  criticalServicesHealthy,
  hasFailed,
  isMoving,
  type ServiceStatus,
  shutdownBoundMs,
  statusOf,
  type Summary,
  summary,
  unhealthyCriticalServices,
} from "./status.ts";

/** How a supervisor begins. */
export interface SupervisorOptions {
  /** Whether only services of safe mode run; false when left out. */
  readonly safeMode?: boolean;
}

/** Most characters of `STATUS=` that are kept. */
const maximumStatusLength = 128;

/**
 * The state before anything has happened. A service of a cycle, or that
 * requires one that nobody defines, is Failed from the start, with the reason;
 * the others are not harmed.
 *
 * @param definitions The services.
 * @param options How to begin.
 * @returns The state.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { defineService } from "./definition.ts";
 * import { createSupervisor, stepSupervisor } from "./supervisor.ts";
 *
 * const state = createSupervisor([defineService("web", { command: ["/bin/web"] })]);
 * const { effects } = stepSupervisor(state, { kind: "start-all" }, 0);
 * assertEquals(effects.map((effect) => effect.kind), ["spawn"]);
 * ```
 */
export function createSupervisor(
  definitions: readonly ServiceDefinition[],
  options: SupervisorOptions = {},
): SupervisorState {
  const graph = buildGraph(definitions);
  const byName = new Map<string, ServiceDefinition>();
  for (const definition of definitions) {
    if (!byName.has(definition.name)) byName.set(definition.name, definition);
  }
  const problems = problemsOf(graph);
  const records = graph.names.flatMap((name, index) => {
    const definition = byName.get(name);
    return definition === undefined
      ? []
      : [newRecord(definition, problems.get(index) ?? null)];
  });
  return {
    graph,
    records,
    isAllowedInSafeMode: safeModeClosure(graph, records),
    nextInstance: 1,
    isStarted: false,
    isSafeMode: options.safeMode ?? false,
    shutdown: null,
  };
}

/**
 * Makes one step.
 *
 * @param state The state before; it is not written to.
 * @param event What happened.
 * @param nowMs Milliseconds since boot (CLOCK_BOOTTIME); steps of the wall clock mean nothing here.
 * @param random A number from 0 up to, not including, 1, for the jitter of backoffs.
 * @returns The state after, and what to do, in order.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { defineService } from "./definition.ts";
 * import { createSupervisor, statusOf, stepSupervisor } from "./supervisor.ts";
 *
 * let state = createSupervisor([defineService("web", { command: ["/bin/web"] })]);
 * state = stepSupervisor(state, { kind: "start-all" }, 0).state;
 * const spawned = { kind: "spawned", service: "web", instance: 1, pid: 7, hasCgroup: true } as const;
 * state = stepSupervisor(state, spawned, 1).state;
 * assertEquals(statusOf(state, "web")?.state, "running");
 * ```
 */
export function stepSupervisor(
  state: SupervisorState,
  event: SupervisorEvent,
  nowMs: number,
  random = 0,
): SupervisorStep {
  const turn = new Turn(state, nowMs, random);
  dispatch(turn, event);
  settle(turn);
  advanceShutdown(turn);
  return turn.finish();
}

/**
 * When the next `tick` is due.
 *
 * @param state The state.
 * @returns Milliseconds since boot, or null when only events can change anything.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { createSupervisor, nextDeadlineMs } from "./supervisor.ts";
 *
 * assertEquals(nextDeadlineMs(createSupervisor([])), null);
 * ```
 */
export function nextDeadlineMs(state: SupervisorState): number | null {
  let nextMs = state.shutdown?.stage === "tasks"
    ? state.shutdown.tasksDeadlineMs
    : Infinity;
  for (const { deadlineMs } of state.records) {
    if (deadlineMs < nextMs) nextMs = deadlineMs;
  }
  return nextMs === Infinity ? null : nextMs;
}

function dispatch(turn: Turn, event: SupervisorEvent): void {
  switch (event.kind) {
    case "start-all":
      return startAll(turn);
    case "tick":
      return tick(turn);
    case "command":
      return command(turn, event.command, event.service);
    case "reload":
      return reload(turn, event.definitions);
    case "enter-safe-mode":
    case "leave-safe-mode":
      return setSafeMode(turn, event.kind === "enter-safe-mode");
    case "shutdown":
      return requestShutdown(turn);
    default:
      return aboutInstance(turn, event);
  }
}

type InstanceEvent = Extract<SupervisorEvent, { readonly instance: number }>;

function aboutInstance(turn: Turn, event: InstanceEvent): void {
  const index = turn.base.graph.indexOf.get(event.service);
  if (index === undefined) return;
  const { instance, definition, state } = turn.record(index);
  if (instance === null || instance.number !== event.instance) return;
  const isMain = instance.phase === "main";
  const { kind: readiness } = definition.readiness;
  switch (event.kind) {
    case "spawned":
      if (instance.pid !== null || instance.isExited) return;
      return onSpawned(turn, index, event.pid, event.hasCgroup, apply);
    case "spawn-failed":
      if (instance.pid !== null || instance.isExited) return;
      return onSpawnFailed(turn, index, event.error, apply);
    case "exited":
      return onExited(turn, index, event.exit, apply);
    case "cgroup":
      return onCgroup(turn, index, event.isPopulated, apply);
    case "notify-line":
      if (isMain && readiness === "notify-fd") {
        apply(turn, index, { kind: "ready" });
      }
      return;
    case "path-exists":
      if (isMain && readiness === "path") apply(turn, index, { kind: "ready" });
      return;
    case "sd-notify":
      if (isMain && (instance.isBackground || !instance.isExited)) {
        sdNotify(turn, index, event.text);
      }
      return;
    case "unhealthy":
      if (!isMain || state.kind === "pending") return;
      return apply(turn, index, { kind: "unhealthy", error: event.error });
  }
}

/** Start what the boot wants, and all that it requires or wants. */
function startAll(turn: Turn): void {
  turn.base = { ...turn.base, isStarted: true };
  const { graph } = turn.base;
  const roots = turn.records.flatMap((record, index) =>
    record.definition.start === "boot" ? [index] : []
  );
  for (const index of pulledUpBy(graph, roots)) {
    turn.change(index, { isWanted: true });
  }
  turn.records.forEach((record, index) => {
    if (record.problem !== null) {
      turn.log("DEFINITION_INVALID", index, record.problem);
    }
  });
  turn.lookAtAll();
}

function tick(turn: Turn): void {
  const { nowMs } = turn;
  turn.records.forEach((record, index) => {
    if (record.deadlineMs > nowMs) return;
    const termination = record.instance?.termination;
    if (termination && termination.deadlineMs <= nowMs) escalate(turn, index);
    turn.look(index);
  });
}

function command(turn: Turn, what: ServiceCommand, service: string): void {
  const index = turn.base.graph.indexOf.get(service);
  if (index === undefined || turn.shutdown !== null) return;
  const before = turn.record(index);
  if (before.isRemoved) return;
  obey(turn, what, index);
  // Who says the same thing all day long does not fill the event log with it.
  if (turn.record(index) !== before) turn.log("SERVICE_COMMAND", index, what);
}

function obey(turn: Turn, what: ServiceCommand, index: number): void {
  switch (what) {
    case "start":
      resume(turn, index);
      return want(turn, index, false);
    case "restart":
      resume(turn, index);
      return want(turn, index, true);
    case "stop":
      return turn.change(index, { isWanted: false, isRestartRequested: false });
    case "isolate":
      if (turn.record(index).isIsolated) return;
      turn.change(index, { isIsolated: true });
      turn.log("SERVICE_ISOLATED", index, "is frozen");
      return freeze(turn, index);
    case "resume":
      return resume(turn, index);
  }
}

/** Wants a service and what it needs; who had failed gets a new chance. */
function want(turn: Turn, target: number, isRestart: boolean): void {
  for (const index of pulledUpBy(turn.base.graph, [target])) {
    turn.change(index, { isWanted: true });
    const { state, problem } = turn.record(index);
    if (problem !== null || !shouldBeUp(turn, index)) continue;
    if (index === target && isRestart) {
      turn.change(index, { isRestartRequested: true });
    } else if (
      state.kind === "failed" ||
      (state.kind === "pending" && state.reason === "finished") ||
      (index === target && state.kind === "backoff")
    ) {
      // Whether it may start is decided next, with all dependencies in view.
      apply(turn, index, { kind: "start" }, "waiting");
    }
  }
}

function resume(turn: Turn, index: number): void {
  const { isIsolated, instance } = turn.record(index);
  if (!isIsolated) return;
  const frozenSinceMs = instance?.frozenSinceMs ?? null;
  thaw(turn, index);
  const { state } = turn.record(index);
  turn.change(index, {
    isIsolated: false,
    state: frozenSinceMs === null
      ? state
      : postponeDeadlines(state, turn.nowMs - frozenSinceMs),
  });
  turn.log("SERVICE_RESUMED", index, "runs again");
}

/**
 * The lines of an sd_notify datagram. `READY=1`, `STOPPING=1`, `WATCHDOG=1`,
 * `WATCHDOG=trigger` and `STATUS=` mean something here; others are ignored, as
 * sd_notify(3) asks for.
 */
function sdNotify(turn: Turn, index: number, text: string): void {
  const { definition } = turn.record(index);
  for (const line of text.slice(0, 4096).split("\n")) {
    if (line === "READY=1") {
      if (definition.readiness.kind === "sd-notify") {
        apply(turn, index, { kind: "ready" });
      }
    } else if (line === "WATCHDOG=1") {
      if (definition.health.watchdogMs !== null) {
        apply(turn, index, { kind: "heartbeat" });
      }
    } else if (line === "WATCHDOG=trigger") {
      apply(turn, index, {
        kind: "unhealthy",
        error: "asked to be restarted (WATCHDOG=trigger)",
      });
    } else if (line === "STOPPING=1") {
      if (turn.record(index).state.kind === "running") expectEnd(turn, index);
    } else if (line.startsWith("STATUS=")) {
      // deno-lint-ignore no-control-regex -- it goes to a terminal
      const clean = line.slice(7).replace(/[\u0000-\u001f\u007f]/g, "?");
      turn.change(index, { statusText: clean.slice(0, maximumStatusLength) });
    }
  }
}

function setSafeMode(turn: Turn, isSafeMode: boolean): void {
  if (turn.base.isSafeMode === isSafeMode || turn.shutdown !== null) return;
  turn.base = { ...turn.base, isSafeMode };
  turn.lookAtAll();
}
