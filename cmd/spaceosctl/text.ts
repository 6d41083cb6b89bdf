/**
 * What a VM tells, in words: states, flags, times. Whatever a VM has written
 * itself is made harmless for a terminal here. Imports `lib/wire` and the
 * output.
 *
 * @module
 */

import { PhaseOutcome } from "../../lib/wire/boot_timeline.ts";
import { EventSeverity } from "../../lib/wire/event.ts";
import { FrameType } from "../../lib/wire/frame.ts";
import { SystemMode } from "../../lib/wire/health.ts";
import { LogStream } from "../../lib/wire/log.ts";
import { ServiceFlag, ServiceStateCode } from "../../lib/wire/service_list.ts";
import { type Colour, printable } from "../command_line/output.ts";

/** The names of a table's numbers, in the manner of the command: `shutting down`. */
function namesOf(
  table: Readonly<Record<string, number>>,
): (code: number) => string {
  const names = new Map(
    Object.entries(table).map(([name, code]) => [
      code,
      name.toLowerCase().replaceAll("_", " "),
    ]),
  );
  return (code) => names.get(code) ?? String(code);
}

/** `booting`, `nominal`, `degraded`, `safe`, `shutting down`. */
export const modeName = namesOf(SystemMode);
/** `pending`, `starting`, `running`, `backoff`, `failed`. */
export const stateName = namesOf(ServiceStateCode);
/** `running`, `done`, `skipped`, `failed`. */
export const outcomeName = namesOf(PhaseOutcome);
/** `init`, `stdout`, `stderr`. */
export const streamName = namesOf(LogStream);

const severityNames = namesOf(EventSeverity);
const typeNames = namesOf(FrameType);

/** `DEBUG` to `CRITICAL`, as spaceos-disk writes them. */
export function severityName(code: number): string {
  return severityNames(code).toUpperCase();
}

/** `TM`, `TC`, ..., as formats.md writes them. */
export function frameTypeName(code: number): string {
  return typeNames(code).toUpperCase().replaceAll(" ", "_");
}

/** The names of the flags that are set: `wanted`, `critical`, ... */
export function flagNames(flags: number): string[] {
  return Object.entries(ServiceFlag)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name.toLowerCase());
}

/** How good a mode is. */
export function modeColour(mode: number): Colour {
  if (mode === SystemMode.NOMINAL) return "good";
  return mode === SystemMode.SAFE ? "bad" : "warning";
}

/** How good a service's state is. */
export function stateColour(state: number): Colour {
  switch (state) {
    case ServiceStateCode.RUNNING:
      return "good";
    case ServiceStateCode.FAILED:
      return "bad";
    case ServiceStateCode.PENDING:
      return "faint";
    default:
      return "warning";
  }
}

/** How grave an event is, or undefined for a usual one. */
export function severityColour(severity: number): Colour | undefined {
  if (severity === EventSeverity.DEBUG) return "faint";
  if (severity === EventSeverity.WARNING) return "warning";
  return severity > EventSeverity.WARNING ? "bad" : undefined;
}

/** Bytes as text for a terminal: control characters as escapes, what is no UTF-8 as U+FFFD. */
export function harmless(bytes: Uint8Array): string {
  return printable(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
}

/** Whole seconds for people: `1 d 2 h 3 min`, `61 s`. */
export function showSeconds(seconds: number): string {
  if (seconds < 100) return `${seconds} s`;
  const units = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]] as const;
  const parts: string[] = [];
  let rest = seconds;
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 3).join(" ");
}

/** Milliseconds since boot as seconds: `5.500 s`. */
export function showMilliseconds(ms: bigint): string {
  return `${(Number(ms) / 1000).toFixed(3)} s`;
}

/** KiB for people. */
export function showKib(kib: number): string {
  return kib >= 1024 ** 2
    ? `${(kib / 1024 ** 2).toFixed(1)} GiB`
    : `${(kib / 1024).toFixed(1)} MiB`;
}

/** Rows in columns; a column is as wide as its widest cell. */
export function alignColumns(
  rows: readonly (readonly string[])[],
): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => [...(row[column] ?? "")].length))
  );
  return rows.map((row) =>
    row.map((cell, column) =>
      cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - [...cell].length))
    ).join("  ").trimEnd()
  );
}
