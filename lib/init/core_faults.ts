/**
 * The core's part in FDIR: when it looks for faults, whom of the host it tells
 * what was found, and what is done about it. Pure; imports `fdir`'s pure files,
 * the wire formats and pure files of this room.
 *
 * @module
 */
import { type FdirEffect, stepFdir } from "../fdir/fdir.ts";
import {
  activeAnomalies,
  adoptFdir,
  expectChange as expectChangeOf,
  releaseFdir,
} from "../fdir/fdir_state.ts";
import type { FdirObservation } from "../fdir/snapshot.ts";
import type { HostRequest } from "../host/requests.ts";
import { FdirAction } from "../wire/fdir_result.ts";
import { CommandStatus } from "../wire/telecommand.ts";
import type { Turn } from "./core_turn.ts";
import { FDIR_INTERVAL_MS } from "./core_types.ts";
import {
  fdirResult,
  fdirSubjects,
  LOOK_LIMIT_MS,
  WAITING_REQUESTS,
} from "./fdir_turn.ts";

/**
 * Begins a look for faults when one is due.
 *
 * @param turn The step.
 *
 * @example
 * ```ts
 * import { createInit } from "./core.ts";
 * import { lookForFaults } from "./core_faults.ts";
 * import { Turn } from "./core_turn.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * // Nobody looks for faults without a policy.
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * const turn = new Turn(createInit(settings, 0), 5, 0);
 * lookForFaults(turn);
 * assertEquals(turn.effects, []);
 * ```
 */
export function lookForFaults(turn: Turn): void {
  const { fdir, look, readyMs, shutdown, nextFdirMs } = turn.state;
  if (fdir === null || readyMs === null || shutdown !== null) return;
  if (look !== null) {
    if (turn.nowMs < look.sinceMs + LOOK_LIMIT_MS) return;
    const text = `a look for faults got lost after ${LOOK_LIMIT_MS} ms`;
    turn.effects.push({ kind: "say", level: "error", text });
    endLook(turn, CommandStatus.ETIMEDOUT);
  }
  if (turn.state.look === null && turn.nowMs >= nextFdirMs) beginLook(turn, []);
}

/**
 * The host wants to know: it is told what the next look finds.
 *
 * @param turn The step.
 * @param request Who is told.
 * @param action What becomes of what is known before.
 *
 * @example
 * ```ts
 * import { readRequest } from "../host/requests.ts";
 * import { FdirAction } from "../wire/fdir_result.ts";
 * import { createInit } from "./core.ts";
 * import { checkFaults } from "./core_faults.ts";
 * import { Turn } from "./core_turn.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * // Nobody looks for faults without a policy.
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * const turn = new Turn(createInit(settings, 0), 5, 0);
 * checkFaults(turn, readRequest(Uint8Array.of(0, 13, 0, 7)), FdirAction.CHECK);
 * assertEquals(turn.effects[0]?.kind, "answer");
 * ```
 */
export function checkFaults(
  turn: Turn,
  request: HostRequest,
  action: FdirAction,
): void {
  const { fdir, look, readyMs, shutdown } = turn.state;
  if (fdir === null) return turn.answer(request, CommandStatus.ENODEV);
  if (readyMs === null || shutdown !== null) {
    return turn.answer(request, CommandStatus.EBUSY);
  }
  if ((look?.next.length ?? 0) >= WAITING_REQUESTS) {
    return turn.answer(request, CommandStatus.EAGAIN);
  }
  if (action === FdirAction.RELEASE) turn.set({ fdir: releaseFdir(fdir) });
  if (action === FdirAction.ADOPT) turn.set({ fdir: adoptFdir(fdir) });
  if (look === null) return beginLook(turn, [request]);
  const isStale = look.isStale || action === FdirAction.ADOPT;
  turn.set({ look: { ...look, next: [...look.next, request], isStale } });
}

