import { assert, assertEquals } from "@std/assert";
import { formatVolume } from "../../../lib/storage/format.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import { openVolume, type Volume } from "../../../lib/storage/volume.ts";
import { seedRange } from "../seeds.ts";
import { Random } from "../random.ts";
import { FlakyDevice } from "./flaky_device.ts";
import { VOLUME_BLOCKS } from "./workload.ts";

const seeds = seedRange({ usual: 1_600, long: 60_000 });

/** Records that are owed in any case: what a failing disk may cost are older ones. */
const OWED_RECORDS = 36;

/** What was asked of the volume. */
class Ledger {
  /** By code, in the order in which they were asked for; whether acknowledged. */
  readonly records = new Map<number, boolean>();
  /** The values that a parameter may have: the last acknowledged, and later ones. */
  readonly values = new Map<number, (number | undefined)[]>();
  acknowledged = 0;

  async append(volume: Volume, eventCode: number): Promise<void> {
    this.records.set(eventCode, false);
    const payload = new TextEncoder().encode(String(eventCode));
    await volume.events.append({
      timestamp: eventCode,
      severity: 1,
      eventCode,
      payload,
    });
    this.records.set(eventCode, true);
    this.acknowledged++;
  }

  async set(volume: Volume, id: number, value: number): Promise<void> {
    const values = this.values.get(id) ?? [undefined];
    values.push(value);
    this.values.set(id, values);
    await volume.parameters.set(id, Uint8Array.of(value >>> 8, value & 0xFF));
    this.values.set(id, values.slice(values.indexOf(value)));
    this.acknowledged++;
  }

  judge(volume: Volume, what: string): void {
    const found = volume.events.recent().filter((one) => one.sequence !== null);
    const codes = found.map(({ eventCode }) => eventCode);
    assert(codes.every((code) => this.records.has(code)), what);
    assertEquals(codes, [...new Set(codes)].sort((a, b) => a - b), what);
    const owed = [...this.records].filter(([, isSure]) => isSure)
      .map(([code]) => code).slice(-OWED_RECORDS);
    assertEquals(owed.filter((code) => !codes.includes(code)), [], what);
    for (const [id, values] of this.values) {
      const bytes = volume.parameters.get(id)?.value;
      const value = bytes && (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);
      assert(
        values.includes(value),
        `${what}: ${id} is ${value}, not ${values}`,
      );
      this.values.set(id, [value]);
    }
    // What is not there now was not stored, and never comes back.
    for (const [code, isSure] of this.records) {
      if (!isSure && !codes.includes(code)) this.records.delete(code);
    }
    for (const code of codes) this.records.set(code, true);
  }
}

/** What happens to the disk. */
function disturb(device: FlakyDevice, random: Random): void {
  const roll = random.fraction();
  if (roll < 0.06) device.failingFlushes += random.between(1, 8);
  else if (roll < 0.08) device.failingFlushes += random.between(8, 120);
  else if (roll < 0.11) {
    device.badWrites.add(random.between(1, VOLUME_BLOCKS - 1));
  } else if (roll < 0.16) device.badWrites.clear();
}

async function live(seed: number): Promise<number> {
  const random = new Random(seed);
  const start = new MemoryBlockDevice({ blockCount: VOLUME_BLOCKS });
  await formatVolume(start, {
    tenantId: 1,
    epoch: 0n,
    uuid: random.bytes(16),
  });
  const device = new FlakyDevice(start.bytes, random);
  const ledger = new Ledger();
  let next = 1;
  const boots = random.between(2, 5);
  for (let boot = 1; boot <= boots; boot++) {
    const volume = await openVolume(device.open());
    ledger.judge(volume, `seed ${seed}, boot ${boot}`);
    // Without its journal a volume needs a device that tears no block.
    let isProtected = true;
    for (let turn = random.between(0, 60); turn > 0; turn--) {
      disturb(device, random);
      const size = random.chance(0.1) ? random.between(2, 20) : 1;
      const work = Array.from(
        { length: size },
        () =>
          random.chance(0.6)
            ? ledger.append(volume, next++)
            : ledger.set(volume, random.between(1, 34), next++),
      );
      if (random.chance(0.05)) work.push(volume.checkpoint());
      const isLast = turn === 1 && random.chance(0.5);
      for (const one of work) one.catch(() => {});
      if (!isLast) await Promise.allSettled(work);
      isProtected &&= volume.hasJournal;
    }
    for (let step = random.below(6); step > 0; step--) await Promise.resolve();
    device.cutPower(isProtected && volume.hasJournal);
    device.badWrites.clear();
    device.failingFlushes = 0;
  }
  ledger.judge(await openVolume(device.open()), `seed ${seed}, in the end`);
  return ledger.acknowledged;
}

Deno.test("Volume loses nothing that it acknowledged on a device that fails for a while, wherever the power is cut", async () => {
  let acknowledged = 0;
  for (let seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
    acknowledged += await live(seed);
  }
  console.log(`${acknowledged} changes acknowledged in ${seeds.count} lives`);
});
