/**
 * Makes executables of this project's programs with `deno compile`. It imports
 * code_cache.ts and rootfs/toolchain.
 */
import { CODE_CACHE_V8_FLAG, makeCodeCache } from "./code_cache.ts";
import { type Compiler, prepareCompiler } from "./toolchain/denort.ts";
import {
  currentEnvironment,
  type Environment,
  REPOSITORY,
} from "./toolchain/environment.ts";
import { lastLines, run } from "./toolchain/command.ts";
import { ToolchainError, withProgress } from "./toolchain/report.ts";

/**
 * V8's flags for a program that runs as PID 1 of a small machine. One thread:
 * V8's helpers would only add memory, and threads that signals can reach. The
 * heap is kept small: measured after 1.5 s of garbage, 62 MiB are resident
 * instead of 76 MiB (tests/bench/memory_bench.ts).
 *
 * A function is handed to the first of V8's optimizing compilers after five
 * times as many calls or turns as V8 would wait. On one thread the program waits
 * for the compiler, and a boot has nothing to gain: in QEMU's interpreter, where
 * code that runs for the first time is the dear one, a twelfth of such code in a
 * whole boot was this compiler's. To wait longer, or for the second compiler too,
 * saves a boot nothing more, and whoever asks the init many things pays for it.
 * V8's baseline compiler is left out: a tenth of what the init adds to the
 * runtime's first-run code was its, and a stream of frames through such a machine
 * is as fast without it, from the first thousand on.
 *
 * V8 would look up where in the text an instruction comes from only when an error
 * asks for it, and for that parse once more all that is on the stack: measured, a
 * thirtieth of the instructions of a whole boot, for the first error in it.
 */
export const INIT_V8_FLAGS: readonly string[] = [
  "--single-threaded",
  "--max-semi-space-size=1",
  "--max-old-space-size=64",
  "--invocation-count-for-maglev=2000",
  "--invocation-count-for-maglev-osr=500",
  "--no-sparkplug",
  "--no-enable-lazy-source-positions",
];

/**
 * What the runtime lets an init do, each with its reason; it refuses all else:
 * writing, running and killing, the network, questions about the system, code
 * from elsewhere. This is hygiene, no wall: a program that may call libc can do
 * by system calls whatever its user can. But code that does not call libc, such
 * as a library that was meddled with, is held by it, and so is a mistake.
 *
 * There is no `--allow-all`, with which a denial does not hold: measured, the
 * runtime makes files and folders then, whatever `--deny-write` says. And
 * without it, it opens no file of /proc or /sys, so lib/linux does that.
 */
export const INIT_PERMISSIONS: readonly string[] = [
  // All that it asks of the kernel, it asks through libc.
  "--allow-ffi",
  // Definitions, users, modules, ports; it says itself where they may be.
  "--allow-read",
  // Container mode hands its environment to the command.
  "--allow-env",
  // A missing permission is an error, never a question on the console.
  "--no-prompt",
];

/**
 * A bundle without this machine's paths: before each module it names the file
 * that the module came from, which for a package of npm lies in the user's
 * cache. What is left is the same everywhere.
 *
 * @param bundle the text that `deno bundle` wrote
 * @returns the same, with packages named from the registry's folder on
 */
function withoutCachePaths(bundle: string): string {
  return bundle.replaceAll(
    /^\/\/ (?:\.\.\/)*\S*\/npm\/[^/\s]+\/(\S+)$/gm,
    "// npm:$1",
  );
}

/** What to compile. */
export interface Program {
  /** The main module. */
  readonly entry: string;
  /** Where the executable goes. */
  readonly output: string;
  /** Options of `deno compile` that grant and deny. */
  readonly permissions: readonly string[];
  /** V8's flags, fixed in the executable. */
  readonly v8Flags: readonly string[];
  /** Files and folders that it reads beside its modules, put into the executable. */
  readonly include?: readonly string[];
  /**
   * Whether all modules are made into one first. Measured in QEMU's
   * interpreter: resolving and loading 130 modules one by one takes a second
   * of a boot of five, and a package of npm comes along with all its files.
   */
  readonly bundled: boolean;
}

/**
 * Compiles a program. The executable appears under its name when it is whole.
 *
 * @param program what to compile
 * @param environment the kind of machine
 * @param compiler the compiler, when it is already known
 * @returns the output's path
 * @throws {ToolchainError} when the compiler cannot be had, or fails
 */
export async function compileProgram(
  program: Program,
  environment: Environment = currentEnvironment(),
  compiler?: Compiler,
): Promise<string> {
  const { argv, variables } = compiler ?? await prepareCompiler(environment);
  const folder = program.output.slice(0, program.output.lastIndexOf("/"));
  await Deno.mkdir(folder, { recursive: true });
  const workshop = await Deno.makeTempDir({ dir: folder, prefix: ".compile-" });
  const label = `compiling ${program.entry.replace(`${REPOSITORY}/`, "")}`;
  try {
    // The name goes into the executable: it must not be a random one.
    const temporaryPath = `${workshop}/${
      program.output.slice(folder.length + 1)
    }`;
    const deno = async (
      subcommand: string,
      args: readonly string[],
    ): Promise<void> => {
      const result = await run([
        ...argv,
        subcommand,
        "--quiet",
        "--no-lock",
        // Types change nothing in the result; `deno task check` checks them.
        "--no-check",
        "--node-modules-dir=none",
        ...args,
      ], {
        cwd: REPOSITORY,
        env: { NO_COLOR: "1", ...environment.variables, ...variables },
      });
      if (!result.success) {
        throw new ToolchainError(
          `deno ${subcommand} failed for ${program.entry}\n${
            lastLines(result)
          }`,
        );
      }
    };
    await withProgress(label, async () => {
      let { entry, v8Flags, include = [] } = program;
      let configArguments = environment.configArguments;
      if (program.bundled) {
        entry = `${workshop}/main.js`;
        await deno("bundle", [
          ...configArguments,
          "--output",
          entry,
          program.entry,
        ]);
        await Deno.writeTextFile(
          entry,
          withoutCachePaths(await Deno.readTextFile(entry)),
        );
        // The executable keeps the time of each module.
        await Deno.utime(entry, 0, 0);
        configArguments = ["--no-config"];
        const cached = await makeCodeCache(entry, workshop, v8Flags, deno);
        if (cached !== null) {
          entry = cached.entry;
          include = [...include, ...cached.include];
          v8Flags = [...v8Flags, CODE_CACHE_V8_FLAG];
        }
      }
      await deno("compile", [
        // A compiled program would otherwise keep a cache of code under a
        // predictable name in /tmp.
        "--no-code-cache",
        ...configArguments,
        ...program.permissions,
        ...(v8Flags.length > 0 ? [`--v8-flags=${v8Flags.join(",")}`] : []),
        ...include.flatMap((path) => ["--include", path]),
        "--output",
        temporaryPath,
        entry,
      ]);
    });
    await Deno.rename(temporaryPath, program.output);
    return program.output;
  } finally {
    await Deno.remove(workshop, { recursive: true }).catch(() => {});
  }
}
