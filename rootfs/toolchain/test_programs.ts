/**
 * Programs that only tests need: a browser, and a terminal that can be typed
 * into and looked at. Found on the PATH, or installed from Debian. It imports
 * nothing outside rootfs/toolchain.
 */
import { installPackage } from "./apt.ts";
import { commandExists } from "./command.ts";

/** The programs, each with the package of its name. */
export type TestProgram = "chromium" | "tmux";

/**
 * Makes sure that a program is there.
 *
 * @param name which
 * @throws {ToolchainError} when it is not and cannot be installed
 */
export async function requireTestProgram(name: TestProgram): Promise<void> {
  if (commandExists(name)) return;
  await installPackage(
    name,
    `install ${name} by hand, so that it is on the PATH`,
  );
}
