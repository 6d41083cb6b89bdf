/**
 * A C compiler: found on the PATH, or installed from Debian. The benchmarks
 * compile the programs that this project is compared with. It imports nothing
 * outside rootfs/toolchain.
 */
import { installPackage } from "./apt.ts";
import { commandExists, lastLines, run } from "./command.ts";
import { ToolchainError } from "./report.ts";

const COMPILER = "gcc";

const OTHERWISE = `install ${COMPILER} and the C library's headers by hand`;

/** A header and the static library, which come in a package of their own. */
const LIBRARY_HEADER = "/usr/include/stdio.h";

/**
 * Compiles one C file into a static executable.
 *
 * @param source the file
 * @param output where the executable goes
 * @throws {ToolchainError} without a compiler, or with what it says
 */
export async function compileC(source: string, output: string): Promise<void> {
  if (!commandExists(COMPILER)) await installPackage(COMPILER, OTHERWISE);
  try {
    await Deno.stat(LIBRARY_HEADER);
  } catch {
    await installPackage("libc6-dev", OTHERWISE);
  }
  const result = await run([
    COMPILER,
    "-std=gnu11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-static",
    "-s",
    "-o",
    output,
    source,
  ]);
  if (!result.success) {
    throw new ToolchainError(
      `${COMPILER} failed for ${source}\n${lastLines(result)}`,
    );
  }
}
