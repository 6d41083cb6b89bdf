/**
 * What this machine knows of what goes into an image, for its bill of
 * materials: the runtime's version, the kernel's, Debian's packages of the
 * libraries, and the packages that the program is compiled from. It imports
 * sbom.ts, module_graph.ts, own_kernel.ts and rootfs/toolchain.
 */
import { createHash } from "node:crypto";
import type { ImportedPackage } from "./module_graph.ts";
import { kernelVersionText } from "./own_kernel.ts";
import type { BomFacts, BomPackage } from "./sbom.ts";
import { commandExists, run } from "./toolchain/command.ts";
import type { Compiler } from "./toolchain/denort.ts";
import { REPOSITORY } from "./toolchain/environment.ts";
import { ToolchainError } from "./toolchain/report.ts";

/** What of the build decides the bill, besides the files. */
export interface BuildFacts {
  /** The image's time, in seconds since 1970. */
  readonly timeSeconds: number;
  /** The archive. */
  readonly initrd: Uint8Array;
  /** The compiler, which knows the versions of its runtime. */
  readonly compiler: Compiler;
  /** The kernel's release. */
  readonly kernelRelease: string;
  /** The kernel's file. */
  readonly kernel: Uint8Array;
  /** The paths of the libraries that were taken from this machine. */
  readonly libraryPaths: readonly string[];
  /** What the init's modules are from. */
  readonly imported: readonly ImportedPackage[];
}

/**
 * The versions that a Deno says of itself.
 *
 * @param text what `deno --version` prints
 * @returns its own version and V8's
 * @throws {ToolchainError} when it prints something else
 */
export function runtimeVersions(
  text: string,
): { readonly deno: string; readonly v8: string } {
  const deno = /^deno (\S+)/m.exec(text)?.[1];
  const v8 = /^v8 (\S+)/m.exec(text)?.[1];
  if (deno === undefined || v8 === undefined) {
    throw new ToolchainError(
      `deno --version printed ${JSON.stringify(text.slice(0, 200))}, ` +
        "expected lines that begin with deno and v8",
    );
  }
  return { deno, v8 };
}

const sha256 = (bytes: Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

/** The licenses of what this project imports itself, as their packages state them. */
const LICENSES: Readonly<Record<string, string>> = {
  "hash-wasm": "MIT",
  "@std/assert": "MIT",
  "@std/bytes": "MIT",
  "@std/cli": "MIT",
};

/** A package of Debian that a file is from. */
interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

/** Asks dpkg; undefined on a machine without it, or for a file of nobody. */
async function debianPackageOf(
  path: string,
): Promise<DebianPackage | undefined> {
  if (!commandExists("dpkg-query")) return undefined;
  // Since the folders of / and /usr were merged, dpkg knows a file under
  // either name.
  const real = Deno.realPathSync(path);
  for (const name of [path, real, real.replace(/^\/usr/, "")]) {
    const owner = await run(["dpkg-query", "--search", name]);
    const found = /^([^:,\s]+(?::[a-z0-9]+)?)[:,]/.exec(owner.stdout)?.[1];
    if (!owner.success || found === undefined) continue;
    const shown = await run([
      "dpkg-query",
      "--show",
      "--showformat=${Package} ${Version} ${Architecture}",
      found,
    ]);
    const [packageName, version, architecture] = shown.stdout.split(" ");
    if (packageName && version && architecture) {
      return { name: packageName, version, architecture };
    }
  }
  return undefined;
}

const debianPurl = (name: string, version: string, architecture: string) =>
  `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;

/**
 * The packages that a program holds, as the bill has them.
 *
 * @param imported what its modules are from
 * @returns a package for each, in the same order
 */
export function importedModules(
  imported: readonly ImportedPackage[],
): BomPackage[] {
  return imported.map(({ registry, name, version }) => ({
    id: [registry, name, version].join("-").replace(/[^A-Za-z0-9.]+/g, "-"),
    name,
    version,
    ...(Object.hasOwn(LICENSES, name) ? { license: LICENSES[name] ?? "" } : {}),
    purpose: "LIBRARY" as const,
    ...(registry === "npm"
      ? { purl: `pkg:npm/${name.replace("@", "%40")}@${version}` }
      : {
        comment: "On a machine that does not reach jsr.io, the image holds " +
          "this project's own stand-in (rootfs/toolchain/std) in its place.",
      }),
  }));
}

/**
 * Collects what is known.
 *
 * @param build what was built
 * @returns the facts for the bill of materials
 * @throws {ToolchainError} when the compiler does not say its version
 */
export async function collectFacts(build: BuildFacts): Promise<BomFacts> {
  const { argv, variables } = build.compiler;
  const said = await run([...argv, "--version"], { env: { ...variables } });
  const { deno, v8 } = runtimeVersions(said.stdout);
  const { version, license } = JSON.parse(
    Deno.readTextFileSync(`${REPOSITORY}/deno.json`),
  );
  const versionText = kernelVersionText("the kernel", build.kernel);
  const debianKernel = /\bDebian (\S+)/.exec(versionText)?.[1];
  const modules = importedModules(build.imported);
  const libraries = new Map<string, BomPackage>();
  const owners = new Map<string, string>();
  for (const path of build.libraryPaths) {
    const found = await debianPackageOf(path);
    if (found === undefined) continue;
    const id = `deb-${found.name.replace(/[^A-Za-z0-9.]/g, "-")}`;
    owners.set(path, id);
    libraries.set(id, {
      id,
      name: found.name,
      version: found.version,
      purl: debianPurl(found.name, found.version, found.architecture),
      purpose: "LIBRARY",
    });
  }
  const modulesFolder = `/lib/modules/${build.kernelRelease}/`;
  return {
    timeSeconds: build.timeSeconds,
    imageSha256: sha256(build.initrd),
    version,
    packages: [
      {
        id: "spaceos-init",
        name: "@spaceos/pid1",
        version,
        license,
        purpose: "APPLICATION",
      },
      {
        id: "deno",
        name: "deno",
        version: deno,
        license: "MIT",
        purl: `pkg:github/denoland/deno@v${deno}`,
        purpose: "APPLICATION",
        comment: "The runtime (denort) that the program is compiled into.",
      },
      {
        id: "v8",
        name: "v8",
        version: v8,
        license: "BSD-3-Clause",
        purl: `pkg:github/v8/v8@${v8.replace(/-.*$/, "")}`,
        purpose: "LIBRARY",
      },
      ...modules,
      {
        id: "kernel",
        // Without Debian's mark in its version it is the user's own.
        name: debianKernel === undefined
          ? "linux"
          : `linux-image-${build.kernelRelease}`,
        version: debianKernel ?? build.kernelRelease,
        license: "GPL-2.0-only",
        sha256: sha256(build.kernel),
        ...(debianKernel === undefined ? {} : {
          purl: debianPurl(
            `linux-image-${build.kernelRelease}`,
            debianKernel,
            "amd64",
          ),
        }),
        purpose: "OPERATING_SYSTEM",
        comment: "Beside the image, as spaceos-kernel; its modules are in it.",
      },
      ...[...libraries.values()].sort((a, b) => a.id < b.id ? -1 : 1),
    ],
    packageOf: (path) =>
      path === "/init"
        ? "spaceos-init"
        : path.startsWith(modulesFolder)
        ? "kernel"
        : owners.get(path),
    links: [
      ["spaceos-init", "deno"],
      ["deno", "v8"],
      ...modules.map(({ id }) => ["spaceos-init", id] as const),
    ],
  };
}
