import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { WireError } from "../../../lib/wire/error.ts";
import {
  checkCrc,
  checkMagic,
  decodeSuperblock,
  encodeSuperblock,
  formatSuperblock,
  type SuperblockInput,
  superblockLayout,
} from "../../../lib/wire/superblock.ts";
import { formatUuid, parseUuid } from "../../../lib/wire/uuid.ts";
import { bitwiseCrc32c, flipBit, fromHexDump } from "./support.ts";

// Made with Python: struct.pack(">IBBHIIIQ16s", ...) and a bitwise CRC.
const KNOWN = fromHexDump(`
  53504f53 01 00 1234 00000800 00000021 000007de
  00000000684ee180 f81d4fae7dec11d0a76500a0c91e6bf6 0421e6c3
`);
const KNOWN_INPUT: SuperblockInput = {
  tenantId: 0x1234,
  totalBlocks: 2048,
  dataProductStart: 33,
  dataProductSize: 2014,
  epoch: 1_750_000_000n,
  uuid: parseUuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6") ?? new Uint8Array(),
};

Deno.test("encodeSuperblock gives the bytes that Python's struct gives", () => {
  assertEquals(encodeSuperblock(KNOWN_INPUT), KNOWN);
});

Deno.test("decodeSuperblock reads every field of a known superblock", () => {
  const superblock = decodeSuperblock(KNOWN);
  assertEquals(superblock, {
    ...KNOWN_INPUT,
    magic: 0x53504F53,
    formatVersion: 1,
    reserved: 0,
    crc32: 0x0421e6c3,
  });
  assert(checkMagic(superblock));
  assert(checkCrc(superblock));
});

Deno.test("decodeSuperblock looks at 48 bytes of a longer block and refuses fewer", () => {
  const block = new Uint8Array(512).fill(0xEE);
  block.set(KNOWN);
  assertEquals(decodeSuperblock(block), decodeSuperblock(KNOWN));
  for (const length of [0, 1, 47]) {
    const error = assertThrows(
      () => decodeSuperblock(KNOWN.subarray(0, length)),
      WireError,
    );
    assertEquals(
      error.message,
      `superblock: length is ${length}, expected 48 bytes`,
    );
  }
});

Deno.test("decodeSuperblock shows any 48 bytes as they are, and they come back the same", () => {
  const bytes = Uint8Array.from({ length: 48 }, (_, index) => 255 - index);
  const superblock = decodeSuperblock(bytes);
  assertFalse(checkMagic(superblock));
  assertFalse(checkCrc(superblock));
  assertEquals(superblockLayout.encodeUnjudged(superblock), bytes);
});

Deno.test("checkCrc tells every single flipped bit of a superblock, and checkMagic those of the magic", () => {
  for (let bit = 0; bit < 48 * 8; bit++) {
    const superblock = decodeSuperblock(flipBit(KNOWN, bit));
    assertFalse(checkCrc(superblock), `bit ${bit}`);
    assertEquals(checkMagic(superblock), bit >= 32, `bit ${bit}`);
  }
});

Deno.test("checkCrc judges the CRC alone, not the magic", () => {
  const bytes = KNOWN.slice();
  bytes[0] = 0;
  new DataView(bytes.buffer).setUint32(44, bitwiseCrc32c(bytes.slice(0, 44)));
  assert(checkCrc(decodeSuperblock(bytes)));
  assertFalse(checkMagic(decodeSuperblock(bytes)));
});

