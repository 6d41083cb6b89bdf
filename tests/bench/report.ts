/**
 * What the benchmarks gave, for the README: tables in Markdown, and a plot as
 * SVG, with one row for each comparison and one dot for each contender, whose
 * name stands below in the dot's colour, on a logarithmic scale of the ratio to
 * the baseline. Imports the types of the
 * harness and of what is kept.
 *
 * @module
 */

import type { ComparisonResult, Observation } from "./harness.ts";
import type { KeptResults } from "./kept_results.ts";

/** The plot's measures, in pixels. */
const WIDTH = 900;
const LABEL_WIDTH = 400;
const ROW_HEIGHT = 38;
const LEGEND_BELOW = 15;
const MARGIN = 40;

/** One colour for the baseline, the others in turn. */
const BASELINE_COLOUR = "#777777";
const COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e"];

/** A time for people: `3.2 ms`. */
export function timeText(ns: number): string {
  const units = ["ns", "us", "ms", "s"];
  let value = ns;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toPrecision(3)} ${units[unit]}`;
}

/** A ratio for people, with a digit that says something where it is small. */
export function ratioText(ratio: number): string {
  return ratio >= 0.1 ? ratio.toFixed(2) : ratio.toPrecision(1);
}

/**
 * All results as Markdown: the comparisons, what was looked at by itself, and
 * when that was.
 *
 * @param results what the benchmarks gave
 * @returns a file's content
 */
export function report(results: KeptResults): string {
  const all = Object.values(results);
  const parts = [
    reportTable(all.flatMap(({ comparisons }) => comparisons)),
    observationTable(all.flatMap(({ observations }) => observations)),
    datesText(results),
  ];
  return `<!-- deno-fmt-ignore-file -->\n\n${
    parts.filter((part) => part !== "").join("\n")
  }`;
}

/** When which bench ran: `Measured on 2026-11-25: boot, codec.` */
function datesText(results: KeptResults): string {
  const byDate = Map.groupBy(
    Object.entries(results),
    ([, { date }]) => date,
  );
  const days = [...byDate].toSorted(([a], [b]) => a < b ? -1 : 1).map(
    ([date, benches]) =>
      `on ${date}: ${benches.map(([name]) => `\`${name}\``).join(", ")}`,
  );
  return days.length === 0 ? "" : `Measured ${days.join("; ")}.\n`;
}

/**
 * What was looked at by itself, as a table.
 *
 * @param observations what the benchmarks saw
 * @returns Markdown, one row for each line; empty without observations
 */
export function observationTable(
  observations: readonly Observation[],
): string {
  if (observations.length === 0) return "";
  const rows = observations.flatMap(({ title, lines, targets }) => {
    const judged = targets.map(({ contender, reached }) =>
      `${reached ? "reached" : "missed"}: ${contender}`
    );
    return lines.map((line, index) =>
      `| ${index === 0 ? title : ""} | ${line.replaceAll(/ {2,}/g, ": ")} | ${
        index === 0 ? judged.join("; ") : ""
      } |\n`
    );
  });
  return `| looked at | seen | target |\n|---|---|---|\n${rows.join("")}`;
}

/**
 * Comparisons as a table.
 *
 * @param results what the benchmarks gave
 * @returns Markdown, one row for each contender
 */
export function reportTable(results: readonly ComparisonResult[]): string {
  const rows = results.flatMap(({ title, results: contenders, targets }) =>
    contenders.map(({ name, medianNs, ratio }, index) => {
      const target = targets.find(({ contender }) => contender === name);
      const judged = target === undefined
        ? ""
        : `${target.reached ? "reached" : "missed"}: ${
          target.atLeast.toFixed(2)
        } x`;
      return `| ${index === 0 ? title : ""} | ${name} | ${
        timeText(medianNs)
      } | ${ratioText(ratio)} x | ${judged} |\n`;
    })
  );
  return `| work | contender | median | as fast as the baseline | target |\n|---|---|---|---|---|\n${
    rows.join("")
  }`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll('"', "&quot;");
}

/**
 * The results as a plot.
 *
 * @param results what the benchmarks gave
 * @returns an SVG document
 */
export function reportPlot(results: readonly ComparisonResult[]): string {
  const ratios = results.flatMap((result) =>
    result.results.map(({ ratio }) => ratio).filter((ratio) => ratio > 0)
  );
  const low = Math.floor(Math.log10(Math.min(1, ...ratios)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(1, ...ratios))));
  const x = (ratio: number): number =>
    LABEL_WIDTH + (WIDTH - LABEL_WIDTH - MARGIN) *
      (Math.log10(ratio) - low) / (high - low);
  const height = 2 * MARGIN + ROW_HEIGHT * results.length;
  const parts: string[] = [];
  for (let power = low; power <= high; power++) {
    const at = x(10 ** power).toFixed(1);
    parts.push(
      `<line x1="${at}" y1="${MARGIN - 10}" x2="${at}" y2="${
        height - MARGIN
      }" stroke="${power === 0 ? "#444444" : "#dddddd"}"/>`,
      `<text x="${at}" y="${MARGIN - 16}" text-anchor="middle">${
        10 ** power
      } x</text>`,
    );
  }
  results.forEach((result, row) => {
    const y = MARGIN + ROW_HEIGHT * (row + 0.4);
    const names: string[] = [];
    parts.push(
      `<text x="${LABEL_WIDTH - 12}" y="${y + 4}" text-anchor="end">${
        escaped(result.title)
      }</text>`,
    );
    let colour = 0;
    for (const { name, ratio } of result.results) {
      const fill = name === result.baseline
        ? BASELINE_COLOUR
        : COLOURS[colour++ % COLOURS.length];
      names.push(`<tspan fill="${fill}">${escaped(name)}</tspan>`);
      if (!(ratio > 0)) continue;
      parts.push(
        `<circle cx="${
          x(ratio).toFixed(1)
        }" cy="${y}" r="5" fill="${fill}"><title>${escaped(name)}: ${
          ratioText(ratio)
        } x</title></circle>`,
      );
    }
    parts.push(
      `<text x="${WIDTH - MARGIN}" y="${
        y + LEGEND_BELOW
      }" text-anchor="end" font-size="10">${names.join(" \u00b7 ")}</text>`,
    );
  });
  parts.push(
    `<text x="${LABEL_WIDTH}" y="${
      height - 14
    }">times as fast as the baseline (grey); right is better</text>`,
  );
  return `<!-- deno-fmt-ignore-file -->\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">\n<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>\n${
    parts.join("\n")
  }\n</svg>\n`;
}
