/**
 * What the init is told (events), what it asks for (effects), and what it knows
 * in between (state). Types, and the limits that the rules of `core.ts` keep.
 * Pure: imports types of the supervisor, the wire formats and this room.
 *
 * @module
 */
import type { FdirPolicy } from "../fdir/checks.ts";
import type { FdirState } from "../fdir/fdir_state.ts";
import type { FdirObservation, ProcessSubject } from "../fdir/snapshot.ts";
import type { HostAction } from "../host/commands.ts";
import type { HostRequest } from "../host/requests.ts";
import type { ServiceDefinition } from "../supervisor/service_definition.ts";
import type {
  SupervisorEffect,
  SupervisorEvent,
  SupervisorState,
} from "../supervisor/supervisor.ts";
import type { EventSeverity } from "../wire/event.ts";
import type { EventCodeName } from "../wire/event_code.ts";
import type { MissionTime } from "../wire/time_set.ts";
import type { LogLevel } from "./command_line.ts";
import type { PowerAction, ShutdownStage, ShutdownState } from "./shutdown.ts";

/** The machine's mode; the table at the head of `core.ts` explains each. */
export type Mode = "booting" | "nominal" | "degraded" | "safe" | "shuttingDown";

/** When a boot counts as healthy: the boot counter starts again at 0. */
export const HEALTHY_AFTER_MS = 60_000;

/** The longest that services may take before the init says READY without them. */
export const READY_LIMIT_MS = 60_000;

/** Storage that has not answered for this long does not count as alive. */
export const STORAGE_LIMIT_MS = 10_000;

/** What the host can change while the machine is up. */
export interface InitSettings {
  /** How often a HEALTH frame goes to the host, in milliseconds. */
  readonly healthIntervalMs: number;
  /** How often the watchdog is petted, in milliseconds; null without one. */
  readonly petIntervalMs: number | null;
  /** How faults are judged and answered; left out, nobody looks for any. */
  readonly fdirPolicy?: FdirPolicy;
  /** How often faults are looked for, in milliseconds; default 30,000. */
  readonly fdirIntervalMs?: number;
}

/** How often faults are looked for unless somebody says otherwise. */
export const FDIR_INTERVAL_MS = 30_000;

/** So many exceptions that nobody caught … */
export const EXCEPTION_STORM_COUNT = 100;

/** … within this time mean that the init is of no use any more: the machine is restarted. */
export const EXCEPTION_STORM_MS = 10_000;

/** A look for faults that is under way. */
export interface FaultLook {
  /** When it began, CLOCK_BOOTTIME, milliseconds. */
  readonly sinceMs: number;
  /** Who of the host is told what it finds. */
  readonly requests: readonly HostRequest[];
  /** Who came too late for it, and is told what the next one finds. */
  readonly next: readonly HostRequest[];
  /** Whether the init has changed since what is looked at, so that it must be repeated. */
  readonly isStale: boolean;
}

/** The forgiveness of failed boots, from when it was given until it is stored. */
export interface Forgiveness {
  /** Whether it is being stored; if not, the disk has refused it. */
  readonly isUnderWay: boolean;
  /** Who of the host is told when it is stored. */
  readonly requests: readonly HostRequest[];
}

/** Everything the init knows and decides from. */
export interface InitState {
  /** The settings. */
  readonly settings: InitSettings;
  /** The machine's mode. */
  readonly mode: Mode;
  /** Whether safe mode was asked for; it stays so until the host leaves it. */
  readonly safeMode: boolean;
  /** The services; null until the boot has read their definitions. */
  readonly supervisor: SupervisorState | null;
  /** Whether the definitions are to be read anew as soon as there are services. */
  readonly isReloadDue: boolean;
  /** When the services were started, CLOCK_BOOTTIME, milliseconds. */
  readonly startedMs: number;
  /** When the init said READY, or null. */
  readonly readyMs: number | null;
  /** Whether this boot has been counted as healthy. */
  readonly healthy: boolean;
  /**
   * Since when this boot proves itself; null before it is READY, and in a safe
   * mode that failed boots led to, which proves nothing.
   */
  readonly provingSinceMs: number | null;
  /** Whether failed boots led to safe mode, and nobody has left it since. */
  readonly isOnProbation: boolean;
  /** The forgiveness of failed boots that is not stored yet, or null. */
  readonly forgiveness: Forgiveness | null;
  /** What is known of faults; null when nobody looks for any. */
  readonly fdir: FdirState | null;
  /** When faults are looked for next. */
  readonly nextFdirMs: number;
  /** The look for faults that is under way, or null. */
  readonly look: FaultLook | null;
  /** Exceptions that nobody caught: since when they are counted, how many. */
  readonly exceptions: { readonly sinceMs: number; readonly count: number };
  /** What is wrong with the machine, by subject. */
  readonly problems: ReadonlyMap<string, string>;
  /** When the oldest unanswered storage request was made, or null. */
  readonly storagePendingMs: number | null;
  /** Whether the host listens: without it no HEALTH frame is due. */
  readonly isHostConnected: boolean;
  /** When the next HEALTH frame is due. */
  readonly nextHealthMs: number;
  /** When the next pet is due. */
  readonly nextPetMs: number;
  /** Why the watchdog is not petted at the moment, or null. */
  readonly starving: string | null;
  /** The shutdown under way, or null. */
  readonly shutdown: ShutdownState | null;
}

