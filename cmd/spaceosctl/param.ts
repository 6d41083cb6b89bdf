/**
 * `spaceosctl param`: lists, reads and sets the parameters of a VM.
 *
 * @module
 */

import { describeParameterStatus } from "../../lib/host/client_error.ts";
import { toHex } from "../../lib/wire/hex.ts";
import type { ParameterEntry } from "../../lib/wire/parameter.ts";
import { ParameterStatus } from "../../lib/wire/parameter_message.ts";
import { showBytes, textOf } from "../spaceos-disk/output.ts";
import type { VmCommand } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { parameterId, parameterValue, VALUE_OPTIONS } from "./param_value.ts";

const JSON_SHAPE = `{"parameterId", "generation", "value", "text"}`;

/** The subcommand `param list`. */
export const paramList: VmCommand = {
  scope: "vm",
  summary: "list the parameters",
  operands: [],
  options: {},
  json: `[${JSON_SHAPE}]`,
  run: async ({ client, tell, columns, paint }) => {
    const answers = await client.parameters();
    const [head = "", ...lines] = columns([
      ["ID", "GENERATION", "BYTES", "VALUE"],
      ...answers.map(({ parameterId, generation, value, status }) => [
        String(parameterId),
        String(generation),
        String(value.length),
        status === ParameterStatus.OK
          ? showBytes(value)
          : `(${describeParameterStatus(status)})`,
      ]),
    ]);
    tell(answers.map(entryJson), [paint("faint", head), ...lines]);
    return ExitCode.OK;
  },
};

/** The subcommand `param get`. */
export const paramGet: VmCommand = {
  scope: "vm",
  summary: "print a parameter",
  operands: ["NAME"],
  options: { raw: { help: "write the bytes of the value and nothing else" } },
  json: JSON_SHAPE,
  details:
    `NAME is a number. Exits with ${ExitCode.NOT_FOUND} if there is no such parameter.`,
  check: (args) => void parameterId(args.operand(0)),
  run: async ({ client, args, tell, bytes }) => {
    const entry = await client.getParameter(parameterId(args.operand(0)));
    if (args.has("raw")) bytes(entry.value);
    else tell(entryJson(entry), [showBytes(entry.value)]);
    return ExitCode.OK;
  },
};

/** The subcommand `param set`. */
export const paramSet: VmCommand = {
  scope: "vm",
  summary: "set a parameter; it is stored and applies at once",
  operands: ["NAME", "[VALUE]"],
  options: VALUE_OPTIONS,
  json: JSON_SHAPE,
  details:
    `VALUE is text in UTF-8; of VALUE and the options exactly one is needed. When the
command ends, the value survives a power cut. Exits with ${ExitCode.NOT_FOUND} if there is no such
parameter, with ${ExitCode.REFUSED} if the VM does not take the value.`,
  check: (args) => {
    parameterId(args.operand(0));
    parameterValue(args);
  },
  run: async ({ client, args, tell }) => {
    const id = parameterId(args.operand(0));
    const entry = await client.setParameter(id, parameterValue(args));
    tell(entryJson(entry), [
      `parameter ${id} stored, generation ${entry.generation}`,
    ]);
    return ExitCode.OK;
  },
};

function entryJson(entry: ParameterEntry): object {
  const { parameterId, generation, value } = entry;
  return {
    parameterId,
    generation,
    value: toHex(value),
    text: textOf(value) ?? null,
  };
}
