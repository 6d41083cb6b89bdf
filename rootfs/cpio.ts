/**
 * Writes an initial RAM file system: a cpio archive in the "newc" format that
 * the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst
 * and cpio(5)). Device nodes are only entries in the archive, so that no root
 * is needed. The same tree gives the same bytes: entries are ordered, inode
 * numbers count up, and every time is the one given. It imports nothing.
 */

/** What stands at one path. */
export type Node =
  | { readonly kind: "file"; readonly bytes: Uint8Array; readonly mode: number }
  | { readonly kind: "folder"; readonly mode: number }
  | { readonly kind: "link"; readonly target: string }
  | {
    readonly kind: "character device";
    readonly mode: number;
    readonly major: number;
    readonly minor: number;
  };

const TYPE_BITS = {
  "character device": 0o020000,
  "folder": 0o040000,
  "file": 0o100000,
  "link": 0o120000,
} as const;

/** The header: a magic of 6 characters and 13 numbers of 8 hexadecimal digits. */
const HEADER_BYTES = 110;

/** The kernel takes no longer names: PATH_MAX, with its final zero byte. */
const MAX_NAME_BYTES = 4096;

const encoder = new TextEncoder();

/** Where the parts of an archive go. */
type Write = (piece: Uint8Array) => void;

/** A tree of files, in memory, that becomes an archive. */
export class Tree {
  readonly #nodes = new Map<string, Node>();

  /**
   * Adds what stands at a path, and the folders above it.
   *
   * @param path absolute, such as `/etc/spaceos/modules`
   * @param node what stands there
   * @throws {RangeError} for a name that the kernel would not take, or a path that is taken
   */
  add(path: string, node: Node): void {
    const name = checkedName(path);
    const old = this.#nodes.get(name);
    if (
      old !== undefined && !(old.kind === "folder" && node.kind === "folder")
    ) {
      throw new RangeError(
        `${path} is in the image twice, as ${old.kind} and as ${node.kind}: expected each path once`,
      );
    }
    const parts = name.split("/");
    for (let length = 1; length < parts.length; length++) {
      const above = parts.slice(0, length).join("/");
      const there = this.#nodes.get(above);
      if (there === undefined) {
        this.#nodes.set(above, { kind: "folder", mode: 0o755 });
      } else if (there.kind !== "folder") {
        throw new RangeError(
          `${path} cannot be below /${above}, which is a ${there.kind}`,
        );
      }
    }
    checkMode(path, node);
    this.#nodes.set(name, node);
  }

  /**
   * What stands at a path.
   *
   * @param path absolute
   * @returns the node, or undefined when there is none
   */
  get(path: string): Node | undefined {
    return this.#nodes.get(path.replace(/^\/+/, ""));
  }

  /**
   * All paths, in the order of the archive.
   *
   * @returns absolute paths; a folder stands before what it holds
   */
  paths(): string[] {
    // Sorted part by part: "a/b" must follow "a" even if "a-b" is there.
    return [...this.#nodes.keys()]
      .map((name) => name.split("/"))
      .sort((a, b) => {
        for (let i = 0; i < Math.min(a.length, b.length); i++) {
          const [left = "", right = ""] = [a[i], b[i]];
          if (left !== right) return left < right ? -1 : 1;
        }
        return a.length - b.length;
      })
      .map((parts) => `/${parts.join("/")}`);
  }

  /**
   * Writes the archive.
   *
   * @param write takes the pieces, in order
   * @param timeSeconds the modification time of every entry, in seconds since 1970
   * @throws {RangeError} for a time outside 0..2^32-1
   */
  write(write: Write, timeSeconds: number): void {
    if (
      !Number.isInteger(timeSeconds) || timeSeconds < 0 ||
      timeSeconds > 0xffffffff
    ) {
      throw new RangeError(
        `the time is ${timeSeconds}, expected whole seconds in 0..4294967295`,
      );
    }
    let inode = 0;
    for (const path of this.paths()) {
      const node = this.get(path);
      if (node === undefined) continue;
      inode++;
      writeEntry(write, path.slice(1), node, inode, timeSeconds);
    }
    writeEntry(
      write,
      "TRAILER!!!",
      { kind: "file", bytes: new Uint8Array(0), mode: 0 },
      0,
      0,
    );
  }
}

function checkedName(path: string): string {
  const parts = path.split("/");
  const bad = !path.startsWith("/") || path.includes("\0") || path === "/" ||
    parts.slice(1).some((part) => part === "" || part === "." || part === "..");
  if (bad) {
    throw new RangeError(
      `${
        JSON.stringify(path)
      } cannot be in the image: expected an absolute path without empty parts, "." or ".."`,
    );
  }
  const name = path.slice(1);
  if (name === "TRAILER!!!") {
    throw new RangeError(
      '"/TRAILER!!!" cannot be in the image: this name ends the archive',
    );
  }
  if (encoder.encode(name).length + 1 > MAX_NAME_BYTES) {
    throw new RangeError(`${path} has more than ${MAX_NAME_BYTES - 1} bytes`);
  }
  return name;
}

function checkMode(path: string, node: Node): void {
  if (node.kind === "link") {
    if (node.target === "" || node.target.includes("\0")) {
      throw new RangeError(
        `${path} is a link to ${JSON.stringify(node.target)}, expected a path`,
      );
    }
    return;
  }
  if (!Number.isInteger(node.mode) || node.mode < 0 || node.mode > 0o7777) {
    throw new RangeError(
      `${path} has the mode ${node.mode}, expected 0..4095 (0o7777)`,
    );
  }
  if (node.kind === "file" && node.bytes.length > 0xffffffff) {
    throw new RangeError(
      `${path} has ${node.bytes.length} bytes, a cpio archive takes 4294967295`,
    );
  }
}

function padding(lengthBytes: number): Uint8Array {
  return new Uint8Array((4 - lengthBytes % 4) % 4);
}

function writeEntry(
  write: Write,
  name: string,
  node: Node,
  inode: number,
  timeSeconds: number,
): void {
  const nameBytes = encoder.encode(`${name}\0`);
  const data = node.kind === "file"
    ? node.bytes
    : node.kind === "link"
    ? encoder.encode(node.target)
    : new Uint8Array(0);
  const device = node.kind === "character device"
    ? node
    : { major: 0, minor: 0 };
  const mode = node.kind === "link" ? 0o777 : node.mode;
  const trailer = inode === 0;
  const fields = [
    inode,
    trailer ? 0 : TYPE_BITS[node.kind] | mode,
    0, // user
    0, // group
    node.kind === "folder" ? 2 : 1, // links
    timeSeconds,
    data.length,
    0, // major and minor number of the file system that holds the file
    0,
    device.major,
    device.minor,
    nameBytes.length,
    0, // check sum, unused in this format
  ];
  const header = "070701" +
    fields.map((field) => field.toString(16).toUpperCase().padStart(8, "0"))
      .join("");
  write(encoder.encode(header));
  write(nameBytes);
  write(padding(HEADER_BYTES + nameBytes.length));
  write(data);
  write(padding(data.length));
}
