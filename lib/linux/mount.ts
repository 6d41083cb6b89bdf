/**
 * File systems: mounting one, mounting the set that every Linux system needs,
 * and reading what is mounted. Imports the libc table, the error type and the
 * file functions' flags only.
 *
 * @module
 */

import { readControl } from "./control_file.ts";
import { SystemError } from "./error.ts";
import { cString } from "./c_string.ts";
import { check, libc } from "./libc.ts";

/**
 * Mount flags by name with their bits, from `linux/mount.h`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MOUNT_FLAGS } from "@spaceos/pid1";
 *
 * assertEquals(MOUNT_FLAGS.nosuid | MOUNT_FLAGS.nodev, 0x6);
 * ```
 */
export const MOUNT_FLAGS = {
  ro: 0x1,
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  sync: 0x10,
  remount: 0x20,
  dirsync: 0x80,
  nosymfollow: 0x100,
  noatime: 0x400,
  nodiratime: 0x800,
  bind: 0x1000,
  move: 0x2000,
  rec: 0x4000,
  silent: 0x8000,
  unbindable: 0x20000,
  private: 0x40000,
  slave: 0x80000,
  shared: 0x100000,
  relatime: 0x200000,
  strictatime: 0x1000000,
  lazytime: 0x2000000,
} as const;

/** The name of a mount flag, as mount(8) writes it. */
export type MountFlag = keyof typeof MOUNT_FLAGS;

/** What to mount where; see `mount(2)`. */
export interface MountOptions {
  /** The device, or any word for a file system without one. Default: the type. */
  readonly source?: string;
  /** The directory to mount on, which must exist. */
  readonly target: string;
  /** The file system's type, for example `"ext4"`. Empty for a bind or remount. */
  readonly type?: string;
  /** Flags, for example `["nosuid", "nodev"]`. */
  readonly flags?: readonly MountFlag[];
  /** Options of the file system itself, for example `"mode=0755,size=16m"`. */
  readonly data?: string;
}

/**
 * Mounts a file system (`mount(2)`).
 *
 * @param options The source, target, type, flags and data.
 * @throws {SystemError} With the target as path: EBUSY when the same file
 * system is mounted there already, ENODEV when the kernel does not know the
 * type, ENOENT when the target does not exist, EPERM without CAP_SYS_ADMIN.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { mount } from "./mount.ts";
 * import { SystemError } from "./error.ts";
 *
 * const error = assertThrows(
 *   () => mount({ type: "tmpfs", target: "/no/such/directory", flags: ["nosuid"] }),
 *   SystemError,
 * );
 * console.log(error.message); // mount /no/such/directory: ENOENT, ...
 * ```
 */
export function mount(options: MountOptions): void {
  const type = options.type ?? "";
  const flags = (options.flags ?? []).reduce(
    (bits, flag) => bits | MOUNT_FLAGS[flag],
    0,
  );
  check(
    libc().mount(
      cString(options.source ?? (type === "" ? "none" : type)),
      cString(options.target),
      type === "" ? null : cString(type),
      BigInt(flags),
      options.data === undefined || options.data === ""
        ? null
        : cString(options.data),
    ),
    "mount",
    options.target,
  );
}

/** Options of {@linkcode unmount}. */
export interface UnmountOptions {
  /** Ask the server of a network file system no more (MNT_FORCE). */
  readonly force?: boolean;
  /** Detach now, clean up when it is no longer busy (MNT_DETACH). */
  readonly lazy?: boolean;
}

/**
 * Unmounts a file system (`umount2(2)`). Symbolic links are not followed.
 *
 * @param target The mount point.
 * @param options Whether to force it or to detach it.
 * @throws {SystemError} With the target as path: EBUSY while files are open on
 * it, EINVAL when it is not a mount point.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { unmount } from "./mount.ts";
 * import { SystemError } from "./error.ts";
 *
 * assertThrows(() => unmount("/no/such/directory"), SystemError);
 * ```
 */
export function unmount(target: string, options: UnmountOptions = {}): void {
  const MNT_FORCE = 1, MNT_DETACH = 2, UMOUNT_NOFOLLOW = 8;
  const flags = UMOUNT_NOFOLLOW | (options.force ? MNT_FORCE : 0) |
    (options.lazy ? MNT_DETACH : 0);
  check(libc().umount2(cString(target), flags), "umount2", target);
}

