/**
 * What is wrong with the machine as a whole: one look at it, held against the
 * first and against the limits of the policy. Pure; imports this room's pure
 * files.
 *
 * @module
 */
import type { CheckName, FdirPolicy } from "./checks.ts";
import { compareLines } from "./compare.ts";
import type { MachineSnapshot } from "./snapshot.ts";

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

/**
 * Judges one look at the machine.
 *
 * @param reference What it is held against; null at the first look.
 * @param machine What was seen.
 * @param limits The limits of the policy.
 * @returns For each check of the machine what is wrong, or null.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DEFAULT_FDIR_POLICY } from "./checks.ts";
 * import { machineFindings } from "./machine_findings.ts";
 *
 * const machine = {
 *   mounts: [],
 *   modules: [],
 *   files: [],
 *   goodFiles: new Set<string>(),
 *   memoryErrors: null,
 *   availablePercent: 0.5,
 *   pressure: null,
 *   storage: null,
 *   clockOffsetMs: 0,
 * };
 * const { limits } = DEFAULT_FDIR_POLICY;
 * const findings = machineFindings(null, machine, limits);
 * assertEquals(findings.memory?.startsWith("0.5 % available"), true);
 * assertEquals(findings.mounts, null);
 * ```
 */
export function machineFindings(
  reference: MachineBaseline | null,
  machine: MachineSnapshot,
  limits: FdirPolicy["limits"],
): Partial<Record<CheckName, string | null>> {
  return {
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
}

/**
 * What the machine is held against at the next look.
 *
 * @param reference What it was held against; null at the first look.
 * @param machine What was seen.
 * @returns The reference: what was there, and else what was seen.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nextMachineBaseline } from "./machine_findings.ts";
 *
 * const machine = {
 *   mounts: ["/ ext4"],
 *   modules: [],
 *   files: [],
 *   goodFiles: new Set<string>(),
 *   memoryErrors: null,
 *   availablePercent: 90,
 *   pressure: null,
 *   storage: null,
 *   clockOffsetMs: 0,
 * };
 * assertEquals(nextMachineBaseline(null, machine).mounts, ["/ ext4"]);
 * ```
 */
export function nextMachineBaseline(
  reference: MachineBaseline | null,
  machine: MachineSnapshot,
): MachineBaseline {
  const offsetMs = reference?.clockOffsetMs ?? NaN;
  return {
    mounts: reference?.mounts ?? machine.mounts,
    modules: reference?.modules ?? machine.modules,
    // Counters only rise: each look counts from the one before.
    memoryErrors: machine.memoryErrors,
    clockOffsetMs: Number.isNaN(offsetMs) ? machine.clockOffsetMs : offsetMs,
  };
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
