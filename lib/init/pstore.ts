/**
 * The kernel's last words: records of its log that survived a reset in pstore
 * (kernel: Documentation/admin-guide/ramoops.rst). Imports `linux`
 * and this room's reader.
 *
 * @module
 */
import { removeFile } from "../linux/file_tree.ts";
import { readSmallFile } from "./small_file.ts";

/** Where pstore is mounted. */
export const PSTORE_PATH = "/sys/fs/pstore";

/** The most bytes of a record that are read. */
const RECORD_MAX_BYTES = 256 * 1024;

/** The most records that are read. */
const MAXIMUM_RECORDS = 16;

/** Records of the kernel log, and how to make room for the next ones. */
export interface KernelLogs {
  /** Their texts. */
  readonly texts: readonly string[];
  /** Removes them: the store is small, and full of old records it takes no new ones. */
  readonly forget: () => void;
}

/**
 * Reads what the kernel left.
 *
 * @param folder Where pstore is mounted.
 * @returns The records of the kernel log; none where there is no pstore.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { readKernelLogs } from "./pstore.ts";
 *
 * const folder = Deno.makeTempDirSync();
 * Deno.writeTextFileSync(`${folder}/dmesg-ramoops-0`, "Panic#1 Part1\n");
 * const { texts, forget } = readKernelLogs(folder);
 * assertEquals(texts, ["Panic#1 Part1\n"]);
 * forget();
 * assertEquals(readKernelLogs(folder).texts, []);
 * Deno.removeSync(folder);
 * ```
 */
export function readKernelLogs(folder: string = PSTORE_PATH): KernelLogs {
  const paths: string[] = [];
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      if (name.startsWith("dmesg-")) paths.push(`${folder}/${name}`);
      if (paths.length === MAXIMUM_RECORDS) break;
    }
  } catch {
    return { texts: [], forget: () => {} };
  }
  const texts = paths.sort().flatMap((path) => {
    try {
      const bytes = readSmallFile(path, RECORD_MAX_BYTES);
      return [new TextDecoder().decode(bytes)];
    } catch {
      return [];
    }
  });
  const forget = (): void => {
    for (const path of paths) {
      try {
        removeFile(path);
      } catch {
        // It stays, and is told again at the next boot.
      }
    }
  };
  return { texts, forget };
}
