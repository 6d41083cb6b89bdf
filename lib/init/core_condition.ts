/**
 * How the machine is, told from the state of the core: its mode, one line for
 * people, and whether the hardware should still trust it. Pure; imports the
 * supervisor, `fdir`'s pure files and types of this room.
 *
 * @module
 */
import { isDegrading } from "../fdir/fdir_state.ts";
import {
  hasFailed,
  summary,
  unhealthyCriticalServices,
} from "../supervisor/supervisor.ts";
import {
  EXCEPTION_STORM_COUNT,
  type InitState,
  type Mode,
  STORAGE_LIMIT_MS,
} from "./core_types.ts";

/**
 * The mode that follows from the rest of the state.
 *
 * @param state The state, whatever its `mode` says.
 * @returns The mode that it should be in.
 *
 * @example
 * ```ts
 * import { createInit } from "./core.ts";
 * import { modeOf } from "./core_condition.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * assertEquals(modeOf(createInit(settings, 0)), "booting");
 * ```
 */
export function modeOf(state: InitState): Mode {
  if (state.shutdown !== null) return "shuttingDown";
  if (state.readyMs === null || state.supervisor === null) return "booting";
  if (state.safeMode) return "safe";
  const isMissing = state.problems.size > 0 || hasFailed(state.supervisor);
  const isFaulty = state.fdir !== null && isDegrading(state.fdir);
  return isMissing || isFaulty ? "degraded" : "nominal";
}

/**
 * How the machine is, in one line.
 *
 * @param state The state.
 * @returns The mode, the services, and the subjects of all problems.
 *
 * @example
 * ```ts
 * import { createInit } from "./core.ts";
 * import { healthText } from "./core_condition.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * assertEquals(healthText(createInit(settings, 0)), "booting");
 * ```
 */
export function healthText(state: InitState): string {
  const { mode, problems, supervisor } = state;
  const counts = supervisor === null ? null : summary(supervisor);
  return [
    mode,
    ...(counts === null ? [] : [
      `${counts.running} of ${counts.total} services running`,
      ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
      ...(counts.starting > 0 ? [`${counts.starting} still starting`] : []),
    ]),
    ...problems.keys(),
  ].join(", ");
}

/**
 * Why the hardware should reset the machine, or null when it should not.
 *
 * @param state The state.
 * @param nowMs CLOCK_BOOTTIME, milliseconds.
 * @returns The reason in words, or null.
 *
 * @example
 * ```ts
 * import { createInit } from "./core.ts";
 * import { whyNotAlive } from "./core_condition.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * const state = { ...createInit(settings, 0), storagePendingMs: 0 };
 * assertEquals(whyNotAlive(state, 9_999), null);
 * assertEquals(whyNotAlive(state, 10_000), "storage does not answer");
 * ```
 */
export function whyNotAlive(state: InitState, nowMs: number): string | null {
  // A shutdown has its own deadlines, and its last stage leaves the watchdog
  // armed, so that a reboot that hangs is cut short by the hardware.
  if (state.shutdown?.stage === "power") return "the machine goes down";
  const { storagePendingMs, supervisor, exceptions } = state;
  if (exceptions.count >= EXCEPTION_STORM_COUNT) return "an exception storm";
  if (
    storagePendingMs !== null && nowMs - storagePendingMs >= STORAGE_LIMIT_MS
  ) return "storage does not answer";
  if (supervisor === null || state.shutdown !== null) return null;
  const down = unhealthyCriticalServices(supervisor, nowMs);
  return down.length === 0 ? null : `critical and down: ${down.join(" ")}`;
}
