/**
 * What the volume of the whole init owes: every record and every parameter that
 * it acknowledged is there at the next boot, in order, whatever happened in
 * between, and nothing is that was never asked for. Listens to the production
 * code's own requests. Imports `storage` and `wire`.
 *
 * @module
 */
import { equals } from "@std/bytes/equals";
import {
  DATA_PRODUCT_FIRST_BLOCK,
  EVENT_FIRST_BLOCK,
  PARAMETER_FIRST_BLOCK,
} from "../../../lib/storage/layout.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import type { Volume } from "../../../lib/storage/volume.ts";
import {
  encodeEventRecord,
  type EventRecord,
} from "../../../lib/wire/event.ts";
import { check } from "../supervisor/invariants.ts";
import type { VirtualDisk } from "./virtual_disk.ts";

/** Records that a ring of 16 blocks has room for. */
const RING_RECORDS = 96;

/** Records of one block: what one more loss costs. */
const RECORDS_PER_BLOCK = 6;

/** A record that was asked for. */
interface Issued {
  readonly key: string;
  /** In which place it was asked for. */
  readonly place: number;
  /** Its number, once it is known. */
  sequence: bigint | null;
  isOpen: boolean;
}

/** The values that a parameter may have. */
type Values = (Uint8Array | undefined)[];

