/**
 * The OCI bundles of an image: finds them under `/containers`, as LinuxKit lays
 * them out, with what runs them, and does what a bundle needs before its first
 * start. What a bundle means is decided in `supervisor/oci_bundle.ts`. Imports
 * `linux`, the supervisor's types and this room. Only a machine that has
 * `/containers` loads this module.
 *
 * @module
 */
import { SystemError } from "../linux/error.ts";
import { makeDirectories } from "../linux/file_tree.ts";
import { mount, type MountOptions, readMounts } from "../linux/mount.ts";
import {
  type OciBundle,
  type OciPreparation,
  type OciRuntime,
  type OciServices,
  ociServices,
} from "../supervisor/oci_bundle.ts";
import type { Issue } from "../supervisor/schema.ts";
import { mountCalls } from "./mount_options.ts";
import { readSmallFile } from "./small_file.ts";

/** Bundles of one stage past this number are named and left out. */
export const MAXIMUM_BUNDLES = 256;

/** A `config.json` or `runtime.json` that is larger is named, and its bundle left out. */
export const MAXIMUM_BUNDLE_FILE_BYTES = 1 << 20;

const STAGES: readonly OciBundle["stage"][] = [
  "onboot",
  "services",
  "onshutdown",
];

/** LinuxKit's own place comes first, and runc before crun in each. */
const RUNTIME_DIRECTORIES: readonly string[] = [
  "/usr/bin",
  "/bin",
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
  "/usr/local/sbin",
];
const RUNTIME_NAMES: readonly string[] = ["runc", "crun"];

/**
 * Reads the bundles of an image and turns them into services.
 *
 * @param directory The folder of the three stages, `/containers` in a VM.
 * @param runtime What runs them; found in the image when left out.
 * @returns Services, what each needs first, and what was found wrong. A folder
 * that can't be read is such an issue, too: nothing throws.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { readOciServices } from "./oci_bundles.ts";
 *
 * assertEquals(readOciServices("/no/such/folder").definitions, []);
 * ```
 */
export function readOciServices(
  directory: string,
  runtime: OciRuntime | null = findRuntime(),
): OciServices {
  const bundles: OciBundle[] = [];
  const issues: Issue[] = [];
  for (const stage of STAGES) {
    collect(`${directory}/${stage}`, stage, bundles, issues);
  }
  const services = ociServices(bundles, runtime);
  return { ...services, issues: [...issues, ...services.issues] };
}

