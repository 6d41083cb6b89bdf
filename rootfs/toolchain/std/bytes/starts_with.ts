/** Looks at the beginning of a byte array. */

/**
 * Tells whether `source` begins with `prefix`.
 *
 * @param source the bytes looked at
 * @param prefix the bytes looked for; an empty prefix is always there
 * @returns true when the first bytes of `source` are those of `prefix`
 */
export function startsWith(source: Uint8Array, prefix: Uint8Array): boolean {
  if (prefix.length > source.length) return false;
  for (let i = 0; i < prefix.length; i++) {
    if (source[i] !== prefix[i]) return false;
  }
  return true;
}
