/**
 * `spaceos-disk format`: makes a volume, unless that would destroy something.
 *
 * @module
 */

import { close, open } from "../../lib/linux/file.ts";
import { status } from "../../lib/linux/file_status.ts";
import { truncate } from "../../lib/linux/positioned_file.ts";
import { SystemError } from "../../lib/linux/error.ts";
import type { BlockDevice } from "../../lib/storage/device.ts";
import { describeContent, formatVolume } from "../../lib/storage/format.ts";
import {
  MAXIMUM_BLOCK_COUNT,
  MINIMUM_BLOCK_COUNT,
} from "../../lib/storage/layout.ts";
import { formatUuid, parseUuid } from "../../lib/wire/uuid.ts";
import type { Command } from "./command.ts";
import { CommandError, usageError } from "../command_line/error.ts";
import { ExitCode } from "./exit_code.ts";
import { type Arguments, parseSize, quote } from "../command_line/options.ts";
import { showSize } from "../command_line/output.ts";
import { openTarget, type Target, TARGET_OPTIONS } from "./target.ts";

const BLOCK_BYTES = 512;
const MINIMUM_BYTES = MINIMUM_BLOCK_COUNT * BLOCK_BYTES;
const MAXIMUM_BYTES = MAXIMUM_BLOCK_COUNT * BLOCK_BYTES;
/** Volumes up to this size are searched for data whole, larger ones by samples. */
const WHOLE_SEARCH_BYTES = 256 * 1024 * 1024;
const CHUNK_BLOCKS = 2048;
/** So many samples at most: a disk seeks for each. */
const MAXIMUM_SAMPLES = 4096;

/** The subcommand `format`. */
export const format: Command = {
  summary: "make an empty volume",
  operands: ["TARGET"],
  options: {
    ...TARGET_OPTIONS,
    size: {
      value: "SIZE",
      help: "size of the volume, such as 64M; makes or grows a file",
    },
    tenant: { value: "N", help: "tenant id, 0..65535 (default 0)" },
    uuid: { value: "UUID", help: "UUID of the volume (default random)" },
    epoch: { value: "SECONDS", help: "time of the format (default now)" },
    "no-journal": {
      help: "keep no block for the journal: less safe, for old software",
    },
    force: { help: "destroy what is there", letter: "f" },
    json: { help: "print the new superblock as JSON" },
  },
  details:
    `A TARGET that holds anything is refused without --force: a known file system,
partition table or volume, or any byte that is not zero where the volume is to
be. Up to 256 MiB every block is looked at; of a larger volume the first and
last MiB and up to ${MAXIMUM_SAMPLES} blocks between. A device that is mounted or otherwise in use is refused
always. The superblock is written last: a format that is cut leaves no volume
rather than half of one. With --size, a file that is not there is made, with
permissions for its owner only.`,
  run: async (args, output) => {
    const path = args.operand(0);
    const uuid = uuidOption(args);
    const sizeBytes = sizeOption(args);
    const made = prepareFile(path, args, sizeBytes);
    try {
      const target = await openTarget(path, args, "write");
      try {
        const { blockCount } = target.device;
        const totalBlocks = sizeBytes === undefined
          ? blockCount
          : sizeBytes / BLOCK_BYTES;
        if (totalBlocks > MAXIMUM_BLOCK_COUNT) {
          throw new CommandError(
            ExitCode.FAILED,
            `${target.name} has ${blockCount} blocks, a volume at most ${MAXIMUM_BLOCK_COUNT}; expected a smaller --size`,
          );
        }
        if (!args.has("force") && !made) {
          await refuseContent(target, Math.min(blockCount, totalBlocks));
        }
        const epoch = args.integer("epoch", 0, Number.MAX_SAFE_INTEGER);
        const superblock = await formatVolume(target.device, {
          tenantId: args.integer("tenant", 0, 0xFFFF) ?? 0,
          journal: !args.has("no-journal"),
          ...(uuid === undefined ? {} : { uuid }),
          ...(epoch === undefined ? {} : { epoch: BigInt(epoch) }),
          totalBlocks,
        });
        if (args.has("json")) {
          output.json({ ...superblock, uuid: formatUuid(superblock.uuid) });
        } else {
          output.line(
            `${target.name}: formatted, ${superblock.totalBlocks} blocks (${
              showSize(superblock.totalBlocks * BLOCK_BYTES)
            }), tenant ${superblock.tenantId}, UUID ${
              formatUuid(superblock.uuid)
            }`,
          );
        }
      } finally {
        target.close();
      }
    } catch (error) {
      // A file that this very call made holds nothing of anybody.
      if (made) Deno.removeSync(path);
      throw error;
    }
    return ExitCode.OK;
  },
};

