/**
 * The processes of a service: its `pre` commands, its main process, what that
 * leaves behind, its `post` commands; how each is begun and how each is ended.
 * Imports only the supervisor's own files.
 *
 * ## One instance at a time
 *
 * ```text
 *        pre 0 … pre n ──► main ──► remains ──► post 0 … post n ──► remains ──► none
 *          │                │ fails: the rest of this line all the same
 *          └────────────────┴──► remains ──► post …
 * ```
 *
 * "Remains" are processes of the cgroup that outlived the one that was
 * started; without a cgroup there is no telling, and the stage is left out.
 * The slot of a service is free only after the last stage, so that two
 * processes of one service never meet.
 *
 * ## How a process ends
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

import { type ExitStatus, isSuccess, type ServiceState } from "./service.ts";
import {
  killGraceMs,
  type ServiceInstance,
  type ServicePhase,
  type Termination,
  urgentTimeoutMs,
} from "./supervisor_types.ts";
import type { Turn } from "./turn.ts";

/** Tells the service's state machine about an event. */
export type Apply = (
  turn: Turn,
  index: number,
  event:
    | { readonly kind: "spawned"; readonly pid: number }
    | { readonly kind: "exited"; readonly exit: ExitStatus }
    | { readonly kind: "failed"; readonly error: string }
    | { readonly kind: "ready" },
) => void;

/**
 * Begins a run: the first `pre` command, or the main process.
 *
 * @param turn The step.
 * @param index The service, with a free slot.
 */
export function beginRun(turn: Turn, index: number): void {
  const { definition } = turn.record(index);
  turn.change(index, { isOutdated: false, statusText: "" });
  spawn(turn, index, definition.pre.length > 0 ? "pre" : "main", 0);
}

/**
 * Begins the `post` commands, or frees the slot when there are none.
 *
 * @param turn The step.
 * @param index The service, of which nothing else runs.
 */
export function beginPost(turn: Turn, index: number): void {
  spawnPost(turn, index, 0);
}

/**
 * Notes that a process exists.
 *
 * @param turn The step.
 * @param index The service; its instance is the one that was spawned.
 * @param pid The process.
 * @param hasCgroup Whether its cgroup tells what is left of it.
 * @param apply The service's state machine.
 */
export function onSpawned(
  turn: Turn,
  index: number,
  pid: number,
  hasCgroup: boolean,
  apply: Apply,
): void {
  turn.changeInstance(index, { pid, hasCgroup });
  const { instance, definition, isIsolated } = turn.record(index);
  if (instance === null) return;
  if (
    instance.termination?.stage === "asked" && instance.termination.isSignalled
  ) {
    // It was asked to stop before it existed.
    signalStop(turn, index);
  } else if (
    instance.termination !== null && instance.termination.stage !== "asked"
  ) {
    signalKill(turn, index);
  }
  if (instance.phase !== "main") return;
  if (
    definition.readiness.kind === "path" && definition.readiness.path !== null
  ) {
    turn.effects.push({
      kind: "watch-path",
      service: definition.name,
      instance: instance.number,
      path: definition.readiness.path,
    });
    turn.changeInstance(index, { isWatchingPath: true });
  }
  apply(turn, index, { kind: "spawned", pid });
  if (isIsolated) freeze(turn, index);
}

/**
 * Notes that a process could not be made.
 *
 * @param turn The step.
 * @param index The service; its instance is the one that was to be spawned.
 * @param error Why.
 * @param apply The service's state machine.
 */
export function onSpawnFailed(
  turn: Turn,
  index: number,
  error: string,
  apply: Apply,
): void {
  const { instance, definition } = turn.record(index);
  if (instance === null) return;
  turn.changeInstance(index, { isExited: true });
  const program = definition.pre[instance.commandIndex]?.[0];
  switch (instance.phase) {
    case "pre":
      apply(turn, index, {
        kind: "failed",
        error: `pre command ${program}: ${error}`,
      });
      break;
    case "main":
      apply(turn, index, { kind: "failed", error });
      break;
    case "post":
      turn.log("SERVICE_COMMAND_FAILED", index, `post command: ${error}`);
      if (instance.commandIndex + 1 < definition.post.length) {
        nextPost(turn, index, instance);
        return;
      }
      break;
  }
  drain(turn, index);
}

