/**
 * The arguments and the result of DP_READ [O]: a piece of a data product.
 * Imports the codec.
 *
 * A piece carries no CRC of its own. The reader judges the whole, when it has
 * all of it, by the CRC in the product's descriptor.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import { DATA_PRODUCT_NAME_MAX_BYTES } from "./data_product.ts";
import { countedText, lengthOf, rest, u32 } from "./fields.ts";
import { RESULT_MAX_BYTES } from "./result_list.ts";

const HEAD_BYTES = 8;

/** The most bytes of data in one answer. */
export const DATA_PRODUCT_PIECE_MAX_BYTES: number = RESULT_MAX_BYTES -
  HEAD_BYTES;

/** What DP_READ asks for. */
export interface DataProductRequest {
  /** 0x00 u32: where in the data the piece begins, in bytes. */
  readonly offset: number;
  /** 0x04 u32: how many bytes at most; 1 to what one answer carries. */
  readonly length: number;
  /** 0x09 the product's name, 1..64 bytes; `name_len` at 0x08 counts them. */
  readonly name: string;
}

/** The field table of the arguments. */
export const dataProductRequestLayout: Layout<
  DataProductRequest,
  DataProductRequest
> = defineLayout("DP_READ arguments", 9 + DATA_PRODUCT_NAME_MAX_BYTES, {
  offset: u32(0x00),
  length: u32(0x04, { min: 1, max: DATA_PRODUCT_PIECE_MAX_BYTES }),
  nameLength: lengthOf(0x08, "u8", "name", {
    name: "name_len",
    min: 1,
    max: DATA_PRODUCT_NAME_MAX_BYTES,
  }),
  name: countedText(0x09, DATA_PRODUCT_NAME_MAX_BYTES, { min: 1 }),
});

/** A piece of a product. */
export interface DataProductPiece {
  /** 0x00 u32 `data_length`: the length of the whole product in bytes. */
  readonly dataLength: number;
  /** 0x04 u32: where in the product the piece begins. */
  readonly offset: number;
  /** 0x08 the piece; shorter than asked for at the product's end, empty behind it. */
  readonly data: Uint8Array;
}

/** The field table of the result. */
export const dataProductPieceLayout: Layout<
  DataProductPiece,
  DataProductPiece
> = defineLayout("DP_READ result", RESULT_MAX_BYTES, {
  dataLength: u32(0x00),
  offset: u32(0x04),
  data: rest(0x08, DATA_PRODUCT_PIECE_MAX_BYTES),
});

/**
 * The arguments of DP_READ.
 *
 * @param request What is wanted.
 * @returns 10..73 bytes.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeDataProductRequest, encodeDataProductRequest } from "./data_product_read.ts";
 *
 * const request = { offset: 0, length: 4096, name: "image-1" };
 * const bytes = encodeDataProductRequest(request);
 * assertEquals(decodeDataProductRequest(bytes), request);
 * ```
 */
export function encodeDataProductRequest(
  request: DataProductRequest,
): Uint8Array<ArrayBuffer> {
  return dataProductRequestLayout.encode(request);
}

/**
 * Reads and judges the arguments of DP_READ.
 *
 * @param bytes Any bytes.
 * @returns What is wanted.
 * @throws {WireError} If they are not such arguments.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeDataProductRequest } from "./data_product_read.ts";
 *
 * assertThrows(
 *   () => decodeDataProductRequest(new Uint8Array(10)),
 *   WireError,
 *   "length is 0, expected 1..",
 * );
 * ```
 */
export function decodeDataProductRequest(
  bytes: Uint8Array,
): DataProductRequest {
  return dataProductRequestLayout.decode(bytes);
}

/**
 * The result of DP_READ.
 *
 * @param piece The piece.
 * @returns 8 bytes and the data.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeDataProductPiece, encodeDataProductPiece } from "./data_product_read.ts";
 *
 * const piece = { dataLength: 100, offset: 98, data: new Uint8Array([1, 2]) };
 * assertEquals(decodeDataProductPiece(encodeDataProductPiece(piece)), piece);
 * ```
 */
export function encodeDataProductPiece(
  piece: DataProductPiece,
): Uint8Array<ArrayBuffer> {
  return dataProductPieceLayout.encode(piece);
}

/**
 * Reads and judges the result of DP_READ.
 *
 * @param bytes Any bytes.
 * @returns The piece.
 * @throws {WireError} If they are not such a result.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeDataProductPiece } from "./data_product_read.ts";
 *
 * assertThrows(() => decodeDataProductPiece(new Uint8Array(7)), WireError);
 * ```
 */
export function decodeDataProductPiece(bytes: Uint8Array): DataProductPiece {
  return dataProductPieceLayout.decode(bytes);
}
