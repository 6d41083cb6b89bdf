/**
 * Which VMs are meant: the sockets of `--socket`, with `*`, `?` and `[...]` in
 * them, and a short label for each. Imports the options.
 *
 * @module
 */

import { usageError } from "../command_line/error.ts";
import { type OptionTable, quote } from "../command_line/options.ts";
import { CtlError, ExitCode } from "./exit_code.ts";

/** One VM. */
export interface Target {
  /** The unix socket of its port. */
  readonly path: string;
  /** How it is named beside others: the socket's file name, or the path. */
  readonly label: string;
}

/** Where `deno task boot` has QEMU serve the port. */
const DEFAULT_SOCKET = decodeURIComponent(
  new URL("../../rootfs/out/spaceos-ipc.sock", import.meta.url).pathname,
);

/** The environment variable that stands for `--socket`. */
export const SOCKET_VARIABLE = "SPACEOS_SOCKET";

/** The most VMs of one call. */
const TARGETS_MAX_COUNT = 256;

/** The options of every command that meets a VM. */
export const TARGET_OPTIONS: OptionTable = {
  socket: {
    value: "PATH",
    help: "socket of the VM; may be repeated, and may have * ? [...]",
    letter: "S",
    repeats: true,
  },
  timeout: {
    value: "SECONDS",
    help: "how long an answer may take (default 5)",
    letter: "t",
  },
};

/**
 * The VMs that are meant.
 *
 * @param patterns The values of `--socket`.
 * @throws {CtlError} If a pattern matches nothing, or too much.
 * @throws {CommandError} If a pattern is empty.
 */
export function findTargets(patterns: readonly string[]): Target[] {
  const wanted = patterns.length > 0
    ? patterns
    : [Deno.env.get(SOCKET_VARIABLE) || defaultSocket()];
  const paths = new Set<string>();
  for (const pattern of wanted) {
    if (pattern === "") throw usageError('--socket is "", expected a path');
    const found = expand(pattern);
    if (found.length === 0) {
      throw new CtlError(
        ExitCode.FAILED,
        `no socket matches ${quote(pattern)}`,
      );
    }
    for (const path of found) paths.add(path);
  }
  if (paths.size > TARGETS_MAX_COUNT) {
    throw new CtlError(
      ExitCode.FAILED,
      `${paths.size} sockets match, expected at most ${TARGETS_MAX_COUNT}`,
    );
  }
  const all = [...paths];
  const names = all.map(shortName);
  return all.map((path, index) => {
    const name = names[index] ?? path;
    const isUnique = names.filter((other) => other === name).length === 1;
    return { path, label: isUnique ? name : path };
  });
}

/** A compiled program is not beside the repository: then its own folder tells nothing. */
function defaultSocket(): string {
  return Deno.build.standalone ? "rootfs/out/spaceos-ipc.sock" : DEFAULT_SOCKET;
}

function shortName(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return name.endsWith(".sock") && name !== ".sock" ? name.slice(0, -5) : name;
}

/** The paths that match a pattern, by name; a pattern without wildcards is itself. */
function expand(pattern: string): string[] {
  if (!/[*?[]/.test(pattern)) return [pattern];
  let found = [pattern.startsWith("/") ? "/" : ""];
  for (const part of pattern.split("/").filter((part) => part !== "")) {
    found = found.flatMap((folder) => step(folder, part));
  }
  return found.sort();
}

function step(folder: string, part: string): string[] {
  const join = (name: string) =>
    folder === "" || folder.endsWith("/") ? folder + name : `${folder}/${name}`;
  if (!/[*?[]/.test(part)) return exists(join(part)) ? [join(part)] : [];
  const expression = patternOf(part);
  try {
    return [...Deno.readDirSync(folder || ".")]
      .map(({ name }) => name)
      .filter((name) => expression.test(name))
      // As in the shell, a pattern shows nothing that is hidden.
      .filter((name) => part.startsWith(".") || !name.startsWith("."))
      .map(join);
  } catch {
    // No folder, or one that may not be read, holds no match.
    return [];
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** A shell pattern as an expression: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`. */
function patternOf(part: string): RegExp {
  const source = part.replace(
    /\[(!?)([^\]]+)\]|[\s\S]/g,
    (piece, not: string | undefined, set: string | undefined) => {
      if (set !== undefined) {
        const inside = set.replace(/[\\^\]]/g, "\\$&");
        return `[${not === "!" ? "^" : ""}${inside}]`;
      }
      if (piece === "*") return "[^/]*";
      return piece === "?" ? "[^/]" : RegExp.escape(piece);
    },
  );
  try {
    return new RegExp(`^${source}$`);
  } catch {
    throw new CtlError(
      ExitCode.USAGE,
      `--socket has the pattern ${quote(part)}, whose [...] makes no sense`,
    );
  }
}

/**
 * Refuses a file that several VMs would write one over the other.
 *
 * @param file As the command line has it; - for standard output.
 * @param vmCount How many VMs there are.
 * @throws {CommandError} If it does not stand for one file a VM.
 */
export function requireFileForEach(file: string, vmCount: number): void {
  if (vmCount < 2 || file.includes("%s")) return;
  throw usageError(
    `FILE is ${
      quote(file)
    } for ${vmCount} VMs, expected %s in it, which stands for a VM's label`,
  );
}
