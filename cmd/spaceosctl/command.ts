/**
 * What a subcommand is: one entry of the command table. Imports the options.
 *
 * @module
 */

import type { HostClient } from "../../lib/host/client.ts";
import type { Arguments, OptionTable } from "../command_line/options.ts";
import type { Colour, Output } from "../command_line/output.ts";
import type { ExitCode } from "./exit_code.ts";
import type { Target } from "./targets.ts";

/** What a command is given to work on one VM. */
export interface VmContext {
  /** The connection to it. */
  readonly client: HostClient;
  /** Its socket and its label. */
  readonly target: Target;
  /** The command line. */
  readonly args: Arguments;
  /** Text in a colour, where there are colours. */
  readonly paint: (colour: Colour, text: string) => string;
  /** Lines of columns. */
  readonly columns: (rows: readonly (readonly string[])[]) => string[];
  /**
   * Tells one result: with `--json` one object, else lines. A command that
   * follows something tells many.
   */
  readonly tell: (json: unknown, lines: readonly string[]) => void;
  /** Writes one line to standard error. */
  readonly warn: (text: string) => void;
  /** Writes bytes to standard output as they are. */
  readonly bytes: (bytes: Uint8Array) => void;
}

/** What a command is given that works on all VMs at once, or on none. */
export interface AllContext {
  /** The VMs, at least one if the command has `--socket`. */
  readonly targets: readonly Target[];
  /** The command line. */
  readonly args: Arguments;
  /** Standard output. */
  readonly output: Output;
}

interface CommandParts {
  /** What it does, in one line. */
  readonly summary: string;
  /** Its operands as the help shows them, such as `["NAME"]`; `[NAME]` is optional. */
  readonly operands: readonly string[];
  /** Its own options. */
  readonly options: OptionTable;
  /** What more the help says. */
  readonly details?: string;
  /** The words that an operand may be, where there are only some. */
  readonly words?: readonly string[];
}

/** A command that is done on each VM by itself. */
export interface VmCommand extends CommandParts {
  readonly scope: "vm";
  /** The shape of `result` with `--json`. */
  readonly json: string;
  /**
   * Whether it changes something in the VM. Then the VM must have answered
   * before: what a socket takes while another program holds it is carried out
   * when that program leaves, long after this one has given up.
   */
  readonly changesVm?: true;
  /** How long an answer may take unless `--timeout` says so, milliseconds. */
  readonly timeoutMs?: number;
  /** Whether what it tells is shown at once, also when there are several VMs. */
  readonly isFollowing?: (args: Arguments) => boolean;
  /** Judges the command line before any VM is met. */
  readonly check?: (args: Arguments, vmCount: number) => void;
  /** Does it. */
  run(context: VmContext): Promise<ExitCode>;
}

/** A command that looks at all VMs at once. */
export interface AllCommand extends CommandParts {
  readonly scope: "all";
  /** Does it. */
  run(context: AllContext): Promise<ExitCode>;
}

/** A command that meets no VM, and has none of the common options. */
export interface LocalCommand extends CommandParts {
  readonly scope: "local";
  /** Does it. */
  run(context: AllContext): Promise<ExitCode>;
}

/** A command that reads its command line itself. */
export interface RawCommand extends CommandParts {
  readonly scope: "raw";
  /** Does it with the words behind its name. */
  run(args: readonly string[]): Promise<number>;
}

/** A subcommand. */
export type Command = VmCommand | AllCommand | LocalCommand | RawCommand;

/** The command table: by name, of one word or two. */
export type CommandTable = Readonly<Record<string, Command>>;