function uuidOption(args: Arguments): Uint8Array | undefined {
  const text = args.text("uuid");
  if (text === undefined) return undefined;
  const uuid = parseUuid(text);
  if (uuid === undefined) {
    throw usageError(
      `--uuid is ${
        quote(text)
      }, expected a UUID such as f81d4fae-7dec-41d0-a765-00a0c91e6bf6`,
    );
  }
  return uuid;
}

function sizeOption(args: Arguments): number | undefined {
  const text = args.text("size");
  if (text === undefined) return undefined;
  const sizeBytes = parseSize("--size", text);
  if (sizeBytes % BLOCK_BYTES !== 0) {
    throw usageError(`--size is ${text}, expected a multiple of 512 bytes`);
  }
  if (sizeBytes < MINIMUM_BYTES || sizeBytes > MAXIMUM_BYTES) {
    throw usageError(
      `--size is ${text}, expected ${MINIMUM_BYTES}..${MAXIMUM_BYTES} bytes (${MINIMUM_BLOCK_COUNT}..${MAXIMUM_BLOCK_COUNT} blocks)`,
    );
  }
  return sizeBytes;
}

/** Makes or grows the file; returns whether it was made. */
function prepareFile(
  path: string,
  args: Arguments,
  sizeBytes: number | undefined,
): boolean {
  let made = false;
  let descriptor: number;
  try {
    const { kind, lengthBytes } = status(path);
    const grows = sizeBytes !== undefined && kind === "file" &&
      lengthBytes < sizeBytes && !args.has("partition");
    if (!grows) return false;
    descriptor = open(path, ["readWrite"]);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "ENOENT") throw error;
    if (sizeBytes === undefined || args.has("partition")) {
      throw new CommandError(
        ExitCode.FAILED,
        `${path} is not there; expected a file or block device, or --size to make a file`,
      );
    }
    descriptor = open(path, ["readWrite", "create", "exclusive"]);
    made = true;
  }
  try {
    truncate(descriptor, sizeBytes ?? 0);
  } catch (error) {
    if (made) Deno.removeSync(path);
    throw error;
  } finally {
    close(descriptor);
  }
  return made;
}

async function refuseContent(
  { device, name }: Target,
  blockCount: number,
): Promise<void> {
  const content = await describeContent(device) ??
    await findData(device, blockCount);
  if (content === null) return;
  throw new CommandError(
    ExitCode.REFUSED,
    `${name} holds ${content}; expected nothing but zeros, or --force to destroy it`,
  );
}

/** Says what is in the first blocks of a device, as far as it looks. */
async function findData(
  device: BlockDevice,
  blockCount: number,
): Promise<string | null> {
  const isWhole = blockCount * BLOCK_BYTES <= WHOLE_SEARCH_BYTES;
  const strideBlocks = isWhole ? CHUNK_BLOCKS : Math.max(
    CHUNK_BLOCKS,
    Math.ceil(blockCount / MAXIMUM_SAMPLES / CHUNK_BLOCKS) * CHUNK_BLOCKS,
  );
  const lastBlock = Math.max(0, blockCount - CHUNK_BLOCKS);
  for (let block = 0; block < blockCount; block += strideBlocks) {
    const isEdge = isWhole || block === 0;
    const count = isEdge ? Math.min(CHUNK_BLOCKS, blockCount - block) : 1;
    const found = await findByte(device, block, count);
    if (found !== null) return found;
  }
  return await findByte(device, lastBlock, blockCount - lastBlock);
}

async function findByte(
  device: BlockDevice,
  block: number,
  count: number,
): Promise<string | null> {
  const bytes = await device.read(block, count);
  const at = bytes.findIndex((byte) => byte !== 0);
  return at < 0 ? null : `data (first at byte ${block * BLOCK_BYTES + at})`;
}
