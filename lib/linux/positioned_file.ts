/**
 * Files and block devices by offset, and how what was written becomes durable.
 * The functions that end in `Async` run on another thread, for disks that may
 * hang; there errno is lost, so their errors say EIO. Imports the libc table and
 * the error type.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { bytesOf } from "./c_string.ts";
import { checkRetry, libc } from "./libc.ts";

const EIO = 5;

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
 * import { close, open } from "./file.ts";
 * import { pread } from "./positioned_file.ts";
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
 * import { close, open } from "./file.ts";
 * import { pwrite } from "./positioned_file.ts";
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
 * import { close, open } from "./file.ts";
 * import { preadAsync } from "./positioned_file.ts";
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
 * import { close, open } from "./file.ts";
 * import { pwriteAsync } from "./positioned_file.ts";
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
 * import { fdatasync } from "./positioned_file.ts";
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
 * import { fdatasyncAsync } from "./positioned_file.ts";
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
 * import { close, open } from "./file.ts";
 * import { dropCache } from "./positioned_file.ts";
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
 * import { syncAll } from "./positioned_file.ts";
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
 * import { truncate } from "./positioned_file.ts";
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
