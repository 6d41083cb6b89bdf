/**
 * Programs of Debian that tests and benchmarks put to work: found where their
 * package puts them, or installed. It imports nothing outside
 * rootfs/toolchain.
 */
import { installPackage } from "./apt.ts";
import { ToolchainError } from "./report.ts";

/**
 * Makes sure that a program is there.
 *
 * @param path the file, as the package has it
 * @param packageName the package that brings it
 * @returns the path
 * @throws {ToolchainError} when it is not there and cannot be installed
 */
export async function requireProgram(
  path: string,
  packageName: string,
): Promise<string> {
  if (isThere(path)) return path;
  await installPackage(packageName, `install ${path} by hand`);
  if (isThere(path)) return path;
  throw new ToolchainError(
    `Debian's ${packageName} is installed, but it has no ${path}`,
  );
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
