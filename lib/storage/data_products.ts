/**
 * The data products of a volume: named byte arrays, each behind a descriptor
 * block, one after another (formats.md, "Data product"). The data is flushed
 * before its descriptor is written, so a product is there whole or not at all;
 * the descriptor goes through the volume's writer and its journal. There is no
 * deletion. Imports `lib/wire` and the device.
 *
 * The catalogue is read on first use. A descriptor block that is neither valid
 * nor zero (a bad sector, or other software's layout) costs that product: the
 * search goes on for the next block that is a valid descriptor of its own place.
 * If none follows, it can't be told whether something there is worth keeping, so
 * writing is refused until a repair.
 *
 * @module
 */

import { Crc32c } from "../wire/crc32c.ts";
import {
  type DataProductBlock,
  encodeDataProductBlock,
} from "../wire/data_product.ts";
import type { DataProductPiece } from "../wire/data_product_read.ts";
import { type DataProduct, judgeDescriptor } from "./descriptor.ts";
import { BLOCK_SIZE_BYTES, type BlockDevice } from "./device.ts";
import { StorageError } from "./error.ts";
import type { Geometry } from "./layout.ts";
import { readBlocks } from "./recovery.ts";
import { isZero } from "./parameters.ts";
import { deviceFailure, type Writer } from "./writer.ts";

/** How many blocks are read or written at once. */
const CHUNK_BLOCKS = 256;
/** How many writes may wait for their turn. */
const MAXIMUM_WAITING_WRITES = 16;
/**
 * How many products and damaged stretches a catalogue has at most: it is held in
 * memory, and what a disk claims must not fill that.
 */
export const MAXIMUM_CATALOGUE_ENTRIES = 65_536;
/** A search for the next descriptor ends at so many blocks that can't be read. */
const MAXIMUM_UNREADABLE_BLOCKS = 1024;

/** A stretch of the area that the catalogue can't make sense of. */
export interface DataProductGap {
  /** Its first block, counted from the volume's start. */
  readonly firstBlock: number;
  /** How many blocks, up to the next valid descriptor or the area's end. */
  readonly blockCount: number;
  /** Why the first block is no descriptor. */
  readonly reason: string;
}

/** What is in the data product area. */
export interface DataProductCatalogue {
  /** The products, oldest first. */
  readonly products: readonly DataProduct[];
  /** What is damaged. */
  readonly gaps: readonly DataProductGap[];
  /**
   * The block where the next descriptor goes; null if the end of the catalogue
   * is damaged. At the end of the area there is room for nothing.
   */
  readonly endBlock: number | null;
  /**
   * Whether the catalogue has more than {@linkcode MAXIMUM_CATALOGUE_ENTRIES}
   * entries; the last gap stands for those that were not read.
   */
  readonly isCutShort: boolean;
}

/** What {@linkcode DataProductStore.write} stores. */
export interface NewDataProduct {
  /** 1..64 bytes of UTF-8. */
  readonly name: string;
  /** u16. */
  readonly dataProductClass: number;
  /** 0..255, 0 highest. */
  readonly priority: number;
  /** The content; must not change before the promise settles. */
  readonly data: Uint8Array;
}

/**
 * Reads the catalogue of a volume.
 *
 * @param device The device.
 * @param geometry Where the area is.
 * @returns The products, the damage, and where the catalogue ends. Never throws
 * for what the device or the blocks hold.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readCatalogue } from "./data_products.ts";
 * import { geometryOf } from "./layout.ts";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 64 });
 * const superblock = { totalBlocks: 64, dataProductStart: 33, dataProductSize: 30 };
 * const catalogue = await readCatalogue(device, geometryOf(superblock, 64));
 * assertEquals(catalogue.products, []);
 * assertEquals(catalogue.endBlock, 33);
 * ```
 */
