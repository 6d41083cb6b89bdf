/**
 * Hearing of names that appear in folders (`inotify(7)`), so that nobody has to
 * look for them again and again. Imports the libc table and files.
 *
 * @module
 */

import { cString } from "./c_string.ts";
import { read } from "./file.ts";
import { check, libc } from "./libc.ts";

/** Bits of `linux/inotify.h`. */
const IN_CREATE = 0x100;
const IN_MOVED_TO = 0x080;
const IN_ONLYDIR = 0x0100_0000;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;

/** Some hundred events; what they say is not looked at. */
const buffer = new Uint8Array(new ArrayBuffer(16_384));

/**
 * Makes a descriptor that can be waited for, on which the kernel tells of names
 * in folders (`inotify_init1(2)`).
 *
 * @returns The descriptor, O_NONBLOCK and close-on-exec.
 * @throws {SystemError} EMFILE when this user has as many as may be, ENOSYS.
 *
 * @example
 * ```ts
 * import { close } from "./file.ts";
 * import { openFolderWatch } from "./inotify.ts";
 *
 * close(openFolderWatch());
 * ```
 */
export function openFolderWatch(): number {
  return check(
    libc().inotify_init1(O_CLOEXEC | O_NONBLOCK),
    "inotify_init1",
  );
}

/**
 * Has the kernel tell of names that are made in a folder, or moved to it
 * (`inotify_add_watch(2)`). A folder that is watched already has one watch.
 *
 * @param descriptor One of {@linkcode openFolderWatch}.
 * @param folder The folder.
 * @returns The number of the watch.
 * @throws {SystemError} ENOENT, ENOTDIR, ENOSPC when there are too many.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { close } from "./file.ts";
 * import { openFolderWatch, takeChanges, watchFolder } from "./inotify.ts";
 *
 * const descriptor = openFolderWatch();
 * watchFolder(descriptor, "/");
 * assertEquals(takeChanges(descriptor), false);
 * close(descriptor);
 * ```
 */
export function watchFolder(descriptor: number, folder: string): number {
  return check(
    libc().inotify_add_watch(
      descriptor,
      cString(folder),
      IN_CREATE | IN_MOVED_TO | IN_ONLYDIR,
    ),
    "inotify_add_watch",
    folder,
  );
}

/**
 * Takes what the kernel has told so far, a bounded amount; what is left is told
 * again.
 *
 * @param descriptor One of {@linkcode openFolderWatch}.
 * @returns Whether there was anything.
 * @throws {SystemError} EBADF when it is not open.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { close } from "./file.ts";
 * import { openFolderWatch, takeChanges, watchFolder } from "./inotify.ts";
 *
 * const folder = Deno.makeTempDirSync();
 * const descriptor = openFolderWatch();
 * watchFolder(descriptor, folder);
 * Deno.mkdirSync(`${folder}/new`);
 * assert(takeChanges(descriptor));
 * close(descriptor);
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export function takeChanges(descriptor: number): boolean {
  const count = read(descriptor, buffer);
  return count !== null && count > 0;
}
