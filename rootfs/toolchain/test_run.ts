/**
 * Finds the suites and runs them, with their output on the terminal. It imports
 * nothing outside rootfs/toolchain.
 */
import { type Environment, REPOSITORY } from "./environment.ts";
import { killFamily } from "./process_family.ts";
import { PROGRESS_VARIABLE, say } from "./report.ts";
import { SuiteReader, type SuiteResult } from "./test_report.ts";
import { limitOf } from "./test_limit.ts";

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

/** Characters of a line that are looked at. */
const LINE_CHARACTERS = 64 * 1024;

/**
 * How long output is waited for when the program has ended: a process that it
 * left behind may hold the pipe for ever.
 */
const DRAIN_MS = 2000;

/** Where output goes. */
export interface Output {
  /** Writes some of the bytes, and tells how many. */
  writeSync(bytes: Uint8Array): number;
}

/**
 * Writes all bytes, or what goes: whoever can't be written to must not end the
 * run, whose result is its exit status, too.
 */
function writeAll(to: Output, bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) {
      at += to.writeSync(bytes.subarray(at));
    }
  } catch {
    // A pipe that nobody reads any more.
  }
}

/** Passes a stream on, and gives its lines. */
async function passOn(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  to: Output,
  onLine: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    writeAll(to, value);
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = (lines.pop() ?? "").slice(0, LINE_CHARACTERS);
    lines.forEach(onLine);
  }
  if (rest !== "") onLine(rest);
}

/**
 * A variable that everything that a run starts inherits: what it leaves behind
 * is found by it.
 */
const RUN_VARIABLE = "SPACEOS_TEST_RUN";

/** A program of a suite that has ended. */
export interface SuiteRun {
  /** Whether its exit status was 0. */
  readonly success: boolean;
  /** How it ended, in words. */
  readonly end: string;
  /** Has read what it wrote. */
  readonly reader: SuiteReader;
}

/**
 * Runs `deno` for a suite, with its output passed on and read.
 *
 * @param name the suite
 * @param args the arguments
 * @param variables more environment
 * @param out where its standard output goes
 * @param errors where its standard error goes
 * @param stop when this aborts, the program is killed with all that came of it;
 * its reason says why, in words
 * @returns how it ended
 */
export async function runRead(
  name: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
  out: Output = Deno.stdout,
  errors: Output = Deno.stderr,
  stop?: AbortSignal,
): Promise<SuiteRun> {
  const mark = crypto.randomUUID();
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: REPOSITORY,
    env: { ...variables, [RUN_VARIABLE]: mark },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = new SuiteReader(name);
  const streams = [child.stdout.getReader(), child.stderr.getReader()] as const;
  const onLine = (line: string): void => reader.line(line);
  const reading = Promise.all([
    passOn(streams[0], out, onLine),
    passOn(streams[1], errors, onLine),
  ]);
  const kill = (): void => killFamily(child.pid, `${RUN_VARIABLE}=${mark}`);
  stop?.addEventListener("abort", kill);
  if (stop?.aborted) kill();
  const { success, code, signal } = await child.status;
  stop?.removeEventListener("abort", kill);
  const timer = setTimeout(() => {
    for (const stream of streams) void stream.cancel();
  }, DRAIN_MS);
  await reading;
  clearTimeout(timer);
  const end = stop?.aborted
    ? String(stop.reason)
    : signal === null
    ? `exit code ${code}`
    : `killed by ${signal}`;
  return { success, end, reader };
}

/**
 * Runs `deno` for a suite on the terminal, until the suite's limit at most.
 *
 * @param name the suite
 * @param args the arguments
 * @param variables more environment
 * @returns how it ended
 */
export async function runLimited(
  name: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<SuiteRun> {
  const stop = new AbortController();
  const minutes = limitOf(name, { ...Deno.env.toObject(), ...variables });
  const timer = minutes === undefined ? undefined : setTimeout(
    () => stop.abort(`killed at its limit of ${minutes} minutes`),
    minutes * 60_000,
  );
  try {
    return await runRead(
      name,
      args,
      variables,
      Deno.stdout,
      Deno.stderr,
      stop.signal,
    );
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs one suite, with its output on the terminal.
 *
 * @param suite what to run
 * @param environment the kind of machine
 * @param variables more environment
 * @returns what passed and failed
 */
export async function runSuite(
  suite: TestSuite,
  environment: Environment,
  variables: Readonly<Record<string, string>> = {},
): Promise<SuiteResult> {
  say(`\n== tests: ${suite.name}`);
  const args = [
    "test",
    "--allow-all",
    "--no-prompt",
    "--no-lock",
    ...environment.configArguments,
    ...suite.args,
  ];
  const { success, end, reader } = await runLimited(suite.name, args, {
    ...environment.variables,
    [PROGRESS_VARIABLE]: "off",
    ...variables,
  });
  return reader.finish(success, end);
}
