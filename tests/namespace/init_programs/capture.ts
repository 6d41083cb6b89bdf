/**
 * For programs that run as PID 1 in tests: runs a child to its end and returns
 * what it wrote, with the library's own functions.
 *
 * @module
 */

import { pipe } from "../../../lib/linux/descriptor.ts";
import { close, read } from "../../../lib/linux/file.ts";
import { type ChildExit, waitForExit } from "../../../lib/linux/process.ts";
import { spawn } from "../../../lib/linux/spawn.ts";
import type { SpawnOptions } from "../../../lib/linux/spawn_options.ts";

/** A child's output, both streams together, and how it ended. */
export interface Captured {
  /** What it wrote. */
  readonly text: string;
  /** How it ended. */
  readonly exit: ChildExit;
}

/**
 * Runs a child and collects its standard output and error.
 *
 * @param options What to run.
 */
export function capture(options: SpawnOptions): Captured {
  const [reader, writer] = pipe({
    nonblockReader: false,
    nonblockWriter: false,
  });
  let pid: number;
  try {
    pid = spawn({ env: {}, stdout: writer, stderr: writer, ...options });
  } catch (error) {
    close(reader);
    throw error;
  } finally {
    close(writer);
  }
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65_536);
  let text = "";
  for (;;) {
    const count = read(reader, buffer) ?? 0;
    if (count === 0) break;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  close(reader);
  return { text, exit: waitForExit(pid) };
}

/**
 * Reports a fact to the test.
 *
 * @param key Its name.
 * @param value Its value.
 */
export function report(key: string, value: unknown): void {
  console.log(JSON.stringify({ [key]: value }));
}
