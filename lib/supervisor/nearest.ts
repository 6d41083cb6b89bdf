/**
 * "Did you mean …?": the name of a list that a mistyped word is nearest to.
 * Pure; imports nothing.
 *
 * @module
 */

/**
 * The name with the smallest edit distance (insert, delete, replace, swap of
 * neighbours; letter case counts nothing), if it is near enough to be meant: at
 * most a third of the word's length, and at least one edit is allowed.
 *
 * @param word What was typed, of any length.
 * @param names What exists.
 * @returns The nearest name, or null.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { nearestName } from "./nearest.ts";
 *
 * assertEquals(nearestName("comand", ["command", "umask"]), "command");
 * assertEquals(nearestName("colour", ["command", "umask"]), null);
 * ```
 */
export function nearestName(
  word: string,
  names: Iterable<string>,
): string | null {
  if (word.length > 64) return null;
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  const lower = word.toLowerCase();
  for (const name of names) {
    const distance = editDistance(lower, name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const next = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (last[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isSame ? 0 : 1),
      );
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] &&
        a[row - 2] === b[column - 1];
      if (isSwap) cost = Math.min(cost, (before[column - 2] ?? 0) + 1);
      next.push(cost);
    }
    before = last;
    last = next;
  }
  return last[b.length] ?? 0;
}
