/**
 * Puts a volume in order, as far as that can be done without guessing. Every
 * step is as safe against a cut as any other change. Imports the room's parts.
 *
 * What it does: writes the journal's image in place; clears slots that hold
 * neither a record nor zeros; drops the losing one of two newest entries; drops
 * trailers that are damaged; writes zeros over blocks that can't be read, which
 * makes many a disk replace the sector; ends a catalogue whose end is damaged.
 *
 * What it never does by itself: make up a superblock. Tenant and UUID are in
 * no other place on the volume. Who knows them can state them, see
 * {@linkcode RepairOptions.superblock}; the stores are left as they are.
 *
 * @module
 */

import {
  EVENT_RECORD_SIZE_BYTES,
  EVENT_TRAILER_OFFSET,
} from "../wire/event.ts";
import { encodeSuperblock, type SuperblockInput } from "../wire/superblock.ts";
import { type CheckOptions, type CheckReport, checkVolume } from "./check.ts";
import { Committer } from "./committer.ts";
import { readCatalogue } from "./data_products.ts";
import { BLOCK_SIZE_BYTES, type BlockDevice } from "./device.ts";
import { StorageError } from "./error.ts";
import { EVENTS_PER_BLOCK, readEventBlock } from "./event_block.ts";
import {
  EVENT_FIRST_BLOCK,
  type Geometry,
  geometryOf,
  PARAMETER_FIRST_BLOCK,
  SUPERBLOCK_BLOCK,
} from "./layout.ts";
import { ParameterTable } from "./parameters.ts";
import { recover, type RecoveredMetadata } from "./recovery.ts";
import { deviceFailure } from "./writer.ts";

/** What {@linkcode repairVolume} may be told. */
export interface RepairOptions extends CheckOptions {
  /**
   * What the superblock shall hold, if it is bad. Ignored on a volume whose
   * superblock is good.
   */
  readonly superblock?: SuperblockInput;
}

/** What {@linkcode repairVolume} returns. */
export interface RepairReport {
  /** The check before anything was written. */
  readonly before: CheckReport;
  /** The check afterwards. */
  readonly after: CheckReport;
  /** The blocks that were rewritten. */
  readonly rewrittenBlocks: readonly number[];
}

/**
 * Repairs a volume.
 *
 * @param device A writable device that nothing else uses.
 * @param options A superblock to write if the volume's own is bad.
 * @returns The checks before and after.
 * @throws {StorageError} EROFS; EIO if a block can't be written; EUCLEAN if the
 * given superblock does not fit the device.
 * @throws {WireError} If a field of the given superblock is out of range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatVolume } from "./format.ts";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 * import { repairVolume } from "./repair.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 64 });
 * await formatVolume(device, { tenantId: 1 });
 * device.bytes[512] = 1;
 * const { before, after } = await repairVolume(device);
 * assertEquals([before.verdict, after.verdict], ["repairable", "clean"]);
 * ```
 */
export async function repairVolume(
  device: BlockDevice,
  options: RepairOptions = {},
): Promise<RepairReport> {
  if (device.readOnly) {
    throw new StorageError("EROFS", "the device is read-only");
  }
  const rewritten = new Set<number>();
  const before = await checkVolume(device, options);
  let { geometry } = before;
  if (geometry === null) {
    if (options.superblock === undefined) {
      return { before, after: before, rewrittenBlocks: [] };
    }
    geometry = await writeSuperblock(device, options.superblock);
    rewritten.add(SUPERBLOCK_BLOCK);
  }
  await repairStores(device, geometry, rewritten);
  const after = await checkVolume(device, options);
  return { before, after, rewrittenBlocks: [...rewritten] };
}

async function writeSuperblock(
  device: BlockDevice,
  superblock: SuperblockInput,
): Promise<Geometry> {
  const image = new Uint8Array(BLOCK_SIZE_BYTES);
  image.set(encodeSuperblock(superblock));
  const geometry = geometryOf(superblock, device.blockCount);
  await writeThrough(device, SUPERBLOCK_BLOCK, image);
  return geometry;
}

async function writeThrough(
  device: BlockDevice,
  block: number,
  image: Uint8Array<ArrayBuffer>,
): Promise<void> {
  try {
    await device.write(block, image);
    await device.flush();
  } catch (error) {
    throw deviceFailure("write", block, error);
  }
}

async function repairStores(
  device: BlockDevice,
  geometry: Geometry,
  rewritten: Set<number>,
): Promise<void> {
  const { journalBlock } = geometry;
  const zeros = () => new Uint8Array(BLOCK_SIZE_BYTES);
  const metadata = await recover(device, geometry, false);
  const { journal, targetBlock, unreadableBlocks } = metadata.report;
  if (journal === "ahead" && targetBlock !== null) {
    throw new StorageError(
      "EIO",
      `block ${targetBlock} can't be written; the journal keeps its content`,
      { block: targetBlock },
    );
  }
  if (journal === "restored" && targetBlock !== null) {
    rewritten.add(targetBlock);
  }
  if (journalBlock !== null && journal !== "empty") {
    // Its image is in place by now, or it never was one.
    await writeThrough(device, journalBlock, zeros());
    rewritten.add(journalBlock);
  }
  for (const block of unreadableBlocks) {
    if (block === journalBlock) continue;
    await writeThrough(device, block, zeros());
    rewritten.add(block);
  }
  const committer = new Committer(device, { journalBlock, pending: null });
  for (const [block, image] of repairedBlocks(metadata)) {
    const { failed } = await committer.commit([
      { block, image, protect: true, replacedCrcs: null, again: false },
    ]);
    const settled = await committer.settle();
    const [failure] = [...failed, ...settled.failed];
    if (failure !== undefined) {
      throw deviceFailure("write", failure[0], failure[1]);
    }
    rewritten.add(block);
  }
  if (journalBlock !== null) await writeThrough(device, journalBlock, zeros());
  const { gaps, endBlock, isCutShort } = await readCatalogue(device, geometry);
  const last = gaps.at(-1);
  if (endBlock === null && !isCutShort && last !== undefined) {
    await writeThrough(device, last.firstBlock, zeros());
    rewritten.add(last.firstBlock);
  }
}

/** The images of the blocks that hold something that should not be there. */
function repairedBlocks(
  metadata: RecoveredMetadata,
): Map<number, Uint8Array<ArrayBuffer>> {
  const repaired = new Map<number, Uint8Array<ArrayBuffer>>();
  const table = new ParameterTable(metadata.parameterImages);
  for (const index of table.untidyBlocks()) {
    repaired.set(PARAMETER_FIRST_BLOCK + index, table.tidyImage(index));
  }
  for (const [index, image] of metadata.eventImages.entries()) {
    if (image === null) continue;
    const tidy = tidyEventBlock(image);
    if (tidy !== null) repaired.set(EVENT_FIRST_BLOCK + index, tidy);
  }
  return repaired;
}

/** The block without what is damaged, or null if nothing is. */
function tidyEventBlock(
  image: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> | null {
  const block = readEventBlock(image);
  const untidy = block.trailer === "damaged" ||
    block.slots.some((slot) => slot.kind === "damaged");
  if (!untidy) return null;
  const tidy = image.slice();
  for (let slot = 0; slot < EVENTS_PER_BLOCK; slot++) {
    if (block.slots[slot]?.kind === "damaged") {
      const start = slot * EVENT_RECORD_SIZE_BYTES;
      tidy.fill(0, start, start + EVENT_RECORD_SIZE_BYTES);
    }
  }
  if (block.trailer === "damaged") tidy.fill(0, EVENT_TRAILER_OFFSET);
  return tidy;
}
