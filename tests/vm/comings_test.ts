/**
 * Hosts that come and go faster than the machine is told: each one that stays
 * for its answer has it, whatever the one before left behind. While none is
 * there, the machine rests, although its port says so all the time.
 */
import { assert, assertEquals } from "@std/assert";
import { FrameType } from "../../lib/wire/frame.ts";
import { CommandCode, decodeAnswer } from "../../lib/wire/telecommand.ts";
import { ping } from "../fixtures/command_frame.ts";
import { frameOf, Host } from "./host.ts";
import { Machine } from "./machine.ts";

/** How many hosts come, one after another. */
const HOSTS = 200;

/** So long QEMU is watched at a time, and so often at most. */
const WATCH_MS = 2_000;
const WATCHES = 60;

/** A machine that rests uses less of a processor; one that spins, all it gets. */
const RESTING_SHARE = 0.1;

/** What `/proc` counts in: sysconf(_SC_CLK_TCK), 100 on every Linux. */
const TICK_MS = 10;

/** The processor time of a process, milliseconds: proc(5), utime and stime. */
function processorMs(pid: number): number {
  const line = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Waits until a process rests; what spins never does. */
async function rests(pid: number): Promise<boolean> {
  for (let watch = 0; watch < WATCHES; watch++) {
    const [startMs, usedMs] = [performance.now(), processorMs(pid)];
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    const share = (processorMs(pid) - usedMs) / (performance.now() - startMs);
    if (share < RESTING_SHARE) return true;
  }
  return false;
}

Deno.test("a host that comes while the one before is still leaving is answered", async () => {
  await using machine = Machine.boot();
  const first = new Host(await machine.connectIpc());
  await machine.waitForConsole(/READY.*\n/);
  await first.done(CommandCode.PING);
  await first.ipc.close();
  assert(await rests(machine.pid), "the machine rests while its host is away");
  for (let index = 0; index < HOSTS; index++) {
    const ipc = await machine.connectIpc();
    await ipc.send(ping(1000 + index));
    await ipc.receive((bytes) => {
      const { type, payload } = frameOf(bytes);
      return type === FrameType.TM &&
        decodeAnswer(payload).sequence === 1000 + index;
    });
    // It leaves in the middle of a frame, or with a whole one that it does not wait for.
    const left = index % 3;
    if (left === 1) await ipc.send(ping(0).subarray(0, 1 + index));
    if (left === 2) await ipc.send(ping(0));
    await ipc.close();
  }
  const last = new Host(await machine.connectIpc());
  const echo = new TextEncoder().encode("still here");
  assertEquals(await last.done(CommandCode.PING, echo), echo);
  // The only end that leaves the power on.
  await last.done(CommandCode.HALT);
  await machine.waitForConsole("System halted");
});