/** A record as a text to compare. */
export function recordKey(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** The judge of one machine's disk, over all its boots. */
export class StorageJudge {
  readonly #nowMs: () => number;
  #issued: Issued[] = [];
  #parameters = new Map<number, Values>();
  #places = 0;
  #boots = 0;
  /** Sectors that the volume knows to be unreadable, and must not trust. */
  #knownBad: ReadonlySet<number> = new Set();
  #settled = new Map<string, number>();
  /** All records that were ever asked for. */
  readonly #asked = new Set<string>();
  /** Records that stood there at the last look and count as not there. */
  #remains: ReadonlySet<string> = new Set();
  #volume: Volume | null = null;
  /** Since when a record waits for an answer of the disk, or null. */
  #unansweredSinceMs: number | null = null;
  /** Records that were acknowledged. */
  acknowledged = 0;
  /** How many records may be missing at the next look. */
  #allowance = 0;

  /**
   * Judges a volume that nobody has written to.
   *
   * @param nowMs The time.
   */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** How long the disk has said nothing although a record waits for it. */
  silentMs(disk: VirtualDisk): number {
    if (this.#unansweredSinceMs === null) return 0;
    const sinceMs = Math.max(this.#unansweredSinceMs, disk.silentSinceMs);
    return this.#nowMs() - sinceMs;
  }

  /** Whether there is a volume in this boot. */
  get hasVolume(): boolean {
    return this.#volume !== null;
  }

  /**
   * Judges what a boot found, and listens to what it asks for.
   *
   * @param volume The volume as recovery left it, or null.
   * @param disk The disk.
   */
  boot(volume: Volume | null, disk: VirtualDisk): void {
    this.#settled.clear();
    this.#unansweredSinceMs = null;
    this.#boots++;
    this.#volume = volume;
    if (volume === null) return;
    this.judge(volume, disk);
    this.#listen(volume);
  }

  /** The boot is over: what it was promised is judged at the next one. */
  end(): void {
    // Without its journal a volume can't protect neighbours from a torn write.
    if (this.#volume?.hasJournal === false) {
      this.#allowance += 2 * RECORDS_PER_BLOCK;
    }
    this.#volume = null;
  }

  /** An EVR came: it must be of a record that the volume answered. */
  told(key: string): void {
    if (this.#volume === null) return;
    const count = this.#settled.get(key) ?? 0;
    check(count > 0, "an EVR tells of a record that the volume has answered");
    this.#settled.set(key, count - 1);
  }

  /** Judges a volume against everything that was asked for so far. */
  judge(volume: Volume, disk: VirtualDisk): void {
    this.#judgeEvents(volume, disk);
    this.#judgeParameters(volume, disk);
    this.#allowance = 0;
    this.#knownBad = new Set(volume.recovery.unreadableBlocks);
  }

  #judgeEvents(volume: Volume, disk: VirtualDisk): void {
    const bySequence = new Map<bigint, Issued>();
    const unknown = new Map<string, Issued[]>();
    for (const issued of this.#issued) {
      if (issued.sequence !== null) bySequence.set(issued.sequence, issued);
      else {
        const list = unknown.get(issued.key) ?? [];
        list.push(issued);
        unknown.set(issued.key, list);
      }
    }
    const present: Issued[] = [];
    const remains = new Set<string>();
    let last = 0n;
    for (const event of volume.events.recent()) {
      const { sequence } = event;
      const key = recordKey(encodeEventRecord(event));
      // A cut between a record and its trailer leaves it without a number: it
      // was asked for, and not acknowledged.
      const known = (sequence === null ? null : bySequence.get(sequence)) ??
        unknown.get(key)?.shift();
      // A block that the disk will not take may hold whatever was on its way
      // there; and a cut while a block was cleared for new records leaves some
      // of the old ones, which were given up, without their number: all of them
      // count as not there.
      const mayRemain = disk.failures > 0
        ? this.#asked.has(key)
        : sequence === null &&
          (this.#remains.has(key) ||
            this.#issued.some((issued) => issued.key === key));
      const isRemains = known === undefined && mayRemain;
      if (isRemains) {
        remains.add(key);
        continue;
      }
      if (sequence !== null) {
        check(sequence > last, `record ${sequence} comes after ${last}`);
        last = sequence;
      }
      check(
        known !== undefined && known.key === key,
        `record ${sequence} was asked for`,
      );
      known.sequence = sequence;
      known.isOpen = false;
      present.push(known);
    }
    this.#remains = remains;
    check(
      volume.events.nextSequence > last,
      "no record's number is given twice",
    );
    const isThere = new Set(present);
    const acknowledged = [...bySequence.values()];
    const bad = this.#badBlocks(
      disk,
      EVENT_FIRST_BLOCK,
      DATA_PRODUCT_FIRST_BLOCK,
    );
    const unsure = this.#issued.length - acknowledged.length;
    // A block is under way; a cut or a failure may leave one half full, and
    // what could not be written in one place is in another.
    const halfBlocks = 1 + 2 * this.#boots + 2 * disk.failures +
      bad.unwritable + bad.unreadable;
    const kept = RING_RECORDS - unsure - RECORDS_PER_BLOCK * halfBlocks;
    const owed = acknowledged
      .sort((one, other) =>
        Number((one.sequence ?? 0n) - (other.sequence ?? 0n))
      )
      .slice(-Math.max(RECORDS_PER_BLOCK, kept));
    const lost = owed.filter((issued) => !isThere.has(issued));
    const allowance = RECORDS_PER_BLOCK * bad.newlyUnreadable + this.#allowance;
    check(
      lost.length <= allowance,
      `record ${
        lost[0]?.sequence
      } was acknowledged and is there (${lost.length} of ${owed.length} are not)`,
    );
    // Whoever is not there, owed or not, may only come back with its block.
    for (const issued of acknowledged) {
      if (!isThere.has(issued)) issued.sequence = null;
    }
    // What was asked for later has the higher number.
    for (const [index, issued] of present.entries()) {
      const before = present[index - 1];
      check(
        before === undefined || before.sequence === null ||
          issued.sequence === null || before.place < issued.place,
        "records stand in the order in which they were asked for",
      );
    }
    // What is there now stays; what is not never comes back, unless it stands
    // where nothing can be read today.
    this.#issued = bad.unreadable === 0 ? present : acknowledged.concat(
      present.filter((one) => !acknowledged.includes(one)),
    )
      .sort((one, other) => one.place - other.place);
  }

  #judgeParameters(volume: Volume, disk: VirtualDisk): void {
    const bad = this.#badBlocks(disk, PARAMETER_FIRST_BLOCK, EVENT_FIRST_BLOCK);
    let lost = 0;
    for (const [id, values] of this.#parameters) {
      const value = volume.parameters.get(id)?.value;
      const isAllowed = values.some((other) => same(value, other));
      if (!isAllowed) lost++;
      check(
        isAllowed || lost <= 2 * bad.newlyUnreadable + this.#allowance,
        `parameter 0x${
          id.toString(16)
        } has a value that it may have, not ${value}; ${
          values.map((other) => `[${other}]`)
        }`,
      );
      this.#parameters.set(id, [value]);
    }
    for (const { parameterId } of volume.parameters.list()) {
      check(
        this.#parameters.has(parameterId),
        `parameter ${parameterId} was asked for`,
      );
    }
  }

  /** How many blocks of an area, or the journal for them, are bad. */
  #badBlocks(disk: VirtualDisk, first: number, end: number) {
    const journal = disk.blockCount - 1;
    const isOf = (block: number) =>
      (block >= first && block < end) || block === journal;
    const unreadable = [...disk.badReads].filter(isOf);
    return {
      unreadable: unreadable.length,
      newlyUnreadable:
        unreadable.filter((block) => !this.#knownBad.has(block)).length,
      unwritable: [...disk.badWrites].filter(isOf).length,
    };
  }

  #listen(volume: Volume): void {
    const append = volume.events.append.bind(volume.events);
    volume.events.append = (record: EventRecord): Promise<bigint> => {
      const issued: Issued = {
        key: recordKey(encodeEventRecord(record)),
        place: this.#places++,
        sequence: null,
        isOpen: true,
      };
      this.#issued.push(issued);
      this.#asked.add(issued.key);
      this.#unansweredSinceMs ??= this.#nowMs();
      const settle = (isAnswer: boolean) => {
        issued.isOpen = false;
        const count = this.#settled.get(issued.key) ?? 0;
        this.#settled.set(issued.key, count + 1);
        if (!isAnswer) return;
        const isLeft = this.#issued.some((other) => other.isOpen);
        this.#unansweredSinceMs = isLeft ? this.#nowMs() : null;
      };
      return append(record).then((sequence) => {
        issued.sequence = sequence;
        this.acknowledged++;
        settle(true);
        return sequence;
      }, (error) => {
        const isSilence = error instanceof StorageError &&
          ["ETIMEDOUT", "EAGAIN", "EBADF"].includes(error.code);
        settle(!isSilence);
        throw error;
      });
    };
    const set = volume.parameters.set.bind(volume.parameters);
    volume.parameters.set = async (id, bytes) => {
      const value = bytes.slice();
      const values = this.#parameters.get(id) ?? [undefined];
      values.push(value);
      this.#parameters.set(id, values);
      const entry = await set(id, bytes);
      // Acknowledged: what was asked for before it is history.
      const now = this.#parameters.get(id) ?? [];
      this.#parameters.set(id, now.slice(Math.max(0, now.indexOf(value))));
      return entry;
    };
  }
}

function same(one: Uint8Array | undefined, other: Uint8Array | undefined) {
  return one === undefined || other === undefined
    ? one === other
    : equals(one, other);
}
