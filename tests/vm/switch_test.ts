/**
 * A machine behind the switch, and at a shared page: tenants, the host's own
 * socket and a real port; QEMU's shared memory device and a file of the host.
 */
import {
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { openSharedPage } from "../../lib/host/shared_page_file.ts";
import { FrameSwitch } from "../../lib/host/switch.ts";
import { SwitchServer } from "../../lib/host/switch_server.ts";
import { Poller } from "../../lib/linux/poller.ts";
import {
  decodeFrameFault,
  FrameErrorCode,
} from "../../lib/wire/error_frame.ts";
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameType,
} from "../../lib/wire/frame.ts";
import { SHARED_PAGE_SIZE_BYTES } from "../../lib/wire/shared_page.ts";
import {
  CommandCode,
  decodeAnswer,
  encodeTelecommand,
} from "../../lib/wire/telecommand.ts";
import { ask, ping } from "../fixtures/command_frame.ts";
import { IpcConnection, Machine } from "./machine.ts";

const everything = [{ first: 0, last: 0x7FF }];

function command(apid: number, destinationApid: number, code: number) {
  return encodeFrame({
    type: FrameType.TC,
    apid,
    destinationApid,
    payload: encodeTelecommand({
      command: code,
      sequence: 77,
      arguments: Uint8Array.of(1, 2, 3),
    }),
  });
}

Deno.test("a machine behind the switch and at a shared page", async (test) => {
  const folder = Deno.makeTempDirSync({ prefix: "spaceos-switch-" });
  const pagePath = `${folder}/page`;
  Deno.writeFileSync(pagePath, new Uint8Array(SHARED_PAGE_SIZE_BYTES));
  const page = openSharedPage(pagePath);
  const machine = Machine.boot({
    append: "spaceos.page=ivshmem",
    extraArguments: [
      "-object",
      `memory-backend-file,id=page,share=on,mem-path=${pagePath},size=${SHARED_PAGE_SIZE_BYTES}`,
      "-device",
      "ivshmem-plain,memdev=page",
    ],
  });
  const poller = new Poller();
  const server = new SwitchServer({
    frames: new FrameSwitch({
      tenants: [{
        name: "camera",
        apids: { first: 0x10, last: 0x1F },
        sendTo: everything,
      }],
      uplink: { apids: [{ first: 1, last: 15 }], sendTo: everything },
    }),
    directory: `${folder}/sockets`,
    uplinkPath: machine.ipcSocketPath,
    poller,
    nowMs: () => performance.now(),
    onMessage: () => {},
  });
  const connections: IpcConnection[] = [];
  const connect = async (name: string): Promise<IpcConnection> => {
    const connection = new IpcConnection(
      await Deno.connect({ transport: "unix", path: server.socketPath(name) }),
    );
    connections.push(connection);
    return connection;
  };
  const receive = async (
    connection: IpcConnection,
    type: FrameType,
  ): Promise<Frame> =>
    decodeFrame(await connection.receive((bytes) => bytes[1] === type));
  try {
    server.start();
    let host = await connect("system");
    const camera = await connect("camera");
    await machine.waitForConsole("READY after");

    await test.step("the host's commands and their answers pass", async () => {
      await host.send(command(0, 0, CommandCode.PING));
      const { apid, payload } = await receive(host, FrameType.TM);
      const { sequence, status, result } = decodeAnswer(payload);
      assertEquals([apid, sequence, status], [1, 77, 0]);
      assertEquals(result, Uint8Array.of(1, 2, 3));
      // Unasked, too: HEALTH is for the host.
      assertEquals((await receive(host, FrameType.HEALTH)).apid, 1);
    });

    await test.step("the log that an operator follows ends when it goes", async () => {
      const follow = Uint8Array.of(1);
      await host.send(ask(CommandCode.LOG_FOLLOW, 1, follow));
      await receive(host, FrameType.LOG);
      await host.close();
      host = await connect("system");
      // The switch has ended it before this is asked, and what was under way is here.
      await host.send(ping(2));
      await receive(host, FrameType.TM);
      const demo = new TextEncoder().encode("demo");
      await host.send(ask(CommandCode.SERVICE_RESTART, 3, demo));
      await machine.waitForConsole(
        /SERVICE_STOPPED demo[^]*SERVICE_STARTED demo/,
      );
      await host.send(ping(4));
      await host.receive((bytes) => {
        const { type, payload } = decodeFrame(bytes);
        assertNotEquals(type, FrameType.LOG);
        return type === FrameType.TM && decodeAnswer(payload).sequence === 4;
      });
    });

    await test.step("no tenant's frame reaches a command, whatever it pretends", async () => {
      for (const [apid, to] of [[0x10, 1], [0, 1], [0, 0], [1, 1]] as const) {
        await camera.send(command(apid, to, CommandCode.POWEROFF));
        const { payload } = await receive(camera, FrameType.ERROR);
        assertEquals(
          decodeFrameFault(payload).code,
          FrameErrorCode.APID_NOT_ALLOCATED,
        );
      }
      await host.send(command(0, 1, CommandCode.PING));
      await receive(host, FrameType.TM);
    });

    await test.step("the page beats and tells how the machine is", async () => {
      assertStringIncludes(machine.console, "shared page: /sys/bus/pci/");
      const before = page.word64("guestHeartbeat");
      while (page.word64("guestHeartbeat") < before + 2n) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const { guestStatus, guestHealth } = page.snapshot();
      // Without a disk it is degraded, and says so.
      assertEquals(guestStatus, 2);
      assertStringIncludes(guestHealth, "degraded, 1 of 1 services running");
    });

    await test.step("the host sets the time on the page", async () => {
      page.writeMissionTime({ seconds: 3_000_000_000n, nanos: 0 });
      await machine.waitForConsole(/CLOCK_SET .*-> 3000000000\.000/);
    });

    await test.step("the host ends the machine by the page alone", async () => {
      page.setWord32("hostCommand", CommandCode.POWEROFF);
      assertEquals(await machine.waitForEnd(), "poweroff");
      assertEquals(page.word32("guestCommandAck"), CommandCode.POWEROFF);
    });
  } finally {
    for (const connection of connections) await connection.close();
    server.close();
    await poller.close();
    await machine[Symbol.asyncDispose]();
    Deno.removeSync(folder, { recursive: true });
  }
});
