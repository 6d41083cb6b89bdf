/**
 * The folder of a switch's sockets: nobody else's to write in, so that no socket
 * in it can be anybody else's, and one switch's at a time. Imports `linux`.
 *
 * @module
 */
import { tryLock } from "../linux/descriptor.ts";
import { SystemError } from "../linux/error.ts";
import { close, open } from "../linux/file.ts";
import { status } from "../linux/file_status.ts";

const EPERM = 1;
const EBUSY = 16;

/** A folder that everyone may pass through to a socket, and nobody may list. */
const FOLDER_MODE = 0o711;

/**
 * Makes the folder if need be, judges it, and locks it for one switch.
 *
 * @param path The folder.
 * @returns The open folder: closing it lets it go.
 * @throws {SystemError} EPERM when others may write in it, EBUSY when another
 * switch has it.
 *
 * @example
 * ```ts
 * import { takeFolder } from "./switch_folder.ts";
 * import { close } from "../linux/file.ts";
 * import { assertThrows } from "@std/assert/throws";
 *
 * const folder = await Deno.makeTempDir();
 * const lock = takeFolder(folder);
 * assertThrows(() => takeFolder(folder), Error, "another switch is at work there");
 * close(lock);
 * await Deno.remove(folder);
 * ```
 */
export function takeFolder(path: string): number {
  try {
    Deno.mkdirSync(path, { mode: FOLDER_MODE });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const folder = open(path, ["directory"]);
  try {
    const { mode, userId } = status(folder);
    const isOurs = userId === Deno.uid() || userId === 0;
    if (!isOurs || (mode & 0o022) !== 0) {
      throw new SystemError({
        syscall: "open",
        errno: EPERM,
        path,
        detail: `mode 0${mode.toString(8)} and owner ${userId}, ` +
          "expected a folder of our own that nobody else may write in",
      });
    }
    if (!tryLock(folder)) {
      throw new SystemError({
        syscall: "flock",
        errno: EBUSY,
        path,
        detail: "another switch is at work there",
      });
    }
    return folder;
  } catch (error) {
    close(folder);
    throw error;
  }
}
