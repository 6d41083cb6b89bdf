/**
 * Runs the benchmarks: every `*_bench.ts` beside this file, or those whose name
 * contains one of the arguments. Each exports `comparisons`, an array of
 * comparisons or a function that makes one, `run`, for what is not a
 * comparison of programs in this process, or `observe`, for figures that are
 * looked at by themselves. A bench that fails does not keep the others from
 * running. `deno task bench --help` tells more.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import {
  compare,
  type Comparison,
  type ComparisonResult,
  type Observation,
  render,
  renderObservation,
} from "./harness.ts";
import {
  type BenchResults,
  formatResults,
  type Merged,
  mergeResults,
  parseResults,
} from "./kept_results.ts";
import { report, reportPlot } from "./report.ts";

/** What a benchmark file exports. */
interface BenchmarkModule {
  readonly comparisons?:
    | readonly Comparison[]
    | (() => readonly Comparison[] | Promise<readonly Comparison[]>);
  readonly run?: () => Promise<readonly ComparisonResult[]>;
  readonly observe?: () => AsyncIterable<Observation>;
}

const HELP = `NAME
  bench - measure side by side with peers, as ratios

SYNOPSIS
  deno task bench [OPTION...] [NAME...]

DESCRIPTION
  Runs all benches, which takes about a quarter of an hour on two cores, or
  those that are named: NAME is a bench, or a part of the names of several.
  Contenders take turns in one run, and what counts is the ratio of their
  medians. Peers that this machine lacks come from Debian: busybox and finit for
  boots; s6, runit, finit, tini, dumb-init and catatonit for supervision; gcc
  for the peers in C. SQLite is Deno's own.

BENCHES
BENCH_LINES

OPTIONS
  --report     also write tests/bench/results.json, results.md and results.svg,
               after each bench; "deno task readme" puts them into the README.
               Benches that do not run keep the results of their last run: the
               table says of which day
  --json FILE  also write the results of this run
  --help       this text

EXIT STATUS
  0  done, also where a target was missed
  1  a bench could not be run, or the results could not be written
  2  wrong usage

EXAMPLES
  deno task bench crc codec
  deno task bench --report && deno task readme`;

/** What each bench measures, for the help. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  boot: "boots beside busybox init and finit, in QEMU",
  boot_compression: "boots with the initrd packed in four ways",
  codec: "frames and records, beside code by hand",
  crc: "CRC-32C beside hash-wasm",
  fdir: "looks for faults, beside digests of files",
  host: "PING through QEMU's port, and the switch, beside C",
  memory: "a program's memory under garbage, by V8's flags",
  storage: "durable appends beside raw writes and SQLite",
  supervisor: "the state machine, 500 services beside 50",
  supervisor_idle: "wake-ups of an idle init, and memory under restarts",
  supervisor_reaping: "orphans, beside the inits of containers",
  supervisor_services: "starts and restarts beside s6, runit and finit",
};

const FOLDER = new URL(".", import.meta.url);
const ENDING = "_bench.ts";

/** All benches, by name. */
function benchNames(): string[] {
  return [...Deno.readDirSync(FOLDER)]
    .filter(({ name }) => name.endsWith(ENDING))
    .map(({ name }) => name.slice(0, -ENDING.length)).sort();
}

function helpText(names: readonly string[]): string {
  const width = Math.max(...names.map((name) => name.length));
  const lines = names.map((name) =>
    `  ${name.padEnd(width)}  ${DESCRIPTIONS[name] ?? ""}`.trimEnd()
  );
  return HELP.replace("BENCH_LINES", lines.join("\n"));
}

/** Runs one bench, and shows what it gives as it comes. */
async function runBench(name: string): Promise<BenchResults> {
  const startedMs = performance.now();
  const module: BenchmarkModule = await import(
    new URL(`${name}${ENDING}`, FOLDER).href
  );
  const { comparisons = [], run, observe } = module;
  const compared: ComparisonResult[] = [];
  const observations: Observation[] = [];
  const list = typeof comparisons === "function"
    ? await comparisons()
    : comparisons;
  const show = (result: ComparisonResult): void => {
    console.log(render(result) + "\n");
    compared.push(result);
  };
  for (const comparison of list) show(await compare(comparison));
  for (const result of await run?.() ?? []) show(result);
  for await (const observation of observe?.() ?? []) {
    console.log(renderObservation(observation) + "\n");
    observations.push(observation);
  }
  return {
    date: new Date().toISOString().slice(0, 10),
    seconds: (performance.now() - startedMs) / 1000,
    comparisons: compared,
    observations,
  };
}

