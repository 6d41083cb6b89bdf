/**
 * What the supervisor is told (events), what it asks for (effects), and what it
 * knows in between (state). Types only; imports only the supervisor's own files
 * and the table of event codes.
 *
 * Every process is an *instance* with a number that is never used again. Each
 * effect and each event about a process carries it, so that news of an earlier
 * process can't be taken for news of the present one.
 *
 * @module
 */

import type { EventSeverity } from "../wire/event.ts";
import type { EventCodeName } from "../wire/event_code.ts";
import type { ServiceDefinition } from "./service_definition.ts";
import type { ServiceGraph } from "./graph.ts";
import type {
  ExitStatus,
  ServicePolicy,
  ServiceState,
} from "./service_types.ts";

/** Which command of a service a process runs. */
export type ServicePhase = "pre" | "main" | "post";

/** What somebody can ask of one service. */
export type ServiceCommand =
  | "start"
  | "stop"
  | "restart"
  | "isolate"
  | "resume";

/** What happened. */
export type SupervisorEvent =
  /** The boot has come to its services: start those with `start: boot`. */
  | { readonly kind: "start-all" }
  /** Time passed; nothing else is needed at {@linkcode nextDeadlineMs}. */
  | { readonly kind: "tick" }
  /** The process of an effect `spawn` exists. */
  | {
    readonly kind: "spawned";
    readonly service: string;
    readonly instance: number;
    readonly pid: number;
    /** Whether it is in a cgroup of its service, which also tells when it is empty. */
    readonly hasCgroup: boolean;
  }
  /** The process of an effect `spawn` could not be made. */
  | {
    readonly kind: "spawn-failed";
    readonly service: string;
    readonly instance: number;
    /** Why, for example `posix_spawn: ENOENT: /bin/web`. */
    readonly error: string;
  }
  /** A process was reaped. */
  | {
    readonly kind: "exited";
    readonly service: string;
    readonly instance: number;
    readonly exit: ExitStatus;
  }
  /** Whether a service's cgroup holds live processes: the answer to `check-cgroup`, or a change. */
  | {
    readonly kind: "cgroup";
    readonly service: string;
    readonly instance: number;
    readonly isPopulated: boolean;
  }
  /** A line feed came on the descriptor of `notify-fd`. */
  | {
    readonly kind: "notify-line";
    readonly service: string;
    readonly instance: number;
  }
  /** A datagram came on the socket of `NOTIFY_SOCKET`; `text` is all of it. */
  | {
    readonly kind: "sd-notify";
    readonly service: string;
    readonly instance: number;
    readonly text: string;
  }
  /** The path of `watch-path` exists. */
  | {
    readonly kind: "path-exists";
    readonly service: string;
    readonly instance: number;
  }
  /** A check from outside found the process broken: stop it, and count a failure. */
  | {
    readonly kind: "unhealthy";
    readonly service: string;
    readonly instance: number;
    readonly error: string;
  }
  /** Somebody asks something of a service. */
  | {
    readonly kind: "command";
    readonly command: ServiceCommand;
    readonly service: string;
  }
  /** New definitions. Refused as a whole when their graph has an error. */
  | {
    readonly kind: "reload";
    readonly definitions: readonly ServiceDefinition[];
  }
  /** Only services of safe mode, from now on, or all again. */
  | { readonly kind: "enter-safe-mode" | "leave-safe-mode" }
  /** Stop everything. The second time cuts every time-out to a second, the third kills at once. */
  | { readonly kind: "shutdown" };

/** What the shell is to do. */
export type SupervisorEffect =
  /** Make a process; answer with `spawned` or `spawn-failed` in the same turn. */
  | {
    readonly kind: "spawn";
    readonly service: string;
    readonly instance: number;
    readonly phase: ServicePhase;
    readonly command: readonly string[];
    /** User, limits, environment and all the rest. */
    readonly definition: ServiceDefinition;
    /** For `post`: how the main process ended, if it did. */
    readonly lastExit: ExitStatus | null;
  }
  /** Send a signal to a live, unreaped process, its group, or every process of its cgroup. */
  | {
    readonly kind: "signal";
    readonly service: string;
    readonly instance: number;
    /** The process; null when it has been reaped and only its cgroup is left (scope is `cgroup`). */
    readonly pid: number | null;
    readonly signal: string;
    readonly scope: "process" | "group" | "cgroup";
  }
  /** Read `cgroup.events` of the service and answer with an event `cgroup`. */
  | {
    readonly kind: "check-cgroup";
    readonly service: string;
    readonly instance: number;
  }
  /** Tell `path-exists` as soon as the path exists, now or later. */
  | {
    readonly kind: "watch-path";
    readonly service: string;
    readonly instance: number;
    readonly path: string;
  }
  /** Forget about the path. */
  | {
    readonly kind: "unwatch-path";
    readonly service: string;
    readonly instance: number;
  }
  /** Stop or continue every process of the service: `cgroup.freeze`, else SIGSTOP, SIGCONT to its group. */
  | {
    readonly kind: "freeze" | "thaw";
    readonly service: string;
    readonly instance: number;
    readonly pid: number | null;
  }
  /** Nothing is left of a service that is defined no more: close and remove what was made for it. */
  | { readonly kind: "forget"; readonly service: string }
  /** Append to the event log. */
  | {
    readonly kind: "event";
    readonly code: EventCodeName;
    readonly severity: EventSeverity;
    /** The service it is about, or null. */
    readonly service: string | null;
    readonly text: string;
  }
  /** Every service is down, or was given up. Sent once. */
  | {
    readonly kind: "all-stopped";
    readonly report: readonly ShutdownReportEntry[];
  };

