/**
 * Descriptors as such, whatever is open behind them: pipes, copies, locks and
 * flags. Imports the libc table, the error type and the flags of files.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { close, open, OPEN_FLAGS } from "./file.ts";
import { check, checkRetry, errno, libc } from "./libc.ts";

const EINTR = 4;
const EAGAIN = 11;
const O_CLOEXEC = 0o2000000;

/** Whether the ends of a pipe or socket pair wait or say "would block". */
export interface PipeOptions {
  /** O_NONBLOCK on the reading end, default true. */
  readonly nonblockReader?: boolean;
  /**
   * O_NONBLOCK on the writing end, default true. A writing end that a child
   * gets as its output should block, as programs expect.
   */
  readonly nonblockWriter?: boolean;
}

/**
 * Makes a pipe (`pipe2(2)`), both ends close-on-exec.
 *
 * @param options Which ends are O_NONBLOCK; both, if not said otherwise.
 * @returns The reading and the writing end.
 * @throws {SystemError} EMFILE or ENFILE when there are no descriptors left.
 *
 * @example
 * ```ts
 * import { pipe } from "./descriptor.ts";
 * import { close } from "./file.ts";
 *
 * const [reader, writer] = pipe({ nonblockWriter: false });
 * close(reader);
 * close(writer);
 * ```
 */
export function pipe(
  options: PipeOptions = {},
): [reader: number, writer: number] {
  const { nonblockReader = true, nonblockWriter = true } = options;
  const ends = new Int32Array(new ArrayBuffer(8));
  const both = nonblockReader && nonblockWriter ? OPEN_FLAGS.nonblock : 0;
  check(libc().pipe2(ends, O_CLOEXEC | both), "pipe2");
  const reader = ends[0] ?? -1;
  const writer = ends[1] ?? -1;
  if (both !== 0) return [reader, writer];
  if (nonblockReader) setNonblock(reader, true);
  if (nonblockWriter) setNonblock(writer, true);
  return [reader, writer];
}

/**
 * Makes a pipe that outlives its writers, with one descriptor: opened for both,
 * it holds the pipe open for writing besides, so that it is never at its end.
 * Others write through a descriptor of {@linkcode openWriter}.
 *
 * @returns The descriptor, O_NONBLOCK and close-on-exec, for reading; and a
 * first writer, which waits where the pipe is full.
 * @throws {SystemError} EMFILE or ENFILE when there are no descriptors left;
 * ENOENT without `/proc`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { lastingPipe } from "./descriptor.ts";
 * import { close, read } from "./file.ts";
 *
 * const [reader, writer] = lastingPipe();
 * close(writer);
 * assertEquals(read(reader, new Uint8Array(1)), null);
 * close(reader);
 * ```
 */
export function lastingPipe(): [reader: number, writer: number] {
  const [end, writer] = pipe({ nonblockReader: false, nonblockWriter: false });
  try {
    // In proc_pid_fd(5): opening such a link opens the pipe anew, as a FIFO.
    return [open(`/proc/self/fd/${end}`, ["readWrite", "nonblock"]), writer];
  } catch (error) {
    close(writer);
    throw error;
  } finally {
    close(end);
  }
}

/**
 * Opens a pipe for writing once more.
 *
 * @param reader The reading end.
 * @returns A writer that waits where the pipe is full; close-on-exec.
 * @throws {SystemError} EMFILE or ENFILE when there are no descriptors left.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { lastingPipe, openWriter } from "./descriptor.ts";
 * import { close, read, write } from "./file.ts";
 *
 * const [reader, first] = lastingPipe();
 * close(first);
 * const writer = openWriter(reader);
 * write(writer, Uint8Array.of(7));
 * assertEquals(read(reader, new Uint8Array(8)), 1);
 * close(writer);
 * close(reader);
 * ```
 */
export function openWriter(reader: number): number {
  return open(`/proc/self/fd/${reader}`, ["writeOnly"]);
}

/**
 * Sets or clears O_NONBLOCK (`fcntl(2)`). The flag belongs to the open file,
 * so everyone who shares it sees the change.
 *
 * @param descriptor The descriptor.
 * @param on Whether calls return instead of waiting.
 * @throws {SystemError} EBADF when it is not open.
 *
 * @example
 * ```ts
 * import { setNonblock } from "./descriptor.ts";
 * import { close, open } from "./file.ts";
 *
 * const descriptor = open("/dev/null");
 * setNonblock(descriptor, true);
 * close(descriptor);
 * ```
 */
