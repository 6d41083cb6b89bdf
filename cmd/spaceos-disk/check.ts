/**
 * `spaceos-disk check` and `repair`: is the volume in order, and putting it in
 * order.
 *
 * @module
 */

import {
  type CheckReport,
  checkVolume,
  type Finding,
  type Verdict,
} from "../../lib/storage/check.ts";
import { repairVolume } from "../../lib/storage/repair.ts";
import { parseUuid } from "../../lib/wire/uuid.ts";
import type { SuperblockInput } from "../../lib/wire/superblock.ts";
import type { Command } from "./command.ts";
import { usageError } from "../command_line/error.ts";
import { ExitCode } from "./exit_code.ts";
import { type Arguments, quote } from "../command_line/options.ts";
import { type Colour, type Output, printable } from "../command_line/output.ts";
import { openTarget, TARGET_OPTIONS } from "./target.ts";

const EXIT_OF: Readonly<Record<Verdict, ExitCode>> = {
  clean: ExitCode.OK,
  repairable: ExitCode.REPAIRABLE,
  bad: ExitCode.BAD,
};
const COLOUR_OF: Readonly<Record<Verdict, Colour>> = {
  clean: "good",
  repairable: "warning",
  bad: "bad",
};
const COLOUR_OF_SEVERITY: Readonly<Record<Finding["severity"], Colour>> = {
  info: "faint",
  warning: "warning",
  error: "bad",
};

const CHECK_OPTIONS = {
  ...TARGET_OPTIONS,
  "no-data": { help: "don't read the data of data products" },
  json: { help: "print one JSON object" },
} as const;

/** The subcommand `check`. */
export const check: Command = {
  summary: "find what is wrong; writes nothing",
  operands: ["TARGET"],
  options: CHECK_OPTIONS,
  details:
    `Looks at every block of the superblock, the stores, the catalogue, the data and
the journal. Each finding names its block and byte, what was met and what was
expected. "info" findings are harmless. Exits with ${ExitCode.OK} if the volume is clean, ${ExitCode.REPAIRABLE} if
all that is wrong can be repaired, ${ExitCode.BAD} if something can't.`,
  run: async (args, output) => {
    const target = await openTarget(args.operand(0), args, "read");
    try {
      const report = await checkVolume(target.device, {
        verifyData: !args.has("no-data"),
      });
      if (args.has("json")) output.json(summary(target.name, report));
      else printReport(output, target.name, report);
      return EXIT_OF[report.verdict];
    } finally {
      target.close();
    }
  },
};

/** The subcommand `repair`. */
export const repair: Command = {
  summary: "put in order what can be without guessing",
  operands: ["TARGET"],
  options: {
    ...CHECK_OPTIONS,
    tenant: {
      value: "N",
      help: "rebuild a bad superblock for this tenant, 0..65535",
    },
    uuid: { value: "UUID", help: "with --tenant: the UUID to put there" },
    "total-blocks": {
      value: "N",
      help: "with --tenant: size of the volume (default the whole TARGET)",
    },
    "no-journal": {
      help: "with --tenant: the volume has no journal block",
    },
  },
  details:
    `Writes the journal's image in place, clears slots that hold neither a record nor
zeros, writes over blocks that can't be read, ends a catalogue whose end is
damaged. It never makes up a superblock by itself: tenant and UUID are in no
other place. Exits with ${ExitCode.OK} if there was nothing to do, ${ExitCode.REPAIRABLE} if all was repaired, ${ExitCode.BAD} if
something is still wrong.`,
  run: async (args, output) => {
    const target = await openTarget(args.operand(0), args, "write");
    try {
      const superblock = superblockOption(args, target.device.blockCount);
      const { before, after, rewrittenBlocks } = await repairVolume(
        target.device,
        {
          verifyData: !args.has("no-data"),
          ...(superblock === undefined ? {} : { superblock }),
        },
      );
      if (args.has("json")) {
        output.json({
          before: summary(target.name, before),
          after: summary(target.name, after),
          rewrittenBlocks,
        });
      } else {
        printReport(output, target.name, before);
        if (rewrittenBlocks.length > 0) {
          output.line(`rewrote blocks ${rewrittenBlocks.join(", ")}; now:`);
          printReport(output, target.name, after);
        }
      }
      if (after.verdict !== "clean") return EXIT_OF.bad;
      return before.verdict === "clean" ? ExitCode.OK : ExitCode.REPAIRABLE;
    } finally {
      target.close();
    }
  },
};

function superblockOption(
  args: Arguments,
  deviceBlocks: number,
): SuperblockInput | undefined {
  const tenantId = args.integer("tenant", 0, 0xFFFF);
  if (tenantId === undefined) {
    for (const name of ["uuid", "total-blocks", "no-journal"]) {
      if (args.has(name)) throw usageError(`--${name} needs --tenant`);
    }
    return undefined;
  }
  const text = args.text("uuid");
  const uuid = text === undefined ? new Uint8Array(16) : parseUuid(text);
  if (uuid === undefined) {
    throw usageError(`--uuid is ${quote(text ?? "")}, expected a UUID`);
  }
  const totalBlocks = args.integer("total-blocks", 36, deviceBlocks) ??
    deviceBlocks;
  return {
    tenantId,
    totalBlocks,
    dataProductStart: 33,
    dataProductSize: totalBlocks - 33 - (args.has("no-journal") ? 0 : 1),
    epoch: BigInt(Math.floor(Date.now() / 1000)),
    uuid,
  };
}

function summary(target: string, report: CheckReport): object {
  const { verdict, findings } = report;
  return { target, verdict, findings };
}

function printReport(
  output: Output,
  name: string,
  { verdict, findings }: CheckReport,
): void {
  for (const finding of findings) {
    const { severity, area, block, offset, message, expected } = finding;
    const label = output.paint(COLOUR_OF_SEVERITY[severity], severity);
    const remedy = severity === "info" || !finding.repairable
      ? ""
      : " [repairable]";
    output.line(
      `${label}: ${area}: block ${block} byte ${offset}: ${
        printable(message)
      }; expected ${printable(expected)}${remedy}`,
    );
  }
  output.line(`${name}: ${output.paint(COLOUR_OF[verdict], verdict)}`);
}
