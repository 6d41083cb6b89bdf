/**
 * A boot as a chart of characters, for terminals of any width. Pure.
 *
 * @module
 */

import { PhaseOutcome } from "../../lib/wire/boot_timeline.ts";
import type { Colour } from "../command_line/output.ts";
import {
  axisMarks,
  type BootPlan,
  type BootRow,
  showDuration,
  showMark,
} from "./boot_plan.ts";

/** The characters of a chart. */
export interface ChartStyle {
  /** The width of the terminal in columns. */
  readonly columns: number;
  /** Whether it shows more than ASCII. */
  readonly isUnicode: boolean;
  /** Text in a colour. */
  readonly paint: (colour: Colour, text: string) => string;
}

const NAME_MAX_COLUMNS = 24;
const BAR_MIN_COLUMNS = 10;
/** ` 999.999 s skipped`. */
const LABEL_COLUMNS = 19;

const COLOURS: Readonly<Record<PhaseOutcome, Colour>> = {
  [PhaseOutcome.RUNNING]: "warning",
  [PhaseOutcome.DONE]: "good",
  [PhaseOutcome.SKIPPED]: "faint",
  [PhaseOutcome.FAILED]: "bad",
};

/** The lines of a chart. */
export function bootChartLines(plan: BootPlan, style: ChartStyle): string[] {
  const { rows, end, kernel, total } = plan;
  if (rows.length === 0) return ["the boot has not begun"];
  const { paint } = style;
  const nameColumns = Math.min(
    NAME_MAX_COLUMNS,
    Math.max(
      ...rows.map(({ name, isService }) =>
        [...name].length + (isService ? 2 : 0)
      ),
    ),
  );
  const barColumns = Math.max(
    BAR_MIN_COLUMNS,
    style.columns - nameColumns - LABEL_COLUMNS - 2,
  );
  const head = total === null
    ? `booting, ${showDuration(end)} so far`
    : `${showDuration(total)} = ${showDuration(kernel)} kernel + ${
      showDuration(total - kernel)
    } init and services`;
  const indent = " ".repeat(nameColumns + 1);
  return [
    head,
    indent + paint("faint", axisLine(end, barColumns)),
    ...rows.map((row) => {
      const name = cut(row.isService ? `  ${row.name}` : row.name, nameColumns);
      const [before, bar] = barOf(row, end, barColumns, style.isUnicode);
      const label = `${showDuration(row.duration)}${outcomeSuffix(row)}`;
      return `${name} ${before}${paint(COLOURS[row.outcome], bar)} ${
        row.outcome === PhaseOutcome.DONE
          ? label
          : paint(COLOURS[row.outcome], label)
      }`;
    }),
  ];
}

function outcomeSuffix({ outcome }: BootRow): string {
  switch (outcome) {
    case PhaseOutcome.FAILED:
      return " failed";
    case PhaseOutcome.SKIPPED:
      return " skipped";
    case PhaseOutcome.RUNNING:
      return " running";
    default:
      return "";
  }
}

function cut(text: string, columns: number): string {
  const characters = [...text];
  return characters.length <= columns
    ? text.padEnd(text.length + columns - characters.length)
    : characters.slice(0, columns - 1).join("") + "~";
}

function barOf(
  { start, duration }: BootRow,
  end: number,
  columns: number,
  isUnicode: boolean,
): readonly [string, string] {
  const scale = columns / end;
  const from = Math.min(columns - 1, Math.floor(start * scale));
  const to = Math.max(
    from + 1,
    Math.min(columns, Math.round((start + duration) * scale)),
  );
  const before = " ".repeat(from);
  return [before, (isUnicode ? "█" : "#").repeat(to - from)];
}

/** Round times, each beginning at its place. */
function axisLine(end: number, columns: number): string {
  let line = "";
  for (const mark of axisMarks(end, Math.max(1, Math.floor(columns / 10)))) {
    const at = Math.floor(mark * columns / end);
    const text = `|${showMark(mark)} s`;
    if (at < line.length || at + text.length > columns + LABEL_COLUMNS) {
      continue;
    }
    line = line.padEnd(at) + text;
  }
  return line;
}
