/**
 * `spaceosctl param`: lists, reads and sets the parameters of a VM.
 *
 * @module
 */

import {
  describeParameterStatus,
  HostClientError,
} from "../../lib/host/client_error.ts";
import { INIT_PARAMETERS } from "../../lib/init/config.ts";
import {
  type ParameterSet,
  ParameterStatus,
} from "../../lib/wire/parameter_message.ts";
import { usageError } from "../command_line/error.ts";
import { type Arguments, quote } from "../command_line/options.ts";
import {
  encodeValue,
  parameterId,
  parameterJson,
  parameterName,
  plainValue,
  requireOneForm,
  showId,
  showParameter,
  VALUE_OPTIONS,
  type ValueOption,
} from "../command_line/parameter_value.ts";
import type { VmCommand } from "./command.ts";
import { ExitCode } from "./exit_code.ts";

const JSON_SHAPE =
  `{"name", "parameterId", "generation", "value", "number", "text"}`;

/** The subcommand `param list`. */
export const paramList: VmCommand = {
  scope: "vm",
  summary: "list the parameters",
  operands: [],
  options: {},
  json: `[${JSON_SHAPE}]; "name" and "number" null for those that are not the
init's own, "value" in hexadecimal, "text" null where it is none`,
  details:
    `GENERATION counts how often a parameter was stored; 0 is the default.`,
  run: async ({ client, tell, columns, paint }) => {
    const answers = await client.parameters();
    const [head = "", ...lines] = columns([
      ["NAME", "ID", "GENERATION", "VALUE"],
      ...answers.map(({ parameterId, generation, value, status }) => {
        const shown = showParameter(parameterId, value);
        return [
          shown.name ?? "-",
          showId(parameterId),
          String(generation),
          status === ParameterStatus.OK
            ? shown.text
            : `(${describeParameterStatus(status)})`,
        ];
      }),
    ]);
    tell(answers.map(parameterJson), [paint("faint", head), ...lines]);
    return ExitCode.OK;
  },
};

/** The subcommand `param get`. */
export const paramGet: VmCommand = {
  scope: "vm",
  summary: "print a parameter",
  operands: ["NAME"],
  options: { raw: { help: "write the bytes of the value and nothing else" } },
  words: Object.keys(INIT_PARAMETERS),
  json: JSON_SHAPE,
  details: `NAME is one of
${wrapNames()}
or a number. Exits with ${ExitCode.NOT_FOUND} if there is no such parameter.`,
  check: (args) => {
    parameterId(args.operand(0));
    requireOneForm(args);
  },
  run: async ({ client, args, tell, bytes }) => {
    const entry = await named(
      client.getParameter(parameterId(args.operand(0))),
    );
    if (args.has("raw")) bytes(entry.value);
    else {
      tell(parameterJson(entry), [
        showParameter(entry.parameterId, entry.value).text,
      ]);
    }
    return ExitCode.OK;
  },
};

/** The subcommand `param set`. */
export const paramSet: VmCommand = {
  scope: "vm",
  changesVm: true,
  summary: "set one parameter, or several, all or none",
  operands: ["NAME[=VALUE]", "[VALUE...]"],
  options: VALUE_OPTIONS,
  words: Object.keys(INIT_PARAMETERS),
  json: `[${JSON_SHAPE}]`,
  details:
    `param set NAME VALUE sets one, and param set NAME=VALUE... several: all of them, or
none. NAME is one of
${wrapNames()}
or a number. VALUE is of the parameter's own type; for a number it is text in
UTF-8, unless one of the options gives the value. When the command ends, the
values survive a power cut. Exits with ${ExitCode.NOT_FOUND} if there is no such parameter, with ${ExitCode.REFUSED}
if the VM does not take a value.`,
  check: (args) => void parameterSets(args),
  run: async ({ client, args, tell, columns }) => {
    const sets = parameterSets(args);
    const [only] = sets;
    const entries = only !== undefined && sets.length === 1
      ? [await named(client.setParameter(only.parameterId, only.value))]
      : await named(client.setParameters(sets));
    tell(
      entries.map(parameterJson),
      columns(entries.map(({ parameterId, generation, value }) => {
        const shown = showParameter(parameterId, value);
        return [
          parameterName(parameterId),
          shown.text,
          `generation ${generation}`,
        ];
      })),
    );
    return ExitCode.OK;
  },
};

function wrapNames(): string {
  return Object.keys(INIT_PARAMETERS).join(", ");
}

/** What the operands of `param set` ask for: `NAME VALUE`, or `NAME=VALUE...`. */
function parameterSets(args: Arguments): ParameterSet[] {
  const ways = (Object.keys(VALUE_OPTIONS) as ValueOption[])
    .filter((way) => args.has(way));
  const [first = "", second, ...more] = args.operands;
  if (first.includes("=") && ways.length === 0) {
    return requireOnce(args.operands.map(readAssignment));
  }
  if (more[0] !== undefined) throw usageError(`${quote(more[0])} is too much`);
  const [way] = ways;
  if (ways.length + (second === undefined ? 0 : 1) !== 1) {
    throw usageError(
      "expected exactly one value: VALUE, --hex, --text, --u32 or --u64",
    );
  }
  const id = parameterId(first);
  const value = way === undefined
    ? plainValue(id, second ?? "")
    : encodeValue(way, args.text(way) ?? "");
  return [{ parameterId: id, value }];
}

function readAssignment(operand: string): ParameterSet {
  const [name = "", ...rest] = operand.split("=");
  if (rest.length === 0) throw usageError(`${quote(operand)} is no NAME=VALUE`);
  const id = parameterId(name);
  return { parameterId: id, value: plainValue(id, rest.join("=")) };
}

function requireOnce(sets: ParameterSet[]): ParameterSet[] {
  const met = new Set<number>();
  for (const { parameterId } of sets) {
    if (met.has(parameterId)) {
      throw usageError(`${parameterName(parameterId)} is given twice`);
    }
    met.add(parameterId);
  }
  return sets;
}

/** The client knows ids only; people know the init's parameters by name. */
async function named<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (!(error instanceof HostClientError)) throw error;
    const { kind, parameterId, parameterStatus, message } = error;
    if (parameterId === null || parameterStatus === null) throw error;
    const text = message.replace(
      `parameter ${parameterId}`,
      `parameter ${parameterName(parameterId)}`,
    );
    throw new HostClientError(kind, text, {
      parameterId,
      parameterStatus,
      cause: error,
    });
  }
}
