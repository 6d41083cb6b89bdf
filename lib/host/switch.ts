/**
 * The rules of the switch: who owns which application process ids, whom each
 * may reach, and where a frame goes (formats.md, "Switch"). Pure: it decides
 * about bytes and holds nothing but its plan; `switch_server.ts` moves them.
 * May import `wire` only.
 *
 * A party is a tenant, by its name; the uplink, which is the other end of a
 * VM's port; or the system, which is the host's own operator. Each owns its
 * ids alone, so that a source id proves who sent a frame: the host's id 0x000
 * is the system's and can't be given away, and a command is refused wherever it
 * comes from another. The init checks the same again at its end.
 *
 * @module
 */
import {
  encodeFrameFault,
  FrameErrorCode,
  type FrameFault,
} from "../wire/error_frame.ts";
import {
  Apid,
  encodeFrame,
  type Frame,
  FrameType,
  receiveFrame,
} from "../wire/frame.ts";

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
/** How many entries the router has: one for each id. */
export const ROUTER_ENTRIES: number = Apid.LAST + 1;
/** The most tenants of one switch, which bounds its memory. */
export const MAXIMUM_TENANTS = 64;

/** What a tenant's name must match: it is the name of a file. */
export const TENANT_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;

/** Where the frames for an id go. */
export type Route =
  /** To a tenant of this switch. */
  | { readonly kind: "local"; readonly tenant: string }
  /** To the host itself. */
  | { readonly kind: "system" }
  /** To the VM. */
  | { readonly kind: "uplink" }
  /** Nowhere. */
  | { readonly kind: "drop" };

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

/** Why a frame was not delivered. */
export type RefusalReason =
  /** It is no frame. */
  | "malformed"
  /** Its source id is not the sender's. */
  | "foreign-source"
  /** The sender may not reach its destination. */
  | "not-permitted"
  /** A command or a parameter for the system's ids, not from the system. */
  | "command"
  /** Its destination is nobody's. */
  | "no-route"
  /** The receiver is not connected. */
  | "absent"
  /** The receiver does not read, and what may wait for it does. */
  | "busy";

/** All reasons, in the order of the tables that are printed. */
export const REFUSAL_REASONS: readonly RefusalReason[] = [
  "malformed",
  "foreign-source",
  "not-permitted",
  "command",
  "no-route",
  "absent",
  "busy",
];

/** What becomes of a frame. */
export type SwitchDecision =
  /** It goes to a party, as it is. */
  | { readonly kind: "deliver"; readonly to: string }
  | SwitchRefusal;

/** A frame that goes nowhere. */
export interface SwitchRefusal {
  /** Always `"refuse"`. */
  readonly kind: "refuse";
  /** Why. */
  readonly reason: RefusalReason;
  /** The ERROR frame for its sender; null when it was an ERROR itself. */
  readonly answer: Uint8Array | null;
}

/** The frames that ask for something to be done or told. */
const COMMANDING_TYPES: ReadonlySet<number> = new Set([
  FrameType.TC,
  FrameType.PRM_GET,
  FrameType.PRM_SET,
]);

/**
 * A range as text, as formats.md writes it.
 *
 * @param range The range.
 * @returns For example `0x010..0x01F`, or `0x001` for one id.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { apidRangeText } from "./switch.ts";
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
 * import { parseApidRange } from "./switch.ts";
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
 * import { checkSwitchPlan } from "./switch.ts";
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

/** A bit for each id. */
function apidSet(ranges: readonly ApidRange[]): Uint8Array {
  const set = new Uint8Array(ROUTER_ENTRIES);
  for (const { first, last } of ranges) set.fill(1, first, last + 1);
  return set;
}

interface Party {
  /** 1 for each id that is its own. */
  readonly own: Uint8Array;
  /** 1 for each id that it may send to. */
  readonly sendTo: Uint8Array;
  /** Where the switch's own frames to it go when they have no better id. */
  readonly address: number;
}

const EVERYTHING: ApidRange = { first: 0, last: Apid.LAST };

/** Decides where each frame goes. */
export class FrameSwitch {
  readonly #routes: Route[] = [];
  readonly #parties = new Map<string, Party>();

