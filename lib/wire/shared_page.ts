/**
 * The page of memory that host and guest share: heartbeats, mission time,
 * status and command words, a health text (formats.md, "Shared page"). Imports
 * the codec.
 *
 * The page has a writer for each field and no lock. Mission time, which does not
 * fit one word, is guarded by a sequence number (a seqlock): odd while the host
 * writes. A reader tries a bounded number of times, so that a host that dies in
 * the middle of a write can't hold it.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import { WireError } from "./error.ts";
import { reserved, terminatedText, u32, u64 } from "./fields.ts";

/** The size of the page in bytes. */
export const SHARED_PAGE_SIZE_BYTES = 4096;
/** How often a reader of the mission time tries before it gives up. */
export const SEQLOCK_ATTEMPTS = 64;

/** The content of the page. */
export interface SharedPageRecord {
  /** 0x000 u64: the guest raises it while it lives. */
  readonly guestHeartbeat: bigint;
  /** 0x008 u64: the last heartbeat that the host saw. */
  readonly hostHeartbeatAck: bigint;
  /** 0x010 u32: the sequence number of the mission time; odd while written. */
  readonly timeVersion: number;
  /** 0x014 u64: mission time, whole seconds. */
  readonly missionSeconds: bigint;
  /** 0x01C u32: mission time, nanoseconds of the second. */
  readonly missionNanos: number;
  /** 0x020 u32: what the guest says of itself. */
  readonly guestStatus: number;
  /** 0x024 u32: what the host asks. */
  readonly hostCommand: number;
  /** 0x028 u32: the last command that the guest took. */
  readonly guestCommandAck: number;
  /** 0x100 256 bytes: the guest's health as text, ended by a zero byte. */
  readonly guestHealth: string;
}

/** The field table of the shared page. */
export const sharedPageLayout: Layout<SharedPageRecord, SharedPageRecord> =
  defineLayout("shared page", SHARED_PAGE_SIZE_BYTES, {
    guestHeartbeat: u64(0x000),
    hostHeartbeatAck: u64(0x008),
    timeVersion: u32(0x010),
    missionSeconds: u64(0x014),
    missionNanos: u32(0x01C, { max: 999_999_999 }),
    guestStatus: u32(0x020, { hex: true }),
    hostCommand: u32(0x024, { hex: true }),
    guestCommandAck: u32(0x028, { hex: true }),
    reserved: reserved(0x02C, 212),
    guestHealth: terminatedText(0x100, 256),
    unused: reserved(0x200, 3584),
  });

/** A point in mission time. */
export interface MissionTime {
  /** Whole seconds. */
  readonly seconds: bigint;
  /** Nanoseconds of the second, 0..999999999. */
  readonly nanos: number;
}

/** The words of the page that hold 64 bits. */
export type SharedPageWord64 = "guestHeartbeat" | "hostHeartbeatAck";
/** The words of the page that hold 32 bits. */
export type SharedPageWord32 =
  | "guestStatus"
  | "hostCommand"
  | "guestCommandAck";

/**
 * A live shared page. Each access reads or writes the memory itself.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SharedPage } from "./shared_page.ts";
 *
 * const memory = new Uint8Array(4096);
 * const page = new SharedPage(memory);
 * page.writeMissionTime({ seconds: 5n, nanos: 7 });
 * page.setWord64("guestHeartbeat", 1n);
 * page.setHealth("nominal");
 * assertEquals(page.readMissionTime(), { seconds: 5n, nanos: 7 });
 * assertEquals(page.snapshot().guestHealth, "nominal");
 * ```
 */
export class SharedPage {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #words32: Int32Array;
  readonly #words64: BigInt64Array;

