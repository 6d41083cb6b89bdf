/**
 * Recovery at opening: reads the metadata blocks, and if the journal is ahead
 * of the block that it belongs to, writes its image in place. One write and one
 * flush at most; a cut in the middle leaves the journal as it is, and the next
 * run does the same again. Imports `lib/wire` and the room's models.
 *
 * @module
 */

import { decodeJournal, type JournalEntry } from "../wire/journal.ts";
import type { PendingImage } from "./committer.ts";
import { BLOCK_SIZE_BYTES, type BlockDevice } from "./device.ts";
import { judgeDescriptor } from "./descriptor.ts";
import { readEventBlock } from "./event_block.ts";
import {
  parameterSlotsOf,
  recoverDescriptorBlock,
  recoverEventBlock,
  recoverParameterBlock,
} from "./journal.ts";
import {
  EVENT_BLOCK_COUNT,
  EVENT_FIRST_BLOCK,
  type Geometry,
  PARAMETER_BLOCK_COUNT,
  PARAMETER_FIRST_BLOCK,
} from "./layout.ts";
import { isZero } from "./parameters.ts";

/**
 * What recovery found in the journal:
 * - `absent`: the volume has none;
 * - `empty`: all zero;
 * - `invalid`: neither zero nor a valid image: a torn write, nothing was lost;
 * - `unreadable`: the device can't read it;
 * - `spent`: its image is in place;
 * - `restored`: its image was ahead and is in place now;
 * - `ahead`: its image is ahead and could not be written in place, because the
 *   volume is read-only or the device refused; reads give the right content.
 */
export type JournalState =
  | "absent"
  | "empty"
  | "invalid"
  | "unreadable"
  | "spent"
  | "restored"
  | "ahead";

/** What recovery found and did. */
export interface RecoveryReport {
  /** The journal's state. */
  readonly journal: JournalState;
  /** The block that the journal's image belongs to, or null. */
  readonly targetBlock: number | null;
  /** Metadata blocks that the device can't read. */
  readonly unreadableBlocks: readonly number[];
}

/** The metadata of a volume as recovery left it. */
export interface RecoveredMetadata {
  /** The 16 parameter blocks; null for one that can't be read. */
  readonly parameterImages: (Uint8Array<ArrayBuffer> | null)[];
  /** The 16 event blocks; null for one that can't be read. */
  readonly eventImages: (Uint8Array<ArrayBuffer> | null)[];
  /** The image that only the journal holds, or null. */
  readonly pending: PendingImage | null;
  /** The block to write the journal to; null without one that can be read again. */
  readonly journalBlock: number | null;
  /** What was found and done. */
  readonly report: RecoveryReport;
}

/**
 * Reads several blocks; a block that can't be read is null and costs no other.
 *
 * @param device The device.
 * @param first The first block.
 * @param count How many.
 * @returns The blocks.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 * import { readBlocks } from "./recovery.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 4 });
 * assertEquals((await readBlocks(device, 1, 2)).length, 2);
 * ```
 */
export async function readBlocks(
  device: BlockDevice,
  first: number,
  count: number,
): Promise<(Uint8Array<ArrayBuffer> | null)[]> {
  try {
    const bytes = await device.read(first, count);
    return Array.from(
      { length: count },
      (_, index) =>
        bytes.slice(index * BLOCK_SIZE_BYTES, (index + 1) * BLOCK_SIZE_BYTES),
    );
  } catch {
    const blocks: (Uint8Array<ArrayBuffer> | null)[] = [];
    for (let block = first; block < first + count; block++) {
      try {
        blocks.push(await device.read(block, 1));
      } catch {
        blocks.push(null);
      }
    }
    return blocks;
  }
}

/**
 * Reads the metadata of a volume and brings it to the state of the last
 * acknowledged change.
 *
 * @param device The device.
 * @param geometry Where things are.
 * @param readOnly Whether nothing may be written.
 * @returns The metadata and a report. Never throws for what the device or the
 * blocks hold.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { geometryOf } from "./layout.ts";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 * import { recover } from "./recovery.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 64 });
 * const superblock = { totalBlocks: 64, dataProductStart: 33, dataProductSize: 30 };
 * const { report } = await recover(device, geometryOf(superblock, 64), false);
 * assertEquals(report.journal, "empty");
 * ```
 */