export async function readCatalogue(
  device: BlockDevice,
  geometry: Geometry,
): Promise<DataProductCatalogue> {
  const { dataProductStart: start, dataProductBlocks: size } = geometry;
  const products: DataProduct[] = [];
  const gaps: DataProductGap[] = [];
  const catalogue = (endBlock: number | null, isCutShort = false) => ({
    products,
    gaps,
    endBlock,
    isCutShort,
  });
  let position = start;
  while (position < start + size) {
    if (products.length + gaps.length >= MAXIMUM_CATALOGUE_ENTRIES) {
      gaps.push({
        firstBlock: position,
        blockCount: start + size - position,
        reason:
          `the catalogue goes on after ${MAXIMUM_CATALOGUE_ENTRIES} entries`,
      });
      return catalogue(null, true);
    }
    const found = await readDescriptor(device, geometry, position);
    if (found === null) return catalogue(position);
    if (typeof found !== "string") {
      products.push(found);
      position = start + found.blockOffset + found.blockCount;
      continue;
    }
    const next = await findDescriptor(device, geometry, position + 1);
    gaps.push({
      firstBlock: position,
      blockCount: (next ?? start + size) - position,
      reason: found,
    });
    if (next === null) return catalogue(null);
    position = next;
  }
  return catalogue(position);
}

/** The product at a block, null for the catalogue's end, or what is wrong. */
async function readDescriptor(
  device: BlockDevice,
  geometry: Geometry,
  block: number,
): Promise<DataProduct | null | string> {
  let bytes: Uint8Array;
  try {
    bytes = await device.read(block, 1);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `can't be read: ${reason}`;
  }
  return isZero(bytes) ? null : judgeDescriptor(bytes, geometry, block);
}

/** The next block from `first` on that is a descriptor of its own place. */
async function findDescriptor(
  device: BlockDevice,
  geometry: Geometry,
  first: number,
): Promise<number | null> {
  const end = geometry.dataProductStart + geometry.dataProductBlocks;
  let unreadable = 0;
  for (let block = first; block < end; block += CHUNK_BLOCKS) {
    const count = Math.min(CHUNK_BLOCKS, end - block);
    const blocks = await readBlocks(device, block, count);
    for (const [index, bytes] of blocks.entries()) {
      // A disk that is gone would be asked for each of its blocks in turn.
      if (bytes === null && ++unreadable > MAXIMUM_UNREADABLE_BLOCKS) {
        return null;
      }
      if (bytes !== null && isDescriptor(bytes, geometry, block + index)) {
        return block + index;
      }
    }
  }
  return null;
}

function isDescriptor(
  bytes: Uint8Array<ArrayBuffer>,
  geometry: Geometry,
  block: number,
): boolean {
  // Most blocks are none, and a refused one costs far more than this look.
  const offset = new DataView(bytes.buffer).getUint32(0);
  return offset === block - geometry.dataProductStart + 1 &&
    typeof judgeDescriptor(bytes, geometry, block) !== "string";
}

/**
 * The data products of an open volume.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryBlockDevice } from "./memory_device.ts";
 * import { formatVolume } from "./format.ts";
 * import { openVolume } from "./volume.ts";
 *
 * const device = new MemoryBlockDevice({ blockCount: 128 });
 * await formatVolume(device, { tenantId: 7 });
 * const volume = await openVolume(device);
 * const data = new TextEncoder().encode("first light");
 * const image = { name: "image-1", dataProductClass: 2, priority: 0, data };
 * await volume.dataProducts.write(image);
 * assertEquals(await volume.dataProducts.read("image-1"), data);
 * ```
 */
export class DataProductStore {
  readonly #device: BlockDevice;
  readonly #geometry: Geometry;
  readonly #writer: Writer | null;
  #catalogue: Promise<DataProductCatalogue> | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** Told of each product when it is durable; must not throw. */
  onWritten: (product: DataProduct) => void = () => {};

  /**
   * Use {@linkcode Volume.dataProducts}.
   *
   * @param device The device.
   * @param geometry Where the area is.
   * @param writer What writes descriptors; null for a read-only volume.
   */
  constructor(device: BlockDevice, geometry: Geometry, writer: Writer | null) {
    this.#device = device;
    this.#geometry = geometry;
    this.#writer = writer;
  }

  /** The whole catalogue, with what is damaged. */
  async catalogue(): Promise<DataProductCatalogue> {
    this.#catalogue ??= readCatalogue(this.#device, this.#geometry);
    return await this.#catalogue;
  }

