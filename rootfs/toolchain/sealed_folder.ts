/**
 * Folders in the cache that were unpacked to their end and are still as they
 * were then: a seal inside holds the digest of all the rest. It imports nothing
 * but node:crypto, and nothing outside rootfs/toolchain.
 */
import { createHash } from "node:crypto";
import { fileDigest } from "./cache.ts";

/** The file that says that a folder is whole. */
const SEAL = ".complete";

/** All that is below a folder but its seal: sorted paths, with what each is. */
async function contents(folder: string, below = ""): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of Deno.readDirSync(`${folder}/${below}`)) {
    const path = `${below}${entry.name}`;
    if (path === SEAL) continue;
    if (entry.isDirectory) lines.push(...await contents(folder, `${path}/`));
    else if (entry.isSymlink) {
      lines.push(`${path}\0link\0${Deno.readLinkSync(`${folder}/${path}`)}`);
    } else {
      lines.push(`${path}\0${await fileDigest(`${folder}/${path}`, "sha256")}`);
    }
  }
  return lines.sort();
}

async function folderDigest(folder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const line of await contents(folder)) hash.update(`${line}\n`);
  return hash.digest("hex");
}

/**
 * Says that a folder is whole as it is now.
 *
 * @param folder what was unpacked
 */
export async function seal(folder: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/${SEAL}`, await folderDigest(folder));
}

/**
 * Tells whether a folder is as it was when it was sealed.
 *
 * @param folder what may have been unpacked
 * @returns false, too, for what is no folder or can't be read
 */
export async function isSealed(folder: string): Promise<boolean> {
  try {
    const said = await Deno.readTextFile(`${folder}/${SEAL}`);
    return said === await folderDigest(folder);
  } catch {
    return false;
  }
}
