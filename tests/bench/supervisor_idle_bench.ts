/**
 * What an init costs while nothing happens, and after much has happened: how
 * often it wakes up in a minute with ten idle services, beside others, and its
 * memory over as many restarts as an hour of one in 100 ms has.
 *
 * @module
 */
import { INIT_PARAMETERS } from "../../lib/init/config.ts";
import { MemoryBlockDevice } from "../../lib/storage/memory_device.ts";
import { openVolume } from "../../lib/storage/volume.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { InitMachine } from "../namespace/init_machine.ts";
import { parseStatus } from "../namespace/namespace.ts";
import { endOfConsole } from "../namespace/supervisor_facts.ts";
import { compileInit, EXECUTABLE } from "./compiled_init.ts";
import type { Observation } from "./harness.ts";
import { type Peer, PEERS, startOurs } from "./supervisor_peers.ts";

const SERVICES = 10;
const IDLE_MS = 60_000;

/**
 * What comes after the start is over by then: a minute after it the init
 * records that the boot was a good one, and then its garbage is collected.
 */
const SETTLE_MS = 90_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** How often the threads of processes were put on a processor so far. */
function switches(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      const fields = parseStatus(
        Deno.readTextFileSync(`/proc/${pid}/task/${name}/status`),
      );
      sum += Number(fields["voluntary_ctxt_switches"]) +
        Number(fields["nonvoluntary_ctxt_switches"]);
    }
  }
  return sum;
}

/** In how many of so many seconds something was put on a processor, and how often in all. */
async function activity(
  pids: readonly number[],
  seconds: number,
): Promise<{ readonly seconds: number; readonly switches: number }> {
  const first = switches(pids);
  let active = 0;
  let before = first;
  for (let second = 0; second < seconds; second++) {
    await pause(1_000);
    const now = switches(pids);
    if (now !== before) active++;
    before = now;
  }
  return { seconds: active, switches: before - first };
}

/** How often the init looks for faults by itself, unless it is told otherwise. */
const LOOK_MS = INIT_PARAMETERS["fdir-interval"].defaultValue;

/** A disk that says: look for faults as seldom as can be said, once a day. */
async function seldomLooking(): Promise<Uint8Array> {
  const { id, maximum } = INIT_PARAMETERS["fdir-interval"];
  const bytes = new Uint8Array(makeDisk("good"));
  const volume = await openVolume(new MemoryBlockDevice({ bytes }));
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, maximum);
  await volume.parameters.set(id, value);
  await volume.close();
  return bytes;
}

const OURS = "spaceos-init, looking for faults once a day";

/** Ours twice: the supervisor by itself, and with the work that it does by default. */
async function contenders(): Promise<Pick<Peer, "name" | "start">[]> {
  const disk = await seldomLooking();
  const [ours, ...others] = PEERS;
  return [
    { name: OURS, start: (count) => startOurs(count, disk) },
    ...(ours === undefined ? [] : [{
      name: `spaceos-init, looking each ${LOOK_MS / 1000} s, as by default`,
      start: ours.start,
    }]),
    ...others,
  ];
}

/** Idle processes of services cost nothing themselves: all descendants are counted. */
async function wakeUps(): Promise<Observation> {
  for (const peer of PEERS) await peer.prepare();
  const seen = await Promise.all((await contenders()).map(async (peer) => {
    await using running = await peer.start(SERVICES);
    await running.told.next(SERVICES);
    await pause(SETTLE_MS);
    const pids = await running.pids();
    return { name: peer.name, ...await activity(pids, IDLE_MS / 1000) };
  }));
  const width = Math.max(...seen.map(({ name }) => name.length));
  return {
    title: `awake in ${IDLE_MS / 1000} s with ${SERVICES} idle services`,
    lines: seen.map(({ name, seconds, switches }) =>
      `${name.padEnd(width)}  in ${seconds} seconds, ${switches} switches`
    ),
    targets: [{
      contender: `${OURS}: never`,
      reached: seen[0]?.switches === 0,
    }],
  };
}

/** An hour with a restart in each 100 ms. */
const RESTARTS = 36_000;
const LOOKS = 10;

async function churn(): Promise<Observation> {
  const services = 10;
  const service = {
    command: ["/bin/sh", "-c", "echo a line of $$; exit 1"],
    backoff: { initialMs: 10, maximumMs: 10, factor: 1, jitter: 0 },
    restartLimit: { maximum: null },
  };
  await using machine = InitMachine.start({
    executable: EXECUTABLE,
    disk: makeDisk("good"),
    services: Object.fromEntries(
      Array.from({ length: services }, (_, index) => [`s${index}`, service]),
    ),
    timeoutSeconds: 1200,
  });
  const pid = await machine.pid();
  const sizes: number[] = [];
  for (let look = 1; look <= LOOKS; look++) {
    const count = RESTARTS / services / LOOKS * look;
    await machine.until(() => {
      const met = /restart (\d+) in 10 ms\n(?![^]*restart \d)/.exec(
        endOfConsole(machine),
      );
      return Number(met?.[1] ?? 0) >= count;
    }, `${count} restarts of each service`);
    const { VmRSS = "" } = parseStatus(
      Deno.readTextFileSync(`/proc/${pid}/status`),
    );
    sizes.push(parseInt(VmRSS) / 1024);
  }
  const half = sizes.slice(LOOKS / 2);
  const growth = Math.max(...half) - Math.min(...half);
  return {
    title: `resident memory over ${RESTARTS} restarts of ${services} services`,
    lines: [
      `MiB after each tenth: ${sizes.map((size) => size.toFixed(1)).join(" ")}`,
    ],
    targets: [{
      contender: `flat: within 4 MiB in the second half (${
        growth.toFixed(1)
      } MiB)`,
      reached: growth < 4,
    }],
  };
}

/** Both, one after the other. */
export async function* observe(): AsyncGenerator<Observation> {
  await compileInit();
  yield await churn();
  yield await wakeUps();
}
