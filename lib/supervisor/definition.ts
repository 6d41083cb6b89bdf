/**
 * What a service is: the type of a complete definition, how one is read from
 * `/etc/spaceos/services.d/NAME.json`, and the rules between its keys. The keys
 * themselves stand in `definition_fields.ts`. Pure; imports only the
 * supervisor's own files.
 *
 * @module
 */

import type { BackoffPolicy } from "./backoff.ts";
import { definitionFields, serviceNamePattern } from "./definition_fields.ts";
import type { JsonNode } from "./json.ts";
import { parseReported } from "./json_object.ts";
import { type Issue, type IssueSink, report, resolveShape } from "./schema.ts";
import { jsonSchemaOf, referenceOf } from "./schema_output.ts";
import type { ServicePolicy } from "./service_types.ts";

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

/** A definition file's outcome. */
export interface ParsedDefinition {
  /** The definition, or null when the file has an error. */
  readonly definition: ServiceDefinition | null;
  /** Everything that was found. */
  readonly issues: readonly Issue[];
  /** The file as a tree, or null when it is not JSON. */
  readonly root: JsonNode | null;
}

/** Most bytes of a definition file. */
export const maximumDefinitionBytes = 65_536;

/**
 * Checks one definition file and fills in its defaults. Every mistake is
 * reported, not only the first; nothing throws.
 *
 * @param file The file's path; its name without `.json` is the service's name.
 * @param source The file's text.
 * @returns The definition, if it has no error, and all that was found.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { parseDefinition } from "./definition.ts";
 * import { issueText } from "./schema.ts";
 *
 * const good = parseDefinition("web.json", '{ "command": ["/bin/web"] }');
 * assertEquals(good.definition?.restart, "always");
 * const bad = parseDefinition("web.json", '{ "comand": ["/bin/web"] }');
 * assertEquals(bad.issues.map(issueText), [
 *   'web.json:1:3: error: $.comand: unknown key, expected a known one (did you mean "command"?), met an array of 1',
 *   "web.json:1:1: error: $.command: the key is required; expected an array of 1 to 1024 values, each a text of at most 32768 characters, without NUL, met nothing",
 * ]);
 * ```
 */
export function parseDefinition(
  file: string,
  source: string,
): ParsedDefinition {
  const sink: IssueSink = { file, issues: [] };
  const baseName = file.slice(file.lastIndexOf("/") + 1);
  const name = baseName.replace(/\.json$/, "");
  if (!baseName.endsWith(".json") || !serviceNamePattern.test(name)) {
    report(
      sink,
      null,
      "",
      "expected a file name of 1 to 64 of a-z 0-9 _ . -, beginning with a letter or digit, " +
        `and .json, met ${JSON.stringify(baseName.slice(0, 80))}`,
    );
  }
  // A character takes at least one byte, so this also bounds the work below.
  if (source.length > maximumDefinitionBytes) {
    report(
      sink,
      null,
      "",
      `expected at most ${maximumDefinitionBytes} bytes, met ${source.length}`,
    );
    return { definition: null, issues: sink.issues, root: null };
  }
  const root = parseReported(source, sink);
  if (root === null) return { definition: null, issues: sink.issues, root };
  const value = resolveShape(
    { kind: "object", fields: definitionFields },
    root,
    "$",
    sink,
  );
  // The rules between keys are about values that are right by themselves.
  if (sink.issues.length > 0) {
    return { definition: null, issues: sink.issues, root };
  }
  const definition = complete(name, value as RawDefinition);
  checkTogether(definition, root, sink);
  const hasError = sink.issues.some((issue) => issue.severity === "error");
  return {
    definition: hasError ? null : definition,
    issues: sink.issues,
    root,
  };
}

/**
 * A definition from a command and whatever differs from the defaults, for
 * programs that make services themselves.
 *
 * @param name The service's name.
 * @param parts The command and all that differs.
 * @returns The definition.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { defineService } from "./definition.ts";
 *
 * const service = defineService("web", { command: ["/bin/web"], type: "oneshot" });
 * assertEquals([service.restart, service.readiness.kind], ["never", "exit"]);
 * ```
 */
