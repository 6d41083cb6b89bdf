/**
 * What the image holds: the tree of the initial RAM file system, put together
 * from its parts. Pure: it reads no files. It imports elf.ts, cpio.ts and
 * kernel.ts of this folder, for their types and the tree, and lib/fdir for the
 * manifest, by which the running system checks its files.
 */
import { createHash } from "node:crypto";
import {
  formatManifest,
  MANIFEST_PATH,
  type ManifestEntry,
} from "../lib/fdir/manifest.ts";
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

/** What is below these is covered by the running system's own mounts. */
const HIDDEN_FOLDERS = ["/dev/", "/proc/", "/run/", "/sys/", "/tmp/"];

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
  const manifest: ManifestEntry[] = [];
  const addFile = (path: string, bytes: Uint8Array, mode: number): void => {
    tree.add(path, { kind: "file", bytes, mode });
    if (HIDDEN_FOLDERS.some((folder) => path.startsWith(folder))) return;
    const digest = createHash("sha256").update(bytes).digest("hex");
    manifest.push({ path, digest });
  };
  for (const [path, mode] of FOLDERS) tree.add(path, { kind: "folder", mode });
  addFile("/init", parts.init, 0o755);
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
    addFile(path, bytes, 0o755);
  }
  addModules(addFile, parts);
  for (const { path, bytes, executable } of parts.files) {
    addFile(path, bytes, executable ? 0o755 : 0o644);
  }
  tree.add(MANIFEST_PATH, {
    kind: "file",
    bytes: new TextEncoder().encode(formatManifest(manifest)),
    mode: 0o644,
  });
  return tree;
}

/**
 * Adds a kernel's modules, and the list of them; a kernel with everything built
 * in needs none.
 *
 * @param addFile puts a file into the tree
 * @param parts the release, and the modules in load order
 */
export function addModules(
  addFile: (path: string, bytes: Uint8Array, mode: number) => void,
  parts: Pick<ImageParts, "release" | "modules">,
): void {
  if (parts.modules.length === 0) return;
  const modulesFolder = `/lib/modules/${parts.release}`;
  for (const { path, bytes } of parts.modules) {
    addFile(`${modulesFolder}/${path}`, bytes, 0o644);
  }
  const list = parts.modules.map(({ path }) => `${modulesFolder}/${path}\n`)
    .join("");
  addFile(MODULE_LIST_PATH, new TextEncoder().encode(list), 0o644);
}
