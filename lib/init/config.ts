/**
 * The init's own parameters: one table of id, name, type, unit, range and
 * default, from which reading, judging, applying and the documentation come.
 * Pure; imports the log levels and `wire`.
 *
 * The ids from {@linkcode INIT_PARAMETER_FIRST} on are the init's; all below
 * are the user's, and only stored. A stored value that is out of its range
 * counts as the default, and is said.
 *
 * @module
 */
import { toHex } from "../wire/hex.ts";
import { LOG_LEVELS, type LogLevel } from "./command_line.ts";

/** The first of the ids that are the init's own [O]. */
export const INIT_PARAMETER_FIRST = 0xFFFF_0000;

/** The size of a value, by type; numbers are big-endian. */
const TYPE_BYTES = { u8: 1, u32: 4 } as const;

/** The name of a parameter of the init. */
export type InitParameterName =
  | "boot-count"
  | "failed-boots"
  | "health-interval"
  | "fdir-interval"
  | "watchdog-timeout"
  | "log-level";

/** One parameter of the init. */
export interface InitParameter {
  /** Its id, u32. */
  readonly id: number;
  /** Its name. */
  readonly name: InitParameterName;
  /** The type of its value. */
  readonly type: "u8" | "u32";
  /** What it is measured in, or the empty string. */
  readonly unit: string;
  /** The least value. */
  readonly minimum: number;
  /** The greatest value. */
  readonly maximum: number;
  /** The value while none is stored. */
  readonly defaultValue: number;
  /** Whether only the init sets it. */
  readonly isReadOnly: boolean;
  /** What it does. */
  readonly description: string;
}

const U32_MAX = 0xFFFF_FFFF;

/** The table [O]. */
export const INIT_PARAMETERS: Readonly<
  Record<InitParameterName, InitParameter>
> = {
  "boot-count": {
    id: 0xFFFF_0001,
    name: "boot-count",
    type: "u32",
    unit: "boots",
    minimum: 0,
    maximum: U32_MAX,
    defaultValue: 0,
    isReadOnly: true,
    description: "Boots since format.",
  },
  "failed-boots": {
    id: 0xFFFF_0002,
    name: "failed-boots",
    type: "u32",
    unit: "boots",
    minimum: 0,
    maximum: U32_MAX,
    defaultValue: 0,
    isReadOnly: true,
    description:
      "Boots in a row that did not become healthy, this one included until it does.",
  },
  "health-interval": {
    id: 0xFFFF_0010,
    name: "health-interval",
    type: "u32",
    unit: "ms",
    minimum: 100,
    maximum: 3_600_000,
    defaultValue: 10_000,
    isReadOnly: false,
    description: "How often a HEALTH frame goes to the host.",
  },
  "fdir-interval": {
    id: 0xFFFF_0011,
    name: "fdir-interval",
    type: "u32",
    unit: "ms",
    minimum: 1_000,
    maximum: 86_400_000,
    defaultValue: 30_000,
    isReadOnly: false,
    description: "How often FDIR looks for anomalies.",
  },
  "watchdog-timeout": {
    id: 0xFFFF_0012,
    name: "watchdog-timeout",
    type: "u32",
    unit: "s",
    minimum: 1,
    maximum: 3_600,
    defaultValue: 30,
    isReadOnly: false,
    description:
      "How long the hardware watchdog waits for a pet; it is petted four times as often. The word `spaceos.watchdog` has the last word at boot.",
  },
  "log-level": {
    id: 0xFFFF_0013,
    name: "log-level",
    type: "u8",
    unit: "",
    minimum: 0,
    maximum: LOG_LEVELS.length - 1,
    defaultValue: LOG_LEVELS.indexOf("info"),
    isReadOnly: false,
    description:
      "The least severe line of the init that is printed: 0 debug, 1 info, 2 warning, 3 error. The word `spaceos.log` has the last word at boot.",
  },
};

const BY_ID: ReadonlyMap<number, InitParameter> = new Map(
  Object.values(INIT_PARAMETERS).map((parameter) => [parameter.id, parameter]),
);

/** What the init works with; see {@linkcode INIT_PARAMETERS} for each. */
export interface InitConfig {
  /** How often a HEALTH frame goes to the host, in milliseconds. */
  readonly healthIntervalMs: number;
  /** How often FDIR looks for anomalies, in milliseconds. */
  readonly fdirIntervalMs: number;
  /** How long the hardware watchdog waits for a pet, in seconds. */
  readonly watchdogTimeoutSeconds: number;
  /** The least severe line of the init that is printed. */
  readonly logLevel: LogLevel;
}

/** The parameters that stand in {@linkcode InitConfig}. */
export type ConfigName = Exclude<
  InitParameterName,
  "boot-count" | "failed-boots"
>;

/**
 * A parameter of the init by its id.
 *
 * @param id Any u32.
 * @returns The parameter, or undefined: the id is the user's, or nobody's.
 *
 * @example
 * ```ts
 * import { initParameter } from "./config.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(initParameter(0xFFFF_0010)?.name, "health-interval");
 * assertEquals(initParameter(7), undefined);
 * ```
 */
export function initParameter(id: number): InitParameter | undefined {
  return BY_ID.get(id);
}

