/** The benchmarks' report, from results that are made up here. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { ComparisonResult } from "../../bench/harness.ts";
import { reportPlot, reportTable, timeText } from "../../bench/report.ts";

const RESULTS: ComparisonResult[] = [{
  title: "a <work>",
  baseline: "base",
  results: [
    { name: "base", medianNs: 2e9, ratio: 1 },
    { name: "other", medianNs: 4e9, ratio: 0.5 },
  ],
  targets: [{ contender: "other", atLeast: 0.77, ratio: 0.5, reached: false }],
}];

Deno.test("timeText chooses the unit", () => {
  assertEquals([12, 12_300, 4.56e6, 2e9, 999.9].map(timeText), [
    "12.0 ns",
    "12.3 us",
    "4.56 ms",
    "2.00 s",
    "1.00 us",
  ]);
});

Deno.test("reportTable has a row for each contender, and says which target was missed", () => {
  assertEquals(reportTable(RESULTS).split("\n").slice(4), [
    "| a <work> | base | 2.00 s | 1.00 x |  |",
    "|  | other | 4.00 s | 0.50 x | missed: 0.77 x |",
    "",
  ]);
});

Deno.test("reportPlot draws a dot for each contender, to the left where it is slower", () => {
  const plot = reportPlot(RESULTS);
  assertStringIncludes(plot, "a &lt;work>");
  const dots = [...plot.matchAll(/<circle cx="([\d.]+)"/g)].map(([, at]) =>
    Number(at)
  );
  const [base = 0, other = 0] = dots;
  assertEquals([dots.length, other < base], [2, true]);
});