export function defineService(
  name: string,
  parts:
    & Pick<ServiceDefinition, "command">
    & Partial<Omit<ServiceDefinition, "name">>,
): ServiceDefinition {
  const base = parseDefinition(
    "service.json",
    JSON.stringify({ command: ["/"], type: parts.type ?? "process" }),
  ).definition;
  if (base === null) {
    throw new Error("the defaults of a definition are not valid");
  }
  return { ...base, ...parts, name };
}

/**
 * The part of a definition that decides about its states.
 *
 * @param definition The service.
 * @returns What `svcStep` needs.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { defineService, policyOf } from "./definition.ts";
 *
 * assertEquals(policyOf(defineService("web", { command: ["/bin/web"] })).readiness, "spawned");
 * ```
 */
export function policyOf(definition: ServiceDefinition): ServicePolicy {
  return {
    type: definition.type,
    restart: definition.restart,
    successCodes: definition.successCodes,
    successSignals: definition.successSignals,
    backoff: definition.backoff,
    maximumRestarts: definition.restartLimit.maximum,
    restartWindowMs: definition.restartLimit.windowMs,
    readiness: definition.readiness.kind === "spawned" ? "spawned" : "notified",
    startTimeoutMs: definition.readiness.timeoutMs,
    watchdogMs: definition.health.watchdogMs,
  };
}

/**
 * The JSON Schema (draft 2020-12) of a definition file.
 *
 * @returns The schema, ready for `JSON.stringify`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { definitionJsonSchema } from "./definition.ts";
 *
 * assertEquals(definitionJsonSchema().required, ["command"]);
 * ```
 */
export function definitionJsonSchema(): Record<string, unknown> {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "https://jsr.io/@spaceos/pid1/service.schema.json",
    title: "A service of spaceos-init",
    description: "/etc/spaceos/services.d/NAME.json",
    ...jsonSchemaOf({ kind: "object", fields: definitionFields }),
  };
}

/**
 * The reference of a definition file's keys, as a Markdown table.
 *
 * @returns The table.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert/string-includes";
 * import { definitionReference } from "./definition.ts";
 *
 * assertStringIncludes(definitionReference(), "| `readiness.timeoutMs` |");
 * ```
 */
export function definitionReference(): string {
  const { $schema: _, ...fields } = definitionFields;
  return referenceOf(fields);
}

type RawLimit = number | "unlimited";

/** A definition as the table leaves it: defaults that depend on other keys are still null. */
interface RawDefinition extends
  Omit<
    ServiceDefinition,
    "name" | "readiness" | "restart" | "limits" | "umask"
  > {
  readonly $schema: string;
  readonly readiness: Omit<Readiness, "kind"> & {
    readonly kind: Readiness["kind"] | null;
  };
  readonly restart: ServiceDefinition["restart"] | null;
  readonly limits: Readonly<
    Record<
      string,
      RawLimit | { readonly soft: RawLimit; readonly hard: RawLimit }
    >
  >;
  readonly umask: string;
}

function complete(name: string, raw: RawDefinition): ServiceDefinition {
  const { $schema: _, ...rest } = raw;
  const isOneshot = raw.type === "oneshot";
  const limit = (value: RawLimit): number | null =>
    value === "unlimited" ? null : value;
  return {
    ...rest,
    name,
    readiness: {
      ...raw.readiness,
      kind: raw.readiness.kind ?? (isOneshot ? "exit" : "spawned"),
    },
    restart: raw.restart ?? (isOneshot ? "never" : "always"),
    limits: Object.fromEntries(
      Object.entries(raw.limits).map(([key, value]) => [
        key,
        typeof value === "object"
          ? { soft: limit(value.soft), hard: limit(value.hard) }
          : { soft: limit(value), hard: limit(value) },
      ]),
    ),
    umask: parseInt(raw.umask, 8),
  };
}