  /**
   * Takes a plan.
   *
   * @param plan Who is there.
   * @throws {SwitchPlanError} If the plan can't be.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert/equals";
   * import { encodeFrame, FrameType } from "../wire/frame.ts";
   * import { FrameSwitch } from "./switch.ts";
   *
   * const processorIds = { first: 0x20, last: 0x2F };
   * const frames = new FrameSwitch({
   *   tenants: [
   *     {
   *       name: "camera",
   *       apids: { first: 0x10, last: 0x1F },
   *       sendTo: [processorIds],
   *     },
   *     { name: "processor", apids: processorIds, sendTo: [] },
   *   ],
   *   uplink: null,
   * });
   * const frame = (apid: number, destinationApid: number) =>
   *   encodeFrame({
   *     type: FrameType.TM,
   *     apid,
   *     destinationApid,
   *     payload: new Uint8Array(),
   *   });
   * assertEquals(frames.decide("camera", frame(0x10, 0x20)), {
   *   kind: "deliver",
   *   to: "processor",
   * });
   * assertEquals(frames.decide("processor", frame(0x20, 0x10)).kind, "refuse");
   * ```
   */
  constructor(plan: SwitchPlan) {
    const problems = checkSwitchPlan(plan);
    if (problems.length > 0) throw new SwitchPlanError(problems);
    for (let apid = 0; apid < ROUTER_ENTRIES; apid++) {
      this.#routes.push({
        kind: apid <= Apid.SYSTEM_LAST ? "system" : "drop",
      });
    }
    this.#add(SYSTEM, [{ first: Apid.HOST, last: Apid.HOST }], [EVERYTHING]);
    for (const { name, apids, sendTo } of plan.tenants) {
      this.#add(name, [apids], sendTo);
      this.#routes.fill(
        { kind: "local", tenant: name },
        apids.first,
        apids.last + 1,
      );
    }
    if (plan.uplink === null) return;
    this.#add(UPLINK, plan.uplink.apids, plan.uplink.sendTo);
    for (const { first, last } of plan.uplink.apids) {
      this.#routes.fill({ kind: "uplink" }, first, last + 1);
    }
  }

  /** Every party: the tenants, the system, and the uplink if there is one. */
  get parties(): string[] {
    return [...this.#parties.keys()];
  }

  /**
   * Where frames for an id go.
   *
   * @param apid The destination, 0..0x7FF; others are dropped.
   * @returns The router's entry.
   */
  route(apid: number): Route {
    return this.#routes[apid] ?? { kind: "drop" };
  }

  /**
   * Decides about a frame. It never throws, whatever the bytes are.
   *
   * @param from The party that sent it.
   * @param bytes The frame, 256 bytes.
   * @returns Where it goes, or why not and what to answer.
   */
  decide(from: string, bytes: Uint8Array): SwitchDecision {
    const received = receiveFrame(bytes);
    if (!received.ok) {
      const { fault, answer } = received;
      return {
        kind: "refuse",
        reason: "malformed",
        answer: answer ? this.#errorFrame(from, fault) : null,
      };
    }
    const { frame } = received;
    const party = this.#parties.get(from);
    if (party?.own[frame.apid] !== 1) {
      return this.#refuse(from, frame, "foreign-source");
    }
    if (party.sendTo[frame.destinationApid] !== 1) {
      return this.#refuse(from, frame, "not-permitted");
    }
    const isForSystem = frame.destinationApid <= Apid.SYSTEM_LAST;
    if (isForSystem && from !== SYSTEM && COMMANDING_TYPES.has(frame.type)) {
      return this.#refuse(from, frame, "command");
    }
    const to = this.#receiver(from, frame.destinationApid);
    return to === null || to === from
      ? this.#refuse(from, frame, "no-route")
      : { kind: "deliver", to };
  }

  /**
   * The refusal of a frame that {@linkcode FrameSwitch.decide} would deliver,
   * whose receiver does not take it.
   *
   * @param from The party that sent it.
   * @param bytes The frame.
   * @param reason Why.
   * @returns What to answer.
   */
  undeliverable(
    from: string,
    bytes: Uint8Array,
    reason: "absent" | "busy",
  ): SwitchRefusal {
    const received = receiveFrame(bytes);
    if (received.ok) return this.#refuse(from, received.frame, reason);
    const { fault, answer } = received;
    return {
      kind: "refuse",
      reason,
      answer: answer ? this.#errorFrame(from, fault) : null,
    };
  }

  #add(
    name: string,
    own: readonly ApidRange[],
    sendTo: readonly ApidRange[],
  ): void {
    this.#parties.set(name, {
      own: apidSet(own),
      sendTo: apidSet(sendTo),
      address: own[0]?.first ?? Apid.HOST,
    });
  }

  /** The party behind an id, or null. */
  #receiver(from: string, apid: number): string | null {
    // Without a switch, the host leaves the destination 0 and means the VM.
    if (from === SYSTEM && apid === Apid.HOST) {
      return this.#parties.has(UPLINK) ? UPLINK : null;
    }
    const route = this.route(apid);
    switch (route.kind) {
      case "local":
        return route.tenant;
      case "system":
        return SYSTEM;
      case "uplink":
        return UPLINK;
      case "drop":
        return null;
    }
  }

  #refuse(from: string, frame: Frame, reason: RefusalReason): SwitchRefusal {
    if (frame.type === FrameType.ERROR) {
      return { kind: "refuse", reason, answer: null };
    }
    const isForNow = reason === "absent" || reason === "busy";
    return {
      kind: "refuse",
      reason,
      answer: this.#errorFrame(from, {
        code: isForNow
          ? FrameErrorCode.HOST_BUSY
          : FrameErrorCode.APID_NOT_ALLOCATED,
        offendingType: frame.type,
        offendingApid: frame.apid,
        offendingPayloadLength: frame.payload.length,
      }),
    };
  }

  /** Addressed to the id that sent, if it is the sender's, else to its first. */
  #errorFrame(from: string, fault: FrameFault): Uint8Array {
    const party = this.#parties.get(from);
    return encodeFrame({
      type: FrameType.ERROR,
      apid: Apid.HOST,
      destinationApid: party?.own[fault.offendingApid] === 1
        ? fault.offendingApid
        : party?.address ?? Apid.HOST,
      payload: encodeFrameFault(fault),
    });
  }
}
