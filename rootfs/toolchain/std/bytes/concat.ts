/** Joins byte arrays into one new array. */

/**
 * Concatenates byte arrays, in order, into a new one.
 *
 * @param arrays the pieces; they are copied, not kept
 * @returns a new array with all bytes of all pieces
 */
export function concat(arrays: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const array of arrays) length += array.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const array of arrays) {
    joined.set(array, at);
    at += array.length;
  }
  return joined;
}
