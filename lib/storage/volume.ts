/**
 * A volume: open it, and use its parameters, events and data
 * products. Opening runs recovery and says what it did. A change is
 * acknowledged (its promise resolves) when it survives a power cut. Imports
 * `lib/wire` and the room's parts.
 *
 * What a cut can do (the model that tests/simulation/storage plays through): of
 * the blocks written since the last flush any subset is on the medium, and each
 * may be old, new, torn or garbage. With a journal block, every acknowledged
 * change is there afterwards, a change under way is wholly there or wholly
 * absent, and no neighbour is harmed; records that a change under way makes
 * room for may be gone. Of several appends under way at once, later ones may be
 * there without earlier ones: their numbers then show the gap, and numbering
 * goes on after them. Recovery keeps what stands behind such a gap: a block that
 * a repair or a disk's spare sector has emptied leaves the same gap, and there
 * the records behind it were acknowledged. On a volume without a journal (its data product area
 * reaches the end) the same holds if the device writes single blocks
 * atomically, as nearly all do; if it tears one, entries that share that block
 * may be lost with it.
 *
 * @module
 */

import type { Superblock } from "../wire/superblock.ts";
import type { EventRecord } from "../wire/event.ts";
import {
  encodeParameterEntry,
  type ParameterEntry,
} from "../wire/parameter.ts";
import { Committer, type CommitterCounters } from "./committer.ts";
import { DataProductStore } from "./data_products.ts";
import type { BlockDevice } from "./device.ts";
import { StorageError } from "./error.ts";
import { EventRing, type StoredEvent } from "./events.ts";
import { type Geometry, geometryOf } from "./layout.ts";
import { ParameterTable } from "./parameters.ts";
import { recover, type RecoveryReport } from "./recovery.ts";
import { type ScrubFinding, scrubMetadata } from "./scrub.ts";
import { type JudgedSuperblock, readJudgedSuperblock } from "./superblock.ts";
import { Writer } from "./writer.ts";

/** How {@linkcode openVolume} opens. */
export interface OpenVolumeOptions {
  /**
   * Never write. Recovery then happens in memory only. Also so when the device
   * is read-only.
   */
  readonly readOnly?: boolean;
  /** How many operations may wait for the device; default 1024. */
  readonly maximumQueueLength?: number;
  /**
   * After how many milliseconds an operation fails with ETIMEDOUT, although it
   * may still happen; default 0, never.
   */
  readonly operationTimeoutMs?: number;
}

/** The parameters of a volume. */
export interface ParameterStore {
  /** How many parameters there are, 0..32. */
  readonly size: number;
  /** The newest entry of a parameter, or undefined. */
  get(parameterId: number): ParameterEntry | undefined;
  /** The newest entry of each parameter, by rising id. */
  list(): ParameterEntry[];
  /**
   * Stores a new generation.
   *
   * @param parameterId u32.
   * @param value At most 240 bytes; copied.
   * @returns The stored entry, when it is durable.
   * @throws {StorageError} ENOSPC, EROFS, EIO, EAGAIN, EBADF, ETIMEDOUT.
   * @throws {WireError} If the id or the value is out of range.
   */
  set(parameterId: number, value: Uint8Array): Promise<ParameterEntry>;
}

/** How {@linkcode EventLog.follow} follows. */
export interface FollowOptions {
  /**
   * Begin with the records after this number; 0n for all that are there.
   * Default: only records that are appended from now on.
   */
  readonly after?: bigint;
  /** Ends the iteration when it is aborted. */
  readonly signal?: AbortSignal;
}

/** The event log of a volume. */
export interface EventLog {
  /** How many records the ring holds, 0..96. */
  readonly count: number;
  /** The number that the next record will get. */
  readonly nextSequence: bigint;
  /**
   * Appends a record.
   *
   * @param record Its payload is copied.
   * @returns The record's number, when it is durable.
   * @throws {StorageError} EROFS, EIO, EAGAIN, EBADF, ETIMEDOUT.
   * @throws {WireError} If a field is out of range.
   */
  append(record: EventRecord): Promise<bigint>;
  /** The last `limit` records (default all), oldest first. */
  recent(limit?: number): StoredEvent[];
  /**
   * Yields records as they become durable. A slow reader costs no memory: what
   * the ring has given up meanwhile is skipped, which the numbers show.
   */
  follow(options?: FollowOptions): AsyncGenerator<StoredEvent, void, void>;
}