export function setNonblock(descriptor: number, on: boolean): void {
  const F_GETFL = 3, F_SETFL = 4;
  const flags = check(libc().fcntl(descriptor, F_GETFL, 0n), "fcntl F_GETFL");
  const wanted = on
    ? flags | OPEN_FLAGS.nonblock
    : flags & ~OPEN_FLAGS.nonblock;
  if (wanted === flags) return;
  check(libc().fcntl(descriptor, F_SETFL, BigInt(wanted)), "fcntl F_SETFL");
}

/**
 * Whether a descriptor is open.
 *
 * @param descriptor The descriptor.
 *
 * @example
 * ```ts
 * import { assertFalse } from "@std/assert";
 * import { isOpen } from "./descriptor.ts";
 *
 * assertFalse(isOpen(9999));
 * ```
 */
export function isOpen(descriptor: number): boolean {
  const F_GETFD = 1;
  return Number(libc().fcntl(descriptor, F_GETFD, 0n)) !== -1;
}

/**
 * Makes a descriptor refer to the same open file as another (`dup3(2)`).
 *
 * @param from The open descriptor.
 * @param to The number to have; what it was is closed.
 * @param closeOnExec Whether a program that is started loses it, default true.
 * @throws {SystemError} EBADF when `from` is not open.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { duplicate, isOpen } from "./descriptor.ts";
 * import { close, open } from "./file.ts";
 *
 * const descriptor = open("/dev/null");
 * duplicate(descriptor, 700);
 * assert(isOpen(700));
 * close(700);
 * close(descriptor);
 * ```
 */
export function duplicate(from: number, to: number, closeOnExec = true): void {
  if (from === to) return;
  checkRetry(() => libc().dup3(from, to, closeOnExec ? O_CLOEXEC : 0), "dup3");
}

/**
 * Makes another descriptor of the same open file, with a free number
 * (`fcntl(2)` F_DUPFD_CLOEXEC). It is close-on-exec.
 *
 * @param from The open descriptor.
 * @param lowest The lowest number that it may have.
 * @returns The new descriptor.
 * @throws {SystemError} EBADF when `from` is not open, EMFILE.
 *
 * @example
 * ```ts
 * import { assertGreaterOrEqual } from "@std/assert";
 * import { duplicateAbove } from "./descriptor.ts";
 * import { close, open } from "./file.ts";
 *
 * const descriptor = open("/dev/null");
 * const other = duplicateAbove(descriptor, 100);
 * assertGreaterOrEqual(other, 100);
 * close(other);
 * close(descriptor);
 * ```
 */
export function duplicateAbove(from: number, lowest: number): number {
  const F_DUPFD_CLOEXEC = 1030;
  return check(
    libc().fcntl(from, F_DUPFD_CLOEXEC, BigInt(lowest)),
    "fcntl F_DUPFD_CLOEXEC",
  );
}

/**
 * Tries to take a whole-file lock without waiting (`flock(2)`). It belongs to
 * the open file and ends with its last descriptor.
 *
 * @param descriptor The file.
 * @param kind `"exclusive"` or `"shared"`, default exclusive.
 * @returns Whether the lock was taken; false when another holds it.
 * @throws {SystemError} ENOLCK, EBADF.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { tryLock } from "./descriptor.ts";
 * import { close, open } from "./file.ts";
 *
 * const descriptor = open("/dev/null");
 * assert(tryLock(descriptor, "shared"));
 * close(descriptor);
 * ```
 */
export function tryLock(
  descriptor: number,
  kind: "exclusive" | "shared" = "exclusive",
): boolean {
  const LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4;
  const operation = (kind === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB;
  for (;;) {
    if (libc().flock(descriptor, operation) !== -1) return true;
    const number = errno();
    if (number === EAGAIN) return false;
    if (number !== EINTR) {
      throw new SystemError({ syscall: "flock", errno: number });
    }
  }
}

/**
 * Whether a descriptor is a terminal (`isatty(3)`).
 *
 * @param descriptor The descriptor.
 *
 * @example
 * ```ts
 * import { assertFalse } from "@std/assert";
 * import { isTerminal } from "./descriptor.ts";
 *
 * assertFalse(isTerminal(-1));
 * ```
 */
export function isTerminal(descriptor: number): boolean {
  return libc().isatty(descriptor) === 1;
}
