/** How the assertions show values, and where two texts differ. */

/** Shows a value on several lines, one member each, with nothing left out. */
export function show(value: unknown): string {
  return Deno.inspect(value, {
    depth: Infinity,
    sorted: true,
    trailingComma: true,
    compact: false,
    iterableLimit: Infinity,
    strAbbreviateSize: Infinity,
  });
}

/** Shows a value on one line, if that is possible. */
export function showShort(value: unknown): string {
  return Deno.inspect(value, { depth: 4, breakLength: Infinity });
}

/** The ending of a message that the caller may have added to. */
export function suffix(message: string | undefined): string {
  return message ? `: ${message}` : ".";
}

/** The most line pairs that the quadratic difference may look at. */
const MAX_TABLE_CELLS = 4_000_000;

/**
 * A line difference of two texts by their longest common subsequence: "-"
 * marks what was met, "+" what was expected.
 */
export function lineDifference(actual: string, expected: string): string {
  const met = actual.split("\n");
  const wanted = expected.split("\n");
  let head = 0;
  while (
    head < met.length && head < wanted.length && met[head] === wanted[head]
  ) head++;
  let tail = 0;
  while (
    tail < met.length - head && tail < wanted.length - head &&
    met[met.length - 1 - tail] === wanted[wanted.length - 1 - tail]
  ) tail++;
  const a = met.slice(head, met.length - tail);
  const b = wanted.slice(head, wanted.length - tail);
  const lines = met.slice(0, head).map((line) => `    ${line}`);
  if (a.length * b.length > MAX_TABLE_CELLS) {
    lines.push(...a.map((line) => `-   ${line}`));
    lines.push(...b.map((line) => `+   ${line}`));
  } else {
    const width = b.length + 1;
    const longest = new Uint32Array((a.length + 1) * width);
    const cell = (i: number, j: number): number => longest[i * width + j] ?? 0;
    for (let i = a.length - 1; i >= 0; i--) {
      for (let j = b.length - 1; j >= 0; j--) {
        longest[i * width + j] = a[i] === b[j]
          ? cell(i + 1, j + 1) + 1
          : Math.max(cell(i + 1, j), cell(i, j + 1));
      }
    }
    let i = 0;
    let j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        lines.push(`    ${a[i]}`);
        i++;
        j++;
      } else if (
        i < a.length && (j === b.length || cell(i + 1, j) >= cell(i, j + 1))
      ) {
        lines.push(`-   ${a[i++]}`);
      } else {
        lines.push(`+   ${b[j++]}`);
      }
    }
  }
  lines.push(...met.slice(met.length - tail).map((line) => `    ${line}`));
  return lines.join("\n");
}
