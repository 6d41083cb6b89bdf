import { assertEquals, assertNotEquals } from "@std/assert";
import {
  bitwiseCrc32c,
  DISK_FACTS,
  makeDisk,
  makeSuperblock,
} from "../../fixtures/make_disk.ts";

Deno.test("bitwiseCrc32c gives the check value of the CRC-32C definition", () => {
  assertEquals(
    bitwiseCrc32c(new TextEncoder().encode("123456789")),
    0xe3069283,
  );
});

Deno.test("makeDisk makes each broken disk wrong in exactly one way", () => {
  const sound = makeSuperblock();
  const sum = (bytes: Uint8Array): number =>
    new DataView(bytes.buffer, bytes.byteOffset).getUint32(0x2c);
  const right = (bytes: Uint8Array): boolean =>
    bitwiseCrc32c(bytes.subarray(0, 0x2c)) === sum(bytes);

  const good = makeDisk("good");
  assertEquals(good.length, DISK_FACTS.totalBlocks * 512);
  assertEquals(good.subarray(0, 48), sound);
  assertEquals(right(good), true);

  const magic = makeDisk("bad-magic");
  assertEquals(right(magic), true);
  assertNotEquals(magic.subarray(0, 4), sound.subarray(0, 4));
  assertEquals(magic.subarray(4, 0x2c), sound.subarray(4, 0x2c));

  const crc = makeDisk("bad-crc");
  assertEquals(right(crc), false);
  assertEquals(crc.subarray(0, 4), sound.subarray(0, 4));

  const truncated = makeDisk("truncated");
  assertEquals(truncated.length, 20 * 512);
  assertEquals(truncated.subarray(0, 48), sound);

  assertEquals(right(makeDisk("absurd-sizes")), true);
  assertEquals(makeDisk("blank").every((byte) => byte === 0), true);
});
