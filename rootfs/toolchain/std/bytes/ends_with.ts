/** Looks at the end of a byte array. */

/**
 * Tells whether `source` ends with `suffix`.
 *
 * @param source the bytes looked at
 * @param suffix the bytes looked for; an empty suffix is always there
 * @returns true when the last bytes of `source` are those of `suffix`
 */
export function endsWith(source: Uint8Array, suffix: Uint8Array): boolean {
  const start = source.length - suffix.length;
  if (start < 0) return false;
  for (let i = 0; i < suffix.length; i++) {
    if (source[start + i] !== suffix[i]) return false;
  }
  return true;
}
