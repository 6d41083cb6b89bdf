/**
 * OCI bundles as LinuxKit lays them out, turned into service definitions:
 *
 * | directory                | becomes                                             |
 * |--------------------------|-----------------------------------------------------|
 * | `/containers/onboot/*`   | oneshots, one after the other in the order of names |
 * | `/containers/services/*` | supervised processes, after all of onboot           |
 * | `/containers/onshutdown/*` | oneshots of a shutdown, one after the other       |
 *
 * Each is run by `runc` or `crun`, which reads the bundle's `config.json`
 * itself; here only what decides about supervision is read and checked. What
 * must be mounted before (a writable root as an overlay, LinuxKit's
 * `runtime.json`) is returned as data. Pure; imports only the supervisor's own
 * files.
 *
 * Sources: the OCI runtime specification (config.md), LinuxKit's docs/yaml.md.
 *
 * @module
 */

import { defineService, nodeAt, type ServiceDefinition } from "./definition.ts";
import { serviceNamePattern } from "./definition_fields.ts";
import { type JsonNode, JsonSyntaxError, parseJson } from "./json.ts";
import { type Issue, type IssueSink, report } from "./schema.ts";

/** A bundle that was found. */
export interface OciBundle {
  /** Which of the three directories it is in. */
  readonly stage: "onboot" | "services" | "onshutdown";
  /** The bundle's directory, absolute. */
  readonly path: string;
  /** The text of its `config.json`. */
  readonly config: string;
  /** The text of its `runtime.json`, or null without one. */
  readonly runtimeConfig: string | null;
  /** Whether the bundle has a directory `lower`: its root is to be a writable overlay. */
  readonly hasLower: boolean;
}

/** How containers are run on this machine. */
export interface OciRuntime {
  /** The absolute path of `runc` or `crun`. */
  readonly command: string;
  /** Whether the root is an initramfs, from which `pivot_root` is impossible. */
  readonly noPivot: boolean;
}

/** Something to do before a bundle can run, in order. */
export type OciPreparation =
  | {
    /** Make a directory and those above it. */
    readonly kind: "directory";
    /** Its absolute path. */
    readonly path: string;
  }
  | {
    /** Mount something. */
    readonly kind: "mount";
    /** The device, directory or name. */
    readonly source: string;
    /** Where, an absolute path. */
    readonly target: string;
    /** The filesystem's type, `bind` for a bind mount. */
    readonly filesystemType: string;
    /** Options as in fstab. */
    readonly options: readonly string[];
  };

/** What the bundles of a machine became. */
export interface OciServices {
  /** The services. */
  readonly definitions: readonly ServiceDefinition[];
  /** What each needs before its first start, by service name. */
  readonly preparations: ReadonlyMap<string, readonly OciPreparation[]>;
  /** What was found wrong; a bundle with an error is left out. */
  readonly issues: readonly Issue[];
}

/** A step of onboot or onshutdown that takes longer than this has failed, and the next one runs. */
export const onceTimeoutMs = 300_000;

/**
 * Turns bundles into services.
 *
 * @param bundles The bundles, in any order.
 * @param runtime How containers are run, or null when the image holds no runtime.
 * @returns Services, preparations and issues. Nothing throws.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { ociServices } from "./oci_bundle.ts";
 *
 * const config = '{ "ociVersion": "1.0.0", "process": { "args": ["/bin/x"] }, "root": { "path": "rootfs" } }';
 * const { definitions } = ociServices(
 *   [{ stage: "onboot", path: "/containers/onboot/000-sysctl", config, runtimeConfig: null, hasLower: false }],
 *   { command: "/usr/bin/runc", noPivot: true },
 * );
 * assertEquals(definitions[0]?.name, "onboot.000-sysctl");
 * assertEquals(definitions[0]?.command.slice(0, 3), ["/usr/bin/runc", "run", "--no-pivot"]);
 * ```
 */
