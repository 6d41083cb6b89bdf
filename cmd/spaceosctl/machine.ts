/**
 * `spaceosctl poweroff`, `reboot`, `halt`, `safe-mode`, `time set`:
 * what concerns the machine as a whole.
 *
 * @module
 */

import type { HostClient } from "../../lib/host/client.ts";
import { usageError } from "../command_line/error.ts";
import { quote } from "../command_line/options.ts";
import type { VmCommand } from "./command.ts";
import { ExitCode } from "./exit_code.ts";

function power(
  word: "poweroff" | "reboot" | "halt",
  summary: string,
  act: (client: HostClient) => Promise<void>,
): VmCommand {
  return {
    scope: "vm",
    changesVm: true,
    summary,
    operands: [],
    options: {},
    json: `{"command": "${word}"}`,
    details:
      `Ends when the VM has taken the command. It goes down in order: first the services,
then the rest, then the volume. Asked a second time it hurries.`,
    run: async ({ client, tell }) => {
      await act(client);
      tell({ command: word }, [`${word} accepted`]);
      return ExitCode.OK;
    },
  };
}

/** The subcommand `poweroff`. */
export const poweroff = power(
  "poweroff",
  "power the machine off, in order",
  (client) => client.poweroff(),
);
/** The subcommand `reboot`. */
export const reboot = power(
  "reboot",
  "start the machine anew, in order",
  (client) => client.reboot(),
);
/** The subcommand `halt`. */
export const halt = power(
  "halt",
  "stop the machine, in order, with its power on",
  (client) => client.halt(),
);

/** The subcommand `safe-mode`. */
export const safeMode: VmCommand = {
  scope: "vm",
  changesVm: true,
  summary: "enter safe mode, or leave it",
  operands: ["on|off"],
  options: {},
  words: ["on", "off"],
  json: `{"safeMode": true or false}`,
  details: "In safe mode only the services that are marked for it run.",
  check: (args) => {
    if (!["on", "off"].includes(args.operand(0))) {
      throw usageError(
        `safe-mode is followed by ${
          quote(args.operand(0))
        }, expected on or off`,
      );
    }
  },
  run: async ({ client, args, tell }) => {
    const isOn = args.operand(0) === "on";
    await (isOn ? client.enterSafeMode() : client.leaveSafeMode());
    tell({ safeMode: isOn }, [`safe mode ${isOn ? "on" : "off"} accepted`]);
    return ExitCode.OK;
  },
};

const NANOSECONDS = 1_000_000_000n;

/** The subcommand `time set`. */
export const timeSet: VmCommand = {
  scope: "vm",
  changesVm: true,
  summary: "set the mission clock",
  operands: ["now|SECONDS"],
  options: {},
  words: ["now"],
  json: `{"seconds", "nanoseconds"}`,
  details: `"now" is this machine's time; SECONDS may have a fraction.`,
  check: (args) => void missionTime(args.operand(0)),
  run: async ({ client, args, tell }) => {
    const time = missionTime(args.operand(0));
    await client.setTime(time);
    const fraction = String(time.nanoseconds).padStart(9, "0");
    tell(time, [`mission time set to ${time.seconds}.${fraction} s`]);
    return ExitCode.OK;
  },
};

function missionTime(text: string): { seconds: bigint; nanoseconds: number } {
  if (text === "now") {
    const nanoseconds = BigInt(Date.now()) * 1_000_000n;
    return {
      seconds: nanoseconds / NANOSECONDS,
      nanoseconds: Number(nanoseconds % NANOSECONDS),
    };
  }
  const [, whole, fraction = ""] = /^(\d{1,20})(?:\.(\d{1,9}))?$/.exec(text) ??
    [];
  const seconds = whole === undefined ? -1n : BigInt(whole);
  // The records of a VM have 32 bits for it.
  if (seconds < 0n || seconds >= 2n ** 32n) {
    throw usageError(
      `time set is followed by ${
        quote(text)
      }, expected "now" or seconds such as 1800000000.5, below 4294967296`,
    );
  }
  return { seconds, nanoseconds: Number(fraction.padEnd(9, "0")) };
}
