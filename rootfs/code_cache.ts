/**
 * V8's own form of a program, made at the build, so that a boot does not
 * compile. The program's text becomes one function, which a small main module
 * (code_cache_loader.ts) has V8 take from the cache and calls. It imports
 * rootfs/toolchain.
 *
 * V8's usual way would be to compile each function when it is first called, and
 * the runtime's own cache of code holds only what was compiled before anything
 * was called, so it gains nothing. Here `--no-lazy` has everything compiled at
 * once: at the build, into the cache.
 */
import { lastLines, run } from "./toolchain/command.ts";
import { REPOSITORY } from "./toolchain/environment.ts";
import { say, ToolchainError } from "./toolchain/report.ts";

/** The flag that both the maker of the cache and the program have besides. */
export const CODE_CACHE_V8_FLAG = "--no-lazy";

/** A text that is shorter is compiled faster than a cache is read. */
const WORTHWHILE_CHARACTERS = 65_536;

/** What the main module reads: the text that V8 can fall back to, and the cache. */
const FILES = ["program.js", "program.cache"] as const;

/** How the maker says that a text can't be a function. */
const NO_SCRIPT = 3;

/** Runs a subcommand of `deno`; throws where it fails. */
export type RunDeno = (
  subcommand: string,
  args: readonly string[],
) => Promise<void>;

/** What a program with a code cache is compiled from. */
export interface CachedProgram {
  /** The main module. */
  readonly entry: string;
  /** What has to be put into the executable besides. */
  readonly include: readonly string[];
}

/**
 * The text of a module as the text of a function: what it declares is the
 * function's, and it may wait as a module may. What only a module may do, import
 * at its top and export, is an error of syntax.
 *
 * @param module the text of a module
 * @returns the text of an expression, with the same lines
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { functionText } from "./code_cache.ts";
 *
 * assertEquals(
 *   functionText("await 1;"),
 *   '(async function () {"use strict";await 1;\n})',
 * );
 * ```
 */
export function functionText(module: string): string {
  return `(async function () {"use strict";${module}\n})`;
}

/**
 * Makes the code cache of a bundled program.
 *
 * @param bundlePath the program, one module
 * @param workshop a folder for the files, which the executable is compiled from
 * @param v8Flags the program's flags
 * @param deno runs `deno`
 * @returns what to compile instead of the bundle, with {@linkcode CODE_CACHE_V8_FLAG}
 * besides; null where a cache gains nothing or can't be had, which is said
 * @throws {ToolchainError} when what was made is not what V8 takes
 */
export async function makeCodeCache(
  bundlePath: string,
  workshop: string,
  v8Flags: readonly string[],
  deno: RunDeno,
): Promise<CachedProgram | null> {
  const module = await Deno.readTextFile(bundlePath);
  if (module.length < WORTHWHILE_CHARACTERS) return null;
  const [textPath, cachePath] = FILES.map((name) => `${workshop}/${name}`) as [
    string,
    string,
  ];
  await Deno.writeTextFile(textPath, functionText(module));
  const maker = `${workshop}/code-cache-maker`;
  await deno("compile", [
    "--no-code-cache",
    "--no-config",
    "--allow-read",
    "--allow-write",
    "--no-prompt",
    `--v8-flags=${[...v8Flags, CODE_CACHE_V8_FLAG].join(",")}`,
    "--output",
    maker,
    `${REPOSITORY}/rootfs/code_cache_maker.ts`,
  ]);
  try {
    for (const action of ["make", "check"]) {
      const result = await run([maker, action, textPath, cachePath]);
      if (result.success) continue;
      if (result.code === NO_SCRIPT) {
        say(`no code cache, the boot compiles: ${lastLines(result)}`);
        return null;
      }
      throw new ToolchainError(
        `the code cache: ${action} failed\n${lastLines(result)}`,
      );
    }
  } finally {
    await Deno.remove(maker);
  }
  const entry = `${workshop}/main.ts`;
  await Deno.copyFile(`${REPOSITORY}/rootfs/code_cache_loader.ts`, entry);
  // The executable keeps the time of each file.
  for (const path of [entry, textPath, cachePath]) await Deno.utime(path, 0, 0);
  return { entry, include: [textPath, cachePath] };
}