export function ociServices(
  bundles: readonly OciBundle[],
  runtime: OciRuntime | null,
): OciServices {
  const definitions: ServiceDefinition[] = [];
  const preparations = new Map<string, readonly OciPreparation[]>();
  const issues: Issue[] = [];
  const lastOf = new Map<OciBundle["stage"], string>();
  const order = { onboot: 0, services: 1, onshutdown: 2 };
  const sorted = [...bundles].sort((a, b) =>
    order[a.stage] - order[b.stage] || (a.path < b.path ? -1 : 1)
  );
  for (const bundle of sorted) {
    const sink: IssueSink = { file: `${bundle.path}/config.json`, issues: [] };
    const name = nameOf(bundle);
    if (runtime === null) {
      report(
        sink,
        null,
        "",
        "the image holds neither runc nor crun to run this bundle",
      );
    }
    if (!serviceNamePattern.test(name)) {
      report(
        sink,
        null,
        "",
        `expected a directory name of a-z 0-9 _ . -, met ${
          JSON.stringify(name)
        }`,
      );
    }
    const args = readConfig(bundle, sink);
    const prepared = prepare(bundle, sink.issues);
    issues.push(...sink.issues);
    if (
      runtime === null || args === null ||
      sink.issues.some((one) => one.severity === "error")
    ) {
      continue;
    }
    const before = lastOf.get(
      bundle.stage === "services" ? "onboot" : bundle.stage,
    );
    definitions.push(
      define(bundle, name, args, runtime, before === undefined ? [] : [before]),
    );
    preparations.set(name, prepared);
    lastOf.set(bundle.stage, name);
  }
  return { definitions, preparations, issues };
}

function nameOf(bundle: OciBundle): string {
  const base = bundle.path.slice(bundle.path.lastIndexOf("/") + 1)
    .toLowerCase();
  return bundle.stage === "services" ? base : `${bundle.stage}.${base}`;
}

function define(
  bundle: OciBundle,
  name: string,
  args: readonly string[],
  runtime: OciRuntime,
  after: readonly string[],
): ServiceDefinition {
  const isOnce = bundle.stage !== "services";
  return defineService(name, {
    description: `container: ${args.join(" ")}`.slice(0, 256),
    command: [
      runtime.command,
      "run",
      ...(runtime.noPivot ? ["--no-pivot"] : []),
      "--bundle",
      bundle.path,
      name,
    ],
    type: isOnce ? "oneshot" : "process",
    start: bundle.stage === "onshutdown" ? "shutdown" : "boot",
    after,
    readiness: {
      kind: isOnce ? "exit" : "spawned",
      fd: null,
      path: null,
      timeoutMs: isOnce ? onceTimeoutMs : 60_000,
    },
    // The runtime passes signals on to the container; SIGKILL it can't, so what
    // is left of the container is removed afterwards, whatever happened.
    stop: { signal: "SIGTERM", timeoutMs: 10_000, scope: "process" },
    post: [[runtime.command, "delete", "--force", name]],
    // A container gets its privileges from its own config.json.
    noNewPrivileges: false,
  });
}

/** Checks what supervision depends on. Returns the container's arguments, or null. */
function readConfig(
  bundle: OciBundle,
  sink: IssueSink,
): readonly string[] | null {
  const root = parse(bundle.config, sink);
  if (root === null) return null;
  const version = memberOf(root, "ociVersion");
  if (version?.kind !== "string" || !version.value.startsWith("1.")) {
    report(sink, version, "$.ociVersion", 'expected a version "1.x.y"');
  }
  const process = memberOf(root, "process");
  const args = process === null ? null : memberOf(process, "args");
  if (args?.kind !== "array" || args.items.length === 0) {
    report(
      sink,
      args,
      "$.process.args",
      "expected an array of at least one text",
    );
    return null;
  }
  const words: string[] = [];
  args.items.forEach((item, index) => {
    if (item.kind === "string") words.push(item.value);
    else report(sink, item, `$.process.args[${index}]`, "expected a text");
  });
  const terminal = process === null ? null : memberOf(process, "terminal");
  if (terminal?.kind === "boolean" && terminal.value) {
    report(
      sink,
      terminal,
      "$.process.terminal",
      "expected false, because there is no terminal",
    );
  }
  const path = memberOf(nodeAt(root, "$.root"), "path");
  if (path?.kind !== "string") {
    report(sink, path, "$.root.path", "expected the root's path");
  }
  return words;
}

/** What LinuxKit's own init does before it runs a bundle: mounts, then directories. */
function prepare(bundle: OciBundle, issues: Issue[]): OciPreparation[] {
  const rootfs = `${bundle.path}/rootfs`;
  const steps = bundle.runtimeConfig === null
    ? []
    : runtimeSteps(bundle, bundle.runtimeConfig, issues);
  // LinuxKit writes the root's own mounts into runtime.json, before the
  // bundle's; other builders leave them to the init.
  const hasRoot = steps.some((step) =>
    step.kind === "mount" && step.target === rootfs
  );
  return hasRoot ? steps : [...rootSteps(bundle, rootfs), ...steps];
}

