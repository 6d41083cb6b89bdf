/**
 * What the image holds: the tree of the initial RAM file system, put together
 * from its parts. Pure: it reads no files. It imports elf.ts, cpio.ts and
 * kernel.ts of this folder, for their types and the tree.
 */
import { Tree } from "./cpio.ts";
import type { LibraryFile } from "./elf.ts";
import type { KernelModule } from "./kernel.ts";

/** The file that names the modules to load, one path in each line, in load order. */
export const MODULE_LIST_PATH = "/etc/spaceos/modules";

/** The folders that a running system mounts something on, or expects. */
const FOLDERS: readonly (readonly [string, number])[] = [
  ["/dev", 0o755],
  ["/etc", 0o755],
  ["/proc", 0o555],
  ["/root", 0o700],
  ["/run", 0o755],
  ["/sys", 0o555],
  ["/tmp", 0o1777],
  ["/var", 0o755],
];

/** A file that goes into the image as it is. */
export interface PlainFile {
  /** Its absolute path in the image. */
  readonly path: string;
  /** Its content. */
  readonly bytes: Uint8Array;
  /** Whether it may be executed. */
  readonly executable: boolean;
}

/** The parts of an image. */
export interface ImageParts {
  /** The program that becomes PID 1. */
  readonly init: Uint8Array;
  /** Its interpreter and shared libraries. */
  readonly libraries: readonly LibraryFile[];
  /** The kernel's release. */
  readonly release: string;
  /** Modules, in load order. */
  readonly modules: readonly KernelModule[];
  /** More files, such as those of rootfs/overlay. */
  readonly files: readonly PlainFile[];
}

/**
 * Puts an image together.
 *
 * @param parts what it holds
 * @returns the tree
 * @throws {RangeError} when two parts want one path
 */
export function assembleImage(parts: ImageParts): Tree {
  const tree = new Tree();
  for (const [path, mode] of FOLDERS) tree.add(path, { kind: "folder", mode });
  tree.add("/init", { kind: "file", bytes: parts.init, mode: 0o755 });
  // Before anything is mounted, the kernel opens /dev/console for PID 1.
  tree.add("/dev/console", {
    kind: "character device",
    mode: 0o600,
    major: 5,
    minor: 1,
  });
  tree.add("/dev/null", {
    kind: "character device",
    mode: 0o666,
    major: 1,
    minor: 3,
  });
  // A compiled program finds its own code through /proc/self/exe, and it is
  // the one that will mount /proc. The real one covers this link then.
  tree.add("/proc/self", { kind: "folder", mode: 0o555 });
  tree.add("/proc/self/exe", { kind: "link", target: "/init" });
  for (const { path, bytes } of parts.libraries) {
    tree.add(path, { kind: "file", bytes, mode: 0o755 });
  }
  const modulesFolder = `/lib/modules/${parts.release}`;
  for (const { path, bytes } of parts.modules) {
    tree.add(`${modulesFolder}/${path}`, { kind: "file", bytes, mode: 0o644 });
  }
  const list = parts.modules.map(({ path }) => `${modulesFolder}/${path}\n`)
    .join("");
  tree.add(MODULE_LIST_PATH, {
    kind: "file",
    bytes: new TextEncoder().encode(list),
    mode: 0o644,
  });
  for (const { path, bytes, executable } of parts.files) {
    tree.add(path, { kind: "file", bytes, mode: executable ? 0o755 : 0o644 });
  }
  return tree;
}
