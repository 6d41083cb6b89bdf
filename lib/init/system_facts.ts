/**
 * What the kernel says of the machine's memory and load, read out of the texts
 * of `/proc`. Pure: the texts are handed in; imports nothing.
 *
 * @module
 */

/** The machine's memory, in KiB, as `/proc/meminfo` gives it. */
export interface MemoryFacts {
  /** Memory the kernel manages. */
  readonly totalKib: number;
  /** Memory that could be given to programs without swapping. */
  readonly availableKib: number;
}

/**
 * Reads `/proc/meminfo` (proc_meminfo(5)).
 *
 * @param text The file's content.
 * @returns The two figures; 0 for one that is not there.
 *
 * @example
 * ```ts
 * import { parseMemoryFacts } from "./system_facts.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(
 *   parseMemoryFacts("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable: 700 kB\n"),
 *   { totalKib: 1000, availableKib: 700 },
 * );
 * ```
 */
export function parseMemoryFacts(text: string): MemoryFacts {
  const figure = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? 0);
  return {
    totalKib: figure("MemTotal"),
    availableKib: figure("MemAvailable"),
  };
}

/**
 * Reads the load average over one minute from `/proc/loadavg`
 * (proc_loadavg(5)), in hundredths as the HEALTH frame carries it.
 *
 * @param text The file's content.
 * @returns 0..65535.
 *
 * @example
 * ```ts
 * import { parseLoad } from "./system_facts.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(parseLoad("1.25 0.50 0.10 1/80 123\n"), 125);
 * ```
 */
export function parseLoad(text: string): number {
  const load = Number(/^\d+\.\d+/.exec(text)?.[0] ?? 0);
  return Math.min(0xffff, Math.round(load * 100));
}