/** The bundles of one stage; one that can't be read whole is an issue. */
function collect(
  directory: string,
  stage: OciBundle["stage"],
  bundles: OciBundle[],
  issues: Issue[],
): void {
  const names: string[] = [];
  try {
    for (const entry of Deno.readDirSync(directory)) {
      if (entry.isDirectory) names.push(entry.name);
      else {
        const text = "expected the directory of a bundle; it was left out";
        issues.push(issue(`${directory}/${entry.name}`, text, "warning"));
      }
      if (names.length > MAXIMUM_BUNDLES) {
        const text = `expected at most ${MAXIMUM_BUNDLES} bundles`;
        issues.push(issue(directory, `${text}; the others were left out`));
        names.pop();
        break;
      }
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    issues.push(issue(directory, errorText(error)));
  }
  for (const name of names.sort()) {
    const path = `${directory}/${name}`;
    const config = readFile(`${path}/config.json`, issues);
    const runtime = readFile(`${path}/runtime.json`, issues, true);
    // Why is said; half of a bundle is none.
    if (typeof config !== "string" || runtime === null) continue;
    const hasLower = isDirectory(`${path}/lower`);
    const runtimeConfig = runtime ?? null;
    bundles.push({ stage, path, config, runtimeConfig, hasLower });
  }
}

/**
 * A file's text; undefined when there is none and need not be; null when it is
 * no use and an issue says why.
 */
function readFile(
  file: string,
  issues: Issue[],
  mayBeMissing = false,
): string | null | undefined {
  try {
    const bytes = readSmallFile(file, MAXIMUM_BUNDLE_FILE_BYTES + 1);
    if (bytes.length > MAXIMUM_BUNDLE_FILE_BYTES) {
      const text = `expected at most ${MAXIMUM_BUNDLE_FILE_BYTES} bytes`;
      issues.push(issue(file, text));
      return null;
    }
    return new TextDecoder().decode(bytes);
  } catch (error) {
    const isMissing = error instanceof SystemError && error.code === "ENOENT";
    if (mayBeMissing && isMissing) return undefined;
    issues.push(issue(file, errorText(error)));
    return null;
  }
}

function issue(
  file: string,
  expectation: string,
  severity: Issue["severity"] = "error",
): Issue {
  return { severity, file, position: null, path: "", value: "", expectation };
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/**
 * Finds what runs containers, and how it has to.
 *
 * @param directories Where to look, in order.
 * @returns The first `runc` or `crun` that may be executed, or null.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { findRuntime } from "./oci_bundles.ts";
 *
 * assertEquals(findRuntime(["/no/such/folder"]), null);
 * ```
 */
export function findRuntime(
  directories: readonly string[] = RUNTIME_DIRECTORIES,
): OciRuntime | null {
  for (const directory of directories) {
    for (const name of RUNTIME_NAMES) {
      const command = `${directory}/${name}`;
      try {
        const { isFile, mode } = Deno.statSync(command);
        const mayExecute = ((mode ?? 0) & 0o111) !== 0;
        if (isFile && mayExecute) return { command, noPivot: isInitramfs() };
      } catch {
        // Not here.
      }
    }
  }
  return null;
}

/**
 * Whether the root is the kernel's first one, the initramfs, which nothing can
 * pivot away from (pivot_root(2)). It is the only mount that is its own parent.
 */
function isInitramfs(): boolean {
  try {
    const root = readMounts().findLast(({ target }) => target === "/");
    return root !== undefined &&
      (root.type === "rootfs" || root.id === root.parentId);
  } catch {
    // Without /proc no container runs either; the runtime will say why.
    return false;
  }
}

/** The two calls that preparing needs; tests give others. */
export interface PreparationCalls {
  /** Makes a directory and those above it; one that is there is fine. */
  readonly makeDirectory: (path: string) => void;
  /** `mount(2)`. */
  readonly mount: (options: MountOptions) => void;
}

const KERNEL: PreparationCalls = {
  makeDirectory: (path) => makeDirectories(path, 0o755),
  mount,
};

/**
 * Does what bundles need before their first start, each step once: a step that
 * fails is tried again at the next start, those before it are not. A mount
 * point that is missing is made. The calls are synchronous: a mount whose
 * device does not answer holds up the init, and the watchdog ends that.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { OciPreparer } from "./oci_bundles.ts";
 *
 * const made: string[] = [];
 * const preparer = new OciPreparer(
 *   new Map([["web", [{ kind: "directory", path: "/var/web" }]]]),
 *   { makeDirectory: (path) => void made.push(path), mount: () => {} },
 * );
 * preparer.prepare("web");
 * preparer.prepare("web");
 * assertEquals(made, ["/var/web"]);
 * ```
 */
export class OciPreparer {
  readonly #calls = new Map<string, (() => void)[]>();

  /**
   * Begins with everything to do.
   *
   * @param preparations The steps of each service, in order.
   * @param calls What is called; the kernel when left out.
   */
  constructor(
    preparations: ReadonlyMap<string, readonly OciPreparation[]>,
    calls: PreparationCalls = KERNEL,
  ) {
    for (const [name, steps] of preparations) {
      this.#calls.set(name, steps.flatMap((step) => callsOf(step, calls)));
    }
  }

  /**
   * Does what is left to do for a service; nothing for one that is no bundle.
   *
   * @param service Its name.
   * @throws {Error} When a step fails, with what was called on which path.
   */
  prepare(service: string): void {
    const left = this.#calls.get(service);
    if (left === undefined) return;
    for (let call = left[0]; call !== undefined; call = left[0]) {
      call();
      left.shift();
    }
    this.#calls.delete(service);
  }
}

function callsOf(
  step: OciPreparation,
  calls: PreparationCalls,
): (() => void)[] {
  if (step.kind === "directory") {
    return [() => calls.makeDirectory(step.path)];
  }
  return [
    () => calls.makeDirectory(step.target),
    ...mountCalls(step).map((call) => () => calls.mount(call)),
  ];
}
