/**
 * The processes of a service: its `pre` commands, its main process, what that
 * leaves behind, its `post` commands; how one follows the other. How one is
 * ended stands in `termination.ts`. Imports only the supervisor's own files.
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
 * @module
 */

import { isSuccess } from "./service.ts";
import type { ExitStatus, ServiceState } from "./service_types.ts";
import type {
  ServiceInstance,
  ServicePhase,
  Termination,
} from "./supervisor_types.ts";
import {
  beginTermination,
  checkCgroup,
  freeze,
  reportStop,
  signalKill,
  signalStop,
  stopTimeoutMs,
} from "./termination.ts";
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

function exitText(exit: ExitStatus): string {
  return exit.signal === null
    ? `exited with code ${exit.exitCode}`
    : `was ended by ${exit.signal}`;
}
