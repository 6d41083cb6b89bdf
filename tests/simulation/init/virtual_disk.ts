/**
 * A disk at virtual time: each request takes as long as chance says, several
 * end in any order, sectors go bad, flushes fail, the whole disk hangs, and the
 * power can be cut at any instant. What is on the medium then follows the model
 * of `../storage/power_cut.ts`. Imports the device interface and that model.
 *
 * @module
 */
import {
  assertBlockRange,
  BLOCK_SIZE_BYTES,
  type BlockDevice,
  wholeBlocks,
} from "../../../lib/storage/device.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import type { Agenda } from "../agenda.ts";
import type { Random } from "../random.ts";
import { materialize, OUTCOMES } from "../storage/power_cut.ts";

/** How long a request takes at most when nothing is wrong, in milliseconds. */
const LATENCY_MS = 4;

/** A version of a block that is not on the medium for sure. */
interface Version {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Which write it belongs to; a flush covers those that had ended before it began. */
  readonly number: number;
  /** A flush that failed forgets it: no later one makes it durable. */
  isForgotten: boolean;
}

/** The disk of a machine, from one boot to the next. */
export class VirtualDisk {
  readonly blockCount: number;
  readonly #agenda: Agenda;
  readonly #random: Random;
  /** What survives for sure. */
  #medium: Uint8Array<ArrayBuffer>;
  /** What reads see. */
  #cache: Uint8Array<ArrayBuffer>;
  readonly #pending = new Map<number, Version[]>();
  readonly #badReads = new Set<number>();
  readonly #badWrites = new Set<number>();
  /** Requests that were answered. */
  answeredRequests = 0;
  /** How many of the next flushes fail. */
  failingFlushes = 0;
  /** How many writes and flushes have failed. */
  failures = 0;
  #startedWrites = 0;
  readonly #openWrites = new Set<number>();
  #hungUntilMs = 0;
  #waiting: (() => void)[] = [];
  #unanswered = 0;
  #lastAnswerMs = 0;
  /** The power's number: what was asked before a cut is never answered. */
  #power = 0;

  /**
   * A disk with a content.
   *
   * @param bytes The content.
   * @param agenda The time.
   * @param random The chances.
   */
  constructor(bytes: Uint8Array<ArrayBuffer>, agenda: Agenda, random: Random) {
    this.#medium = bytes;
    this.#cache = bytes.slice();
    this.blockCount = bytes.length / BLOCK_SIZE_BYTES;
    this.#agenda = agenda;
    this.#random = random;
  }

  /** Since when the disk owes an answer and gives none; now if it owes none. */
  get silentSinceMs(): number {
    return this.#unanswered > 0 ? this.#lastAnswerMs : this.#agenda.nowMs;
  }

  /** Blocks that can't be read. */
  get badReads(): ReadonlySet<number> {
    return this.#badReads;
  }

  /** Blocks that can't be written. */
  get badWrites(): ReadonlySet<number> {
    return this.#badWrites;
  }

