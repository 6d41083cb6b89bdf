/**
 * Fault detection, isolation and recovery: what was seen becomes anomalies,
 * and anomalies become responses. One state, one function from (state,
 * observation, time) to (state, effects). Pure; imports this room's pure files
 * and the table of event codes.
 *
 * A process is held against itself as it was when it had settled, and, for
 * what it may do, against earlier processes of its definition. The machine is
 * held against itself at the first look. The host can have what is there now
 * taken for the reference (`adoptFdir` of `fdir_state.ts`).
 *
 * @module
 */
import type { EventCodeName } from "../wire/event_code.ts";
import {
  CHECK_NAMES,
  type CheckName,
  type CheckPolicy,
  checkPolicyOf,
} from "./checks.ts";
import { compareProcess } from "./compare.ts";
import {
  effectiveResponse,
  type FdirState,
  type ProcessBaseline,
  subjectName,
  type Watch,
} from "./fdir_state.ts";
import {
  GOOD_LIMIT,
  isFlapping,
  isForgotten,
  type LimitState,
  stepLimit,
} from "./limit.ts";
import {
  type MachineBaseline,
  machineFindings,
  nextMachineBaseline,
} from "./machine_findings.ts";
import type {
  FdirObservation,
  MachineSnapshot,
  ProcessObservation,
  SnapshotDigests,
} from "./snapshot.ts";

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
 * import { stepFdir } from "./fdir.ts";
 * import { activeAnomalies, createFdir } from "./fdir_state.ts";
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

  judge({ processes, services, machine, digests }: FdirObservation): void {
    this.#digests = digests;
    // Who is down at a look, to be started again, is held against the same
    // reference afterwards.
    for (const [name, baseline] of this.#before.baselines) {
      if (services?.has(name)) this.#baselines.set(name, baseline);
    }
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
    const isSuccessor = subject.definition !== null &&
      known?.definition === subject.definition;
    const baseline: ProcessBaseline = isSame ? known : {
      instance: subject.instance,
      startTicks: snapshot.startTicks,
      definition: subject.definition,
      snapshot: null,
      privileges: isSuccessor ? known.privileges : null,
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
    const findings = machineFindings(reference, machine, limits);
    this.#machine = nextMachineBaseline(reference, machine);
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
