/**
 * Services of real processes under the supervisors of Debian and ours, side by
 * side: from the supervisor's start until 500 services run, and from the death
 * of one to the first words of its successor.
 *
 * @module
 */
import type { Comparison } from "./harness.ts";
import {
  outerPid,
  type Peer,
  PEERS,
  type Running,
} from "./supervisor_peers.ts";

const SERVICES = 500;

/** A service that died sooner than a second after its start is held back by s6 and runit. */
const SETTLED_MS = 1_100;

/** The time from the supervisor's first process to the words of its last service. */
async function startNs(peer: Peer, count: number): Promise<number> {
  await using running = await peer.start(count);
  await running.told.next(count);
  return (performance.now() - running.startedMs) * 1e6;
}

/** Kills a service's process, and waits for the words of the next, so many times. */
async function restartNs(peer: Peer, times: number): Promise<number> {
  await using running: Running = await peer.start(1);
  let totalNs = 0;
  for (let time = 0; time < times; time++) {
    const [number = 0] = await running.told.next(1);
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
    const [supervisor = 0] = await running.pids();
    const victim = outerPid(supervisor, number);
    const killedMs = performance.now();
    Deno.kill(victim, "SIGKILL");
    await running.told.arrival();
    totalNs += (performance.now() - killedMs) * 1e6;
  }
  return totalNs;
}

/** Both comparisons; what they need is installed and compiled first. */
export async function comparisons(): Promise<Comparison[]> {
  for (const peer of PEERS) await peer.prepare();
  return [
    {
      title: `${SERVICES} services from the supervisor's start to running`,
      baseline: "finit",
      contenders: PEERS.map((peer) => ({
        name: peer.name,
        run: async (times: number) => {
          let totalNs = 0;
          for (let time = 0; time < times; time++) {
            totalNs += await startNs(peer, SERVICES);
          }
          return totalNs;
        },
      })),
      targets: [{
        contender: "spaceos-init",
        atLeast: 1,
        otherwise:
          "all processes together take as much of the processors as with finit (0.83 s and 0.93 s, measured), but ours one after the other: 0.1 s until the first service, and then one thread waits in posix_spawn, each time, until the child has executed its program; finit forks, and goes on",
      }],
      times: 1,
      turns: 5,
    },
    {
      title: "one service from its death to the words of its successor",
      baseline: "finit",
      contenders: PEERS.map((peer) => ({
        name: peer.name,
        run: (times: number) => restartNs(peer, times),
      })),
      targets: [{
        contender: "spaceos-init",
        atLeast: 1,
        otherwise:
          "traced: 0.5 ms from the exit to its reaping (of which the runtime's other thread takes 0.03), 1.2 ms from there to the new process, in code that runs seldom and so never optimized: last words, the look whether the control group is empty, the options of the spawn. The rest is the program's own start",
      }],
      times: 3,
      turns: 3,
    },
  ];
}
