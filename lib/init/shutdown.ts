/**
 * The order in which the machine goes down, as a table of stages. Each stage
 * does one thing and ends when that is done or when its time is over, so
 * nothing that a service, a disk or a mount does can keep the machine up. Pure:
 * imports nothing.
 *
 * | stage | what happens | ends early when |
 * |---|---|---|
 * | services | services stop in reverse dependency order | all have stopped |
 * | terminate | SIGTERM (and SIGCONT) to every process left | no child is left |
 * | kill | SIGKILL to every process left | no child is left |
 * | storage | final events, checkpoint and flush of the volume | it is closed |
 * | unmount | file systems are synced and unmounted | they are |
 * | power | `reboot(2)` | never: it does not return |
 *
 * @module
 */

/** How the machine goes down. */
export type PowerAction = "poweroff" | "reboot" | "halt";

/** The stages in their order. */
export const SHUTDOWN_STAGES = [
  "services",
  "terminate",
  "kill",
  "storage",
  "unmount",
  "power",
] as const;

/** One stage of a shutdown. */
export type ShutdownStage = typeof SHUTDOWN_STAGES[number];

/** The longest each stage may last, in milliseconds. */
export interface StageLimits {
  /** In an ordinary shutdown. */
  readonly limitMs: number;
  /** After a second request: somebody is waiting. */
  readonly hurriedLimitMs: number;
}

/**
 * The limits. The supervisor has a time-out for each service and ends on its
 * own: `services` is what the bound that it states is exceeded by at most.
 */
export const STAGE_LIMITS: Readonly<Record<ShutdownStage, StageLimits>> = {
  services: { limitMs: 1_000, hurriedLimitMs: 10_000 },
  terminate: { limitMs: 2_000, hurriedLimitMs: 250 },
  kill: { limitMs: 2_000, hurriedLimitMs: 1_000 },
  storage: { limitMs: 5_000, hurriedLimitMs: 2_000 },
  unmount: { limitMs: 5_000, hurriedLimitMs: 2_000 },
  power: { limitMs: 10_000, hurriedLimitMs: 10_000 },
};

/** A shutdown under way. */
export interface ShutdownState {
  /** What it ends with. */
  readonly action: PowerAction;
  /** Where it is. */
  readonly stage: ShutdownStage;
  /** When this stage's time is over, CLOCK_BOOTTIME, milliseconds. */
  readonly deadlineMs: number;
  /** When the shutdown was asked for. */
  readonly startMs: number;
  /** How often it was asked for. */
  readonly requests: number;
  /** The stages that ran into their limit, for the report. */
  readonly overrun: readonly ShutdownStage[];
}

/** What can happen to a shutdown. */
export type ShutdownEvent =
  /** A stage's work is done; late news of an earlier stage changes nothing. */
  | { readonly kind: "done"; readonly stage: ShutdownStage }
  /** A second request, perhaps for another action. */
  | { readonly kind: "again"; readonly action: PowerAction }
  /** Time has passed. */
  | { readonly kind: "time" };

/**
 * Begins a shutdown.
 *
 * @param action What it ends with.
 * @param nowMs CLOCK_BOOTTIME, milliseconds.
 * @param servicesBoundMs The longest that the services may take to stop, as the
 * supervisor states it.
 * @returns The state in its first stage; the caller begins that stage's work.
 *
 * @example
 * ```ts
 * import { beginShutdown, stepShutdown } from "./shutdown.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * let shutdown = beginShutdown("poweroff", 1000, 5000);
 * shutdown = stepShutdown(shutdown, { kind: "done", stage: "services" }, 1010);
 * assertEquals(shutdown.stage, "terminate");
 * shutdown = stepShutdown(shutdown, { kind: "time" }, 3010);
 * assertEquals([shutdown.stage, shutdown.overrun], ["kill", ["terminate"]]);
 * ```
 */
export function beginShutdown(
  action: PowerAction,
  nowMs: number,
  servicesBoundMs: number,
): ShutdownState {
  return {
    action,
    stage: "services",
    deadlineMs: nowMs + servicesBoundMs + STAGE_LIMITS.services.limitMs,
    startMs: nowMs,
    requests: 1,
    overrun: [],
  };
}

/**
 * Moves a shutdown on. When the returned stage differs from the one before,
 * the caller begins the new stage's work.
 *
 * @param state Where it is.
 * @param event What happened.
 * @param nowMs CLOCK_BOOTTIME, milliseconds.
 * @returns The next state; at most one stage further.
 */
export function stepShutdown(
  state: ShutdownState,
  event: ShutdownEvent,
  nowMs: number,
): ShutdownState {
  switch (event.kind) {
    case "done":
      return event.stage === state.stage ? advance(state, nowMs) : state;
    case "again":
      // The later request names the action: an operator who first said
      // "reboot" and then "poweroff" wants it off.
      return {
        ...state,
        action: event.action,
        requests: state.requests + 1,
        deadlineMs: Math.min(
          state.deadlineMs,
          nowMs + STAGE_LIMITS[state.stage].hurriedLimitMs,
        ),
      };
    case "time": {
      if (nowMs < state.deadlineMs) return state;
      const overrun = state.overrun.includes(state.stage)
        ? state.overrun
        : [...state.overrun, state.stage];
      return advance({ ...state, overrun }, nowMs);
    }
  }
}

function advance(state: ShutdownState, nowMs: number): ShutdownState {
  const index = SHUTDOWN_STAGES.indexOf(state.stage);
  // "power" comes again when reboot(2) returned: there is nothing after it.
  const stage = SHUTDOWN_STAGES[index + 1] ?? "power";
  const limits = STAGE_LIMITS[stage];
  const limitMs = state.requests > 1 ? limits.hurriedLimitMs : limits.limitMs;
  return { ...state, stage, deadlineMs: nowMs + limitMs };
}
