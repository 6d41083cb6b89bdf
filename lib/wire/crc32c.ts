/**
 * CRC-32C (Castagnoli), the checksum of every format of this project: the
 * reflected polynomial 0x82F63B78, initial value and final XOR 0xFFFFFFFF
 * (formats.md; RFC 3720 appendix B.4 has test vectors). Two engines compute it:
 * a table loop for short records, hash-wasm for long inputs. Imports hash-wasm.
 *
 * @module
 */

import { createCRC32 } from "hash-wasm";

const POLYNOMIAL = 0x82F63B78;

/**
 * From this length on hash-wasm is the faster engine. Each of its calls costs
 * about 0.3 us for copying the input and for turning the digest into text; it
 * then needs a little less time for a byte than the loop. `tests/bench` prints
 * where the two cross: between 4 and 8 KiB.
 */
export const HASH_WASM_FROM_BYTES = 4096;

/** Bytes that one turn of the table loop takes. */
const SLICE_BYTES = 16;

/**
 * Table `k` (at `k * 256`) holds the effect that a byte has on the remainder
 * when `k` more bytes follow it. Signed, because the loop's operators are.
 */
const TABLE = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(256 * SLICE_BYTES);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder & 1) !== 0
        ? (remainder >>> 1) ^ POLYNOMIAL
        : remainder >>> 1;
    }
    table[byte] = remainder;
  }
  for (let index = 256; index < table.length; index++) {
    const previous = table[index - 256] ?? 0;
    table[index] = (previous >>> 8) ^ (table[previous & 0xFF] ?? 0);
  }
  return table;
}

type Hasher = Awaited<ReturnType<typeof createCRC32>>;

let hasher: Hasher | undefined;
let loading: Promise<boolean> | undefined;

/**
 * Loads hash-wasm, which the first long input does by itself: that input, and
 * those that come before it is loaded, have the table loop. A boot has no long
 * input, and making a WebAssembly module is a seventeenth of the code that the
 * init executes there for the first time.
 *
 * @returns Whether it is there; false on a machine without WebAssembly, which
 * must not lose its PID 1 over a checksum: the table loop then does it all.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { crc32cByHashWasm, loadHashWasm } from "./crc32c.ts";
 *
 * assertEquals(await loadHashWasm(), true);
 * assertEquals(crc32cByHashWasm(new Uint8Array(32)), 0x8A9136AA);
 * ```
 */
export function loadHashWasm(): Promise<boolean> {
  loading ??= createCRC32(POLYNOMIAL).then((made) => {
    hasher = made;
    return true;
  }).catch(() => false);
  return loading;
}

/**
 * The CRC-32C of some bytes, from the faster engine for their number.
 *
 * @param bytes Any bytes, also none.
 * @returns The checksum as an unsigned 32-bit integer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { crc32c } from "./crc32c.ts";
 *
 * assertEquals(crc32c(new TextEncoder().encode("123456789")), 0xE3069283);
 * assertEquals(crc32c(new Uint8Array()), 0);
 * ```
 */
export function crc32c(bytes: Uint8Array): number {
  return bytes.length < HASH_WASM_FROM_BYTES
    ? crc32cByTable(bytes)
    : crc32cByHashWasm(bytes);
}

/**
 * The CRC-32C of some bytes, computed by hash-wasm whatever their number. Where
 * it is not loaded yet, see {@linkcode loadHashWasm}, or WebAssembly is missing,
 * the table loop stands in for it.
 *
 * @param bytes Any bytes.
 * @returns The checksum as an unsigned 32-bit integer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { crc32cByHashWasm } from "./crc32c.ts";
 *
 * assertEquals(crc32cByHashWasm(new Uint8Array(32)), 0x8A9136AA);
 * ```
 */
export function crc32cByHashWasm(bytes: Uint8Array): number {
  if (hasher === undefined) {
    loadHashWasm();
    return crc32cByTable(bytes);
  }
  // The hexadecimal digest is the cheaper one: "binary" makes a typed array.
  return parseInt(hasher.init().update(bytes).digest("hex"), 16);
}

/**
 * The CRC-32C of some bytes, computed by the table loop whatever their number.
 *
 * @param bytes Any bytes.
 * @returns The checksum as an unsigned 32-bit integer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { crc32cByTable } from "./crc32c.ts";
 *
 * assertEquals(crc32cByTable(new Uint8Array(32).fill(0xFF)), 0x62A8AB43);
 * ```
 */
export function crc32cByTable(bytes: Uint8Array): number {
  return ~advance(-1, bytes) >>> 0;
}

/**
 * The checksum of bytes that come in pieces, such as a large data product.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Crc32c } from "./crc32c.ts";
 *
 * const crc = new Crc32c();
 * crc.update(new TextEncoder().encode("1234"));
 * crc.update(new TextEncoder().encode("56789"));
 * assertEquals(crc.digest(), 0xE3069283);
 * ```
 */
export class Crc32c {
  #remainder = -1;

  /**
   * Takes the next bytes.
   *
   * @param bytes Any bytes, also none.
   * @returns This object, so that calls can be chained.
   */
  update(bytes: Uint8Array): this {
    this.#remainder = advance(this.#remainder, bytes);
    return this;
  }

  /**
   * The checksum of all bytes so far. More may follow.
   *
   * @returns The checksum as an unsigned 32-bit integer.
   */
  digest(): number {
    return ~this.#remainder >>> 0;
  }
}

/**
 * Slicing-by-16: sixteen independent table look-ups for sixteen bytes, so that
 * the processor can overlap them. Reading byte by byte beats a DataView here:
 * making the view costs more than it saves on a short record.
 */
function advance(remainder: number, bytes: Uint8Array): number {
  const t = TABLE;
  const length = bytes.length;
  const sliced = length - (length % SLICE_BYTES);
  let c = remainder;
  let i = 0;
  // Every index is in range by construction; `?? 0` would cost a branch for
  // each look-up, so the loop says so with `as number`.
  for (; i < sliced; i += SLICE_BYTES) {
    c ^= (bytes[i] as number) | (bytes[i + 1] as number) << 8 |
      (bytes[i + 2] as number) << 16 | (bytes[i + 3] as number) << 24;
    c = (t[3840 | (c & 0xFF)] as number) ^
      (t[3584 | (c >>> 8 & 0xFF)] as number) ^
      (t[3328 | (c >>> 16 & 0xFF)] as number) ^
      (t[3072 | (c >>> 24)] as number) ^
      (t[2816 | (bytes[i + 4] as number)] as number) ^
      (t[2560 | (bytes[i + 5] as number)] as number) ^
      (t[2304 | (bytes[i + 6] as number)] as number) ^
      (t[2048 | (bytes[i + 7] as number)] as number) ^
      (t[1792 | (bytes[i + 8] as number)] as number) ^
      (t[1536 | (bytes[i + 9] as number)] as number) ^
      (t[1280 | (bytes[i + 10] as number)] as number) ^
      (t[1024 | (bytes[i + 11] as number)] as number) ^
      (t[768 | (bytes[i + 12] as number)] as number) ^
      (t[512 | (bytes[i + 13] as number)] as number) ^
      (t[256 | (bytes[i + 14] as number)] as number) ^
      (t[bytes[i + 15] as number] as number);
  }
  for (; i < length; i++) {
    c = (t[(c ^ (bytes[i] as number)) & 0xFF] as number) ^ (c >>> 8);
  }
  return c;
}
