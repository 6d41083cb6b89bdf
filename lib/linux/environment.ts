/**
 * The environment that this process was started with, in bytes: the runtime's
 * own way to read it refuses what is no UTF-8. Imports nothing.
 *
 * @module
 */

import { readControlBytes } from "./control_file.ts";

/**
 * The entries `NAME=value` as the kernel gave them, from `/proc/self/environ`.
 *
 * @returns The entries in their order; the runtime's own view of them where
 * /proc is not mounted.
 * @throws {Deno.errors.InvalidData} Where /proc is not mounted and an entry is no
 * UTF-8.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { initialEnvironment } from "./environment.ts";
 *
 * assert(initialEnvironment().length > 0);
 * ```
 */
export function initialEnvironment(): Uint8Array[] {
  let bytes: Uint8Array;
  try {
    bytes = readControlBytes("/proc/self/environ");
  } catch {
    const encoder = new TextEncoder();
    return Object.entries(Deno.env.toObject())
      .map(([name, value]) => encoder.encode(`${name}=${value}`));
  }
  const entries: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const nul = bytes.indexOf(0, start);
    const end = nul === -1 ? bytes.length : nul;
    if (end > start) entries.push(bytes.slice(start, end));
    start = end + 1;
  }
  return entries;
}
