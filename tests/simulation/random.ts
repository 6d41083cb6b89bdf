/**
 * The random numbers of every simulation: a seed repeats them, on every machine
 * and for ever, so that a failing case can be replayed. Imports nothing.
 *
 * @module
 */

/** A generator (sfc32) with the draws that simulations need. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(...seeds: number[]) {
    let hash = 0x9E3779B9;
    for (const seed of seeds) {
      hash = Math.imul(hash ^ (seed >>> 0), 0x85EBCA6B) >>> 0;
      hash = (Math.imul(hash ^ (hash >>> 13), 0xC2B2AE35) ^ (hash >>> 16)) >>>
        0;
    }
    this.#a = hash;
    this.#b = Math.imul(hash, 0x27D4EB2F) >>> 0;
    this.#c = ~hash >>> 0;
    for (let round = 0; round < 12; round++) this.bits();
  }

  /** 32 random bits. */
  bits(): number {
    const result = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + result | 0;
    return result >>> 0;
  }

  /** A number from 0 up to, not including, 1. */
  fraction(): number {
    return this.bits() / 0x1_0000_0000;
  }

  /** A whole number from `low` to `high`, both possible. */
  between(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1));
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** True with a probability, or in `share` of `all` cases. */
  chance(share: number, all = 1): boolean {
    return this.fraction() * all < share;
  }

  /** Random bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) bytes[index] = this.bits();
    return bytes;
  }

  /** One of several. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.between(0, items.length - 1)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }
}

/** A number for a text, to seed with. */
export function hashText(text: string): number {
  let hash = 0x811C9DC5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash;
}
