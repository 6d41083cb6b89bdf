/**
 * The help texts, made from the command table, so that they can't say less or
 * more than the commands do.
 *
 * @module
 */

import {
  columns,
  examplesSection,
  exitStatusSection,
  indent,
} from "../command_line/help_text.ts";
import type { OptionTable } from "../command_line/options.ts";
import type { Command } from "./command.ts";
import { EXAMPLES } from "./examples.ts";
import { ExitCode } from "./exit_code.ts";

const EXIT_CODES: readonly (readonly [ExitCode, string])[] = [
  [ExitCode.OK, "done; check: the volume is clean; repair: nothing to do"],
  [
    ExitCode.REPAIRABLE,
    "check: all that is wrong can be repaired; repair: all was repaired",
  ],
  [ExitCode.BAD, "the volume is bad, or something can't be repaired"],
  [
    ExitCode.FAILED,
    "the device or a file can't be opened, read or written, or has no room",
  ],
  [ExitCode.NOT_FOUND, "there is no such parameter or data product"],
  [
    ExitCode.REFUSED,
    "refused: it would destroy data (--force), or the device is in use",
  ],
  [ExitCode.USAGE, "the command line is not understood"],
];

/** All options of a command. */
export function optionsOf(command: Command): OptionTable {
  return {
    ...command.options,
    help: { help: "print this help", letter: "h" },
  };
}

const EXIT_STATUS = exitStatusSection(EXIT_CODES);

/** The help of the whole program. */
export function generalHelp(
  commands: Readonly<Record<string, Command>>,
): string {
  const lines = Object.entries(commands).map(([name, command]) =>
    [`${name} ${command.operands.join(" ")}`, command.summary] as const
  );
  return `NAME
  spaceos-disk - make, show, check and repair spaceos volumes

SYNOPSIS
  spaceos-disk COMMAND TARGET [OPTION...] [ARGUMENT...]
  spaceos-disk COMMAND --help
  spaceos-disk --help | --version

DESCRIPTION
  A volume holds a superblock, 32 parameters, a ring of 96 events and a
  catalogue of data products, in blocks of 512 bytes. TARGET is a file or a
  block device, or with --partition N a partition of a GPT disk or disk image.

  Commands that only read never write, not even to put a journal in order, and
  work while a virtual machine uses the volume. Commands that write refuse a
  TARGET that something else uses. What they acknowledge survives a power cut.

COMMANDS
${columns(lines)}

${EXIT_STATUS}

ENVIRONMENT
  NO_COLOR  if set and not empty, no colours; there are none either where
            standard output is not a terminal

EXAMPLES
  spaceos-disk format volume.img --size 8M --tenant 7
  spaceos-disk param set volume.img 1 --u32 30
  spaceos-disk events volume.img --severity warning --follow
  spaceos-disk dp put volume.img image-0001 picture.png --class 2
  spaceos-disk check /dev/vdb --partition 1`;
}

/** The help of one subcommand. */
export function commandHelp(name: string, command: Command): string {
  const options = Object.entries(optionsOf(command)).map(([option, row]) => {
    const { value, letter, help } = row;
    const short = letter === undefined ? "" : `-${letter}, `;
    const argument = value === undefined ? "" : ` ${value}`;
    return [`${short}--${option}${argument}`, help] as const;
  });
  const details = command.details === undefined
    ? ""
    : `\n\n${indent(command.details)}`;
  return `NAME
  spaceos-disk ${name} - ${command.summary}

SYNOPSIS
  spaceos-disk ${name} ${command.operands.join(" ")} [OPTION...]${
    details === "" ? "" : `\n\nDESCRIPTION${details.replace(/^\n\n/, "\n")}`
  }

OPTIONS
${columns(options)}

${EXIT_STATUS}${examplesSection("spaceos-disk", EXAMPLES[name])}`;
}
