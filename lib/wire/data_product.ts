/**
 * A data product's descriptor (80 bytes; also the payload of a DP frame) and the
 * block that places it on a volume (formats.md, "Data product"). Imports the
 * codec.
 *
 * A descriptor has no CRC of its own: its `crc32` is that of the data. On a volume
 * the block around it has one, so every flipped bit is found. In a DP frame a
 * flipped bit is not: frames have no CRC, and the link is memory of the same
 * machine.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import {
  crc32cOver,
  lengthOf,
  paddedText,
  reserved,
  u16,
  u32,
  u8,
} from "./fields.ts";

/** The size of a descriptor in bytes. */
export const DATA_PRODUCT_DESCRIPTOR_SIZE_BYTES = 80;
/** The size of a descriptor block in bytes. */
export const DATA_PRODUCT_BLOCK_SIZE_BYTES = 512;
/** The most bytes that a name has in UTF-8. */
export const DATA_PRODUCT_NAME_MAX_BYTES = 64;

/** What a data product is and where its data lies. */
export interface DataProductDescriptor {
  /** 0x00 u32 `block_offset`: its first data block, counted from `dp_start`. */
  readonly blockOffset: number;
  /** 0x04 u32 `block_count`: how many blocks its data takes. */
  readonly blockCount: number;
  /** 0x08 u16 `dp_class`: what kind of product it is. */
  readonly dataProductClass: number;
  /** 0x0A u8: how urgent it is; 0 is the most urgent. */
  readonly priority: number;
  /** 0x0C its name, 1..64 bytes in UTF-8; `name_len` at 0x0B counts them. */
  readonly name: string;
  /** 0x4C u32 `crc32`: the CRC-32C over all its blocks, padding included. */
  readonly dataCrc32: number;
}

/** A descriptor as it stands in its block. */
export interface DataProductBlock extends DataProductDescriptor {
  /** 0x50 u32 `data_length`: the exact length of the data in bytes. */
  readonly dataLength: number;
}

const DESCRIPTOR_FIELDS = {
  blockOffset: u32(0x00),
  blockCount: u32(0x04),
  dataProductClass: u16(0x08, { name: "dp_class" }),
  priority: u8(0x0A),
  nameLength: lengthOf(0x0B, "u8", "name", {
    name: "name_len",
    min: 1,
    max: DATA_PRODUCT_NAME_MAX_BYTES,
  }),
  name: paddedText(0x0C, DATA_PRODUCT_NAME_MAX_BYTES, { min: 1 }),
  dataCrc32: u32(0x4C, { name: "crc32", hex: true }),
} as const;

/** The field table of a descriptor. */
export const dataProductLayout: Layout<
  DataProductDescriptor,
  DataProductDescriptor
> = defineLayout(
  "data product descriptor",
  DATA_PRODUCT_DESCRIPTOR_SIZE_BYTES,
  DESCRIPTOR_FIELDS,
);

/** The field table of a descriptor block. */
export const dataProductBlockLayout: Layout<
  DataProductBlock,
  DataProductBlock
> = defineLayout("data product block", DATA_PRODUCT_BLOCK_SIZE_BYTES, {
  ...DESCRIPTOR_FIELDS,
  dataLength: u32(0x50),
  descriptorCrc32: crc32cOver(0x54, 0x00, 0x54, { name: "descriptor_crc32" }),
  reserved: reserved(0x58, 424),
});

/**
 * The 80 bytes of a descriptor.
 *
 * @param descriptor The descriptor.
 * @returns A fresh array.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   decodeDataProductDescriptor,
 *   encodeDataProductDescriptor,
 * } from "./data_product.ts";
 *
 * const descriptor = {
 *   blockOffset: 1,
 *   blockCount: 4,
 *   dataProductClass: 3,
 *   priority: 0,
 *   name: "image-0001",
 *   dataCrc32: 0x12345678,
 * };
 * const bytes = encodeDataProductDescriptor(descriptor);
 * assertEquals(decodeDataProductDescriptor(bytes), descriptor);
 * ```
 */
export function encodeDataProductDescriptor(
  descriptor: DataProductDescriptor,
): Uint8Array<ArrayBuffer> {
  return dataProductLayout.encode(descriptor);
}

/**
 * Reads and judges a descriptor. Its CRC is of the data, so only a reader of the
 * data can judge that.
 *
 * @param bytes Any bytes.
 * @returns The descriptor.
 * @throws {WireError} If they are not a valid descriptor.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeDataProductDescriptor } from "./data_product.ts";
 *
 * assertThrows(
 *   () => decodeDataProductDescriptor(new Uint8Array(80)),
 *   WireError,
 *   "name_len is 0, expected 1..64",
 * );
 * ```
 */
export function decodeDataProductDescriptor(
  bytes: Uint8Array,
): DataProductDescriptor {
  return dataProductLayout.decode(bytes);
}

/**
 * The 512 bytes of a descriptor block.
 *
 * @param block The descriptor and the exact length of its data.
 * @returns A fresh array.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeDataProductBlock, encodeDataProductBlock } from "./data_product.ts";
 *
 * const block = {
 *   blockOffset: 1,
 *   blockCount: 1,
 *   dataProductClass: 0,
 *   priority: 9,
 *   name: "x",
 *   dataCrc32: 0,
 *   dataLength: 12,
 * };
 * assertEquals(decodeDataProductBlock(encodeDataProductBlock(block)), block);
 * ```
 */
export function encodeDataProductBlock(
  block: DataProductBlock,
): Uint8Array<ArrayBuffer> {
  return dataProductBlockLayout.encode(block);
}

/**
 * Reads and judges a descriptor block: its own CRC, ranges and zeros.
 *
 * @param bytes Any bytes.
 * @returns The descriptor and the exact length of its data.
 * @throws {WireError} If they are not a valid descriptor block. An all-zero block
 * is none: it ends the catalogue.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeDataProductBlock } from "./data_product.ts";
 *
 * assertThrows(
 *   () => decodeDataProductBlock(new Uint8Array(512)),
 *   WireError,
 *   "descriptor_crc32",
 * );
 * ```
 */
export function decodeDataProductBlock(bytes: Uint8Array): DataProductBlock {
  return dataProductBlockLayout.decode(bytes);
}
