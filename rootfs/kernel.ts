/**
 * Which kernel modules the image needs, and in which order they have to be
 * loaded. The order comes from the modules themselves (`depends=` in their
 * .modinfo section), because a package that was never installed has no
 * modules.dep. It imports only elf.ts, and reads files through a function.
 */
import { elfSection } from "./elf.ts";

/** A kernel module file. */
export interface KernelModule {
  /** Its name, with underscores: `virtio_blk`. */
  readonly name: string;
  /** Its path below the folder of the release: `kernel/drivers/block/virtio_blk.ko`. */
  readonly path: string;
  /** The content of the .ko file, uncompressed. */
  readonly bytes: Uint8Array;
}

/** Something about the modules is not as expected. */
export class ModuleError extends Error {
  /** @param message what was met and what was expected */
  constructor(message: string) {
    super(message);
    this.name = "ModuleError";
  }
}

/**
 * The name by which the kernel knows a module: its file's name without
 * endings, with underscores.
 *
 * @param path the module's file
 * @returns its name, or undefined when the file is no module
 */
export function moduleName(path: string): string | undefined {
  const base = path.slice(path.lastIndexOf("/") + 1);
  return /^(.+)\.ko(?:\.(?:gz|xz|zst))?$/.exec(base)?.[1]?.replaceAll("-", "_");
}

/**
 * The modules that a module says it needs.
 *
 * @param module its .ko file, uncompressed
 * @returns names with underscores
 * @throws {ModuleError} when it does not describe itself
 */
export function moduleDependencies(module: Uint8Array): string[] {
  const information = elfSection(module, ".modinfo");
  if (information === undefined) {
    throw new ModuleError(
      "it has no .modinfo section, expected a kernel module",
    );
  }
  const entries = new TextDecoder().decode(information).split("\0");
  return entries
    .filter((entry) => entry.startsWith("depends="))
    .flatMap((entry) => entry.slice("depends=".length).split(","))
    .filter((name) => name !== "")
    .map((name) => name.replaceAll("-", "_"));
}

/** How the modules of one release are read. */
export interface ModuleFiles {
  /** The paths of all module files below the release's folder. */
  readonly paths: readonly string[];
  /** The lines of modules.builtin: what the kernel has without a module. */
  readonly builtin: readonly string[];
  /** Reads one file, uncompressed. */
  read(path: string): Uint8Array;
}

/**
 * The modules to load for the wanted ones, each after what it needs.
 *
 * @param wanted names; those that are built into the kernel need nothing
 * @param files the release's modules
 * @returns the modules in load order, each once
 * @throws {ModuleError} when one is neither a module nor built in, or needs itself
 */
export function selectModules(
  wanted: readonly string[],
  files: ModuleFiles,
): KernelModule[] {
  const paths = new Map<string, string>();
  for (const path of files.paths) {
    const name = moduleName(path);
    if (name !== undefined) paths.set(name, path);
  }
  const builtin = new Set(files.builtin.map(moduleName));
  const selected: KernelModule[] = [];
  const done = new Set<string>();
  const visit = (name: string, chain: readonly string[]): void => {
    if (done.has(name)) return;
    if (chain.includes(name)) {
      throw new ModuleError(
        `kernel modules need each other: ${[...chain, name].join(" -> ")}`,
      );
    }
    const path = paths.get(name);
    if (path === undefined) {
      if (builtin.has(name)) return;
      const reason = chain.length > 0 ? `, which ${chain.at(-1)} needs,` : "";
      throw new ModuleError(
        `the kernel module ${name}${reason} is neither in the package nor built in`,
      );
    }
    const bytes = files.read(path);
    let needed: string[];
    try {
      needed = moduleDependencies(bytes);
    } catch (error) {
      throw new ModuleError(
        `${path}: ${error instanceof Error ? error.message : error}`,
      );
    }
    for (const other of needed) visit(other, [...chain, name]);
    done.add(name);
    selected.push({ name, path: path.replace(/\.(?:gz|xz|zst)$/, ""), bytes });
  };
  for (const name of wanted) visit(name.replaceAll("-", "_"), []);
  return selected;
}
