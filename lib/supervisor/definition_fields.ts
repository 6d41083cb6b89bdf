/**
 * Every key of a definition file, `/etc/spaceos/services.d/NAME.json`, in one
 * table: its value's shape, its default, and what it does. Checking, the JSON
 * Schema and the reference all come from here. Pure; imports only the
 * supervisor's own files.
 *
 * @module
 */

import { defaultBackoffPolicy } from "./backoff.ts";
import type { ServiceDefinition } from "./service_definition.ts";
import type { Field, Shape } from "./schema.ts";

/** Most services of one machine. */
export const maximumServices = 1024;

/** What a service's name looks like. */
export const serviceNamePattern: RegExp = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

/** The signals of Linux that can be sent by name, in the order of their numbers on x86 and arm. */
export const signalNames: readonly string[] = [
  ..."HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT"
    .split(" "),
  ..."CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
    .split(" "),
].map((name) => `SIG${name}`);

const dayMs = 86_400_000;
const weekMs = 7 * dayMs;

const duration = (minimum = 0, maximum = weekMs): Shape => ({
  kind: "integer",
  minimum,
  maximum,
});
const absolutePath: Shape = {
  kind: "string",
  expectation: "an absolute path",
  pattern: /^\//,
  maximumLength: 4095,
};
const text = (maximumLength: number): Shape => ({
  kind: "string",
  expectation: `a text of at most ${maximumLength} characters, without NUL`,
  maximumLength,
});
const words = (
  entries: Record<string, string>,
): Shape & { kind: "enumeration" } => ({
  kind: "enumeration",
  words: new Map(Object.entries(entries)),
});
const nullable = (of: Shape, nullMeans: string): Shape => ({
  kind: "nullable",
  of,
  nullMeans,
});
const serviceNames: Shape = {
  kind: "array",
  items: {
    kind: "string",
    expectation:
      "a service name: 1 to 64 of a-z 0-9 _ . -, beginning with a letter or digit",
    pattern: serviceNamePattern,
    maximumLength: 64,
  },
  maximumItems: maximumServices,
  isSet: true,
};
const command: Shape = {
  kind: "array",
  items: text(32_768),
  minimumItems: 1,
  maximumItems: 1024,
};
const signal: Shape = words(
  Object.fromEntries(signalNames.map((name) => [name, name])),
);
const identity = (what: string): Shape => ({
  kind: "either",
  of: [
    {
      kind: "string",
      expectation: `the name of a ${what}`,
      pattern: /^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/,
      maximumLength: 33,
    },
    // 2^32 - 1 means "leave as it is" to the kernel.
    { kind: "integer", minimum: 0, maximum: 4_294_967_294 },
  ],
});
const limitValue: Shape = {
  kind: "either",
  of: [
    { kind: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    words({ unlimited: "no limit" }),
  ],
};
const limitNames: readonly string[] =
  ("as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime " +
    "sigpending stack").split(" ");
const capabilityNames: readonly string[] =
  ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP " +
    "LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER " +
    "SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE " +
    "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP " +
    "MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF " +
    "CHECKPOINT_RESTORE").split(" ").map((name) => `CAP_${name}`);
const output = words({
  log: "line by line into the log, with time and name",
  console: "straight to the console",
  null: "thrown away",
});

/** Every key of a definition file, in the order of the reference. */
export const definitionFields: Readonly<
  Record<"$schema" | Exclude<keyof ServiceDefinition, "name">, Field>
