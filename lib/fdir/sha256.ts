/**
 * SHA-256 (FIPS 180-4) in pieces, by hash-wasm. Imports hash-wasm.
 *
 * @module
 */
import { createSHA256 } from "hash-wasm";

/** A digest in the making. Only one can be at a time. */
export interface Sha256 {
  /** Begins anew. */
  begin(): void;
  /** Takes more bytes. */
  add(bytes: Uint8Array | string): void;
  /** Ends, and gives the 32 bytes. */
  end(): Uint8Array;
}

/**
 * Makes an engine; loading it takes about a millisecond, using it no promise.
 *
 * @returns The engine.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createSha256 } from "./sha256.ts";
 *
 * const sha256 = await createSha256();
 * sha256.begin();
 * sha256.add("abc");
 * assertEquals(sha256.end().slice(0, 4), Uint8Array.of(0xba, 0x78, 0x16, 0xbf));
 * ```
 */
export async function createSha256(): Promise<Sha256> {
  const hasher = await createSHA256();
  return {
    begin: () => void hasher.init(),
    add: (bytes) => void hasher.update(bytes),
    end: () => hasher.digest("binary"),
  };
}
