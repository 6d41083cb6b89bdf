/**
 * How a process of a service is ended, and how it is held: the stages of a
 * termination, the signals that go out, who is frozen. Imports only the
 * supervisor's own files.
 *
 * | stage     | begins with                            | lasts at most     |
 * |-----------|----------------------------------------|-------------------|
 * | asked     | the stop signal, and SIGCONT           | `stop.timeoutMs`  |
 * | killed    | SIGKILL to the cgroup, else the group  | `killGraceMs`     |
 * | abandoned | nothing: the kernel holds on to it     | until it goes     |
 *
 * Somebody abandoned holds nothing up but its own service.
 *
 * @module
 */

import {
  killGraceMs,
  type ServiceInstance,
  type Termination,
  urgentTimeoutMs,
} from "./supervisor_types.ts";
import type { Turn } from "./turn.ts";

/**
 * Asks a service's process to stop; SIGKILL follows by itself.
 *
 * @param turn The step.
 * @param index The service.
 */
export function askToStop(turn: Turn, index: number): void {
  const { instance } = turn.record(index);
  if (instance === null || instance.termination?.isSignalled === true) return;
  if (instance.termination !== null && instance.termination.stage !== "asked") {
    return;
  }
  beginTermination(turn, index, true);
  signalStop(turn, index);
  if (turn.shutdown?.urgency === 2) escalate(turn, index);
}

/**
 * Gives a process that goes by itself a last time.
 *
 * @param turn The step.
 * @param index The service.
 */
export function expectEnd(turn: Turn, index: number): void {
  if (turn.record(index).instance?.termination === null) {
    beginTermination(turn, index, false);
  }
}

/**
 * Goes on to the next stage of a termination, whose time is over.
 *
 * @param turn The step.
 * @param index The service.
 */
export function escalate(turn: Turn, index: number): void {
  const { instance } = turn.record(index);
  const termination = instance?.termination;
  if (instance === null || termination === undefined || termination === null) {
    return;
  }
  const waitedMs = turn.nowMs - termination.sinceMs;
  if (termination.stage === "asked") {
    const graceMs = isUrgent(turn) ? urgentTimeoutMs : killGraceMs;
    turn.changeInstance(index, {
      termination: {
        ...termination,
        stage: "killed",
        deadlineMs: turn.nowMs + graceMs,
      },
    });
    turn.log(
      "SERVICE_KILLED",
      index,
      `SIGKILL after ${waitedMs} ms${ofPhase(instance)}`,
    );
    signalKill(turn, index);
  } else if (termination.stage === "killed") {
    turn.changeInstance(index, {
      termination: { ...termination, stage: "abandoned", deadlineMs: Infinity },
    });
    turn.log(
      "SERVICE_UNKILLABLE",
      index,
      `pid ${
        instance.pid ?? "unknown"
      } is still there ${waitedMs} ms after it was to stop`,
    );
    if (instance.phase !== "post") reportStop(turn, index, termination, true);
    checkCgroup(turn, index);
  }
}

/**
 * Cuts what is left of a termination's time.
 *
 * @param turn The step.
 * @param index The service.
 */
export function hasten(turn: Turn, index: number): void {
  const { instance } = turn.record(index);
  const termination = instance?.termination;
  if (termination === undefined || termination === null) return;
  const deadlineMs = Math.min(
    termination.deadlineMs,
    turn.nowMs + urgentTimeoutMs,
  );
  // What was given up stays so: its deadline is no longer one.
  if (termination.stage === "abandoned") return;
  turn.changeInstance(index, { termination: { ...termination, deadlineMs } });
  if (turn.shutdown?.urgency === 2 && termination.stage === "asked") {
    escalate(turn, index);
  }
}

/**
 * Freezes a service's processes.
 *
 * @param turn The step.
 * @param index The service; nothing happens when nothing of it runs, or it is being stopped.
 */
export function freeze(turn: Turn, index: number): void {
  const { instance, definition } = turn.record(index);
  if (
    instance === null || instance.frozenSinceMs !== null ||
    instance.termination !== null
  ) return;
  if (instance.pid === null && !instance.isBackground) return;
  turn.effects.push({
    kind: "freeze",
    service: definition.name,
    instance: instance.number,
    pid: instance.pid,
  });
  turn.changeInstance(index, { frozenSinceMs: turn.nowMs });
}

/**
 * Lets a service's processes run again.
 *
 * @param turn The step.
 * @param index The service; nothing happens when it is not frozen.
 */
export function thaw(turn: Turn, index: number): void {
  const { instance, definition } = turn.record(index);
  if (instance === null || instance.frozenSinceMs === null) return;
  turn.effects.push({
    kind: "thaw",
    service: definition.name,
    instance: instance.number,
    pid: instance.pid,
  });
  turn.changeInstance(index, { frozenSinceMs: null });
}

