/** Copies bytes into an existing array, as far as they fit. */

/**
 * Copies `src` into `dst` from `offset` on; what does not fit is left out.
 *
 * @param src the bytes to copy
 * @param dst the array to write to
 * @param offset where in `dst` to begin; clamped to 0..dst.length
 * @returns the number of bytes copied
 */
export function copy(src: Uint8Array, dst: Uint8Array, offset = 0): number {
  const start = Math.max(0, Math.min(offset, dst.byteLength));
  const count = Math.min(src.byteLength, dst.byteLength - start);
  dst.set(src.subarray(0, count), start);
  return count;
}
