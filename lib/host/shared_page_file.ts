/**
 * Where the page that host and guest share is (formats.md, "Shared page"): a
 * file on the host, and in the guest the memory of a PCI device that QEMU backs
 * with that file (`ivshmem-plain`). Imports `wire` and `linux`'s files.
 *
 * @module
 */
import { readControl, writeControl } from "../linux/control_file.ts";
import { SystemError } from "../linux/error.ts";
import { close, open } from "../linux/file.ts";
import { status } from "../linux/file_status.ts";
import { mapShared } from "../linux/memory_map.ts";
import { SHARED_PAGE_SIZE_BYTES, SharedPage } from "../wire/shared_page.ts";

/** QEMU's inter-VM shared memory device (QEMU: docs/specs/ivshmem-spec). */
const IVSHMEM = { vendor: "0x1af4", device: "0x1110" } as const;

const PCI_DEVICES = "/sys/bus/pci/devices";

/**
 * Finds the memory of the first ivshmem device, and lets the device answer.
 *
 * @param folder The kernel's list of PCI devices; for tests.
 * @returns The path of its second memory region, or undefined without one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { findSharedMemory } from "./shared_page_file.ts";
 *
 * assertEquals(findSharedMemory("/nowhere"), undefined);
 * ```
 */
export function findSharedMemory(
  folder: string = PCI_DEVICES,
): string | undefined {
  for (const name of names(folder)) {
    const device = `${folder}/${name}`;
    if (
      attribute(`${device}/vendor`) !== IVSHMEM.vendor ||
      attribute(`${device}/device`) !== IVSHMEM.device
    ) continue;
    try {
      // No driver has claimed it, so nobody has switched its memory on.
      writeControl(`${device}/enable`, "1");
    } catch {
      // Then mapping it says what is wrong.
    }
    return `${device}/resource2`;
  }
  return undefined;
}

/**
 * Opens the page.
 *
 * @param path A file of at least 4096 bytes, on the host; in the guest the path
 * of {@linkcode findSharedMemory}.
 * @returns The live page; it stays mapped for the program's life.
 * @throws {SystemError} ENOENT without such a file, EINVAL for one that is too
 * short or of another kind, and whatever mapping it fails with.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { openSharedPage } from "./shared_page_file.ts";
 *
 * const path = Deno.makeTempFileSync();
 * Deno.writeFileSync(path, new Uint8Array(4096));
 * const guest = openSharedPage(path);
 * const host = openSharedPage(path);
 * guest.setWord64("guestHeartbeat", 7n);
 * assertEquals(host.word64("guestHeartbeat"), 7n);
 * Deno.removeSync(path);
 * ```
 */
export function openSharedPage(path: string): SharedPage {
  // Never waits, not even where somebody has put a FIFO.
  const descriptor = open(path, ["readWrite", "nonblock"]);
  try {
    const { kind, lengthBytes } = status(descriptor);
    if (kind !== "file" || lengthBytes < SHARED_PAGE_SIZE_BYTES) {
      throw new SystemError({
        syscall: "mmap",
        errno: EINVAL,
        path,
        detail: `a ${kind} of ${lengthBytes} bytes, ` +
          `expected a file of at least ${SHARED_PAGE_SIZE_BYTES}`,
      });
    }
    return new SharedPage(mapShared(descriptor, SHARED_PAGE_SIZE_BYTES));
  } finally {
    close(descriptor);
  }
}

const EINVAL = 22;

function names(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    // No PCI bus.
    return [];
  }
}

function attribute(path: string): string | undefined {
  try {
    return readControl(path).trim();
  } catch {
    return undefined;
  }
}
