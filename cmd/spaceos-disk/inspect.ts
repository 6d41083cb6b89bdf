/**
 * `spaceos-disk inspect`: what is on a volume, also on a broken one.
 *
 * @module
 */

import { SystemError } from "../../lib/linux/error.ts";
import { StorageError } from "../../lib/storage/error.ts";
import { openVolume, type Volume } from "../../lib/storage/volume.ts";
import {
  checkCrc,
  checkMagic,
  decodeSuperblock,
  formatSuperblock,
  type Superblock,
} from "../../lib/wire/superblock.ts";
import { formatUuid } from "../../lib/wire/uuid.ts";
import type { Command } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { type Output, showSize } from "../command_line/output.ts";
import { openTarget, TARGET_OPTIONS } from "./target.ts";

/** What a look at an open volume found. */
interface Contents {
  readonly journal: {
    readonly state: string;
    readonly block: number | null;
    readonly targetBlock: number | null;
  };
  readonly unreadableBlocks: readonly number[];
  readonly parameters: { readonly used: number; readonly slots: number };
  readonly events: {
    readonly count: number;
    readonly slots: number;
    readonly firstSequence: bigint | null;
    readonly lastSequence: bigint | null;
  };
  readonly dataProducts: {
    readonly count: number;
    readonly bytes: number;
    readonly freeBytes: number;
    readonly damagedStretches: number;
  };
}

/** The subcommand `inspect`. */
export const inspect: Command = {
  summary: "show the superblock and what the volume holds",
  operands: ["TARGET"],
  options: {
    ...TARGET_OPTIONS,
    json: { help: "print one JSON object" },
  },
  details:
    `The superblock is shown field by field as it stands, with what was expected
behind a field that is wrong. Nothing is written. Exits with ${ExitCode.BAD} if the volume
can't be opened.`,
  run: async (args, output) => {
    const target = await openTarget(args.operand(0), args, "read");
    try {
      const superblock = decodeSuperblock(await target.device.read(0, 1));
      let contents: Contents | null = null;
      let fault: string | null = null;
      try {
        contents = await look(
          await openVolume(target.device, { readOnly: true }),
        );
      } catch (error) {
        if (!(error instanceof StorageError || error instanceof SystemError)) {
          throw error;
        }
        fault = error.message;
      }
      if (args.has("json")) {
        output.json({
          target: target.name,
          deviceBlocks: target.device.blockCount,
          superblock: {
            ...superblock,
            uuid: formatUuid(superblock.uuid),
            magicValid: checkMagic(superblock),
            crcValid: checkCrc(superblock),
          },
          fault,
          ...contents,
        });
      } else {
        print(output, target.name, superblock, contents, fault);
      }
      return fault === null ? ExitCode.OK : ExitCode.BAD;
    } finally {
      target.close();
    }
  },
};

async function look(volume: Volume): Promise<Contents> {
  const { recovery, geometry, parameters, events, dataProducts } = volume;
  const recent = events.recent();
  const { products, gaps } = await dataProducts.catalogue();
  const numbers = recent.flatMap(({ sequence }) => sequence ?? []);
  return {
    journal: {
      state: recovery.journal,
      block: geometry.journalBlock,
      targetBlock: recovery.targetBlock,
    },
    unreadableBlocks: recovery.unreadableBlocks,
    parameters: { used: parameters.size, slots: 32 },
    events: {
      count: events.count,
      slots: 96,
      firstSequence: numbers[0] ?? null,
      lastSequence: numbers.at(-1) ?? null,
    },
    dataProducts: {
      count: products.length,
      bytes: products.reduce((sum, product) => sum + product.dataLength, 0),
      freeBytes: await dataProducts.freeBytes(),
      damagedStretches: gaps.length,
    },
  };
}

const JOURNAL_WORDS: Readonly<Record<string, string>> = {
  absent: "none on this volume",
  empty: "empty",
  invalid: "holds a torn write; nothing is lost",
  unreadable: "can't be read",
  spent: "its image is in place already",
  restored: "its image was put in place",
  ahead: "holds a newer image, which is used",
};

function print(
  output: Output,
  name: string,
  superblock: Superblock,
  contents: Contents | null,
  fault: string | null,
): void {
  output.line(output.paint("strong", name));
  for (const line of formatSuperblock(superblock).split("\n")) {
    output.line(
      `  ${line.includes("(bad") ? output.paint("bad", line) : line}`,
    );
  }
  if (contents === null) {
    output.line(output.paint("bad", `not usable: ${fault}`));
    return;
  }
  const { journal, parameters, events, dataProducts, unreadableBlocks } =
    contents;
  const target = journal.targetBlock === null
    ? ""
    : ` (block ${journal.targetBlock})`;
  output.line();
  output.line(
    `journal        ${JOURNAL_WORDS[journal.state] ?? journal.state}${target}`,
  );
  output.line(
    `parameters     ${parameters.used} of ${parameters.slots} slots in use`,
  );
  const range = events.firstSequence === null
    ? ""
    : `, numbers ${events.firstSequence}..${events.lastSequence}`;
  output.line(
    `events         ${events.count} of ${events.slots} in the ring${range}`,
  );
  output.line(
    `data products  ${dataProducts.count}, ${
      showSize(dataProducts.bytes)
    }; room for one of ${showSize(dataProducts.freeBytes)}`,
  );
  if (unreadableBlocks.length > 0) {
    output.line(output.paint(
      "bad",
      `unreadable     blocks ${unreadableBlocks.join(", ")}`,
    ));
  }
  if (dataProducts.damagedStretches > 0) {
    output.line(output.paint(
      "bad",
      `damaged        ${dataProducts.damagedStretches} places in the catalogue; see check`,
    ));
  }
}
