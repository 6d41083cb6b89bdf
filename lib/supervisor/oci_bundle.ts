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

import { defineService, nodeAt } from "./definition.ts";
import type { ServiceDefinition } from "./service_definition.ts";
import { serviceNamePattern } from "./definition_fields.ts";
import { memberOf, parseObject } from "./json_object.ts";
import { type OciPreparation, ociPreparations } from "./oci_preparation.ts";
import { type Issue, type IssueSink, report } from "./schema.ts";

export type { OciPreparation } from "./oci_preparation.ts";

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
    const container = readConfig(bundle, sink);
    const prepared = ociPreparations(bundle, sink.issues);
    issues.push(...sink.issues);
    if (
      runtime === null || container === null ||
      sink.issues.some((one) => one.severity === "error")
    ) {
      continue;
    }
    const before = lastOf.get(
      bundle.stage === "services" ? "onboot" : bundle.stage,
    );
    definitions.push(
      define(
        bundle,
        name,
        container,
        runtime,
        before === undefined ? [] : [before],
      ),
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
  container: Container,
  runtime: OciRuntime,
  after: readonly string[],
): ServiceDefinition {
  const isOnce = bundle.stage !== "services";
  // A runtime names the container's control group by its id, beside its own,
  // which is named by the service: the two must differ, and no service's name
  // has a plus.
  const id = `${name}+oci`;
  return defineService(name, {
    description: `container: ${container.args.join(" ")}`.slice(0, 256),
    command: [
      runtime.command,
      "run",
      ...(runtime.noPivot ? ["--no-pivot"] : []),
      "--bundle",
      bundle.path,
      id,
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
    post: [[runtime.command, "delete", "--force", id]],
    // A container gets its privileges from its own config.json; one that may
    // gain some takes the promise from all services of the machine.
    noNewPrivileges: container.noNewPrivileges,
  });
}

/** What supervision needs of a `config.json`. */
interface Container {
  readonly args: readonly string[];
  readonly noNewPrivileges: boolean;
}

/** Checks what supervision depends on; null when the bundle is of no use. */
function readConfig(bundle: OciBundle, sink: IssueSink): Container | null {
  const root = parseObject(bundle.config, sink);
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
  const promise = process === null
    ? null
    : memberOf(process, "noNewPrivileges");
  return {
    args: words,
    noNewPrivileges: promise?.kind === "boolean" && promise.value,
  };
}
