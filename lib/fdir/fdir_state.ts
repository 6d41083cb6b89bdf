/**
 * What FDIR knows: references, checks with a history, the anomalies that are
 * there now; and what the init and the host change in it between two looks.
 * Pure; imports this room's pure files.
 *
 * @module
 */
import {
  type CheckName,
  checkPolicyOf,
  type FdirPolicy,
  type Response,
} from "./checks.ts";
import { isFlapping, type LimitState, releaseLimit } from "./limit.ts";
import type { MachineBaseline } from "./machine_findings.ts";
import type { ProcessSnapshot, SnapshotDigests } from "./snapshot.ts";

/** What a service's process is held against. */
export interface ProcessBaseline {
  /** The service's instance. */
  readonly instance: number;
  /** When the process started, in clock ticks since boot. */
  readonly startTicks: number;
  /** By what it was started; see `ProcessSubject`. */
  readonly definition: object | null;
  /** As it had settled; null before. */
  readonly snapshot: ProcessSnapshot | null;
  /** What processes of this definition may do, from one instance to the next. */
  readonly privileges: Readonly<Record<string, string>> | null;
}

/** One check of one subject that has a history. */
export interface Watch {
  /** The check. */
  readonly check: CheckName;
  /** The service; the empty name is the init, null the machine. */
  readonly service: string | null;
  /** Its results. */
  readonly limit: LimitState;
}

/** Everything that FDIR knows. A value: steps make another. */
export interface FdirState {
  /** The policy. */
  readonly policy: FdirPolicy;
  /** How many observations were judged. */
  readonly checks: number;
  /** How many processes were compared with a reference at the last one. */
  readonly compared: number;
  /** The init's digests at the last one. */
  readonly digests: SnapshotDigests | null;
  /** What processes are held against, by service; the empty name is the init. */
  readonly baselines: ReadonlyMap<string, ProcessBaseline>;
  /** What the machine is held against; null before the first look. */
  readonly machine: MachineBaseline | null;
  /** Checks with a history, by check and subject. */
  readonly watches: ReadonlyMap<string, Watch>;
  /** What the number of anomalies has led to. */
  readonly level: "none" | "DEGRADE" | "SAFE_MODE";
}

/** An anomaly that is there now. */
export interface Anomaly {
  /** The check. */
  readonly check: CheckName;
  /** The service, `init` or `machine`. */
  readonly subject: string;
  /** What is wrong. */
  readonly text: string;
  /** Since when, milliseconds since boot. */
  readonly sinceMs: number;
  /** Whether only the host can end it. */
  readonly isLatched: boolean;
  /** Whether it came and went too often. */
  readonly isFlapping: boolean;
}

/**
 * FDIR before its first look.
 *
 * @param policy What the operator chose.
 * @returns The state.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DEFAULT_FDIR_POLICY } from "./checks.ts";
 * import { activeAnomalies, createFdir } from "./fdir_state.ts";
 *
 * assertEquals(activeAnomalies(createFdir(DEFAULT_FDIR_POLICY)), []);
 * ```
 */
export function createFdir(policy: FdirPolicy): FdirState {
  return {
    policy,
    checks: 0,
    compared: 0,
    digests: null,
    baselines: new Map(),
    machine: null,
    watches: new Map(),
    level: "none",
  };
}

/**
 * The anomalies that are there now.
 *
 * @param state The state.
 * @returns The longest-lived first.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DEFAULT_FDIR_POLICY } from "./checks.ts";
 * import { activeAnomalies, createFdir } from "./fdir_state.ts";
 *
 * assertEquals(activeAnomalies(createFdir(DEFAULT_FDIR_POLICY)).length, 0);
 * ```
 */
export function activeAnomalies(state: FdirState): Anomaly[] {
  return [...state.watches.values()].flatMap(({ check, service, limit }) =>
    limit.activeSinceMs === null ? [] : [{
      check,
      subject: subjectName(check, service),
      text: limit.text,
      sinceMs: limit.activeSinceMs,
      isLatched: limit.isLatched,
      isFlapping: isFlapping(limit),
    }]
  ).sort((a, b) => a.sinceMs - b.sinceMs);
}

