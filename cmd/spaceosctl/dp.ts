/**
 * `spaceosctl dp`: lists and reads the data products of the VM's volume.
 *
 * @module
 */

import { hexNumber } from "../../lib/wire/hex.ts";
import { usageError } from "../command_line/error.ts";
import { printable, showSize } from "../command_line/output.ts";
import { writeFile } from "../command_line/write_file.ts";
import type { VmCommand } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { requireFileForEach } from "./targets.ts";

/** The subcommand `dp list`. */
export const dpList: VmCommand = {
  scope: "vm",
  summary: "list the data products",
  operands: [],
  options: {},
  json: `{"products": [{"name", "dataProductClass", "priority", "dataLength",
"blockOffset", "blockCount", "dataCrc32"}], "freeBytes", "damagedCount"}`,
  run: async ({ client, tell, columns, paint }) => {
    const catalogue = await client.dataProducts();
    const { products, freeBytes, damagedCount } = catalogue;
    const [head = "", ...lines] = columns([
      ["CLASS", "PRIORITY", "BYTES", "CRC32", "NAME"],
      ...products.map((product) => [
        String(product.dataProductClass),
        String(product.priority),
        String(product.dataLength),
        hexNumber(product.dataCrc32, 4),
        printable(product.name),
      ]),
    ]);
    const damage = damagedCount > 0
      ? [paint("bad", `${damagedCount} damaged stretches`)]
      : [];
    tell(catalogue, [
      paint("faint", head),
      ...lines,
      ...damage,
      paint("faint", `room for ${showSize(Number(freeBytes))}`),
    ]);
    return ExitCode.OK;
  },
};

/** The subcommand `dp get`. */
export const dpGet: VmCommand = {
  scope: "vm",
  summary: "write a data product to a file or standard output",
  operands: ["NAME", "[FILE]"],
  options: {},
  json: `{"name", "dataLength", "file"}; FILE is needed, and not -`,
  details:
    `The data's CRC is judged before anything is written. FILE appears whole, or what was there
stays; it may be - for standard output, the default. With several VMs FILE must
have %s, which stands for the VM's label. Exits with ${ExitCode.NOT_FOUND} if there is no such
product.`,
  check: (args, vmCount) => {
    const file = args.operands[1] ?? "-";
    if (args.has("json") && file === "-") {
      throw usageError("dp get: --json needs a FILE");
    }
    if (file === "") throw usageError("FILE is empty");
    requireFileForEach(file, vmCount);
  },
  run: async ({ client, args, target, tell, bytes }) => {
    const name = args.operand(0);
    const data = await client.readDataProduct(name);
    const file = (args.operands[1] ?? "-")
      .replaceAll("%s", target.label.replaceAll("/", "_"));
    if (file === "-") {
      bytes(data);
      return ExitCode.OK;
    }
    await writeFile(file, data);
    tell({ name, dataLength: data.length, file }, [
      `${printable(name)}: ${data.length} bytes in ${printable(file)}`,
    ]);
    return ExitCode.OK;
  },
};