/** One row of a table of file systems; see {@linkcode FILESYSTEMS}. */
export interface Filesystem extends MountOptions {
  /** The file system's type. */
  readonly type: string;
  /** Permissions of the mount point when it has to be made, default 0o755. */
  readonly mode?: number;
}

/**
 * The file systems that a system needs before anything else: devices,
 * processes, and the kernel's objects. This order is the order of mounting.
 */
export const FILESYSTEMS: readonly Filesystem[] = [
  {
    type: "devtmpfs",
    source: "dev",
    target: "/dev",
    flags: ["nosuid", "noexec", "relatime"],
    data: "mode=0755",
  },
  {
    type: "proc",
    target: "/proc",
    flags: ["nosuid", "nodev", "noexec", "relatime"],
    mode: 0o555,
  },
  {
    type: "sysfs",
    target: "/sys",
    flags: ["nosuid", "nodev", "noexec", "relatime"],
    mode: 0o555,
  },
];

/** File systems that services expect besides: run-time state, temporary files, terminals. */
export const RUNTIME_FILESYSTEMS: readonly Filesystem[] = [
  {
    type: "tmpfs",
    source: "run",
    target: "/run",
    flags: ["nosuid", "nodev", "noexec", "relatime"],
    data: "mode=0755,size=10%",
  },
  {
    type: "tmpfs",
    source: "tmp",
    target: "/tmp",
    flags: ["nosuid", "nodev", "relatime"],
    data: "mode=1777,size=25%",
    mode: 0o1777,
  },
  {
    type: "devpts",
    target: "/dev/pts",
    flags: ["nosuid", "noexec", "relatime"],
    data: "mode=0620,gid=5,ptmxmode=0666",
  },
  {
    type: "tmpfs",
    source: "shm",
    target: "/dev/shm",
    flags: ["nosuid", "nodev", "noexec", "relatime"],
    data: "mode=1777,size=25%",
    mode: 0o1777,
  },
];

/** The unified control group hierarchy. */
export const CGROUP_FILESYSTEMS: readonly Filesystem[] = [
  {
    type: "cgroup2",
    source: "cgroup",
    target: "/sys/fs/cgroup",
    flags: ["nosuid", "nodev", "noexec", "relatime"],
  },
];

/** What the kernel kept of the last crash; see the kernel's `pstore` document. */
export const PSTORE_FILESYSTEMS: readonly Filesystem[] = [
  {
    type: "pstore",
    target: "/sys/fs/pstore",
    flags: ["nosuid", "nodev", "noexec", "relatime"],
  },
];

/** What {@linkcode setupFilesystems} did for one row. */
export interface FilesystemResult {
  /** The mount point. */
  readonly target: string;
  /** The file system's type. */
  readonly type: string;
  /** `"mounted"` now, `"present"` already, or `"failed"` with the error. */
  readonly outcome: "mounted" | "present" | "failed";
  /** Why it failed; present if and only if it did. */
  readonly error?: SystemError;
}

/**
 * Mounts devtmpfs on /dev, proc on /proc and sysfs on /sys, or the rows given.
 * Missing mount points are made. What is mounted already with the same type is
 * left alone, so that it may be called again. A row that fails does not keep
 * the others from being mounted, and nothing is thrown: PID 1 goes on with
 * what it has, and the result says what that is.
 *
 * @param filesystems Rows to mount, in order. Default: {@linkcode FILESYSTEMS}.
 * @returns One result for each row, in the same order.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { setupFilesystems } from "./mount.ts";
 *
 * // A running system has /proc mounted, so this changes nothing.
 * const [result] = setupFilesystems([{ type: "proc", target: "/proc" }]);
 * assertEquals(result, { target: "/proc", type: "proc", outcome: "present" });
 * ```
 */
export function setupFilesystems(
  filesystems: readonly Filesystem[] = FILESYSTEMS,
): FilesystemResult[] {
  return filesystems.map((row) => {
    const { target, type } = row;
    try {
      return { target, type, outcome: setupFilesystem(row) };
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return { target, type, outcome: "failed", error };
    }
  });
}

const EBUSY = 16;
const EEXIST = 17;
const AT_FDCWD = -100;

