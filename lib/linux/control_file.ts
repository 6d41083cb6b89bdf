/**
 * Files of /proc and of control groups, which take or give one short text at a
 * time. Imports files and the error type.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { close, open, read, write } from "./file.ts";
import { checkRetry, libc } from "./libc.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Writes a text in one `write(2)`, as such files expect it.
 *
 * @param path The file, which must exist.
 * @param text What to write.
 * @throws {SystemError} With the path, and the text as detail.
 *
 * @example
 * ```ts
 * import { writeControl } from "./control_file.ts";
 *
 * writeControl("/dev/null", "1");
 * ```
 */
export function writeControl(path: string, text: string): void {
  const descriptor = open(path, ["writeOnly"]);
  try {
    write(descriptor, encoder.encode(text));
  } catch (error) {
    throw named(error, path, text);
  } finally {
    close(descriptor);
  }
}

/**
 * Reads such a file whole.
 *
 * @param path The file.
 * @throws {SystemError} With the path.
 *
 * @example
 * ```ts
 * import { assertMatch } from "@std/assert";
 * import { readControl } from "./control_file.ts";
 *
 * assertMatch(readControl("/proc/loadavg"), /^[0-9.]+ /);
 * ```
 */
export function readControl(path: string): string {
  return decoder.decode(readControlBytes(path));
}

/**
 * Reads such a file whole, as bytes.
 *
 * @param path The file.
 * @throws {SystemError} With the path.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { readControlBytes } from "./control_file.ts";
 *
 * assert(readControlBytes("/proc/self/cmdline").includes(0));
 * ```
 */
export function readControlBytes(path: string): Uint8Array {
  const descriptor = open(path);
  try {
    let bytes = new Uint8Array(4096);
    for (let filled = 0;;) {
      const count = read(descriptor, bytes.subarray(filled)) ?? 0;
      filled += count;
      if (count === 0) return bytes.subarray(0, filled);
      if (filled < bytes.length) continue;
      const larger = new Uint8Array(2 * bytes.length);
      larger.set(bytes);
      bytes = larger;
    }
  } catch (error) {
    throw named(error, path);
  } finally {
    close(descriptor);
  }
}

/** The open descriptors of {@linkcode readLine}, by path. */
const keptOpen = new Map<string, number>();
const line = new Uint8Array(new ArrayBuffer(128));

/**
 * Reads a file of `/proc` that is one short line, and is asked for often: it
 * stays open for the program's life, so that each look is one system call.
 *
 * @param path The file, of at most 128 bytes.
 * @returns Its line, without the line feed.
 * @throws {SystemError} With the path.
 *
 * @example
 * ```ts
 * import { assertMatch } from "@std/assert";
 * import { readLine } from "./control_file.ts";
 *
 * assertMatch(readLine("/proc/loadavg"), /^[0-9.]+ .* [0-9]+$/);
 * ```
 */
export function readLine(path: string): string {
  let descriptor = keptOpen.get(path);
  if (descriptor === undefined) {
    descriptor = open(path);
    keptOpen.set(path, descriptor);
  }
  const file = descriptor;
  const count = checkRetry(
    () => libc().pread(file, line, BigInt(line.length), 0n),
    "pread",
    path,
  );
  return decoder.decode(line.subarray(0, count)).trimEnd();
}

/** The same error with the file that it is about, and what was written. */
function named(error: unknown, path: string, text?: string): unknown {
  if (!(error instanceof SystemError)) return error;
  return new SystemError({
    syscall: error.syscall,
    errno: error.errno,
    path,
    ...(text === undefined ? {} : { detail: `value ${text}` }),
  });
}
