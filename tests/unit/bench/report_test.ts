/** The benchmarks' report, from results that are made up here. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ComparisonResult } from "../../bench/harness.ts";
import { formatResults, type KeptResults } from "../../bench/kept_results.ts";
import {
  ratioText,
  report,
  reportPlot,
  reportTable,
  timeText,
} from "../../bench/report.ts";

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
  assertEquals(reportTable(RESULTS).split("\n").slice(2), [
    "| a <work> | base | 2.00 s | 1.00 x |  |",
    "|  | other | 4.00 s | 0.50 x | missed: 0.77 x |",
    "",
  ]);
});

Deno.test("reportPlot draws a dot for each contender, to the left where it is slower", () => {
  const plot = reportPlot(RESULTS);
  assertStringIncludes(plot, "a &lt;work>");
  // Whose dot is whose shows without a pointer.
  assertMatch(
    plot,
    /<tspan fill="#777777">base<\/tspan> · <tspan fill="#1f77b4">other<\/tspan>/,
  );
  const dots = [...plot.matchAll(/<circle cx="([\d.]+)"/g)].map(([, at]) =>
    Number(at)
  );
  const [base = 0, other = 0] = dots;
  assertEquals([dots.length, other < base], [2, true]);
});

Deno.test("ratioText shows a digit that says something", () => {
  assertEquals([12.345, 1, 0.126, 0.0637, 0.0042].map(ratioText), [
    "12.35",
    "1.00",
    "0.13",
    "0.06",
    "0.004",
  ]);
});

const KEPT: KeptResults = {
  idle: {
    date: "2026-11-25",
    seconds: 1,
    comparisons: [],
    observations: [{
      title: "awake",
      lines: ["ours    never", "theirs  each second"],
      targets: [
        { contender: "never", reached: true },
        { contender: "flat", reached: false },
      ],
    }],
  },
  work: {
    date: "2026-11-24",
    seconds: 1,
    comparisons: RESULTS,
    observations: [],
  },
};

Deno.test("report has comparisons, what was looked at, and the days", () => {
  const text = report(KEPT);
  assertMatch(
    text,
    /\| {2}\| other \| 4\.00 s \| 0\.50 x \| missed: 0\.77 x \|/,
  );
  assertStringIncludes(
    text,
    "| awake | ours: never | reached: never; missed: flat |\n" +
      "|  | theirs: each second |  |\n",
  );
  assertStringIncludes(
    text,
    "Measured on 2026-11-24: `work`; on 2026-11-25: `idle`.\n",
  );
  assertEquals(report({}).includes("looked at"), false);
});

Deno.test("what bench --report writes passes deno fmt", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-report-" });
  try {
    const files = {
      "results.json": formatResults(KEPT),
      "results.md": report(KEPT),
      "results.svg": reportPlot(RESULTS),
    };
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["fmt", "--check", "--no-config", folder],
    }).output();
    const said = new TextDecoder().decode(stderr);
    assertEquals(code, 0, said);
    assertStringIncludes(said, "Checked 3 files");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
