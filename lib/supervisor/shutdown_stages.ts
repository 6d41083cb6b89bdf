/**
 * How a machine's services go down together:
 *
 * | stage    | what happens                                        | lasts at most            |
 * |----------|-----------------------------------------------------|--------------------------|
 * | tasks    | services of `start: shutdown` run, all others go on | `shutdownTasksTimeoutMs` |
 * | stopping | services come down, dependents first, in parallel   | the longest chain of time-outs |
 * | done     | `all-stopped` was sent, with the report             |                          |
 *
 * Asked a second time, every time-out is cut to `urgentTimeoutMs`; a third
 * time, everything is killed at once and out of order. Imports only the
 * supervisor's own files.
 *
 * @module
 */

import { settle, shouldBeUp } from "./rules.ts";
import {
  type ServiceRecord,
  shutdownTasksTimeoutMs,
} from "./supervisor_types.ts";
import { hasten } from "./termination.ts";
import type { Turn } from "./turn.ts";

/**
 * Begins a shutdown, or hurries the one that is under way.
 *
 * @param turn The step.
 */
export function requestShutdown(turn: Turn): void {
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
  } else if (shutdown.stage !== "done" && shutdown.urgency < 2) {
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

/**
 * Goes on to the next stage of a shutdown when this one is over.
 *
 * @param turn The step, settled.
 */
export function advanceShutdown(turn: Turn): void {
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