/** Counters of a volume since it was opened. */
export interface VolumeStatistics extends Readonly<CommitterCounters> {
  /** Operations that wait, the one under way included. */
  readonly pendingOperations: number;
}

/**
 * An open volume. Made by {@linkcode openVolume}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 * import { formatVolume } from "./format.ts";
 * import { openVolume } from "./volume.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 128 });
 * await formatVolume(device, { tenantId: 7 });
 * const volume = await openVolume(device);
 * await volume.parameters.set(1, new Uint8Array([42]));
 * await volume.close();
 *
 * const again = await openVolume(device);
 * assertEquals(again.parameters.get(1)?.value, new Uint8Array([42]));
 * ```
 */
export class Volume {
  /** The superblock as it was read. */
  readonly superblock: Superblock;
  /** Where things are. */
  readonly geometry: Geometry;
  /** What recovery found and did. */
  readonly recovery: RecoveryReport;
  /** Whether changes are refused. */
  readonly readOnly: boolean;
  /** The parameters. */
  readonly parameters: ParameterStore;
  /** The event log. */
  readonly events: EventLog;
  /** The data products. */
  readonly dataProducts: DataProductStore;
  readonly #device: BlockDevice;
  readonly #superblockBytes: Uint8Array<ArrayBuffer>;
  readonly #committer: Committer;
  readonly #table: ParameterTable;
  readonly #ring: EventRing;
  readonly #writer: Writer;
  #changed = Promise.withResolvers<void>();
  #closed = false;

