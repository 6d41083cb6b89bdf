/**
 * Fault detection, isolation and recovery: what was seen becomes anomalies,
 * and anomalies become responses. One state, one function from (state,
 * observation, time) to (state, effects). Pure; imports this room's pure files
 * and the table of event codes.
 *
 * A process is held against itself as it was when it had settled, and, for
 * what it may do, against earlier processes of its service. The machine is
 * held against itself at the first look. The host can have what is there now
 * taken for the reference ({@linkcode adoptFdir}).
 *
 * @module
 */
import type { EventCodeName } from "../wire/event_code.ts";
import {
  CHECK_NAMES,
  type CheckName,
  type CheckPolicy,
  checkPolicyOf,
  type FdirPolicy,
  type Response,
} from "./checks.ts";
import { compareLines, compareProcess } from "./compare.ts";
import {
  GOOD_LIMIT,
  isFlapping,
  isForgotten,
  type LimitState,
  releaseLimit,
  stepLimit,
} from "./limit.ts";
import type {
  FdirObservation,
  MachineSnapshot,
  ProcessObservation,
  ProcessSnapshot,
  SnapshotDigests,
} from "./snapshot.ts";

/** What a service's process is held against. */
export interface ProcessBaseline {
  /** The service's instance. */
  readonly instance: number;
  /** When the process started, in clock ticks since boot. */
  readonly startTicks: number;
  /** As it had settled; null before. */
  readonly snapshot: ProcessSnapshot | null;
  /** What processes of this service may do, from one instance to the next. */
  readonly privileges: Readonly<Record<string, string>> | null;
}

