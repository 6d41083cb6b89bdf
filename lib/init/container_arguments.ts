/**
 * The command line of container mode: `spaceos-init [OPTION...] -- COMMAND
 * [ARGUMENT...]`. Pure: words in, options out. Imports the signal names.
 *
 * @module
 */

import { signalName, signalNumber, SIGNALS } from "../linux/signal_table.ts";

/** What container mode is to do. */
export interface ContainerOptions {
  /** The command and its arguments, at least one word. */
  readonly command: readonly string[];
  /**
   * Where the command lives and who gets the signals. `"command"`: a process
   * group of its own, the terminal's foreground where there is a terminal;
   * signals go to the command alone. `"group"`: the same, but signals go to its
   * whole group. `"session"`: a session of its own, signals go to its group.
   */
  readonly scope: "command" | "group" | "session";
  /** Signals sent instead of those that came, by number; 0 drops. */
  readonly rewrite: ReadonlyMap<number, number>;
  /** The signal to have when the parent process dies. */
  readonly parentDeath?: number;
  /** Exit codes given instead of the command's. */
  readonly remap: ReadonlyMap<number, number>;
  /** Whether to say on the standard error what is done. */
  readonly verbose: boolean;
}

/** The command line was not understood. The message says what was expected. */
export class ContainerUsageError extends Error {
  /** Always `"ContainerUsageError"`. */
  override readonly name = "ContainerUsageError";
}

/** Exit code for a failure of container mode itself, as `env` and `timeout` have it. */
export const CONTAINER_FAILURE = 125;

/** The help text of container mode. */
export const CONTAINER_HELP = `NAME
  spaceos-init -- - run one command as a container's init

SYNOPSIS
  spaceos-init [OPTION...] -- COMMAND [ARGUMENT...]

DESCRIPTION
  Runs COMMAND as a container's init does: forwards signals to it, reaps
  orphans, and exits with its exit code. Signals are given by name or number:
  TERM, SIGTERM, 15, RTMIN+3.

OPTIONS
  -g, --group             send signals to the command's whole process group
  -s, --setsid            run the command in a session of its own, and send
                          signals to its process group
  -r, --rewrite FROM:TO   send signal TO where FROM came; 0 drops it. May repeat
  -p, --parent-death SIG  have the kernel send us SIG when our parent dies
  -e, --remap CODE[:TO]   exit with TO (0, if left out) where the command exits
                          with CODE. May repeat
  -v, --verbose           say on the standard error what is done
  -h, --help              show this text

EXIT STATUS
  the command's own, or
  ${CONTAINER_FAILURE}    container mode itself failed, or its command line is wrong
  126    the command could not be executed
  127    the command was not found
  128+N  signal N ended the command

EXAMPLES
  spaceos-init -- /usr/bin/camera
  spaceos-init --group --rewrite TERM:INT -- /usr/bin/server --port 80
`;

/**
 * Signals that are never forwarded. SIGKILL and SIGSTOP can't be caught;
 * SIGCHLD is about our own children; the others say that this process itself
 * has gone wrong, and a handler that returned would make it go wrong for ever.
 */
export const NOT_FORWARDED: readonly number[] = [
  SIGNALS.SIGKILL,
  SIGNALS.SIGSTOP,
  SIGNALS.SIGCHLD,
  SIGNALS.SIGILL,
  SIGNALS.SIGTRAP,
  SIGNALS.SIGBUS,
  SIGNALS.SIGFPE,
  SIGNALS.SIGSEGV,
  SIGNALS.SIGSYS,
];

/** Options that take a value, by all of their names. */
const VALUE_OPTIONS: Readonly<Record<string, string>> = {
  "-r": "rewrite",
  "--rewrite": "rewrite",
  "-p": "parent-death",
  "--parent-death": "parent-death",
  "-e": "remap",
  "--remap": "remap",
};

/** Options that take none. */
const FLAG_OPTIONS: Readonly<Record<string, string>> = {
  "-g": "group",
  "--group": "group",
  "-s": "setsid",
  "--setsid": "setsid",
  "-v": "verbose",
  "--verbose": "verbose",
  "-h": "help",
  "--help": "help",
};

