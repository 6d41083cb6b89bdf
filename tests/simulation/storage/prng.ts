/**
 * A seeded generator of pseudo-random numbers (xorshift128, Marsaglia 2003,
 * seeded by splitmix32), so that a failing case can be replayed from its seed.
 * Imports nothing.
 *
 * @module
 */

/** A reproducible stream of numbers. */
export class Prng {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    let mixed = seed >>> 0;
    for (let index = 0; index < 4; index++) {
      mixed = (mixed + 0x9E3779B9) >>> 0;
      let word = mixed ^ (mixed >>> 16);
      word = Math.imul(word, 0x21F0AAAD);
      word ^= word >>> 15;
      word = Math.imul(word, 0x735A2D97);
      this.#state[index] = word ^ (word >>> 15);
    }
  }

  /** The next 32 bits. */
  next(): number {
    const state = this.#state;
    let word = state[3] ?? 0;
    const first = state[0] ?? 0;
    state[3] = state[2] ?? 0;
    state[2] = state[1] ?? 0;
    state[1] = first;
    word ^= word << 11;
    word ^= word >>> 8;
    state[0] = word ^ first ^ (first >>> 19);
    return (state[0] ?? 0) >>> 0;
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return this.next() % limit;
  }

  /** True in `numerator` of `denominator` cases. */
  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  /** Random bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) bytes[index] = this.next();
    return bytes;
  }
}