  /** The products, oldest first. */
  async list(): Promise<readonly DataProduct[]> {
    return (await this.catalogue()).products;
  }

  /** How many bytes the largest product could have that still fits. */
  async freeBytes(): Promise<number> {
    const { endBlock } = await this.catalogue();
    if (endBlock === null) return 0;
    return Math.max(0, this.#areaEnd() - endBlock - 1) * BLOCK_SIZE_BYTES;
  }

  /**
   * Reads a product and judges its CRC.
   *
   * @param product Its name (the newest of that name), or the product.
   * @returns The content, exactly as long as it was written.
   * @throws {StorageError} ENOENT, EIO, or EBADMSG if the data is damaged.
   */
  async read(product: string | DataProduct): Promise<Uint8Array<ArrayBuffer>> {
    const found = typeof product !== "string"
      ? product
      : (await this.list()).findLast((other) => other.name === product);
    if (found === undefined) {
      throw new StorageError("ENOENT", `no data product named ${product}`);
    }
    let data: Uint8Array<ArrayBuffer>;
    try {
      data = new Uint8Array(found.dataLength);
    } catch {
      throw new StorageError(
        "EINVAL",
        `${found.name} is ${found.dataLength} bytes, which is more than fits into memory`,
      );
    }
    await this.#readAll(found, (bytes, at) =>
      data.set(
        bytes.subarray(0, Math.max(0, data.length - at)),
        Math.min(at, data.length),
      ));
    return data;
  }

  /**
   * Reads all of a product and judges its CRC, without keeping it in memory.
   *
   * @param product The product.
   * @throws {StorageError} EIO, or EBADMSG if the data is damaged.
   */
  async verify(product: DataProduct): Promise<void> {
    await this.#readAll(product, () => {});
  }

