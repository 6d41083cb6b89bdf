/**
 * Open files, from the opening to the close. "Would block" is a value here, not
 * an error: a descriptor that is O_NONBLOCK answers `null` and the poller says
 * when to come back. What has offsets is in positioned_file.ts, what a file is
 * in file_status.ts. Imports the libc table and the error type.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { bytesOf, cString } from "./c_string.ts";
import { checkRetry, errno, libc } from "./libc.ts";

const EINTR = 4;
const EAGAIN = 11;
const AT_FDCWD = -100;

/** AArch64 numbers these two unlike the rest of Linux. */
const aarch64 = Deno.build.arch === "aarch64";

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
