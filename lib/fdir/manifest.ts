/**
 * The manifest of the image's files, `/etc/spaceos/manifest`: a line for each
 * file, its SHA-256 in hexadecimal, two blanks, its absolute path, sorted by
 * path. It is what `sha256sum` writes and checks. Written by the build, read
 * by FDIR. Pure; imports nothing.
 *
 * @module
 */

/** Where the manifest is in the image. */
export const MANIFEST_PATH = "/etc/spaceos/manifest";

/** The most bytes of a manifest that are read. */
export const MANIFEST_MAX_BYTES = 4 * 1024 * 1024;

/** One file of the image. */
export interface ManifestEntry {
  /** Its absolute path. */
  readonly path: string;
  /** The SHA-256 of its content, 64 hexadecimal digits. */
  readonly digest: string;
}

/**
 * The text of a manifest.
 *
 * @param entries The files, in any order. Paths with line feeds are left out:
 * the format has no way to write them that is not an escape.
 * @returns One line for each.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatManifest, parseManifest } from "./manifest.ts";
 *
 * const entry = { path: "/init", digest: "0".repeat(64) };
 * assertEquals(parseManifest(formatManifest([entry])).entries, [entry]);
 * ```
 */
export function formatManifest(entries: readonly ManifestEntry[]): string {
  return entries.filter(({ path }) => !path.includes("\n"))
    .toSorted((a, b) => a.path < b.path ? -1 : 1)
    .map(({ path, digest }) => `${digest}  ${path}\n`).join("");
}

/**
 * Reads a manifest.
 *
 * @param text The file's content.
 * @returns The files, and how many lines were no entry.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseManifest } from "./manifest.ts";
 *
 * assertEquals(parseManifest("what is this\n"), { entries: [], badLines: 1 });
 * ```
 */
export function parseManifest(
  text: string,
): { readonly entries: readonly ManifestEntry[]; readonly badLines: number } {
  const entries: ManifestEntry[] = [];
  let badLines = 0;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const match = /^([0-9a-f]{64}) [ *](\/.*)$/.exec(line);
    if (match === null) badLines++;
    else entries.push({ digest: match[1] ?? "", path: match[2] ?? "" });
  }
  return { entries, badLines };
}
