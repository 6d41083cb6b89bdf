/**
 * The volume that a command works on: a file or block device, or a GPT
 * partition inside either. Imports `lib/linux` and `lib/storage`.
 *
 * @module
 */

import { SystemError } from "../../lib/linux/error.ts";
import { close, open } from "../../lib/linux/file.ts";
import {
  type FileStatus,
  sizeBytes,
  status,
} from "../../lib/linux/file_status.ts";
import { pread } from "../../lib/linux/positioned_file.ts";
import {
  type FileBlockDevice,
  openFileDevice,
} from "../../lib/storage/file_device.ts";
import { openVolume, type Volume } from "../../lib/storage/volume.ts";
import { CommandError } from "../command_line/error.ts";
import { ExitCode } from "./exit_code.ts";
import { type GptPartition, readGpt } from "./gpt.ts";
import { claimForWriting } from "./guard.ts";
import type { Arguments, OptionTable } from "../command_line/options.ts";

/** The options of every command that works on a volume. */
export const TARGET_OPTIONS: OptionTable = {
  partition: {
    value: "N",
    help: "the volume is in partition N of a GPT disk or image",
  },
};

/** An open target. */
export interface Target {
  /** The disk: the whole, or the partition. */
  readonly device: FileBlockDevice;
  /** How messages name it. */
  readonly name: string;
  /** Closes the disk and lets others in. */
  close(): void;
}

/**
 * Opens the target of a command.
 *
 * @param path The file or device node.
 * @param args The command line, for `--partition`.
 * @param access Whether it is read or written.
 * @throws {CommandError} If it is in use or has no such partition.
 * @throws {SystemError} If it can't be opened.
 */
export async function openTarget(
  path: string,
  args: Arguments,
  access: "read" | "write",
): Promise<Target> {
  const { kind } = statusOf(path);
  if (kind !== "file" && kind !== "block device") {
    throw new CommandError(
      ExitCode.FAILED,
      `${path} is a ${kind}, expected a file or a block device`,
    );
  }
  const number = args.integer("partition", 1, 1024);
  const part = number === undefined
    ? undefined
    : await findPartition(path, number);
  const claim = access === "write" ? claimForWriting(path, number) : undefined;
  try {
    const device = openFileDevice(path, {
      readOnly: access === "read",
      // Nothing else waits for this thread.
      blocking: true,
      ...(part === undefined ? {} : {
        offsetBytes: part.offsetBytes,
        lengthBytes: part.lengthBytes,
      }),
    });
    return {
      device,
      name: number === undefined ? path : `${path} partition ${number}`,
      close: () => {
        device.close();
        claim?.release();
      },
    };
  } catch (error) {
    claim?.release();
    throw error;
  }
}

/**
 * Opens the volume of a command, hands it to `use`, and closes it whatever
 * happens.
 */
export async function withVolume<T>(
  args: Arguments,
  access: "read" | "write",
  use: (volume: Volume, target: Target) => Promise<T>,
): Promise<T> {
  const target = await openTarget(args.operand(0), args, access);
  try {
    const volume = await openVolume(target.device, {
      readOnly: access === "read",
    });
    try {
      return await use(volume, target);
    } finally {
      await volume.close();
    }
  } finally {
    target.close();
  }
}

function statusOf(path: string): FileStatus {
  try {
    return status(path);
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT") {
      throw new CommandError(
        ExitCode.FAILED,
        `${path} is not there; expected a file or a block device`,
      );
    }
    throw error;
  }
}

async function findPartition(
  path: string,
  number: number,
): Promise<GptPartition> {
  const descriptor = open(path);
  try {
    const size = sizeBytes(descriptor);
    const gpt = await readGpt((offset, length) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, pread(descriptor, bytes, offset));
    }, size);
    if ("faults" in gpt) {
      throw new CommandError(
        ExitCode.FAILED,
        `${path} has no usable GPT: ${gpt.faults.join("; ")}`,
      );
    }
    if (gpt.primaryFault !== undefined) {
      console.error(
        `spaceos-disk: warning: ${path}: the backup GPT is used: ${gpt.primaryFault}`,
      );
    }
    const found = gpt.partitions.find((part) => part.number === number);
    if (found === undefined) {
      const numbers = gpt.partitions.map((part) => part.number).join(", ");
      throw new CommandError(
        ExitCode.FAILED,
        `${path} has no partition ${number}, expected one of: ${
          numbers || "(none)"
        }`,
      );
    }
    return found;
  } finally {
    close(descriptor);
  }
}
