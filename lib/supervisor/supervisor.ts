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
 * `service.ts`, what services mean for each other in `rules.ts`, processes and
 * how they end in `process_control.ts`, the shutdown here:
 *
 * | stage    | what happens                                        | lasts at most            |
 * |----------|-----------------------------------------------------|--------------------------|
 * | tasks    | services of `start: shutdown` run, all others go on | `shutdownTasksTimeoutMs` |
 * | stopping | services come down, dependents first, in parallel   | the longest chain of time-outs |
 * | done     | `all-stopped` was sent, with the report             |                          |
 *
 * Asked a second time, every time-out is cut to `urgentTimeoutMs`; a third
 * time, everything is killed at once and out of order.
 *
 * @module
 */

import { policyOf, type ServiceDefinition } from "./definition.ts";
import {
  buildGraph,
  graphProblemText,
  pulledUpBy,
  type ServiceGraph,
} from "./graph.ts";
import {
  escalate,
  expectEnd,
  freeze,
  hasten,
  onCgroup,
  onExited,
  onSpawned,
  onSpawnFailed,
  thaw,
} from "./process_control.ts";
import { apply, settle, shouldBeUp } from "./rules.ts";
import { initialServiceState, postponeDeadlines } from "./service.ts";
import {
  type ServiceCommand,
  type ServiceRecord,
  shutdownTasksTimeoutMs,
  type SupervisorEvent,
  type SupervisorState,
  type SupervisorStep,
} from "./supervisor_types.ts";
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

function requestShutdown(turn: Turn): void {
  const { shutdown, nowMs } = turn;
  if (shutdown === null) {
    const tasks = turn.records.flatMap(({ definition }, index) =>
      definition.start === "shutdown" ? [index] : []
    );
    turn.shutdown = {
      stage: tasks.length > 0 ? "tasks" : "stopping",
      sinceMs: nowMs,
      tasksDeadlineMs: nowMs + shutdownTasksTimeoutMs,
      urgency: 0,
      report: [],
    };
    for (const index of tasks) {
      // One that was run before, by hand, is run again: now is when it counts.
      const hasRun = turn.record(index).state.kind === "running";
      turn.change(index, { isWanted: true, isRestartRequested: hasRun });
    }
  } else if (shutdown.stage !== "done") {
    turn.shutdown = {
      ...shutdown,
      stage: "stopping",
      urgency: shutdown.urgency === 0 ? 1 : 2,
    };
    turn.log(
      "SHUTDOWN_REQUESTED",
      null,
      shutdown.urgency === 0
        ? "again: all time-outs are cut"
        : "again: everything is killed",
    );
    turn.records.forEach((_, index) => hasten(turn, index));
  }
  turn.lookAtAll();
}

/** Goes on to the next stage when this one is over. */
function advanceShutdown(turn: Turn): void {
  if (turn.shutdown?.stage === "tasks") {
    const isOver = turn.nowMs >= turn.shutdown.tasksDeadlineMs ||
      turn.records.every((record, index) => isTaskOver(turn, record, index));
    if (!isOver) return;
    turn.shutdown = { ...turn.shutdown, stage: "stopping" };
    turn.lookAtAll();
    settle(turn);
  }
  if (turn.shutdown?.stage !== "stopping") return;
  if (!turn.records.every(isOutOfTheWay)) return;
  const { report, sinceMs } = turn.shutdown;
  turn.shutdown = { ...turn.shutdown, stage: "done" };
  const killed = report.filter((entry) => entry.neededKill).length;
  const left = report.filter((entry) => entry.isLeft).length;
  // The ring of events is short: with many services, those that stopped well are only counted.
  const notable = report.length <= 32
    ? report
    : report.filter((entry) => entry.neededKill || entry.isLeft);
  for (const entry of notable) {
    const index = turn.base.graph.indexOf.get(entry.service);
    const how = entry.isLeft
      ? "was left behind"
      : entry.neededKill
      ? "needed SIGKILL"
      : "stopped";
    turn.log(
      "SHUTDOWN_SERVICE",
      index ?? null,
      `${how} after ${entry.durationMs} ms`,
    );
  }
  turn.log(
    "SHUTDOWN_SERVICES_STOPPED",
    null,
    `${report.length} services in ${
      turn.nowMs - sinceMs
    } ms, ${killed} killed, ${left} left`,
  );
  turn.effects.push({ kind: "all-stopped", report });
}

function isTaskOver(turn: Turn, record: ServiceRecord, index: number): boolean {
  if (record.definition.start !== "shutdown" || !shouldBeUp(turn, index)) {
    return true;
  }
  const { state, instance } = record;
  if (instance !== null) return instance.termination?.stage === "abandoned";
  // One that waits for a task before it is not over; one that will be tried again is.
  return state.kind === "running" || state.kind === "failed" ||
    state.kind === "backoff";
}

