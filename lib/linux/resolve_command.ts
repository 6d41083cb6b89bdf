/**
 * Finding a program by its name, as a shell does. Imports the libc table, files
 * and the error type.
 *
 * @module
 */

import { cString } from "./c_string.ts";
import { SystemError } from "./error.ts";
import { status } from "./file.ts";
import { check, libc } from "./libc.ts";

const ENOENT = 2;
const EACCES = 13;

/**
 * Finds a program as a shell does: a name with a slash is taken as it is, any
 * other is looked for in the directories of a search path.
 *
 * @param name The program's name or path.
 * @param searchPath Directories with colons between them.
 * @returns The path of an executable file.
 * @throws {SystemError} ENOENT when there is none; EACCES when there is one that
 * may not be executed.
 *
 * @example
 * ```ts
 * import { assertMatch } from "@std/assert";
 * import { resolveCommand } from "./resolve_command.ts";
 *
 * assertMatch(resolveCommand("sh", "/usr/bin:/bin"), /\/sh$/);
 * ```
 */
export function resolveCommand(
  name: string,
  searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
): string {
  const candidates = name.includes("/") ? [name] : name === ""
    ? []
    // An empty directory in a search path is the working directory.
    : searchPath.split(":").map((directory) => `${directory || "."}/${name}`);
  const X_OK = 1, AT_FDCWD = -100;
  let failure = ENOENT;
  for (const candidate of candidates) {
    try {
      if (status(candidate).kind !== "file") {
        failure = EACCES;
        continue;
      }
      check(
        libc().faccessat(AT_FDCWD, cString(candidate), X_OK, 0),
        "faccessat",
        candidate,
      );
      return candidate;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (error.errno === EACCES) failure = EACCES;
    }
  }
  throw new SystemError({ syscall: "exec", errno: failure, path: name });
}