/**
 * Adds to the report of a shutdown that a service has stopped, or was given up.
 *
 * @param turn The step.
 * @param index The service.
 * @param termination How it was ended.
 * @param isLeft Whether it is still there.
 */
export function reportStop(
  turn: Turn,
  index: number,
  termination: Termination,
  isLeft: boolean,
): void {
  const { shutdown } = turn;
  if (shutdown === null || shutdown.stage === "done") return;
  const service = turn.record(index).definition.name;
  const entry = {
    service,
    durationMs: turn.nowMs - termination.sinceMs,
    neededKill: termination.stage !== "asked",
    isLeft,
  };
  // Who was given up may go after all.
  const others = termination.stage === "abandoned"
    ? shutdown.report.filter((one) => one.service !== service)
    : shutdown.report;
  turn.shutdown = { ...shutdown, report: [...others, entry] };
}

/**
 * Begins the way of a process out of the world, or gives one that is on it the
 * time of its first stage anew.
 *
 * @param turn The step.
 * @param index The service, with an instance.
 * @param isSignalled Whether the stop signal is sent; false when it goes by itself.
 */
export function beginTermination(
  turn: Turn,
  index: number,
  isSignalled: boolean,
): void {
  const before = turn.record(index).instance?.termination;
  const deadlineMs = turn.nowMs + stopTimeoutMs(turn, index);
  turn.changeInstance(index, {
    termination: {
      stage: "asked",
      sinceMs: before?.sinceMs ?? turn.nowMs,
      deadlineMs,
      isSignalled,
    },
  });
}

/**
 * How long a process has between the stop signal and SIGKILL.
 *
 * @param turn The step.
 * @param index The service.
 * @returns Milliseconds.
 */
export function stopTimeoutMs(turn: Turn, index: number): number {
  const { timeoutMs } = turn.record(index).definition.stop;
  return isUrgent(turn) ? Math.min(timeoutMs, urgentTimeoutMs) : timeoutMs;
}

function isUrgent(turn: Turn): boolean {
  return turn.shutdown !== null && turn.shutdown.urgency > 0;
}

/**
 * Sends the stop signal, and SIGCONT after it.
 *
 * @param turn The step.
 * @param index The service; nothing happens while its process does not exist.
 */
export function signalStop(turn: Turn, index: number): void {
  const { instance, definition } = turn.record(index);
  if (instance === null || (instance.pid === null && !instance.isExited)) {
    return;
  }
  thaw(turn, index);
  // A pre command is not the program that the definition's signal is for.
  const signal = instance.phase === "main" ? definition.stop.signal : "SIGTERM";
  sendSignal(turn, index, signal, definition.stop.scope);
  // A process that is stopped would never see the signal.
  if (signal !== "SIGKILL") {
    sendSignal(turn, index, "SIGCONT", definition.stop.scope);
  }
}

/**
 * Sends SIGKILL to all that is left of a service.
 *
 * @param turn The step.
 * @param index The service; nothing happens while its process does not exist.
 */
export function signalKill(turn: Turn, index: number): void {
  const { instance } = turn.record(index);
  if (instance === null || (instance.pid === null && !instance.isExited)) {
    return;
  }
  sendSignal(turn, index, "SIGKILL", "cgroup");
}

function sendSignal(
  turn: Turn,
  index: number,
  signal: string,
  scope: "process" | "group" | "cgroup",
): void {
  const { instance, definition } = turn.record(index);
  if (instance === null) return;
  // Of a reaped process only the cgroup is left; its number may be another's.
  const reach = instance.isExited
    ? "cgroup"
    : scope === "cgroup" && !instance.hasCgroup
    ? "group"
    : scope;
  if (reach === "cgroup" && !instance.hasCgroup) return;
  turn.effects.push({
    kind: "signal",
    service: definition.name,
    instance: instance.number,
    pid: instance.pid,
    signal,
    scope: reach,
  });
}

/**
 * Asks whether anything is left in a service's cgroup.
 *
 * @param turn The step.
 * @param index The service; nothing happens while its process was not reaped.
 */
export function checkCgroup(turn: Turn, index: number): void {
  const { instance, definition } = turn.record(index);
  if (instance?.hasCgroup !== true || !instance.isExited) return;
  turn.effects.push({
    kind: "check-cgroup",
    service: definition.name,
    instance: instance.number,
  });
}

function ofPhase(instance: ServiceInstance): string {
  return instance.phase === "main" ? "" : ` (${instance.phase} command)`;
}
