/**
 * The kernel command line, parsed: which disk to use, how much to say, whether
 * to start in safe mode. Pure: imports nothing.
 *
 * The kernel's own rules hold (kernel: Documentation/admin-guide/
 * kernel-parameters.rst): words are separated by blanks, a double quote
 * protects blanks, a later word wins over an earlier one of the same key, and
 * everything after `--` belongs to the init's own arguments.
 *
 * @module
 */

/** How much the init prints: records of this level and above. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/** The log levels, from the most talkative to the quietest. */
export const LOG_LEVELS: readonly LogLevel[] = [
  "debug",
  "info",
  "warning",
  "error",
];

/** What the kernel command line asks of the init. */
export interface BootOptions {
  /** `spaceos.disk=PATH`: the only device to look for a volume on. */
  readonly diskPath?: string;
  /** `spaceos.safe` or `spaceos.safe=1`: start in safe mode. */
  readonly safeMode: boolean;
  /** `spaceos.log=LEVEL`: the least severe record printed; default `info`. */
  readonly logLevel: LogLevel;
  /** `spaceos.services=DIR`: where service definitions are; default `/etc/spaceos/services.d`. */
  readonly servicesPath: string;
  /**
   * `spaceos.watchdog=SECONDS`: the hardware watchdog's time-out, 1..3600;
   * 0 leaves the device closed. Default 30.
   */
  readonly watchdogTimeoutSeconds: number;
  /**
   * `spaceos.page=PATH` or `spaceos.page=ivshmem`: where the page is that host
   * and guest share; without it there is none.
   */
  readonly pagePath?: string;
  /** The words that were given and understood, without `spaceos.`. */
  readonly named: readonly string[];
  /** One sentence for each `spaceos.` word that was not understood; it was ignored. */
  readonly warnings: readonly string[];
}

/**
 * Splits a kernel command line into its words, quotes removed, up to `--`.
 *
 * @param text The content of `/proc/cmdline`.
 * @returns The words in order.
 *
 * @example
 * ```ts
 * import { splitCommandLine } from "./command_line.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(splitCommandLine('a="b c" d -- e\n'), ["a=b c", "d"]);
 * ```
 */
export function splitCommandLine(text: string): string[] {
  const words: string[] = [];
  let word = "";
  let started = false;
  let quoted = false;
  for (const character of text) {
    if (character === '"') {
      quoted = !quoted;
      started = true;
    } else if (!quoted && /\s/.test(character)) {
      if (started) words.push(word);
      word = "";
      started = false;
    } else {
      word += character;
      started = true;
    }
  }
  if (started) words.push(word);
  const end = words.indexOf("--");
  return end === -1 ? words : words.slice(0, end);
}

/**
 * The parameters that a kernel command line gives to a module, as `modprobe`
 * would pass them on: the kernel itself only heeds those of what is built in
 * (kernel-parameters.rst). In names `-` and `_` are the same.
 *
 * @param text The content of `/proc/cmdline`.
 * @param moduleName The module, such as `ramoops`.
 * @returns For example `mem_size=131072 ecc=1`.
 *
 * @example
 * ```ts
 * import { moduleParameters } from "./command_line.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const line = "quiet ramoops.mem_size=4096 soft-dog.soft_margin=5 ramoops.ecc=1";
 * assertEquals(moduleParameters(line, "ramoops"), "mem_size=4096 ecc=1");
 * ```
 */
