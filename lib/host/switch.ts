/**
 * The rules of the switch: where a frame goes, or why it goes nowhere
 * (formats.md, "Switch"). Pure: it decides about bytes and holds nothing but
 * its plan (`switch_plan.ts`); `switch_server.ts` moves them. May import `wire`
 * and the plan.
 *
 * A command is refused wherever it comes from another than the system. The init
 * checks the same again at its end.
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
import {
  type ApidRange,
  checkSwitchPlan,
  type SwitchPlan,
  SwitchPlanError,
  SYSTEM,
  UPLINK,
} from "./switch_plan.ts";

/** How many entries the router has: one for each id. */
export const ROUTER_ENTRIES: number = Apid.LAST + 1;

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
