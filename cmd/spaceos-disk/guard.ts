/**
 * Keeps writers off what is in use: mounted devices, swap, devices under a
 * device mapper or RAID, files behind a loop device or a running virtual
 * machine. The kernel is asked last and decides: a block device is opened with
 * O_EXCL, which it refuses for each of those. What comes before that only makes
 * the message a better one. Imports `lib/linux`.
 *
 * @module
 */

import { SystemError } from "../../lib/linux/error.ts";
import { tryLock } from "../../lib/linux/descriptor.ts";
import { close, open } from "../../lib/linux/file.ts";
import { status } from "../../lib/linux/file_status.ts";
import { CommandError } from "../command_line/error.ts";
import { ExitCode } from "./exit_code.ts";

/** What keeps others off while it is held. */
export interface Claim {
  /** Lets others in again. */
  release(): void;
}

/**
 * Claims a file or block device for writing.
 *
 * @param path The file or device node.
 * @param partition The number of the partition that is meant, or undefined for
 * the whole.
 * @returns The claim; release it when done.
 * @throws {CommandError} Naming who uses it.
 * @throws {SystemError} If it can't be opened for writing.
 */
export function claimForWriting(
  path: string,
  partition: number | undefined,
): Claim {
  const { kind, device, inode, specialDevice } = status(path);
  if (kind !== "block device") {
    const loop = loopDeviceOf(Deno.realPathSync(path));
    if (loop !== undefined) throw inUse(path, `it is attached to ${loop}`);
    const locks = readText("/proc/locks");
    const holder = lockHolder(locks, device, inode, Deno.pid);
    if (holder !== undefined) {
      throw inUse(
        path,
        `${holder} has it locked (a running virtual machine?)`,
      );
    }
    return lock(path, path, []);
  }
  const part = partition === undefined
    ? undefined
    : kernelPartition(specialDevice, partition);
  const devices = partition === undefined
    ? [specialDevice, ...partitionsOf(specialDevice)]
    // A partition that the kernel doesn't know can't be mounted.
    : part === undefined
    ? []
    : [part.device];
  for (const [used, how] of usesOf(readText("/proc/self/mountinfo"))) {
    if (devices.includes(used)) throw inUse(path, how);
  }
  for (const [node, how] of swapsOf(readText("/proc/swaps"))) {
    if (devices.includes(deviceOf(node))) throw inUse(path, how);
  }
  for (const id of devices) {
    const [holder] = listFolder(`/sys/dev/block/${id}/holders`);
    if (holder !== undefined) throw inUse(path, `${holder} is built on it`);
  }
  // The other partitions of the disk may well be mounted, which a claim on the
  // whole disk would not allow.
  const node = partition === undefined ? path : part?.node;
  return node === undefined
    ? lock(path, path, [])
    : lock(path, node, ["exclusive"]);
}

function lock(
  path: string,
  node: string,
  flags: readonly "exclusive"[],
): Claim {
  let descriptor: number;
  try {
    descriptor = open(node, ["readWrite", ...flags]);
  } catch (error) {
    if (error instanceof SystemError && error.code === "EBUSY") {
      throw inUse(path, "the kernel refuses exclusive use (O_EXCL)");
    }
    throw error;
  }
  if (!tryLock(descriptor)) {
    close(descriptor);
    throw inUse(path, "another program holds a lock on it (flock)");
  }
  return { release: () => close(descriptor) };
}

function inUse(path: string, how: string): CommandError {
  return new CommandError(
    ExitCode.REFUSED,
    `${path} is in use: ${how}; expected a device or file that nothing else writes`,
  );
}

/**
 * The devices that are mounted, from the text of /proc/self/mountinfo
 * (proc_pid_mountinfo(5)).
 *
 * @param text The file's content.
 * @returns Pairs of a device as `major:minor` and what it is used for.
 */
export function usesOf(text: string): [string, string][] {
  const uses: [string, string][] = [];
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    const dash = fields.indexOf("-");
    const [, , id = "", , mountPoint = ""] = fields;
    if (dash < 0) continue;
    const how = `it is mounted on ${unescape(mountPoint)}`;
    uses.push([id, how]);
    // btrfs and others show a made-up number; the source names the device.
    const source = unescape(fields[dash + 2] ?? "");
    if (source.startsWith("/dev/")) uses.push([deviceOf(source), how]);
  }
  return uses;
}

/** The nodes in use as swap, from the text of /proc/swaps. */
export function swapsOf(text: string): [string, string][] {
  return text.split("\n").slice(1).flatMap((line): [string, string][] => {
    const [node = ""] = line.split(/\s+/);
    return node === "" ? [] : [[unescape(node), "it is swap space"]];
  });
}

/** `\040` and the like, as the kernel writes blanks in these files. */
function unescape(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits) => String.fromCharCode(parseInt(digits, 8)),
  );
}

/**
 * Who holds a lock of a kind that QEMU takes on its disk images (open file
 * description or POSIX), from the text of /proc/locks.
 *
 * @param text The file's content.
 * @param device The file's device as `major:minor` in decimal.
 * @param inode The file's inode number.
 * @param ownPid Whose locks don't count.
 * @returns Words for who it is, or undefined if there is no such lock.
 */
export function lockHolder(
  text: string,
  device: string,
  inode: bigint,
  ownPid: number,
): string | undefined {
  const [major, minor] = device.split(":").map(Number);
  for (const line of text.split("\n")) {
    const [, type, , , pid, place = ""] = line.trim().split(/\s+/);
    if (type !== "OFDLCK" && type !== "POSIX") continue;
    const [lockMajor = "", lockMinor = "", lockInode] = place.split(":");
    if (
      parseInt(lockMajor, 16) !== major || parseInt(lockMinor, 16) !== minor ||
      lockInode !== String(inode) || pid === String(ownPid)
    ) continue;
    // An open file description has no process; the kernel says -1.
    return pid === "-1" ? "another program" : `process ${pid}`;
  }
  return undefined;
}

function loopDeviceOf(path: string): string | undefined {
  for (const name of listFolder("/sys/block")) {
    if (!name.startsWith("loop")) continue;
    const backing = readText(`/sys/block/${name}/loop/backing_file`).trim();
    if (backing === path) return `/dev/${name}`;
  }
  return undefined;
}

/** The partitions of a disk that the kernel knows, as `major:minor`. */
function partitionsOf(disk: string): string[] {
  const folder = `/sys/dev/block/${disk}`;
  return listFolder(folder).flatMap((name) => {
    const number = readText(`${folder}/${name}/partition`);
    return number === "" ? [] : [readText(`${folder}/${name}/dev`).trim()];
  });
}

function kernelPartition(
  disk: string,
  partition: number,
): { readonly device: string; readonly node: string } | undefined {
  const folder = `/sys/dev/block/${disk}`;
  for (const name of listFolder(folder)) {
    const number = readText(`${folder}/${name}/partition`).trim();
    if (number !== String(partition)) continue;
    const device = readText(`${folder}/${name}/dev`).trim();
    const node = `/dev/${name.replaceAll("!", "/")}`;
    if (deviceOf(node) === device) return { device, node };
  }
  return undefined;
}

function deviceOf(node: string): string {
  try {
    return status(node).specialDevice;
  } catch {
    return "";
  }
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function listFolder(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch {
    return [];
  }
}
