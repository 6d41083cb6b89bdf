/**
 * What the wire tests share: a seeded generator, so that a failure can be
 * replayed, and a CRC-32C written as the long division that it is, so that the
 * tables of the code under test are checked against something without tables.
 *
 * @module
 */

/** A small seeded generator (a Weyl sequence through a 32-bit mixer). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An unsigned 32-bit integer. */
  u32(): number {
    this.#state = (this.#state + 0x9E3779B9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x85EBCA6B);
    z = Math.imul(z ^ (z >>> 13), 0xC2B2AE35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  /** An integer of `min..max`, both included. */
  integer(min: number, max: number): number {
    return min + this.u32() % (max - min + 1);
  }

  /** An unsigned 64-bit integer. */
  u64(): bigint {
    return BigInt(this.u32()) << 32n | BigInt(this.u32());
  }

  /** Some random bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) bytes[index] = this.u32();
    return bytes;
  }

  /** One of the given values. */
  pick<const T>(values: readonly T[]): T {
    const value = values[this.integer(0, values.length - 1)];
    if (value === undefined) throw new RangeError("nothing to pick from");
    return value;
  }
}

/** CRC-32C, one bit at a time. */
export function bitwiseCrc32c(bytes: Uint8Array): number {
  let remainder = 0xFFFFFFFF;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const feedback = (remainder ^ (byte >>> bit)) & 1;
      remainder = (remainder >>> 1) ^ (feedback * 0x82F63B78);
    }
  }
  return ~remainder >>> 0;
}

/** The bytes of a text of hexadecimal digits with spaces and line breaks. */
export function fromHexDump(text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replace(/\s/g, "");
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, index) => parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  );
}

/** A copy with one bit flipped, counted from bit 0 of byte 0. */
export function flipBit(
  bytes: Uint8Array,
  bit: number,
): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  copy[bit >>> 3] = (copy[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
