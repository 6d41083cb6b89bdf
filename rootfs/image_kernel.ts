/**
 * The kernel of an image and the modules it loads: Debian's, or the user's own.
 * It imports kernel.ts, own_kernel.ts, host_files.ts and rootfs/toolchain.
 */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { listFiles } from "./host_files.ts";
import {
  type KernelModule,
  ModuleError,
  type ModuleFiles,
  selectModules,
} from "./kernel.ts";
import { kernelRelease } from "./own_kernel.ts";
import { runFilter } from "./toolchain/command.ts";
import { requireKernel } from "./toolchain/kernel_package.ts";
import { say, ToolchainError } from "./toolchain/report.ts";

/**
 * The modules that a virtual machine of QEMU needs: the virtio bus, disk and
 * serial ports, and a watchdog. What they need themselves comes along.
 */
const WANTED_MODULES = [
  "virtio_pci",
  "virtio_blk",
  "virtio_console",
  "softdog",
];

/**
 * What Debian's kernel has besides: a store for the kernel's last words, in
 * memory that the command line names. Another kernel may do without.
 */
const DEBIAN_MODULES = ["ramoops"];

/** Which kernel goes into an image. */
export interface KernelOptions {
  /** A bzImage; Debian's newest kernel for virtual machines, if absent. */
  readonly kernelPath?: string | undefined;
  /**
   * The folder of that kernel's modules, such as `/lib/modules/6.1.0`. Without
   * it an own kernel must have everything built in.
   */
  readonly modulesFolder?: string | undefined;
  /** Modules besides the usual ones, by name; what they need comes along. */
  readonly modules?: readonly string[] | undefined;
}

/** A kernel, ready for an image. */
export interface ImageKernel {
  /** Its file. */
  readonly path: string;
  /** What it says of itself, such as `6.1.0-50-cloud-amd64`. */
  readonly release: string;
  /** What identifies it and the modules' folder. */
  readonly identity: string;
  /** Reads the modules to load, in load order. */
  readonly readModules: () => KernelModule[];
}

function readKernel(path: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch (cause) {
    throw new ToolchainError(
      `--kernel ${path} cannot be read, expected a bzImage (${
        cause instanceof Error ? cause.message : cause
      })`,
      { cause },
    );
  }
}

function moduleFiles(folder: string): ModuleFiles {
  let builtin: string[] = [];
  try {
    builtin = Deno.readTextFileSync(`${folder}/modules.builtin`).split("\n");
  } catch {
    // Without the list, a module that is not there is missed by its name.
  }
  return {
    paths: listFiles(folder).filter((path) => path.includes(".ko")),
    builtin,
    read: (path) => unpacked(path, Deno.readFileSync(`${folder}/${path}`)),
  };
}

/** A module's ELF file; the init loads it as it is, so it goes in unpacked. */
function unpacked(path: string, bytes: Uint8Array): Uint8Array {
  if (path.endsWith(".gz")) return gunzipSync(bytes);
  if (path.endsWith(".xz")) return runFilter(["xz", "-dc"], bytes);
  if (path.endsWith(".zst")) return runFilter(["zstd", "-dc"], bytes);
  return bytes;
}

function modulesOf(
  folder: string,
  options: KernelOptions,
): () => KernelModule[] {
  return () => {
    try {
      return selectModules(
        [...WANTED_MODULES, ...options.modules ?? []],
        moduleFiles(folder),
      );
    } catch (error) {
      if (!(error instanceof ModuleError)) throw error;
      throw new ToolchainError(`${folder}: ${error.message}`);
    }
  };
}

/**
 * Finds the kernel that the options name, and judges it.
 *
 * @param options which kernel
 * @returns the kernel
 * @throws {ToolchainError} when it is no kernel, or its modules are not its own
 */
export async function imageKernel(
  options: KernelOptions,
): Promise<ImageKernel> {
  const { kernelPath, modulesFolder } = options;
  if (kernelPath === undefined) {
    if (modulesFolder !== undefined) {
      throw new ToolchainError(
        `--modules ${modulesFolder} without --kernel: the modules belong to one kernel, expected both`,
      );
    }
    const tree = await requireKernel();
    return {
      path: tree.kernelPath,
      release: tree.release,
      identity: tree.identity,
      readModules: modulesOf(tree.modulesFolder, {
        ...options,
        modules: [...DEBIAN_MODULES, ...options.modules ?? []],
      }),
    };
  }
  const bytes = readKernel(kernelPath);
  const release = kernelRelease(kernelPath, bytes);
  say(`kernel: ${release}, from ${kernelPath}`);
  const hash = createHash("sha256").update(bytes);
  if (modulesFolder === undefined) {
    const [first] = options.modules ?? [];
    if (first !== undefined) {
      throw new ToolchainError(
        `--module ${first} without --modules: expected the folder of the modules of ${kernelPath}`,
      );
    }
    return {
      path: kernelPath,
      release,
      identity: hash.digest("hex"),
      readModules: () => [],
    };
  }
  const folder = modulesFolder.replace(/\/+$/, "");
  const name = folder.slice(folder.lastIndexOf("/") + 1);
  if (name !== release) {
    throw new ToolchainError(
      `--modules ${modulesFolder} is the folder of ${name}, but ${kernelPath} is ${release}; expected .../lib/modules/${release}`,
    );
  }
  const readModules = modulesOf(folder, options);
  for (const module of readModules()) {
    hash.update(`${module.path}\0`).update(module.bytes);
  }
  return {
    path: kernelPath,
    release,
    identity: hash.digest("hex"),
    readModules,
  };
}
