/**
 * Writes a tree of files as a tar archive in the "ustar" format (POSIX.1-2017,
 * pax, "ustar Interchange Format"), with a pax header where a name does not fit.
 * The same tree gives the same bytes: entries are ordered, everything belongs
 * to root, and every time is the one given. It imports cpio.ts for the tree.
 */
import type { Node, Tree } from "./cpio.ts";

const BLOCK_BYTES = 512;

/** The most that the name field takes. */
const MAX_NAME_BYTES = 100;

const TYPE_FLAGS = {
  "file": "0",
  "link": "2",
  "character device": "3",
  "folder": "5",
} as const;

const encoder = new TextEncoder();

/** Where the parts of an archive go. */
type Write = (piece: Uint8Array) => void;

function header(
  name: string,
  node: Node,
  sizeBytes: number,
  timeSeconds: number,
  typeFlag: string,
): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  const text = (at: number, value: string, length: number): void => {
    block.set(encoder.encode(value).subarray(0, length), at);
  };
  const octal = (at: number, value: number, digits: number): void =>
    text(at, value.toString(8).padStart(digits, "0"), digits);
  text(0, name, MAX_NAME_BYTES);
  octal(100, node.kind === "link" ? 0o777 : node.mode, 7);
  octal(108, 0, 7); // user
  octal(116, 0, 7); // group
  octal(124, sizeBytes, 11);
  octal(136, timeSeconds, 11);
  text(148, "        ", 8); // the check sum counts itself as blanks
  text(156, typeFlag, 1);
  if (node.kind === "link") text(157, node.target, MAX_NAME_BYTES);
  text(257, "ustar\0" + "00", 8);
  const device = node.kind === "character device"
    ? node
    : { major: 0, minor: 0 };
  octal(329, device.major, 7);
  octal(337, device.minor, 7);
  const sum = block.reduce((total, byte) => total + byte, 0);
  text(148, `${sum.toString(8).padStart(6, "0")}\0 `, 8);
  return block;
}

function padded(write: Write, bytes: Uint8Array): void {
  write(bytes);
  write(
    new Uint8Array((BLOCK_BYTES - bytes.length % BLOCK_BYTES) % BLOCK_BYTES),
  );
}

/** A pax record: its own length in decimal, a blank, `key=value`, a line feed. */
function paxRecord(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + 1;
  while (String(length).length + rest !== length) {
    length = String(length).length + rest;
  }
  return `${length} ${key}=${value}\n`;
}

/**
 * Writes the archive.
 *
 * @param tree what it holds
 * @param write takes the pieces, in order
 * @param timeSeconds the modification time of every entry, in seconds since 1970
 */
export function writeTar(tree: Tree, write: Write, timeSeconds: number): void {
  const size = (value: string): number => encoder.encode(value).length;
  for (const path of tree.paths()) {
    const node = tree.get(path);
    if (node === undefined) continue;
    const name = path.slice(1) + (node.kind === "folder" ? "/" : "");
    const data = node.kind === "file" ? node.bytes : new Uint8Array(0);
    let records = "";
    if (size(name) > MAX_NAME_BYTES) records += paxRecord("path", name);
    if (node.kind === "link" && size(node.target) > MAX_NAME_BYTES) {
      records += paxRecord("linkpath", node.target);
    }
    if (records !== "") {
      const bytes = encoder.encode(records);
      const plain: Node = { kind: "file", bytes, mode: 0o644 };
      write(header("pax", plain, bytes.length, timeSeconds, "x"));
      padded(write, bytes);
    }
    write(
      header(name, node, data.length, timeSeconds, TYPE_FLAGS[node.kind]),
    );
    padded(write, data);
  }
  write(new Uint8Array(2 * BLOCK_BYTES));
}