function setupFilesystem(row: Filesystem): "mounted" | "present" {
  if (mountedType(row.target) === row.type) return "present";
  makeDirectories(row.target, row.mode ?? 0o755);
  try {
    mount(row);
    return "mounted";
  } catch (error) {
    // Without /proc, or on a mount that hides behind another name, the kernel
    // is the one who knows: it refuses the same file system twice with EBUSY.
    if (error instanceof SystemError && error.errno === EBUSY) return "present";
    throw error;
  }
}

/** The type of what is mounted on top of a directory, if /proc can tell. */
function mountedType(target: string): string | undefined {
  try {
    return readMounts().findLast((entry) => entry.target === target)?.type;
  } catch {
    return undefined; // no /proc yet
  }
}

function makeDirectories(path: string, mode: number): void {
  const parts = path.split("/").filter((part) => part !== "");
  parts.forEach((_, index) => {
    const directory = "/" + parts.slice(0, index + 1).join("/");
    const last = index === parts.length - 1;
    try {
      check(
        libc().mkdirat(AT_FDCWD, cString(directory), last ? mode : 0o755),
        "mkdir",
        directory,
      );
    } catch (error) {
      // On a read-only root EROFS hides that the directory is there, so only
      // the mount itself can tell.
      if (error instanceof SystemError && (error.errno === EEXIST || !last)) {
        return;
      }
      if (error instanceof SystemError && error.code === "EROFS") return;
      throw error;
    }
  });
}

/** One line of `/proc/self/mountinfo`; see `proc_pid_mountinfo(5)`. */
export interface MountEntry {
  /** The mount's number, unique while it lasts. */
  readonly id: number;
  /** The number of the mount that this one is mounted on. */
  readonly parentId: number;
  /** The device as `major:minor`. */
  readonly device: string;
  /** The directory inside the file system that is mounted. */
  readonly root: string;
  /** The mount point. */
  readonly target: string;
  /** Flags of the mount, for example `["ro", "nosuid"]`. */
  readonly flags: readonly string[];
  /** The file system's type. */
  readonly type: string;
  /** The device, or the word that was given instead. */
  readonly source: string;
  /** Options of the file system itself. */
  readonly options: readonly string[];
}

/**
 * Reads what is mounted, in the order of mounting.
 *
 * @param path The file to read, default `/proc/self/mountinfo`.
 * @throws {SystemError} ENOENT when /proc is not mounted.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { readMounts } from "./mount.ts";
 *
 * assert(readMounts().some((entry) => entry.target === "/"));
 * ```
 */
export function readMounts(path = "/proc/self/mountinfo"): MountEntry[] {
  return parseMounts(readControl(path));
}

/**
 * Parses the text of a mountinfo file. Lines of another form are left out.
 *
 * @param text The text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseMounts } from "./mount.ts";
 *
 * const line = "36 35 98:0 / /mnt/my\\040disk rw,noatime master:1 - ext4 /dev/vda rw";
 * assertEquals(parseMounts(line)[0]?.target, "/mnt/my disk");
 * assertEquals(parseMounts(line)[0]?.type, "ext4");
 * ```
 */
export function parseMounts(text: string): MountEntry[] {
  return text.split("\n").flatMap((line) => {
    const [head, tail] = line.split(" - ", 2);
    const [id, parentId, device, root, target, flags] = (head ?? "").split(" ");
    const [type, source, options] = (tail ?? "").split(" ");
    if (flags === undefined || options === undefined) return [];
    return [{
      id: Number(id),
      parentId: Number(parentId),
      device: device ?? "",
      root: unescapeOctal(root ?? ""),
      target: unescapeOctal(target ?? ""),
      flags: flags.split(","),
      type: unescapeOctal(type ?? ""),
      source: unescapeOctal(source ?? ""),
      options: options.split(","),
    }];
  });
}

/** Space, tab, newline and backslash stand as `\040` and so on; bytes of a longer character do, too. */
function unescapeOctal(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (let index = 0; index < text.length;) {
    const octal = /^\\([0-3][0-7]{2})/.exec(text.slice(index, index + 4))?.[1];
    if (octal !== undefined) {
      bytes.push(parseInt(octal, 8));
      index += 4;
    } else {
      const character = String.fromCodePoint(text.codePointAt(index) ?? 0);
      bytes.push(...encoder.encode(character));
      index += character.length;
    }
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
