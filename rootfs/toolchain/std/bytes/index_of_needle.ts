/** Finds a byte sequence in a byte array. */

/**
 * The index of the first occurrence of `needle` in `source`.
 *
 * @param source the bytes searched
 * @param needle the bytes looked for
 * @param start where to begin; a negative one counts from the end
 * @returns the index, or -1 when there is none
 */
export function indexOfNeedle(
  source: Uint8Array,
  needle: Uint8Array,
  start = 0,
): number {
  if (start < 0) start = Math.max(0, source.length + start);
  if (start >= source.length) return -1;
  if (needle.length === 0) return start;
  const first = needle[0];
  if (first === undefined) return start;
  const last = source.length - needle.length;
  for (let at = source.indexOf(first, start); at !== -1 && at <= last;) {
    let matched = 1;
    while (
      matched < needle.length && source[at + matched] === needle[matched]
    ) matched++;
    if (matched === needle.length) return at;
    at = source.indexOf(first, at + 1);
  }
  return -1;
}