  async #readAll(
    product: DataProduct,
    take: (bytes: Uint8Array, offset: number) => void,
  ): Promise<void> {
    const { name, blockOffset, blockCount, dataCrc32 } = product;
    const first = this.#geometry.dataProductStart + blockOffset;
    const crc = new Crc32c();
    for (let done = 0; done < blockCount; done += CHUNK_BLOCKS) {
      const count = Math.min(CHUNK_BLOCKS, blockCount - done);
      let bytes: Uint8Array;
      try {
        bytes = await this.#device.read(first + done, count);
      } catch (error) {
        throw deviceFailure("read", first + done, error);
      }
      crc.update(bytes);
      take(bytes, done * BLOCK_SIZE_BYTES);
    }
    if (crc.digest() !== dataCrc32) {
      throw new StorageError(
        "EBADMSG",
        `the data of ${name} has CRC ${crc.digest()}, expected ${dataCrc32}`,
        { block: first },
      );
    }
  }

  /**
   * Reads a piece of a product. Its CRC is not judged: it covers the whole,
   * which the reader of all pieces has in the end.
   *
   * @param name The product; the newest of that name.
   * @param offset Where the piece begins, in bytes.
   * @param length How many bytes at most; they are held in memory.
   * @returns The piece, shorter at the product's end and empty behind it.
   * @throws {StorageError} ENOENT, EIO.
   */
  async readPiece(
    name: string,
    offset: number,
    length: number,
  ): Promise<DataProductPiece> {
    const found = (await this.list()).findLast((other) => other.name === name);
    if (found === undefined) {
      throw new StorageError("ENOENT", `no data product named ${name}`);
    }
    const { dataLength, blockOffset } = found;
    const end = Math.min(dataLength, offset + length);
    if (offset >= end) return { dataLength, offset, data: new Uint8Array() };
    const first = Math.floor(offset / BLOCK_SIZE_BYTES);
    const count = Math.ceil(end / BLOCK_SIZE_BYTES) - first;
    const block = this.#geometry.dataProductStart + blockOffset + first;
    let bytes: Uint8Array;
    try {
      bytes = await this.#device.read(block, count);
    } catch (error) {
      throw deviceFailure("read", block, error);
    }
    const start = offset - first * BLOCK_SIZE_BYTES;
    return {
      dataLength,
      offset,
      data: bytes.subarray(start, start + end - offset),
    };
  }

  /**
   * Writes a product. Products are written one after another.
   *
   * @param product Name, class, priority and content.
   * @returns The catalogue entry, when it is durable.
   * @throws {StorageError} ENOSPC, EUCLEAN if the catalogue's end is damaged,
   * EROFS, EIO, EAGAIN, EBADF.
   * @throws {WireError} If a field is out of range.
   */
  async write(product: NewDataProduct): Promise<DataProduct> {
    const writer = this.#writer;
    if (writer === null) {
      throw new StorageError("EROFS", "the volume was opened read-only");
    }
    if (this.#waiting >= MAXIMUM_WAITING_WRITES) {
      throw new StorageError(
        "EAGAIN",
        `${this.#waiting} data products wait for the device, at most ${MAXIMUM_WAITING_WRITES} may`,
      );
    }
    this.#waiting++;
    const written = this.#turn.then(() => this.#writeNow(writer, product));
    this.#turn = written.catch(() => {});
    try {
      return await written;
    } finally {
      this.#waiting--;
    }
  }

  #areaEnd(): number {
    const { dataProductStart, dataProductBlocks } = this.#geometry;
    return dataProductStart + dataProductBlocks;
  }

  async #writeNow(
    writer: Writer,
    product: NewDataProduct,
  ): Promise<DataProduct> {
    const catalogue = await this.catalogue();
    const { endBlock, products, gaps } = catalogue;
    if (
      catalogue.isCutShort ||
      products.length + gaps.length >= MAXIMUM_CATALOGUE_ENTRIES
    ) {
      throw new StorageError(
        "ENOSPC",
        `the catalogue is full: it has ${MAXIMUM_CATALOGUE_ENTRIES} entries`,
      );
    }
    if (endBlock === null) {
      const block = gaps.at(-1)?.firstBlock ?? 0;
      throw new StorageError(
        "EUCLEAN",
        `block ${block} is neither a descriptor nor zero, so the catalogue's end is unknown: repair the volume first`,
        { block },
      );
    }
    const blockCount = Math.ceil(product.data.length / BLOCK_SIZE_BYTES);
    const room = this.#areaEnd() - endBlock - 1;
    if (blockCount > room) {
      throw new StorageError(
        "ENOSPC",
        `${product.name} needs ${blockCount} blocks and a descriptor, ${
          Math.max(0, room + 1)
        } blocks are free`,
      );
    }
    const crc = new Crc32c().update(product.data);
    crc.update(
      new Uint8Array(blockCount * BLOCK_SIZE_BYTES - product.data.length),
    );
    const descriptor: DataProductBlock = {
      blockOffset: endBlock - this.#geometry.dataProductStart + 1,
      blockCount,
      dataProductClass: product.dataProductClass,
      priority: product.priority,
      name: product.name,
      dataCrc32: crc.digest(),
      dataLength: product.data.length,
    };
    const image = encodeDataProductBlock(descriptor);
    await this.#writeData(endBlock + 1, blockCount, product.data);
    await writer.sync();
    await writer.writeBlock(endBlock, image);
    const entry = { ...descriptor, descriptorBlock: endBlock };
    this.#catalogue = Promise.resolve({
      products: [...products, entry],
      gaps,
      endBlock: endBlock + 1 + blockCount,
      isCutShort: false,
    });
    this.onWritten(entry);
    return entry;
  }

  /** The data, and after it the zero block that ends the catalogue. */
  async #writeData(
    first: number,
    blockCount: number,
    data: Uint8Array,
  ): Promise<void> {
    const end = Math.min(first + blockCount + 1, this.#areaEnd());
    for (let block = first; block < end; block += CHUNK_BLOCKS) {
      const count = Math.min(CHUNK_BLOCKS, end - block);
      const bytes = new Uint8Array(count * BLOCK_SIZE_BYTES);
      const start = (block - first) * BLOCK_SIZE_BYTES;
      bytes.set(data.subarray(start, start + bytes.length));
      try {
        await this.#device.write(block, bytes);
      } catch (error) {
        throw deviceFailure("write", block, error);
      }
    }
  }
}
