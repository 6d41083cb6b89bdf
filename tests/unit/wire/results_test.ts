/** The results that are lists: what does not fit is read in pieces. */
import { assertEquals, assertGreater, assertThrows } from "@std/assert";
import {
  decodeBootTimeline,
  encodeBootTimeline,
} from "../../../lib/wire/boot_timeline.ts";
import {
  DATA_PRODUCT_LIST_MAX_COUNT,
  decodeDataProductList,
  encodeDataProductList,
} from "../../../lib/wire/data_product_list.ts";
import { WireError } from "../../../lib/wire/error.ts";
import {
  decodeEventList,
  encodeEventList,
} from "../../../lib/wire/event_list.ts";
import {
  packEntries,
  RESULT_MAX_BYTES,
  unpackEntries,
} from "../../../lib/wire/result_list.ts";
import {
  decodeServiceList,
  encodeServiceList,
  type ServiceEntry,
} from "../../../lib/wire/service_list.ts";

const service = (index: number): ServiceEntry => ({
  state: 2,
  flags: 1,
  pid: index + 1,
  restarts: 0,
  sinceMs: BigInt(index),
  name: `service-${index}`.padEnd(64, "x"),
});

Deno.test("encodeServiceList gives 2000 services in pieces that each fit an answer", () => {
  const all = Array.from({ length: 2000 }, (_, index) => service(index));
  const read: ServiceEntry[] = [];
  let pieces = 0;
  while (read.length < all.length) {
    const bytes = encodeServiceList(all, read.length);
    assertEquals(bytes.length <= RESULT_MAX_BYTES, true);
    const { total, first, services } = decodeServiceList(bytes);
    assertEquals([total, first], [2000, read.length]);
    assertGreater(services.length, 0);
    read.push(...services);
    pieces++;
  }
  assertEquals(read, all);
  assertEquals(pieces, 6);
});

Deno.test("a list from behind its end is empty and still says how long it is", () => {
  assertEquals(decodeServiceList(encodeServiceList([service(0)], 9)), {
    total: 1,
    first: 9,
    services: [],
  });
  assertEquals(decodeBootTimeline(encodeBootTimeline([], 0)).phases, []);
});

Deno.test("encodeDataProductList gives 1000 products in pieces", () => {
  const products = Array.from({ length: 1000 }, (_, index) => ({
    blockOffset: 2 * index,
    blockCount: 1,
    dataProductClass: 0,
    priority: 0,
    name: `p${index}`,
    dataCrc32: index,
    dataLength: index,
  }));
  const catalogue = { products, freeBytes: 0n, damagedCount: 2 };
  const found = [0, 1, 2].flatMap((piece) =>
    decodeDataProductList(
      encodeDataProductList(catalogue, piece * DATA_PRODUCT_LIST_MAX_COUNT),
    ).products
  );
  assertEquals(found, products);
});

Deno.test("unpackEntries refuses every list that ends in the middle of an entry", () => {
  const entries = [new Uint8Array(0), Uint8Array.of(1, 2, 3)];
  const bytes = packEntries(entries, 100);
  assertEquals(unpackEntries("list", bytes), entries);
  for (const cut of [1, 3, 4, 5, 6]) {
    assertThrows(
      () => unpackEntries("list", bytes.subarray(0, cut)),
      WireError,
      "entry_len",
    );
  }
});

Deno.test("decodeEventList judges each record and keeps a record without a number", () => {
  const event = {
    timestamp: 5,
    severity: 3,
    eventCode: 9,
    payload: Uint8Array.of(1),
    sequence: null,
  } as const;
  const bytes = encodeEventList({ nextSequence: 1n, events: [event] });
  assertEquals(decodeEventList(bytes).events, [event]);
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  assertThrows(() => decodeEventList(bytes), WireError, "crc32");
});