/**
 * Notes that a process was reaped.
 *
 * @param turn The step.
 * @param index The service; its instance is the one that exited.
 * @param exit How.
 * @param apply The service's state machine.
 */
export function onExited(
  turn: Turn,
  index: number,
  exit: ExitStatus,
  apply: Apply,
): void {
  const { instance, definition, policy, state } = turn.record(index);
  if (instance === null || instance.isExited) return;
  turn.changeInstance(index, {
    isExited: true,
    pid: null,
    frozenSinceMs: null,
  });
  unwatch(turn, index);
  switch (instance.phase) {
    case "pre": {
      const isStopping = stoppingOf(state) !== null;
      if (!isStopping && exit.exitCode === 0) {
        nextPre(turn, index, instance);
        return;
      }
      apply(
        turn,
        index,
        isStopping ? { kind: "exited", exit } : {
          kind: "failed",
          error: `pre command ${definition.pre[instance.commandIndex]?.[0]} ${
            exitText(exit)
          }`,
        },
      );
      break;
    }
    case "main": {
      const goesIntoBackground = definition.type === "process" &&
        definition.readiness.kind === "exit" && state.kind === "starting" &&
        state.stopping === null && isSuccess(exit, policy);
      if (goesIntoBackground && instance.hasCgroup) {
        turn.changeInstance(index, { isBackground: true });
        apply(turn, index, { kind: "ready" });
        checkCgroup(turn, index);
        return;
      }
      apply(
        turn,
        index,
        goesIntoBackground
          ? {
            kind: "failed",
            error:
              "went into the background, where only a cgroup could track it",
          }
          : { kind: "exited", exit },
      );
      break;
    }
    case "post":
      if (exit.exitCode !== 0) {
        const command = definition.post[instance.commandIndex]?.[0];
        turn.log(
          "SERVICE_COMMAND_FAILED",
          index,
          `post command ${command} ${exitText(exit)}`,
        );
      }
      if (instance.commandIndex + 1 < definition.post.length) {
        nextPost(turn, index, instance);
        return;
      }
      break;
  }
  drain(turn, index);
}

/**
 * Notes whether a cgroup holds live processes.
 *
 * @param turn The step.
 * @param index The service; its instance is the one that the answer is about.
 * @param isPopulated Whether it does.
 * @param apply The service's state machine.
 */
export function onCgroup(
  turn: Turn,
  index: number,
  isPopulated: boolean,
  apply: Apply,
): void {
  const { instance } = turn.record(index);
  // Before the exit is reaped an empty cgroup only means a zombie.
  if (instance === null || !instance.isExited) return;
  if (!isPopulated) {
    if (instance.isBackground) {
      turn.changeInstance(index, { isBackground: false });
      apply(turn, index, { kind: "failed", error: "ended in the background" });
    }
    finish(turn, index);
    return;
  }
  const { termination } = instance;
  if (termination?.stage === "asked" && !termination.isSignalled) {
    turn.log(
      "SERVICE_REMAINS",
      index,
      "left processes behind, which are stopped",
    );
    turn.changeInstance(index, {
      termination: { ...termination, isSignalled: true },
    });
    signalStop(turn, index);
  }
}

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
 * The shell need no longer look out for the readiness path.
 *
 * @param turn The step.
 * @param index The service.
 */
export function unwatch(turn: Turn, index: number): void {
  const { instance, definition } = turn.record(index);
  if (instance?.isWatchingPath !== true) return;
  turn.effects.push({
    kind: "unwatch-path",
    service: definition.name,
    instance: instance.number,
  });
  turn.changeInstance(index, { isWatchingPath: false });
}

/**
 * Why a service's process is being stopped.
 *
 * @param state The service.
 * @returns The cause, or null.
 */
