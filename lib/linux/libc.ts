/**
 * The C library, and the only `Deno.dlopen` of the project. Every file of this
 * room calls through {@linkcode libc} and judges the result with
 * {@linkcode check}.
 *
 * errno is taken inside of each function of the table, by a load from memory
 * that directly follows the call. Any other way is too late: measured, where a
 * function was entered between the two, the runtime had its own failing call
 * there (a futex that said EAGAIN, a file that was not there) about once in
 * 300,000. Imports the table of symbols and the error type.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { SYMBOLS } from "./libc_symbols.ts";

/** glibc's name; musl has no file of this name, and the error says so. */
const LIBRARY = "libc.so.6";

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
export type NativeFunction = (...values: readonly unknown[]) => unknown;

let loaded: Libc | undefined;
let overridden: Libc | undefined;
/** errno itself: the thread's own, and an isolate keeps its thread. */
let errnoMemory = new Int32Array(1);
let lastErrno = 0;

/**
 * Opening a function costs 0.1 ms, because the runtime makes machine code for
 * it, and fifty times that in an emulated machine. Process 1 is in a hurry and
 * calls half of them: there each is found at its first call, and opened when it
 * has been called so often that it was worth it. Anywhere else all are opened at
 * once, because a library that is opened inside a test is a leak in the eyes of
 * the test runner.
 */
const OPENS_LATE = Deno.pid === 1;

/**
 * So often a function is called by its address before it is opened: such a call
 * takes a microsecond instead of a tenth, since the runtime reads the types each
 * time, and a boot calls none so often.
 */
const CALLS_BEFORE_OPENING = 250;

function load(): Libc {
  try {
    const place = (addressed("__errno_location")?.() ??
      null) as Deno.PointerValue;
    if (place === null) throw new Error("__errno_location returned null");
    errnoMemory = new Int32Array(
      Deno.UnsafePointerView.getArrayBuffer(
        place,
        Int32Array.BYTES_PER_ELEMENT,
      ),
    );
    loaded = OPENS_LATE ? openLate(findOne) : openAll();
    return loaded;
  } catch (cause) {
    throw new Error(
      `cannot load ${LIBRARY}: expected glibc 2.34 or later, and permission for FFI`,
      { cause },
    );
  }
}

/**
 * A table of functions that open themselves at their first call, each once:
 * whoever took one out of the table before that call keeps what opens it, and
 * the runtime never gives back the memory of what it has opened.
 *
 * @param open Opens one function of the table; null where it is missing. What
 * it is given besides puts a better one in the place of what it returned.
 * @returns The table. One that may be missing is opened at once, since it is
 * asked for before it is called.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openLate } from "./libc.ts";
 *
 * const opened: string[] = [];
 * const { getpid } = openLate((name) => {
 *   opened.push(name);
 *   return () => 1;
 * });
 * assertEquals([getpid(), getpid()], [1, 1]);
 * assertEquals(opened.filter((name) => name === "getpid"), ["getpid"]);
 * ```
 */
export function openLate(
  open: (
    name: keyof typeof SYMBOLS,
    replace: (better: NativeFunction | null) => void,
  ) => NativeFunction | null,
): Libc {
  const table: Record<string, NativeFunction | null> = {};
  for (const key of Object.keys(SYMBOLS)) {
    const name = key as keyof typeof SYMBOLS;
    const symbol: Deno.ForeignFunction = SYMBOLS[name];
    let opened: NativeFunction | null | undefined;
    const replace = (better: NativeFunction | null): void => {
      table[name] = opened = better;
    };
    if (symbol.optional) {
      replace(open(name, replace));
      continue;
    }
    table[name] = (...values) => {
      if (opened === undefined) replace(open(name, replace));
      return opened?.(...values);
    };
  }
  return table as unknown as Libc;
}

/** Opens all functions of the library. */
function openAll(): Libc {
  const raw = Deno.dlopen(LIBRARY, SYMBOLS).symbols as Record<string, unknown>;
  const table: Record<string, NativeFunction | null> = {};
  for (const key of Object.keys(SYMBOLS)) {
    const name = key as keyof typeof SYMBOLS;
    table[name] = recordErrno(name, raw[name] as NativeFunction | null);
  }
  return table as unknown as Libc;
}

/** Finds one function of the library, and opens it when it is called often. */
function findOne(
  name: keyof typeof SYMBOLS,
  replace: (opened: NativeFunction | null) => void,
): NativeFunction | null {
  const symbol: Deno.ForeignFunction = SYMBOLS[name];
  // For one of another thread the runtime makes no machine code.
  if (symbol.nonblocking) return openOne(name);
  const call = addressed(name);
  if (call === null) return null;
  let calls = 0;
  return (...values) => {
    if (++calls === CALLS_BEFORE_OPENING) replace(openOne(name));
    const result = call(...values);
    lastErrno = errnoMemory[0] ?? 0;
    return result;
  };
}

/** A function that is called by its address; null where it is missing. */
function addressed(name: keyof typeof SYMBOLS): NativeFunction | null {
  const symbol: Deno.ForeignFunction = SYMBOLS[name];
  const { symbols } = Deno.dlopen(LIBRARY, {
    [name]: {
      name: symbol.name ?? name,
      type: "pointer",
      optional: symbol.optional ?? false,
    },
  });
  const address = symbols[name] as Deno.PointerValue<Deno.ForeignFunction>;
  if (address === null) return null;
  const pointer = new Deno.UnsafeFnPointer(address, symbol);
  return pointer.call.bind(pointer) as unknown as NativeFunction;
}

/** Opens one function of the library. */
function openOne(name: keyof typeof SYMBOLS): NativeFunction | null {
  const { symbols } = Deno.dlopen(LIBRARY, { [name]: SYMBOLS[name] });
  const call = (symbols as Record<string, unknown>)[name];
  return recordErrno(name, call as NativeFunction | null);
}

/** The same function, which notes errno before it returns. */
function recordErrno(
  name: keyof typeof SYMBOLS,
  call: NativeFunction | null,
): NativeFunction | null {
  const symbol: Deno.ForeignFunction = SYMBOLS[name];
  // A function that is missing, or one of another thread, has no errno.
  return call === null || symbol.nonblocking
    ? call
    : OFTEN_CALLED[name]?.(call) ?? recording(call, symbol.parameters.length);
}

/**
 * What a busy machine calls all the time. V8 calls C without a detour only
 * where it has seen one C function at a place in the code, so each of these has
 * a place of its own. Measured: 200 ns for a write, 280 ns at a shared place.
 */
const OFTEN_CALLED: Readonly<
  Record<string, ((call: NativeFunction) => NativeFunction) | undefined>
> = {
  read: (call) => (a, b, c) => {
    const result = call(a, b, c);
    lastErrno = errnoMemory[0] ?? 0;
    return result;
  },
  write: (call) => (a, b, c) => {
    const result = call(a, b, c);
    lastErrno = errnoMemory[0] ?? 0;
    return result;
  },
  epoll_wait: (call) => (a, b, c, d) => {
    const result = call(a, b, c, d);
    lastErrno = errnoMemory[0] ?? 0;
    return result;
  },
  clock_gettime: (call) => (a, b) => {
    const result = call(a, b);
    lastErrno = errnoMemory[0] ?? 0;
    return result;
  },
};

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
