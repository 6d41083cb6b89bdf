/**
 * The configuration of FDIR, `/etc/spaceos/fdir.json`: thresholds, and an
 * action table of what each check counts and answers. From one description of
 * its keys follow the check of the file and the defaults. Pure; imports
 * `fdir`'s policy and the supervisor's schema toolkit.
 *
 * @module
 */
import {
  CHECK_NAMES,
  type CheckName,
  type CheckPolicy,
  DEFAULT_FDIR_POLICY,
  type FdirPolicy,
  PROCESS_CHECKS,
} from "../fdir/checks.ts";
import {
  type JsonNode,
  JsonSyntaxError,
  parseJson,
} from "../supervisor/json.ts";
import {
  type Fields,
  type Issue,
  type IssueSink,
  report,
  resolveShape,
  type Shape,
} from "../supervisor/schema.ts";

/** Where the configuration is. */
export const FDIR_CONFIGURATION_PATH = "/etc/spaceos/fdir.json";

/** The most bytes of a configuration. */
export const FDIR_CONFIGURATION_MAX_BYTES = 64 * 1024;

const RESPONSES: Shape = {
  kind: "enumeration",
  words: new Map([
    ["COUNT", "what the number of such anomalies leads to"],
    ["LOG", "nothing but the event"],
    ["ISOLATE", "the service is frozen"],
    [
      "RESTART",
      "the service is restarted; for the init or the machine, the machine",
    ],
    ["DEGRADE", "the machine counts as degraded while the anomaly lasts"],
    ["SAFE_MODE", "the machine enters safe mode"],
  ]),
};

const whole = (minimum: number, maximum: number): Shape => ({
  kind: "integer",
  minimum,
  maximum,
});
const percent: Shape = { kind: "number", minimum: 0, maximum: 100 };

/** The keys of one check; without defaults where `policy` is null. */
function checkFields(policy: CheckPolicy): Fields {
  return {
    enabled: {
      description: "Whether the check is made.",
      shape: { kind: "boolean" },
      fallback: policy.enabled,
    },
    response: {
      description: "What an anomaly brings about.",
      shape: RESPONSES,
      fallback: policy.response,
    },
    bad: {
      description: "So many bad results of the last `of` make an anomaly.",
      shape: whole(1, 32),
      fallback: policy.bad,
    },
    of: {
      description: "How many results are looked at.",
      shape: whole(1, 32),
      fallback: policy.of,
    },
    clearAfter: {
      description: "So many good results in a row end an anomaly.",
      shape: whole(1, 32),
      fallback: policy.clearAfter,
    },
    latching: {
      description: "Whether an anomaly stays until the host releases it.",
      shape: { kind: "boolean" },
      fallback: policy.latching,
    },
  };
}

function checksShape(
  names: readonly CheckName[],
  defaults: FdirPolicy["checks"],
): Shape {
  const fields = names.map((name) => [name, {
    description: `The check \`${name}\`.`,
    shape: { kind: "object", fields: checkFields(defaults[name]) },
    fallback: defaults[name],
  }]);
  return { kind: "object", fields: Object.fromEntries(fields) };
}

const { limits } = DEFAULT_FDIR_POLICY;

/** Every key of the configuration besides `services`, whose defaults depend on `checks`. */
const FIELDS: Fields = {
  degradeAt: {
    description: "So many `COUNT` anomalies at a time degrade the machine.",
    shape: whole(1, 1000),
    fallback: DEFAULT_FDIR_POLICY.degradeAt,
  },
  safeModeAt: {
    description: "So many lead to safe mode.",
    shape: whole(1, 1000),
    fallback: DEFAULT_FDIR_POLICY.safeModeAt,
  },
  settleMs: {
    description:
      "How long a process may settle before it becomes its own reference.",
    shape: whole(0, 3_600_000),
    fallback: DEFAULT_FDIR_POLICY.settleMs,
  },
  filesBudgetMs: {
    description: "How long the image's files are read for at each check.",
    shape: whole(0, 60_000),
    fallback: DEFAULT_FDIR_POLICY.filesBudgetMs,
  },
  limits: {
    description: "Where measured values become bad.",
    shape: {
      kind: "object",
      fields: {
        memoryAvailablePercent: {
          description: "Least available memory, percent of all.",
          shape: percent,
          fallback: limits.memoryAvailablePercent,
        },
        memoryPressurePercent: {
          description: "Most `full avg10` of `/proc/pressure/memory`.",
          shape: percent,
          fallback: limits.memoryPressurePercent,
        },
        ioPressurePercent: {
          description: "Most `full avg10` of `/proc/pressure/io`.",
          shape: percent,
          fallback: limits.ioPressurePercent,
        },
        cpuPressurePercent: {
          description: "Most `some avg10` of `/proc/pressure/cpu`.",
          shape: percent,
          fallback: limits.cpuPressurePercent,
        },
        correctedErrors: {
          description: "Most memory errors that were corrected, per check.",
          shape: whole(0, 1_000_000_000),
          fallback: limits.correctedErrors,
        },
        clockStepMs: {
          description:
            "Most difference between wall clock and boot clock since the last look that nobody explains.",
          shape: whole(1, 86_400_000),
          fallback: limits.clockStepMs,
        },
      },
    },
    fallback: limits,
  },
  checks: {
    description: "What each check counts and answers.",
    shape: checksShape(CHECK_NAMES, DEFAULT_FDIR_POLICY.checks),
    fallback: DEFAULT_FDIR_POLICY.checks,
  },
};

