/**
 * A layout as a byte diagram and as a table, for the documentation and for
 * tools: drawn from the same rows that encode and decode. Imports the codec's
 * types.
 *
 * @module
 */

import type { FieldDescription } from "./codec.ts";
import { hexNumber } from "./hex.ts";

const ROW_BYTES = 4;
const BYTE_COLUMNS = 16;
const OFFSET_COLUMNS = 7;

/** The part of a field that lies in one row of the diagram. */
interface Segment {
  readonly label: string;
  readonly bytes: number;
  /** Whether the field began in an earlier row. */
  readonly continues: boolean;
}

interface DiagramRow {
  /** The offset of the row's first byte, or undefined for a row of dots. */
  readonly offset: number | undefined;
  readonly segments: readonly Segment[];
}

/**
 * Draws a layout as a diagram of four bytes to a row. A field of many rows is
 * drawn with its middle left out. A field of variable length is drawn at its
 * largest.
 *
 * @param fields The rows of a layout, from its `describe`.
 * @returns Lines without a final line break.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { drawLayout } from "./diagram.ts";
 * import { u16, u32, u8 } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 8, {
 *   kind: u8(0),
 *   flags: u8(1),
 *   tenantId: u16(2),
 *   total: u32(4),
 * });
 * assertEquals(drawLayout(layout.describe()), `\
 *         0               1               2               3
 *        +---------------+---------------+---------------+---------------+
 * 0x00   |     kind      |     flags     |           tenant_id           |
 *        +---------------+---------------+---------------+---------------+
 * 0x04   |                             total                             |
 *        +---------------+---------------+---------------+---------------+`);
 * ```
 */
export function drawLayout(fields: readonly FieldDescription[]): string {
  const rows = diagramRows(fields);
  const size = fields.reduce((sum, field) => sum + field.sizeBytes, 0);
  const digits = size > 0x100 ? 2 : 1;
  const indent = " ".repeat(OFFSET_COLUMNS);
  const columns = Array.from(
    { length: ROW_BYTES },
    (_, byte) => String(byte).padEnd(BYTE_COLUMNS),
  );
  const lines = [`${indent} ${columns.join("").trimEnd()}`];
  for (const [index, { offset, segments }] of rows.entries()) {
    lines.push(indent + border(rows[index - 1]?.segments ?? [], segments));
    const label = offset === undefined ? "" : hexNumber(offset, digits);
    const cells = segments.map(({ label, bytes }) =>
      centre(label, bytes * BYTE_COLUMNS - 1)
    );
    lines.push(`${label.padEnd(OFFSET_COLUMNS)}|${cells.join("|")}|`);
  }
  lines.push(indent + border(rows.at(-1)?.segments ?? [], []));
  return lines.join("\n");
}

/**
 * Writes a layout as a Markdown table of offset, field, type and range.
 *
 * @param fields The rows of a layout, from its `describe`.
 * @returns Lines without a final line break.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineLayout } from "./codec.ts";
 * import { tabulateLayout } from "./diagram.ts";
 * import { u8 } from "./fields.ts";
 *
 * const layout = defineLayout("sample", 1, { kind: u8(0, { max: 3 }) });
 * assertEquals(
 *   tabulateLayout(layout.describe()).split("\n").at(-1),
 *   "| 0x00 | kind | u8 | 0..3 |",
 * );
 * ```
 */
export function tabulateLayout(fields: readonly FieldDescription[]): string {
  const rows = fields.map(({ offset, name, type, expected }) => {
    const at = offset === undefined ? "then" : hexNumber(offset, 1);
    return `| ${at} | ${name} | ${type} | ${expected} |`;
  });
  return ["| offset | field | type | value |", "|---|---|---|---|", ...rows]
    .join("\n");
}

function diagramRows(fields: readonly FieldDescription[]): DiagramRow[] {
  const rows: DiagramRow[] = [];
  let segments: Segment[] = [];
  let filled = 0;
  let at = 0;
  const add = (segment: Segment) => {
    segments.push(segment);
    filled += segment.bytes;
    if (filled < ROW_BYTES) return;
    rows.push({ offset: at - ROW_BYTES, segments });
    segments = [];
    filled = 0;
  };
  for (const { name, sizeBytes } of fields) {
    let left = sizeBytes;
    let label = name;
    let continues = false;
    while (left > 0) {
      if (filled === 0 && continues && left > 2 * ROW_BYTES) {
        const skipped = Math.floor((left - 1) / ROW_BYTES) * ROW_BYTES;
        const dots = { label: "...", bytes: ROW_BYTES, continues };
        rows.push({ offset: undefined, segments: [dots] });
        left -= skipped;
        at += skipped;
        continue;
      }
      const bytes = Math.min(left, ROW_BYTES - filled);
      left -= bytes;
      at += bytes;
      add({ label, bytes, continues });
      label = "";
      continues = true;
    }
  }
  if (filled > 0) rows.push({ offset: at - filled, segments });
  return rows;
}

/** The line between two rows: open where a field goes on from one to the next. */
function border(above: readonly Segment[], below: readonly Segment[]): string {
  const first = below[0];
  const widths = [above, below].map((row) =>
    row.reduce((sum, segment) => sum + segment.bytes, 0)
  );
  const width = Math.max(...widths);
  // The field that goes on is the last one above and the first one below.
  const from = (widths[0] ?? 0) - (above.at(-1)?.bytes ?? 0);
  const to = first?.continues === true ? first.bytes : 0;
  const isOpen = (byte: number) => byte >= from && byte < to;
  let line = "";
  for (let byte = 0; byte <= width; byte++) {
    const joint = isOpen(byte - 1) && isOpen(byte);
    const side = isOpen(byte - 1) && byte === width ||
      isOpen(byte) && byte === 0;
    line += joint ? " " : side ? "|" : "+";
    if (byte < width) {
      line += (isOpen(byte) ? " " : "-").repeat(BYTE_COLUMNS - 1);
    }
  }
  return line;
}

function centre(text: string, width: number): string {
  const shown = text.length > width ? text.slice(0, width) : text;
  const left = Math.floor((width - shown.length) / 2);
  return (" ".repeat(left) + shown).padEnd(width);
}
