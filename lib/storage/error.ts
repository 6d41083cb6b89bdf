/**
 * The one error type of the storage room, with a code from one table. Imports
 * nothing.
 *
 * @module
 */

/**
 * The codes of {@linkcode StorageError}, with the Linux error number that says
 * the same (errno(3)), so that a status field on the wire can carry it.
 *
 * - `EIO`: the device failed to read, write or flush.
 * - `EBADF`: the volume is closed.
 * - `EAGAIN`: the bounded queue of operations is full; try again later.
 * - `EINVAL`: an argument is outside its range.
 * - `ENOENT`: no such parameter or data product.
 * - `ENOSPC`: no free parameter slot, or no room in the data product area.
 * - `EROFS`: the volume is read-only, or became so after a device failure.
 * - `EBADMSG`: a CRC does not match what it covers.
 * - `EUCLEAN`: the superblock or a structure holds an impossible value.
 * - `ETIMEDOUT`: the caller's time limit passed; the operation may still happen.
 */
export const STORAGE_ERROR_NUMBERS = {
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  EINVAL: 22,
  ENOENT: 2,
  ENOSPC: 28,
  EROFS: 30,
  EBADMSG: 74,
  EUCLEAN: 117,
  ETIMEDOUT: 110,
} as const;

/** A key of {@linkcode STORAGE_ERROR_NUMBERS}. */
export type StorageErrorCode = keyof typeof STORAGE_ERROR_NUMBERS;

/** What a {@linkcode StorageError} may carry besides its code and message. */
export interface StorageErrorDetails {
  /** The block that the failure is about, counted from the volume's start. */
  readonly block?: number;
  /** The field of the superblock or record that was judged bad. */
  readonly field?: string;
  /** The error underneath, if there is one. */
  readonly cause?: unknown;
}

/**
 * A failure of the storage room. The message says what was met and what was
 * expected; {@linkcode StorageError.code} is for programs.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { StorageError } from "./error.ts";
 *
 * const error = new StorageError("ENOSPC", "all 32 parameter slots are in use");
 * assertEquals(error.errno, 28);
 * assertEquals(error.message, "ENOSPC: all 32 parameter slots are in use");
 * ```
 */
export class StorageError extends Error {
  /** Always `"StorageError"`. */
  override readonly name = "StorageError";
  /** Which kind of failure this is. */
  readonly code: StorageErrorCode;
  /** The Linux error number that says the same as the code. */
  readonly errno: number;
  /** The block that the failure is about, or undefined. */
  readonly block: number | undefined;
  /** The field that was judged bad, or undefined. */
  readonly field: string | undefined;

  /**
   * Makes an error.
   *
   * @param code The kind of failure.
   * @param message What was met and what was expected.
   * @param details Block, field and cause, where they are known.
   */
  constructor(
    code: StorageErrorCode,
    message: string,
    details: StorageErrorDetails = {},
  ) {
    super(
      `${code}: ${message}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.errno = STORAGE_ERROR_NUMBERS[code];
    this.block = details.block;
    this.field = details.field;
  }
}