const serviceName: Extract<Shape, { kind: "string" }> = {
  kind: "string",
  expectation: "a service name",
  pattern: /^[a-z0-9][a-z0-9_.-]{0,63}$/,
  maximumLength: 64,
};

/** The whole shape; the checks of a service are those of all, changed. */
function configurationShape(checks: FdirPolicy["checks"]): Shape {
  return {
    kind: "object",
    fields: {
      ...FIELDS,
      services: {
        description:
          "What is different for single services: their name, and checks of their process.",
        shape: {
          kind: "map",
          keys: serviceName,
          values: checksShape(PROCESS_CHECKS, checks),
          maximumMembers: 1024,
        },
        fallback: {},
      },
    },
  };
}

/** What a configuration says, and what is wrong with it. */
export interface FdirConfiguration {
  /** The policy; the default one when something is wrong. */
  readonly policy: FdirPolicy;
  /** Every mistake. */
  readonly issues: readonly Issue[];
}

/**
 * Reads a configuration. With a mistake in it nothing of it is in force: half
 * a policy may be worse than the default.
 *
 * @param file The file's path, for messages.
 * @param text Its content.
 * @returns The policy, and every mistake with its place.
 *
 * @example
 * ```ts
 * import { parseFdirConfiguration } from "./fdir_configuration.ts";
 * import { issueText } from "../supervisor/schema.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const { issues } = parseFdirConfiguration("fdir.json", '{ "degradeAt": 0 }');
 * assertEquals(issues.map(issueText), [
 *   "fdir.json:1:16: error: $.degradeAt: expected a whole number from 1 to 1000, met 0",
 * ]);
 * ```
 */
export function parseFdirConfiguration(
  file: string,
  text: string,
): FdirConfiguration {
  const sink: IssueSink = { file, issues: [] };
  const policy = read(text, sink);
  return {
    policy: policy === null || sink.issues.length > 0
      ? DEFAULT_FDIR_POLICY
      : policy,
    issues: sink.issues,
  };
}

function read(text: string, sink: IssueSink): FdirPolicy | null {
  if (text.length > FDIR_CONFIGURATION_MAX_BYTES) {
    const most = `expected at most ${FDIR_CONFIGURATION_MAX_BYTES} bytes`;
    report(sink, null, "", most);
    return null;
  }
  let root: JsonNode;
  try {
    root = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    report(sink, null, "", error.message, "error", error.position);
    return null;
  }
  // First without services: their defaults are what is said for all.
  const general = resolveShape(
    configurationShape(DEFAULT_FDIR_POLICY.checks),
    root,
    "$",
    sink,
  ) as RawConfiguration | null;
  if (general === null || sink.issues.length > 0) return null;
  const whole = resolveShape(
    configurationShape(general.checks),
    root,
    "$",
    sink,
  ) as RawConfiguration;
  for (const name of CHECK_NAMES) {
    judgeCheck(general.checks[name], root, ["checks", name], sink);
  }
  for (const [service, checks] of Object.entries(whole.services)) {
    for (const name of PROCESS_CHECKS) {
      const path = ["services", service, name];
      const check = checks[name];
      if (check !== undefined) judgeCheck(check, root, path, sink);
    }
  }
  if (whole.safeModeAt < whole.degradeAt) {
    report(
      sink,
      nodeAt(root, ["safeModeAt"]) ?? nodeAt(root, ["degradeAt"]),
      "$.safeModeAt",
      `expected at least degradeAt, ${whole.degradeAt}`,
    );
  }
  return { ...whole, services: new Map(Object.entries(whole.services)) };
}

interface RawConfiguration extends Omit<FdirPolicy, "services"> {
  readonly services: Readonly<
    Record<string, Partial<Record<CheckName, CheckPolicy>>>
  >;
}

function judgeCheck(
  { bad, of }: CheckPolicy,
  root: JsonNode,
  path: readonly string[],
  sink: IssueSink,
): void {
  if (bad <= of) return;
  const node = nodeAt(root, [...path, "bad"]) ?? nodeAt(root, [...path, "of"]);
  const names = path.map((name) =>
    /^\w+$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
  );
  const place = `$${names.join("")}.bad`;
  report(sink, node, place, `expected at most of, ${of}`);
}

function nodeAt(root: JsonNode, path: readonly string[]): JsonNode | null {
  let node: JsonNode | undefined = root;
  for (const key of path) {
    if (node?.kind !== "object") return null;
    node = node.members.find((member) => member.key === key)?.value;
  }
  return node ?? null;
}
