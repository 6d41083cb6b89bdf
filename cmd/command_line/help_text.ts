/**
 * What the help texts of the programs for the host are put together from.
 * Imports nothing.
 *
 * @module
 */

/** Pairs as two columns, indented. */
export function columns(
  rows: readonly (readonly [string, string])[],
): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
    .join("\n");
}

/** A text, each line indented. */
export function indent(text: string): string {
  return text.split("\n").map((line) => `  ${line}`).join("\n");
}