/**
 * Whether a command line asks for container mode: whether it has a `--` word.
 *
 * @param args The words after the program's name.
 *
 * @example
 * ```ts
 * import { assert, assertFalse } from "@std/assert";
 * import { isContainerCommandLine } from "./container_arguments.ts";
 *
 * assert(isContainerCommandLine(["--group", "--", "sleep", "1"]));
 * assertFalse(isContainerCommandLine(["check", "/etc/spaceos/services.d"]));
 * ```
 */
export function isContainerCommandLine(args: readonly string[]): boolean {
  return args.includes("--");
}

/**
 * Parses the command line of container mode.
 *
 * @param args The words after the program's name.
 * @returns The options, or `"help"`.
 * @throws {ContainerUsageError} For what it does not understand.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseContainerArguments } from "./container_arguments.ts";
 *
 * const options = parseContainerArguments([
 *   "--group",
 *   "--rewrite=TERM:INT",
 *   "--",
 *   "server",
 *   "--port=80",
 * ]);
 * if (options === "help") throw new Error("not asked for");
 * assertEquals(options.command, ["server", "--port=80"]);
 * assertEquals(options.scope, "group");
 * assertEquals([...options.rewrite], [[15, 2]]);
 * ```
 */
export function parseContainerArguments(
  args: readonly string[],
): ContainerOptions | "help" {
  const end = args.indexOf("--");
  const words = end === -1 ? args : args.slice(0, end);
  const flags = new Set<string>();
  const rewrite = new Map<number, number>();
  const remap = new Map<number, number>();
  let parentDeath: number | undefined;

  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    const name = equals === -1 ? word : word.slice(0, equals);
    const flag = FLAG_OPTIONS[name];
    if (flag !== undefined && Object.hasOwn(FLAG_OPTIONS, name)) {
      if (equals !== -1) {
        throw usage(`${name} takes no value, met ${quote(word)}`);
      }
      flags.add(flag);
      continue;
    }
    if (!Object.hasOwn(VALUE_OPTIONS, name)) {
      throw usage(
        word.startsWith("-")
          ? `unknown option ${quote(word)}`
          : `met ${quote(word)}, expected an option or -- before the command`,
      );
    }
    const value = equals === -1 ? words[++index] : word.slice(equals + 1);
    if (value === undefined) throw usage(`${name} expects a value`);
    switch (VALUE_OPTIONS[name]) {
      case "rewrite":
        rewrite.set(...parseRewrite(value));
        break;
      case "remap":
        remap.set(...parseRemap(value));
        break;
      default:
        parentDeath = parseSignal(value, "--parent-death");
    }
  }

  if (flags.has("help")) return "help";
  if (flags.has("group") && flags.has("setsid")) {
    throw usage("--group and --setsid exclude each other");
  }
  const command = end === -1 ? [] : args.slice(end + 1);
  if (command.length === 0) throw usage("expected a command after --");
  if (command[0] === "") throw usage("the command is empty");
  return {
    command,
    scope: flags.has("group")
      ? "group"
      : flags.has("setsid")
      ? "session"
      : "command",
    rewrite,
    ...(parentDeath === undefined ? {} : { parentDeath }),
    remap,
    verbose: flags.has("verbose"),
  };
}

function parseRewrite(text: string): [from: number, to: number] {
  const [from, to, ...more] = text.split(":");
  if (from === undefined || to === undefined || more.length > 0) {
    throw usage(`--rewrite expects FROM:TO, met ${quote(text)}`);
  }
  const source = parseSignal(from, "--rewrite");
  if (NOT_FORWARDED.includes(source)) {
    throw usage(
      `--rewrite can't take ${signalName(source)}, which is never forwarded`,
    );
  }
  return [source, to === "0" ? 0 : parseSignal(to, "--rewrite")];
}

function parseRemap(text: string): [from: number, to: number] {
  const [from, to, ...more] = text.split(":");
  const code = (part: string | undefined): number => {
    const number = /^[0-9]{1,3}$/.test(part ?? "") ? Number(part) : 256;
    if (number > 255) {
      throw usage(
        `--remap expects CODE or CODE:TO with codes from 0 to 255, met ${
          quote(text)
        }`,
      );
    }
    return number;
  };
  if (more.length > 0) code(undefined);
  return [code(from), to === undefined ? 0 : code(to)];
}

function parseSignal(text: string, option: string): number {
  const number = signalNumber(text);
  if (number !== undefined) return number;
  throw usage(
    `${option} expects a signal such as TERM or 15, met ${quote(text)}`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function usage(message: string): ContainerUsageError {
  return new ContainerUsageError(message);
}
