/**
 * The one table of C functions, and the only `Deno.dlopen` of the project.
 * Every file of this room calls through {@linkcode libc} and judges the result
 * with {@linkcode check}.
 *
 * errno is taken inside of each function of the table, by a load from memory
 * that directly follows the call. Any other way is too late: measured, where a
 * function was entered between the two, the runtime had its own failing call
 * there (a futex that said EAGAIN, a file that was not there) about once in
 * 300,000. Functions that return `ssize_t` are declared to return 32 bits, which
 * no buffer here exceeds, since a `bigint` would have to be allocated in between.
 * Calls marked `nonblocking` run on another thread, where errno is lost: they
 * are for waiting and for slow disks, and their names end in `Async`. Imports
 * only `error.ts`.
 *
 * Variadic functions (`open`, `fcntl`, `ioctl`, `prctl`, `syscall`) are called
 * with a fixed signature. Linux on x86-64 and on AArch64 passes such arguments
 * in the same registers either way.
 *
 * @module
 */

import { SystemError } from "./error.ts";

/** glibc's name; musl has no file of this name, and the error says so. */
const LIBRARY = "libc.so.6";

/** The functions of `libc.so.6` that this project calls. */
export const SYMBOLS = {
  // Descriptors.
  openat: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *pathname
      "i32", // int flags
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  close: {
    parameters: [
      "i32", // int fd
    ],
    result: "i32",
  },
  read: {
    parameters: [
      "i32", // int fd
      "buffer", // void *buf
      "usize", // size_t count
    ],
    result: "i32",
  },
  write: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf
      "usize", // size_t count
    ],
    result: "i32",
  },
  pread: {
    parameters: [
      "i32", // int fd
      "buffer", // void *buf
      "usize", // size_t count
      "i64", // off_t offset
    ],
    result: "i32",
  },
  pwrite: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf
      "usize", // size_t count
      "i64", // off_t offset
    ],
    result: "i32",
  },
  preadAsync: {
    name: "pread",
    nonblocking: true,
    parameters: [
      "i32", // int fd
      "buffer", // void *buf
      "usize", // size_t count
      "i64", // off_t offset
    ],
    result: "i32",
  },
  pwriteAsync: {
    name: "pwrite",
    nonblocking: true,
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf
      "usize", // size_t count
      "i64", // off_t offset
    ],
    result: "i32",
  },
  fdatasync: {
    parameters: [
      "i32", // int fd
    ],
    result: "i32",
  },
  fdatasyncAsync: {
    name: "fdatasync",
    nonblocking: true,
    parameters: [
      "i32", // int fd
    ],
    result: "i32",
  },
  ftruncate: {
    parameters: [
      "i32", // int fd
      "i64", // off_t length
    ],
    result: "i32",
  },
  statx: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *pathname
      "i32", // int flags
      "u32", // unsigned int mask
      "buffer", // struct statx *statxbuf
    ],
    result: "i32",
  },
  fcntl: {
    parameters: [
      "i32", // int fd
      "i32", // int op
      "usize", // int or pointer arg
    ],
    result: "i32",
  },
  ioctl: {
    parameters: [
      "i32", // int fd
      "usize", // unsigned long op
      "buffer", // void *argp
    ],
    result: "i32",
  },
  flock: {
    parameters: [
      "i32", // int fd
      "i32", // int op
    ],
    result: "i32",
  },
  dup3: {
    parameters: [
      "i32", // int oldfd
      "i32", // int newfd
      "i32", // int flags
    ],
    result: "i32",
  },
  pipe2: {
    parameters: [
      "buffer", // int pipefd[2]
      "i32", // int flags
    ],
    result: "i32",
  },
  eventfd: {
    parameters: [
      "u32", // unsigned int initval
      "i32", // int flags
    ],
    result: "i32",
  },
  mkdirat: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *pathname
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  unlinkat: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *pathname
      "i32", // int flags
    ],
    result: "i32",
  },
  symlinkat: {
    parameters: [
      "buffer", // const char *target
      "i32", // int newdirfd
      "buffer", // const char *linkpath
    ],
    result: "i32",
  },
  fchownat: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *pathname
      "u32", // uid_t owner
      "u32", // gid_t group
      "i32", // int flags
    ],
    result: "i32",
  },
  faccessat: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *pathname
      "i32", // int mode
      "i32", // int flags
    ],
    result: "i32",
  },

  // Sockets.
  socket: {
    parameters: [
      "i32", // int domain
      "i32", // int type
      "i32", // int protocol
    ],
    result: "i32",
  },
  socketpair: {
    parameters: [
      "i32", // int domain
      "i32", // int type
      "i32", // int protocol
      "buffer", // int sv[2]
    ],
    result: "i32",
  },
  bind: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const struct sockaddr *addr
      "u32", // socklen_t addrlen
    ],
    result: "i32",
  },
  connect: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const struct sockaddr *addr
      "u32", // socklen_t addrlen
    ],
    result: "i32",
  },
  listen: {
    parameters: [
      "i32", // int sockfd
      "i32", // int backlog
    ],
    result: "i32",
  },
  accept4: {
    parameters: [
      "i32", // int sockfd
      "buffer", // struct sockaddr *addr
      "buffer", // socklen_t *addrlen
      "i32", // int flags
    ],
    result: "i32",
  },
  setsockopt: {
    parameters: [
      "i32", // int sockfd
      "i32", // int level
      "i32", // int optname
      "buffer", // const void *optval
      "u32", // socklen_t optlen
    ],
    result: "i32",
  },
  recvmsg: {
    parameters: [
      "i32", // int sockfd
      "buffer", // struct msghdr *msg
      "i32", // int flags
    ],
    result: "i32",
  },
  send: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const void *buf
      "usize", // size_t len
      "i32", // int flags
    ],
    result: "i32",
  },

  // Waiting.
  epoll_create1: {
    parameters: [
      "i32", // int flags
    ],
    result: "i32",
  },
  epoll_ctl: {
    parameters: [
      "i32", // int epfd
      "i32", // int op
      "i32", // int fd
      "buffer", // struct epoll_event *event
    ],
    result: "i32",
  },
  epoll_wait: {
    parameters: [
      "i32", // int epfd
      "buffer", // struct epoll_event *events
      "i32", // int maxevents
      "i32", // int timeout
    ],
    result: "i32",
  },
  epoll_waitAsync: {
    name: "epoll_wait",
    nonblocking: true,
    parameters: [
      "i32", // int epfd
      "buffer", // struct epoll_event *events
      "i32", // int maxevents
      "i32", // int timeout
    ],
    result: "i32",
  },

  // Mounts and the machine.
  mount: {
    parameters: [
      "buffer", // const char *source
      "buffer", // const char *target
      "buffer", // const char *filesystemtype
      "usize", // unsigned long mountflags
      "buffer", // const void *data
    ],
    result: "i32",
  },
  umount2: {
    parameters: [
      "buffer", // const char *target
      "i32", // int flags
    ],
    result: "i32",
  },
  reboot: {
    parameters: [
      "i32", // int op
    ],
    result: "i32",
  },
  sync: {
    parameters: [],
    result: "void",
  },
  syncAsync: {
    name: "sync",
    nonblocking: true,
    parameters: [],
    result: "void",
  },
  sethostname: {
    parameters: [
      "buffer", // const char *name
      "usize", // size_t len
    ],
    result: "i32",
  },
  clock_gettime: {
    parameters: [
      "i32", // clockid_t clockid
      "buffer", // struct timespec *tp
    ],
    result: "i32",
  },
  clock_settime: {
    parameters: [
      "i32", // clockid_t clockid
      "buffer", // const struct timespec *tp
    ],
    result: "i32",
  },

  // Processes.
  posix_spawn: {
    parameters: [
      "buffer", // pid_t *pid
      "buffer", // const char *path
      "buffer", // const posix_spawn_file_actions_t *file_actions
      "buffer", // const posix_spawnattr_t *attrp
      "buffer", // char *const argv[]
      "buffer", // char *const envp[]
    ],
    result: "i32",
  },
  posix_spawnattr_init: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
    ],
    result: "i32",
  },
  posix_spawnattr_destroy: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
    ],
    result: "i32",
  },
  posix_spawnattr_setflags: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "i16", // short flags
    ],
    result: "i32",
  },
  posix_spawnattr_setsigmask: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "buffer", // const sigset_t *sigmask
    ],
    result: "i32",
  },
  posix_spawnattr_setsigdefault: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "buffer", // const sigset_t *sigdefault
    ],
    result: "i32",
  },
  posix_spawnattr_setpgroup: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "i32", // pid_t pgroup
    ],
    result: "i32",
  },
  posix_spawnattr_setcgroup_np: {
    optional: true, // glibc 2.39
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "i32", // int cgroup
    ],
    result: "i32",
  },
  posix_spawn_file_actions_init: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
    ],
    result: "i32",
  },
  posix_spawn_file_actions_destroy: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
    ],
    result: "i32",
  },
  posix_spawn_file_actions_adddup2: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fildes
      "i32", // int newfildes
    ],
    result: "i32",
  },
  posix_spawn_file_actions_addclose: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fildes
    ],
    result: "i32",
  },
  posix_spawn_file_actions_addopen: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fildes
      "buffer", // const char *path
      "i32", // int oflag
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  posix_spawn_file_actions_addtcsetpgrp_np: {
    optional: true, // glibc 2.35
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int tcfd
    ],
    result: "i32",
  },
  posix_spawn_file_actions_addclosefrom_np: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int from
    ],
    result: "i32",
  },
  posix_spawn_file_actions_addchdir_np: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "buffer", // const char *path
    ],
    result: "i32",
  },
  waitpid: {
    parameters: [
      "i32", // pid_t pid
      "buffer", // int *wstatus
      "i32", // int options
    ],
    result: "i32",
  },
  waitid: {
    parameters: [
      "i32", // idtype_t idtype
      "u32", // id_t id
      "buffer", // siginfo_t *infop
      "i32", // int options
    ],
    result: "i32",
  },
  sigaction: {
    parameters: [
      "i32", // int signum
      "buffer", // const struct sigaction *act
      "buffer", // struct sigaction *oldact
    ],
    result: "i32",
  },
  dlsym: {
    parameters: [
      "pointer", // void *handle
      "buffer", // const char *symbol
    ],
    result: "pointer",
  },
  kill: {
    parameters: [
      "i32", // pid_t pid
      "i32", // int sig
    ],
    result: "i32",
  },
  getpid: {
    parameters: [],
    result: "i32",
  },
  getppid: {
    parameters: [],
    result: "i32",
  },
  getpgid: {
    parameters: [
      "i32", // pid_t pid
    ],
    result: "i32",
  },
  getsid: {
    parameters: [
      "i32", // pid_t pid
    ],
    result: "i32",
  },
  setpgid: {
    parameters: [
      "i32", // pid_t pid
      "i32", // pid_t pgid
    ],
    result: "i32",
  },
  setsid: {
    parameters: [],
    result: "i32",
  },
  setpriority: {
    parameters: [
      "i32", // int which
      "u32", // id_t who
      "i32", // int prio
    ],
    result: "i32",
  },
  umask: {
    parameters: [
      "u32", // mode_t mask
    ],
    result: "u32",
  },
  prlimit: {
    parameters: [
      "i32", // pid_t pid
      "i32", // int resource
      "buffer", // const struct rlimit *new_limit
      "buffer", // struct rlimit *old_limit
    ],
    result: "i32",
  },
  prctl: {
    parameters: [
      "i32", // int op
      "usize", // unsigned long arg2
      "usize", // unsigned long arg3
      "usize", // unsigned long arg4
      "usize", // unsigned long arg5
    ],
    result: "i32",
  },
  pthread_sigmask: {
    parameters: [
      "i32", // int how
      "buffer", // const sigset_t *set
      "buffer", // sigset_t *oldset
    ],
    result: "i32",
  },
  getresuid: {
    parameters: [
      "buffer", // uid_t *ruid
      "buffer", // uid_t *euid
      "buffer", // uid_t *suid
    ],
    result: "i32",
  },
  getresgid: {
    parameters: [
      "buffer", // gid_t *rgid
      "buffer", // gid_t *egid
      "buffer", // gid_t *sgid
    ],
    result: "i32",
  },
  getgroups: {
    parameters: [
      "i32", // int size
      "buffer", // gid_t list[]
    ],
    result: "i32",
  },
  capget: {
    parameters: [
      "buffer", // cap_user_header_t hdrp
      "buffer", // cap_user_data_t datap
    ],
    result: "i32",
  },
  capset: {
    parameters: [
      "buffer", // cap_user_header_t hdrp
      "buffer", // const cap_user_data_t datap
    ],
    result: "i32",
  },
  syscall: {
    parameters: [
      "isize", // long number
      "isize", // long or pointer arg1
      "buffer", // long or pointer arg2
      "usize", // long or pointer arg3
    ],
    result: "i32",
  },
  syscallPlain: {
    name: "syscall",
    parameters: [
      "isize", // long number
      "isize", // long arg1
      "isize", // long arg2
      "isize", // long arg3
    ],
    result: "i32",
  },

  // Terminals.
  isatty: {
    parameters: [
      "i32", // int fd
    ],
    result: "i32",
  },
  tcgetpgrp: {
    parameters: [
      "i32", // int fd
    ],
    result: "i32",
  },
  tcsetpgrp: {
    parameters: [
      "i32", // int fd
      "i32", // pid_t pgrp
    ],
    result: "i32",
  },

  // errno.
  __errno_location: {
    parameters: [],
    result: "pointer",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The C functions by name, as {@linkcode libc} returns them. */
export type Libc = Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;

/** System call numbers of the calls that glibc has no wrapper for. */
export interface SyscallNumbers {
  /** `finit_module(int fd, const char *params, int flags)` */
  readonly finitModule: number;
  /** `setgroups(size_t size, const gid_t *list)`, this thread only */
  readonly setgroups: number;
  /** `setresuid(uid_t, uid_t, uid_t)`, this thread only */
  readonly setresuid: number;
  /** `setresgid(gid_t, gid_t, gid_t)`, this thread only */
  readonly setresgid: number;
}

/** `asm/unistd_64.h` on x86-64; `asm-generic/unistd.h` on AArch64. */
const SYSCALL_NUMBERS: Readonly<Record<string, SyscallNumbers>> = {
  x86_64: { finitModule: 313, setgroups: 116, setresuid: 117, setresgid: 119 },
  aarch64: { finitModule: 273, setgroups: 159, setresuid: 147, setresgid: 149 },
};

/**
 * System call numbers of the machine that the program runs on.
 *
 * @throws {Error} On an architecture that is neither x86-64 nor AArch64.
 *
 * @example
 * ```ts
 * import { assertGreater } from "@std/assert";
 * import { syscallNumbers } from "./libc.ts";
 *
 * assertGreater(syscallNumbers().finitModule, 0);
 * ```
 */
export function syscallNumbers(): SyscallNumbers {
  const numbers = SYSCALL_NUMBERS[Deno.build.arch];
  if (numbers === undefined) {
    throw new Error(
      `no system call numbers for ${Deno.build.arch}, expected x86_64 or aarch64`,
    );
  }
  return numbers;
}

/** A function of the table, whatever its type. */
type NativeFunction = (...values: readonly unknown[]) => unknown;

let loaded: Libc | undefined;
let overridden: Libc | undefined;
/** errno itself: the thread's own, and an isolate keeps its thread. */
let errnoMemory = new Int32Array(1);
let lastErrno = 0;

function load(): Libc {
  try {
    const raw = Deno.dlopen(LIBRARY, SYMBOLS).symbols;
    const place = raw.__errno_location();
    if (place === null) throw new Error("__errno_location returned null");
    errnoMemory = new Int32Array(
      Deno.UnsafePointerView.getArrayBuffer(
        place,
        Int32Array.BYTES_PER_ELEMENT,
      ),
    );
    loaded = recordErrno(raw);
    return loaded;
  } catch (cause) {
    throw new Error(
      `cannot load ${LIBRARY}: expected glibc 2.34 or later, and permission for FFI`,
      { cause },
    );
  }
}

/** The same functions, which note errno before they return. */
function recordErrno(raw: Libc): Libc {
  const functions = raw as unknown as Record<string, NativeFunction | null>;
  const table: Record<string, NativeFunction | null> = {};
  for (const [name, symbol] of Object.entries<Deno.ForeignFunction>(SYMBOLS)) {
    const call = functions[name] ?? null;
    // A function that is missing, or one of another thread, has no errno.
    table[name] = call === null || symbol.nonblocking
      ? call
      : recording(call, symbol.parameters.length);
  }
  return table as unknown as Libc;
}

/** Written out for each number of parameters: nothing may come in between. */
function recording(call: NativeFunction, parameters: number): NativeFunction {
  switch (parameters) {
    case 0:
      return () => {
        const result = call();
        lastErrno = errnoMemory[0] ?? 0;
        return result;
      };
    case 1:
      return (a) => {
        const result = call(a);
        lastErrno = errnoMemory[0] ?? 0;
        return result;
      };
    case 2:
      return (a, b) => {
        const result = call(a, b);
        lastErrno = errnoMemory[0] ?? 0;
        return result;
      };
    case 3:
      return (a, b, c) => {
        const result = call(a, b, c);
        lastErrno = errnoMemory[0] ?? 0;
        return result;
      };
    case 4:
      return (a, b, c, d) => {
        const result = call(a, b, c, d);
        lastErrno = errnoMemory[0] ?? 0;
        return result;
      };
    case 5:
      return (a, b, c, d, e) => {
        const result = call(a, b, c, d, e);
        lastErrno = errnoMemory[0] ?? 0;
        return result;
      };
    case 6:
      return (a, b, c, d, e, f) => {
        const result = call(a, b, c, d, e, f);
        lastErrno = errnoMemory[0] ?? 0;
        return result;
      };
    default:
      throw new Error(
        `a function of ${parameters} parameters, expected 0 to 6`,
      );
  }
}

// The library stays open for the program's life. Opened inside a test, it would
// be a leak in the eyes of the test runner, so it is opened here where that asks
// nobody for permission; where it fails, the first call says why.
try {
  if (Deno.permissions.querySync({ name: "ffi" }).state === "granted") load();
} catch {
  loaded = undefined;
}

/**
 * The C library. It is opened with this module where FFI is permitted already,
 * else at the first call.
 *
 * @throws {Error} When `libc.so.6` cannot be loaded or lacks a function; the
 * cause is the runtime's own error.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { libc } from "./libc.ts";
 *
 * assertEquals(libc().getpid(), Deno.pid);
 * ```
 */
export function libc(): Libc {
  return overridden ?? loaded ?? load();
}

/**
 * Replaces functions of the table until the result is disposed, so that a test
 * can record or answer the calls of this room without the kernel seeing them.
 * A replaced function sets errno with {@linkcode setErrno}. For tests only.
 *
 * @param replacements The functions to replace; the others stay as they are.
 * @returns Disposing it restores the table.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { libc, overrideLibc } from "./libc.ts";
 *
 * {
 *   using _ = overrideLibc({ getpid: () => 1 });
 *   assertEquals(libc().getpid(), 1);
 * }
 * assertEquals(libc().getpid(), Deno.pid);
 * ```
 */
export function overrideLibc(replacements: Partial<Libc>): Disposable {
  const before = overridden;
  overridden = { ...libc(), ...replacements };
  return {
    [Symbol.dispose](): void {
      overridden = before;
    },
  };
}

/**
 * The error number of the last synchronous call of the table, if that failed.
 * Read it before another is made.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { errno, libc } from "./libc.ts";
 *
 * const result = libc().close(-1);
 * const number = errno();
 * assertEquals([result, number], [-1, 9]);
 * ```
 */
export function errno(): number {
  return lastErrno;
}

/**
 * Sets errno, for the replaced functions of {@linkcode overrideLibc}.
 *
 * @param value The error number.
 * @returns -1, so that a replacement can end with `return setErrno(16)`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { errno, setErrno } from "./libc.ts";
 *
 * assertEquals(setErrno(16), -1);
 * assertEquals(errno(), 16);
 * ```
 */
export function setErrno(value: number): -1 {
  lastErrno = value;
  return -1;
}

/**
 * Judges the result of a call: -1 becomes a {@linkcode SystemError} with the
 * errno of this instant, anything else is returned as a number.
 *
 * @param result What the C function returned.
 * @param syscall The name for the error's message.
 * @param path The path for the error's message.
 * @throws {SystemError} When the result is -1.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { SystemError } from "./error.ts";
 * import { check, libc } from "./libc.ts";
 *
 * assertThrows(() => check(libc().close(-1), "close"), SystemError, "EBADF");
 * ```
 */
export function check(
  result: number | bigint,
  syscall: string,
  path?: string,
): number {
  const value = Number(result);
  if (value !== -1) return value;
  throw new SystemError({
    syscall,
    errno: errno(),
    ...(path === undefined ? {} : { path }),
  });
}

/**
 * Judges the result of a call that may be interrupted by a signal before it
 * did anything: it is made again for EINTR, and everything else is judged as
 * {@linkcode check} does.
 *
 * @param call Makes the call once.
 * @param syscall The name for the error's message.
 * @param path The path for the error's message.
 * @throws {SystemError} When the result is -1 and errno is not EINTR.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { checkRetry, setErrno } from "./libc.ts";
 *
 * const answers = [() => setErrno(4), () => 7];
 * assertEquals(checkRetry(() => answers.shift()?.() ?? 0, "read"), 7);
 * ```
 */
export function checkRetry(
  call: () => number | bigint,
  syscall: string,
  path?: string,
): number {
  for (;;) {
    const value = Number(call());
    if (value !== -1) return value;
    const number = errno();
    if (number === EINTR) continue;
    throw new SystemError({
      syscall,
      errno: number,
      ...(path === undefined ? {} : { path }),
    });
  }
}

const EINTR = 4;
const EINVAL = 22;
const encoder = new TextEncoder();

/**
 * Bytes as the FFI takes them. The runtime passes the address of the memory
 * behind the view, so the view must stay reachable while C uses it: as the
 * argument of a synchronous call it does.
 *
 * @param view The bytes.
 * @returns The same bytes, never memory that another thread shares.
 *
 * @example
 * ```ts
 * import { assertStrictEquals } from "@std/assert";
 * import { bytesOf } from "./libc.ts";
 *
 * const bytes = new Uint8Array(4);
 * assertStrictEquals(bytesOf(bytes), bytes);
 * ```
 */
export function bytesOf(view: Uint8Array): Uint8Array<ArrayBuffer> {
  return view as Uint8Array<ArrayBuffer>;
}

/**
 * A NUL-terminated C string.
 *
 * @param text The text, without a NUL character: C would end there, and act on
 * another file than the one named.
 * @throws {SystemError} With code EINVAL when the text holds a NUL character.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cString } from "./libc.ts";
 *
 * assertEquals(cString("ab"), Uint8Array.of(97, 98, 0));
 * ```
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  refuseNul(text);
  const encoded = encoder.encode(text);
  const bytes = new Uint8Array(encoded.length + 1);
  bytes.set(encoded);
  return bytes;
}

/**
 * A NULL-terminated array of C strings (`char *const argv[]`), in one piece of
 * memory: first the pointers, then the strings they point to. As the argument
 * of a call it keeps itself alive.
 *
 * @param texts The strings, none with a NUL character; or their bytes, for what
 * is no UTF-8.
 * @throws {SystemError} With code EINVAL when a text holds a NUL character.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cStringArray } from "./libc.ts";
 *
 * // Three pointers of 8 bytes (the last is NULL), then "a\0bc\0".
 * assertEquals(cStringArray(["a", "bc"]).length, 3 * 8 + 5);
 * ```
 */
export function cStringArray(
  texts: readonly (string | Uint8Array)[],
): Uint8Array<ArrayBuffer> {
  const encoded = texts.map((text) => {
    refuseNul(text);
    return typeof text === "string" ? encoder.encode(text) : text;
  });
  const pointersLength = (texts.length + 1) * 8;
  const stringsLength = encoded.reduce((sum, text) => sum + text.length + 1, 0);
  const buffer = new ArrayBuffer(pointersLength + stringsLength);
  const bytes = new Uint8Array(buffer);
  const pointers = new BigUint64Array(buffer, 0, texts.length + 1);
  const base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  let offset = pointersLength;
  encoded.forEach((text, index) => {
    pointers[index] = BigInt(base) + BigInt(offset);
    bytes.set(text, offset);
    offset += text.length + 1;
  });
  return bytes;
}

function refuseNul(text: string | Uint8Array): void {
  const has = typeof text === "string" ? text.includes("\0") : text.includes(0);
  if (!has) return;
  throw new SystemError({
    syscall: "encode",
    errno: EINVAL,
    path: JSON.stringify(
      typeof text === "string" ? text : new TextDecoder().decode(text),
    ),
    detail: "a C string cannot hold a NUL character",
  });
}
