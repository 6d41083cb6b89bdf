/**
 * Memory that a file and its other users share (`mmap(2)`). Imports the libc
 * table and the error type.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { errno, libc } from "./libc.ts";

const PROT_READ = 0x1;
const PROT_WRITE = 0x2;
const MAP_SHARED = 0x01;

/** What `mmap` returns when it fails: the address with every bit set. */
const MAP_FAILED = 2n ** 64n - 1n;

/**
 * Maps the beginning of a file: what is written to the bytes is in the file,
 * and what others write there is in the bytes, at once. The mapping stays for
 * the program's life, since nobody could tell when the last view of the bytes
 * is gone.
 *
 * A file that is cut shorter afterwards takes the memory away, and the next
 * access ends the program (SIGBUS): map only what no stranger can write.
 *
 * @param descriptor A file or device, open for reading and writing; it may be
 * closed afterwards.
 * @param sizeBytes How much to map; the file must be at least as long.
 * @returns The memory.
 * @throws {SystemError} ENODEV for what has no memory, EACCES when it is not
 * open for both, ENOMEM.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { close, open } from "./file.ts";
 * import { pwrite } from "./positioned_file.ts";
 * import { mapShared } from "./memory_map.ts";
 *
 * const path = Deno.makeTempFileSync();
 * const descriptor = open(path, ["readWrite"]);
 * pwrite(descriptor, new Uint8Array(4096), 0);
 * const memory = mapShared(descriptor, 4096);
 * memory[5] = 42;
 * assertEquals(Deno.readFileSync(path)[5], 42);
 * close(descriptor);
 * Deno.removeSync(path);
 * ```
 */
export function mapShared(descriptor: number, sizeBytes: number): Uint8Array {
  const pointer = libc().mmap(
    0n,
    BigInt(sizeBytes),
    PROT_READ | PROT_WRITE,
    MAP_SHARED,
    descriptor,
    0n,
  );
  const number = errno();
  if (pointer === null || Deno.UnsafePointer.value(pointer) === MAP_FAILED) {
    throw new SystemError({ syscall: "mmap", errno: number });
  }
  return new Uint8Array(
    Deno.UnsafePointerView.getArrayBuffer(pointer, sizeBytes),
  );
}
