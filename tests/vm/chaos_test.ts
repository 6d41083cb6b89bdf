/**
 * Everything at once, from a seed: services die at random, the clock jumps,
 * memory runs short, the disk refuses writes and reads now and then, and hosts
 * come, talk nonsense, and go. The machine must not panic, must not lose a
 * write that it acknowledged, must bring its services back as their policy
 * says, and must not grow. SPACEOS_CHAOS_SEED repeats a run.
 */
import { assert, assertEquals } from "@std/assert";
import {
  decodeFrameFault,
  FrameErrorCode,
} from "../../lib/wire/error_frame.ts";
import { type Frame, FrameType } from "../../lib/wire/frame.ts";
import { decodeHealth, type Health } from "../../lib/wire/health.ts";
import {
  decodeParameterResponse,
  encodeParameterGet,
  encodeParameterSet,
  ParameterStatus,
} from "../../lib/wire/parameter_message.ts";
import {
  decodeServiceList,
  ServiceStateCode,
} from "../../lib/wire/service_list.ts";
import { encodeListRequest } from "../../lib/wire/result_list.ts";
import {
  CommandCode,
  decodeAnswer,
  encodeTelecommand,
} from "../../lib/wire/telecommand.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { frameOf, Host } from "./host.ts";
import { type IpcConnection, Machine } from "./machine.ts";
import { overlaid, programFile, serviceFile, textFile } from "./overlay.ts";

const CHAOS_PROGRAM = new URL("../fixtures/chaos.pl", import.meta.url);

/** How long the trouble lasts. */
const DURATION_MS = Deno.env.get("SPACEOS_TEST_LONG") ? 600_000 : 35_000;

/** So many parameters are written over and over. */
const PARAMETER_COUNT = 8;

/** Each so many-th write of the disk fails by the way, and a read as often. */
const WRITE_PERIOD = 11;
const READ_PERIOD = 11;

/** So many writes of the boot go well. */
const BOOT_WRITES = 10;

/** So many writes have their chance to fail. */
const FAULTY_WRITES = 6000;

/** There is no end before so many writes were acknowledged. */
const LEAST_WRITES = 20;

/** How much longer than it should last it may take. */
const PATIENCE_MS = 300_000;

/** So many of the last acts are told when one fails. */
const TRAIL_LENGTH = 20;

/** How much less memory there may be after all, in KiB. */
const GROWTH_LIMIT_KIB = 48 * 1024;

/** A small generator of numbers: mulberry32. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6D2B79F5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * QEMU's rules for a disk that fails (docs/devel/blkdebug.txt). Its state counts
 * the writes; at some counts the write fails, at others the next read. A rule
 * that is meant for once is: any other would last until the next one.
 */
function faultRules(random: () => number): string {
  const rules: string[] = [];
  const fail = (event: string, state: number): void => {
    rules.push(
      `[inject-error]\nevent = "${event}"\nstate = "${state}"\nerrno = "5"\nonce = "on"\n`,
    );
  };
  for (let state = 1; state < FAULTY_WRITES; state++) {
    rules.push(
      `[set-state]\nevent = "write_aio"\nstate = "${state}"\nnew_state = "${
        state + 1
      }"\n`,
    );
    // The boot has its disk; what it does without one is tested elsewhere.
    if (state <= BOOT_WRITES) continue;
    if (random() < 1 / WRITE_PERIOD) fail("write_aio", state);
    if (random() < 1 / READ_PERIOD) fail("read_aio", state);
  }
  return rules.join("\n");
}

function chaosImage(seed: number) {
  const worker = {
    command: ["/usr/bin/perl", "/chaos.pl", "worker"],
    restart: "always",
    backoff: { initialMs: 100, maximumMs: 1000 },
    restartLimit: { maximum: null },
    safeMode: true,
  };
  const logged = Object.fromEntries(
    ["clock", "memory", "pressure", "superblock", "parameters", "events"]
      .map((name) => [name, { response: "LOG" }]),
  );
  return overlaid([
    programFile("/usr/bin/perl"),
    textFile("/chaos.pl", Deno.readTextFileSync(CHAOS_PROGRAM)),
    textFile("/etc/spaceos/fdir.json", JSON.stringify({ checks: logged })),
    ...[1, 2, 3, 4].map((index) => serviceFile(`worker-${index}`, worker)),
    serviceFile("chaos", {
      command: ["/usr/bin/perl", "/chaos.pl", "chaos", String(seed)],
      start: "demand",
      restart: "always",
      safeMode: true,
    }),
  ]);
}

/** A host that writes parameters, and remembers what it was promised. */
class Writer {
  /** What may stand in each parameter: the last acknowledged value, and those since then without an answer. */
  readonly #possible = new Map<number, Set<number>>();
  acknowledged = 0;
  refused = 0;
  #value = 0;

