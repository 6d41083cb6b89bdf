/**
 * `spaceosctl boot-chart`: what ran when in the boot, on one time axis.
 *
 * @module
 */

import { usageError } from "../command_line/error.ts";
import { printable } from "../command_line/output.ts";
import { writeFile } from "../command_line/write_file.ts";
import { bootChartSvg } from "./boot_chart_svg.ts";
import { bootChartLines } from "./boot_chart_text.ts";
import { planBoot } from "./boot_plan.ts";
import type { VmCommand } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { requireFileForEach } from "./targets.ts";
import { isUnicodeTerminal, terminalColumns } from "./terminal.ts";
import { outcomeName } from "./text.ts";

/** The subcommand `boot-chart`. */
export const bootChart: VmCommand = {
  scope: "vm",
  summary: "draw the boot: phases and services on one time axis",
  operands: [],
  options: {
    svg: {
      value: "FILE",
      help: "write an SVG to FILE (- for standard output) instead",
    },
    width: {
      value: "COLUMNS",
      help: "width of the chart on the terminal (default its own, or 80)",
    },
  },
  json:
    `{"totalSeconds" (null while it boots), "kernelSeconds", "phases": [{"name",
"isService", "startSeconds", "durationSeconds" (null while it runs), "outcome"}]}`,
  details:
    `Times count from the kernel's start. Services are those that started before READY;
"outcome" is running, done, skipped or failed. With several VMs FILE must have
%s, which stands for the VM's label.`,
  check: (args, vmCount) => {
    args.integer("width", 40, 1000);
    const svg = args.text("svg");
    if (svg === undefined) return;
    if (svg === "") throw usageError("--svg is empty");
    if (svg === "-" && args.has("json")) {
      throw usageError(
        "boot-chart: --json needs another FILE for --svg than -",
      );
    }
    requireFileForEach(svg, vmCount);
  },
  run: async ({ client, args, target, tell, paint, bytes }) => {
    const phases = await client.bootTimeline();
    const plan = planBoot(phases);
    const svg = args.text("svg")
      ?.replaceAll("%s", target.label.replaceAll("/", "_"));
    if (svg !== undefined) {
      const text = bootChartSvg(plan, printable(target.label));
      const drawn = new TextEncoder().encode(text);
      if (svg === "-") bytes(drawn);
      else await writeFile(svg, drawn);
    }
    const json = {
      totalSeconds: plan.total,
      kernelSeconds: plan.kernel,
      phases: plan.rows.map((row) => ({
        name: row.name,
        isService: row.isService,
        startSeconds: row.start,
        durationSeconds: outcomeName(row.outcome) === "running"
          ? null
          : row.duration,
        outcome: outcomeName(row.outcome),
      })),
    };
    const lines = svg === undefined
      ? bootChartLines(plan, {
        columns: args.integer("width", 40, 1000) ?? terminalColumns(),
        isUnicode: isUnicodeTerminal(),
        paint,
      })
      : [`boot chart in ${printable(svg)}`];
    if (svg !== "-") tell(json, lines);
    return ExitCode.OK;
  },
};
