/**
 * Debian's package tools, as far as they are needed: refresh the lists, ask
 * for a package's record, download one, install one. It imports nothing
 * outside rootfs/toolchain.
 */
import { fileDigest } from "./cache.ts";
import { commandExists, lastLines, run } from "./command.ts";
import { ToolchainError, withProgress } from "./report.ts";

/** One paragraph of `apt-cache show`. */
export interface PackageRecord {
  /** The package's name. */
  readonly name: string;
  /** The version, as Debian writes it. */
  readonly version: string;
  /** The digest of its file, in hexadecimal. */
  readonly sha256: string;
  /** The Depends field. */
  readonly depends: string;
}

/**
 * Reads the output of `apt-cache show`.
 *
 * @param text paragraphs of `Field: value` lines
 * @returns the records that have all needed fields, in order: the candidate comes first
 */
export function parsePackageRecords(text: string): PackageRecord[] {
  const records: PackageRecord[] = [];
  for (const paragraph of text.split(/\n\s*\n/)) {
    const field = (name: string): string =>
      new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(paragraph)?.[1]?.trim() ??
        "";
    const record = {
      name: field("Package"),
      version: field("Version"),
      sha256: field("SHA256"),
      depends: field("Depends"),
    };
    if (record.name && record.version && /^[0-9a-f]{64}$/.test(record.sha256)) {
      records.push(record);
    }
  }
  return records;
}

function isRoot(): boolean {
  return Deno.uid() === 0;
}

function requireApt(purpose: string, otherwise: string): void {
  if (!commandExists("apt-get") || !commandExists("apt-cache")) {
    throw new ToolchainError(
      `this machine has no apt-get, with which ${purpose} would be fetched: ${otherwise}`,
    );
  }
}

let updated = false;

/** Refreshes the package lists, once in a run. */
async function updateLists(purpose: string): Promise<void> {
  if (updated) return;
  if (!isRoot()) {
    throw new ToolchainError(
      `the package lists know nothing of ${purpose}, and only root may refresh them: ` +
        "run `sudo apt-get update`, then try again",
    );
  }
  await withProgress("apt: refreshing the package lists", async () => {
    const result = await run(["apt-get", "update", "-q"], {
      env: { DEBIAN_FRONTEND: "noninteractive" },
    });
    if (!result.success) {
      throw new ToolchainError(
        `apt-get update failed; are Debian's packages reachable?\n${
          lastLines(result)
        }`,
      );
    }
  });
  updated = true;
}

/**
 * The record of the version of a package that apt would install.
 *
 * @param name the package
 * @param otherwise what the user can do on a machine without apt
 * @returns its record
 * @throws {ToolchainError} when apt is not there or does not know the package
 */
export async function packageRecord(
  name: string,
  otherwise: string,
): Promise<PackageRecord> {
  requireApt(name, otherwise);
  for (;;) {
    const result = await run(["apt-cache", "show", "--no-all-versions", name]);
    const record = parsePackageRecords(result.stdout)[0];
    if (record !== undefined) return record;
    if (updated) {
      throw new ToolchainError(
        `Debian's package ${name} is not in this machine's package lists: ${otherwise}`,
      );
    }
    await updateLists(name);
  }
}

/**
 * Downloads a package's file into a folder and checks it.
 *
 * @param wanted which version, with its digest
 * @param folder where to
 * @returns the path of the .deb file
 * @throws {ToolchainError} when it cannot be had or its digest differs
 */
export async function downloadPackage(
  wanted: PackageRecord,
  folder: string,
): Promise<string> {
  const argv = [
    "apt-get",
    "download",
    "-q",
    `${wanted.name}=${wanted.version}`,
  ] as const;
  let result = await run(argv, { cwd: folder });
  if (!result.success && !updated && isRoot()) {
    // An old list may name a version that the mirror no longer has.
    await updateLists(wanted.name);
    result = await run(argv, { cwd: folder });
  }
  if (!result.success) {
    throw new ToolchainError(
      `apt-get could not download ${wanted.name} ${wanted.version}; ` +
        `are Debian's packages reachable, and the lists fresh (apt-get update)?\n${
          lastLines(result)
        }`,
    );
  }
  const file = [...Deno.readDirSync(folder)].find(({ name }) =>
    name.endsWith(".deb")
  );
  if (file === undefined) {
    throw new ToolchainError(`apt-get download left no file of ${wanted.name}`);
  }
  const path = `${folder}/${file.name}`;
  const digest = await fileDigest(path, "sha256");
  if (digest !== wanted.sha256) {
    throw new ToolchainError(
      `${file.name} has the SHA-256 ${digest}, but the package list says ${wanted.sha256}`,
    );
  }
  return path;
}

/**
 * Installs a package.
 *
 * @param name the package
 * @param otherwise what the user can do where that is not possible
 * @throws {ToolchainError} without apt or root, or when apt fails
 */
export async function installPackage(
  name: string,
  otherwise: string,
): Promise<void> {
  requireApt(name, otherwise);
  if (!isRoot()) {
    throw new ToolchainError(
      `${name} is not installed, and only root may install it: run \`sudo apt-get install ${name}\`, then try again`,
    );
  }
  await packageRecord(name, otherwise);
  const argv = [
    "apt-get",
    "install",
    "-y",
    "-q",
    "--no-install-recommends",
    name,
  ] as const;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await withProgress(`apt: installing ${name}`, async () => {
    let result = await run(argv, { env });
    if (!result.success && !updated) {
      await updateLists(name);
      result = await run(argv, { env });
    }
    if (!result.success) {
      throw new ToolchainError(
        `apt-get could not install ${name}\n${lastLines(result)}`,
      );
    }
  });
}