  /** Sets a parameter. */
  async set(host: Host, parameterId: number): Promise<void> {
    const value = ++this.#value;
    const before = this.#possible.get(parameterId) ?? new Set([0]);
    this.#possible.set(parameterId, new Set([...before, value]));
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value);
    const answer = await ask(
      host,
      FrameType.PRM_SET,
      encodeParameterSet({ parameterId, value: bytes }),
      ({ type, payload }) =>
        type === FrameType.PRM_RSP &&
        decodeParameterResponse(payload).parameterId === parameterId,
    );
    const isTaken = answer !== null &&
      decodeParameterResponse(answer.payload).status === ParameterStatus.OK;
    if (isTaken) {
      this.acknowledged++;
      this.#possible.set(parameterId, new Set([value]));
    } else this.refused++;
  }

  /** Asserts that every parameter is as it may be. */
  async verify(host: Host): Promise<void> {
    for (const [parameterId, possible] of this.#possible) {
      await host.send(FrameType.PRM_GET, encodeParameterGet(parameterId));
      const { value } = decodeParameterResponse(
        await host.receive(
          FrameType.PRM_RSP,
          (payload) =>
            decodeParameterResponse(payload).parameterId === parameterId,
        ),
      );
      const met = value.length === 4
        ? new DataView(value.buffer, value.byteOffset).getUint32(0)
        : 0;
      assert(
        possible.has(met),
        `parameter ${parameterId} is ${met}, expected one of ${[...possible]}`,
      );
    }
  }
}

/**
 * Asks for something, and waits for the answer.
 *
 * @returns its first frame; null where the machine was too busy with what
 * others, or nonsense, had asked of its disk
 */
async function ask(
  host: Host,
  type: FrameType,
  payload: Uint8Array,
  isAnswer: (frame: Frame) => boolean,
): Promise<Frame | null> {
  await host.send(type, payload);
  const isBusy = (frame: Frame): boolean => {
    if (frame.type !== FrameType.ERROR) return false;
    const fault = decodeFrameFault(frame.payload);
    return fault.code === FrameErrorCode.HOST_BUSY &&
      fault.offendingType === type &&
      fault.offendingPayloadLength === payload.length;
  };
  const met = frameOf(
    await host.ipc.receive((bytes) => {
      const frame = frameOf(bytes);
      return isAnswer(frame) || isBusy(frame);
    }),
  );
  return met.type === FrameType.ERROR ? null : met;
}

/** What a host sends that makes no sense. */
function garbage(random: () => number): Uint8Array {
  const frames = 1 + Math.floor(random() * 8);
  const bytes = new Uint8Array(frames * 256);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = Math.floor(random() * 256);
  }
  if (random() < 0.5) {
    // Nearly a frame: a telecommand with any arguments, but none that ends the machine.
    for (let at = 0; at < bytes.length; at += 256) {
      bytes.set([
        1,
        2,
        0,
        0,
        0,
        Math.floor(random() * 249),
        0,
        0,
        0,
        5 + Math.floor(random() * 60),
      ], at);
      if ([11, 14].includes(bytes[at + 9] ?? 0)) bytes[at + 9] = 99;
    }
  }
  return bytes;
}

const health = async (host: Host): Promise<Health> =>
  decodeHealth(await host.receive(FrameType.HEALTH));

async function workersRun(host: Host): Promise<boolean> {
  const { services } = decodeServiceList(
    await host.done(CommandCode.SERVICE_LIST, encodeListRequest(0)),
  );
  return services.filter(({ name }) => name.startsWith("worker-"))
    .every(({ state }) => state === ServiceStateCode.RUNNING);
}

