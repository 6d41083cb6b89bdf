/**
 * Reads a file that somebody else put there, whatever it turns out to be: a
 * FIFO without a writer, a terminal or an endless device must not hold up
 * process 1, and a huge file must not fill its memory. Imports `linux`.
 *
 * @module
 */
import { close, open, read } from "../linux/file.ts";
import { status } from "../linux/file_status.ts";

/**
 * Reads a regular file, at once.
 *
 * @param path The file; a symbolic link to one will do.
 * @param limitBytes The most that is read.
 * @returns Its first bytes, at most `limitBytes`.
 * @throws {SystemError} When it can't be opened or read.
 * @throws {Error} When it is no regular file.
 *
 * @example
 * ```ts
 * import { readSmallFile } from "./small_file.ts";
 * import { assertEquals } from "@std/assert/equals";
 * import { assertThrows } from "@std/assert/throws";
 *
 * const path = Deno.makeTempFileSync();
 * Deno.writeTextFileSync(path, "hello");
 * assertEquals(readSmallFile(path, 4).length, 4);
 * assertThrows(() => readSmallFile("/dev/zero", 4), Error, "regular file");
 * Deno.removeSync(path);
 * ```
 */
export function readSmallFile(
  path: string,
  limitBytes: number,
): Uint8Array<ArrayBuffer> {
  // With O_NONBLOCK a FIFO opens without its writer, and a line without its
  // carrier.
  const descriptor = open(path, ["nonblock", "noControllingTerminal"]);
  try {
    const { kind } = status(descriptor);
    if (kind !== "file") {
      throw new Error(`${path} is a ${kind}, expected a regular file`);
    }
    const buffer = new Uint8Array(limitBytes);
    let filledBytes = 0;
    while (filledBytes < buffer.length) {
      const count = read(descriptor, buffer.subarray(filledBytes));
      if (count === null || count === 0) break;
      filledBytes += count;
    }
    return buffer.slice(0, filledBytes);
  } finally {
    close(descriptor);
  }
}
