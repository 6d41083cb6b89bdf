/**
 * A host that sends rubbish, vanishes in the middle of a frame, and shares the
 * port with another, in one boot of a real machine: the init answers whoever
 * asks properly, and services and watchdog do not notice.
 */
import { assertEquals, assertGreater } from "@std/assert";
import {
  Apid,
  encodeFrame,
  FRAME_SIZE_BYTES,
  FrameType,
} from "../../lib/wire/frame.ts";
import { decodeHealth, type Health } from "../../lib/wire/health.ts";
import {
  decodeServiceStatus,
  type ServiceStatusRecord,
} from "../../lib/wire/service_status.ts";
import {
  CommandCode,
  decodeAnswer,
  encodeTelecommand,
} from "../../lib/wire/telecommand.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { hostileFrame } from "../fixtures/hostile_frame.ts";
import { Random } from "../simulation/random.ts";
import { frameOf, Host } from "./host.ts";
import { type IpcConnection, Machine } from "./machine.ts";

const SEED = 0x5EED;
const HEALTH_INTERVAL = 0xFFFF_0010;
const FRAMES = 100_000;

/** Frames that are sent in one go. */
const BURST_FRAMES = 64;

/** What must be the same before and after. */
interface Facts {
  readonly demo: ServiceStatusRecord;
  readonly health: Health;
}

async function factsOf(host: Host): Promise<Facts> {
  const demo = decodeServiceStatus(
    await host.done(
      CommandCode.SERVICE_STATUS,
      new TextEncoder().encode("demo"),
    ),
  );
  const health = decodeHealth(await host.receive(FrameType.HEALTH));
  return { demo, health };
}

/** The same service as before, and a watchdog that is still petted. */
async function requireUntouched(host: Host, before: Facts): Promise<Facts> {
  for (;;) {
    const after = await factsOf(host);
    assertEquals(after.demo.pid, before.demo.pid, "the service's process");
    assertEquals(after.demo.restarts, before.demo.restarts);
    assertEquals(after.health.mode, before.health.mode);
    assertEquals(after.health.servicesRunning, before.health.servicesRunning);
    if (after.health.watchdogPets > before.health.watchdogPets) return after;
  }
}

const ping = (sequence: number, payload = new Uint8Array()) =>
  encodeFrame({
    type: FrameType.TC,
    apid: Apid.HOST,
    destinationApid: 0,
    payload: encodeTelecommand({
      command: CommandCode.PING,
      sequence,
      arguments: payload,
    }),
  });

/** Waits for the answer to a PING; says how many answers of others came before. */
async function pong(ipc: IpcConnection, sequence: number): Promise<number> {
  let others = 0;
  await ipc.receive((bytes) => {
    const frame = frameOf(bytes);
    if (frame.type !== FrameType.TM) return false;
    if (decodeAnswer(frame.payload).sequence === sequence) return true;
    others++;
    return false;
  });
  return others;
}

Deno.test("a hostile host harms nothing", async (t) => {
  await using machine = Machine.boot({
    disk: makeDisk("good"),
    append: "spaceos.watchdog=8",
  });
  await machine.waitForConsole(/READY.*\n/);

  await t.step(
    `${FRAMES} random frames at full speed leave services, watchdog and commands served`,
    async () => {
      const random = new Random(SEED);
      const ipc = await machine.connectIpc();
      const host = new Host(ipc, 1);
      await host.setParameter(HEALTH_INTERVAL, Uint8Array.of(0, 0, 1, 244));
      const before = await factsOf(host);
      for (let sent = 0; sent < FRAMES; sent += BURST_FRAMES) {
        const count = Math.min(BURST_FRAMES, FRAMES - sent);
        const burst = new Uint8Array(count * FRAME_SIZE_BYTES);
        for (let index = 0; index < count; index++) {
          burst.set(hostileFrame(random), index * FRAME_SIZE_BYTES);
        }
        await ipc.send(burst);
        if (sent % (100 * BURST_FRAMES) !== 0) continue;
        // In the middle of it all, somebody asks and is answered.
        const sequence = 0xE000 + sent / BURST_FRAMES;
        await ipc.send(ping(sequence));
        await pong(ipc, sequence);
      }
      const bytes = new Uint8Array(100).fill(3);
      assertEquals(await host.done(CommandCode.PING, bytes), bytes);
      const after = await requireUntouched(host, before);
      assertGreater(
        after.health.framesIn - before.health.framesIn,
        FRAMES - 1,
      );
      await ipc.close();
    },
  );

  await t.step(
    "a host that leaves after any byte of a frame leaves nothing behind",
    async () => {
      const payload = new Uint8Array(242).fill(0xA5);
      for (let cut = 0; cut < FRAME_SIZE_BYTES; cut++) {
        const first = await machine.connectIpc();
        await first.send(ping(cut, payload).subarray(0, cut));
        await first.close();
        const second = await machine.connectIpc();
        await second.send(ping(0x1000 + cut, payload));
        assertEquals(await pong(second, 0x1000 + cut), 0, `cut at ${cut}`);
        await second.close();
      }
    },
  );

  await t.step(
    "two hosts that come and go each get what they asked for, and nothing else",
    async () => {
      const turns = 40;
      const comeAndGo = async (first: number): Promise<number> => {
        let foreign = 0;
        for (let turn = 0; turn < turns; turn++) {
          const ipc = await machine.connectIpc();
          const sequence = first + turn;
          await ipc.send(ping(sequence));
          foreign += await pong(ipc, sequence);
          await ipc.close();
        }
        return foreign;
      };
      assertEquals(await Promise.all([comeAndGo(0x2000), comeAndGo(0x3000)]), [
        0,
        0,
      ]);
    },
  );

  await t.step(
    "a host that floods and never reads can still command",
    async () => {
      const host = new Host(await machine.connectIpc(), 0x4000);
      const before = await factsOf(host);
      await host.ipc.close();
      const deaf = await machine.connectIpc(true);
      const rubbish = new Uint8Array(FRAME_SIZE_BYTES).fill(0xFF);
      const flood = new Uint8Array(3_000 * FRAME_SIZE_BYTES);
      for (let at = 0; at < flood.length; at += rubbish.length) {
        flood.set(rubbish, at);
      }
      await deaf.send(flood);
      const restart = {
        command: CommandCode.SERVICE_RESTART,
        sequence: 1,
        arguments: new TextEncoder().encode("demo"),
      };
      await deaf.send(encodeFrame({
        type: FrameType.TC,
        apid: Apid.HOST,
        destinationApid: 0,
        payload: encodeTelecommand(restart),
      }));
      await machine.waitForConsole(/SERVICE_STOPPED demo/);
      await deaf.close();
      const after = new Host(await machine.connectIpc(), 0x5000);
      const petted = (met: Health): boolean =>
        met.watchdogPets > before.health.watchdogPets;
      while (!petted((await factsOf(after)).health));
      await after.done(CommandCode.POWEROFF);
      assertEquals(await machine.waitForEnd(), "poweroff");
    },
  );
});
