/**
 * Files and block devices: opening, reading, writing, and what they are. "Would
 * block" is a value here, not an error: a descriptor that is O_NONBLOCK answers
 * `null` and the poller says when to come back. The functions that end in
 * `Async` run on another thread, for disks that may hang; there errno is lost,
 * so their errors say EIO. Imports the libc table and the error type.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { bytesOf, cString } from "./c_string.ts";
import { check, checkRetry, errno, libc } from "./libc.ts";

const EINTR = 4;
const EIO = 5;
const EAGAIN = 11;
const EINVAL = 22;
const AT_FDCWD = -100;

/** AArch64 numbers these two unlike the rest of Linux. */
const aarch64 = Deno.build.arch === "aarch64";

/** `struct statvfs` of 64-bit glibc: eleven words and six spare integers. */
const STATVFS_SIZE_BYTES = 112;
const STATVFS_FLAGS_OFFSET = 72;

/** Flags of {@linkcode open}, from `asm-generic/fcntl.h`. */
export const OPEN_FLAGS = {
  writeOnly: 0o1,
  readWrite: 0o2,
  create: 0o100,
  exclusive: 0o200,
  noControllingTerminal: 0o400,
  truncate: 0o1000,
  append: 0o2000,
  nonblock: 0o4000,
  dataSync: 0o10000,
  directory: aarch64 ? 0o40000 : 0o200000,
  noFollow: aarch64 ? 0o100000 : 0o400000,
  path: 0o10000000,
} as const satisfies Record<string, number>;

/** The name of an open flag. Without `writeOnly` or `readWrite`, a file is opened for reading. */
export type OpenFlag = keyof typeof OPEN_FLAGS;

const O_CLOEXEC = 0o2000000;

/**
 * Opens a file (`openat(2)`), always close-on-exec.
 *
 * @param path The file.
 * @param flags Flags by name, for example `["readWrite", "nonblock"]`.
 * @param mode Permissions when it is made, before the umask, default 0o600.
 * @returns The descriptor.
 * @throws {SystemError} With the path.
 *
 * @example
 * ```ts
 * import { assertGreaterOrEqual } from "@std/assert";
 * import { close, open } from "./file.ts";
 *
 * const descriptor = open("/dev/null", ["readWrite"]);
 * assertGreaterOrEqual(descriptor, 0);
 * close(descriptor);
 * ```
 */
export function open(
  path: string,
  flags: readonly OpenFlag[] = [],
  mode = 0o600,
): number {
  const bits = flags.reduce((sum, flag) => sum | OPEN_FLAGS[flag], O_CLOEXEC);
  const name = cString(path);
  return checkRetry(
    () => libc().openat(AT_FDCWD, name, bits, mode),
    "open",
    path,
  );
}

/**
 * Closes a descriptor (`close(2)`). It is closed even when this throws; it is
 * never tried again, since another file may have its number by then.
 *
 * @param descriptor The descriptor.
 * @throws {SystemError} EBADF when it was not open, EIO when data that was
 * written before is lost.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { close } from "./file.ts";
 * import { SystemError } from "./error.ts";
 *
 * assertThrows(() => close(-1), SystemError, "EBADF");
 * ```
 */
export function close(descriptor: number): void {
  if (Number(libc().close(descriptor)) !== -1) return;
  const number = errno();
  // Linux has closed it before it was interrupted.
  if (number === EINTR) return;
  throw new SystemError({ syscall: "close", errno: number });
}

/** Sizes as C takes them, by their 256s: each `bigint` made anew is an object. */
const SIZES = Array.from({ length: 65 }, (_, index) => BigInt(256 * index));

/** A `size_t`. */
function sizeOf({ length }: Uint8Array): bigint {
  const known = length % 256 === 0 ? SIZES[length / 256] : undefined;
  return known ?? BigInt(length);
}

/** A result of -1 judged: `null` for "would block", `undefined` for "again". */
function transferFailure(syscall: string): null | undefined {
  const number = errno();
  if (number === EINTR) return undefined;
  if (number === EAGAIN) return null;
  throw new SystemError({ syscall, errno: number });
}

/**
 * Reads once (`read(2)`), again when a signal interrupts.
 *
 * @param descriptor The descriptor.
 * @param buffer Where to put the bytes.
 * @returns How many bytes were read; 0 at the end of the file; `null` when an
 * O_NONBLOCK descriptor has nothing now.
 * @throws {SystemError} Any other failure.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pipe } from "./descriptor.ts";
 * import { close, read, write } from "./file.ts";
 *
 * const [reader, writer] = pipe();
 * const buffer = new Uint8Array(16);
 * assertEquals(read(reader, buffer), null);
 * write(writer, new TextEncoder().encode("hello"));
 * assertEquals(read(reader, buffer), 5);
 * close(writer);
 * assertEquals(read(reader, buffer), 0);
 * close(reader);
 * ```
 */