/**
 * The bytes of a value.
 *
 * @param parameter Whose value it is.
 * @param value A whole number in the parameter's range.
 * @returns 1 or 4 bytes.
 * @throws {RangeError} Naming the parameter, the value and the range.
 *
 * @example
 * ```ts
 * import { encodeInitValue, INIT_PARAMETERS } from "./config.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const parameter = INIT_PARAMETERS["health-interval"];
 * assertEquals([...encodeInitValue(parameter, 500)], [0, 0, 1, 244]);
 * ```
 */
export function encodeInitValue(
  parameter: InitParameter,
  value: number,
): Uint8Array {
  const { type, minimum, maximum, name } = parameter;
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new RangeError(
      `${name} is ${value}, expected ${minimum}..${maximum}`,
    );
  }
  const bytes = new Uint8Array(TYPE_BYTES[type]);
  const view = new DataView(bytes.buffer);
  if (type === "u8") view.setUint8(0, value);
  else view.setUint32(0, value);
  return bytes;
}

/**
 * Judges a value.
 *
 * @param parameter Whose value it should be.
 * @param bytes The value.
 * @returns The number, or null when the size or the number is not right.
 *
 * @example
 * ```ts
 * import { decodeInitValue, INIT_PARAMETERS } from "./config.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const parameter = INIT_PARAMETERS["log-level"];
 * assertEquals(decodeInitValue(parameter, Uint8Array.of(3)), 3);
 * assertEquals(decodeInitValue(parameter, Uint8Array.of(4)), null);
 * ```
 */
export function decodeInitValue(
  parameter: InitParameter,
  bytes: Uint8Array,
): number | null {
  const { type, minimum, maximum } = parameter;
  if (bytes.length !== TYPE_BYTES[type]) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = type === "u8" ? view.getUint8(0) : view.getUint32(0);
  return value < minimum || value > maximum ? null : value;
}

/**
 * The values that the init works with.
 *
 * @param stored The stored value of an id, or undefined.
 * @returns The values, and a sentence for each stored one that can't be used.
 *
 * @example
 * ```ts
 * import { readConfig } from "./config.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const { config, problems } = readConfig((id) =>
 *   id === 0xFFFF_0010 ? new Uint8Array(4) : undefined
 * );
 * assertEquals(config.healthIntervalMs, 10_000);
 * assertEquals(problems, [
 *   "health-interval is stored as 00000000, expected a u32 of 100..3600000",
 * ]);
 * ```
 */
export function readConfig(
  stored: (id: number) => Uint8Array | undefined,
): { readonly config: InitConfig; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const value = (name: ConfigName): number => {
    const parameter = INIT_PARAMETERS[name];
    const bytes = stored(parameter.id);
    if (bytes === undefined) return parameter.defaultValue;
    const number = decodeInitValue(parameter, bytes);
    if (number !== null) return number;
    const { type, minimum, maximum } = parameter;
    problems.push(
      `${name} is stored as ${
        toHex(bytes)
      }, expected a ${type} of ${minimum}..${maximum}`,
    );
    return parameter.defaultValue;
  };
  const config = {
    healthIntervalMs: value("health-interval"),
    fdirIntervalMs: value("fdir-interval"),
    watchdogTimeoutSeconds: value("watchdog-timeout"),
    logLevel: LOG_LEVELS[value("log-level")] ?? "info",
  };
  return { config, problems };
}

/**
 * The values of the init's parameters that can be set, as numbers.
 *
 * @param config What the init works with.
 * @returns By name.
 *
 * @example
 * ```ts
 * import { configValues, readConfig } from "./config.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const { config } = readConfig(() => undefined);
 * assertEquals(configValues(config).get("log-level"), 1);
 * ```
 */
export function configValues(config: InitConfig): Map<ConfigName, number> {
  return new Map<ConfigName, number>([
    ["health-interval", config.healthIntervalMs],
    ["fdir-interval", config.fdirIntervalMs],
    ["watchdog-timeout", config.watchdogTimeoutSeconds],
    ["log-level", LOG_LEVELS.indexOf(config.logLevel)],
  ]);
}

/**
 * The table as Markdown, for the documentation.
 *
 * @returns A table with one line for each parameter.
 *
 * @example
 * ```ts
 * import { formatParameterTable } from "./config.ts";
 * import { assertStringIncludes } from "@std/assert/string-includes";
 *
 * assertStringIncludes(
 *   formatParameterTable(),
 *   "| 0xFFFF0010 | `health-interval` | u32 | ms | 100..3600000 | 10000 |",
 * );
 * ```
 */
export function formatParameterTable(): string {
  const rows = Object.values(INIT_PARAMETERS).map((parameter) => {
    const { id, name, type, unit, minimum, maximum } = parameter;
    const value = parameter.isReadOnly
      ? "read-only"
      : String(parameter.defaultValue);
    const cells = [
      `0x${id.toString(16).toUpperCase()}`,
      `\`${name}\``,
      type,
      unit,
      `${minimum}..${maximum}`,
      value,
      parameter.description,
    ];
    return `| ${cells.join(" | ")} |\n`;
  });
  return `| id | name | type | unit | range | default | meaning |\n|---|---|---|---|---|---|---|\n${
    rows.join("")
  }`;
}
