/**
 * The one error type for a system call that the kernel refused, with the table
 * of error numbers behind it. Every file of this room throws it, so that a
 * caller can tell "no such file" from "not permitted" by a stable name instead
 * of a text. Imports nothing.
 *
 * @module
 */

/**
 * Linux error numbers with their names and short texts. The numbers are those
 * of `asm-generic/errno-base.h` and `asm-generic/errno.h`, which x86-64 and
 * AArch64 share.
 */
const ERRORS: ReadonlyArray<
  readonly [errno: number, name: string, text: string]
> = [
  [1, "EPERM", "operation not permitted"],
  [2, "ENOENT", "no such file or directory"],
  [3, "ESRCH", "no such process"],
  [4, "EINTR", "interrupted by a signal"],
  [5, "EIO", "input/output error"],
  [6, "ENXIO", "no such device or address"],
  [7, "E2BIG", "argument list too long"],
  [8, "ENOEXEC", "not an executable format"],
  [9, "EBADF", "bad file descriptor"],
  [10, "ECHILD", "no child processes"],
  [11, "EAGAIN", "resource temporarily unavailable"],
  [12, "ENOMEM", "out of memory"],
  [13, "EACCES", "permission denied"],
  [14, "EFAULT", "bad address"],
  [15, "ENOTBLK", "not a block device"],
  [16, "EBUSY", "device or resource busy"],
  [17, "EEXIST", "file exists"],
  [18, "EXDEV", "link across file systems"],
  [19, "ENODEV", "no such device"],
  [20, "ENOTDIR", "not a directory"],
  [21, "EISDIR", "is a directory"],
  [22, "EINVAL", "invalid argument"],
  [23, "ENFILE", "too many open files in the system"],
  [24, "EMFILE", "too many open files"],
  [25, "ENOTTY", "not a terminal, or ioctl not supported"],
  [26, "ETXTBSY", "text file busy"],
  [27, "EFBIG", "file too large"],
  [28, "ENOSPC", "no space left on device"],
  [29, "ESPIPE", "cannot seek"],
  [30, "EROFS", "read-only file system"],
  [31, "EMLINK", "too many links"],
  [32, "EPIPE", "broken pipe"],
  [33, "EDOM", "argument out of domain"],
  [34, "ERANGE", "result out of range"],
  [35, "EDEADLK", "deadlock avoided"],
  [36, "ENAMETOOLONG", "file name too long"],
  [37, "ENOLCK", "no locks available"],
  [38, "ENOSYS", "system call not implemented"],
  [39, "ENOTEMPTY", "directory not empty"],
  [40, "ELOOP", "too many symbolic links"],
  [42, "ENOMSG", "no message of that type"],
  [43, "EIDRM", "identifier removed"],
  [44, "ECHRNG", "channel number out of range"],
  [45, "EL2NSYNC", "level 2 not synchronized"],
  [46, "EL3HLT", "level 3 halted"],
  [47, "EL3RST", "level 3 reset"],
  [48, "ELNRNG", "link number out of range"],
  [49, "EUNATCH", "protocol driver not attached"],
  [50, "ENOCSI", "no CSI structure available"],
  [51, "EL2HLT", "level 2 halted"],
  [52, "EBADE", "invalid exchange"],
  [53, "EBADR", "invalid request descriptor"],
  [54, "EXFULL", "exchange full"],
  [55, "ENOANO", "no anode"],
  [56, "EBADRQC", "invalid request code"],
  [57, "EBADSLT", "invalid slot"],
  [59, "EBFONT", "bad font file format"],
  [60, "ENOSTR", "not a stream"],
  [61, "ENODATA", "no data available"],
  [62, "ETIME", "timer expired"],
  [63, "ENOSR", "out of streams resources"],
  [64, "ENONET", "not on the network"],
  [65, "ENOPKG", "package not installed"],
  [66, "EREMOTE", "object is remote"],
  [67, "ENOLINK", "link has been severed"],
  [68, "EADV", "advertise error"],
  [69, "ESRMNT", "srmount error"],
  [70, "ECOMM", "communication error on send"],
  [71, "EPROTO", "protocol error"],
  [72, "EMULTIHOP", "multihop attempted"],
  [73, "EDOTDOT", "RFS specific error"],
  [74, "EBADMSG", "bad message"],
  [75, "EOVERFLOW", "value too large for its type"],
  [76, "ENOTUNIQ", "name not unique on the network"],
  [77, "EBADFD", "file descriptor in a bad state"],
  [78, "EREMCHG", "remote address changed"],
  [79, "ELIBACC", "shared library cannot be accessed"],
  [80, "ELIBBAD", "shared library corrupted"],
  [81, "ELIBSCN", ".lib section in a.out corrupted"],
  [82, "ELIBMAX", "too many shared libraries"],
  [83, "ELIBEXEC", "cannot execute a shared library"],
  [84, "EILSEQ", "illegal byte sequence"],
  [85, "ERESTART", "interrupted system call should be restarted"],
  [86, "ESTRPIPE", "streams pipe error"],
  [87, "EUSERS", "too many users"],
  [88, "ENOTSOCK", "not a socket"],
  [89, "EDESTADDRREQ", "destination address required"],
  [90, "EMSGSIZE", "message too long"],
  [91, "EPROTOTYPE", "wrong protocol type for socket"],
  [92, "ENOPROTOOPT", "protocol option not available"],
  [93, "EPROTONOSUPPORT", "protocol not supported"],
  [94, "ESOCKTNOSUPPORT", "socket type not supported"],
  [95, "EOPNOTSUPP", "operation not supported"],
  [96, "EPFNOSUPPORT", "protocol family not supported"],
  [97, "EAFNOSUPPORT", "address family not supported"],
  [98, "EADDRINUSE", "address already in use"],
  [99, "EADDRNOTAVAIL", "address not available"],
  [100, "ENETDOWN", "network is down"],
  [101, "ENETUNREACH", "network is unreachable"],
  [102, "ENETRESET", "connection dropped by the network"],
  [103, "ECONNABORTED", "connection aborted"],
  [104, "ECONNRESET", "connection reset by peer"],
  [105, "ENOBUFS", "no buffer space available"],
  [106, "EISCONN", "already connected"],
  [107, "ENOTCONN", "not connected"],
  [108, "ESHUTDOWN", "endpoint has shut down"],
  [109, "ETOOMANYREFS", "too many references"],
  [110, "ETIMEDOUT", "timed out"],
  [111, "ECONNREFUSED", "connection refused"],
  [112, "EHOSTDOWN", "host is down"],
  [113, "EHOSTUNREACH", "no route to host"],
  [114, "EALREADY", "already in progress"],
  [115, "EINPROGRESS", "now in progress"],
  [116, "ESTALE", "stale file handle"],
  [117, "EUCLEAN", "structure needs cleaning"],
  [118, "ENOTNAM", "not a XENIX named type file"],
  [119, "ENAVAIL", "no XENIX semaphores available"],
  [120, "EISNAM", "is a named type file"],
  [121, "EREMOTEIO", "remote input/output error"],
  [122, "EDQUOT", "disk quota exceeded"],
  [123, "ENOMEDIUM", "no medium found"],
  [124, "EMEDIUMTYPE", "wrong medium type"],
  [125, "ECANCELED", "operation canceled"],
  [126, "ENOKEY", "required key not available"],
  [127, "EKEYEXPIRED", "key has expired"],
  [128, "EKEYREVOKED", "key has been revoked"],
  [129, "EKEYREJECTED", "key was rejected"],
  [130, "EOWNERDEAD", "owner died"],
  [131, "ENOTRECOVERABLE", "state not recoverable"],
  [132, "ERFKILL", "blocked by RF-kill"],
  [133, "EHWPOISON", "memory page has a hardware error"],
];