export function read(descriptor: number, buffer: Uint8Array): number | null {
  for (;;) {
    const count = Number(
      libc().read(descriptor, bytesOf(buffer), sizeOf(buffer)),
    );
    if (count !== -1) return count;
    if (transferFailure("read") === null) return null;
  }
}

/**
 * Writes once (`write(2)`), again when a signal interrupts. Fewer bytes than
 * given may be taken.
 *
 * @param descriptor The descriptor.
 * @param bytes What to write.
 * @returns How many bytes were taken; `null` when an O_NONBLOCK descriptor
 * takes none now.
 * @throws {SystemError} Any other failure; EPIPE when nobody reads any more.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { pipe } from "./descriptor.ts";
 * import { close, write } from "./file.ts";
 * import { SystemError } from "./error.ts";
 *
 * const [reader, writer] = pipe();
 * close(reader);
 * assertThrows(() => write(writer, new Uint8Array(1)), SystemError, "EPIPE");
 * close(writer);
 * ```
 */
export function write(descriptor: number, bytes: Uint8Array): number | null {
  for (;;) {
    const count = Number(
      libc().write(descriptor, bytesOf(bytes), sizeOf(bytes)),
    );
    if (count !== -1) return count;
    if (transferFailure("write") === null) return null;
  }
}

/**
 * Reads at an offset until the buffer is full or the file ends (`pread(2)`).
 *
 * @param descriptor A file or block device.
 * @param buffer Where to put the bytes.
 * @param offset Bytes from the start, 0 or more.
 * @returns How many bytes were read; fewer than asked only at the end.
 * @throws {SystemError} EIO for a bad sector, and others.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { close, open, pread } from "./file.ts";
 *
 * const descriptor = open("/dev/zero");
 * const buffer = new Uint8Array(512).fill(1);
 * assertEquals(pread(descriptor, buffer, 0), 512);
 * assertEquals(buffer, new Uint8Array(512));
 * close(descriptor);
 * ```
 */
export function pread(
  descriptor: number,
  buffer: Uint8Array,
  offset: number,
): number {
  let done = 0;
  while (done < buffer.length) {
    const rest = bytesOf(buffer.subarray(done));
    const count = checkRetry(
      () =>
        libc().pread(
          descriptor,
          rest,
          BigInt(rest.length),
          BigInt(offset + done),
        ),
      "pread",
    );
    if (count === 0) break;
    done += count;
  }
  return done;
}

/**
 * Writes all bytes at an offset (`pwrite(2)`).
 *
 * @param descriptor A file or block device.
 * @param bytes What to write.
 * @param offset Bytes from the start, 0 or more.
 * @throws {SystemError} ENOSPC at the end of a device, EIO, and others. Some of
 * the bytes may have been written then.
 *
 * @example
 * ```ts
 * import { close, open, pwrite } from "./file.ts";
 *
 * const descriptor = open("/dev/null", ["writeOnly"]);
 * pwrite(descriptor, new Uint8Array(512), 4096);
 * close(descriptor);
 * ```
 */
export function pwrite(
  descriptor: number,
  bytes: Uint8Array,
  offset: number,
): void {
  let done = 0;
  while (done < bytes.length) {
    const rest = bytesOf(bytes.subarray(done));
    const count = checkRetry(
      () =>
        libc().pwrite(
          descriptor,
          rest,
          BigInt(rest.length),
          BigInt(offset + done),
        ),
      "pwrite",
    );
    if (count === 0) throw new SystemError({ syscall: "pwrite", errno: EIO });
    done += count;
  }
}

/**
 * The same bytes at a place that stays. V8 keeps short arrays in its own heap
 * and moves them; asking for their buffer settles them, so that the other
 * thread's address stays right.
 */
function settled(view: Uint8Array): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.length);
}

function lostErrno(syscall: string): SystemError {
  return new SystemError({
    syscall,
    errno: EIO,
    detail: "on another thread, where the exact error is lost",
  });
}

/**
 * As {@linkcode pread}, on another thread: a disk that hangs holds up this
 * promise only. The buffer must be left alone until then.
 *
 * @param descriptor A file or block device.
 * @param buffer Where to put the bytes.
 * @param offset Bytes from the start, 0 or more.
 * @returns How many bytes were read; fewer than asked only at the end.
 * @throws {SystemError} EIO for any failure.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { close, open, preadAsync } from "./file.ts";
 *
 * const descriptor = open("/dev/zero");
 * assertEquals(await preadAsync(descriptor, new Uint8Array(512), 0), 512);
 * close(descriptor);
 * ```
 */
export async function preadAsync(
  descriptor: number,
  buffer: Uint8Array,
  offset: number,
): Promise<number> {
  const whole = settled(buffer);
  let done = 0;
  while (done < whole.length) {
    const rest = bytesOf(whole.subarray(done));
    const count = Number(
      await libc().preadAsync(
        descriptor,
        rest,
        BigInt(rest.length),
        BigInt(offset + done),
      ),
    );
    if (count === -1) throw lostErrno("pread");
    if (count === 0) break;
    done += count;
  }
  return done;
}

