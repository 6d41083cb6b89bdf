/**
 * `spaceos-disk dp`: lists, reads and writes the data products of a volume.
 *
 * @module
 */

import { status } from "../../lib/linux/file_status.ts";
import type { DataProduct } from "../../lib/storage/descriptor.ts";
import { BLOCK_SIZE_BYTES } from "../../lib/storage/device.ts";
import { hexNumber } from "../../lib/wire/hex.ts";
import type { Command } from "./command.ts";
import { CommandError, usageError } from "../command_line/error.ts";
import { ExitCode } from "./exit_code.ts";
import { printable } from "../command_line/output.ts";
import { writeFile } from "../command_line/write_file.ts";
import { readInput } from "./param.ts";
import { TARGET_OPTIONS, withVolume } from "./target.ts";

/** The subcommand `dp list`. */
export const dpList: Command = {
  summary: "print the catalogue of data products",
  operands: ["TARGET"],
  options: { ...TARGET_OPTIONS, json: { help: "print a JSON array" } },
  run: async (args, output) => {
    const products = await withVolume(
      args,
      "read",
      (volume) => volume.dataProducts.list(),
    );
    if (args.has("json")) output.json(products);
    else {
      output.table([
        ["BLOCK", "CLASS", "PRIORITY", "BYTES", "CRC32", "NAME"],
        ...products.map(row),
      ]);
    }
    return ExitCode.OK;
  },
};

/** The subcommand `dp get`. */
export const dpGet: Command = {
  summary: "write a data product to a file or standard output",
  operands: ["TARGET", "NAME", "[FILE]"],
  options: TARGET_OPTIONS,
  details:
    `Of several products of one name, the newest is meant. The data's CRC is judged
before anything is written. FILE appears whole, or what was there stays; it may
be - for standard output, the default. Exits with ${ExitCode.NOT_FOUND} if there is no such product.`,
  run: async (args, output) => {
    const name = args.operand(1);
    const file = args.operands[2] ?? "-";
    refuseTarget(file, args.operand(0));
    const data = await withVolume(
      args,
      "read",
      (volume) => volume.dataProducts.read(name),
    );
    if (file === "-") {
      output.bytes(data);
      return ExitCode.OK;
    }
    await writeFile(file, data);
    return ExitCode.OK;
  },
};

/** The subcommand `dp put`. */
export const dpPut: Command = {
  summary: "store a file as a data product",
  operands: ["TARGET", "NAME", "FILE"],
  options: {
    ...TARGET_OPTIONS,
    class: { value: "N", help: "class of the product, 0..65535 (default 0)" },
    priority: {
      value: "N",
      help: "0..255, 0 is the most urgent (default 128)",
    },
    json: { help: "print the catalogue entry as JSON" },
  },
  details:
    `FILE may be - for standard input. NAME has 1..64 bytes in UTF-8. When the command
ends, the product survives a power cut; a cut before that leaves no part of it.`,
  run: async (args, output) => {
    const name = args.operand(1);
    const nameBytes = new TextEncoder().encode(name).length;
    if (nameBytes < 1 || nameBytes > 64) {
      throw usageError(`NAME has ${nameBytes} bytes, expected 1..64`);
    }
    const dataProductClass = args.integer("class", 0, 0xFFFF) ?? 0;
    const priority = args.integer("priority", 0, 0xFF) ?? 128;
    // What can't fit is not read: a file may have no end.
    const roomBytes = await withVolume(
      args,
      "read",
      (volume) =>
        Promise.resolve(volume.superblock.dataProductSize * BLOCK_SIZE_BYTES),
    );
    const data = await readInput(args.operand(2), roomBytes);
    const product = await withVolume(
      args,
      "write",
      (volume) =>
        volume.dataProducts.write({ name, dataProductClass, priority, data }),
    );
    if (args.has("json")) output.json(product);
    else {
      output.line(
        `${
          printable(name)
        } stored: ${data.length} bytes in ${product.blockCount} block${
          product.blockCount === 1 ? "" : "s"
        }`,
      );
    }
    return ExitCode.OK;
  },
};

/** The volume itself is never what a product is to be written over. */
function refuseTarget(file: string, target: string): void {
  if (file === "") throw usageError("FILE is empty");
  if (file === "-" || !isSameFile(file, target)) return;
  throw new CommandError(
    ExitCode.REFUSED,
    `${file} is the volume itself; expected another FILE`,
  );
}

function isSameFile(one: string, other: string): boolean {
  try {
    const [left, right] = [status(one), status(other)];
    return left.device === right.device && left.inode === right.inode;
  } catch {
    // What is missing is said by who needs it.
    return false;
  }
}

function row(product: DataProduct): readonly string[] {
  return [
    String(product.descriptorBlock),
    String(product.dataProductClass),
    String(product.priority),
    String(product.dataLength),
    hexNumber(product.dataCrc32, 4),
    printable(product.name),
  ];
}
