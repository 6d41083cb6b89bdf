/**
 * Runs the benchmarks: every `*_bench.ts` beside this file, or those whose name
 * contains one of the arguments. Each exports `comparisons`, an array of
 * comparisons or a function that makes one, `run`, for what is not a
 * comparison of programs in this process, or `observe`, for figures that are
 * looked at by themselves. `--json FILE` also writes the results, and `--report`
 * writes the comparisons for the README, as tests/bench/results.md and .svg.
 *
 * Usage: deno task bench [--json FILE] [--report] [NAME...]
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
import { reportPlot, reportTable } from "./report.ts";

/** What a benchmark file exports. */
interface BenchmarkModule {
  readonly comparisons?:
    | readonly Comparison[]
    | (() => readonly Comparison[] | Promise<readonly Comparison[]>);
  readonly run?: () => Promise<readonly ComparisonResult[]>;
  readonly observe?: () => AsyncIterable<Observation>;
}

const HELP = `Measures side by side with peers, as ratios.

Usage: deno task bench [--json FILE] [--report] [NAME...]

Without NAME, everything is measured: about a quarter of an hour. Peers that
this machine lacks are fetched from Debian.

  --json FILE  also write the results
  --report     also write tests/bench/results.md and results.svg for the README
  --help       this text

Exit status: 0 done, also where a target was missed; 2 wrong usage.`;

const unknown: string[] = [];
const options = parseArgs(Deno.args, {
  string: ["json"],
  boolean: ["report", "help"],
  alias: { help: "h" },
  unknown: (argument: string): boolean => {
    if (argument.startsWith("-")) unknown.push(argument);
    return true;
  },
});
if (options.help) {
  console.log(HELP);
  Deno.exit(0);
}
if (unknown[0] !== undefined || options.json === "") {
  console.error(
    `bench: met ${
      unknown[0] ?? "--json without a file"
    }; see deno task bench --help`,
  );
  Deno.exit(2);
}
const wanted = options._.map(String);
const folder = new URL(".", import.meta.url);
const names: string[] = [];
for await (const entry of Deno.readDir(folder)) {
  if (entry.name.endsWith("_bench.ts")) names.push(entry.name);
}
names.sort();
const chosen = names.filter((name) =>
  wanted.length === 0 || wanted.some((part) => name.includes(part))
);
if (chosen.length === 0) {
  console.error(`no benchmark is named ${wanted.join(" or ")}; there are:`);
  for (const name of names) console.error(`  ${name.replace("_bench.ts", "")}`);
  Deno.exit(2);
}
const results: (ComparisonResult | Observation)[] = [];
for (const name of chosen) {
  const module: BenchmarkModule = await import(new URL(name, folder).href);
  console.log(`== ${name.replace("_bench.ts", "")}`);
  const { comparisons = [], run, observe } = module;
  const list = typeof comparisons === "function"
    ? await comparisons()
    : comparisons;
  for (const comparison of list) {
    const result = await compare(comparison);
    console.log(render(result) + "\n");
    results.push(result);
  }
  for (const result of await run?.() ?? []) {
    console.log(render(result) + "\n");
    results.push(result);
  }
  for await (const observation of observe?.() ?? []) {
    console.log(renderObservation(observation) + "\n");
    results.push(observation);
  }
}
const missed = results.flatMap(({ title, targets }) =>
  targets.filter(({ reached }) => !reached).map(({ contender }) =>
    `${title}: ${contender}`
  )
);
console.log(
  missed.length === 0
    ? "every target was reached"
    : `targets that were not reached:\n  ${missed.join("\n  ")}`,
);
if (options.report) {
  const compared = results.filter((result) => "results" in result);
  await Deno.writeTextFile(
    new URL("results.md", folder),
    reportTable(compared),
  );
  await Deno.writeTextFile(
    new URL("results.svg", folder),
    reportPlot(compared),
  );
}
if (options.json !== undefined) {
  await Deno.writeTextFile(options.json, JSON.stringify(results, null, 2));
}
