/**
 * Looks at a volume without writing anything, and says what it finds. What the
 * journal holds counts as being in place, because opening would put it there.
 * Imports `lib/wire` and the room's models.
 *
 * @module
 */

import {
  EVENT_RECORD_SIZE_BYTES,
  EVENT_TRAILER_OFFSET,
} from "../wire/event.ts";
import {
  compareGenerations,
  PARAMETER_ENTRY_SIZE_BYTES,
} from "../wire/parameter.ts";
import type { Superblock } from "../wire/superblock.ts";
import { DataProductStore, readCatalogue } from "./data_products.ts";
import type { BlockDevice } from "./device.ts";
import { StorageError } from "./error.ts";
import { readEventBlock } from "./event_block.ts";
import { parameterSlotsOf } from "./journal.ts";
import {
  EVENT_BLOCK_COUNT,
  EVENT_FIRST_BLOCK,
  type Geometry,
  geometryOf,
  PARAMETER_FIRST_BLOCK,
} from "./layout.ts";
import { newestEntries, PARAMETERS_PER_BLOCK } from "./parameters.ts";
import { recover, type RecoveredMetadata } from "./recovery.ts";
import { readJudgedSuperblock } from "./superblock.ts";

/** Which part of a volume a finding is about. */
export type VolumeArea =
  | "superblock"
  | "journal"
  | "parameters"
  | "events"
  | "data products";

/** One thing that a check found. */
export interface Finding {
  /**
   * `info` is harmless, `warning` is something wrong that costs nothing that is
   * known to have been there, `error` is lost content.
   */
  readonly severity: "info" | "warning" | "error";
  /** The part of the volume. */
  readonly area: VolumeArea;
  /** The block, counted from the volume's start. */
  readonly block: number;
  /** The byte in the block where the thing begins. */
  readonly offset: number;
  /** What was met. */
  readonly message: string;
  /** What was expected. */
  readonly expected: string;
  /** Whether {@linkcode repairVolume} can put it in order. */
  readonly repairable: boolean;
}

/**
 * The result of a check: `clean` if nothing is wrong, `repairable` if all that
 * is wrong can be put in order, `bad` if something can't.
 */
export type Verdict = "clean" | "repairable" | "bad";

/** What {@linkcode checkVolume} returns. */
export interface CheckReport {
  /** The judgement of the whole. */
  readonly verdict: Verdict;
  /** Everything that was found, in the order of the volume. */
  readonly findings: readonly Finding[];
  /** The superblock, or null if it is bad. */
  readonly superblock: Superblock | null;
  /** Where things are, or null if the superblock is bad. */
  readonly geometry: Geometry | null;
}

/** How {@linkcode checkVolume} looks. */
export interface CheckOptions {
  /** Whether to read all data of the data products; default true. */
  readonly verifyData?: boolean;
}

/**
 * Checks a volume. Never writes.
 *
 * @param device The device.
 * @param options How thoroughly.
 * @returns Verdict and findings. A bad superblock is a finding, too, and the
 * only one, since nothing else can be found without it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { checkVolume } from "./check.ts";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 * import { formatVolume } from "./format.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 64 });
 * await formatVolume(device, { tenantId: 1 });
 * assertEquals((await checkVolume(device)).verdict, "clean");
 * device.bytes[512] = 1;
 * assertEquals((await checkVolume(device)).verdict, "repairable");
 * ```
 */
export async function checkVolume(
  device: BlockDevice,
  options: CheckOptions = {},
): Promise<CheckReport> {
  let superblock: Superblock;
  let geometry: Geometry;
  try {
    ({ superblock } = await readJudgedSuperblock(device));
    geometry = geometryOf(superblock, device.blockCount);
  } catch (error) {
    return reportOf([superblockFinding(error)], null, null);
  }
  const findings: Finding[] = [];
  if (geometry.totalBlocks < device.blockCount) {
    findings.push({
      severity: "info",
      area: "superblock",
      block: 0,
      offset: 0x08,
      message:
        `the volume has ${geometry.totalBlocks} blocks, the device ${device.blockCount}`,
      expected: "a volume as large as its device",
      repairable: false,
    });
  }
  const metadata = await recover(device, geometry, true);
  for (const block of metadata.report.unreadableBlocks) {
    findings.push(unreadable(block, geometry));
  }
  findings.push(...checkParameters(metadata));
  findings.push(...checkEvents(metadata));
  findings.push(
    ...await checkDataProducts(device, geometry, options.verifyData ?? true),
  );
  findings.push(...checkJournal(metadata, geometry));
  return reportOf(findings, superblock, geometry);
}

function reportOf(
  findings: readonly Finding[],
  superblock: Superblock | null,
  geometry: Geometry | null,
): CheckReport {
  const wrong = findings.filter((finding) => finding.severity !== "info");
  const verdict = wrong.length === 0
    ? "clean"
    : wrong.every((finding) => finding.repairable)
    ? "repairable"
    : "bad";
  return { verdict, findings, superblock, geometry };
}

function superblockFinding(error: unknown): Finding {
  const offsets: Readonly<Record<string, number>> = {
    magic: 0x00,
    format_version: 0x04,
    total_blocks: 0x08,
    dp_start: 0x0C,
    dp_size: 0x10,
    crc32: 0x2C,
  };
  const field = error instanceof StorageError ? error.field : undefined;
  return {
    severity: "error",
    area: "superblock",
    block: 0,
    offset: offsets[field ?? ""] ?? 0,
    message: messageOf(error),
    expected: "a valid superblock; only its owner knows what it should hold",
    repairable: false,
  };
}

