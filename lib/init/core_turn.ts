/**
 * One step of the core in the making, and what all its parts do: change the
 * state, ask for effects, tell the supervisor, go down. Pure; imports the
 * supervisor, `fdir`'s pure files, the wire formats and pure files of this room.
 *
 * @module
 */
import { releaseFdir } from "../fdir/fdir_state.ts";
import type { HostRequest } from "../host/requests.ts";
import {
  shutdownBoundMs,
  stepSupervisor,
  type SupervisorEvent,
} from "../supervisor/supervisor.ts";
import { type EventCodeName, eventCodes } from "../wire/event_code.ts";
import { CommandStatus } from "../wire/telecommand.ts";
import type { InitEffect, InitState } from "./core_types.ts";
import {
  beginShutdown,
  type PowerAction,
  type ShutdownEvent,
  type ShutdownState,
  stepShutdown,
} from "./shutdown.ts";

/**
 * One step in the making: the state so far, and the effects so far.
 *
 * @example
 * ```ts
 * import { createInit } from "./core.ts";
 * import { Turn } from "./core_turn.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * const turn = new Turn(createInit(settings, 0), 5, 0);
 * turn.changeSafeMode(true, "asked for by the host");
 * assertEquals(turn.state.safeMode, true);
 * assertEquals(turn.effects.map(({ kind }) => kind), ["record"]);
 * ```
 */
export class Turn {
  /** The state so far. */
  state: InitState;
  /** The effects so far. */
  readonly effects: InitEffect[] = [];
  /** CLOCK_BOOTTIME, milliseconds. */
  readonly nowMs: number;
  /** A number from 0 up to, not including, 1, for jitter. */
  readonly random: number;

  /**
   * Begins a step.
   *
   * @param state The state before.
   * @param nowMs CLOCK_BOOTTIME, milliseconds.
   * @param random A number from 0 up to, not including, 1.
   */
  constructor(state: InitState, nowMs: number, random: number) {
    this.state = state;
    this.nowMs = nowMs;
    this.random = random;
  }

  /** Changes a part of the state. */
  set(change: Partial<InitState>): void {
    this.state = { ...this.state, ...change };
  }

  /** Has an event recorded. */
  record(code: EventCodeName, text: string): void {
    const { severity } = eventCodes[code];
    this.effects.push({ kind: "record", severity, code, text });
  }

  /** Answers a request, with success unless a status says otherwise. */
  answer(
    request: HostRequest,
    status: number = CommandStatus.OK,
    result?: Uint8Array,
  ): void {
    const answer = { kind: "answer", request, status } as const;
    this.effects.push(result === undefined ? answer : { ...answer, result });
  }

  /** Tells the supervisor, and takes up what it asks for. */
  supervise(event: SupervisorEvent): void {
    const { supervisor } = this.state;
    if (supervisor === null) return;
    const step = stepSupervisor(supervisor, event, this.nowMs, this.random);
    this.set({ supervisor: step.state });
    for (const effect of step.effects) {
      if (effect.kind === "event") {
        const { severity, code, text } = effect;
        this.effects.push({ kind: "record", severity, code, text });
        const outcome = MILESTONES[code];
        if (effect.service !== null && outcome !== undefined) {
          const { service } = effect;
          this.effects.push({ kind: "milestone", service, outcome });
        }
      } else if (effect.kind === "all-stopped") {
        this.moveShutdown({ kind: "done", stage: "services" });
      } else {
        this.effects.push({ kind: "service", effect });
      }
    }
  }

  /** Enters safe mode or leaves it, unless that is so already. */
  changeSafeMode(isOn: boolean, why: string): void {
    if (isOn === this.state.safeMode) return;
    this.set({ safeMode: isOn });
    this.record(isOn ? "SAFE_MODE_ENTERED" : "SAFE_MODE_LEFT", why);
    this.supervise({ kind: isOn ? "enter-safe-mode" : "leave-safe-mode" });
    if (isOn) return;
    const { fdir, isOnProbation } = this.state;
    if (fdir !== null) this.set({ fdir: releaseFdir(fdir) });
    if (!isOnProbation) return;
    // Somebody has seen to it: this boot may prove itself now.
    this.set({ isOnProbation: false, provingSinceMs: this.nowMs });
    this.forgiveBoots([]);
  }

  /**
   * Has it stored that failed boots are forgiven.
   *
   * @param requests Who is told when it is.
   */
  forgiveBoots(requests: readonly HostRequest[]): void {
    this.set({ forgiveness: { isUnderWay: true, requests } });
    this.effects.push({ kind: "forgive-boots" });
  }

  /** Begins to go down, or hurries. */
  shutDown(action: PowerAction, by: string): void {
    // Who asks all the time does not fill the event log with it: from the third
    // time on it is only counted, for the report at the end.
    if ((this.state.shutdown?.requests ?? 0) < 2) {
      this.record("SHUTDOWN_REQUESTED", `${action}, asked for by ${by}`);
    }
    if (this.state.shutdown !== null) {
      this.moveShutdown({ kind: "again", action });
      this.supervise({ kind: "shutdown" });
      return;
    }
    const { supervisor } = this.state;
    const boundMs = supervisor === null ? 0 : shutdownBoundMs(supervisor);
    this.set({ shutdown: beginShutdown(action, this.nowMs, boundMs) });
    if (supervisor === null) {
      this.moveShutdown({ kind: "done", stage: "services" });
    } else this.supervise({ kind: "shutdown" });
  }

  /** Moves the shutdown on, if one is under way. */
  moveShutdown(event: ShutdownEvent): void {
    const before = this.state.shutdown;
    if (before === null) return;
    const after = stepShutdown(before, event, this.nowMs);
    if (after === before) return;
    this.set({ shutdown: after });
    const again = after.stage === "power" && event.kind === "time";
    if (after.stage === before.stage && !again) return;
    this.effects.push({
      kind: "stage",
      stage: after.stage,
      action: after.action,
      report: shutdownReport(after, this.nowMs),
    });
  }
}

/** The events that end a service's part of the boot. */
const MILESTONES: Readonly<
  Partial<Record<EventCodeName, "done" | "failed">>
> = {
  SERVICE_STARTED: "done",
  SERVICE_FINISHED: "done",
  SERVICE_FAILED: "failed",
};

function shutdownReport(shutdown: ShutdownState, nowMs: number): string {
  const seconds = ((nowMs - shutdown.startMs) / 1000).toFixed(1);
  const late = shutdown.overrun.length > 0
    ? `, out of time: ${shutdown.overrun.join(" ")}`
    : "";
  const often = shutdown.requests > 2
    ? `, asked for ${shutdown.requests} times`
    : "";
  return `${shutdown.action} after ${seconds} s${often}${late}`;
}
