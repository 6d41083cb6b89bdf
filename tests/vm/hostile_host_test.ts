/**
 * A host that sends rubbish, vanishes in the middle of a frame, and shares the
 * port with another, in one boot of a real machine: the init answers whoever
 * asks properly, and services and watchdog do not notice.
 */
import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { LANE_CAPACITY_FRAMES } from "../../lib/host/frame_queue.ts";
import { FRAME_SIZE_BYTES, FrameType } from "../../lib/wire/frame.ts";
import { decodeHealth, type Health } from "../../lib/wire/health.ts";
import {
  decodeServiceStatus,
  type ServiceStatusRecord,
} from "../../lib/wire/service_status.ts";
import { CommandCode, decodeAnswer } from "../../lib/wire/telecommand.ts";
import { ask, ping } from "../fixtures/command_frame.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { hostileFrame } from "../fixtures/hostile_frame.ts";
import { Random } from "../simulation/random.ts";
import { frameOf, Host } from "./host.ts";
import { type IpcConnection, Machine } from "./machine.ts";

const SEED = 0x5EED;
const HEALTH_INTERVAL = 0xFFFF_0010;
const LOG_LEVEL = 0xFFFF_0013;
const FRAMES = 100_000;

/** Frames that are sent in one go. */
const BURST_FRAMES = 64;

/** So many events wait for a host. */
const EVENTS = LANE_CAPACITY_FRAMES.event;

/** More events than a host's socket, QEMU, the port and the link can hold. */
const RESTARTS = 1_000;

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

/** Waits for the answer to a command; gives the types of the frames before it. */
async function typesBefore(
  ipc: IpcConnection,
  sequence: number,
): Promise<number[]> {
  const types: number[] = [];
  await ipc.receive((bytes) => {
    const { type, payload } = frameOf(bytes);
    const isAnswer = type === FrameType.TM &&
      decodeAnswer(payload).sequence === sequence;
    if (!isAnswer) types.push(type);
    return isAnswer;
  });
  return types;
}

/** Waits for the answer to a PING; says how many answers of others came before. */
async function pong(ipc: IpcConnection, sequence: number): Promise<number> {
  const types = await typesBefore(ipc, sequence);
  return types.filter((type) => type === FrameType.TM).length;
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
    "a host that does not read and goes leaves events to the next, whose questions go first",
    async () => {
      const host = new Host(await machine.connectIpc(), 0x6000);
      await host.setParameter(LOG_LEVEL, Uint8Array.of(0));
      await host.ipc.close();
      const times = (text: string): number =>
        machine.console.split(text).length - 1;
      const deaf = await machine.connectIpc(true);
      await deaf.send(ask(CommandCode.LOG_FOLLOW, 0, Uint8Array.of(1)));
      const demo = new TextEncoder().encode("demo");
      const before = times("SERVICE_COMMAND demo: restart");
      for (let sequence = 1; sequence <= RESTARTS; sequence++) {
        await deaf.send(ask(CommandCode.SERVICE_RESTART, sequence, demo));
      }
      const away = times("host away");
      while (times("SERVICE_COMMAND demo: restart") < before + RESTARTS) {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await deaf.close();
      while (times("host away") === away) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const ipc = await machine.connectIpc();
      await ipc.send(ping(0x6100));
      const met = await typesBefore(ipc, 0x6100);
      // How the machine is, the last lines that may be for whoever comes, and
      // those events that left before the question came.
      assertLess(met.length, EVENTS / 4);
      // The events that waited come all the same.
      const isEvent = (type: number): boolean => type === FrameType.EVR;
      let events = met.filter(isEvent).length;
      for (let sequence = 0x6101; events < EVENTS; sequence++) {
        await ipc.send(ping(sequence));
        events += (await typesBefore(ipc, sequence)).filter(isEvent).length;
      }

      // The log is long; who asks while it is sent has his answer in its midst.
      await ipc.send(ask(CommandCode.LOG_FOLLOW, 0x6200, Uint8Array.of(1)));
      await ipc.send(ping(0x6201));
      assertLess((await typesBefore(ipc, 0x6201)).length, RESTARTS / 2);
      let lines = 0;
      // And who gets two answers in a row has got all of it.
      for (let sequence = 0x6202, more = 1; more > 0; sequence++) {
        await ipc.send(ping(sequence));
        more = (await typesBefore(ipc, sequence)).length;
        lines += more;
      }
      assertGreater(lines, RESTARTS / 2);
      await ipc.close();
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
      const stop = CommandCode.SERVICE_STOP;
      const demo = new TextEncoder().encode("demo");
      await deaf.send(ask(stop, 1, demo));
      // Nobody has stopped it before.
      await machine.waitForConsole(/SERVICE_COMMAND demo: stop/);
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
