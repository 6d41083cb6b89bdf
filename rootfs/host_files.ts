/**
 * This machine's files, as the image builder reads and writes them: the
 * loader's view for shared libraries, whole folders, and files that appear
 * whole or not at all. It imports elf.ts for its types, and rootfs/toolchain.
 */
import type { LibraryFiles } from "./elf.ts";
import { say, ToolchainError } from "./toolchain/report.ts";

/** This machine's files, as the loader sees them. */
export const hostFiles: LibraryFiles = {
  read(path) {
    try {
      return Deno.readFileSync(path);
    } catch {
      return undefined;
    }
  },
  glob(pattern) {
    if (!pattern.includes("*")) return [pattern];
    const folder = pattern.slice(0, pattern.lastIndexOf("/"));
    const [before = "", after = ""] = pattern.slice(folder.length + 1).split(
      "*",
    );
    try {
      return [...Deno.readDirSync(folder)]
        .map(({ name }) => name)
        .filter((name) => name.startsWith(before) && name.endsWith(after))
        .sort()
        .map((name) => `${folder}/${name}`);
    } catch {
      return [];
    }
  },
};

/**
 * All files below a folder.
 *
 * @param folder where to look; one that is not there holds nothing
 * @param below the part of it to list, relative to it
 * @returns sorted paths, relative to the folder
 * @throws {ToolchainError} for anything that is neither a file nor a folder
 */
export function listFiles(folder: string, below = ""): string[] {
  const found: string[] = [];
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(`${folder}/${below}`)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  for (const entry of entries) {
    const path = below ? `${below}/${entry.name}` : entry.name;
    if (entry.isDirectory) found.push(...listFiles(folder, path));
    else if (entry.isFile) found.push(path);
    else {
      throw new ToolchainError(
        `${folder}/${path} is neither a file nor a folder: the image takes only these`,
      );
    }
  }
  return found.sort();
}

/**
 * Writes a file so that it appears whole, or not at all.
 *
 * @param path where to
 * @param bytes its content
 */
export async function replaceFile(
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const temporary = await Deno.makeTempFile({
    dir: path.slice(0, path.lastIndexOf("/")),
    prefix: ".new-",
  });
  try {
    await Deno.writeFile(temporary, bytes);
    await Deno.chmod(temporary, 0o644);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/**
 * Joins pieces of an archive.
 *
 * @param pieces in order
 * @returns all of them
 */
export function joinPieces(
  pieces: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(
    pieces.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

/** How long another builder is waited for without a word. */
const PATIENCE_MS = 1000;

/**
 * Takes a folder for one builder alone, and makes it if needed: a second one
 * that wants the same folder waits until the first is done.
 *
 * @param folder where files will be written
 * @returns disposing it lets the next one in
 * @throws {ToolchainError} when the folder cannot be made or written to
 */
export async function takeFolder(folder: string): Promise<Disposable> {
  let file: Deno.FsFile;
  try {
    await Deno.mkdir(folder, { recursive: true });
    file = await Deno.open(`${folder}/.lock`, { create: true, write: true });
  } catch (cause) {
    throw new ToolchainError(
      `${folder} cannot be written to: expected a folder for the image's files (${
        cause instanceof Error ? cause.message : cause
      })`,
      { cause },
    );
  }
  const timer = setTimeout(
    () => say(`waiting for another build in ${folder}`),
    PATIENCE_MS,
  );
  await file.lock(true);
  clearTimeout(timer);
  return { [Symbol.dispose]: () => file.close() };
}