/** What the machine is held against. */
export interface MachineBaseline {
  /** Its mounts; null: those of the next look. */
  readonly mounts: readonly string[] | null;
  /** Its modules; null: those of the next look. */
  readonly modules: readonly string[] | null;
  /** EDAC's counters at the last look. */
  readonly memoryErrors: MachineSnapshot["memoryErrors"];
  /** Wall clock less boot clock, milliseconds; NaN: that of the next look. */
  readonly clockOffsetMs: number;
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

/** What FDIR asks for. */
export type FdirEffect =
  /** Append to the event log. */
  | {
    readonly kind: "record";
    readonly code: EventCodeName;
    readonly text: string;
  }
  /** Freeze or restart a service. */
  | { readonly kind: "isolate" | "restart"; readonly service: string }
  /** Restart the machine, in order. */
  | { readonly kind: "reboot"; readonly reason: string }
  /** Enter safe mode. */
  | { readonly kind: "safe-mode"; readonly reason: string };

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

/** What a step made. */
export interface FdirStep {
  /** The state after. */
  readonly state: FdirState;
  /** What to do, in this order. */
  readonly effects: readonly FdirEffect[];
}

/** Most anomalies that one look reports one by one; the others are counted. */
export const REPORTED_ANOMALIES = 8;

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
 * import { activeAnomalies, createFdir } from "./fdir.ts";
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
 * Judges one look at the machine.
 *
 * @param state The state before.
 * @param observation What was seen.
 * @param nowMs Milliseconds since boot.
 * @returns The state after, and what follows.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DEFAULT_FDIR_POLICY } from "./checks.ts";
 * import { activeAnomalies, createFdir, stepFdir } from "./fdir.ts";
 *
 * const machine = {
 *   mounts: [],
 *   modules: ["virtio_blk 4096"],
 *   files: [],
 *   goodFiles: new Set<string>(),
 *   memoryErrors: null,
 *   availablePercent: 90,
 *   pressure: null,
 *   storage: null,
 *   clockOffsetMs: 0,
 * };
 * const look = { processes: [], machine, digests: null };
 * const first = stepFdir(createFdir(DEFAULT_FDIR_POLICY), look, 0);
 * const evil = { ...machine, modules: ["evil 4096", "virtio_blk 4096"] };
 * const second = stepFdir(first.state, { ...look, machine: evil }, 30_000);
 * assertEquals(activeAnomalies(second.state)[0]?.text, "+ evil 4096");
 * assertEquals(second.effects, [
 *   { kind: "record", code: "FDIR_ANOMALY", text: "modules machine: + evil 4096" },
 * ]);
 * ```
 */
export function stepFdir(
  state: FdirState,
  observation: FdirObservation,
  nowMs: number,
): FdirStep {
  const look = new Look(state, nowMs);
  look.judge(observation);
  return look.finish();
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
 * import { activeAnomalies, createFdir } from "./fdir.ts";
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
 * import { createFdir, isDegrading } from "./fdir.ts";
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
 * import { createFdir, releaseFdir } from "./fdir.ts";
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
 * import { adoptFdir, createFdir } from "./fdir.ts";
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
 * import { createFdir, expectChange } from "./fdir.ts";
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

function subjectName(check: CheckName, service: string | null): string {
  if (service !== null) return service === "" ? "init" : service;
  return check === "files" ? "image" : "machine";
}

/** What can't be done to the init or the machine becomes what can. */
function effectiveResponse(
  response: Response,
  service: string | null,
): Response {
  const isService = service !== null && service !== "";
  return response === "ISOLATE" && !isService ? "DEGRADE" : response;
}

/** One look in the making. */
class Look {
  readonly #before: FdirState;
  readonly #nowMs: number;
  readonly #watches: Map<string, Watch>;
  readonly #baselines = new Map<string, ProcessBaseline>();
  readonly #effects: FdirEffect[] = [];
  readonly #judged = new Set<string>();
  #machine: MachineBaseline | null;
  #digests: SnapshotDigests | null = null;
  #compared = 0;
  #reported = 0;
  #unreported = 0;
  /** Whether an anomaly that counts has begun. */
  #hasNewCount = false;

  constructor(before: FdirState, nowMs: number) {
    this.#before = before;
    this.#nowMs = nowMs;
    this.#watches = new Map(before.watches);
    this.#machine = before.machine;
  }

  judge({ processes, machine, digests }: FdirObservation): void {
    this.#digests = digests;
    for (const process of processes) {
      this.#judgeProcess(process, machine.goodFiles);
    }
    this.#judgeMachine(machine);
    // What was not there to be looked at has nothing wrong with it.
    for (const [key, { check, service }] of this.#watches) {
      if (!this.#judged.has(key)) this.#result(check, service, null);
    }
  }

  finish(): FdirStep {
    if (this.#unreported > 0) {
      this.#record("FDIR_ANOMALY", `${this.#unreported} more at the same time`);
    }
    const level = this.#countLevel();
    const state: FdirState = {
      policy: this.#before.policy,
      checks: this.#before.checks + 1,
      compared: this.#compared,
      digests: this.#digests,
      baselines: this.#baselines,
      machine: this.#machine,
      watches: this.#watches,
      level,
    };
    return { state, effects: this.#effects };
  }

  #record(code: EventCodeName, text: string): void {
    this.#effects.push({ kind: "record", code, text });
  }

  #judgeProcess(
    { subject, snapshot }: ProcessObservation,
    goodFiles: ReadonlySet<string>,
  ): void {
    const name = subject.service ?? "";
    const known = this.#before.baselines.get(name);
    if (snapshot === null) {
      // On its way out: nothing is judged, and nothing is forgotten.
      if (known !== undefined) this.#baselines.set(name, known);
      for (const check of PROCESS_FINDINGS) {
        this.#judged.add(keyOf(check, name));
      }
      return;
    }
    const isSame = known?.instance === subject.instance &&
      known.startTicks === snapshot.startTicks;
    const baseline: ProcessBaseline = isSame ? known : {
      instance: subject.instance,
      startTicks: snapshot.startTicks,
      snapshot: null,
      privileges: known?.privileges ?? null,
    };
    const isSettled = this.#nowMs - subject.sinceMs >=
      this.#before.policy.settleMs;
    if (baseline.snapshot === null && !isSettled) {
      this.#baselines.set(name, baseline);
      for (const check of PROCESS_FINDINGS) {
        this.#judged.add(keyOf(check, name));
      }
      return;
    }
    const reference = baseline.snapshot ?? snapshot;
    const privileges = baseline.privileges ?? snapshot.privileges;
    this.#baselines.set(name, { ...baseline, snapshot: reference, privileges });
    this.#compared++;
    const findings = compareProcess(
      {
        snapshot: reference,
        privileges,
        cgroup: subject.cgroup === null
          ? null
          : `${this.#cgroupRoot()}${subject.cgroup}`,
      },
      snapshot,
      goodFiles,
    );
    for (const check of PROCESS_FINDINGS) {
      this.#result(check, name, findings[check]);
    }
  }

  /** In a container, the init's own group is the root of all others. */
  #cgroupRoot(): string {
    const root = this.#baselines.get("")?.snapshot?.cgroup ?? "/";
    return root === "/" ? "" : root;
  }

  #judgeMachine(machine: MachineSnapshot): void {
    const reference = this.#machine;
    const { limits } = this.#before.policy;
    const findings: Partial<Record<CheckName, string | null>> = {
      mounts: difference(reference?.mounts, machine.mounts),
      modules: difference(reference?.modules, machine.modules),
      files: sentence(machine.files),
      "memory-errors": memoryErrors(
        reference?.memoryErrors,
        machine.memoryErrors,
        limits.correctedErrors,
      ),
      memory: machine.availablePercent === null ||
          machine.availablePercent >= limits.memoryAvailablePercent
        ? null
        : `${
          machine.availablePercent.toFixed(1)
        } % available, expected at least ${limits.memoryAvailablePercent} %`,
      pressure: pressure(machine.pressure, limits),
      superblock: sentence(machine.storage?.superblock),
      parameters: sentence(machine.storage?.parameters),
      events: sentence(machine.storage?.events),
      clock: clockStep(
        reference?.clockOffsetMs,
        machine.clockOffsetMs,
        limits.clockStepMs,
      ),
    };
    const offsetMs = reference?.clockOffsetMs ?? NaN;
    this.#machine = {
      mounts: reference?.mounts ?? machine.mounts,
      modules: reference?.modules ?? machine.modules,
      // Counters only rise: each look counts from the one before.
      memoryErrors: machine.memoryErrors,
      clockOffsetMs: Number.isNaN(offsetMs) ? machine.clockOffsetMs : offsetMs,
    };
    for (const check of CHECK_NAMES) {
      const finding = findings[check];
      if (finding !== undefined) this.#result(check, null, finding);
    }
  }

  #result(
    check: CheckName,
    service: string | null,
    problem: string | null,
  ): void {
    const key = keyOf(check, service);
    this.#judged.add(key);
    const policy = checkPolicyOf(this.#before.policy, check, service);
    const before = this.#watches.get(key)?.limit ?? GOOD_LIMIT;
    const judged = policy.enabled ? problem : null;
    if (judged === null && before === GOOD_LIMIT) return;
    const { state: limit, change } = stepLimit(
      before,
      policy,
      judged,
      this.#nowMs,
    );
    if (isForgotten(limit)) this.#watches.delete(key);
    else this.#watches.set(key, { check, service, limit });
    const subject = subjectName(check, service);
    if (change === "tripped") {
      this.#tripped(check, service, limit, policy);
    } else if (change === "cleared") {
      const seconds = Math.round(
        (this.#nowMs - (before.activeSinceMs ?? 0)) / 1000,
      );
      this.#record("FDIR_CLEARED", `${check} ${subject}: after ${seconds} s`);
    }
  }

  #tripped(
    check: CheckName,
    service: string | null,
    limit: LimitState,
    policy: CheckPolicy,
  ): void {
    const subject = subjectName(check, service);
    if (this.#reported < REPORTED_ANOMALIES) {
      this.#reported++;
      const held = limit.isLatched
        ? " (latched)"
        : isFlapping(limit)
        ? " (flapping)"
        : "";
      this.#record("FDIR_ANOMALY", `${check} ${subject}${held}: ${limit.text}`);
    } else this.#unreported++;
    if (policy.response === "COUNT") {
      this.#hasNewCount = true;
      return;
    }
    const reason = `${check} ${subject}`;
    switch (effectiveResponse(policy.response, service)) {
      case "LOG":
        return;
      case "ISOLATE":
        this.#record("FDIR_ISOLATE", reason);
        if (service !== null) this.#effects.push({ kind: "isolate", service });
        return;
      case "RESTART":
        this.#record("FDIR_RESTART", reason);
        this.#effects.push(
          service === null || service === ""
            ? { kind: "reboot", reason }
            : { kind: "restart", service },
        );
        return;
      case "DEGRADE":
        this.#record("FDIR_DEGRADE", reason);
        return;
      case "SAFE_MODE":
        this.#record("FDIR_SAFE_MODE", reason);
        this.#effects.push({ kind: "safe-mode", reason });
        return;
    }
  }

  /** What the number of anomalies leads to; told when it gets worse. */
  #countLevel(): FdirState["level"] {
    const { policy, level: before } = this.#before;
    const counted = [...this.#watches.values()].filter((
      { check, service, limit },
    ) =>
      limit.activeSinceMs !== null &&
      checkPolicyOf(policy, check, service).response === "COUNT"
    );
    const count = counted.length;
    const level = count >= policy.safeModeAt
      ? "SAFE_MODE"
      : count >= policy.degradeAt
      ? "DEGRADE"
      : "none";
    // Whoever left safe mode did so knowing what was wrong then, not what came
    // to it later.
    const isWorse = LEVELS.indexOf(level) > LEVELS.indexOf(before) ||
      (level === "SAFE_MODE" && this.#hasNewCount);
    if (!isWorse) return level;
    const names = counted.map(({ check, service }) =>
      `${check} ${subjectName(check, service)}`
    ).join(", ");
    const reason = `${count} anomalies: ${names}`;
    if (level === "SAFE_MODE") {
      this.#record("FDIR_SAFE_MODE", reason);
      this.#effects.push({ kind: "safe-mode", reason });
    } else this.#record("FDIR_DEGRADE", reason);
    return level;
  }
}

