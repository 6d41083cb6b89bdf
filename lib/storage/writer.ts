/**
 * The one place that changes a volume's metadata. Operations are queued; a loop
 * takes all that are there, plans them together, makes them durable with as few
 * flushes as the committer can, and only then resolves their promises. So what
 * is queued in one turn of the event loop, or while a flush is under way, shares
 * one flush. Imports `lib/wire` and the room's models.
 *
 * The queue is bounded: a disk that hangs makes operations fail with EAGAIN
 * instead of eating memory. Nothing here throws into the void: an error goes to
 * the promise of the operation that met it.
 *
 * @module
 */

import { encodeEventRecord, type EventRecord } from "../wire/event.ts";
import type { ParameterEntry } from "../wire/parameter.ts";
import {
  type BlockChange,
  type BlockWrite,
  type CommitResult,
  type Committer,
  isReadOnlyError,
} from "./committer.ts";
import { BLOCK_SIZE_BYTES } from "./device.ts";
import { StorageError } from "./error.ts";
import type { EventBatch, EventRing } from "./events.ts";
import {
  DATA_PRODUCT_FIRST_BLOCK,
  EVENT_FIRST_BLOCK,
  PARAMETER_FIRST_BLOCK,
} from "./layout.ts";
import {
  isZero,
  type ParameterBatch,
  type ParameterTable,
} from "./parameters.ts";
import { RetryPace } from "./retry_pace.ts";

/** How many operations share a flush at most. */
const MAXIMUM_BATCH = 64;
/** How often an operation is planned anew around blocks that failed. */
const MAXIMUM_ATTEMPTS = 17;

type Request =
  | {
    readonly kind: "append";
    readonly record: EventRecord;
    readonly bytes: Uint8Array;
  }
  | {
    readonly kind: "set";
    readonly parameterId: number;
    readonly value: Uint8Array;
  }
  | {
    readonly kind: "block";
    readonly block: number;
    readonly image: Uint8Array<ArrayBuffer>;
  }
  | { readonly kind: "sync" }
  | { readonly kind: "settle" }
  | {
    readonly kind: "alone";
    readonly work: (rewrite: Rewrite) => Promise<unknown>;
  };

/**
 * Writes a metadata block again that is not on the medium as it should be. If
 * the device refuses, what it holds is moved elsewhere, as for any change.
 */
export type Rewrite = (
  block: number,
  image: Uint8Array<ArrayBuffer>,
) => Promise<void>;

interface Operation {
  readonly request: Request;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
}

interface Planned {
  readonly operation: Operation;
  readonly result: unknown;
}

interface Batch {
  readonly parameters: ParameterBatch;
  readonly events: EventBatch;
  readonly planned: Planned[];
  readonly syncs: Operation[];
}

/** What the writer needs. */
export interface WriterOptions {
  /** The parameter store's durable state. */
  readonly parameters: ParameterTable;
  /** The event ring's durable state. */
  readonly events: EventRing;
  /** What makes blocks durable. */
  readonly committer: Committer;
  /** How many operations may wait, at least 1. */
  readonly maximumQueueLength: number;
  /** After how many milliseconds an operation fails with ETIMEDOUT; 0 never. */
  readonly operationTimeoutMs: number;
  /** Called after each batch that became durable. */
  readonly onDurable: () => void;
}