function rootSteps(bundle: OciBundle, rootfs: string): OciPreparation[] {
  if (!bundle.hasLower) {
    // The root of a container must be a mount point.
    return [{
      kind: "mount",
      source: rootfs,
      target: rootfs,
      filesystemType: "bind",
      options: ["bind"],
    }];
  }
  const scratch = `${bundle.path}/tmp`;
  return [
    {
      kind: "mount",
      source: "tmpfs",
      target: scratch,
      filesystemType: "tmpfs",
      options: [],
    },
    { kind: "directory", path: `${scratch}/upper` },
    { kind: "directory", path: `${scratch}/work` },
    {
      kind: "mount",
      source: "overlay",
      target: rootfs,
      filesystemType: "overlay",
      options: [
        `lowerdir=${bundle.path}/lower`,
        `upperdir=${scratch}/upper`,
        `workdir=${scratch}/work`,
      ],
    },
  ];
}

/** Keys of `runtime.json` that are not supported: each is named where it holds something. */
const unsupportedKeys = new Set(["interfaces", "bindNS"]);

/** LinuxKit's `runtime.json`. What is not supported is named, not done. */
function runtimeSteps(
  bundle: OciBundle,
  text: string,
  issues: Issue[],
): OciPreparation[] {
  const sink: IssueSink = { file: `${bundle.path}/runtime.json`, issues: [] };
  const root = parse(text, sink);
  const itemsOf = (key: string): readonly JsonNode[] => {
    const value = root === null ? null : memberOf(root, key);
    if (value === null || value.kind === "null") return [];
    if (value.kind === "array") return value.items;
    report(sink, value, `$.${key}`, "expected an array");
    return [];
  };
  const steps: OciPreparation[] = [];
  itemsOf("mounts").forEach((item, index) =>
    void steps.push(...mountSteps(bundle, item, `$.mounts[${index}]`, sink))
  );
  // Directories come after all mounts, so that they can be made in them.
  itemsOf("mkdir").forEach((item, index) => {
    const path = textOf(item);
    if (path === null || path === "") {
      report(sink, item, `$.mkdir[${index}]`, "expected a path");
    } else steps.push({ kind: "directory", path: inBundle(bundle, path) });
  });
  itemsOf("cgroups").forEach((item, index) => {
    const name = textOf(item)?.replace(/^\/+/, "") ?? "";
    if (name === "" || name.split("/").includes("..")) {
      report(sink, item, `$.cgroups[${index}]`, "expected a group's path");
    } else steps.push({ kind: "directory", path: `/sys/fs/cgroup/${name}` });
  });
  for (const { key, value } of root?.kind === "object" ? root.members : []) {
    if (unsupportedKeys.has(key) && !isEmpty(value)) {
      const text = "is not supported and was left out";
      report(sink, value, `$.${key}`, text, "warning");
    }
  }
  issues.push(...sink.issues);
  return steps;
}

function mountSteps(
  bundle: OciBundle,
  item: JsonNode,
  path: string,
  sink: IssueSink,
): OciPreparation[] {
  const target = textOf(memberOf(item, "destination"));
  if (target === null || target === "") {
    report(sink, item, `${path}.destination`, "expected a path");
    return [];
  }
  const options = memberOf(item, "options");
  const words = options?.kind === "array"
    ? options.items.flatMap((option) => textOf(option) ?? [])
    : [];
  const ofOverlay = words.flatMap((word) =>
    /^(?:upperdir|workdir)=(.+)$/.exec(word)?.[1] ?? []
  );
  return [
    ...ofOverlay.map((path): OciPreparation => ({ kind: "directory", path })),
    {
      kind: "mount",
      source: textOf(memberOf(item, "source")) ?? "none",
      target: inBundle(bundle, target),
      filesystemType: textOf(memberOf(item, "type")) ?? "none",
      options: words,
    },
  ];
}

/** A relative path is one in the container's root. */
function inBundle(bundle: OciBundle, path: string): string {
  return path.startsWith("/") ? path : `${bundle.path}/rootfs/${path}`;
}

/** Whether nothing is asked for: LinuxKit writes `"bindNS": {}` for everyone. */
function isEmpty(node: JsonNode): boolean {
  switch (node.kind) {
    case "null":
      return true;
    case "array":
      return node.items.length === 0;
    case "object":
      return node.members.every(({ value }) => isEmpty(value));
    case "string":
      return node.value === "";
    default:
      return false;
  }
}

function parse(text: string, sink: IssueSink): JsonNode | null {
  try {
    const root = parseJson(text);
    if (root.kind === "object") return root;
    report(sink, root, "$", "expected an object");
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    report(
      sink,
      null,
      "",
      `not JSON: ${error.message}`,
      "error",
      error.position,
    );
  }
  return null;
}

function memberOf(node: JsonNode, key: string): JsonNode | null {
  if (node.kind !== "object") return null;
  return node.members.find((member) => member.key === key)?.value ?? null;
}

function textOf(node: JsonNode | null): string | null {
  return node?.kind === "string" ? node.value : null;
}
