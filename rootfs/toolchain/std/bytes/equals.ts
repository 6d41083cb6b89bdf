/** Compares byte arrays. */

/**
 * Tells whether two byte arrays have the same length and content.
 *
 * @param a one array
 * @param b the other
 * @returns true when every byte is the same
 */
export function equals(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}
