/**
 * What FDIR looks at, and how it answers: one table of checks, the responses,
 * and the policy that an operator can change. Pure; imports nothing.
 *
 * | check | compared | why |
 * |---|---|---|
 * | `mappings` | executable mappings of files, by address, rights, offset, device, inode and path | code that appears, vanishes or becomes writable is code that nobody shipped. A JIT's own code is anonymous memory that changes all the time: it is left out |
 * | `privileges` | the lines Seccomp, NoNewPrivs, Uid, Gid and Cap… of `status` | neither a running program nor its successor of the same definition has reason to change them |
 * | `cgroup` | the path in `/proc/PID/cgroup` | a process that left its group escapes its limits and its freezer |
 * | `namespaces` | the links of `/proc/PID/ns` | as above, for mounts, network and the rest |
 * | `mounts` | `/proc/self/mountinfo` of the init | files can be hidden by a mount without being changed |
 * | `modules` | `/proc/modules` | code of the kernel |
 * | `files` | SHA-256 of the image's files, against the manifest of its build | |
 * | `memory-errors` | EDAC's counters | hardware that begins to fail |
 * | `memory`, `pressure` | available memory, and pressure stall information | a machine that is about to thrash |
 * | `superblock`, `parameters`, `events` | the volume's blocks against what was acknowledged | a medium that forgets; each finding is repaired from memory |
 * | `clock` | wall clock less boot clock | nothing but a step changes the difference |
 *
 * @module
 */

/** The checks by name, with their number on the wire [O]. */
export const CHECK_CODES = {
  mappings: 1,
  privileges: 2,
  cgroup: 3,
  namespaces: 4,
  mounts: 5,
  modules: 6,
  files: 7,
  "memory-errors": 8,
  memory: 9,
  pressure: 10,
  superblock: 11,
  parameters: 12,
  events: 13,
  clock: 14,
} as const;

/** The name of a check. */
export type CheckName = keyof typeof CHECK_CODES;

/** The names of all checks, in the order of their numbers. */
export const CHECK_NAMES: readonly CheckName[] = Object.keys(
  CHECK_CODES,
) as CheckName[];

/** The checks of one process: of the init, and of each service. */
export const PROCESS_CHECKS: readonly CheckName[] = [
  "mappings",
  "privileges",
  "cgroup",
  "namespaces",
];

/** The responses by name, the mildest first, with their number on the wire [O]. */
export const RESPONSE_CODES = {
  LOG: 0,
  ISOLATE: 1,
  RESTART: 2,
  DEGRADE: 3,
  SAFE_MODE: 4,
} as const;

/** The name of a response. */
export type Response = keyof typeof RESPONSE_CODES;

/**
 * What a check's anomaly brings about. `COUNT` leaves it to the number of
 * anomalies that are active together: {@linkcode FdirPolicy.degradeAt}.
 */
export type CheckResponse = Response | "COUNT";

/** How one check judges and answers. */
export interface CheckPolicy {
  /** Whether it is made at all. */
  readonly enabled: boolean;
  /**
   * What follows. ISOLATE and RESTART are for services: of the init or the
   * machine, ISOLATE means DEGRADE, and RESTART a reboot.
   */
  readonly response: CheckResponse;
  /** So many bad results … */
  readonly bad: number;
  /** … of so many in a row make an anomaly, 1..32 and not less than `bad`. */
  readonly of: number;
  /** So many good results in a row end it, 1..32. */
  readonly clearAfter: number;
  /** Whether it stays until the host releases it, whatever the results. */
  readonly latching: boolean;
}

/** Where measured values become bad results. */
export interface FdirLimits {
  /** Least available memory, percent of all; 0 for no limit. */
  readonly memoryAvailablePercent: number;
  /** Most time that all tasks waited for memory (`full avg10`), percent. */
  readonly memoryPressurePercent: number;
  /** Most time that all tasks waited for I/O (`full avg10`), percent. */
  readonly ioPressurePercent: number;
  /** Most time that some task waited for a processor (`some avg10`), percent. */
  readonly cpuPressurePercent: number;
  /** Most memory errors that were corrected, from one check to the next. */
  readonly correctedErrors: number;
  /** Most difference between wall clock and boot clock, in milliseconds. */
  readonly clockStepMs: number;
}

/** Everything that an operator can choose. */
export interface FdirPolicy {
  /** So many `COUNT` anomalies at a time degrade the machine. */
  readonly degradeAt: number;
  /** So many lead to safe mode. */
  readonly safeModeAt: number;
  /**
   * How long a process may settle before its state becomes the reference, in
   * milliseconds: a program starts by loading libraries and dropping rights.
   */
  readonly settleMs: number;
  /** How long the image's files are read for, at each check, in milliseconds. */
  readonly filesBudgetMs: number;
  /** Where measured values become bad. */
  readonly limits: FdirLimits;
  /** Each check. */
  readonly checks: Readonly<Record<CheckName, CheckPolicy>>;
  /** What is different for single services. */
  readonly services: ReadonlyMap<
    string,
    Readonly<Partial<Record<CheckName, CheckPolicy>>>
  >;
}

const ONCE: CheckPolicy = {
  enabled: true,
  response: "COUNT",
  bad: 1,
  of: 1,
  clearAfter: 2,
  latching: false,
};

/** Values that go up and down by themselves must be bad for a while. */
const LASTING: CheckPolicy = { ...ONCE, bad: 3, of: 3, clearAfter: 3 };

/** Something was repaired or has passed: it is told, and ends by itself. */
const REPAIRED: CheckPolicy = { ...ONCE, clearAfter: 1 };

/** The policy of a machine that has no configuration: by count, as upstream. */
export const DEFAULT_FDIR_POLICY: FdirPolicy = {
  degradeAt: 2,
  safeModeAt: 3,
  settleMs: 5_000,
  filesBudgetMs: 500,
  limits: {
    memoryAvailablePercent: 5,
    memoryPressurePercent: 40,
    ioPressurePercent: 80,
    cpuPressurePercent: 100,
    correctedErrors: 10,
    clockStepMs: 2_000,
  },
  checks: {
    mappings: ONCE,
    privileges: ONCE,
    cgroup: ONCE,
    namespaces: ONCE,
    mounts: ONCE,
    modules: ONCE,
    files: ONCE,
    "memory-errors": ONCE,
    memory: LASTING,
    pressure: LASTING,
    superblock: REPAIRED,
    parameters: REPAIRED,
    events: REPAIRED,
    clock: ONCE,
  },
  services: new Map(),
};

/**
 * The policy of a check for a subject.
 *
 * @param policy The whole policy.
 * @param check The check.
 * @param service The service that it is about, or null for the init and the machine.
 * @returns The service's own, where it has one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { checkPolicyOf, DEFAULT_FDIR_POLICY } from "./checks.ts";
 *
 * assertEquals(checkPolicyOf(DEFAULT_FDIR_POLICY, "files", null).bad, 1);
 * ```
 */
export function checkPolicyOf(
  policy: FdirPolicy,
  check: CheckName,
  service: string | null,
): CheckPolicy {
  const own = service === null ? undefined : policy.services.get(service);
  return own?.[check] ?? policy.checks[check];
}
