/**
 * Who is at a switch: the tenants, the ids that each owns, whom each may reach,
 * and the VM. Reads ranges and judges plans. Pure; may import `wire` only.
 *
 * A party is a tenant, by its name; the uplink, which is the other end of a
 * VM's port; or the system, which is the host's own operator. Each owns its
 * ids alone, so that a source id proves who sent a frame: the host's id 0x000
 * is the system's and can't be given away.
 *
 * @module
 */
import { Apid } from "../wire/frame.ts";

/** Ids from the first to the last, both included; 0x000..0x7FF. */
export interface ApidRange {
  /** The lowest id. */
  readonly first: number;
  /** The highest id. */
  readonly last: number;
}

/** A tenant of the switch. */
export interface SwitchTenant {
  /** Its name, which is also its socket's: letters, digits, `_`, `-`. */
  readonly name: string;
  /** The ids that are its own, and nobody else's. */
  readonly apids: ApidRange;
  /** The ids that it may send to. */
  readonly sendTo: readonly ApidRange[];
}

/** The VM at the other end of a port. */
export interface SwitchUplink {
  /** The ids that are behind it. */
  readonly apids: readonly ApidRange[];
  /** The ids that it may send to. */
  readonly sendTo: readonly ApidRange[];
}

/** Who is there and who may reach whom. */
export interface SwitchPlan {
  /** The tenants, each under another name. */
  readonly tenants: readonly SwitchTenant[];
  /** The uplink, or null without one. */
  readonly uplink: SwitchUplink | null;
}

/** The party at the other end of the VM's port. */
export const UPLINK = "uplink";
/** The party that is the host itself: its operator. */
export const SYSTEM = "system";
/** The most tenants of one switch, which bounds its memory. */
export const MAXIMUM_TENANTS = 64;

/** What a tenant's name must match: it is the name of a file. */
export const TENANT_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;

/** Something in a plan that can't be. */
export interface SwitchPlanProblem {
  /** Where: the keys and indices that lead to the value, from the plan. */
  readonly path: readonly (string | number)[];
  /** The value, as text. */
  readonly value: string;
  /** What was expected. */
  readonly expected: string;
}

/**
 * A plan that can't be: the message has each problem.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { FrameSwitch, SwitchPlanError } from "@spaceos/pid1";
 *
 * const camera = { name: "camera", apids: { first: 16, last: 31 }, sendTo: [] };
 * assertThrows(
 *   () => new FrameSwitch({ tenants: [camera, camera], uplink: null }),
 *   SwitchPlanError,
 *   "camera",
 * );
 * ```
 */
export class SwitchPlanError extends Error {
  /** Always `"SwitchPlanError"`. */
  override readonly name = "SwitchPlanError";
  /** What is wrong; at least one. */
  readonly problems: readonly SwitchPlanProblem[];

  /**
   * Makes the error.
   *
   * @param problems What is wrong.
   */
  constructor(problems: readonly SwitchPlanProblem[]) {
    super(
      problems.map(({ path, value, expected }) =>
        `${path.join(".")} is ${value}, expected ${expected}`
      ).join("; "),
    );
    this.problems = problems;
  }
}

/**
 * A range as text, as formats.md writes it.
 *
 * @param range The range.
 * @returns For example `0x010..0x01F`, or `0x001` for one id.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { apidRangeText } from "./switch_plan.ts";
 *
 * assertEquals(apidRangeText({ first: 0x10, last: 0x1F }), "0x010..0x01F");
 * ```
 */
export function apidRangeText({ first, last }: ApidRange): string {
  return first === last
    ? apidText(first)
    : `${apidText(first)}..${apidText(last)}`;
}

/** Three digits, as the tables of APIDs have them. */
function apidText(apid: number): string {
  return `0x${apid.toString(16).toUpperCase().padStart(3, "0")}`;
}

/**
 * Reads a range.
 *
 * @param text Such as `0x010..0x01F`, or one id; hexadecimal or decimal.
 * @returns The range, or null when it is none or exceeds 0x7FF.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { parseApidRange } from "./switch_plan.ts";
 *
 * assertEquals(parseApidRange("0x010..0x01F"), { first: 16, last: 31 });
 * assertEquals(parseApidRange("0x01F..0x010"), null);
 * ```
 */