function isOutOfTheWay({ state, instance }: ServiceRecord): boolean {
  if (instance !== null) return instance.termination?.stage === "abandoned";
  return state.kind !== "starting" && state.kind !== "running";
}

/** Takes new definitions, if their graph is sound. */
function reload(turn: Turn, definitions: readonly ServiceDefinition[]): void {
  if (turn.shutdown !== null) return;
  const errors = buildGraph(definitions).problems.filter((problem) =>
    problem.kind !== "missing" || problem.relation === "requires"
  );
  if (errors[0] !== undefined) {
    const more = errors.length === 1 ? "" : ` and ${errors.length - 1} more`;
    turn.log(
      "DEFINITIONS_REFUSED",
      null,
      `${graphProblemText(errors[0])}${more}`,
    );
    return;
  }
  const names = new Set(definitions.map((definition) => definition.name));
  const old = new Map(
    turn.records.map((record) => [record.definition.name, record]),
  );
  // Who is gone but still up stays until it is down, without edges: it waits for nobody.
  const leaving = turn.records.filter((record) =>
    !names.has(record.definition.name) &&
    (record.instance !== null || isUpAsOneshot(record))
  );
  const kept = definitions.map((definition) =>
    keep(definition, old.get(definition.name))
  );
  const records = [...kept, ...leaving.map(leave)];
  const graph = buildGraph(records.map(({ definition }) => definition));
  const next = {
    ...turn.base,
    graph,
    isAllowedInSafeMode: safeModeClosure(graph, records),
  };
  turn.replace(next, records);
  if (next.isStarted) {
    const fresh = records.flatMap((record, index) =>
      !old.has(record.definition.name) && record.definition.start === "boot"
        ? [index]
        : []
    );
    for (const index of pulledUpBy(graph, fresh)) {
      turn.change(index, { isWanted: true });
    }
  }
  turn.log("DEFINITIONS_RELOADED", null, `${definitions.length} services`);
  turn.lookAtAll();
}

function keep(
  definition: ServiceDefinition,
  before: ServiceRecord | undefined,
): ServiceRecord {
  if (before === undefined) return newRecord(definition, null);
  const isSame =
    JSON.stringify(before.definition) === JSON.stringify(definition);
  const wasBroken = before.problem !== null;
  return {
    ...before,
    definition,
    policy: policyOf(definition),
    problem: null,
    state: wasBroken ? initialServiceState : before.state,
    isWanted: before.isRemoved ? definition.start === "boot" : before.isWanted,
    isRemoved: false,
    isOutdated: before.isOutdated || (!isSame && before.instance !== null),
  };
}

function leave(record: ServiceRecord): ServiceRecord {
  return {
    ...record,
    definition: { ...record.definition, requires: [], wants: [], after: [] },
    isRemoved: true,
    isWanted: false,
  };
}

function isUpAsOneshot(record: ServiceRecord): boolean {
  return record.state.kind === "running" && record.definition.post.length > 0;
}

function newRecord(
  definition: ServiceDefinition,
  problem: string | null,
): ServiceRecord {
  const { history } = initialServiceState;
  return {
    definition,
    policy: policyOf(definition),
    isWanted: false,
    state: problem === null ? initialServiceState : {
      kind: "failed",
      sinceMs: 0,
      reason: "definition",
      history: { ...history, lastError: problem },
    },
    instance: null,
    isRestartRequested: false,
    isIsolated: false,
    isRemoved: false,
    isOutdated: false,
    isLosing: false,
    problem,
    statusText: "",
    deadlineMs: Infinity,
    published: 0,
  };
}

/** What keeps each broken service from ever starting, by index. */
function problemsOf(graph: ServiceGraph): Map<number, string> {
  const result = new Map<number, string>();
  for (const problem of graph.problems) {
    if (problem.kind === "missing" && problem.relation !== "requires") continue;
    if (problem.kind === "duplicate") continue;
    const names = problem.kind === "cycle"
      ? problem.members
      : [problem.service];
    for (const name of names) {
      const index = graph.indexOf.get(name);
      if (index !== undefined && !result.has(index)) {
        result.set(index, graphProblemText(problem));
      }
    }
  }
  return result;
}

/** Safe mode runs those marked, and all that they require. */
function safeModeClosure(
  graph: ServiceGraph,
  records: readonly ServiceRecord[],
): boolean[] {
  const result = records.map(({ definition }) => definition.safeMode);
  const queue = result.flatMap((isMarked, index) => isMarked ? [index] : []);
  for (const index of queue) {
    for (const other of graph.requires[index] ?? []) {
      if (result[other]) continue;
      result[other] = true;
      queue.push(other);
    }
  }
  return result;
}