> = {
  $schema: {
    description:
      "For editors: where the JSON Schema of this file is. The init ignores it.",
    shape: text(1024),
    fallback: "",
  },
  description: {
    description: "What the service is, for people.",
    shape: text(256),
    fallback: "",
  },
  command: {
    description:
      "The program by its absolute path, and its arguments. No shell is involved: nothing is expanded or split.",
    shape: command,
  },
  environment: {
    description:
      "The environment. It starts empty but for `PATH`, and what readiness and health add (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).",
    shape: {
      kind: "map",
      keys: {
        kind: "string",
        expectation:
          "a variable's name: letters, digits and _, not beginning with a digit",
        pattern: /^[A-Za-z_][A-Za-z0-9_]*$/,
        maximumLength: 256,
      },
      values: text(32_768),
      maximumMembers: 256,
    },
    fallback: {},
  },
  workingDirectory: {
    description: "The directory that the service starts in.",
    shape: absolutePath,
    fallback: "/",
  },
  type: {
    description: "What being up means.",
    shape: words({
      process: "up while it runs",
      oneshot: "up once it has exited with success, until it is stopped",
    }),
    fallback: "process",
  },
  start: {
    description: "When the service is started without being asked.",
    shape: words({
      boot: "at boot",
      demand: "only when a service requires or wants it, or on command",
      shutdown:
        "a oneshot that is run when a shutdown begins, before anything is stopped",
    }),
    fallback: "boot",
  },
  requires: {
    description:
      "Services that must be up before this one starts. When one of them stops, dies or fails, this one is stopped first, or can't start; when it is up again, so is this one.",
    shape: serviceNames,
    fallback: [],
  },
  wants: {
    description:
      "Services that are started with this one, and waited for until they are up or their first attempt failed. What becomes of them later changes nothing here.",
    shape: serviceNames,
    fallback: [],
  },
  after: {
    description:
      "Order only: if one of these is also to be up, it is waited for as in `wants`, but it is not started because of this one. At shutdown the order is reversed.",
    shape: serviceNames,
    fallback: [],
  },
  readiness: {
    description:
      "How the service says that it is ready, so that those that depend on it may start.",
    shape: {
      kind: "object",
      fields: {
        kind: {
          description: "The way it says so.",
          shape: nullable(
            words({
              spawned: "at once, when the process exists",
              exit:
                "by exiting with success: a oneshot, or a process that goes into the background and is then tracked by its cgroup",
              "notify-fd":
                "it writes a line feed to the descriptor `fd` (as for s6)",
              "sd-notify":
                "it sends `READY=1` to the datagram socket named by `NOTIFY_SOCKET` (as for systemd)",
              path: "`path` exists",
            }),
            "`spawned` for a process, `exit` for a oneshot",
          ),
          fallback: null,
        },
        fd: {
          description:
            "The number of the descriptor in the process, for `notify-fd`.",
          shape: nullable(
            { kind: "integer", minimum: 3, maximum: 255 },
            "none",
          ),
          fallback: null,
        },
        path: {
          description:
            "The absolute path that appears, for `path`. It is removed before the start if it is a socket or a plain file.",
          shape: nullable(absolutePath, "none"),
          fallback: null,
        },
        timeoutMs: {
          description:
            "The longest time from the start (of the first `pre` command) to ready, for a oneshot to its exit. Later than that is a failure.",
          shape: nullable(duration(1), "no limit"),
          fallback: 60_000,
        },
      },
    },
    fallback: { kind: null, fd: null, path: null, timeoutMs: 60_000 },
  },
  restart: {
    description:
      "Which ends are followed by another attempt, after the backoff.",
    shape: nullable(
      words({
        always: "any end, also with success (not for a oneshot)",
        "on-failure": "an end that is not a success",
        never: "none",
      }),
      "`always` for a process, `never` for a oneshot",
    ),
    fallback: null,
  },
  successCodes: {
    description: "Exit codes that are a success.",
    shape: {
      kind: "array",
      items: { kind: "integer", minimum: 0, maximum: 255 },
      maximumItems: 256,
      isSet: true,
    },
    fallback: [0],
  },
  successSignals: {
    description: "Signals whose death is a success.",
    shape: { kind: "array", items: signal, maximumItems: 31, isSet: true },
    fallback: [],
  },
  backoff: {
    description: "The delay between a failure and the next attempt.",
    shape: {
      kind: "object",
      fields: {
        initialMs: {
          description:
            "After the first failure. With 0 a run that was up for a second is followed at once; after a shorter one at least 10 ms are waited, so that a service that fails at once does not keep PID 1 busy.",
          shape: duration(0, dayMs),
          fallback: defaultBackoffPolicy.initialMs,
        },
        factor: {
          description:
            "What each further failure in a row multiplies the delay by.",
          shape: { kind: "number", minimum: 1, maximum: 100 },
          fallback: defaultBackoffPolicy.factor,
        },
        maximumMs: {
          description: "The longest delay, before jitter.",
          shape: duration(10, dayMs),
          fallback: defaultBackoffPolicy.maximumMs,
        },
        jitter: {
          description:
            "The most that chance adds, as a share of the delay, so that services that failed together do not come back together.",
          shape: { kind: "number", minimum: 0, maximum: 1 },
          fallback: defaultBackoffPolicy.jitter,
        },
        resetAfterMs: {
          description:
            "A run that was up for this long clears the count of failures.",
          shape: duration(0),
          fallback: defaultBackoffPolicy.resetAfterMs,
        },
      },
    },
    fallback: { ...defaultBackoffPolicy },
  },
  restartLimit: {
    description: "When attempts end and the service is Failed.",
    shape: {
      kind: "object",
      fields: {
        maximum: {
          description: "Most restarts in the window; one more is a failure.",
          shape: nullable(
            { kind: "integer", minimum: 0, maximum: 1000 },
            "no limit",
          ),
          fallback: 10,
        },
        windowMs: {
          description: "The window.",
          shape: duration(1),
          fallback: 600_000,
        },
      },
    },
    fallback: { maximum: 10, windowMs: 600_000 },
  },
  health: {
    description: "Signs of life while the service is up.",
    shape: {
      kind: "object",
      fields: {
        watchdogMs: {
          description:
            "The longest time between two `WATCHDOG=1` on `NOTIFY_SOCKET`. A miss is a failure: the process is stopped and restarted by the policy.",
          shape: nullable(duration(100, dayMs), "no signs are expected"),
          fallback: null,
        },
      },
    },
    fallback: { watchdogMs: null },
  },
  stop: {
    description: "How the service is stopped.",
    shape: {
      kind: "object",
      fields: {
        signal: {
          description:
            "The signal that asks. A stopped process also gets SIGCONT.",
          shape: signal,
          fallback: "SIGTERM",
        },
        timeoutMs: {
          description:
            "How long it has before SIGKILL goes to its cgroup, or its process group where there are no cgroups.",
          shape: duration(0, dayMs),
          fallback: 10_000,
        },
        scope: {
          description: "Whom the signal asks.",
          shape: words({
            process: "the main process",
            group: "its process group",
            cgroup: "every process of its cgroup",
          }),
          fallback: "group",
        },
      },
    },
    fallback: { signal: "SIGTERM", timeoutMs: 10_000, scope: "group" },
  },
  user: {
    description: "The user that the service runs as, with no way back to root.",
    shape: nullable(identity("user"), "root"),
    fallback: null,
  },
  group: {
    description: "The group that it runs as.",
    shape: nullable(identity("group"), "the user's own"),
    fallback: null,
  },
  supplementaryGroups: {
    description: "Its other groups.",
    shape: nullable(
      {
        kind: "array",
        items: identity("group"),
        maximumItems: 256,
        isSet: true,
      },
      "those of the user in `/etc/group`",
    ),
    fallback: null,
  },
  ambientCapabilities: {
    description: "Capabilities that it keeps although it does not run as root.",
    shape: {
      kind: "array",
      items: words(
        Object.fromEntries(capabilityNames.map((name) => [name, name])),
      ),
      maximumItems: capabilityNames.length,
      isSet: true,
    },
    fallback: [],
  },
  noNewPrivileges: {
    description:
      "Whether executing a file may never add privileges (set-user-id, file capabilities). A thread can't take this back, so one service that says false keeps the init from setting it for all.",
    shape: { kind: "boolean" },
    fallback: true,
  },
  limits: {
    description:
      "Limits of the kernel by their lower-case name (`nofile` is RLIMIT_NOFILE): a number or `unlimited` for both, or an object with `soft` and `hard`.",
    shape: {
      kind: "map",
      keys: words(
        Object.fromEntries(limitNames.map((name) => [name, `RLIMIT_${name}`])),
      ),
      values: {
        kind: "either",
        of: [
          ...limitValue.of,
          {
            kind: "object",
            fields: {
              soft: { description: "The limit in force.", shape: limitValue },
              hard: {
                description: "How far the process may raise it.",
                shape: limitValue,
              },
            },
          },
        ],
      },
      maximumMembers: limitNames.length,
    },
    fallback: {},
  },
  nice: {
    description: "Scheduling priority; lower is served first.",
    shape: { kind: "integer", minimum: -20, maximum: 19 },
    fallback: 0,
  },
  oomScoreAdjust: {
    description:
      "How much sooner than others it is ended when memory runs out.",
    shape: { kind: "integer", minimum: -1000, maximum: 1000 },
    fallback: 0,
  },
  umask: {
    description: "The file mode creation mask, three or four octal digits.",
    shape: {
      kind: "string",
      expectation: 'an octal mask in quotes, such as "0022"',
      pattern: /^0?[0-7]{3}$/,
      maximumLength: 4,
    },
    fallback: "0022",
  },
  cgroup: {
    description: "Limits of the service's cgroup (v2).",
    shape: {
      kind: "object",
      fields: {
        memoryMaxBytes: {
          description:
            "`memory.max`: beyond it the kernel ends processes of the service.",
          shape: nullable(
            {
              kind: "integer",
              minimum: 4096,
              maximum: Number.MAX_SAFE_INTEGER,
            },
            "no limit",
          ),
          fallback: null,
        },
        memoryHighBytes: {
          description: "`memory.high`: beyond it the service is slowed down.",
          shape: nullable(
            {
              kind: "integer",
              minimum: 4096,
              maximum: Number.MAX_SAFE_INTEGER,
            },
            "no limit",
          ),
          fallback: null,
        },
        cpuWeight: {
          description:
            "`cpu.weight`: its share of the processor against others; the kernel's default is 100.",
          shape: nullable(
            { kind: "integer", minimum: 1, maximum: 10_000 },
            "the kernel's default",
          ),
          fallback: null,
        },
        pidsMaximum: {
          description: "`pids.max`: most processes and threads.",
          shape: nullable(
            { kind: "integer", minimum: 1, maximum: 4_194_304 },
            "no limit",
          ),
          fallback: null,
        },
      },
    },
    fallback: {
      memoryMaxBytes: null,
      memoryHighBytes: null,
      cpuWeight: null,
      pidsMaximum: null,
    },
  },
  stdin: {
    description: "What it reads from.",
    shape: words({ null: "nothing: `/dev/null`", console: "the console" }),
    fallback: "null",
  },
  stdout: {
    description: "Where its output goes.",
    shape: output,
    fallback: "log",
  },
  stderr: {
    description: "Where its error output goes.",
    shape: output,
    fallback: "log",
  },
  critical: {
    description:
      "Whether the machine is of no use without it: when it is Failed, or can't be stopped, the hardware watchdog is no longer served.",
    shape: { kind: "boolean" },
    fallback: false,
  },
  safeMode: {
    description: "Whether it runs in safe mode, too.",
    shape: { kind: "boolean" },
    fallback: false,
  },
  pre: {
    description:
      "Commands that are run one after the other before `command`, as the same user; a failure of one is a failure of the service.",
    shape: { kind: "array", items: command, maximumItems: 16 },
    fallback: [],
  },
  post: {
    description:
      "Commands that are run one after the other once the service has come down, for whatever reason, each with `stop.timeoutMs`; their outcome changes nothing. `SPACEOS_EXIT` tells how it ended: its exit code, or the name of the signal.",
    shape: { kind: "array", items: command, maximumItems: 16 },
    fallback: [],
  },
};