export function stoppingOf(state: ServiceState): string | null {
  return state.kind === "starting" || state.kind === "running"
    ? state.stopping
    : null;
}

function spawn(
  turn: Turn,
  index: number,
  phase: ServicePhase,
  commandIndex: number,
): void {
  const { definition, state, instance: before } = turn.record(index);
  const number = turn.newInstance();
  const command = phase === "main"
    ? definition.command
    : definition[phase][commandIndex];
  // Nobody waits for a post command to be ready, so its time runs from the start.
  const termination: Termination | null = phase !== "post" ? null : {
    stage: "asked",
    sinceMs: turn.nowMs,
    deadlineMs: turn.nowMs + stopTimeoutMs(turn, index),
    isSignalled: false,
  };
  turn.change(index, {
    instance: {
      number,
      phase,
      commandIndex,
      pid: null,
      // What an earlier command of the run left in the cgroup is still to be cleared.
      hasCgroup: before?.hasCgroup ?? false,
      isExited: false,
      isBackground: false,
      isWatchingPath: false,
      frozenSinceMs: null,
      termination,
    },
  });
  turn.effects.push({
    kind: "spawn",
    service: definition.name,
    instance: number,
    phase,
    command: command ?? [],
    definition,
    lastExit: phase === "post" ? state.history.lastExit : null,
  });
}

function nextPre(turn: Turn, index: number, instance: ServiceInstance): void {
  const next = instance.commandIndex + 1;
  if (next < turn.record(index).definition.pre.length) {
    spawn(turn, index, "pre", next);
  } else spawn(turn, index, "main", 0);
}

function nextPost(turn: Turn, index: number, instance: ServiceInstance): void {
  spawnPost(turn, index, instance.commandIndex + 1);
}

function spawnPost(turn: Turn, index: number, commandIndex: number): void {
  // Somebody who was given up may go after the machine has gone on without it.
  const isTooLate = turn.shutdown?.stage === "done";
  if (!isTooLate && commandIndex < turn.record(index).definition.post.length) {
    spawn(turn, index, "post", commandIndex);
  } else {
    turn.change(index, { instance: null });
  }
}

/** The process is gone; so must be what it left in its cgroup. */
function drain(turn: Turn, index: number): void {
  const { instance } = turn.record(index);
  if (instance === null) return;
  if (!instance.hasCgroup) {
    finish(turn, index);
    return;
  }
  const { termination } = instance;
  if (termination === null || instance.phase === "post") {
    beginTermination(turn, index, false);
  } else if (termination.stage === "asked") {
    // It obeyed; whether its children heard the signal, too, is not known.
    turn.changeInstance(index, {
      termination: { ...termination, isSignalled: false },
    });
  }
  checkCgroup(turn, index);
}

/** Nothing is left of the instance. */
function finish(turn: Turn, index: number): void {
  const { instance, state, policy } = turn.record(index);
  if (instance === null) return;
  unwatch(turn, index);
  const { termination } = instance;
  if (termination !== null && instance.phase !== "post") {
    reportStop(turn, index, termination, false);
  }
  const hasDoneItsWork = policy.type === "oneshot" && state.kind === "running";
  if (instance.phase === "post" || hasDoneItsWork) {
    turn.change(index, { instance: null });
  } else beginPost(turn, index);
}

function reportStop(
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

function beginTermination(
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

function stopTimeoutMs(turn: Turn, index: number): number {
  const { timeoutMs } = turn.record(index).definition.stop;
  return isUrgent(turn) ? Math.min(timeoutMs, urgentTimeoutMs) : timeoutMs;
}

function isUrgent(turn: Turn): boolean {
  return turn.shutdown !== null && turn.shutdown.urgency > 0;
}

function signalStop(turn: Turn, index: number): void {
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

function signalKill(turn: Turn, index: number): void {
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

function checkCgroup(turn: Turn, index: number): void {
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

function exitText(exit: ExitStatus): string {
  return exit.signal === null
    ? `exited with code ${exit.exitCode}`
    : `was ended by ${exit.signal}`;
}