  /** A copy of the disk as it is, bad sectors included, that answers at once. */
  copy(): BlockDevice {
    const device = new MemoryBlockDevice({ bytes: this.#cache.slice() });
    const read = device.read.bind(device);
    device.read = async (block, count) => {
      for (let at = block; at < block + count; at++) {
        if (this.#badReads.has(at)) throw new Error(`bad sector ${at}`);
      }
      return await read(block, count);
    };
    return device;
  }

  /** Nothing is answered before a time. */
  hang(untilMs: number): void {
    this.#hungUntilMs = Math.max(this.#hungUntilMs, untilMs);
    this.#agenda.at(untilMs, () => this.#wake());
  }

  /** A sector goes bad for good. */
  spoil(block: number, what: "read" | "write"): void {
    (what === "read" ? this.#badReads : this.#badWrites).add(block);
  }

  /** Everything that was wrong is over. */
  heal(): void {
    this.#badWrites.clear();
    this.failingFlushes = 0;
    this.#hungUntilMs = 0;
    this.#wake();
  }

  /** The power is cut: chance decides what of the unflushed is on the medium. */
  cutPower(): void {
    this.#power++;
    this.#unanswered = 0;
    const pending = [...this.#pending].map(([block, versions]) => ({
      block,
      versions: versions.map((version) => version.bytes),
    }));
    const fate = pending.map(() =>
      this.#random.chance(0.5) ? this.#random.below(OUTCOMES) : -1
    );
    const cut = { base: this.#medium, pending };
    this.#medium = materialize(cut, fate, this.#random);
    this.#cache = this.#medium.slice();
    this.#pending.clear();
    this.#openWrites.clear();
  }

  /**
   * The machine ends in order: what the disk has in a cache of its own reaches
   * the medium; what a flush gave up may not.
   */
  powerDown(): void {
    for (const [block, versions] of this.#pending) {
      const kept = versions.findLast((version) => !version.isForgotten) ??
        (this.#random.chance(0.5) ? versions.at(-1) : undefined);
      if (kept !== undefined) {
        this.#medium.set(kept.bytes, block * BLOCK_SIZE_BYTES);
      }
    }
    this.#pending.clear();
    this.#openWrites.clear();
    this.#power++;
    this.#unanswered = 0;
    this.#cache = this.#medium.slice();
  }

  /** Opens the disk for one boot. */
  open(): BlockDevice {
    const { blockCount } = this;
    const power = this.#power;
    return {
      blockCount,
      readOnly: false,
      read: (block, count) =>
        this.#request(power, () => {
          assertBlockRange(block, count, blockCount);
          for (let at = block; at < block + count; at++) {
            if (this.#badReads.has(at)) throw new Error(`bad sector ${at}`);
          }
          const start = block * BLOCK_SIZE_BYTES;
          return this.#cache.slice(start, start + count * BLOCK_SIZE_BYTES);
        }),
      write: (block, bytes) => this.#write(power, block, bytes),
      flush: () => this.#flush(power),
      close: () => {},
    };
  }

  #wake(): void {
    if (this.#agenda.nowMs < this.#hungUntilMs) return;
    for (const answer of this.#waiting.splice(0)) answer();
  }

  #write(
    power: number,
    block: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const count = wholeBlocks(bytes);
    assertBlockRange(block, count, this.blockCount);
    if (power !== this.#power) return new Promise(() => {});
    const number = ++this.#startedWrites;
    this.#openWrites.add(number);
    let refused: number | null = null;
    for (let index = 0; index < count; index++) {
      const at = block + index;
      if (this.#badWrites.has(at)) {
        refused = at;
        break;
      }
      const start = index * BLOCK_SIZE_BYTES;
      const part = bytes.slice(start, start + BLOCK_SIZE_BYTES);
      // On its way from now on: a cut may find any of it on the medium.
      const versions = this.#pending.get(at) ?? [];
      versions.push({ bytes: part, number, isForgotten: false });
      this.#pending.set(at, versions);
      this.#cache.set(part, at * BLOCK_SIZE_BYTES);
    }
    return this.#request(power, () => {
      this.#openWrites.delete(number);
      if (refused === null) return;
      this.failures++;
      throw new Error(`write of sector ${refused}`);
    });
  }

  #flush(power: number): Promise<void> {
    const open = new Set(this.#openWrites);
    const last = this.#startedWrites;
    const isCovered = ({ number }: Version) =>
      number <= last && !open.has(number);
    return this.#request(power, () => {
      if (this.failingFlushes > 0) {
        this.failingFlushes--;
        this.failures++;
        // As Linux does it: the error is told once, and the data is given up.
        for (const versions of this.#pending.values()) {
          for (const version of versions) {
            if (isCovered(version)) version.isForgotten = true;
          }
        }
        throw new Error("flush");
      }
      for (const [block, versions] of this.#pending) {
        const newest = versions.findLastIndex((version) =>
          isCovered(version) && !version.isForgotten
        );
        const version = versions[newest];
        if (version === undefined) continue;
        this.#medium.set(version.bytes, block * BLOCK_SIZE_BYTES);
        const rest = versions.slice(newest + 1);
        if (rest.length > 0) this.#pending.set(block, rest);
        else this.#pending.delete(block);
      }
    });
  }

  /** Answers when the disk is so far, unless the power is cut before. */
  #request<T>(power: number, perform: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const answer = (): void => {
      if (power !== this.#power) return;
      if (this.#agenda.nowMs < this.#hungUntilMs) {
        this.#waiting.push(answer);
        return;
      }
      this.#unanswered--;
      this.answeredRequests++;
      this.#lastAnswerMs = this.#agenda.nowMs;
      try {
        resolve(perform());
      } catch (error) {
        reject(error);
      }
    };
    if (power !== this.#power) return promise;
    if (this.#unanswered++ === 0) this.#lastAnswerMs = this.#agenda.nowMs;
    const latencyMs = this.#random.below(LATENCY_MS + 1);
    this.#agenda.at(this.#agenda.nowMs + latencyMs, answer);
    return promise;
  }
}
