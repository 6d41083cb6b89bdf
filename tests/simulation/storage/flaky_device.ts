/**
 * A disk that fails for a while: flushes that say so once and give up what they
 * were for, sectors that refuse writes, and then a power cut. What a flush gave
 * up, or what is not flushed, may be on the medium or not, whole or torn, until
 * a later write of the block is durable. Imports the device interface and the
 * model of a cut.
 *
 * @module
 */
import {
  assertBlockRange,
  BLOCK_SIZE_BYTES,
  type BlockDevice,
  wholeBlocks,
} from "../../../lib/storage/device.ts";
import type { Random } from "../random.ts";
import { materialize, OUTCOMES } from "./power_cut.ts";

interface Version {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** A flush that failed has given it up: no later one makes it durable. */
  isGivenUp: boolean;
}

/** The disk, from one boot to the next. */
export class FlakyDevice {
  readonly #blockCount: number;
  /** How often the power was cut: who had the disk open before is never answered. */
  #cuts = 0;
  readonly #random: Random;
  #medium: Uint8Array<ArrayBuffer>;
  #cache: Uint8Array<ArrayBuffer>;
  readonly #pending = new Map<number, Version[]>();
  /** How many of the next flushes fail. */
  failingFlushes = 0;
  /** Sectors that refuse writes. */
  readonly badWrites = new Set<number>();

  constructor(bytes: Uint8Array<ArrayBuffer>, random: Random) {
    this.#medium = bytes;
    this.#cache = bytes.slice();
    this.#random = random;
    this.#blockCount = bytes.length / BLOCK_SIZE_BYTES;
  }

  /** Opens the disk until the power is cut. */
  open(): BlockDevice {
    const cuts = this.#cuts;
    const answer = async <T>(work: () => T): Promise<T> => {
      await Promise.resolve();
      return cuts === this.#cuts ? work() : await new Promise<T>(() => {});
    };
    return {
      blockCount: this.#blockCount,
      readOnly: false,
      read: (block, count) =>
        answer(() => {
          assertBlockRange(block, count, this.#blockCount);
          const start = block * BLOCK_SIZE_BYTES;
          return this.#cache.slice(start, start + count * BLOCK_SIZE_BYTES);
        }),
      write: (block, bytes) => answer(() => this.#write(block, bytes)),
      flush: () => answer(() => this.#flush()),
      close: () => {},
    };
  }

  #write(block: number, bytes: Uint8Array<ArrayBuffer>): void {
    const count = wholeBlocks(bytes);
    assertBlockRange(block, count, this.#blockCount);
    for (let index = 0; index < count; index++) {
      const at = block + index;
      if (this.badWrites.has(at)) throw new Error(`write of sector ${at}`);
      const start = index * BLOCK_SIZE_BYTES;
      const part = bytes.slice(start, start + BLOCK_SIZE_BYTES);
      const versions = this.#pending.get(at) ?? [];
      versions.push({ bytes: part, isGivenUp: false });
      this.#pending.set(at, versions);
      this.#cache.set(part, at * BLOCK_SIZE_BYTES);
    }
  }

  #flush(): void {
    if (this.failingFlushes > 0) {
      this.failingFlushes--;
      for (const versions of this.#pending.values()) {
        for (const version of versions) version.isGivenUp = true;
      }
      throw new Error("flush");
    }
    for (const [block, versions] of this.#pending) {
      const newest = versions.findLastIndex((one) => !one.isGivenUp);
      const version = versions[newest];
      if (version === undefined) continue;
      this.#medium.set(version.bytes, block * BLOCK_SIZE_BYTES);
      this.#pending.delete(block);
    }
  }

  /**
   * The power is cut.
   *
   * @param isTorn Whether a block may be written in part; else each is there as
   * it was or as it was to be.
   */
  cutPower(isTorn: boolean): void {
    this.#cuts++;
    const pending = [...this.#pending].map(([block, versions]) => ({
      block,
      versions: versions.map(({ bytes }) => bytes),
    }));
    const fate = pending.map(() =>
      this.#random.chance(0.5) ? this.#random.below(isTorn ? OUTCOMES : 1) : -1
    );
    const cut = { base: this.#medium, pending };
    this.#medium = materialize(cut, fate, this.#random);
    this.#cache = this.#medium.slice();
    this.#pending.clear();
  }
}