  /**
   * Use {@linkcode openVolume}.
   *
   * @param device The device.
   * @param judged Its superblock, judged good.
   * @param geometry Where things are.
   * @param recovered What recovery found.
   * @param options See {@linkcode OpenVolumeOptions}.
   */
  constructor(
    device: BlockDevice,
    judged: JudgedSuperblock,
    geometry: Geometry,
    recovered: Awaited<ReturnType<typeof recover>>,
    options: OpenVolumeOptions,
  ) {
    this.#device = device;
    this.superblock = judged.superblock;
    this.#superblockBytes = judged.bytes;
    this.geometry = geometry;
    this.recovery = recovered.report;
    this.readOnly = options.readOnly === true || device.readOnly;
    const table = new ParameterTable(recovered.parameterImages);
    const ring = new EventRing(recovered.eventImages);
    this.#table = table;
    this.#ring = ring;
    this.#committer = new Committer(device, {
      journalBlock: recovered.journalBlock,
      pending: recovered.pending,
    });
    this.#writer = new Writer({
      parameters: table,
      events: ring,
      committer: this.#committer,
      maximumQueueLength: options.maximumQueueLength ?? 1024,
      operationTimeoutMs: options.operationTimeoutMs ?? 0,
      onDurable: () => this.#wake(),
    });
    this.parameters = this.#parameterStore(table);
    this.events = this.#eventLog(ring);
    this.dataProducts = new DataProductStore(
      device,
      geometry,
      this.readOnly ? null : this.#writer,
    );
  }

  /** Counters since the volume was opened. */
  get statistics(): VolumeStatistics {
    return {
      ...this.#committer.counters,
      pendingOperations: this.#writer.pending,
    };
  }

  /**
   * Whether changes are protected by a journal block. False on volumes that
   * have none, and after the device refused to write it.
   */
  get hasJournal(): boolean {
    return this.#committer.journalBlock !== null;
  }

  /**
   * Writes what only the journal holds in place, after everything that was
   * asked before, and empties the journal. Software that knows no journal then
   * sees all of it, and may write to the volume.
   *
   * @throws {StorageError} EIO, EBADF.
   */
  async checkpoint(): Promise<void> {
    if (this.readOnly) return;
    await this.#writer.settle();
  }

  /**
   * Reads the superblock, the parameters and the event ring from the medium,
   * holds them against what was acknowledged, and writes what differs again. A
   * superblock that is not the one of the opening but a valid one is left alone:
   * somebody wrote it.
   *
   * @returns What was found.
   * @throws {StorageError} EAGAIN, EBADF, ETIMEDOUT.
   */
  async scrub(): Promise<ScrubFinding[]> {
    return await this.#writer.alone((rewrite) =>
      scrubMetadata({
        device: this.#device,
        readOnly: this.readOnly,
        superblock: this.#superblockBytes,
        parameters: this.#table,
        events: this.#ring,
        pendingBlock: this.#committer.pending?.block ?? null,
        rewrite,
      })
    );
  }

  /**
   * Carries out what waits, writes the journal's image in place, and releases
   * the device. A second call does nothing.
   *
   * @throws {StorageError} EIO if the last writes failed; the device is
   * released all the same.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      const settled = this.checkpoint();
      this.#writer.stop();
      await settled;
    } finally {
      this.#wake();
      this.#device.close();
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #refuse(): Promise<never> | null {
    if (!this.readOnly) return null;
    return Promise.reject(
      new StorageError("EROFS", "the volume was opened read-only"),
    );
  }

  #parameterStore(table: ParameterTable): ParameterStore {
    return {
      get size(): number {
        return table.size;
      },
      get: (parameterId) => table.get(parameterId),
      list: () => table.list(),
      set: async (parameterId, value) => {
        // Refuses what is out of range before anything is planned.
        encodeParameterEntry({ parameterId, generation: 0, value });
        return await (this.#refuse() ??
          this.#writer.set(parameterId, value.slice()));
      },
    };
  }

  #eventLog(ring: EventRing): EventLog {
    return {
      get count(): number {
        return ring.count;
      },
      get nextSequence(): bigint {
        return ring.nextSequence;
      },
      append: (record) => {
        try {
          return this.#refuse() ?? this.#writer.append(record);
        } catch (error) {
          return Promise.reject(error);
        }
      },
      recent: (limit) => ring.recent(limit),
      follow: (options) => this.#follow(ring, options ?? {}),
    };
  }

  async *#follow(
    ring: EventRing,
    options: FollowOptions,
  ): AsyncGenerator<StoredEvent, void, void> {
    const { signal } = options;
    // One waiter at a time, and no promise outlives its wake-up: racing a
    // promise that lives as long as the follower would collect reactions.
    let wake = () => {};
    const onAbort = () => wake();
    signal?.addEventListener("abort", onAbort);
    try {
      let last = options.after ?? ring.nextSequence - 1n;
      if (options.after === 0n) {
        // Records of other software have no number and come only here.
        for (const event of ring.recent()) {
          if (signal?.aborted) return;
          yield event;
          if (event.sequence !== null) last = event.sequence;
        }
      }
      while (!signal?.aborted) {
        const changed = this.#changed.promise;
        for (const event of ring.recent()) {
          if (event.sequence === null || event.sequence <= last) continue;
          if (signal?.aborted) return;
          yield event;
          last = event.sequence;
        }
        if (this.#closed || signal?.aborted) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
          changed.then(resolve);
        });
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

/**
 * Opens a volume: judges the superblock, runs recovery and reads the stores. On
 * failure the device stays open and unchanged.
 *
 * @param device The device; the volume owns it from now on.
 * @param options Read-only, and limits.
 * @returns The open volume.
 * @throws {StorageError} EUCLEAN or EBADMSG naming the superblock's bad field,
 * EIO if the superblock can't be read. Nothing else on the volume can keep it
 * from opening.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 * import { openVolume } from "./volume.ts";
 *
 * const blank = new MemoryBlockDevice({ blockCount: 64 });
 * await assertRejects(() => openVolume(blank), Error, "magic");
 * ```
 */
export async function openVolume(
  device: BlockDevice,
  options: OpenVolumeOptions = {},
): Promise<Volume> {
  const judged = await readJudgedSuperblock(device);
  const geometry = geometryOf(judged.superblock, device.blockCount);
  const readOnly = options.readOnly === true || device.readOnly;
  const recovered = await recover(device, geometry, readOnly);
  return new Volume(device, judged, geometry, recovered, options);
}
