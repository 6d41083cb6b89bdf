/**
 * Hosts that come and go faster than the machine is told: each one that stays
 * for its answer has it, whatever the one before left behind.
 */
import { assertEquals } from "@std/assert";
import { FrameType } from "../../lib/wire/frame.ts";
import { CommandCode, decodeAnswer } from "../../lib/wire/telecommand.ts";
import { ping } from "../fixtures/command_frame.ts";
import { frameOf, Host } from "./host.ts";
import { Machine } from "./machine.ts";

/** How many hosts come, one after another. */
const HOSTS = 200;

Deno.test("a host that comes while the one before is still leaving is answered", async () => {
  await using machine = Machine.boot();
  const first = new Host(await machine.connectIpc());
  await machine.waitForConsole(/READY.*\n/);
  await first.done(CommandCode.PING);
  await first.ipc.close();
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
});
