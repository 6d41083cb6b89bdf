/**
 * Entries of folders: making, removing and owning them. The init makes every
 * file by these and by `open`, with the mode in the call that makes it, so that
 * its executable needs no permission to write through the runtime. Imports the
 * libc table, the error type and files.
 *
 * @module
 */

import { cString } from "./c_string.ts";
import { SystemError } from "./error.ts";
import { status } from "./file_status.ts";
import { check, libc } from "./libc.ts";

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const ENOTDIR = 20;
const EEXIST = 17;

/**
 * Makes a folder and those above it that are missing; one that is there stays
 * as it is.
 *
 * @param path An absolute path.
 * @param mode Permissions of each that is made; the umask takes from them.
 * @throws {SystemError} With the path: ENOTDIR, EACCES, EROFS, ENOSPC.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { status } from "./file_status.ts";
 * import { makeDirectories } from "./file_tree.ts";
 *
 * const folder = Deno.makeTempDirSync();
 * makeDirectories(`${folder}/a/b`, 0o700);
 * makeDirectories(`${folder}/a/b`, 0o755);
 * assertEquals(status(`${folder}/a/b`).mode, 0o700);
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export function makeDirectories(path: string, mode: number): void {
  const names = path.split("/").filter((name) => name !== "");
  for (let depth = 1; depth <= names.length; depth++) {
    const folder = `/${names.slice(0, depth).join("/")}`;
    try {
      check(
        libc().mkdirat(AT_FDCWD, cString(folder), mode),
        "mkdir",
        folder,
      );
    } catch (error) {
      // Whether it is there is what counts, whatever the refusal was: a
      // read-only file system says EROFS for a folder that exists.
      if (!(error instanceof SystemError)) throw error;
      if (isDirectory(folder)) continue;
      if (error.errno !== EEXIST) throw error;
      throw new SystemError({ syscall: "mkdir", errno: ENOTDIR, path: folder });
    }
  }
}

function isDirectory(path: string): boolean {
  try {
    return status(path).kind === "directory";
  } catch {
    return false;
  }
}

/**
 * Removes a file, a socket or a link; never a folder (`unlink(2)`).
 *
 * @param path The path.
 * @throws {SystemError} With the path: ENOENT, EISDIR, EACCES.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { SystemError } from "./error.ts";
 * import { removeFile } from "./file_tree.ts";
 *
 * const path = Deno.makeTempFileSync();
 * removeFile(path);
 * assertThrows(() => removeFile(path), SystemError, "ENOENT");
 * ```
 */
export function removeFile(path: string): void {
  check(libc().unlinkat(AT_FDCWD, cString(path), 0), "unlink", path);
}

/**
 * Gives a file to a user and a group. A link is given itself, not what it
 * points to, so that nobody who can replace a file has another one given away.
 *
 * @param path The path.
 * @param userId The new owner.
 * @param groupId The new group.
 * @throws {SystemError} With the path: ENOENT, EPERM.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { SystemError } from "./error.ts";
 * import { changeOwner } from "./file_tree.ts";
 *
 * assertThrows(() => changeOwner("/none", 0, 0), SystemError, "ENOENT");
 * ```
 */
export function changeOwner(
  path: string,
  userId: number,
  groupId: number,
): void {
  check(
    libc().fchownat(
      AT_FDCWD,
      cString(path),
      userId,
      groupId,
      AT_SYMLINK_NOFOLLOW,
    ),
    "chown",
    path,
  );
}
