/**
 * Sets several parameters of a volume, all or none, over a power cut at any
 * instant. The volume makes one entry durable at a time, so the whole set is
 * noted first, under ids of its own; the note's first entry is the commit
 * point, and is emptied when all is set. A boot that finds a note finishes what
 * it says. Imports `storage` and `wire`.
 *
 * What is guaranteed: a set that was answered OK is there after a cut, all of
 * it; one that was under way is there whole or not at all; one that was refused
 * with STORAGE_ERROR is not there, unless the device failed behind the commit
 * point: then it is there, whole, after the next boot. A note takes one slot of
 * the store for good, and one more for each 240 bytes behind the first 234.
 *
 * @module
 */
import { concat } from "@std/bytes/concat";
import { StorageError } from "../storage/error.ts";
import { PARAMETER_SLOT_COUNT } from "../storage/parameters.ts";
import type { ParameterStore } from "../storage/volume.ts";
import { crc32c } from "../wire/crc32c.ts";
import {
  PARAMETER_VALUE_MAX_BYTES,
  type ParameterEntry,
} from "../wire/parameter.ts";
import type { ParameterSet } from "../wire/parameter_message.ts";
import {
  decodeParameterSets,
  encodeParameterSets,
  RECORD_FIRST_MAX_BYTES,
  stagedRecordLayout,
  StagingId,
} from "../wire/parameter_staging.ts";

/** How many ids a note may take: enough for the longest staged set. */
const RECORD_IDS = 0x100;

/**
 * Whether an id belongs to a note.
 *
 * @param id Any u32.
 * @returns True for the ids that no host sees.
 *
 * @example
 * ```ts
 * import { isRecordId } from "./staged_commit.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals([0xFFFF_FF00, 7].map(isRecordId), [true, false]);
 * ```
 */
export function isRecordId(id: number): boolean {
  return id >= StagingId.RECORD && id < StagingId.RECORD + RECORD_IDS;
}

/**
 * Stores a set.
 *
 * @param store The volume's parameters.
 * @param sets The parameters, no id twice, and their values.
 * @returns The stored entries, in the order of the set.
 * @throws {StorageError} ENOSPC before anything is changed when the store has
 * no room for the set and its note; else what the device failed with.
 *
 * @example
 * ```ts
 * import { formatVolume } from "../storage/format.ts";
 * import { MemoryBlockDevice } from "../storage/memory_device.ts";
 * import { openVolume } from "../storage/volume.ts";
 * import { storeSet } from "./staged_commit.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const device = new MemoryBlockDevice({ blockCount: 64 });
 * await formatVolume(device, { tenantId: 1 });
 * const { parameters } = await openVolume(device);
 * const entries = await storeSet(parameters, [
 *   { parameterId: 1, value: Uint8Array.of(1) },
 *   { parameterId: 2, value: Uint8Array.of(2) },
 * ]);
 * assertEquals(entries.map(({ generation }) => generation), [1, 1]);
 * ```
 */
export async function storeSet(
  store: ParameterStore,
  sets: readonly ParameterSet[],
): Promise<ParameterEntry[]> {
  const [only] = sets;
  if (only === undefined) return [];
  // The store does one by itself.
  if (sets.length === 1) return [await setOne(store, only)];
  const bytes = encodeParameterSets(sets);
  const rest = cut(bytes.subarray(RECORD_FIRST_MAX_BYTES));
  requireRoom(store, [
    StagingId.RECORD,
    ...rest.map((_, index) => StagingId.RECORD + 1 + index),
    ...sets.map(({ parameterId }) => parameterId),
  ]);
  await Promise.all(
    rest.map((value, index) => store.set(StagingId.RECORD + 1 + index, value)),
  );
  await store.set(
    StagingId.RECORD,
    stagedRecordLayout.encode({
      setChecksum: crc32c(bytes),
      length: bytes.length,
      first: bytes.subarray(0, RECORD_FIRST_MAX_BYTES),
    }),
  );
  return await carryOut(store, sets);
}

/**
 * Finishes the set that a note tells of, if there is one.
 *
 * @param store The volume's parameters.
 * @returns The set that was finished; null without a note.
 * @throws {StorageError} What the device failed with; EBADMSG for a note that
 * is not whole, which is then emptied.
 *
 * @example
 * ```ts
 * import { formatVolume } from "../storage/format.ts";
 * import { MemoryBlockDevice } from "../storage/memory_device.ts";
 * import { openVolume } from "../storage/volume.ts";
 * import { finishStoredSet } from "./staged_commit.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const device = new MemoryBlockDevice({ blockCount: 64 });
 * await formatVolume(device, { tenantId: 1 });
 * const { parameters } = await openVolume(device);
 * assertEquals(await finishStoredSet(parameters), null);
 * ```
 */
export async function finishStoredSet(
  store: ParameterStore,
): Promise<readonly ParameterSet[] | null> {
  const head = store.get(StagingId.RECORD)?.value;
  if (head === undefined || head.length === 0) return null;
  const sets = readNote(store, head);
  if (sets === null) {
    await store.set(StagingId.RECORD, new Uint8Array());
    throw new StorageError(
      "EBADMSG",
      "the note of a staged set of parameters is not whole: it was emptied",
    );
  }
  await carryOut(store, sets);
  return sets;
}

function readNote(
  store: ParameterStore,
  head: Uint8Array,
): readonly ParameterSet[] | null {
  try {
    const { setChecksum, length, first } = stagedRecordLayout.decode(head);
    const parts: Uint8Array[] = [first];
    const count = Math.ceil(
      Math.max(0, length - first.length) / PARAMETER_VALUE_MAX_BYTES,
    );
    for (let index = 1; index <= count; index++) {
      parts.push(
        store.get(StagingId.RECORD + index)?.value ?? new Uint8Array(),
      );
    }
    const bytes = concat(parts).subarray(0, length);
    const isWhole = bytes.length === length && crc32c(bytes) === setChecksum;
    return isWhole ? decodeParameterSets(bytes) : null;
  } catch {
    return null;
  }
}

async function carryOut(
  store: ParameterStore,
  sets: readonly ParameterSet[],
): Promise<ParameterEntry[]> {
  const entries = await Promise.all(sets.map((set) => setOne(store, set)));
  await store.set(StagingId.RECORD, new Uint8Array());
  return entries;
}

function setOne(
  store: ParameterStore,
  { parameterId, value }: ParameterSet,
): Promise<ParameterEntry> {
  return store.set(parameterId, value);
}

function cut(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += PARAMETER_VALUE_MAX_BYTES) {
    parts.push(bytes.subarray(at, at + PARAMETER_VALUE_MAX_BYTES));
  }
  return parts;
}

function requireRoom(store: ParameterStore, ids: readonly number[]): void {
  const added = ids.filter((id) => store.get(id) === undefined).length;
  if (store.size + added <= PARAMETER_SLOT_COUNT) return;
  throw new StorageError(
    "ENOSPC",
    `the set needs ${added} more slots for parameters, ${
      PARAMETER_SLOT_COUNT - store.size
    } of ${PARAMETER_SLOT_COUNT} are free`,
  );
}
