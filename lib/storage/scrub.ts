/**
 * Scrubbing: what the medium holds is held against what was acknowledged, and
 * written again where it differs, because a medium may forget what it once
 * took. Imports `lib/wire` and the room's models.
 *
 * @module
 */

import {
  checkCrc,
  checkMagic,
  decodeSuperblock,
  SUPERBLOCK_SIZE_BYTES,
} from "../wire/superblock.ts";
import { BLOCK_SIZE_BYTES, type BlockDevice } from "./device.ts";
import type { EventRing } from "./events.ts";
import {
  DATA_PRODUCT_FIRST_BLOCK,
  EVENT_FIRST_BLOCK,
  PARAMETER_FIRST_BLOCK,
  SUPERBLOCK_BLOCK,
} from "./layout.ts";
import type { ParameterTable } from "./parameters.ts";
import { readBlocks } from "./recovery.ts";
import type { Rewrite } from "./writer.ts";

/** A block that was not as it should be. */
export interface ScrubFinding {
  /** The part of the volume. */
  readonly area: "superblock" | "parameters" | "events";
  /** The block, counted from the volume's start. */
  readonly block: number;
  /** Whether it can't be read, or holds something else. */
  readonly kind: "unreadable" | "different";
  /** Whether it was written again, and the device took it; if it refused, what it held is elsewhere. A valid superblock is never written again. */
  readonly isRepaired: boolean;
}

/** What {@linkcode scrubMetadata} works with. */
export interface ScrubParts {
  /** The device. */
  readonly device: BlockDevice;
  /** Whether nothing may be written. */
  readonly readOnly: boolean;
  /** The superblock's 48 bytes as they were when the volume was opened. */
  readonly superblock: Uint8Array<ArrayBuffer>;
  /** The parameter store's durable state. */
  readonly parameters: ParameterTable;
  /** The event ring's durable state. */
  readonly events: EventRing;
  /** The block that only the journal holds, or null. */
  readonly pendingBlock: number | null;
  /** Writes a block again. */
  readonly rewrite: Rewrite;
}

/**
 * Reads the metadata and repairs it from memory. Nothing else may change it
 * meanwhile. Blocks that could not be read at the opening, that the device
 * refused, or that the journal stands for, have nothing to be held against.
 *
 * @param parts The device and the durable state.
 * @returns What was found, in the order of the volume.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatVolume } from "./format.ts";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 * import { openVolume } from "./volume.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 64 });
 * await formatVolume(device, { tenantId: 1 });
 * const volume = await openVolume(device);
 * device.bytes[3 * 512] = 1;
 * assertEquals(await volume.scrub(), [
 *   { area: "parameters", block: 3, kind: "different", isRepaired: true },
 * ]);
 * assertEquals(device.bytes[3 * 512], 0);
 * assertEquals(await volume.scrub(), []);
 * ```
 */
export async function scrubMetadata(
  parts: ScrubParts,
): Promise<ScrubFinding[]> {
  const { device } = parts;
  device.forget?.();
  const blocks = await readBlocks(
    device,
    SUPERBLOCK_BLOCK,
    DATA_PRODUCT_FIRST_BLOCK,
  );
  const findings: ScrubFinding[] = [];
  const differs = (block: number, found: Found): Found | undefined => {
    const expected = expectedBlock(parts, block, found);
    const isAsItShouldBe = expected === null ||
      (found !== null && isEqual(found, expected));
    return isAsItShouldBe ? undefined : expected;
  };
  for (const [block, seen] of blocks.entries()) {
    if (differs(block, seen) === undefined) continue;
    // A repair before may have moved something here since it was read.
    const [found = null] = await readBlocks(device, block, 1);
    const expected = differs(block, found);
    if (expected === undefined || expected === null) continue;
    findings.push({
      area: areaOf(block),
      block,
      kind: found === null ? "unreadable" : "different",
      isRepaired: !parts.readOnly &&
          (block !== SUPERBLOCK_BLOCK || isDamagedSuperblock(found))
        ? await repair(parts, block, expected)
        : false,
    });
  }
  return findings;
}

type Found = Uint8Array<ArrayBuffer> | null;

function areaOf(block: number): ScrubFinding["area"] {
  if (block < PARAMETER_FIRST_BLOCK) return "superblock";
  return block < EVENT_FIRST_BLOCK ? "parameters" : "events";
}

/** What a block should hold; null when there is nothing to hold it against. */
function expectedBlock(
  { superblock, parameters, events, pendingBlock }: ScrubParts,
  block: number,
  found: Uint8Array<ArrayBuffer> | null,
): Uint8Array<ArrayBuffer> | null {
  if (block === SUPERBLOCK_BLOCK) {
    // What stands behind the superblock is not ours.
    const image = found?.slice() ?? new Uint8Array(BLOCK_SIZE_BYTES);
    image.set(superblock);
    return image;
  }
  if (pendingBlock === block) return null;
  if (block >= EVENT_FIRST_BLOCK) {
    const index = block - EVENT_FIRST_BLOCK;
    return events.isUnusable(index) ? null : events.image(index);
  }
  const index = block - PARAMETER_FIRST_BLOCK;
  return parameters.isUnusable(index) ? null : parameters.image(index);
}

/**
 * Whether block 0 may be written again: not one that can't be read, since nobody
 * knows all of it, and not a valid superblock, which somebody else must have
 * written: damage does not come with the right CRC.
 */
function isDamagedSuperblock(found: Found): boolean {
  if (found === null) return false;
  const superblock = decodeSuperblock(found.subarray(0, SUPERBLOCK_SIZE_BYTES));
  return !checkMagic(superblock) || !checkCrc(superblock);
}

async function repair(
  { device, parameters, events, rewrite }: ScrubParts,
  block: number,
  image: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    if (block === SUPERBLOCK_BLOCK) {
      // It is damaged already: there is nothing that a torn write could harm.
      await device.write(block, image);
      await device.flush();
      return true;
    }
    await rewrite(block, image);
    return block >= EVENT_FIRST_BLOCK
      ? !events.isUnusable(block - EVENT_FIRST_BLOCK)
      : !parameters.isUnusable(block - PARAMETER_FIRST_BLOCK);
  } catch {
    return false;
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