/** How one service stopped in a shutdown. */
export interface ShutdownReportEntry {
  /** The service. */
  readonly service: string;
  /** From the request to stop to its end, or to giving up, in milliseconds. */
  readonly durationMs: number;
  /** Whether it needed SIGKILL. */
  readonly neededKill: boolean;
  /** Whether it was still there after SIGKILL. */
  readonly isLeft: boolean;
}

/** The way of a process out of the world. */
export interface Termination {
  /** `asked`: has until the deadline. `killed`: got SIGKILL. `abandoned`: is there all the same. */
  readonly stage: "asked" | "killed" | "abandoned";
  /** When it began, in milliseconds. */
  readonly sinceMs: number;
  /** When the next stage begins, in milliseconds; Infinity for the last. */
  readonly deadlineMs: number;
  /** Whether the stop signal was, or is to be, sent: false when it goes by itself. */
  readonly isSignalled: boolean;
}

/** A process of a service, from the effect `spawn` until nothing of it is left. */
export interface ServiceInstance {
  /** Its number, never used again. */
  readonly number: number;
  /** Which command it runs. */
  readonly phase: ServicePhase;
  /** Which of the `pre` or `post` commands, from 0. */
  readonly commandIndex: number;
  /** Null before `spawned` and after `exited`. */
  readonly pid: number | null;
  /** Whether its service's cgroup tells what is left of it. */
  readonly hasCgroup: boolean;
  /** Whether it was reaped; what remains are processes of its cgroup. */
  readonly isExited: boolean;
  /** Whether it went into the background as agreed: the cgroup is the service now. */
  readonly isBackground: boolean;
  /** Whether the shell looks out for its readiness path. */
  readonly isWatchingPath: boolean;
  /** Since when it is frozen, in milliseconds, or null. */
  readonly frozenSinceMs: number | null;
  /** How it is being ended, or null. */
  readonly termination: Termination | null;
}

/** All that is known of one service. */
export interface ServiceRecord {
  /** The definition in force. */
  readonly definition: ServiceDefinition;
  /** The part of it that `svcStep` needs. */
  readonly policy: ServicePolicy;
  /** Whether it should be up, if mode and dependencies allow. */
  readonly isWanted: boolean;
  /** One of the five states. */
  readonly state: ServiceState;
  /** The one process that may exist. */
  readonly instance: ServiceInstance | null;
  /** A restart that waits for those that depend on it to come down. */
  readonly isRestartRequested: boolean;
  /** Held by `isolate`: frozen, and not started again. */
  readonly isIsolated: boolean;
  /** Its definition is gone: it is forgotten once it is down. */
  readonly isRemoved: boolean;
  /** It was removed, is down, and the shell was told to forget it. */
  readonly isForgotten: boolean;
  /** Its process was started with an earlier definition. */
  readonly isOutdated: boolean;
  /** It lost a dependency, and waits for those that depend on it to come down first. */
  readonly isLosing: boolean;
  /** What is wrong with its place in the graph, or null. */
  readonly problem: string | null;
  /** The last `STATUS=` it sent, cut to 128 characters. */
  readonly statusText: string;
  /** When something is due, in milliseconds; Infinity when nothing is. */
  readonly deadlineMs: number;
  /** What its neighbours in the graph were last told, as bits. */
  readonly published: number;
}

/** A shutdown under way. */
export interface Shutdown {
  /** `tasks`: the services of `start: shutdown` run. `stopping`: services come down. `done`. */
  readonly stage: "tasks" | "stopping" | "done";
  /** When it was asked for, in milliseconds. */
  readonly sinceMs: number;
  /** When the tasks' time is over, in milliseconds. */
  readonly tasksDeadlineMs: number;
  /** How often it was asked for again, at most 2. */
  readonly urgency: 0 | 1 | 2;
  /** Who has stopped so far. */
  readonly report: readonly ShutdownReportEntry[];
}

/** Everything the supervisor knows. A value: steps never change it, they make another. */
export interface SupervisorState {
  /** The services' graph; its indices are those of `records`. */
  readonly graph: ServiceGraph;
  /** The services. */
  readonly records: readonly ServiceRecord[];
  /** Which services safe mode runs: those marked, and what they require. */
  readonly isAllowedInSafeMode: readonly boolean[];
  /** The number of the next instance. */
  readonly nextInstance: number;
  /** Whether `start-all` came. */
  readonly isStarted: boolean;
  /** Whether only services of safe mode run. */
  readonly isSafeMode: boolean;
  /** The shutdown, or null. */
  readonly shutdown: Shutdown | null;
}

/** What a step made. */
export interface SupervisorStep {
  /** The state after the event. */
  readonly state: SupervisorState;
  /** What to do, in this order. */
  readonly effects: readonly SupervisorEffect[];
}

/** How long after SIGKILL a process is given up, in milliseconds. */
export const killGraceMs = 5_000;

/** What a second request makes of every time-out of a shutdown, in milliseconds. */
export const urgentTimeoutMs = 1_000;

/** How long the services of `start: shutdown` have together, in milliseconds. */
export const shutdownTasksTimeoutMs = 30_000;
