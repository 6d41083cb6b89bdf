/**
 * What the lists that commands answer with have in common [O]: where the reader
 * wants to begin, how large a result may be, and entries of any length one
 * behind the other, each after a u16 that counts its bytes. Imports the codec.
 *
 * A list that is longer than a result may be is read in pieces: each result
 * says how many entries there are in all, and the reader asks again from the
 * first that it does not have.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { defineLayout, type Layout } from "./codec.ts";
import { WireError } from "./error.ts";
import { rest, u32 } from "./fields.ts";
import { PAGE_MAX_BYTES } from "./telecommand.ts";

/**
 * The most bytes of one result: 126 frames, so that two answers find room in
 * the queue of a link whose host reads slowly.
 */
export const RESULT_MAX_BYTES: number = 126 * PAGE_MAX_BYTES;

const LENGTH_BYTES = 2;

/** The field table of the arguments of SERVICE_LIST, BOOT_TIMELINE and DP_LIST. */
export const listRequestLayout: Layout<
  { readonly first: number },
  { readonly first: number }
> = defineLayout("list arguments", 4, { first: u32(0x00) });

/**
 * The arguments of a command that lists.
 *
 * @param first The first entry that is wanted, from 0, u32.
 * @returns 4 bytes.
 * @throws {WireError} If the number is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeListRequest } from "./result_list.ts";
 *
 * assertEquals(encodeListRequest(258), new Uint8Array([0, 0, 1, 2]));
 * ```
 */
export function encodeListRequest(first: number): Uint8Array<ArrayBuffer> {
  return listRequestLayout.encode({ first });
}

/**
 * Reads and judges the arguments of a command that lists.
 *
 * @param bytes Any bytes.
 * @returns The first entry that is wanted; 0 if there are no arguments.
 * @throws {WireError} If there are neither 0 nor 4 bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeListRequest } from "./result_list.ts";
 *
 * assertEquals(decodeListRequest(new Uint8Array([0, 0, 1, 2])), 258);
 * assertEquals(decodeListRequest(new Uint8Array()), 0);
 * ```
 */
export function decodeListRequest(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : listRequestLayout.decode(bytes).first;
}

/**
 * Entries one behind the other, each after its length, as many as there is
 * room for.
 *
 * @param entries The entries' bytes, at most 65,535 each.
 * @param roomBytes The room.
 * @returns The bytes: whole entries only.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { packEntries, unpackEntries } from "./result_list.ts";
 *
 * const entries = [new Uint8Array([7]), new Uint8Array([8, 9])];
 * const bytes = packEntries(entries, 100);
 * assertEquals(bytes, new Uint8Array([0, 1, 7, 0, 2, 8, 9]));
 * assertEquals(unpackEntries("list", bytes), entries);
 * assertEquals(packEntries(entries, 6).length, 3);
 * ```
 */
export function packEntries(
  entries: Iterable<Uint8Array>,
  roomBytes: number,
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let used = 0;
  for (const entry of entries) {
    used += LENGTH_BYTES + entry.length;
    if (used > roomBytes) break;
    parts.push(Uint8Array.of(entry.length >> 8, entry.length & 0xFF), entry);
  }
  return concat(parts);
}

/**
 * Takes the entries apart again.
 *
 * @param layout The name of what is read, for messages.
 * @param bytes Any bytes.
 * @returns The entries.
 * @throws {WireError} If the last entry is not whole.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { unpackEntries } from "./result_list.ts";
 *
 * assertThrows(
 *   () => unpackEntries("services", new Uint8Array([0, 9, 1])),
 *   WireError,
 *   "services: entry_len is 9, expected at most 1",
 * );
 * ```
 */
export function unpackEntries(
  layout: string,
  bytes: Uint8Array,
): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = (bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0);
    const room = bytes.length - at - LENGTH_BYTES;
    if (room < length) {
      throw new WireError({
        layout,
        field: "entry_len",
        value: length,
        expected: `at most ${Math.max(0, room)}`,
      });
    }
    const start = at + LENGTH_BYTES;
    entries.push(bytes.slice(start, start + length));
    at = start + length;
  }
  return entries;
}

/** A list in pieces, before its entries are read. */
export interface ListRecord {
  /** 0x00 u32: how many entries there are in all. */
  readonly total: number;
  /** 0x04 u32: the number of the first entry here, from 0. */
  readonly first: number;
  /** 0x08 the entries, each after a u16 that counts its bytes. */
  readonly entries: Uint8Array;
}

const HEAD_BYTES = 8;

/** The fields of a list in pieces, as SERVICE_LIST and BOOT_TIMELINE answer it. */
export const listFields = {
  total: u32(0x00),
  first: u32(0x04),
  entries: rest(HEAD_BYTES, RESULT_MAX_BYTES - HEAD_BYTES),
};

/**
 * A piece of a list.
 *
 * @param layout The result's layout.
 * @param entry The layout of an entry.
 * @param items All entries.
 * @param first The first that is wanted, from 0, u32.
 * @returns As many entries as there is room for.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bootTimelineLayout as layout } from "./boot_timeline.ts";
 * import { readListPiece, writeListPiece, listRequestLayout } from "./result_list.ts";
 *
 * const bytes = writeListPiece(layout, listRequestLayout, [{ first: 3 }, { first: 4 }], 1);
 * assertEquals(readListPiece(layout, listRequestLayout, bytes), {
 *   total: 2,
 *   first: 1,
 *   items: [{ first: 4 }],
 * });
 * ```
 */
export function writeListPiece<Item extends object>(
  layout: Layout<ListRecord, ListRecord>,
  entry: Layout<Item, Item>,
  items: readonly Item[],
  first: number,
): Uint8Array<ArrayBuffer> {
  const wanted = items.slice(first).values().map((item) => entry.encode(item));
  const entries = packEntries(wanted, RESULT_MAX_BYTES - HEAD_BYTES);
  return layout.encode({ total: items.length, first, entries });
}

/**
 * Reads and judges a piece of a list.
 *
 * @param layout The result's layout.
 * @param entry The layout of an entry.
 * @param bytes Any bytes.
 * @returns How many entries there are in all, and those that are here.
 * @throws {WireError} If they are not such a result.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { bootTimelineLayout as layout } from "./boot_timeline.ts";
 * import { WireError } from "./error.ts";
 * import { readListPiece, listRequestLayout } from "./result_list.ts";
 *
 * assertThrows(
 *   () => readListPiece(layout, listRequestLayout, new Uint8Array(7)),
 *   WireError,
 * );
 * ```
 */
export function readListPiece<Item extends object>(
  layout: Layout<ListRecord, ListRecord>,
  entry: Layout<Item, Item>,
  bytes: Uint8Array,
): { total: number; first: number; items: readonly Item[] } {
  const { total, first, entries } = layout.decode(bytes);
  const items = unpackEntries(layout.name, entries)
    .map((item) => entry.decode(item));
  return { total, first, items };
}