/**
 * Whether the machine counts as degraded on account of its anomalies.
 *
 * @param state The state.
 * @returns True while enough of them are there, or one whose response it is.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DEFAULT_FDIR_POLICY } from "./checks.ts";
 * import { createFdir, isDegrading } from "./fdir_state.ts";
 *
 * assertEquals(isDegrading(createFdir(DEFAULT_FDIR_POLICY)), false);
 * ```
 */
export function isDegrading(state: FdirState): boolean {
  if (state.level !== "none") return true;
  return [...state.watches.values()].some(({ check, service, limit }) => {
    const { response } = checkPolicyOf(state.policy, check, service);
    return limit.activeSinceMs !== null && response !== "COUNT" &&
      effectiveResponse(response, service) === "DEGRADE";
  });
}

/**
 * Lets go of latched anomalies: each ends with its next good results.
 *
 * @param state The state.
 * @returns The state without latches.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DEFAULT_FDIR_POLICY } from "./checks.ts";
 * import { createFdir, releaseFdir } from "./fdir_state.ts";
 *
 * assertEquals(releaseFdir(createFdir(DEFAULT_FDIR_POLICY)).watches.size, 0);
 * ```
 */
export function releaseFdir(state: FdirState): FdirState {
  const watches = new Map(state.watches);
  for (const [key, watch] of watches) {
    watches.set(key, { ...watch, limit: releaseLimit(watch.limit) });
  }
  return { ...state, watches };
}

/**
 * Takes what the next look finds for the reference: somebody has looked at the
 * changes and wants them so. Latches are released.
 *
 * @param state The state.
 * @returns The state without references.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DEFAULT_FDIR_POLICY } from "./checks.ts";
 * import { adoptFdir, createFdir } from "./fdir_state.ts";
 *
 * assertEquals(adoptFdir(createFdir(DEFAULT_FDIR_POLICY)).machine, null);
 * ```
 */
export function adoptFdir(state: FdirState): FdirState {
  const baselines = new Map(state.baselines);
  for (const [name, baseline] of baselines) {
    baselines.set(name, { ...baseline, snapshot: null, privileges: null });
  }
  return { ...releaseFdir(state), baselines, machine: null };
}

/**
 * Takes what the next look finds for the reference of some checks: the init
 * itself has mounted something, or set the clock.
 *
 * @param state The state.
 * @param what What the init has changed.
 * @returns The state that expects the change.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DEFAULT_FDIR_POLICY } from "./checks.ts";
 * import { createFdir, expectChange } from "./fdir_state.ts";
 *
 * assertEquals(expectChange(createFdir(DEFAULT_FDIR_POLICY), "clock").machine, null);
 * ```
 */
export function expectChange(
  state: FdirState,
  what: "mounts" | "clock",
): FdirState {
  const { machine } = state;
  if (machine === null) return state;
  return {
    ...state,
    machine: what === "mounts"
      ? { ...machine, mounts: null }
      : { ...machine, clockOffsetMs: NaN },
  };
}

/**
 * How messages name what a check is about.
 *
 * @param check The check.
 * @param service The service; the empty name is the init, null the machine.
 * @returns The service's name, `init`, `image` or `machine`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { subjectName } from "./fdir_state.ts";
 *
 * assertEquals([subjectName("cgroup", ""), subjectName("clock", null)], [
 *   "init",
 *   "machine",
 * ]);
 * ```
 */
export function subjectName(check: CheckName, service: string | null): string {
  if (service !== null) return service === "" ? "init" : service;
  return check === "files" ? "image" : "machine";
}

/**
 * What can't be done to the init or the machine becomes what can.
 *
 * @param response The response that the policy asks for.
 * @param service The service; the empty name is the init, null the machine.
 * @returns The response that is given.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { effectiveResponse } from "./fdir_state.ts";
 *
 * assertEquals(effectiveResponse("ISOLATE", "web"), "ISOLATE");
 * assertEquals(effectiveResponse("ISOLATE", ""), "DEGRADE");
 * ```
 */
export function effectiveResponse(
  response: Response,
  service: string | null,
): Response {
  const isService = service !== null && service !== "";
  return response === "ISOLATE" && !isService ? "DEGRADE" : response;
}
