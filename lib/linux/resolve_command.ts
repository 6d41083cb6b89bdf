/**
 * Finding a program by its name, as a shell does. Imports the libc table, files
 * and the error type.
 *
 * @module
 */

import { cString } from "./c_string.ts";
import { SystemError } from "./error.ts";
import { type FileKind, status } from "./file_status.ts";
import { libc } from "./libc.ts";

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
    let kind: FileKind;
    try {
      kind = status(candidate).kind;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // A directory of the search path that may not be entered hides nothing
      // that was named.
      if (name.includes("/")) failure = error.errno;
      continue;
    }
    const path = cString(candidate);
    if (
      kind === "file" && libc().faccessat(AT_FDCWD, path, X_OK, 0) !== -1
    ) return candidate;
    failure = EACCES;
  }
  throw new SystemError({ syscall: "exec", errno: failure, path: name });
}
