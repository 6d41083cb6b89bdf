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
import type { Command, CommandTable } from "./command.ts";
import { EXAMPLES } from "./examples.ts";
import { EXIT_CODES } from "./exit_code.ts";
import { SOCKET_VARIABLE, TARGET_OPTIONS } from "./targets.ts";

/** The options of every command. */
const HELP_OPTIONS: OptionTable = {
  help: { help: "print this help", letter: "h" },
};

const JSON_OPTIONS: OptionTable = {
  json: { help: "print one JSON object to a line", letter: "j" },
};

/** All options of a command. */
export function optionsOf(command: Command): OptionTable {
  switch (command.scope) {
    case "vm":
      return {
        ...command.options,
        ...JSON_OPTIONS,
        ...TARGET_OPTIONS,
        ...HELP_OPTIONS,
      };
    case "all":
      return { ...command.options, ...TARGET_OPTIONS, ...HELP_OPTIONS };
    default:
      return { ...command.options, ...HELP_OPTIONS };
  }
}

const EXIT_STATUS = exitStatusSection(EXIT_CODES);

/** The help of the whole program. */
export function generalHelp(commands: CommandTable): string {
  const lines = Object.entries(commands).map(([name, command]) =>
    [`${name} ${command.operands.join(" ")}`, command.summary] as const
  );
  return `NAME
  spaceosctl - talk to running VMs, watch them, draw their boot

SYNOPSIS
  spaceosctl COMMAND [OPTION...] [ARGUMENT...]
  spaceosctl COMMAND --help
  spaceosctl --help | --version

DESCRIPTION
  Speaks to the init of a VM over the unix socket that QEMU serves for the
  virtio-serial port "ipc". QEMU lets one program in at a time: while another
  holds the socket, such as "spaceosctl top", nothing answers.

  --socket may be repeated and may have wildcards. Then the command is done on
  all VMs, each line begins with the VM's label (the socket's file name without
  .sock), and the exit status is the highest of all.

COMMANDS
${columns(lines)}

COMMON OPTIONS
${optionLines({ ...JSON_OPTIONS, ...TARGET_OPTIONS, ...HELP_OPTIONS })}

OUTPUT
  With --json each result is one line of one shape, however many VMs there are:
    {"vm": LABEL, "socket": PATH, "ok": true, "result": ...}
    {"vm": LABEL, "socket": PATH, "ok": false,
     "error": {"kind", "message", "exitCode"}}
  "kind" is unreachable, timeout, closed, status, parameter, refused, malformed,
  limit, failed or usage. COMMAND --help shows the shape of "result".
  What a VM has written itself is shown with its control characters escaped.

${EXIT_STATUS}

ENVIRONMENT
  ${SOCKET_VARIABLE}  the socket if --socket is not given; without both, the one
                  that "deno task boot" makes: rootfs/out/spaceos-ipc.sock
  NO_COLOR        if set and not empty, no colours; there are none either where
                  standard output is not a terminal

EXAMPLES
  spaceosctl status
  spaceosctl --socket '/run/vms/*.sock' services
  spaceosctl logs -f camera
  spaceosctl boot-chart --svg boot.svg
  spaceosctl ping -c 1000 -i 0 --json`;
}

/** The help of one subcommand. */
export function commandHelp(name: string, command: Command): string {
  const details = command.details === undefined
    ? ""
    : `\n\nDESCRIPTION\n${indent(command.details)}`;
  const json = command.scope === "vm"
    ? `\n\nRESULT WITH --json\n${indent(command.json)}`
    : "";
  const words = ["spaceosctl", name, ...command.operands, "[OPTION...]"];
  return `NAME
  spaceosctl ${name} - ${command.summary}

SYNOPSIS
  ${words.join(" ")}${details}

OPTIONS
${optionLines(optionsOf(command))}${json}

${EXIT_STATUS}${examplesSection("spaceosctl", EXAMPLES[name])}`;
}

function optionLines(options: OptionTable): string {
  return columns(
    Object.entries(options).map(([option, { value, letter, help }]) => {
      const short = letter === undefined ? "    " : `-${letter}, `;
      const argument = value === undefined ? "" : ` ${value}`;
      return [`${short}--${option}${argument}`, help] as const;
    }),
  );
}