/**
 * As {@linkcode pwrite}, on another thread. The bytes must be left alone until
 * the promise is settled.
 *
 * @param descriptor A file or block device.
 * @param bytes What to write.
 * @param offset Bytes from the start, 0 or more.
 * @throws {SystemError} EIO for any failure.
 *
 * @example
 * ```ts
 * import { close, open, pwriteAsync } from "./file.ts";
 *
 * const descriptor = open("/dev/null", ["writeOnly"]);
 * await pwriteAsync(descriptor, new Uint8Array(512), 4096);
 * close(descriptor);
 * ```
 */
export async function pwriteAsync(
  descriptor: number,
  bytes: Uint8Array,
  offset: number,
): Promise<void> {
  const whole = settled(bytes);
  let done = 0;
  while (done < whole.length) {
    const rest = bytesOf(whole.subarray(done));
    const count = Number(
      await libc().pwriteAsync(
        descriptor,
        rest,
        BigInt(rest.length),
        BigInt(offset + done),
      ),
    );
    if (count <= 0) throw lostErrno("pwrite");
    done += count;
  }
}

/**
 * Waits until what was written is on the medium (`fdatasync(2)`).
 *
 * @param descriptor A file or block device.
 * @throws {SystemError} EIO when data was lost. It may be reported only once:
 * a later success does not mean that the lost data is there.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { fdatasync } from "./file.ts";
 * import { SystemError } from "./error.ts";
 *
 * assertThrows(() => fdatasync(-1), SystemError, "EBADF");
 * ```
 */
export function fdatasync(descriptor: number): void {
  checkRetry(() => libc().fdatasync(descriptor), "fdatasync");
}

/**
 * As {@linkcode fdatasync}, on another thread.
 *
 * @param descriptor A file or block device.
 * @throws {SystemError} EIO for any failure.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { fdatasyncAsync } from "./file.ts";
 * import { SystemError } from "./error.ts";
 *
 * await assertRejects(() => fdatasyncAsync(-1), SystemError, "EIO");
 * ```
 */
export async function fdatasyncAsync(descriptor: number): Promise<void> {
  if (await libc().fdatasyncAsync(descriptor) === -1) {
    throw lostErrno("fdatasync");
  }
}

/**
 * Has the kernel drop what it has cached of a file and need not write
 * (`posix_fadvise(2)`, POSIX_FADV_DONTNEED), so that the next read shows what
 * is on the medium. It is a wish: nothing says whether it was granted.
 *
 * @param descriptor A file or block device.
 *
 * @example
 * ```ts
 * import { close, dropCache, open } from "./file.ts";
 *
 * const descriptor = open("/proc/self/exe");
 * dropCache(descriptor);
 * close(descriptor);
 * ```
 */
export function dropCache(descriptor: number): void {
  const POSIX_FADV_DONTNEED = 4;
  libc().posix_fadvise(descriptor, 0n, 0n, POSIX_FADV_DONTNEED);
}

/**
 * Waits until every file system's data is on its medium (`sync(2)`), on another
 * thread: a dead disk may hold it for ever, so put a deadline around it.
 *
 * @example
 * ```ts
 * import { syncAll } from "./file.ts";
 *
 * await syncAll();
 * ```
 */
export async function syncAll(): Promise<void> {
  await libc().syncAsync();
}

/**
 * Sets a file's length (`ftruncate(2)`); what is added reads as zeros.
 *
 * @param descriptor A file open for writing.
 * @param lengthBytes The new length.
 * @throws {SystemError} EINVAL for a device or a file open for reading only.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { truncate } from "./file.ts";
 * import { SystemError } from "./error.ts";
 *
 * assertThrows(() => truncate(-1, 512), SystemError, "EBADF");
 * ```
 */
export function truncate(descriptor: number, lengthBytes: number): void {
  checkRetry(
    () => libc().ftruncate(descriptor, BigInt(lengthBytes)),
    "ftruncate",
  );
}

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
 * import { status } from "./file.ts";
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
 * import { close, open, sizeBytes } from "./file.ts";
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
 * import { close, isReadOnly, open } from "./file.ts";
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

/**
 * A device's own operation (`ioctl(2)`).
 *
 * @param descriptor An open device.
 * @param operation The request number.
 * @param argument The structure that it reads or fills, if any.
 * @param name The name for the error's message.
 * @returns What the call returned, mostly 0.
 * @throws {SystemError} ENOTTY when the device has no such operation.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { close, ioctl, open } from "./file.ts";
 * import { SystemError } from "./error.ts";
 *
 * const descriptor = open("/dev/null");
 * assertThrows(() => ioctl(descriptor, 0x1272, null), SystemError, "ENOTTY");
 * close(descriptor);
 * ```
 */
export function ioctl(
  descriptor: number,
  operation: number,
  argument: BufferSource | null,
  name = "ioctl",
): number {
  return checkRetry(
    () => libc().ioctl(descriptor, BigInt(operation), argument as ArrayBuffer),
    name,
  );
}