Deno.test("a machine in chaos keeps its word, its services and its size", async () => {
  const seed = Number(
    Deno.env.get("SPACEOS_CHAOS_SEED") ?? Math.floor(Math.random() * 1e9),
  );
  console.log(`chaos seed: SPACEOS_CHAOS_SEED=${seed}`);
  const random = generator(seed);
  const folder = await Deno.makeTempDir({ prefix: "spaceos-chaos-" });
  const diskPath = `${folder}/disk.img`;
  await Deno.writeFile(diskPath, makeDisk("good"));
  await Deno.writeTextFile(`${folder}/rules`, faultRules(random));
  const drive = (file: string) => [
    "-drive",
    `file=${file},format=raw,if=none,id=chaos`,
    "-device",
    "virtio-blk-pci,drive=chaos,werror=report,rerror=report",
  ];
  using image = chaosImage(seed % 1_000_000);
  const writer = new Writer();
  try {
    {
      await using machine = Machine.boot({
        image,
        append: "spaceos.watchdog=30",
        extraArguments: drive(`blkdebug:${folder}/rules:${diskPath}`),
      });
      let sequence = 1;
      const trail: string[] = [];
      const meet = async (): Promise<Host> =>
        new Host(await machine.connectIpc(), sequence += 1000);
      let host = await meet();
      await machine.waitForConsole(/READY.*\n/);
      const before = await health(host);
      await host.done(
        CommandCode.SERVICE_START,
        new TextEncoder().encode("chaos"),
      );
      const endMs = performance.now() + DURATION_MS;
      let visits = 0;
      // On a slow machine it takes longer until enough has happened.
      while (performance.now() < endMs || writer.acknowledged < LEAST_WRITES) {
        assert(
          performance.now() < endMs + PATIENCE_MS,
          `${writer.acknowledged} acknowledged, ${writer.refused} refused\n${
            machine.console.slice(-3000)
          }`,
        );
        if (random() < 0.1) {
          await followed(trail, "leave", () => leave(host.ipc, random));
          host = await meet();
          // Whoever is there first with a frame is understood, whatever was left.
          await followed(trail, "come", () => host.done(CommandCode.PING));
          visits++;
        } else {
          const what = random();
          await followed(
            trail,
            what.toFixed(3),
            () => act(host, what, random, writer),
          );
        }
      }
      await host.command(
        CommandCode.SERVICE_STOP,
        new TextEncoder().encode("chaos"),
      );
      await machine.waitForConsole(/SERVICE_STOPPED chaos/);
      // The policy of the workers: always up again.
      while (!await workersRun(host)) {
        assert(
          performance.now() < endMs + 2 * PATIENCE_MS,
          machine.console.slice(-3000),
        );
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      await writer.verify(host);
      const after = await health(host);
      const diskErrors =
        machine.console.match(/I\/O error, dev vda/g)?.length ?? 0;
      console.log(
        `chaos: ${diskErrors} disk errors, ${writer.acknowledged} writes acknowledged, ${writer.refused} refused, ${visits} hosts, ${after.childExits} exits, ${after.framesIn} frames in, memory ${before.memoryAvailableKib} -> ${after.memoryAvailableKib} KiB`,
      );
      assert(after.childExits > 10, "there was chaos");
      assert(
        after.memoryAvailableKib > before.memoryAvailableKib - GROWTH_LIMIT_KIB,
        `memory ${before.memoryAvailableKib} -> ${after.memoryAvailableKib} KiB`,
      );
      assertEquals(
        machine.console.match(
          /Kernel panic|uncaught exception|unhandled rejection|INTERNAL_ERROR/,
        )?.[0],
        undefined,
      );
      assertEquals(
        machine.console.match(
          /FDIR_ANOMALY (mappings|privileges|cgroup|namespaces|mounts|modules|files) /,
        )?.[0],
        undefined,
      );
      assertEquals(
        machine.console.match(/READY after/g)?.length,
        1,
        "one boot",
      );
      await machine.cutPower();
    }
    // What was promised is there after the cut, on a disk that works again.
    await using machine = Machine.boot({
      image,
      extraArguments: drive(diskPath),
    });
    const host = new Host(await machine.connectIpc());
    await machine.waitForConsole(/READY.*\n/);
    await writer.verify(host);
    await host.done(CommandCode.POWEROFF);
    assertEquals(await machine.waitForEnd(), "poweroff");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Does one thing that a host may do, sensible or not; each question has its answer. */
async function act(
  host: Host,
  what: number,
  random: () => number,
  writer: Writer,
): Promise<void> {
  if (what < 0.6) {
    await writer.set(host, 1 + Math.floor(random() * PARAMETER_COUNT));
  } else if (what < 0.75) {
    await host.ipc.send(garbage(random));
  } else if (what < 0.9) {
    const name = `worker-${1 + Math.floor(random() * 4)}`;
    await host.command(
      CommandCode.SERVICE_RESTART,
      new TextEncoder().encode(name),
    );
  } else {
    await host.command(CommandCode.SERVICE_LIST, encodeListRequest(0));
    const { FDIR_CHECK } = CommandCode;
    const sequence = Math.floor(random() * 1000) + 0xF000;
    const question = {
      command: FDIR_CHECK,
      sequence,
      arguments: new Uint8Array(),
    };
    await ask(
      host,
      FrameType.TC,
      encodeTelecommand(question),
      ({ type, payload }) => {
        if (type !== FrameType.TM) return false;
        const answer = decodeAnswer(payload);
        return answer.sequence === sequence && answer.command === FDIR_CHECK;
      },
    );
  }
}

/** Does something, and tells what led to it when it fails. */
async function followed(
  trail: string[],
  what: string,
  act: () => Promise<unknown>,
): Promise<void> {
  trail.push(`${(performance.now() / 1000).toFixed(1)} ${what}`);
  trail.splice(0, trail.length - TRAIL_LENGTH);
  try {
    await act();
  } catch (cause) {
    throw new Error(`after ${trail.join(", ")}`, { cause });
  }
}

/** Goes away, as a host whose program ends, maybe in the middle of a frame. */
async function leave(
  ipc: IpcConnection,
  random: () => number,
): Promise<void> {
  if (random() < 0.5) {
    await ipc.send(garbage(random).subarray(0, 1 + Math.floor(random() * 255)));
  }
  await ipc.close();
}
