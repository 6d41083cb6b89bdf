/**
 * Finds the volume among the devices it may be on, judges what is there, and
 * opens it. Each device that will not do is named with the field that is
 * wrong. Imports `storage`, `wire` and the command line.
 *
 * @module
 */
import { SystemError } from "../linux/error.ts";
import type { BlockDevice } from "../storage/device.ts";
import { openFileDevice } from "../storage/file_device.ts";
import { openVolume, type Volume } from "../storage/volume.ts";
import { formatSuperblock } from "../wire/superblock.ts";
import { type BootOptions, diskCandidates } from "./command_line.ts";

/** How long a disk may take to answer during the boot. */
export const DISK_ANSWER_LIMIT_MS = 10_000;

/** How long the init waits for a disk that the command line names to appear. */
export const DISK_APPEARANCE_LIMIT_MS = 2_000;

/** The disks of a machine. */
export interface Disks {
  /** Whether there is a disk of this name. */
  exists(path: string): boolean;
  /**
   * Opens a disk for writing or, where it refuses that, for reading.
   *
   * @throws {Error} When it can't be opened.
   */
  open(path: string): BlockDevice;
}

/** The disks that have a device node or are files. */
const FILES: Disks = { exists, open: openDevice };

/** What was found. */
export interface FoundVolume {
  /** The open volume, or null. */
  readonly volume: Volume | null;
  /** The device that holds it, or null. */
  readonly path: string | null;
  /** Lines for the log: the superblock's fields, what recovery did. */
  readonly lines: readonly string[];
  /** Why there is none, one reason a device; empty when there is one. */
  readonly reasons: readonly string[];
}

/**
 * Tries the candidates in order and opens the first volume that is one.
 *
 * @param options The parsed command line.
 * @param disks The machine's disks.
 * @returns The volume, or the reasons why there is none. Nothing throws.
 *
 * @example
 * ```ts
 * import { parseCommandLine } from "./command_line.ts";
 * import { findVolume } from "./find_volume.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const found = await findVolume(parseCommandLine("spaceos.disk=/dev/null"));
 * assertEquals(found.volume, null);
 * assertEquals(found.reasons.length, 1);
 * ```
 */
export async function findVolume(
  options: BootOptions,
  disks: Disks = FILES,
): Promise<FoundVolume> {
  const reasons: string[] = [];
  if (options.diskPath !== undefined) await appearance(options.diskPath, disks);
  for (const path of diskCandidates(options)) {
    if (!disks.exists(path)) {
      reasons.push(`${path} is not there`);
      continue;
    }
    try {
      const volume = await open(disks.open(path));
      return {
        volume,
        path,
        lines: [
          `superblock of ${path}:`,
          ...formatSuperblock(volume.superblock).split("\n")
            .map((line) => `  ${line}`),
          ...recoveryLines(volume),
        ],
        reasons: [],
      };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      reasons.push(text.includes(path) ? text : `${path}: ${text}`);
    }
  }
  return { volume: null, path: null, lines: [], reasons };
}

/** What an operator should know of how the volume was found. */
function recoveryLines({ recovery, readOnly, hasJournal }: Volume): string[] {
  const lines: string[] = [];
  if (recovery.journal === "restored") {
    lines.push(`block ${recovery.targetBlock} restored from the journal`);
  }
  if (recovery.unreadableBlocks.length > 0) {
    lines.push(`unreadable blocks: ${recovery.unreadableBlocks.join(" ")}`);
  }
  if (!readOnly && !hasJournal) lines.push("the volume has no journal block");
  return lines;
}

function openDevice(path: string): BlockDevice {
  try {
    return openFileDevice(path);
  } catch (error) {
    const refused = error instanceof SystemError &&
      (error.code === "EROFS" || error.code === "EACCES");
    if (!refused) throw error;
    return openFileDevice(path, { readOnly: true });
  }
}

async function open(device: BlockDevice): Promise<Volume> {
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(
    () =>
      limit.reject(new Error(`no answer within ${DISK_ANSWER_LIMIT_MS} ms`)),
    DISK_ANSWER_LIMIT_MS,
  );
  try {
    const opening = openVolume(device, {
      operationTimeoutMs: DISK_ANSWER_LIMIT_MS,
    });
    return await Promise.race([opening, limit.promise]);
  } catch (error) {
    device.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Drivers find their disks a moment after they are loaded. */
async function appearance(path: string, disks: Disks): Promise<void> {
  const stepMs = 20;
  for (
    let ms = 0;
    ms < DISK_APPEARANCE_LIMIT_MS && !disks.exists(path);
    ms += stepMs
  ) {
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