export async function recover(
  device: BlockDevice,
  geometry: Geometry,
  readOnly: boolean,
): Promise<RecoveredMetadata> {
  const { journalBlock } = geometry;
  const blocks = await readBlocks(
    device,
    PARAMETER_FIRST_BLOCK,
    PARAMETER_BLOCK_COUNT + EVENT_BLOCK_COUNT,
  );
  const metadata = {
    parameterImages: blocks.slice(0, PARAMETER_BLOCK_COUNT),
    eventImages: blocks.slice(PARAMETER_BLOCK_COUNT),
  };
  const unreadable = new Set<number>();
  let usableJournal = journalBlock;
  for (const [index, block] of blocks.entries()) {
    if (block === null) unreadable.add(PARAMETER_FIRST_BLOCK + index);
  }
  const done = (
    journal: JournalState,
    targetBlock: number | null = null,
    pending: PendingImage | null = null,
  ): RecoveredMetadata => ({
    ...metadata,
    pending,
    journalBlock: usableJournal,
    report: { journal, targetBlock, unreadableBlocks: [...unreadable] },
  });

  if (journalBlock === null) return done("absent");
  const [bytes] = await readBlocks(device, journalBlock, 1);
  if (!bytes) {
    unreadable.add(journalBlock);
    // A journal that can't be read back would lose what it is trusted with.
    const isUsable = !readOnly && await refresh(device, journalBlock);
    if (!isUsable) usableJournal = null;
    return done("unreadable");
  }
  if (isZero(bytes)) return done("empty");
  const record = readJournal(bytes, geometry);
  if (record === null) return done("invalid");
  const { targetBlock } = record;
  const decision = await decide(device, record, metadata);
  if (decision === null) return done("spent", targetBlock);

  const adopt = () => {
    if (targetBlock < EVENT_FIRST_BLOCK) {
      const index = targetBlock - PARAMETER_FIRST_BLOCK;
      metadata.parameterImages[index] = decision;
    } else if (targetBlock < EVENT_FIRST_BLOCK + EVENT_BLOCK_COUNT) {
      metadata.eventImages[targetBlock - EVENT_FIRST_BLOCK] = decision;
    }
    unreadable.delete(targetBlock);
  };
  adopt();
  const pending = {
    block: targetBlock,
    image: decision,
    ...(record.replacedCrcs === undefined
      ? {}
      : { replacedCrcs: record.replacedCrcs }),
  };
  if (readOnly) return done("ahead", targetBlock, pending);
  try {
    await device.write(targetBlock, decision);
    await device.flush();
    return done("restored", targetBlock);
  } catch {
    return done("ahead", targetBlock, pending);
  }
}

/**
 * Reads the journal block and judges whether its target makes sense.
 *
 * @param bytes The 512 bytes of the journal block.
 * @param geometry Where things are.
 * @returns The image and its block, or null if the bytes are no valid journal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { geometryOf } from "./layout.ts";
 * import { readJournal } from "./recovery.ts";
 *
 * const superblock = { totalBlocks: 64, dataProductStart: 33, dataProductSize: 30 };
 * const geometry = geometryOf(superblock, 64);
 * assertEquals(readJournal(new Uint8Array(512).fill(0xff), geometry), null);
 * ```
 */
export function readJournal(
  bytes: Uint8Array,
  geometry: Geometry,
): JournalEntry | null {
  let record: JournalEntry | null;
  try {
    record = decodeJournal(bytes);
  } catch {
    return null;
  }
  if (record === null) return null;
  const { targetBlock } = record;
  const end = geometry.dataProductStart + geometry.dataProductBlocks;
  const isMetadata = targetBlock >= PARAMETER_FIRST_BLOCK &&
    targetBlock < EVENT_FIRST_BLOCK + EVENT_BLOCK_COUNT;
  // A descriptor that is not of this place was never on its way there.
  const isDataProduct = targetBlock >= geometry.dataProductStart &&
    targetBlock < end &&
    typeof judgeDescriptor(record.image, geometry, targetBlock) !== "string";
  return isMetadata || isDataProduct ? record : null;
}

/**
 * Writes a block that can't be read anew, which makes many a disk put another
 * sector in its place. Says whether it can be read now.
 */
async function refresh(device: BlockDevice, block: number): Promise<boolean> {
  try {
    await device.write(block, new Uint8Array(BLOCK_SIZE_BYTES));
    await device.flush();
    await device.read(block, 1);
    return true;
  } catch {
    return false;
  }
}

/** The image to write in place, or null if the journal is not ahead. */
async function decide(
  device: BlockDevice,
  record: JournalEntry,
  metadata: Pick<RecoveredMetadata, "parameterImages" | "eventImages">,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const { targetBlock, image, replacedCrcs } = record;
  const { parameterImages, eventImages } = metadata;
  if (targetBlock < EVENT_FIRST_BLOCK) {
    return recoverParameterBlock(
      image,
      parameterImages[targetBlock - PARAMETER_FIRST_BLOCK] ?? null,
      parameterSlotsOf(parameterImages),
    );
  }
  if (targetBlock < EVENT_FIRST_BLOCK + EVENT_BLOCK_COUNT) {
    return recoverEventBlock(
      image,
      eventImages[targetBlock - EVENT_FIRST_BLOCK] ?? null,
      eventImages.map((other, index) =>
        other === null || index === targetBlock - EVENT_FIRST_BLOCK
          ? null
          : readEventBlock(other)
      ),
      replacedCrcs,
    );
  }
  const [standing] = await readBlocks(device, targetBlock, 1);
  return recoverDescriptorBlock(image, standing ?? null);
}