const BY_ERRNO = new Map(ERRORS.map((row) => [row[0], row]));
const BY_NAME = new Map(ERRORS.map((row) => [row[1], row]));

/**
 * The name of an error number, or `E` and the number for one that Linux does
 * not define, so that a message is never without one.
 *
 * @param errno The error number as the kernel gave it, above 0.
 * @returns A name as in `errno(3)`, for example `"ENOENT"`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { errorName } from "./error.ts";
 *
 * assertEquals(errorName(2), "ENOENT");
 * assertEquals(errorName(4000), "E4000");
 * ```
 */
export function errorName(errno: number): string {
  return BY_ERRNO.get(errno)?.[1] ?? `E${errno}`;
}

/**
 * The number of an error name.
 *
 * @param name A name as in `errno(3)`, for example `"ENOENT"`.
 * @returns The number, or 0 when Linux has no such error.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { errorNumber } from "./error.ts";
 *
 * assertEquals(errorNumber("EBUSY"), 16);
 * assertEquals(errorNumber("EWHATEVER"), 0);
 * ```
 */
export function errorNumber(name: string): number {
  return BY_NAME.get(name)?.[0] ?? 0;
}

/** What a {@linkcode SystemError} is made from. */
export interface SystemErrorInit {
  /** The system call or library function that failed, for example `"mount"`. */
  readonly syscall: string;
  /** The error number. */
  readonly errno: number;
  /** The file, device or mount point that was acted on. */
  readonly path?: string;
  /** What was expected or what to do, put after the text of the error. */
  readonly detail?: string;
}

/**
 * A system call failed. The message names the call, the path where there is
 * one, and the error: `mount /proc: EBUSY, device or resource busy`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SystemError } from "./error.ts";
 *
 * const error = new SystemError({ syscall: "open", errno: 2, path: "/dev/vda" });
 * assertEquals(error.message, "open /dev/vda: ENOENT, no such file or directory");
 * assertEquals(error.code, "ENOENT");
 * ```
 */
export class SystemError extends Error {
  /** Always `"SystemError"`. */
  override readonly name = "SystemError";
  /** The system call or library function that failed. */
  readonly syscall: string;
  /** The name of the error, for example `"ENOENT"`. */
  readonly code: string;
  /** The error number, for example 2. */
  readonly errno: number;
  /** The file, device or mount point that was acted on. */
  declare readonly path?: string;

  /**
   * Makes the error.
   *
   * @param init The failed call, the error number, and the path if there is one.
   * @param options The cause, as for every `Error`.
   */
  constructor(init: SystemErrorInit, options?: ErrorOptions) {
    const code = errorName(init.errno);
    const where = init.path === undefined ? "" : ` ${init.path}`;
    const text = BY_ERRNO.get(init.errno)?.[2] ?? "unknown error";
    const detail = init.detail === undefined ? "" : `: ${init.detail}`;
    super(`${init.syscall}${where}: ${code}, ${text}${detail}`, options);
    this.syscall = init.syscall;
    this.errno = init.errno;
    this.code = code;
    if (init.path !== undefined) this.path = init.path;
  }
}