export function parseApidRange(text: string): ApidRange | null {
  const number = "(0x[0-9A-Fa-f]{1,3}|[0-9]{1,4})";
  const match = new RegExp(`^${number}(?:\\.\\.${number})?$`).exec(text);
  if (match === null) return null;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first <= last && last <= Apid.LAST ? { first, last } : null;
}

interface Owned {
  readonly owner: string;
  readonly range: ApidRange;
  readonly path: readonly (string | number)[];
}

const overlaps = (left: ApidRange, right: ApidRange): boolean =>
  left.first <= right.last && right.first <= left.last;

/** Every range of a plan that belongs to somebody, in the plan's order. */
function ownedRanges(plan: SwitchPlan): Owned[] {
  return [
    ...plan.tenants.map(({ name, apids }): Owned => ({
      owner: name,
      range: apids,
      path: ["tenants", name, "apids"],
    })),
    ...(plan.uplink?.apids ?? []).map((range, index): Owned => ({
      owner: UPLINK,
      range,
      path: [UPLINK, "apids", index],
    })),
  ];
}

/**
 * Tells what is wrong with a plan.
 *
 * @param plan The plan.
 * @returns Each problem; none for a plan that {@linkcode FrameSwitch} takes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { checkSwitchPlan } from "./switch_plan.ts";
 *
 * const [problem] = checkSwitchPlan({
 *   tenants: [
 *     { name: "camera", apids: { first: 0x10, last: 0x1F }, sendTo: [] },
 *     { name: "processor", apids: { first: 0x1F, last: 0x2F }, sendTo: [] },
 *   ],
 *   uplink: null,
 * });
 * assertEquals(problem?.path, ["tenants", "processor", "apids"]);
 * assertEquals(
 *   problem?.expected,
 *   "ids of its own; camera has 0x010..0x01F already",
 * );
 * ```
 */
export function checkSwitchPlan(plan: SwitchPlan): SwitchPlanProblem[] {
  const problems: SwitchPlanProblem[] = [];
  if (plan.tenants.length > MAXIMUM_TENANTS) {
    problems.push({
      path: ["tenants"],
      value: `${plan.tenants.length} tenants`,
      expected: `at most ${MAXIMUM_TENANTS}`,
    });
  }
  const names = new Set<string>();
  for (const { name } of plan.tenants) {
    const isReserved = name === UPLINK || name === SYSTEM;
    if (!TENANT_NAME_PATTERN.test(name) || isReserved || names.has(name)) {
      problems.push({
        path: ["tenants", name],
        value: JSON.stringify(name),
        expected:
          `another name for each tenant, 1 to 32 letters, digits, "_" and "-", not ${UPLINK} or ${SYSTEM}`,
      });
    }
    names.add(name);
  }
  const owned = ownedRanges(plan);
  for (const [index, { owner, range, path }] of owned.entries()) {
    const lowest = owner === UPLINK ? Apid.INIT : Apid.SYSTEM_LAST + 1;
    if (!isRange(range) || range.first < lowest) {
      problems.push({
        path,
        value: apidRangeText(range),
        expected: `ids in ${apidRangeText({ first: lowest, last: Apid.LAST })}${
          owner === UPLINK
            ? ", since 0x000 is the host"
            : ", since those before it are the system's"
        }`,
      });
      continue;
    }
    const earlier = owned.slice(0, index).find((other) =>
      overlaps(other.range, range)
    );
    if (earlier === undefined) continue;
    problems.push({
      path,
      value: apidRangeText(range),
      expected: `ids of its own; ${earlier.owner} has ${
        apidRangeText(earlier.range)
      } already`,
    });
  }
  return problems;
}

const isRange = ({ first, last }: ApidRange): boolean =>
  Number.isInteger(first) && Number.isInteger(last) && 0 <= first &&
  first <= last && last <= Apid.LAST;
