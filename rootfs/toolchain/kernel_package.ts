/**
 * Debian's kernel for virtual machines: resolved from the package that always
 * depends on the newest one, downloaded, checked against the digest of the
 * package list, and unpacked in the cache. It imports nothing outside
 * rootfs/toolchain.
 */
import { downloadPackage, packageRecord } from "./apt.ts";
import {
  cached,
  cacheFolder,
  exists,
  fileDigest,
  requireSpace,
} from "./cache.ts";
import { unpackPackage } from "./debian_package.ts";
import { say, ToolchainError, withProgress } from "./report.ts";
import { isSealed, seal } from "./sealed_folder.ts";

/** Depends on the newest kernel of its kind. */
const META_PACKAGE = "linux-image-cloud-amd64";

/** Names a .deb file of a kernel, instead of Debian's newest. */
export const KERNEL_VARIABLE = "SPACEOS_KERNEL_PACKAGE";

const OTHERWISE =
  `fetch a Debian linux-image-*-cloud-amd64 .deb file and name it in ${KERNEL_VARIABLE}`;

/** The unpacked package takes about this much. */
const NEEDED_BYTES = 250_000_000;

/** An unpacked kernel package. */
export interface KernelTree {
  /** The folder with `boot` and `lib/modules`. */
  readonly folder: string;
  /** The kernel's release, such as 6.1.0-56-cloud-amd64. */
  readonly release: string;
  /** The kernel's file. */
  readonly kernelPath: string;
  /** The folder of its modules. */
  readonly modulesFolder: string;
  /** What identifies it: the digest of the package. */
  readonly identity: string;
}

/**
 * The package that a Depends field names first.
 *
 * @param depends such as `linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)`
 * @returns the kernel package, or undefined when none is named
 */
export function kernelDependency(depends: string): string | undefined {
  return /(?:^|,)\s*(linux-image-[^\s,|(]+)/.exec(depends)?.[1];
}

async function findTree(folder: string, identity: string): Promise<KernelTree> {
  const modules = await exists(`${folder}/lib/modules`)
    ? `${folder}/lib/modules`
    : `${folder}/usr/lib/modules`;
  let names: string[] = [];
  try {
    names = [...Deno.readDirSync(modules)].map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const [release] = names;
  if (release === undefined || names.length !== 1) {
    throw new ToolchainError(
      `the kernel package has ${names.length} kernel releases under lib/modules, expected 1`,
    );
  }
  for (
    const kernelPath of [
      `${folder}/boot/vmlinuz-${release}`,
      `${modules}/${release}/vmlinuz`,
    ]
  ) {
    if (await exists(kernelPath)) {
      return {
        folder,
        release,
        kernelPath,
        modulesFolder: `${modules}/${release}`,
        identity,
      };
    }
  }
  throw new ToolchainError(`the kernel package has no boot/vmlinuz-${release}`);
}

/**
 * Makes sure that a kernel and its modules are in the cache.
 *
 * @returns where they are
 * @throws {ToolchainError} when they cannot be had
 */
export async function requireKernel(): Promise<KernelTree> {
  const folder = cacheFolder();
  const given = Deno.env.get(KERNEL_VARIABLE);
  let identity: string;
  let fetchPackage: (workshop: string) => Promise<string>;
  if (given) {
    try {
      identity = await fileDigest(given, "sha256");
    } catch (cause) {
      throw new ToolchainError(
        `${KERNEL_VARIABLE} names ${given}, which cannot be read`,
        { cause },
      );
    }
    fetchPackage = () => Promise.resolve(given);
  } else {
    const meta = await packageRecord(META_PACKAGE, OTHERWISE);
    const name = kernelDependency(meta.depends);
    if (name === undefined) {
      throw new ToolchainError(
        `${META_PACKAGE} ${meta.version} depends on no kernel: "${meta.depends}"`,
      );
    }
    const record = await packageRecord(name, OTHERWISE);
    identity = record.sha256;
    fetchPackage = (workshop) =>
      withProgress(
        `kernel: fetching ${record.name} ${record.version} from Debian`,
        () => downloadPackage(record, workshop),
      );
  }
  const tree = await cached({
    name: `kernel-${identity.slice(0, 16)}`,
    verify: isSealed,
    produce: async (temporaryPath) => {
      const workshop = temporaryPath.slice(0, temporaryPath.lastIndexOf("/"));
      await requireSpace(workshop, NEEDED_BYTES, "the kernel");
      const packagePath = await fetchPackage(workshop);
      await Deno.mkdir(temporaryPath);
      await unpackPackage(packagePath, temporaryPath);
      await seal(temporaryPath);
    },
  }, folder);
  const found = await findTree(tree, identity);
  say(`kernel: ${found.release}`);
  return found;
}