function unreadable(block: number, geometry: Geometry): Finding {
  const area = block === geometry.journalBlock
    ? "journal"
    : block < EVENT_FIRST_BLOCK
    ? "parameters"
    : "events";
  return {
    severity: "error",
    area,
    block,
    offset: 0,
    message: "the block can't be read",
    expected: "a readable block",
    repairable: false,
  };
}

function checkJournal(
  metadata: RecoveredMetadata,
  geometry: Geometry,
): Finding[] {
  const { journal, targetBlock } = metadata.report;
  const block = geometry.journalBlock;
  if (block === null) return [];
  const about = {
    severity: "info",
    area: "journal",
    block,
    offset: 0,
    repairable: true,
  } as const;
  if (journal === "invalid") {
    return [{
      ...about,
      message: "the journal is neither empty nor valid: a torn write",
      expected: "zeros or a valid image; nothing is lost",
    }];
  }
  if (journal === "ahead") {
    return [{
      ...about,
      message: `the journal holds a newer image of block ${targetBlock}`,
      expected: "it in place, which opening the volume does",
    }];
  }
  return [];
}

function checkParameters(metadata: RecoveredMetadata): Finding[] {
  const findings: Finding[] = [];
  const slots = parameterSlotsOf(metadata.parameterImages);
  const newest = newestEntries(slots);
  for (const [slot, content] of slots.entries()) {
    const index = Math.floor(slot / PARAMETERS_PER_BLOCK);
    if (metadata.parameterImages[index] === null) continue;
    const about = {
      area: "parameters",
      block: PARAMETER_FIRST_BLOCK + index,
      offset: (slot % PARAMETERS_PER_BLOCK) * PARAMETER_ENTRY_SIZE_BYTES,
    } as const;
    if (content.kind === "damaged") {
      findings.push({
        ...about,
        severity: "warning",
        message: `slot ${slot}: ${content.reason}`,
        expected: "a valid entry or zeros: a torn write, or a damaged entry",
        repairable: true,
      });
    }
    if (content.kind !== "entry") continue;
    const { parameterId, generation } = content.entry;
    const winner = newest.get(parameterId);
    if (winner === undefined || winner.slot === slot) continue;
    if (compareGenerations(winner.entry.generation, generation) > 0) continue;
    const same = sameBytes(winner.entry.value, content.entry.value) &&
      winner.entry.generation === generation;
    findings.push({
      ...about,
      severity: same ? "info" : "warning",
      message:
        `slot ${slot}: parameter ${parameterId} generation ${generation} is not older than generation ${winner.entry.generation} in slot ${winner.slot}`,
      expected: "one newest entry for each parameter; the lower slot counts",
      repairable: true,
    });
  }
  return findings;
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length &&
    one.every((byte, index) => byte === other[index]);
}

function checkEvents(metadata: RecoveredMetadata): Finding[] {
  const findings: Finding[] = [];
  for (let index = 0; index < EVENT_BLOCK_COUNT; index++) {
    const image = metadata.eventImages[index];
    if (!image) continue;
    const block = readEventBlock(image);
    const about = {
      area: "events",
      block: EVENT_FIRST_BLOCK + index,
    } as const;
    if (block.trailer === "damaged") {
      findings.push({
        ...about,
        severity: "warning",
        offset: EVENT_TRAILER_OFFSET,
        message: "the trailer is neither valid nor zero",
        expected: "a trailer; the records have no numbers without it",
        repairable: true,
      });
    }
    for (const [slot, content] of block.slots.entries()) {
      const offset = slot * EVENT_RECORD_SIZE_BYTES;
      if (content.kind === "damaged") {
        findings.push({
          ...about,
          severity: "warning",
          offset,
          message: `slot ${slot}: ${content.reason}`,
          expected: "a valid record or zeros: a torn write, or a lost record",
          repairable: true,
        });
      } else if (content.kind === "record" && content.sequence === null) {
        findings.push({
          ...about,
          severity: "info",
          offset,
          message: `slot ${slot} holds a record without a number`,
          expected: "a trailer behind it: other software wrote it",
          repairable: false,
        });
      }
    }
  }
  return findings;
}

async function checkDataProducts(
  device: BlockDevice,
  geometry: Geometry,
  verifyData: boolean,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const { products, gaps, endBlock, isCutShort } = await readCatalogue(
    device,
    geometry,
  );
  for (const [index, gap] of gaps.entries()) {
    const atEnd = endBlock === null && index === gaps.length - 1 && !isCutShort;
    findings.push({
      severity: atEnd ? "warning" : "error",
      area: "data products",
      block: gap.firstBlock,
      offset: 0,
      message: gap.reason,
      expected: atEnd
        ? "a descriptor, or zeros at the end of the catalogue"
        : `a descriptor: a product of up to ${gap.blockCount} blocks is lost`,
      repairable: atEnd,
    });
  }
  if (!verifyData) return findings;
  const store = new DataProductStore(device, geometry, null);
  for (const product of products) {
    try {
      await store.verify(product);
    } catch (error) {
      const at = error instanceof StorageError ? error.block : undefined;
      findings.push({
        severity: "error",
        area: "data products",
        block: at ?? product.descriptorBlock,
        offset: 0,
        message: messageOf(error),
        expected: `the ${product.dataLength} bytes of ${product.name}`,
        repairable: false,
      });
    }
  }
  return findings;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
