/**
 * A boot as an SVG: bars on one time axis, in light and dark. Pure. Nothing in
 * it is loaded from elsewhere, and no text of a VM is anything but text in it.
 *
 * @module
 */

import { PhaseOutcome } from "../../lib/wire/boot_timeline.ts";
import {
  axisMarks,
  type BootPlan,
  type BootRow,
  showDuration,
  showMark,
} from "./boot_plan.ts";
import { outcomeName } from "./text.ts";

const ROW_HEIGHT = 24;
const BAR_HEIGHT = 16;
const MARGIN = 24;
const HEAD_HEIGHT = 76;
const AXIS_HEIGHT = 24;
const LEGEND_HEIGHT = 36;
const CHART_WIDTH = 860;
/** Room for the label of a bar that ends at the chart's right edge. */
const LABEL_WIDTH = 330;
/** An average character of the font in use. */
const CHARACTER_WIDTH = 7;

const STYLE = `
    svg { font: 13px system-ui, "DejaVu Sans", sans-serif; background: #fff; }
    text { fill: #1f2430; }
    .title { font-size: 18px; font-weight: 600; }
    .faint { fill: #667085; }
    .grid { stroke: #e4e7ec; stroke-width: 1; }
    .axis { stroke: #98a2b3; stroke-width: 1; }
    .kernel { fill: #98a2b3; }
    .phase { fill: #5b8def; }
    .service { fill: #3fae6a; }
    .skipped { fill: #cdd3dd; }
    .failed { fill: #d64545; }
    .running { fill: #e3a008; }
    @media (prefers-color-scheme: dark) {
      svg { background: #14171f; }
      text { fill: #e6e9ef; }
      .faint { fill: #98a2b3; }
      .grid { stroke: #262b36; }
      .axis { stroke: #475467; }
      .kernel { fill: #667085; }
      .skipped { fill: #3b4250; }
    }`;

/**
 * The text of an SVG document.
 *
 * @param plan The boot.
 * @param title What stands above it, such as the VM's label.
 */
export function bootChartSvg(plan: BootPlan, title: string): string {
  const { rows, end, kernel, total } = plan;
  const top = HEAD_HEIGHT + AXIS_HEIGHT;
  const bottom = top + rows.length * ROW_HEIGHT;
  const width = MARGIN * 2 + CHART_WIDTH + LABEL_WIDTH;
  const height = bottom + LEGEND_HEIGHT + MARGIN;
  const scale = CHART_WIDTH / end;
  const subtitle = total === null
    ? `booting, ${showDuration(end)} so far`
    : `${showDuration(total)} = ${showDuration(kernel)} kernel + ${
      showDuration(total - kernel)
    } init and services`;
  const marks = axisMarks(end, 12).map((mark) => {
    const x = number(MARGIN + mark * scale);
    return `  <line class="grid" x1="${x}" y1="${top}" x2="${x}" y2="${bottom}"/>
  <text class="faint" x="${x}" y="${top - 8}">${showMark(mark)} s</text>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${
    escape(`Boot of ${title}: ${subtitle}`)
  }">
  <style>${STYLE}
  </style>
  <text class="title" x="${MARGIN}" y="36">Boot of ${escape(title)}</text>
  <text class="faint" x="${MARGIN}" y="58">${escape(subtitle)}</text>
${marks.join("\n")}
  <line class="axis" x1="${MARGIN}" y1="${top}" x2="${
    MARGIN + CHART_WIDTH
  }" y2="${top}"/>
${
    rows.map((row, index) => barOf(row, top + index * ROW_HEIGHT, scale)).join(
      "\n",
    )
  }
${legend(bottom + LEGEND_HEIGHT)}
</svg>
`;
}

function classOf({ name, isService, start, outcome }: BootRow): string {
  if (outcome !== PhaseOutcome.DONE) return outcomeName(outcome);
  if (isService) return "service";
  return name === "kernel" && start === 0 ? "kernel" : "phase";
}

function barOf(row: BootRow, y: number, scale: number): string {
  const x = MARGIN + row.start * scale;
  const width = Math.max(2, row.duration * scale);
  const outcome = row.outcome === PhaseOutcome.DONE
    ? ""
    : `, ${outcomeName(row.outcome)}`;
  const label = `${row.name} (${showDuration(row.duration)}${outcome})`;
  // Behind the bar, or before it where there is no room behind.
  const labelWidth = label.length * CHARACTER_WIDTH;
  const isRoom = x + width + labelWidth + 8 <
    MARGIN + CHART_WIDTH + LABEL_WIDTH;
  const anchor = isRoom ? "start" : "end";
  const labelX = isRoom ? x + width + 6 : x - 6;
  return `  <g><title>${escape(label)}, from ${showDuration(row.start)}</title>
    <rect class="${classOf(row)}" x="${number(x)}" y="${y + 4}" width="${
    number(width)
  }" height="${BAR_HEIGHT}" rx="2"/>
    <text x="${number(labelX)}" y="${y + 17}" text-anchor="${anchor}">${
    escape(label)
  }</text></g>`;
}

function legend(y: number): string {
  const entries = [
    "kernel",
    "phase",
    "service",
    "skipped",
    "failed",
    "running",
  ];
  return entries.map((entry, index) => {
    const x = MARGIN + index * 110;
    return `  <rect class="${entry}" x="${x}" y="${
      y - 11
    }" width="12" height="12" rx="2"/><text class="faint" x="${
      x + 18
    }" y="${y}">${entry}</text>`;
  }).join("\n");
}

function number(value: number): string {
  return value.toFixed(2);
}

/** Text as XML; control characters, which XML has no way to write, are gone already. */
function escape(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? "")
    // Half of a surrogate pair, and what XML 1.0 excludes besides.
    .replace(/[\ufffe\uffff]|\p{Surrogate}/gu, "\ufffd");
}
