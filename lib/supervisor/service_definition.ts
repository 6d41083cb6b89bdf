/**
 * What a service is, once its definition is complete: every key with its value,
 * given or by default. Types only; imports the backoff's policy.
 *
 * @module
 */

import type { BackoffPolicy } from "./backoff.ts";

/** A limit of the kernel on a process; null is no limit. */
export interface ResourceLimit {
  /** The limit in force. */
  readonly soft: number | null;
  /** How far the process may raise it. */
  readonly hard: number | null;
}

/** How a service says that it is ready. */
export interface Readiness {
  /**
   * `spawned`: at once. `exit`: by a successful exit (a oneshot; a process that
   * goes into the background). `notify-fd`: a line feed on a descriptor.
   * `sd-notify`: `READY=1` on the socket in `NOTIFY_SOCKET`. `path`: a path exists.
   */
  readonly kind: "spawned" | "exit" | "notify-fd" | "sd-notify" | "path";
  /** The descriptor's number in the process, for `notify-fd`. */
  readonly fd: number | null;
  /** The absolute path, for `path`. */
  readonly path: string | null;
  /** The longest time from start to ready, in milliseconds; null waits for ever. */
  readonly timeoutMs: number | null;
}

/** A service, with every default filled in. */
export interface ServiceDefinition {
  /** The name: the file's, without `.json`. */
  readonly name: string;
  /** What it is, for people. */
  readonly description: string;
  /** The absolute path of the program, and its arguments. */
  readonly command: readonly string[];
  /** The whole environment, besides what the init adds. */
  readonly environment: Readonly<Record<string, string>>;
  /** An absolute path. */
  readonly workingDirectory: string;
  /** `process`: up while it runs. `oneshot`: up once it exited with success. */
  readonly type: "process" | "oneshot";
  /** When it is started without being asked. */
  readonly start: "boot" | "demand" | "shutdown";
  /** Hard dependencies. */
  readonly requires: readonly string[];
  /** Soft dependencies. */
  readonly wants: readonly string[];
  /** Order only. */
  readonly after: readonly string[];
  /** How it says that it is ready. */
  readonly readiness: Readiness;
  /** Which ends are followed by another attempt. */
  readonly restart: "always" | "on-failure" | "never";
  /** Exit codes that are a success. */
  readonly successCodes: readonly number[];
  /** Signals whose death is a success. */
  readonly successSignals: readonly string[];
  /** The delay between attempts. */
  readonly backoff: BackoffPolicy;
  /** When attempts end. */
  readonly restartLimit: {
    /** Most restarts in the window; null is no limit. */
    readonly maximum: number | null;
    /** The window in milliseconds. */
    readonly windowMs: number;
  };
  /** Signs of life. */
  readonly health: {
    /** The longest time between two `WATCHDOG=1`, in milliseconds; null expects none. */
    readonly watchdogMs: number | null;
  };
  /** How it is stopped. */
  readonly stop: {
    /** The name of the signal that asks. */
    readonly signal: string;
    /** How long it has before SIGKILL, in milliseconds. */
    readonly timeoutMs: number;
    /** Whom the signal asks. SIGKILL goes to the cgroup, else the process group. */
    readonly scope: "process" | "group" | "cgroup";
  };
  /** A user's name or number; null is the init's own, root. */
  readonly user: string | number | null;
  /** A group's name or number; null is the user's own. */
  readonly group: string | number | null;
  /** Names or numbers; null is those of the user in `/etc/group`. */
  readonly supplementaryGroups: readonly (string | number)[] | null;
  /** Names such as `CAP_NET_BIND_SERVICE`. */
  readonly ambientCapabilities: readonly string[];
  /** Whether `execve` may never add privileges. */
  readonly noNewPrivileges: boolean;
  /** Limits by their lower-case name, `nofile` for RLIMIT_NOFILE. */
  readonly limits: Readonly<Record<string, ResourceLimit>>;
  /** Scheduling priority, -20 to 19. */
  readonly nice: number;
  /** `oom_score_adj`, -1000 to 1000. */
  readonly oomScoreAdjust: number;
  /** The file mode creation mask, 0 to 0o777. */
  readonly umask: number;
  /** Limits of its cgroup; null leaves the kernel's default. */
  readonly cgroup: {
    /** `memory.max` in bytes. */
    readonly memoryMaxBytes: number | null;
    /** `memory.high` in bytes. */
    readonly memoryHighBytes: number | null;
    /** `cpu.weight`, 1 to 10000. */
    readonly cpuWeight: number | null;
    /** `pids.max`. */
    readonly pidsMaximum: number | null;
  };
  /** Where it reads from. */
  readonly stdin: "null" | "console";
  /** Where it writes to. */
  readonly stdout: "log" | "console" | "null";
  /** Where it complains to. */
  readonly stderr: "log" | "console" | "null";
  /** Whether the machine is of no use without it. */
  readonly critical: boolean;
  /** Whether it runs in safe mode, too. */
  readonly safeMode: boolean;
  /** Commands that must succeed, one after the other, before `command`. */
  readonly pre: readonly (readonly string[])[];
  /** Commands that run, one after the other, once it has come down. */
  readonly post: readonly (readonly string[])[];
}
