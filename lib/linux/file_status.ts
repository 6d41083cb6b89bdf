/**
 * What a file or device is: its kind, size, owner and times, and whether it takes
 * writes. Imports the libc table, the error type and `ioctl`.
 *
 * @module
 */

import { cString } from "./c_string.ts";
import { SystemError } from "./error.ts";
import { ioctl } from "./file.ts";
import { check, checkRetry, libc } from "./libc.ts";

const EINVAL = 22;
const AT_FDCWD = -100;

/** `struct statvfs` of 64-bit glibc: eleven words and six spare integers. */
const STATVFS_SIZE_BYTES = 112;
const STATVFS_FLAGS_OFFSET = 72;

/** What kind of thing a file is. */
export type FileKind =
  | "file"
  | "directory"
  | "block device"
  | "character device"
  | "pipe"
  | "socket"
  | "symbolic link"
  | "unknown";

/** What {@linkcode status} tells of a file. */
export interface FileStatus {
  /** What kind of thing it is. */
  readonly kind: FileKind;
  /** Length in bytes; 0 for devices, see {@linkcode sizeBytes}. */
  readonly lengthBytes: number;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** Owner. */
  readonly userId: number;
  /** Group. */
  readonly groupId: number;
  /** Inode number. */
  readonly inode: bigint;
  /** The device that holds it, as `major:minor`. */
  readonly device: string;
  /** For a device node, the device itself, as `major:minor`. */
  readonly specialDevice: string;
  /** Time of the last change of content, milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Time of the last change of content or status, milliseconds since 1970; no program can set it. */
  readonly changedMs: number;
}

const KINDS: Readonly<Record<number, FileKind>> = {
  0o010000: "pipe",
  0o020000: "character device",
  0o040000: "directory",
  0o060000: "block device",
  0o100000: "file",
  0o120000: "symbolic link",
  0o140000: "socket",
};

/**
 * Tells what a file is (`statx(2)`, whose layout is the same on every
 * architecture). Symbolic links are followed.
 *
 * @param file A path or a descriptor.
 * @throws {SystemError} With the path.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { status } from "./file_status.ts";
 *
 * assertEquals(status("/dev/null").kind, "character device");
 * assertEquals(status("/dev/null").specialDevice, "1:3");
 * ```
 */
export function status(file: string | number): FileStatus {
  const AT_EMPTY_PATH = 0x1000, STATX_BASIC_STATS = 0x7FF;
  const buffer = new DataView(new ArrayBuffer(256));
  const result = typeof file === "number"
    ? libc().statx(file, cString(""), AT_EMPTY_PATH, STATX_BASIC_STATS, buffer)
    : libc().statx(AT_FDCWD, cString(file), 0, STATX_BASIC_STATS, buffer);
  check(result, "statx", typeof file === "number" ? undefined : file);
  const mode = buffer.getUint16(28, true);
  const number = (major: number): string =>
    `${buffer.getUint32(major, true)}:${buffer.getUint32(major + 4, true)}`;
  const time = (offset: number): number =>
    Number(buffer.getBigInt64(offset, true)) * 1e3 +
    buffer.getUint32(offset + 8, true) / 1e6;
  return {
    kind: KINDS[mode & 0o170000] ?? "unknown",
    lengthBytes: Number(buffer.getBigUint64(40, true)),
    mode: mode & 0o7777,
    userId: buffer.getUint32(20, true),
    groupId: buffer.getUint32(24, true),
    inode: buffer.getBigUint64(32, true),
    device: number(136),
    specialDevice: number(128),
    modifiedMs: time(112),
    changedMs: time(96),
  };
}

/**
 * The size of a file or a block device in bytes.
 *
 * @param descriptor An open file or block device.
 * @throws {SystemError} EINVAL for what has no size, such as a pipe.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { close, open } from "./file.ts";
 * import { sizeBytes } from "./file_status.ts";
 * import { SystemError } from "./error.ts";
 *
 * const descriptor = open("/dev/null");
 * assertThrows(() => sizeBytes(descriptor), SystemError, "EINVAL");
 * close(descriptor);
 * ```
 */
export function sizeBytes(descriptor: number): number {
  const { kind, lengthBytes } = status(descriptor);
  if (kind === "file") return lengthBytes;
  if (kind !== "block device") {
    throw new SystemError({
      syscall: "statx",
      errno: EINVAL,
      detail: `a ${kind} has no size, expected a file or a block device`,
    });
  }
  const BLKGETSIZE64 = 0x80081272;
  const size = new BigUint64Array(new ArrayBuffer(8));
  ioctl(descriptor, BLKGETSIZE64, size, "ioctl BLKGETSIZE64");
  return Number(size[0] ?? 0n);
}

/**
 * Whether the kernel refuses all writes to what is open: a block device that is
 * set read-only (`BLKROGET`), or a file on a file system that is (`statvfs(3)`).
 * Either may come about after the opening.
 *
 * @param descriptor An open file or block device.
 * @returns Whether it is so now.
 * @throws {SystemError} EBADF.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { close, open } from "./file.ts";
 * import { isReadOnly } from "./file_status.ts";
 *
 * const path = await Deno.makeTempFile();
 * const descriptor = open(path, ["readWrite"]);
 * assertEquals(isReadOnly(descriptor), false);
 * close(descriptor);
 * await Deno.remove(path);
 * ```
 */
export function isReadOnly(descriptor: number): boolean {
  if (status(descriptor).kind === "block device") {
    const BLKROGET = 0x125E;
    const answer = new Int32Array(1);
    ioctl(descriptor, BLKROGET, answer, "ioctl BLKROGET");
    return answer[0] !== 0;
  }
  const ST_RDONLY = 1n;
  const buffer = new DataView(new ArrayBuffer(STATVFS_SIZE_BYTES));
  checkRetry(() => libc().fstatvfs(descriptor, buffer.buffer), "fstatvfs");
  const flags = buffer.getBigUint64(STATVFS_FLAGS_OFFSET, true);
  return (flags & ST_RDONLY) !== 0n;
}