const LEVELS: readonly FdirState["level"][] = ["none", "DEGRADE", "SAFE_MODE"];

/** The checks of a process that have a finding of their own. */
const PROCESS_FINDINGS = [
  "mappings",
  "privileges",
  "cgroup",
  "namespaces",
] as const;

function keyOf(check: CheckName, service: string | null): string {
  return service === null ? check : `${check} ${service}`;
}

function difference(
  reference: readonly string[] | null | undefined,
  current: readonly string[] | null,
): string | null {
  if (reference === null || reference === undefined || current === null) {
    return null;
  }
  return compareLines(reference, current);
}

/** The first of some sentences, and how many more. */
function sentence(found: readonly string[] | null | undefined): string | null {
  const [first, ...others] = found ?? [];
  if (first === undefined) return null;
  return others.length === 0 ? first : `${first}, ${others.length} more`;
}

function memoryErrors(
  reference: MachineSnapshot["memoryErrors"] | undefined,
  current: MachineSnapshot["memoryErrors"],
  correctedLimit: number,
): string | null {
  if (reference === null || reference === undefined || current === null) {
    return null;
  }
  const uncorrected = current.uncorrected - reference.uncorrected;
  if (uncorrected > 0) return `${uncorrected} uncorrected`;
  const corrected = current.corrected - reference.corrected;
  return corrected > correctedLimit
    ? `${corrected} corrected, expected at most ${correctedLimit}`
    : null;
}

function pressure(
  facts: MachineSnapshot["pressure"],
  limits: FdirPolicy["limits"],
): string | null {
  if (facts === null) return null;
  const rows: readonly (readonly [string, number, number])[] = [
    ["memory", facts.memory, limits.memoryPressurePercent],
    ["io", facts.io, limits.ioPressurePercent],
    ["cpu", facts.cpu, limits.cpuPressurePercent],
  ];
  const [row] = rows.filter(([, value, limit]) => value > limit);
  if (row === undefined) return null;
  const [name, value, limit] = row;
  return `${name} ${value.toFixed(1)} %, expected at most ${limit} %`;
}

function clockStep(
  referenceMs: number | undefined,
  currentMs: number,
  limitMs: number,
): string | null {
  if (referenceMs === undefined || Number.isNaN(referenceMs)) return null;
  const stepMs = currentMs - referenceMs;
  return Math.abs(stepMs) > limitMs
    ? `stepped by ${(stepMs / 1000).toFixed(1)} s`
    : null;
}
