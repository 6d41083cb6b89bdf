/**
 * A data product of a VM, read piece by piece and judged by its CRC. Imports
 * `wire` and the channel.
 *
 * @module
 */
import { crc32c } from "../wire/crc32c.ts";
import { DATA_PRODUCT_BLOCK_SIZE_BYTES } from "../wire/data_product.ts";
import type { DataProductEntry } from "../wire/data_product_list.ts";
import {
  DATA_PRODUCT_PIECE_MAX_BYTES,
  decodeDataProductPiece,
  encodeDataProductRequest,
} from "../wire/data_product_read.ts";
import { CommandCode } from "../wire/telecommand.ts";
import { commandAbout, judged, malformed } from "./client_answers.ts";
import { HostClientError } from "./client_error.ts";
import type { HostChannel } from "./host_channel.ts";

/** The largest data product that is read unless the caller allows more. */
export const DATA_PRODUCT_DEFAULT_MAX_BYTES: number = 256 * 1024 * 1024;

/** Which product, and what of it is known. */
export interface WantedProduct {
  /** Its name. */
  readonly name: string;
  /** What the catalogue says of it; undefined if it is not there. */
  readonly entry: DataProductEntry | undefined;
  /** How many bytes to take at most. */
  readonly maxBytes: number;
}

/**
 * Reads a product.
 *
 * @param channel The connection.
 * @param wanted The product.
 * @returns All of its data.
 * @throws {HostClientError} Kind `status`, ENOENT, if there is none of that
 * name; kind `limit` if it is too large; kind `malformed` if the CRC differs.
 *
 * @example
 * ```ts
 * import { readProduct } from "./read_product.ts";
 * import type { HostChannel } from "./host_channel.ts";
 * import type { DataProductEntry } from "../wire/data_product_list.ts";
 *
 * const read = (channel: HostChannel, entry: DataProductEntry) =>
 *   readProduct(channel, { name: entry.name, entry, maxBytes: 4096 });
 * ```
 */
export async function readProduct(
  channel: HostChannel,
  wanted: WantedProduct,
): Promise<Uint8Array<ArrayBuffer>> {
  const { name, entry, maxBytes } = wanted;
  const { DP_READ } = CommandCode;
  const piece = async (offset: number) => {
    const length = DATA_PRODUCT_PIECE_MAX_BYTES;
    const request = encodeDataProductRequest({ offset, length, name });
    const result = await commandAbout(channel, DP_READ, name, request);
    return judged("DP_READ", () => decodeDataProductPiece(result));
  };
  const first = await piece(0);
  const { dataLength } = first;
  if (entry === undefined || entry.dataLength !== dataLength) {
    throw malformed("DP_READ", "DP_LIST does not know such a product");
  }
  if (dataLength > maxBytes) {
    throw new HostClientError(
      "limit",
      `${name} has ${dataLength} bytes, expected at most ${maxBytes}`,
    );
  }
  // Its blocks are padded with zeros, and the CRC is over all of them.
  const blocks = Math.ceil(dataLength / DATA_PRODUCT_BLOCK_SIZE_BYTES);
  const padded = new Uint8Array(blocks * DATA_PRODUCT_BLOCK_SIZE_BYTES);
  for (let next = first, at = 0;; next = await piece(at)) {
    const wanted = Math.min(dataLength - at, DATA_PRODUCT_PIECE_MAX_BYTES);
    if (
      next.dataLength !== dataLength || next.offset !== at ||
      next.data.length !== wanted
    ) {
      throw malformed(
        "DP_READ",
        `${next.data.length} bytes at ${next.offset} of ${next.dataLength}, ` +
          `expected ${wanted} at ${at} of ${dataLength}`,
      );
    }
    padded.set(next.data, at);
    at += wanted;
    if (at >= dataLength) break;
  }
  if (crc32c(padded) !== entry.dataCrc32) {
    throw malformed("DP_READ", `the data of ${name} does not match its CRC`);
  }
  return padded.slice(0, dataLength);
}
