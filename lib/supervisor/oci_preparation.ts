/**
 * What an OCI bundle needs before it can run: its root as a mount point or as
 * a writable overlay, and what LinuxKit's `runtime.json` asks for. Pure data
 * for the shell to carry out; imports only the supervisor's own files.
 *
 * Sources: LinuxKit's docs/yaml.md ("runtime"), and the order in which its own
 * init does these things.
 *
 * @module
 */

import type { JsonNode } from "./json.ts";
import { memberOf, parseObject, textOf } from "./json_object.ts";
import { type Issue, type IssueSink, report } from "./schema.ts";

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

/** What decides about a bundle's preparation. */
export interface PreparedBundle {
  /** The bundle's directory, absolute. */
  readonly path: string;
  /** The text of its `runtime.json`, or null without one. */
  readonly runtimeConfig: string | null;
  /** Whether the bundle has a directory `lower`. */
  readonly hasLower: boolean;
}

/**
 * What LinuxKit's own init does before it runs a bundle: mounts, then
 * directories and control groups.
 *
 * @param bundle The bundle.
 * @param issues Takes what is wrong with its `runtime.json`.
 * @returns The steps, in order.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { ociPreparations } from "./oci_preparation.ts";
 *
 * const path = "/containers/services/web";
 * const bundle = { path, runtimeConfig: '{ "mkdir": ["/var/web"] }', hasLower: false };
 * assertEquals(ociPreparations(bundle, []).at(-1), { kind: "directory", path: "/var/web" });
 * ```
 */
export function ociPreparations(
  bundle: PreparedBundle,
  issues: Issue[],
): OciPreparation[] {
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

function rootSteps(bundle: PreparedBundle, rootfs: string): OciPreparation[] {
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

/** Keys of `runtime.json` that need nothing more; `namespace` is containerd's own affair. */
const knownKeys = new Set(["mounts", "mkdir", "cgroups", "namespace"]);

/** LinuxKit's `runtime.json`. What is not supported is named, not done. */
function runtimeSteps(
  bundle: PreparedBundle,
  text: string,
  issues: Issue[],
): OciPreparation[] {
  const sink: IssueSink = { file: `${bundle.path}/runtime.json`, issues: [] };
  const root = parseObject(text, sink);
  const itemsOf = (key: string): readonly JsonNode[] => {
    const value = root === null ? null : memberOf(root, key);
    if (value === null || value.kind === "null") return [];
    if (value.kind === "array") return value.items;
    report(sink, value, `$.${key}`, "expected an array");
    return [];
  };
  const steps: OciPreparation[] = [];
  itemsOf("mounts").forEach((item, index) =>
    steps.push(...mountSteps(bundle, item, `$.mounts[${index}]`, sink))
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
    if (!knownKeys.has(key) && !isEmpty(value)) {
      const text = "is not supported and was left out";
      report(sink, value, `$.${key}`, text, "warning");
    }
  }
  issues.push(...sink.issues);
  return steps;
}

function mountSteps(
  bundle: PreparedBundle,
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
function inBundle(bundle: PreparedBundle, path: string): string {
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
