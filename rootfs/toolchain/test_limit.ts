/**
 * How long a suite of tests may take: one that hangs must not hang for ever.
 * Pure; it imports nothing outside rootfs/toolchain.
 */
import { ToolchainError } from "./report.ts";

/** What is said of a suite in the help, and what it is held to. */
export interface SuiteFacts {
  /** What it tests. */
  readonly description: string;
  /** How long it takes on two cores, in minutes. */
  readonly usualMinutes: number;
  /** After how many minutes it is killed. */
  readonly limitMinutes: number;
}

/** The suites. */
export const SUITES: Readonly<Record<string, SuiteFacts>> = {
  unit: {
    description: "pure parts, and programs of the host",
    usualMinutes: 2,
    limitMinutes: 20,
  },
  doc: {
    description: "the examples in the documentation",
    usualMinutes: 1,
    limitMinutes: 15,
  },
  simulation: {
    description: "the init over virtual parts, by seeds",
    usualMinutes: 2,
    limitMinutes: 20,
  },
  namespace: {
    description: "the init as process 1 of namespaces",
    usualMinutes: 1,
    limitMinutes: 20,
  },
  vm: {
    description: "the image in QEMU",
    usualMinutes: 9,
    limitMinutes: 45,
  },
};

/** The limit of a suite that has no facts above. */
const OTHER_LIMIT_MINUTES = 20;

/** The long variants take as much more time, at most. */
const LONG_FACTOR = 10;

/** The variable that overrides all limits, in minutes; 0 for none. */
export const LIMIT_VARIABLE = "SPACEOS_TEST_LIMIT";

/** The variable with which the long variants run. */
export const LONG_VARIABLE = "SPACEOS_TEST_LONG";

/**
 * After how long a suite is killed.
 *
 * @param name the suite
 * @param variables the environment
 * @returns minutes, or undefined for never
 * @throws {ToolchainError} when the variable says something else than a time
 */
export function limitOf(
  name: string,
  variables: Readonly<Record<string, string>>,
): number | undefined {
  const given = variables[LIMIT_VARIABLE];
  if (given !== undefined && given !== "") {
    const minutes = Number(given);
    if (!/^\d+(\.\d+)?$/.test(given) || minutes > 20_000) {
      throw new ToolchainError(
        `${LIMIT_VARIABLE} is "${given}", expected minutes in 0..20000, 0 for no limit`,
      );
    }
    return minutes === 0 ? undefined : minutes;
  }
  const facts = Object.hasOwn(SUITES, name) ? SUITES[name] : undefined;
  const minutes = facts?.limitMinutes ?? OTHER_LIMIT_MINUTES;
  return variables[LONG_VARIABLE] === "1" ? minutes * LONG_FACTOR : minutes;
}