export function moduleParameters(text: string, moduleName: string): string {
  const plain = (name: string) => name.replaceAll("-", "_");
  return splitCommandLine(text).flatMap((word) => {
    const dot = word.indexOf(".");
    const isIts = dot > 0 && plain(word.slice(0, dot)) === plain(moduleName);
    if (!isIts) return [];
    // The kernel splits them at blanks again, unless they are quoted.
    const parameter = word.slice(dot + 1);
    const equals = parameter.indexOf("=");
    return /\s/.test(parameter) && equals > 0
      ? [`${parameter.slice(0, equals)}="${parameter.slice(equals + 1)}"`]
      : [parameter];
  }).join(" ");
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Each `spaceos.` word: what it sets, or a sentence on what was expected. */
const WORDS: Record<
  string,
  (value: string | undefined, into: Mutable<BootOptions>) => string | undefined
> = {
  disk: (value, into) => {
    if (value === undefined || !value.startsWith("/")) {
      return "expected an absolute path of a block device";
    }
    into.diskPath = value;
    return undefined;
  },
  safe: (value, into) => {
    if (value !== undefined && value !== "0" && value !== "1") {
      return "expected nothing, 0 or 1";
    }
    into.safeMode = value !== "0";
    return undefined;
  },
  log: (value, into) => {
    const level = LOG_LEVELS.find((known) => known === value);
    if (level === undefined) return `expected one of ${LOG_LEVELS.join(", ")}`;
    into.logLevel = level;
    return undefined;
  },
  services: (value, into) => {
    if (value === undefined || !value.startsWith("/")) {
      return "expected an absolute path of a folder";
    }
    into.servicesPath = value;
    return undefined;
  },
  page: (value, into) => {
    if (value !== "ivshmem" && !value?.startsWith("/")) {
      return "expected ivshmem or an absolute path";
    }
    into.pagePath = value;
    return undefined;
  },
  watchdog: (value, into) => {
    if (value === undefined || !/^\d{1,4}$/.test(value) || +value > 3600) {
      return "expected whole seconds, 0..3600";
    }
    into.watchdogTimeoutSeconds = +value;
    return undefined;
  },
};

/**
 * Reads the init's options from a kernel command line. Nothing is an error: a
 * machine that can be reached with a default is worth more than one that stops
 * at a typing mistake, so a word that is not understood becomes a warning.
 *
 * @param text The content of `/proc/cmdline`.
 * @returns The options, with defaults where the line says nothing.
 *
 * @example
 * ```ts
 * import { parseCommandLine } from "./command_line.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const options = parseCommandLine("console=ttyS0 spaceos.disk=/dev/vdb");
 * assertEquals(options.diskPath, "/dev/vdb");
 * assertEquals(options.logLevel, "info");
 * ```
 */
export function parseCommandLine(text: string): BootOptions {
  const warnings: string[] = [];
  const named: string[] = [];
  const options: Mutable<BootOptions> = {
    safeMode: false,
    logLevel: "info",
    servicesPath: "/etc/spaceos/services.d",
    watchdogTimeoutSeconds: 30,
    named,
    warnings,
  };
  for (const word of splitCommandLine(text)) {
    if (!word.startsWith("spaceos.")) continue;
    const equals = word.indexOf("=");
    const key = word.slice("spaceos.".length, equals < 0 ? undefined : equals);
    const value = equals < 0 ? undefined : word.slice(equals + 1);
    const problem = Object.hasOwn(WORDS, key)
      ? WORDS[key]?.(value, options)
      : `expected one of ${
        Object.keys(WORDS).map((known) => `spaceos.${known}`).join(", ")
      }`;
    if (problem === undefined) named.push(key);
    else {
      warnings.push(
        `kernel command line: ${JSON.stringify(word)} ignored: ${problem}`,
      );
    }
  }
  return options;
}

/** The devices tried for the volume, in order. */
export const DISK_CANDIDATES: readonly string[] = ["/dev/vda1", "/dev/vda"];

/**
 * The devices to look for the volume on, in order (formats.md, "Superblock").
 * A disk named on the command line is the only candidate: falling back to
 * another would write to a disk that the operator did not mean.
 *
 * @param options The parsed command line.
 * @returns Absolute device paths, at least one.
 *
 * @example
 * ```ts
 * import { diskCandidates, parseCommandLine } from "./command_line.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(diskCandidates(parseCommandLine("")), ["/dev/vda1", "/dev/vda"]);
 * ```
 */
export function diskCandidates(options: BootOptions): readonly string[] {
  return options.diskPath === undefined ? DISK_CANDIDATES : [options.diskPath];
}
