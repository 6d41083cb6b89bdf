/**
 * The result of DP_LIST [O]: the catalogue of the data products, and what is
 * left of their area. Imports the codec and the descriptor.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { defineLayout, type Layout } from "./codec.ts";
import {
  DATA_PRODUCT_DESCRIPTOR_SIZE_BYTES,
  type DataProductDescriptor,
  dataProductLayout,
} from "./data_product.ts";
import { WireError } from "./error.ts";
import { bytes, rest, u32, u64 } from "./fields.ts";
import { RESULT_MAX_BYTES } from "./result_list.ts";

const ENTRY_BYTES = DATA_PRODUCT_DESCRIPTOR_SIZE_BYTES + 4;
const HEAD_BYTES = 20;

/** The most products of one result. */
export const DATA_PRODUCT_LIST_MAX_COUNT: number = Math.floor(
  (RESULT_MAX_BYTES - HEAD_BYTES) / ENTRY_BYTES,
);

/** One product as it is sent. */
export interface DataProductEntryRecord {
  /** 0x00 80 bytes: its descriptor. */
  readonly descriptor: Uint8Array;
  /** 0x50 u32 `data_length`: the exact length of its data in bytes. */
  readonly dataLength: number;
}

/** The field table of an entry. */
export const dataProductEntryLayout: Layout<
  DataProductEntryRecord,
  DataProductEntryRecord
> = defineLayout("DP_LIST entry", ENTRY_BYTES, {
  descriptor: bytes(0x00, DATA_PRODUCT_DESCRIPTOR_SIZE_BYTES),
  dataLength: u32(0x50),
});

/** The result before its entries are read. */
export interface DataProductListRecord {
  /** 0x00 u32: how many products there are in all. */
  readonly total: number;
  /** 0x04 u32: the number of the first entry here, from 0. */
  readonly first: number;
  /** 0x08 u64: how many bytes the largest product could have that still fits. */
  readonly freeBytes: bigint;
  /** 0x10 u32: how many stretches of the area make no sense. */
  readonly damagedCount: number;
  /** 0x14 the entries, 84 bytes each, oldest product first. */
  readonly entries: Uint8Array;
}

/** The field table of the result. */
export const dataProductListLayout: Layout<
  DataProductListRecord,
  DataProductListRecord
> = defineLayout(
  "DP_LIST result",
  HEAD_BYTES + DATA_PRODUCT_LIST_MAX_COUNT * ENTRY_BYTES,
  {
    total: u32(0x00),
    first: u32(0x04),
    freeBytes: u64(0x08),
    damagedCount: u32(0x10),
    entries: rest(0x14, DATA_PRODUCT_LIST_MAX_COUNT * ENTRY_BYTES),
  },
);

/** A product with the exact length of its data. */
export interface DataProductEntry extends DataProductDescriptor {
  /** The length of its data in bytes. */
  readonly dataLength: number;
}

/** A piece of the catalogue. */
export interface DataProductList {
  /** How many products there are in all. */
  readonly total: number;
  /** The number of the first product here, from 0. */
  readonly first: number;
  /** How many bytes the largest product could have that still fits. */
  readonly freeBytes: bigint;
  /** How many stretches of the area make no sense. */
  readonly damagedCount: number;
  /** The products, oldest first. */
  readonly products: readonly DataProductEntry[];
}

/**
 * The result of DP_LIST.
 *
 * @param catalogue All products, what is free and what is damaged.
 * @param first The first product that is wanted, from 0.
 * @returns As many products as there is room for.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeDataProductList, encodeDataProductList } from "./data_product_list.ts";
 *
 * const image = {
 *   blockOffset: 1,
 *   blockCount: 1,
 *   dataProductClass: 3,
 *   priority: 0,
 *   name: "image-1",
 *   dataCrc32: 0,
 *   dataLength: 11,
 * };
 * const catalogue = { products: [image], freeBytes: 512n, damagedCount: 0 };
 * const bytes = encodeDataProductList(catalogue, 0);
 * assertEquals(decodeDataProductList(bytes), { ...catalogue, total: 1, first: 0 });
 * ```
 */
export function encodeDataProductList(
  catalogue: Omit<DataProductList, "total" | "first">,
  first: number,
): Uint8Array<ArrayBuffer> {
  const { products, freeBytes, damagedCount } = catalogue;
  const wanted = products.slice(first, first + DATA_PRODUCT_LIST_MAX_COUNT);
  const entries = concat(wanted.map((product) =>
    dataProductEntryLayout.encode({
      descriptor: dataProductLayout.encode(product),
      dataLength: product.dataLength,
    })
  ));
  const total = products.length;
  return dataProductListLayout.encode({
    total,
    first,
    freeBytes,
    damagedCount,
    entries,
  });
}

/**
 * Reads and judges the result of DP_LIST.
 *
 * @param bytes Any bytes.
 * @returns A piece of the catalogue.
 * @throws {WireError} If they are not such a result.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeDataProductList } from "./data_product_list.ts";
 *
 * assertThrows(() => decodeDataProductList(new Uint8Array(21)), WireError, "84 bytes each");
 * ```
 */
export function decodeDataProductList(bytes: Uint8Array): DataProductList {
  const { entries, ...head } = dataProductListLayout.decode(bytes);
  if (entries.length % ENTRY_BYTES !== 0) {
    throw new WireError({
      layout: dataProductListLayout.name,
      field: "entries",
      value: entries.length,
      expected: `${ENTRY_BYTES} bytes each`,
    });
  }
  const count = entries.length / ENTRY_BYTES;
  const products = Array.from({ length: count }, (_, index) => {
    const start = index * ENTRY_BYTES;
    const { descriptor, dataLength } = dataProductEntryLayout.decode(
      entries.subarray(start, start + ENTRY_BYTES),
    );
    return { ...dataProductLayout.decode(descriptor), dataLength };
  });
  return { ...head, products };
}