/** The rules between keys of one definition. */
function checkTogether(
  definition: ServiceDefinition,
  root: JsonNode,
  sink: IssueSink,
): void {
  const { readiness } = definition;
  const isOneshot = definition.type === "oneshot";
  const fail = (path: string, expectation: string): void =>
    report(sink, nodeAt(root, path), path, expectation);
  const paths: [string, readonly string[]][] = [
    ["$.command", definition.command],
    ...definition.pre.map((
      one,
      index,
    ): [string, readonly string[]] => [`$.pre[${index}]`, one]),
    ...definition.post.map((
      one,
      index,
    ): [string, readonly string[]] => [`$.post[${index}]`, one]),
  ];
  for (const [path, [program]] of paths) {
    if (program?.startsWith("/") !== true) {
      fail(`${path}[0]`, "expected the program's absolute path");
    }
  }
  if (isOneshot && definition.restart === "always") {
    fail(
      "$.restart",
      "expected on-failure or never, because a oneshot ends when its work is done",
    );
  }
  if (isOneshot && readiness.kind !== "exit") {
    fail(
      "$.readiness.kind",
      "expected exit, because a oneshot is up once it has exited",
    );
  }
  if (isOneshot && definition.health.watchdogMs !== null) {
    fail(
      "$.health.watchdogMs",
      "expected null, because a oneshot that is up has no process",
    );
  }
  if (
    !isOneshot && readiness.kind === "exit" &&
    definition.health.watchdogMs !== null
  ) {
    fail(
      "$.health.watchdogMs",
      "expected null, because a process in the background has no socket to the init",
    );
  }
  if (!isOneshot && definition.start === "shutdown") {
    fail(
      "$.start",
      "expected boot or demand, because only a oneshot can run at shutdown",
    );
  }
  if (
    !isOneshot && readiness.kind === "exit" &&
    definition.stop.scope !== "cgroup"
  ) {
    fail(
      "$.stop.scope",
      "expected cgroup, because a process in the background is known by its cgroup only",
    );
  }
  if ((readiness.kind === "notify-fd") !== (readiness.fd !== null)) {
    fail(
      "$.readiness.fd",
      readiness.fd === null
        ? "expected a descriptor number, because readiness.kind is notify-fd"
        : "expected null, because readiness.kind is not notify-fd",
    );
  }
  if ((readiness.kind === "path") !== (readiness.path !== null)) {
    fail(
      "$.readiness.path",
      readiness.path === null
        ? "expected an absolute path, because readiness.kind is path"
        : "expected null, because readiness.kind is not path",
    );
  }
  if (definition.backoff.maximumMs < definition.backoff.initialMs) {
    fail(
      "$.backoff.maximumMs",
      `expected at least initialMs, ${definition.backoff.initialMs}`,
    );
  }
  for (const [key, { soft, hard }] of Object.entries(definition.limits)) {
    if (hard !== null && (soft === null || soft > hard)) {
      fail(`$.limits.${key}.soft`, `expected at most the hard limit, ${hard}`);
    }
  }
  const { memoryHighBytes, memoryMaxBytes } = definition.cgroup;
  if (
    memoryHighBytes !== null && memoryMaxBytes !== null &&
    memoryHighBytes > memoryMaxBytes
  ) {
    fail(
      "$.cgroup.memoryHighBytes",
      `expected at most memoryMaxBytes, ${memoryMaxBytes}`,
    );
  }
  if (definition.critical && definition.restart === "never" && !isOneshot) {
    report(
      sink,
      nodeAt(root, "$.critical"),
      "$.critical",
      "a critical service that is never restarted resets the machine at its first failure",
      "warning",
    );
  }
}

/**
 * The value at a JSON path such as `$.pre[0]`, or the nearest one around it
 * that the file has.
 *
 * @param root The file.
 * @param path The path, of members by name and elements by number.
 * @returns The value.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { nodeAt } from "./definition.ts";
 * import { parseJson } from "./json.ts";
 *
 * assertEquals(nodeAt(parseJson('{"a":[1,2]}'), "$.a[1]").position.column, 9);
 * ```
 */
export function nodeAt(root: JsonNode, path: string): JsonNode {
  let node = root;
  for (
    const [, member, index] of path.matchAll(/\.([A-Za-z_]+)|\[([0-9]+)\]/g)
  ) {
    const next = node.kind === "object"
      ? node.members.find((one) => one.key === member)?.value
      : node.kind === "array" && index !== undefined
      ? node.items[Number(index)]
      : undefined;
    if (next === undefined) return node;
    node = next;
  }
  return node;
}
