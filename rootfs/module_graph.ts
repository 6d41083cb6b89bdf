/**
 * What a program is made of, as `deno info --json` tells: the files that decide
 * what is built, and the packages that come along. It imports
 * rootfs/toolchain and node:url.
 */
import { pathToFileURL } from "node:url";
import { lastLines, run } from "./toolchain/command.ts";
import type { Compiler } from "./toolchain/denort.ts";
import { type Environment, REPOSITORY } from "./toolchain/environment.ts";
import { ToolchainError } from "./toolchain/report.ts";

/** A package that a program holds a part of. */
export interface ImportedPackage {
  /** Where it is from. */
  readonly registry: "npm" | "jsr";
  /** Its name, such as `hash-wasm` or `@std/cli`. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
}

/** A program's parts. */
export interface ModuleGraph {
  /** The main module and all that it imports, here or in Deno's cache; sorted. */
  readonly files: readonly string[];
  /** The packages, each once, in the order of their names. */
  readonly packages: readonly ImportedPackage[];
}

/** What is looked at of one module. */
interface Module {
  readonly specifier: string;
  readonly local?: string;
  readonly npmPackage?: string;
}

/** What is looked at of a package of npm. */
interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly dependencies: readonly string[];
}

/** This project's own copies of the parts of @std that are used. */
const STAND_IN = "/rootfs/toolchain/std/";

/**
 * The package of a module that is JSR's, or stands in for one of JSR's.
 *
 * @param specifier where it is from
 * @param versions the packages' versions by name, for stand-ins
 */
function jsrPackage(
  specifier: string,
  versions: Readonly<Record<string, string>>,
): ImportedPackage | undefined {
  const standIn = specifier.indexOf(STAND_IN);
  if (standIn !== -1) {
    const [folder = ""] = specifier.slice(standIn + STAND_IN.length).split("/");
    const name = `@std/${folder}`;
    const version = versions[name];
    return version === undefined
      ? undefined
      : { registry: "jsr", name, version };
  }
  const [, name, version] =
    /^https:\/\/jsr\.io\/(@[^/]+\/[^/]+)\/([^/]+)\//.exec(specifier) ?? [];
  return name === undefined || version === undefined
    ? undefined
    : { registry: "jsr", name, version };
}

/**
 * Reads what `deno info --json` says.
 *
 * @param text its output
 * @param versions the versions of this project's imports from JSR, by name
 * @returns files and packages
 * @throws {SyntaxError} when it is no JSON
 */
export function readModuleGraph(
  text: string,
  versions: Readonly<Record<string, string>>,
): ModuleGraph {
  const { modules = [], npmPackages = {} }: {
    modules?: readonly Module[];
    npmPackages?: Readonly<Record<string, NpmPackage>>;
  } = JSON.parse(text);
  const packages = new Map<string, ImportedPackage>();
  const addNpm = (key: string): void => {
    const found = npmPackages[key];
    if (found === undefined || packages.has(`npm:${key}`)) return;
    const { name, version } = found;
    packages.set(`npm:${key}`, { registry: "npm", name, version });
    found.dependencies.forEach(addNpm);
  };
  for (const { specifier, npmPackage } of modules) {
    if (npmPackage !== undefined) addNpm(npmPackage);
    const jsr = jsrPackage(specifier, versions);
    if (jsr !== undefined) packages.set(`jsr:${jsr.name}`, jsr);
  }
  return {
    files: modules.flatMap(({ local }) => local ?? []).sort(),
    packages: [...packages.values()].sort((a, b) =>
      a.name < b.name ? -1 : a.name > b.name ? 1 : 0
    ),
  };
}

/** The versions of the packages of JSR that deno.json names. */
export function importVersions(): Record<string, string> {
  const { imports }: { imports: Readonly<Record<string, string>> } = JSON.parse(
    Deno.readTextFileSync(`${REPOSITORY}/deno.json`),
  );
  return Object.fromEntries(
    Object.entries(imports).flatMap(([name, specifier]) => {
      const version = /^jsr:.*@([^@]+)$/.exec(specifier)?.[1];
      return version === undefined ? [] : [[name, version]];
    }),
  );
}

/**
 * Finds what a program is made of. What is imported and not there is left out:
 * the compiler says so better.
 *
 * @param entry the main module
 * @param environment the kind of machine
 * @param compiler whose modules they will be
 * @returns files and packages
 * @throws {ToolchainError} when the graph can't be had
 */
export async function moduleGraph(
  entry: string,
  environment: Environment,
  compiler: Compiler,
): Promise<ModuleGraph> {
  const result = await run([
    ...compiler.argv,
    "info",
    "--json",
    "--no-lock",
    ...environment.configArguments,
    // It would read %20 in a path as a space.
    pathToFileURL(entry).href,
  ], {
    cwd: REPOSITORY,
    env: { NO_COLOR: "1", ...environment.variables, ...compiler.variables },
  });
  if (!result.success) {
    throw new ToolchainError(
      `deno info failed for ${entry}\n${lastLines(result)}`,
    );
  }
  return readModuleGraph(result.stdout, importVersions());
}