Deno.test("encodeSuperblock names the field, the value and the range of what it refuses", () => {
  const cases: [Partial<SuperblockInput>, string][] = [
    [{ tenantId: 65_536 }, "tenant_id is 65536, expected 0..65535"],
    [{ tenantId: -1 }, "tenant_id is -1, expected 0..65535"],
    [{ tenantId: 1.5 }, "tenant_id is 1.5, expected 0..65535"],
    [{ tenantId: NaN }, "tenant_id is NaN, expected 0..65535"],
    [
      { totalBlocks: 2 ** 32 },
      "total_blocks is 4294967296, expected 0..4294967295",
    ],
    [{ dataProductStart: -1 }, "dp_start is -1, expected 0..4294967295"],
    [
      { dataProductSize: Infinity },
      "dp_size is Infinity, expected 0..4294967295",
    ],
    [
      { epoch: -1n },
      "epoch is -1, expected a bigint of 0..18446744073709551615",
    ],
    [
      { epoch: 2n ** 64n },
      "epoch is 18446744073709551616, expected a bigint of 0..18446744073709551615",
    ],
    [
      { uuid: new Uint8Array(15) },
      "uuid is 15 bytes (000000000000000000000000000000), expected a Uint8Array of 16 bytes",
    ],
    [{ magic: 1 }, "magic is 1, expected 0x53504F53"],
    [{ formatVersion: 2 }, "format_version is 2, expected 1"],
    [{ reserved: 1 }, "reserved is 1, expected 0"],
  ];
  for (const [change, message] of cases) {
    const error = assertThrows(
      () => encodeSuperblock({ ...KNOWN_INPUT, ...change }),
      WireError,
    );
    assertEquals(error.message, `superblock: ${message}`);
  }
});

Deno.test("encodeSuperblock computes the CRC whatever the input says", () => {
  assertEquals(encodeSuperblock({ ...KNOWN_INPUT, crc32: 1 }), KNOWN);
});

Deno.test("formatSuperblock prints a good superblock exactly", () => {
  assertEquals(
    formatSuperblock(decodeSuperblock(KNOWN)),
    `magic           0x53504F53
format_version  1
reserved        0
tenant_id       4660
total_blocks    2048
dp_start        33
dp_size         2014
epoch           1750000000 (2025-06-15T15:06:40Z)
uuid            f81d4fae-7dec-11d0-a765-00a0c91e6bf6
crc32           0x0421E6C3 (valid)`,
  );
});

Deno.test("formatSuperblock shows the epoch as Date does, and beyond its last year as a number", () => {
  const shown = (epoch: bigint): string | undefined =>
    formatSuperblock({ ...decodeSuperblock(KNOWN), epoch })
      .split("\n").find((line) => line.startsWith("epoch"))?.slice(16);
  const asDate = (seconds: number): string =>
    `${seconds} (${
      new Date(seconds * 1000).toISOString().replace(".000Z", "Z")
    })`;
  const last = 8_640_000_000_000;
  // Each day around the ends of February and of the year, for 900 years.
  for (let year = 1970; year < 2870; year++) {
    for (const [month, day] of [[0, 1], [1, 28], [1, 29], [2, 1], [11, 31]]) {
      const seconds = Date.UTC(year, month, day, 23, 59, 58) / 1000;
      assertEquals(shown(BigInt(seconds)), asDate(seconds));
    }
  }
  // And a stride over all of the time, which meets each hour and each month.
  for (let seconds = 0; seconds <= last; seconds += 8_639_999_977) {
    assertEquals(shown(BigInt(seconds)), asDate(seconds));
  }
  assertEquals(shown(BigInt(last)), asDate(last));
  assertEquals(shown(BigInt(last) + 1n), "8640000000001");
  assertEquals(shown(0xffff_ffff_ffff_ffffn), "18446744073709551615");
});

Deno.test("formatSuperblock says what was expected behind each wrong field", () => {
  const bytes = KNOWN.slice();
  bytes.set([0x46, 0x4F, 0x4F, 0x21, 2, 3]);
  const lines = formatSuperblock(decodeSuperblock(bytes)).split("\n");
  assertEquals(lines.slice(0, 3), [
    "magic           0x464F4F21 (bad: expected 0x53504F53)",
    "format_version  2 (bad: expected 1)",
    "reserved        3 (bad: expected 0)",
  ]);
  const crc = bitwiseCrc32c(bytes.subarray(0, 44)).toString(16).toUpperCase()
    .padStart(8, "0");
  assertEquals(lines[9], `crc32           0x0421E6C3 (bad: expected 0x${crc})`);
});

Deno.test("formatUuid and parseUuid are inverse, and parseUuid refuses other text", () => {
  const text = "00112233-4455-6677-8899-aabbccddeeff";
  assertEquals(formatUuid(parseUuid(text.toUpperCase()) ?? KNOWN), text);
  for (
    const bad of [
      "",
      "00112233445566778899aabbccddeeff",
      `${text}0`,
      `{${text}}`,
      text.replace("0", "g"),
    ]
  ) {
    assertEquals(parseUuid(bad), undefined, bad);
  }
});
