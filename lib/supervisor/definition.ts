/**
 * How a service's definition is read from `/etc/spaceos/services.d/NAME.json`,
 * and the rules between its keys. What a complete one is stands in
 * `service_definition.ts`, the keys themselves in `definition_fields.ts`. Pure;
 * imports only the supervisor's own files.
 *
 * @module
 */

import { definitionFields, serviceNamePattern } from "./definition_fields.ts";
import type { JsonNode } from "./json.ts";
import { parseReported } from "./json_object.ts";
import { type Issue, type IssueSink, report, resolveShape } from "./schema.ts";
import { jsonSchemaOf, referenceOf } from "./schema_output.ts";
import type { Readiness, ServiceDefinition } from "./service_definition.ts";
import type { ServicePolicy } from "./service_types.ts";

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
