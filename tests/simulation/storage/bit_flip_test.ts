/**
 * Every single bit of a volume's metadata, flipped: `checkVolume` notices it,
 * or it is harmless; and whatever it is, nothing is ever read that was not
 * written.
 */
import { assert, assertEquals } from "@std/assert";
import { checkVolume } from "../../../lib/storage/check.ts";
import { BLOCK_SIZE_BYTES } from "../../../lib/storage/device.ts";
import { StorageError } from "../../../lib/storage/error.ts";
import { formatVolume } from "../../../lib/storage/format.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";

const BLOCK_COUNT = 40;
const text = (value: string) => new TextEncoder().encode(value);

interface Content {
  readonly parameters: readonly string[];
  readonly events: readonly string[];
  readonly products: readonly string[];
}

/** A volume with something in each store; `pending` leaves news in the journal. */
async function makeVolume(
  isPending: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  const device = new MemoryBlockDevice({ blockCount: BLOCK_COUNT });
  await formatVolume(device, { tenantId: 7 });
  const volume = await openVolume(device);
  for (const [id, value] of [[1, "a"], [2, "b"], [1, "c"]] as const) {
    await volume.parameters.set(id, text(value));
  }
  await volume.dataProducts.write({
    name: "image",
    dataProductClass: 1,
    priority: 2,
    data: text("x".repeat(600)),
  });
  for (let index = 0; index < 8; index++) {
    const record = { timestamp: index, severity: 1, eventCode: index } as const;
    await volume.events.append({ ...record, payload: text(`event ${index}`) });
  }
  if (!isPending) await volume.close();
  return device.bytes.slice();
}

async function contentOf(volume: Volume): Promise<Content> {
  const products: string[] = [];
  for (const product of await volume.dataProducts.list()) {
    try {
      const data = await volume.dataProducts.read(product);
      products.push(`${product.name} ${new TextDecoder().decode(data)}`);
    } catch (error) {
      // Refused, not forged.
      assert(error instanceof StorageError, String(error));
    }
  }
  return {
    parameters: volume.parameters.list().map(({ parameterId, value }) =>
      `${parameterId} ${new TextDecoder().decode(value)}`
    ),
    events: volume.events.recent().map((event) =>
      `${event.eventCode} ${new TextDecoder().decode(event.payload)}`
    ),
    products,
  };
}

/** What can be read; null when the superblock keeps the volume shut. */
async function read(bytes: Uint8Array<ArrayBuffer>): Promise<Content | null> {
  try {
    const device = new MemoryBlockDevice({ bytes });
    return await contentOf(await openVolume(device, { readOnly: true }));
  } catch (error) {
    assert(error instanceof StorageError, String(error));
    return null;
  }
}

/** What was written at some time, a superseded generation among it. */
const EVER: Content = {
  parameters: ["1 a", "2 b", "1 c"],
  events: Array.from({ length: 8 }, (_, index) => `${index} event ${index}`),
  products: [`image ${"x".repeat(600)}`],
};

for (const isPending of [false, true]) {
  const what = isPending ? "with news in its journal" : "that was closed";
  Deno.test(`checkVolume notices every flipped bit of a volume ${what}, or it is harmless`, async () => {
    const bytes = await makeVolume(isPending);
    const original = await read(bytes.slice());
    assert(original !== null);
    assertEquals(original.events.length, 8);
    const used = Array.from(
      { length: BLOCK_COUNT },
      (_, block) => block,
    ).filter((block) => {
      const start = block * BLOCK_SIZE_BYTES;
      return bytes.subarray(start, start + BLOCK_SIZE_BYTES)
        .some((byte) => byte !== 0);
    });
    // Blocks that hold nothing are all alike: one of each area stands for them.
    const blocks = new Set([...used, 16, 32, BLOCK_COUNT - 1]);
    let flips = 0;
    let harmless = 0;
    for (const block of blocks) {
      for (let bit = 0; bit < BLOCK_SIZE_BYTES * 8; bit++) {
        const at = block * BLOCK_SIZE_BYTES + (bit >> 3);
        const mask = 1 << (bit & 7);
        bytes[at] = (bytes[at] ?? 0) ^ mask;
        const where = `bit ${bit & 7} of byte ${bit >> 3} of block ${block}`;
        const { findings } = await checkVolume(
          new MemoryBlockDevice({ bytes }),
        );
        const met = await read(bytes);
        const isNoticed = findings.some(({ severity }) => severity !== "info");
        if (!isNoticed) {
          assertEquals(met, original, `${where} went unnoticed`);
          harmless++;
        }
        for (const store of ["parameters", "events", "products"] as const) {
          for (const item of met?.[store] ?? []) {
            assert(EVER[store].includes(item), `${where}: read ${item}`);
          }
        }
        bytes[at] = (bytes[at] ?? 0) ^ mask;
        flips++;
      }
    }
    console.log(
      `${flips} bits in ${blocks.size} blocks: ${
        flips - harmless
      } noticed, ${harmless} harmless`,
    );
    assertEquals(await read(bytes), original);
  });
}