/**
 * The queue of changes and its loop.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Committer } from "./committer.ts";
 * import { EventRing } from "./events.ts";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 * import { ParameterTable } from "./parameters.ts";
 * import { Writer } from "./writer.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 40 });
 * const blank = Array.from({ length: 16 }, () => new Uint8Array(512));
 * const writer = new Writer({
 *   parameters: new ParameterTable(blank),
 *   events: new EventRing(blank),
 *   committer: new Committer(device, { journalBlock: 39, pending: null }),
 *   maximumQueueLength: 16,
 *   operationTimeoutMs: 0,
 *   onDurable: () => {},
 * });
 * const payload = new Uint8Array();
 * const append = (): Promise<bigint> =>
 *   writer.append({ timestamp: 0, severity: 1, eventCode: 1, payload });
 * assertEquals(await Promise.all([append(), append()]), [1n, 2n]);
 * ```
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #queue: Operation[] = [];
  /** The number behind the last record of a batch that failed. */
  #triedUpTo = 0n;
  /** Blocks of the ring whose medium may not show what they hold. */
  readonly #littered = new Set<number>();
  /** After which batches they are tried again. */
  readonly #sweepPace = new RetryPace(2);
  #running = false;
  #closed = false;

  /**
   * Makes a writer.
   *
   * @param options The stores, the committer and the limits.
   */
  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** How many operations are waiting, the one under way included. */
  get pending(): number {
    return this.#queue.length;
  }

  /**
   * Appends an event; resolves with its number when it is durable.
   *
   * @throws {WireError} At once, if a field is out of range.
   */
  append(record: EventRecord): Promise<bigint> {
    // Refuses what is out of range before anything is planned.
    const bytes = encodeEventRecord(record);
    return this.#submit({ kind: "append", record, bytes });
  }

  /** Sets a parameter; resolves with the entry when it is durable. */
  set(parameterId: number, value: Uint8Array): Promise<ParameterEntry> {
    return this.#submit({ kind: "set", parameterId, value });
  }

  /** Writes a block that nothing else shares; resolves when it is durable. */
  writeBlock(block: number, image: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#submit({ kind: "block", block, image });
  }

  /** Makes what the caller wrote to the device itself durable. */
  sync(): Promise<void> {
    return this.#submit({ kind: "sync" });
  }

  /** Writes what only the journal holds in place, and empties the journal. */
  settle(): Promise<void> {
    return this.#submit({ kind: "settle" });
  }

  /**
   * Does other work on the metadata's blocks while no change is under way and
   * everything is in place.
   *
   * @param work Takes what writes a block again.
   */
  alone<T>(work: (rewrite: Rewrite) => Promise<T>): Promise<T> {
    return this.#submit({ kind: "alone", work });
  }

  /** Takes no more operations; those that wait are still carried out. */
  stop(): void {
    this.#closed = true;
  }

  #submit<T>(request: Request): Promise<T> {
    if (this.#closed) {
      return Promise.reject(
        new StorageError("EBADF", "the volume is closed"),
      );
    }
    const { maximumQueueLength, operationTimeoutMs } = this.#options;
    if (this.#queue.length >= maximumQueueLength) {
      return Promise.reject(
        new StorageError(
          "EAGAIN",
          `${this.#queue.length} operations wait for the device, at most ${maximumQueueLength} may`,
        ),
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    if (operationTimeoutMs > 0) {
      timer = setTimeout(() =>
        reject(
          new StorageError(
            "ETIMEDOUT",
            `the device did not finish within ${operationTimeoutMs} ms; the operation may still happen`,
          ),
        ), operationTimeoutMs);
    }
    this.#queue.push({
      request,
      resolve: (value) => {
        clearTimeout(timer);
        resolve(value as T);
      },
      reject: (error) => {
        clearTimeout(timer);
        reject(error);
      },
      attempts: 0,
    });
    if (!this.#running) {
      this.#running = true;
      queueMicrotask(() => this.#run());
    }
    return promise;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#plan();
      try {
        await this.#carryOut(batch);
      } catch (error) {
        // Not expected; but no operation may be left without an answer.
        this.#finish(batch, (operation) => operation.reject(error));
      }
    }
    this.#running = false;
  }

  /** Plans as many operations from the front of the queue as fit together. */
  #plan(): Batch {
    const { parameters, events } = this.#options;
    const batch: Batch = {
      parameters: parameters.begin(),
      events: events.begin(),
      planned: [],
      syncs: [],
    };
    const rejected: Operation[] = [];
    for (const operation of this.#queue.slice(0, MAXIMUM_BATCH)) {
      try {
        if (!this.#planOne(operation, batch)) break;
      } catch (error) {
        rejected.push(operation);
        operation.reject(error);
      }
    }
    this.#remove(rejected);
    // If it was for want of blocks that work: the next one may try them again.
    this.#refused(rejected);
    return batch;
  }

  /** Returns false if the batch must be durable before this operation. */
  #planOne(operation: Operation, batch: Batch): boolean {
    const { request } = operation;
    switch (request.kind) {
      case "append": {
        const sequence = batch.events.append(request.record, request.bytes);
        if (sequence === null) return false;
        batch.planned.push({ operation, result: sequence });
        return true;
      }
      case "set": {
        const plan = batch.parameters.set(request.parameterId, request.value);
        if (plan.kind === "later") return false;
        batch.planned.push({ operation, result: plan.entry });
        return true;
      }
      case "sync":
        batch.syncs.push(operation);
        return true;
      case "block":
      case "settle":
      case "alone":
        // Alone: each leaves the journal spent.
        if (batch.planned.length + batch.syncs.length > 0) return false;
        batch.planned.push({ operation, result: undefined });
        return false;
    }
  }

  async #carryOut(batch: Batch): Promise<void> {
    const { parameters, events, committer, onDurable } = this.#options;
    const [first] = batch.planned;
    switch (first?.operation.request.kind) {
      case "settle":
        return await this.#carryOutSettle(first.operation);
      case "alone":
        await this.#settle();
        this.#remove([first.operation]);
        try {
          first.operation.resolve(
            await first.operation.request.work((block, image) =>
              this.#rewrite(block, image)
            ),
          );
        } catch (error) {
          first.operation.reject(error);
        }
        return;
      case "block":
        return await this.#carryOutBlock(
          first.operation,
          first.operation.request,
        );
    }
    const changes = this.#changes(batch);
    const result = await committer.commit(changes, batch.syncs.length > 0);
    const { failed, flushError, deviceError } = result;
    this.#remove(batch.syncs);
    for (const operation of batch.syncs) {
      if (flushError === undefined) operation.resolve(undefined);
      else operation.reject(deviceFailure("flush", undefined, flushError));
    }
    if (failed.size === 0 && result.blocked.size === 0) {
      parameters.apply(batch.parameters.changes());
      events.apply(batch.events);
      onDurable();
      this.#remove(batch.planned.map((planned) => planned.operation));
      for (const { operation, result } of batch.planned) {
        operation.resolve(result);
      }
      await this.#sweep(batch.events.changes());
      return;
    }
    if (!isReadOnlyError(deviceError)) {
      parameters.failed(batch.parameters);
      this.#triedUpTo = batch.events.nextSequence;
    }
    await this.#restoreStarted(batch, failed);
    if (deviceError === undefined) await this.#evade(failed);
    this.#retry(batch, failed, deviceError);
  }

  /**
   * Undoes that a batch started blocks of the ring over before it failed. Its
   * records get their places anew, and what it has left must neither be taken
   * for records nor for a later lap.
   */
  async #restoreStarted(
    batch: Batch,
    failed: ReadonlyMap<number, unknown>,
  ): Promise<void> {
    const { committer } = this.#options;
    const { started } = batch.events;
    const pending = committer.pending;
    if (pending !== null && started.has(pending.block - EVENT_FIRST_BLOCK)) {
      // Nothing in it was acknowledged.
      committer.release();
    }
    for (const index of started) {
      if (failed.has(EVENT_FIRST_BLOCK + index)) this.#litter(index);
      else await this.#restore(index);
    }
  }

  /** A write of a block of the ring failed: nobody knows what is there. */
  #litter(ringBlock: number): void {
    this.#littered.add(ringBlock);
    this.#sweepPace.hurry();
  }

  /**
   * Restores what failed writes may have spoilt, now that the device takes
   * writes: a later boot would show it. What it goes on refusing is tried now
   * and then.
   */
  async #sweep(used: ReadonlyMap<number, unknown>): Promise<void> {
    for (const index of used.keys()) this.#littered.delete(index);
    if (this.#littered.size === 0 || !this.#sweepPace.isDue()) return;
    const blocks = [...this.#littered];
    this.#littered.clear();
    for (const index of blocks) await this.#restore(index);
    if (this.#littered.size === 0) this.#sweepPace.succeeded();
    else this.#sweepPace.failed();
  }

  /**
   * Writes again what a block of the ring holds, over zeros, as a torn write
   * would mix it with what is there.
   */
  async #restore(ringBlock: number): Promise<void> {
    const { events } = this.#options;
    const image = events.image(ringBlock);
    const zeros = new Uint8Array(BLOCK_SIZE_BYTES);
    if (!await this.#write(ringBlock, zeros)) return;
    if (image === null) events.cleared(ringBlock);
    else if (!isZero(image)) await this.#write(ringBlock, image);
  }

  /** Writes zeros over a block of the ring; says whether the device took them. */
  async #clear(ringBlock: number): Promise<boolean> {
    const zeros = new Uint8Array(BLOCK_SIZE_BYTES);
    if (!await this.#write(ringBlock, zeros)) return false;
    this.#littered.delete(ringBlock);
    this.#options.events.cleared(ringBlock);
    return true;
  }

  /** Writes a block of the ring in place; excludes it if the device refuses. */
  async #write(
    ringBlock: number,
    image: Uint8Array<ArrayBuffer>,
  ): Promise<boolean> {
    const { events, committer } = this.#options;
    const block = EVENT_FIRST_BLOCK + ringBlock;
    const { failed } = await committer.commitAround([{ block, image }]);
    if (failed.size === 0) return true;
    events.exclude(ringBlock);
    this.#litter(ringBlock);
    return false;
  }

  #changes(batch: Batch): BlockChange[] {
    const { parameters, events } = this.#options;
    const changes: BlockChange[] = [];
    for (const [index, image] of batch.events.changes()) {
      const { head, started } = batch.events;
      const isStarted = started.has(index);
      const replacedCrcs = isStarted ? events.replacedCrcs(index) : null;
      changes.push({
        block: EVENT_FIRST_BLOCK + index,
        image,
        protect: !isStarted || replacedCrcs !== null,
        replacedCrcs,
        again: head?.ringBlock === index && head.used < 6,
      });
    }
    for (const [index, image] of batch.parameters.changes()) {
      const block = PARAMETER_FIRST_BLOCK + index;
      const protect = !parameters.isFree(index);
      changes.push({
        block,
        image,
        protect,
        replacedCrcs: null,
        again: false,
      });
    }
    return changes;
  }

  /** Puts in place what only the journal holds; says what could not be. */
  async #settle(): Promise<ReadonlyMap<number, unknown>> {
    const { committer } = this.#options;
    const result = await committer.settle();
    let { failed } = result;
    if (failed.size > 0 && result.deviceError === undefined) {
      await this.#evade(failed);
      if (committer.pending === null) failed = new Map();
      // No block took it: that says nothing of what they take later.
      else this.#readmit();
    }
    await committer.wipe();
    return failed;
  }

  async #rewrite(
    block: number,
    image: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const { committer } = this.#options;
    const { failed, deviceError } = await committer.commit([
      { block, image, protect: true, replacedCrcs: null, again: false },
    ]);
    if (deviceError === undefined) await this.#evade(failed);
    await this.#settle();
  }

  async #carryOutSettle(operation: Operation): Promise<void> {
    const failed = await this.#settle();
    this.#remove([operation]);
    const [failure] = failed;
    if (failure === undefined) operation.resolve(undefined);
    else operation.reject(deviceFailure("write", failure[0], failure[1]));
  }

  /**
   * Journal, flush, in place, flush: a block of the data product area can't be
   * moved elsewhere, so it must not stay in the journal, and it must never be
   * torn, because nothing else tells a torn descriptor from foreign data.
   */
  async #carryOutBlock(
    operation: Operation,
    change: { readonly block: number; readonly image: Uint8Array<ArrayBuffer> },
  ): Promise<void> {
    const { committer } = this.#options;
    const { block, image } = change;
    const result = await committer.commit([
      { block, image, protect: true, replacedCrcs: null, again: false },
    ]);
    let { failed } = result;
    if (committer.pending?.block === block) {
      ({ failed } = await committer.settle());
      if (failed.size > 0) committer.release();
    } else if (failed.size > 0 && result.deviceError === undefined) {
      await this.#evade(failed);
      this.#readmit();
    }
    this.#remove([operation]);
    const [failure] = failed;
    if (failure === undefined) operation.resolve(undefined);
    else operation.reject(deviceFailure("write", failure[0], failure[1]));
  }

  /** Excludes blocks that failed, and frees the journal if one blocks it. */
  async #evade(failed: ReadonlyMap<number, unknown>): Promise<void> {
    const { parameters, events, committer } = this.#options;
    for (const block of failed.keys()) {
      if (block >= DATA_PRODUCT_FIRST_BLOCK) continue;
      if (block >= EVENT_FIRST_BLOCK) {
        events.exclude(block - EVENT_FIRST_BLOCK);
      } else parameters.exclude(block - PARAMETER_FIRST_BLOCK);
    }
    const pending = committer.pending;
    if (pending === null || !failed.has(pending.block)) return;
    if (pending.block >= EVENT_FIRST_BLOCK) await this.#relocateEvents();
    else await this.#relocateParameters();
  }

  /**
   * Writes the records of the journal's event block to the next block that takes
   * them: those that were acknowledged; the others get their places anew.
   */
  async #relocateEvents(): Promise<void> {
    const { events, committer } = this.#options;
    const pending = committer.pending;
    if (pending === null) return;
    const from = pending.block - EVENT_FIRST_BLOCK;
    const image = events.image(from);
    if (image === null) return;
    for (;;) {
      const to = events.following(from);
      if (to === null) return;
      // Over zeros a torn write can't number what stood there.
      const isBlank = events.replacedCrcs(to) === null &&
        !this.#littered.has(to);
      const isClear = isBlank || await this.#clear(to);
      if (!isClear) continue;
      if (!await this.#write(to, image)) continue;
      committer.release();
      this.#litter(from);
      return events.relocated(from, to, image);
    }
  }

  /**
   * Writes the newest entries of the journal's block into other blocks. These
   * go unprotected for this one write, since the journal is what is in the way.
   */
  async #relocateParameters(): Promise<void> {
    const { parameters, committer } = this.#options;
    const pending = committer.pending;
    if (pending === null) return;
    const index = pending.block - PARAMETER_FIRST_BLOCK;
    parameters.apply(new Map([[index, pending.image]]));
    parameters.exclude(index);
    const batch = parameters.begin();
    for (const entry of parameters.list()) {
      const slot = parameters.place(entry.parameterId)?.slot ?? -1;
      if (Math.floor(slot / 2) !== index) continue;
      try {
        if (batch.set(entry.parameterId, entry.value).kind === "later") return;
      } catch {
        return;
      }
    }
    const writes: BlockWrite[] = [];
    for (const [block, image] of batch.changes()) {
      writes.push({ block: PARAMETER_FIRST_BLOCK + block, image });
    }
    const result: CommitResult = await committer.commitAround(writes);
    if (result.failed.size > 0) return;
    parameters.apply(batch.changes());
    committer.release();
  }

  /** Leaves operations in the queue to be planned anew, or gives them up. */
  #retry(
    batch: Batch,
    failed: ReadonlyMap<number, unknown>,
    deviceError: unknown,
  ): void {
    const [block, cause] = [...failed][0] ?? [];
    const reason = deviceFailure("write", block, deviceError ?? cause);
    const operations = batch.planned.map(({ operation }) => operation);
    for (const operation of operations) operation.attempts++;
    const isOver = ({ attempts }: Operation) =>
      attempts >= MAXIMUM_ATTEMPTS || isReadOnlyError(deviceError);
    // Appends are given up together: those that are left would get new numbers,
    // and some may be durable under those that they had.
    const isLogOver = operations.some((one) => isAppend(one) && isOver(one));
    const given = operations.filter((one) =>
      isOver(one) || (isLogOver && isAppend(one))
    );
    this.#remove(given);
    for (const operation of given) operation.reject(reason);
    this.#refused(given);
  }

  #refused(operations: readonly Operation[]): void {
    if (operations.length === 0) return;
    this.#readmit();
    if (operations.some(isAppend)) this.#options.events.skip(this.#triedUpTo);
  }

  /** Lets the blocks that were excluded be tried again. */
  #readmit(): void {
    const { parameters, events } = this.#options;
    parameters.readmit();
    events.readmit();
  }

  #finish(batch: Batch, settle: (operation: Operation) => void): void {
    const operations = [
      ...batch.planned.map((planned) => planned.operation),
      ...batch.syncs,
    ];
    this.#remove(operations);
    operations.forEach(settle);
  }

  #remove(operations: readonly Operation[]): void {
    if (operations.length === 0) return;
    if (operations.every((operation, at) => this.#queue[at] === operation)) {
      this.#queue.splice(0, operations.length);
      return;
    }
    const gone = new Set(operations);
    const left = this.#queue.filter((operation) => !gone.has(operation));
    this.#queue.length = 0;
    this.#queue.push(...left);
  }
}

function isAppend({ request }: Operation): boolean {
  return request.kind === "append";
}

/**
 * Wraps a device's failure.
 *
 * @param what The operation that failed.
 * @param block The block, if it is known.
 * @param cause What the device said.
 * @returns A StorageError with the cause: EROFS if the device is read-only, else
 * EIO.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { deviceFailure } from "./writer.ts";
 *
 * assertEquals(deviceFailure("write", 5, new Error("gone")).block, 5);
 * ```
 */
export function deviceFailure(
  what: "read" | "write" | "flush",
  block: number | undefined,
  cause: unknown,
): StorageError {
  const place = block === undefined ? "" : ` of block ${block}`;
  const details = { cause, ...(block === undefined ? {} : { block }) };
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof StorageError && cause.code === "EROFS") {
    const text = reason.replace(/^EROFS: /, "");
    return new StorageError("EROFS", `${text}: ${what}${place}`, details);
  }
  return new StorageError("EIO", `${what}${place} failed: ${reason}`, details);
}