  /**
   * Looks at a page of memory.
   *
   * @param bytes 4096 bytes, aligned to 8 in their buffer.
   * @throws {WireError} If there are more or fewer, or they are not aligned.
   */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== SHARED_PAGE_SIZE_BYTES) {
      throw refuse("length", bytes.length, `${SHARED_PAGE_SIZE_BYTES} bytes`);
    }
    if (bytes.byteOffset % 8 !== 0) {
      throw refuse("address", bytes.byteOffset, "a multiple of 8");
    }
    const { buffer, byteOffset } = bytes;
    this.#bytes = bytes;
    this.#view = new DataView(buffer, byteOffset, SHARED_PAGE_SIZE_BYTES);
    this.#words32 = new Int32Array(buffer, byteOffset, WORDS_END / 4);
    this.#words64 = new BigInt64Array(buffer, byteOffset, WORDS_END / 8);
  }

  /**
   * Reads a word of 64 bits.
   *
   * @param key Which.
   * @returns Its value.
   */
  word64(key: SharedPageWord64): bigint {
    return bigEndian64(Atomics.load(this.#words64, AT[key] / 8));
  }

  /**
   * Writes a word of 64 bits; upper bits that don't fit are dropped.
   *
   * @param key Which.
   * @param value Its new value.
   */
  setWord64(key: SharedPageWord64, value: bigint): void {
    Atomics.store(this.#words64, AT[key] / 8, bigEndian64(value));
  }

  /**
   * Reads a word of 32 bits.
   *
   * @param key Which.
   * @returns Its value.
   */
  word32(key: SharedPageWord32): number {
    return this.#load32(AT[key]);
  }

  /**
   * Writes a word of 32 bits; upper bits that don't fit are dropped.
   *
   * @param key Which.
   * @param value Its new value.
   */
  setWord32(key: SharedPageWord32, value: number): void {
    this.#store32(AT[key], value);
  }

  /** The number of the mission time's last write; odd while it is written. */
  get timeVersion(): number {
    return this.#load32(AT.timeVersion);
  }

  /**
   * Writes the health text. One that is too long is cut between characters.
   *
   * @param text The text; it ends at its first U+0000.
   */
  setHealth(text: string): void {
    const room = this.#bytes.subarray(AT.guestHealth, AT.guestHealth + 256);
    const end = text.indexOf("\0");
    const shown = end < 0 ? text : text.slice(0, end);
    // encodeInto stops before a character that doesn't fit.
    const encoded = new Uint8Array(255);
    const { written } = new TextEncoder().encodeInto(shown, encoded);
    // The last byte is never anything but zero, so that a reader in the middle
    // of this finds an end.
    room.set(encoded.subarray(0, written));
    room.fill(0, written);
  }

  /**
   * Reads the mission time whole, however busy its writer is.
   *
   * @param attempts How often to try, at least once.
   * @returns The time at some moment during the call.
   * @throws {WireError} If the writer was in the way at every attempt, or wrote
   * nanoseconds that are not less than a second.
   */
  readMissionTime(attempts: number = SEQLOCK_ATTEMPTS): MissionTime {
    const time = readSeqlock(
      () => this.#load32(AT.timeVersion),
      () => ({
        seconds: this.#view.getBigUint64(AT.missionSeconds),
        nanos: this.#view.getUint32(AT.missionNanos),
      }),
      attempts,
    );
    if (time.nanos > 999_999_999) {
      throw refuse("mission_nanos", time.nanos, "0..999999999");
    }
    return time;
  }

  /**
   * Writes the mission time. For the page's only writer of it: the host, or a
   * test.
   *
   * @param time The time.
   * @throws {WireError} If it is out of range; nothing is written then.
   */
  writeMissionTime(time: MissionTime): void {
    const { seconds, nanos } = time;
    if (seconds < 0n || seconds >= 2n ** 64n) {
      throw refuse("mission_seconds", seconds, "a bigint of 0..2^64-1");
    }
    if (!Number.isInteger(nanos) || nanos < 0 || nanos > 999_999_999) {
      throw refuse("mission_nanos", nanos, "0..999999999");
    }
    // A writer that died left it odd: `| 1` starts from there as well.
    const odd = this.#load32(AT.timeVersion) | 1;
    this.#store32(AT.timeVersion, odd);
    this.#view.setBigUint64(AT.missionSeconds, seconds);
    this.#view.setUint32(AT.missionNanos, nanos);
    this.#store32(AT.timeVersion, odd + 1);
  }

  /**
   * The whole page as it stands, unjudged. Mission time may be torn here: use
   * {@linkcode SharedPage.readMissionTime} for it.
   *
   * @returns A record for display.
   */
  snapshot(): SharedPageRecord {
    return sharedPageLayout.read(this.#bytes);
  }

  #load32(offset: number): number {
    return bigEndian(Atomics.load(this.#words32, offset / 4));
  }

  #store32(offset: number, value: number): void {
    Atomics.store(this.#words32, offset / 4, bigEndian(value) | 0);
  }
}

/**
 * Reads a value that a sequence number guards.
 *
 * @param readVersion Reads the number: odd while the value is being written,
 * another one after each write.
 * @param readValue Reads the value; it may be torn.
 * @param attempts How often to try, at least once.
 * @returns A value that no write overlapped.
 * @throws {WireError} If a write was in the way at every attempt.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { readSeqlock } from "./shared_page.ts";
 *
 * const versions = [1, 2, 4, 4, 4];
 * const next = () => versions.shift() ?? 0;
 * assertEquals(readSeqlock(next, () => "whole", 3), "whole");
 * assertThrows(() => readSeqlock(() => 1, () => "torn", 3), WireError, "3 attempts");
 * ```
 */
export function readSeqlock<T>(
  readVersion: () => number,
  readValue: () => T,
  attempts: number,
): T {
  let before = 0;
  for (let attempt = 0; attempt < Math.max(1, attempts); attempt++) {
    before = readVersion();
    if ((before & 1) !== 0) continue;
    const value = readValue();
    if (readVersion() === before) return value;
  }
  throw refuse(
    "time_version",
    before,
    `an even number that stays, within ${Math.max(1, attempts)} attempts`,
  );
}

const AT = {
  guestHeartbeat: sharedPageLayout.offsetOf("guestHeartbeat"),
  hostHeartbeatAck: sharedPageLayout.offsetOf("hostHeartbeatAck"),
  timeVersion: sharedPageLayout.offsetOf("timeVersion"),
  missionSeconds: sharedPageLayout.offsetOf("missionSeconds"),
  missionNanos: sharedPageLayout.offsetOf("missionNanos"),
  guestStatus: sharedPageLayout.offsetOf("guestStatus"),
  hostCommand: sharedPageLayout.offsetOf("hostCommand"),
  guestCommandAck: sharedPageLayout.offsetOf("guestCommandAck"),
  guestHealth: sharedPageLayout.offsetOf("guestHealth"),
} as const;

/** Where the single words end: up to here each is aligned to its size. */
const WORDS_END = 0x30;

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/**
 * Turns a 32-bit word as the machine reads it into the page's big-endian number
 * and back. Atomics know no byte order, and only they move a word at once, so that
 * the other side never sees half of it, and keep the reads of the mission time
 * between the two reads of its number.
 */
function bigEndian(word: number): number {
  if (!IS_LITTLE_ENDIAN) return word >>> 0;
  return ((word & 0xFF) << 24 | (word & 0xFF00) << 8 | word >>> 8 & 0xFF00 |
    word >>> 24) >>> 0;
}

/** The same for 64 bits. */
function bigEndian64(word: bigint): bigint {
  swapped.setBigInt64(0, word, true);
  return swapped.getBigUint64(0, !IS_LITTLE_ENDIAN);
}

const swapped = new DataView(new ArrayBuffer(8));

function refuse(field: string, value: unknown, expected: string): WireError {
  return new WireError({
    layout: sharedPageLayout.name,
    field,
    value,
    expected,
  });
}
