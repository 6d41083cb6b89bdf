/**
 * Runs the tests, suite by suite, and adds up what they say. It imports
 * nothing outside rootfs/toolchain.
 */
import { type Environment, REPOSITORY } from "./environment.ts";
import { say } from "./report.ts";

/** How many tests passed and failed. */
export interface TestCounts {
  /** Tests that passed. */
  readonly passed: number;
  /** Tests that failed, and modules that could not be loaded. */
  readonly failed: number;
}

/** One run of `deno test`. */
export interface TestSuite {
  /** Its name, for `deno task test NAME`. */
  readonly name: string;
  /** The arguments of `deno test` besides the configuration. */
  readonly args: readonly string[];
}

/** The order in which suites run; others come last, by name. */
const ORDER = ["unit", "doc", "simulation", "namespace", "vm"];

/** The folders of tests/ that hold no suite. */
const NOT_SUITES = ["bench", "fixtures"];

function holdsTests(folder: string): boolean {
  for (const entry of Deno.readDirSync(folder)) {
    if (entry.isFile && /(?:^|[._])test\.ts$/.test(entry.name)) return true;
    if (entry.isDirectory && holdsTests(`${folder}/${entry.name}`)) return true;
  }
  return false;
}

/**
 * The suites of this repository: each folder of tests/ that holds tests, and
 * the examples in the documentation of the library.
 *
 * @returns the suites, in the order in which they run
 */
export function findSuites(): TestSuite[] {
  const suites: TestSuite[] = [
    { name: "doc", args: ["--doc", "mod.ts", "lib/"] },
  ];
  for (const entry of Deno.readDirSync(`${REPOSITORY}/tests`)) {
    if (!entry.isDirectory || NOT_SUITES.includes(entry.name)) continue;
    if (holdsTests(`${REPOSITORY}/tests/${entry.name}`)) {
      suites.push({ name: entry.name, args: [`tests/${entry.name}/`] });
    }
  }
  const rank = (name: string): number => {
    const index = ORDER.indexOf(name);
    return index === -1 ? ORDER.length : index;
  };
  return suites.sort((a, b) =>
    rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1)
  );
}

/**
 * Reads the line with which `deno test` ends.
 *
 * @param output what it wrote
 * @returns the counts, or undefined when there is no such line
 */
export function parseSummary(output: string): TestCounts | undefined {
  // deno-lint-ignore no-control-regex
  const plain = output.replaceAll(/\x1b\[[0-9;]*m/g, "");
  const lines = [
    ...plain.matchAll(
      /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/gm,
    ),
  ];
  const last = lines.at(-1);
  if (last === undefined) return undefined;
  return { passed: Number(last[1]), failed: Number(last[2]) };
}

/**
 * The counts of a run, from what it wrote and how it ended: a run that fails
 * without saying that a test failed counts as one failure.
 *
 * @param output what `deno test` wrote on its standard output
 * @param success whether its exit status was 0
 * @returns the counts
 */
export function countRun(output: string, success: boolean): TestCounts {
  const counts = parseSummary(output) ?? { passed: 0, failed: success ? 0 : 1 };
  if (!success && counts.failed === 0) return { ...counts, failed: 1 };
  // No tests at all is a mistake, not a success.
  if (success && counts.passed === 0 && counts.failed === 0) {
    return { passed: 0, failed: 1 };
  }
  return counts;
}

/** The most of the output that is kept for the last line: it may be very long. */
const KEPT_CHARACTERS = 64 * 1024;

/**
 * Runs one suite, with its output on the terminal.
 *
 * @param suite what to run
 * @param environment the kind of machine
 * @param variables more environment
 * @returns the counts
 */
export async function runSuite(
  suite: TestSuite,
  environment: Environment,
  variables: Readonly<Record<string, string>> = {},
): Promise<TestCounts> {
  say(`\n== tests: ${suite.name}`);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "--allow-all",
      "--no-prompt",
      "--no-lock",
      ...environment.configArguments,
      ...suite.args,
    ],
    cwd: REPOSITORY,
    env: { ...environment.variables, ...variables },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const decoder = new TextDecoder();
  let kept = "";
  for await (const piece of child.stdout) {
    for (let at = 0; at < piece.length;) {
      at += Deno.stdout.writeSync(piece.subarray(at));
    }
    kept = (kept + decoder.decode(piece, { stream: true })).slice(
      -KEPT_CHARACTERS,
    );
  }
  const { success } = await child.status;
  return countRun(kept, success);
}
