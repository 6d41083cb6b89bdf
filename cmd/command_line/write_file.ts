/**
 * Writes the files that a user asked for: whole or not at all. Imports the
 * error of a command line.
 *
 * @module
 */

import { writeError } from "./error.ts";

/** The permissions of a new file before the umask takes some away. */
const NEW_FILE_MODE = 0o666;

/**
 * Writes a file. It appears whole under its name, or what was there stays: the
 * bytes go to a new name beside it first. What is no regular file (a terminal,
 * a pipe, /dev/null) can't be replaced and is written to as it is.
 *
 * @param path Where to; a symbolic link is followed.
 * @param bytes Its content.
 * @throws {CommandError} Naming the file and why it can't be written.
 */
export async function writeFile(
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  try {
    const before = await statusOf(path);
    if (before !== null && !before.isFile) {
      await Deno.writeFile(path, bytes, { create: false });
      return;
    }
    if (before === null) return await replace(path, bytes, null);
    // Whoever keeps a file from being written does not want it replaced either.
    (await Deno.open(path, { write: true })).close();
    await replace(await Deno.realPath(path), bytes, before);
  } catch (error) {
    throw writeError(path, error);
  }
}

async function statusOf(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function replace(
  path: string,
  bytes: Uint8Array,
  before: Deno.FileInfo | null,
): Promise<void> {
  // Nobody can have laid a link under a name that nobody can know.
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const temporary = `${folder}.${crypto.randomUUID()}.tmp`;
  const file = await Deno.open(temporary, {
    write: true,
    createNew: true,
    mode: NEW_FILE_MODE,
  });
  try {
    try {
      for (let done = 0; done < bytes.length;) {
        done += await file.write(bytes.subarray(done));
      }
      await file.syncData();
    } finally {
      file.close();
    }
    if (before !== null) await takeAfter(temporary, before);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/** Gives a file the owner, as far as we may, and the permissions of another. */
async function takeAfter(path: string, other: Deno.FileInfo): Promise<void> {
  await Deno.chown(path, other.uid, other.gid).catch(() => {});
  if (other.mode !== null) await Deno.chmod(path, other.mode & 0o7777);
}
