/**
 * What the help texts of the programs for the host are put together from.
 * Imports nothing.
 *
 * @module
 */

/** What is between the columns, and before the first. */
const GAP = "  ";

/** A terminal's width. */
const WIDTH = 80;

/** The left column is not wider than this for the right one to stand beside it. */
const LEFT_WIDTH = 36;

/** Words in lines that are not longer than `width`, unless a word is. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/**
 * Pairs as two columns, indented. What does not fit beside the left column goes
 * on below itself.
 */
export function columns(
  rows: readonly (readonly [string, string])[],
): string {
  const fitting = rows.map(([left]) => left.length)
    .filter((length) => length <= LEFT_WIDTH);
  const width = Math.max(0, ...fitting);
  const hanging = " ".repeat(GAP.length + width + GAP.length);
  return rows.flatMap(([left, right]) => {
    const lines = wrapped(right, WIDTH - hanging.length);
    const [first = "", ...others] = lines;
    return left.length <= width
      ? [
        `${GAP}${left.padEnd(width)}${GAP}${first}`,
        ...others.map((line) => hanging + line),
      ]
      : [`${GAP}${left}`, ...lines.map((line) => hanging + line)];
  }).map((line) => line.trimEnd()).join("\n");
}

/**
 * A text, each line indented. A paragraph that would be wider than a terminal is
 * broken anew.
 */
export function indent(text: string): string {
  const width = WIDTH - GAP.length;
  return text.split("\n\n").map((paragraph) => {
    const lines = paragraph.split("\n");
    const fits = lines.every((line) => line.length <= width);
    return fits ? lines : wrapped(lines.join(" "), width);
  }).map((lines) => lines.map((line) => `${GAP}${line}`.trimEnd()).join("\n"))
    .join("\n\n");
}

/** The section with a program's exit codes. */
export function exitStatusSection(
  codes: readonly (readonly [code: number, text: string])[],
): string {
  const rows = codes.map(([code, text]) => [String(code), text] as const);
  return `EXIT STATUS\n${columns(rows)}`;
}

/** The section with a program's examples; nothing without any. */
export function examplesSection(
  program: string,
  examples: readonly string[] = [],
): string {
  if (examples.length === 0) return "";
  const lines = examples.map((example) => `${GAP}${program} ${example}`);
  return `\n\nEXAMPLES\n${lines.join("\n")}`;
}