/** What can happen to the init. */
export type InitEvent =
  /** Time has passed. */
  | { readonly kind: "time" }
  /** Something is wrong with the machine; the same subject again replaces the text. */
  | {
    readonly kind: "problem";
    readonly subject: string;
    readonly text: string;
    /** The event that records it; default `BOOT_PHASE_FAILED`. */
    readonly code?: EventCodeName;
  }
  /** It is well again. */
  | { readonly kind: "solved"; readonly subject: string }
  /** The boot is through: these are the services. */
  | {
    readonly kind: "start";
    readonly definitions: readonly ServiceDefinition[];
    readonly safeMode: boolean;
    /** Whether it is safe mode because earlier boots failed. */
    readonly isOnProbation?: boolean;
  }
  /** The definitions were read anew, or can't be used, and why. */
  | {
    readonly kind: "definitions";
    readonly definitions: readonly ServiceDefinition[];
    readonly problem: string | null;
  }
  /** What a look for faults has seen; null when it could see nothing. */
  | {
    readonly kind: "fdir-seen";
    readonly observation: FdirObservation | null;
  }
  /** The init itself has changed what faults are judged by. */
  | { readonly kind: "fdir-expect"; readonly what: "mounts" | "clock" }
  /** Something threw where nothing may. */
  | { readonly kind: "internal-error" }
  /** News of a service. */
  | { readonly kind: "supervisor"; readonly event: SupervisorEvent }
  /** A signal that asks for something. */
  | { readonly kind: "signal"; readonly signal: string }
  /** The host asks for something. */
  | { readonly kind: "request"; readonly request: HostRequest }
  /** The host came, or went. */
  | { readonly kind: "host"; readonly isConnected: boolean }
  /** Settings have changed. */
  | { readonly kind: "configure"; readonly settings: Partial<InitSettings> }
  /** The forgiveness of failed boots is stored, or why it is not. */
  | { readonly kind: "boots-forgiven"; readonly problem: string | null }
  /** A storage request was made and is unanswered since then; null: none is. */
  | { readonly kind: "storage-pending"; readonly sinceMs: number | null }
  /** A stage of the shutdown has done its work. */
  | { readonly kind: "stage-done"; readonly stage: ShutdownStage };

/** What is asked of the disk or the boot's timeline, by the kind of its action. */
export type QueryAction = Extract<
  HostAction,
  {
    readonly kind:
      | "read-events"
      | "read-timeline"
      | "list-products"
      | "read-product";
  }
>;

/** What the supervisor asks of the shell; its records and its end are the core's. */
export type ServiceEffect = Exclude<
  SupervisorEffect,
  { readonly kind: "event" | "all-stopped" }
>;

/** What the shell is asked to do. */
export type InitEffect =
  /** Something for a service. */
  | { readonly kind: "service"; readonly effect: ServiceEffect }
  /** Read the definitions anew, and answer with an event `definitions`. */
  | { readonly kind: "read-definitions" }
  /** Append to the event log, tell the host, and print. */
  | {
    readonly kind: "record";
    readonly severity: EventSeverity;
    readonly code: EventCodeName;
    readonly text: string;
  }
  /** Print. */
  | { readonly kind: "say"; readonly level: LogLevel; readonly text: string }
  /** Answer a telecommand. */
  | {
    readonly kind: "answer";
    readonly request: HostRequest;
    readonly status: number;
    readonly result?: Uint8Array;
  }
  /** Answer a telecommand with what stands elsewhere, exactly once. */
  | {
    readonly kind: "query";
    readonly request: HostRequest;
    readonly action: QueryAction;
  }
  /** Look for faults, and answer with `fdir-seen`. */
  | {
    readonly kind: "fdir-look";
    readonly subjects: readonly ProcessSubject[];
  }
  /** Set the mission clock. */
  | { readonly kind: "set-clock"; readonly time: MissionTime }
  /** A service's part of the boot has come to an end, if this is one. */
  | {
    readonly kind: "milestone";
    readonly service: string;
    readonly outcome: "done" | "failed";
  }
  /** Send each new line of the log, of one writer or of all, or no more. */
  | {
    readonly kind: "follow-log";
    readonly isOn: boolean;
    readonly name: string | null;
  }
  /** Send a HEALTH frame. */
  | { readonly kind: "health" }
  /** Pet the watchdog. */
  | { readonly kind: "pet" }
  /** This boot is healthy: begin the count of failed boots anew. */
  | { readonly kind: "healthy" }
  /**
   * Failed boots before this one don't count any more: store it, and answer
   * with `boots-forgiven`.
   */
  | { readonly kind: "forgive-boots" }
  /** READY. */
  | { readonly kind: "ready"; readonly text: string }
  /** The work of a stage of the shutdown. */
  | {
    readonly kind: "stage";
    readonly stage: ShutdownStage;
    readonly action: PowerAction;
    readonly report: string;
  };

/** The outcome of a step. */
export interface InitStep {
  /** The state after. */
  readonly state: InitState;
  /** What to do now, in this order. */
  readonly effects: readonly InitEffect[];
}
