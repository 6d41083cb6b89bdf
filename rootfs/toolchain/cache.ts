/**
 * The user's cache of downloads. A file appears under its final name only
 * when it is whole and verified: it is made under a temporary name in the
 * same folder and renamed, so that an interrupted download leaves nothing
 * behind that a later run could take for the real thing. It imports nothing
 * outside rootfs/toolchain but node:crypto, because Deno's own digests cannot
 * be fed piece by piece.
 */
import { createHash } from "node:crypto";
import { run } from "./command.ts";
import { formatSize, ToolchainError } from "./report.ts";

/**
 * The folder of this project's downloads, made if needed.
 *
 * @returns `$XDG_CACHE_HOME/spaceos`, or `$HOME/.cache/spaceos`
 * @throws {ToolchainError} when neither variable is set or the folder cannot be made
 */
export function cacheFolder(): string {
  const xdg = Deno.env.get("XDG_CACHE_HOME");
  const home = Deno.env.get("HOME");
  const base = xdg?.startsWith("/") ? xdg : home ? `${home}/.cache` : undefined;
  if (base === undefined) {
    throw new ToolchainError(
      "no place for downloads: set HOME or XDG_CACHE_HOME to a folder that may be written",
    );
  }
  const folder = `${base}/spaceos`;
  try {
    Deno.mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new ToolchainError(
      `cannot make the folder for downloads ${folder}: set XDG_CACHE_HOME to a folder that may be written`,
      { cause },
    );
  }
  return folder;
}

/**
 * The digest of a file, read piece by piece.
 *
 * @param path the file
 * @param algorithm `sha256`, or `sha512`
 * @param encoding how to write the digest
 * @returns the digest
 */
export async function fileDigest(
  path: string,
  algorithm: "sha256" | "sha512",
  encoding: "hex" | "base64" = "hex",
): Promise<string> {
  const hash = createHash(algorithm);
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20);
  for (;;) {
    const count = await file.read(buffer);
    if (count === null) break;
    hash.update(buffer.subarray(0, count));
  }
  return hash.digest(encoding);
}

/**
 * Says so when a folder's file system has too little room, instead of failing
 * half-way with a message about a write.
 *
 * @param folder an existing folder
 * @param neededBytes how much the next step needs
 * @param purpose what it is for
 * @param otherwise what else than freeing space would help
 * @throws {ToolchainError} when there is less
 */
export async function requireSpace(
  folder: string,
  neededBytes: number,
  purpose: string,
  otherwise = "set XDG_CACHE_HOME to a larger disk",
): Promise<void> {
  const result = await run(["df", "-Pk", folder]);
  const available = result.stdout.trim().split("\n").at(-1)?.split(/\s+/)[3];
  const availableBytes = Number(available) * 1024;
  if (!result.success || !Number.isFinite(availableBytes)) return;
  if (availableBytes < neededBytes) {
    throw new ToolchainError(
      `${folder} has ${
        formatSize(availableBytes)
      } free, but ${purpose} needs ` +
        `${formatSize(neededBytes)}: free some space, or ${otherwise}`,
    );
  }
}

/** One thing to have in the cache. */
export interface CacheEntry {
  /** Its name in the cache; it must change with its content. */
  readonly name: string;
  /** Tells whether what is there is whole and right. */
  readonly verify: (path: string) => Promise<boolean>;
  /** Makes it, as a file or a folder, under a temporary name. */
  readonly produce: (temporaryPath: string) => Promise<void>;
}

/**
 * Gives the path of a cache entry, which is made first if it is absent or damaged.
 *
 * @param entry what to have
 * @param folder the cache
 * @returns its path
 * @throws {ToolchainError} when what was made does not pass its own verification
 */
export async function cached(
  entry: CacheEntry,
  folder: string = cacheFolder(),
): Promise<string> {
  const path = `${folder}/${entry.name}`;
  if (await exists(path)) {
    if (await entry.verify(path)) return path;
    await Deno.remove(path, { recursive: true });
  }
  await sweepLeftovers(folder);
  const workshop = await Deno.makeTempDir({ dir: folder, prefix: ".partial-" });
  try {
    const temporaryPath = `${workshop}/content`;
    await entry.produce(temporaryPath);
    if (!await entry.verify(temporaryPath)) {
      throw new ToolchainError(
        `what was fetched as ${entry.name} is not what it should be: its digest differs. ` +
          "Try again; if that does not help, something on the way changes downloads",
      );
    }
    await publish(temporaryPath, path, entry.verify);
    return path;
  } finally {
    await Deno.remove(workshop, { recursive: true }).catch(() => {});
  }
}

/** Renames into place. A folder that another run put there meanwhile wins, if it is whole. */
async function publish(
  from: string,
  to: string,
  verify: (path: string) => Promise<boolean>,
): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    if (await exists(to) && await verify(to)) return;
    throw error;
  }
}

/** The beginnings of the names of what is under way, and what an interruption leaves behind. */
const UNFINISHED = [".partial-", ".build-", ".compile-", ".new-"];

/** How old a leftover of an interrupted run must be before it is removed. */
const LEFTOVER_AGE_MS = 6 * 3600 * 1000;

/**
 * Removes what interrupted runs left behind in a folder, once it is so old
 * that nothing can still be at work there.
 *
 * @param folder the cache, or the folder of the image
 * @param nowMs the time, in milliseconds since 1970
 */
export async function sweepLeftovers(
  folder: string,
  nowMs: number = Date.now(),
): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    if (!UNFINISHED.some((beginning) => name.startsWith(beginning))) continue;
    const path = `${folder}/${name}`;
    try {
      const { mtime } = await Deno.stat(path);
      if (mtime && nowMs - mtime.getTime() > LEFTOVER_AGE_MS) {
        await Deno.remove(path, { recursive: true });
      }
    } catch {
      // Another run was quicker.
    }
  }
}

/**
 * Tells whether something is there under a path.
 *
 * @param path the path
 * @returns true for a file, a folder, or a link to one
 */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