/** Which targets the run missed, in words. */
function missedTargets(results: readonly BenchResults[]): string[] {
  return results.flatMap(({ comparisons, observations }) =>
    [...comparisons, ...observations].flatMap(({ title, targets }) =>
      targets.filter(({ reached }) => !reached).map(({ contender }) =>
        `${title}: ${contender}`
      )
    )
  );
}

async function readKept(): Promise<string> {
  try {
    return await Deno.readTextFile(new URL("results.json", FOLDER));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Writes the report, and gives what is in it. */
async function writeReport(
  ran: Readonly<Record<string, BenchResults>>,
  names: readonly string[],
): Promise<Merged> {
  const merged = mergeResults(parseResults(await readKept()), ran, names);
  const { results } = merged;
  const comparisons = Object.values(results).flatMap((bench) =>
    bench.comparisons
  );
  const files = {
    "results.json": formatResults(results),
    "results.md": report(results),
    "results.svg": reportPlot(comparisons),
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(new URL(name, FOLDER), text);
  }
  return merged;
}

/** Says what of the report is older than this run. */
function sayWhatIsOld({ results, kept, missing }: Merged): void {
  console.log("report: written; `deno task readme` puts it into README.md");
  if (kept.length > 0) {
    console.log(
      `report: of earlier runs: ${
        kept.map((name) => `${name} (${results[name]?.date})`).join(", ")
      }`,
    );
  }
  if (missing.length > 0) {
    console.log(`report: never measured: ${missing.join(", ")}`);
  }
}

const minutesText = (seconds: number): string =>
  seconds < 120
    ? `${seconds.toFixed(0)} s`
    : `${(seconds / 60).toFixed(1)} min`;

async function main(args: readonly string[]): Promise<number> {
  const names = benchNames();
  const unknown: string[] = [];
  const options = parseArgs([...args], {
    string: ["json"],
    boolean: ["report", "help"],
    alias: { help: "h" },
    unknown: (argument: string): boolean => {
      if (argument.startsWith("-")) unknown.push(argument);
      return true;
    },
  });
  if (options.help) {
    console.log(helpText(names));
    return 0;
  }
  if (unknown[0] !== undefined || options.json === "") {
    console.error(
      `bench: met ${
        unknown[0] ?? "--json without a file"
      }; see deno task bench --help`,
    );
    return 2;
  }
  const chosen = new Set(options._.length === 0 ? names : []);
  for (const wanted of options._.map(String)) {
    const found = names.includes(wanted)
      ? [wanted]
      : names.filter((name) => name.includes(wanted));
    if (found.length === 0) {
      console.error(
        `bench: no bench is named ${wanted}, expected some of ${
          names.join(", ")
        }`,
      );
      return 2;
    }
    for (const name of found) chosen.add(name);
  }
  // A quarter of an hour later would be too late to say that it can't be written.
  if (options.json !== undefined) {
    try {
      Deno.openSync(options.json, { create: true, write: true }).close();
    } catch (error) {
      const reason = error instanceof Error ? error.message : error;
      console.error(`bench: --json ${options.json}: ${reason}`);
      return 1;
    }
  }
  const ran: Record<string, BenchResults> = {};
  const failed: string[] = [];
  for (const name of chosen) {
    console.log(`== ${name}`);
    try {
      const results = await runBench(name);
      ran[name] = results;
      if (options.report) await writeReport(ran, names);
      console.log(`${name}: ${minutesText(results.seconds)}\n`);
    } catch (error) {
      failed.push(name);
      console.error(`bench: ${name} failed:`, error, "\n");
    }
  }
  const missed = missedTargets(Object.values(ran));
  console.log(
    missed.length === 0
      ? "every target was reached"
      : `targets that were not reached:\n  ${missed.join("\n  ")}`,
  );
  const seconds = Object.values(ran).reduce((sum, one) => sum + one.seconds, 0);
  console.log(
    `${Object.keys(ran).length} of ${names.length} benches in ${
      minutesText(seconds)
    }`,
  );
  if (options.report) sayWhatIsOld(await writeReport(ran, names));
  if (options.json !== undefined) {
    await Deno.writeTextFile(options.json, formatResults(ran));
  }
  if (failed.length === 0) return 0;
  console.error(`bench: could not be run: ${failed.join(", ")}`);
  return 1;
}

Deno.exit(await main(Deno.args));
