/**
 * A disk in memory that writes down what was asked of it, block by block, so
 * that one run of a workload can be cut afterwards at every point. It can also
 * be told to fail: bad sectors, failing writes and flushes. Imports the device
 * interface.
 *
 * @module
 */

import {
  assertBlockRange,
  BLOCK_SIZE_BYTES,
  type BlockDevice,
  wholeBlocks,
} from "../../../lib/storage/device.ts";
import { StorageError } from "../../../lib/storage/error.ts";

/** One thing that happened, in order. */
export type Step =
  | {
    readonly kind: "write";
    readonly block: number;
    readonly bytes: Uint8Array<ArrayBuffer>;
  }
  /** All earlier writes are durable from here on; or those of `only`. */
  | { readonly kind: "durable"; readonly only: ReadonlySet<number> | null }
  /** A note of the test: an operation was asked for, or acknowledged. */
  | { readonly kind: "issued" | "acknowledged"; readonly operation: number };

/** What goes wrong. A function is asked for each block. */
export interface Faults {
  readonly failRead?: (block: number) => boolean;
  readonly failWrite?: (block: number) => boolean;
  /** Gets the blocks that were written since the last flush. */
  readonly failFlush?: (pending: ReadonlySet<number>) => boolean;
  /** Whether the device takes no writes at all. */
  readonly isReadOnly?: boolean;
}

/** The recording, failing disk. */
export class RecordingDevice implements BlockDevice {
  readonly readOnly = false;
  readonly blockCount: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly steps: Step[] = [];
  faults: Faults = {};
  readonly #pending = new Set<number>();
  /** Present only if asked for: the volume works with and without it. */
  writeDurable?: (
    block: number,
    bytes: Uint8Array<ArrayBuffer>,
  ) => Promise<void>;

  constructor(bytes: Uint8Array<ArrayBuffer>, durableWrites = false) {
    this.bytes = bytes;
    this.blockCount = bytes.length / BLOCK_SIZE_BYTES;
    if (durableWrites) {
      this.writeDurable = async (block, bytes) => {
        await this.write(block, bytes);
        const only = new Set<number>();
        for (let at = 0; at < wholeBlocks(bytes); at++) only.add(block + at);
        if (this.faults.failFlush?.(only)) throw new Error("injected: flush");
        this.steps.push({ kind: "durable", only });
        for (const done of only) this.#pending.delete(done);
      };
    }
  }

  async read(block: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    await Promise.resolve();
    assertBlockRange(block, count, this.blockCount);
    for (let at = block; at < block + count; at++) {
      if (this.faults.failRead?.(at)) {
        throw new Error(`injected: bad sector ${at}`);
      }
    }
    const start = block * BLOCK_SIZE_BYTES;
    return this.bytes.slice(start, start + count * BLOCK_SIZE_BYTES);
  }

  async write(block: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const count = wholeBlocks(bytes);
    assertBlockRange(block, count, this.blockCount);
    if (this.faults.isReadOnly) {
      throw new StorageError("EROFS", "the device is read-only");
    }
    for (let index = 0; index < count; index++) {
      const at = block + index;
      if (this.faults.failWrite?.(at)) {
        throw new Error(`injected: write of sector ${at}`);
      }
      const start = index * BLOCK_SIZE_BYTES;
      const part = bytes.slice(start, start + BLOCK_SIZE_BYTES);
      this.steps.push({ kind: "write", block: at, bytes: part });
      this.bytes.set(part, at * BLOCK_SIZE_BYTES);
      this.#pending.add(at);
    }
    await Promise.resolve();
  }

  async flush(): Promise<void> {
    await Promise.resolve();
    const fails = this.faults.failFlush?.(this.#pending) ?? false;
    // As Linux does it: the error is told once, and the data is gone.
    this.#pending.clear();
    if (fails) throw new Error("injected: flush");
    this.steps.push({ kind: "durable", only: null });
  }

  close(): void {}
}