/**
 * The init itself changes what faults are judged by.
 *
 * @param turn The step.
 * @param what What it changes.
 *
 * @example
 * ```ts
 * import { createInit } from "./core.ts";
 * import { expectChange } from "./core_faults.ts";
 * import { Turn } from "./core_turn.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * // Nobody looks for faults without a policy.
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * const turn = new Turn(createInit(settings, 0), 5, 0);
 * expectChange(turn, "clock");
 * assertEquals(turn.effects, []);
 * ```
 */
export function expectChange(turn: Turn, what: "mounts" | "clock"): void {
  const { fdir, look } = turn.state;
  if (fdir === null) return;
  turn.set({
    fdir: expectChangeOf(fdir, what),
    look: look === null ? null : { ...look, isStale: true },
  });
}

/**
 * What a look has seen, and what follows.
 *
 * @param turn The step.
 * @param observation What was seen; null when nothing could be.
 *
 * @example
 * ```ts
 * import { createInit } from "./core.ts";
 * import { judgeFaults } from "./core_faults.ts";
 * import { Turn } from "./core_turn.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * // Nobody looks for faults without a policy.
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * const turn = new Turn(createInit(settings, 0), 5, 0);
 * judgeFaults(turn, null);
 * assertEquals(turn.effects, []);
 * ```
 */
export function judgeFaults(
  turn: Turn,
  observation: FdirObservation | null,
): void {
  const { fdir, look, supervisor, shutdown } = turn.state;
  if (fdir === null || look === null || supervisor === null) return;
  if (shutdown !== null) return endLook(turn, CommandStatus.EBUSY);
  if (observation === null) return endLook(turn, CommandStatus.EIO);
  if (look.isStale) {
    turn.set({ look: null });
    return beginLook(turn, [...look.requests, ...look.next]);
  }
  // Whoever ended while others were looked at is nobody's business any more.
  const current = new Set(
    fdirSubjects(supervisor, 0).map(({ pid, instance }) =>
      `${pid} ${instance}`
    ),
  );
  const processes = observation.processes.filter(({ subject }) =>
    current.has(`${subject.pid} ${subject.instance}`)
  );
  const services = new Set(
    supervisor.records.map(({ definition }) => definition.name),
  );
  const seen = { ...observation, processes, services };
  const step = stepFdir(fdir, seen, turn.nowMs);
  turn.set({ fdir: step.state });
  for (const effect of step.effects) answerFault(turn, effect);
  if (look.requests.length > 0) {
    const count = activeAnomalies(step.state).length;
    const text = `FDIR: ${count} anomalies, asked for by the host`;
    turn.effects.push({ kind: "say", level: "info", text });
  }
  endLook(turn, CommandStatus.OK, fdirResult(step.state));
}

function beginLook(turn: Turn, requests: readonly HostRequest[]): void {
  const { supervisor, readyMs, settings } = turn.state;
  if (supervisor === null || readyMs === null) return;
  turn.set({
    look: { sinceMs: turn.nowMs, requests, next: [], isStale: false },
    nextFdirMs: turn.nowMs + (settings.fdirIntervalMs ?? FDIR_INTERVAL_MS),
  });
  const subjects = fdirSubjects(supervisor, readyMs);
  turn.effects.push({ kind: "fdir-look", subjects });
}

/** The look is over; those who came too late for it get one of their own. */
function endLook(turn: Turn, status: number, result?: Uint8Array): void {
  const { look } = turn.state;
  if (look === null) return;
  turn.set({ look: null });
  for (const request of look.requests) {
    turn.answer(request, status, result);
  }
  if (look.next.length > 0) beginLook(turn, look.next);
}

function answerFault(turn: Turn, effect: FdirEffect): void {
  switch (effect.kind) {
    case "record":
      return turn.record(effect.code, effect.text);
    case "isolate":
    case "restart": {
      const { kind: command, service } = effect;
      return turn.supervise({ kind: "command", command, service });
    }
    case "reboot":
      return turn.shutDown("reboot", `FDIR: ${effect.reason}`);
    case "safe-mode":
      return turn.changeSafeMode(true, `FDIR: ${effect.reason}`);
  }
}
