import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import { concat } from "@std/bytes/concat";
import { connectHost } from "../../../lib/host/connect_host.ts";
import type { HostClient } from "../../../lib/host/client.ts";
import {
  describeStatus,
  HostClientError,
  type HostClientErrorKind,
} from "../../../lib/host/client_error.ts";
import type { HostChannelOptions } from "../../../lib/host/host_channel.ts";
import { REQUESTS_MAX_COUNT } from "../../../lib/host/pending_commands.ts";
import { encodeDataProductPiece } from "../../../lib/wire/data_product_read.ts";
import { encodeFrameFault } from "../../../lib/wire/error_frame.ts";
import { encodeFrame, FrameType } from "../../../lib/wire/frame.ts";
import { encodeHealth } from "../../../lib/wire/health.ts";
import { encodeLog } from "../../../lib/wire/log.ts";
import {
  encodeParameterResponses,
  ParameterStatus,
} from "../../../lib/wire/parameter_message.ts";
import { encodeServiceList } from "../../../lib/wire/service_list.ts";
import {
  CommandCode,
  CommandStatus,
  encodeAnswer,
} from "../../../lib/wire/telecommand.ts";
import {
  FAKE_HEALTH,
  type FakePeer,
  fakeService,
  type FakeVm,
  withFakeVm,
} from "../../fixtures/fake_vm.ts";

/** So long that nothing but a real silence is a time-out. */
const PATIENT_MS = 60_000;

const bytes = (...values: number[]) => Uint8Array.from(values);

/** A client of a fake VM. */
async function withClient(
  use: (client: HostClient, vm: FakeVm) => Promise<void>,
  options: HostChannelOptions = {},
): Promise<void> {
  await withFakeVm(async (vm) => {
    const { path } = vm;
    await using client = await connectHost({
      path,
      timeoutMs: PATIENT_MS,
      ...options,
    });
    await use(client, vm);
  });
}

async function assertFails(
  work: Promise<unknown>,
  kind: HostClientErrorKind,
  text = "",
): Promise<HostClientError> {
  const error = await assertRejects(() => work, HostClientError, text);
  assertEquals(error.kind, kind, error.message);
  return error;
}

/** The TM frame of a page, whatever it says. */
function pageFrame(
  command: number,
  sequence: number,
  [index, count]: readonly [number, number],
  data: Uint8Array = new Uint8Array(),
): Uint8Array {
  const head = new Uint8Array(10);
  const view = new DataView(head.buffer);
  for (
    const [at, value] of [command | 0x8000, sequence, 0, index, count].entries()
  ) view.setUint16(2 * at, value);
  const payload = concat([head, data]);
  return encodeFrame({
    type: FrameType.TM,
    apid: 1,
    destinationApid: 0,
    payload,
  });
}

Deno.test("HostClient carries out every command", async () => {
  await withClient(async (client, vm) => {
    vm.addProduct("image", new Uint8Array(70_000).fill(7));
    vm.addProduct("empty", new Uint8Array());
    vm.parameters.set(1, { generation: 4, value: bytes(0, 0, 0, 9) });
    vm.parameters.set(2, { generation: 1, value: new Uint8Array(240).fill(3) });

    await client.ping(bytes(1, 2, 3));
    await client.poweroff();
    await client.reboot();
    await client.halt();
    await client.startService("web");
    await client.stopService("web");
    await client.restartService("gps");
    await client.enterSafeMode();
    await client.leaveSafeMode();
    await client.setTime({ seconds: 1n, nanoseconds: 2 });
    assertEquals(vm.received.map(({ command }) => command), [
      CommandCode.PING,
      CommandCode.POWEROFF,
      CommandCode.REBOOT,
      CommandCode.HALT,
      CommandCode.SERVICE_START,
      CommandCode.SERVICE_STOP,
      CommandCode.SERVICE_RESTART,
      CommandCode.ENTER_SAFE_MODE,
      CommandCode.LEAVE_SAFE_MODE,
      CommandCode.TIME_SET,
    ]);
    assertEquals(await client.services(), vm.services);
    assertEquals((await client.serviceStatus("gps")).pid, 102);
    assertEquals(await client.readEvents(), {
      nextSequence: 9n,
      events: vm.events,
    });
    assertEquals((await client.readEvents({ from: 8n })).events.length, 1);
    assertEquals(await client.bootTimeline(), vm.phases);
    const { products, freeBytes } = await client.dataProducts();
    assertEquals(products.map(({ name }) => name), ["image", "empty"]);
    assertEquals(freeBytes, 4096n);
    assertEquals(await client.readDataProduct("image"), vm.products[0]?.data);
    assertEquals(await client.readDataProduct("empty"), new Uint8Array());
    const parameters = await client.parameters();
    assertEquals(parameters.map(({ value }) => value.length), [4, 240]);
    assertEquals((await client.getParameter(2)).value.length, 240);
    assertEquals((await client.setParameter(1, bytes(5))).generation, 5);
    assertEquals((await client.getParameter(1)).value, bytes(5));
  });
});

Deno.test("HostClient reads lists that are longer than one answer", async () => {
  await withClient(async (client, vm) => {
    vm.services = Array.from(
      { length: 2000 },
      (_, index) => fakeService(`service-${index}`),
    );
    assertEquals(await client.services(), vm.services);
    assertEquals(vm.received.length > 1, true);
  });
});

Deno.test("HostClient matches answers to requests, in whatever order they come", async () => {
  await withClient(async (client, vm) => {
    const waiting: (() => void)[] = [];
    vm.onFrame = (frame, peer) => {
      const sequence = (frame[10] ?? 0) << 8 | (frame[11] ?? 0);
      const result = frame.slice(12, 13);
      waiting.push(() => {
        const answer = { command: 1, sequence, status: 0, result };
        for (const payload of encodeAnswer(answer)) {
          void peer.send(FrameType.TM, payload);
        }
      });
      if (waiting.length === 20) {
        for (const send of waiting.reverse()) send();
      }
      return true;
    };
    // Each would be told if it got the echo of another.
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => client.ping(bytes(index))),
    );
  });
});

Deno.test("HostClient gives up when the time is over, and a late answer harms nobody", async () => {
  await withClient(async (client, vm) => {
    let late: (() => Promise<void>) | undefined;
    vm.overrides.set(CommandCode.PING, ({ command, sequence }, peer) => {
      late = async () => {
        const result = new Uint8Array();
        const answer = { command, sequence, status: 0, result };
        for (const payload of encodeAnswer(answer)) {
          await peer.send(FrameType.TM, payload);
        }
      };
      return null;
    });
    await assertFails(
      client.ping(),
      "timeout",
      "PING: no whole answer in 3000 ms",
    );
    await late?.();
    vm.overrides.clear();
    await client.ping(bytes(1));
    assertEquals(client.counters.unmatchedFrames, 1);
  }, { timeoutMs: 3000 });
});

Deno.test("HostClient turns what the VM refuses into one error", async () => {
  await withClient(async (client, vm) => {
    const missing = await assertFails(
      client.serviceStatus("nobody"),
      "status",
      'SERVICE_STATUS "nobody": ENOENT, there is no such thing',
    );
    assertEquals(missing.status, CommandStatus.ENOENT);
    await assertFails(client.command(99), "status", "command 99: ENOSYS");
    const unknown = await assertFails(client.getParameter(77), "parameter");
    assertEquals(unknown.parameterStatus, ParameterStatus.UNKNOWN);

    vm.onFrame = (frame, peer) => {
      const fault = encodeFrameFault({
        code: 5,
        offendingType: frame[1] ?? 0,
        offendingApid: 0,
        offendingPayloadLength: frame[5] ?? 0,
      });
      void peer.send(FrameType.ERROR, fault);
      return true;
    };
    const refused = await assertFails(
      client.ping(bytes(1)),
      "refused",
      "HOST_BUSY for a frame of type 2",
    );
    assertEquals(refused.fault?.code, 5);
    assertEquals(refused.message.includes("the VM refused"), true);
    // A switch speaks as the host, where the VM that it stands before can't.
    vm.onFrame = (frame, peer) => {
      const payload = encodeFrameFault({
        code: 5,
        offendingType: frame[1] ?? 0,
        offendingApid: 0,
        offendingPayloadLength: frame[5] ?? 0,
      });
      const { ERROR: type } = FrameType;
      const head = { type, apid: 0, destinationApid: 0 };
      void peer.sendBytes(encodeFrame({ ...head, payload }));
      return true;
    };
    await assertFails(
      client.ping(bytes(1)),
      "refused",
      "the VM is not there, or does not read; the switch refused the frame",
    );
    vm.onFrame = (frame, peer) => {
      if (frame[1] !== FrameType.PRM_SET) return false;
      const fault = encodeFrameFault({
        code: 6,
        offendingType: FrameType.PRM_SET,
        offendingApid: 0,
        offendingPayloadLength: frame[5] ?? 0,
      });
      void peer.send(FrameType.ERROR, fault);
      return true;
    };
    await assertFails(client.setParameter(1, bytes(1)), "refused", "MALFORMED");
    await client.ping();
  });
});

Deno.test("HostClient says what each status means", () => {
  for (const [name, status] of Object.entries(CommandStatus)) {
    if (status === 0) continue;
    assertEquals(describeStatus(status).startsWith(`${name}, `), true, name);
  }
});

Deno.test("HostClient says that a socket is not there, or that nobody serves it", async () => {
  await withFakeVm(async (vm, folder) => {
    const path = `${folder}/none.sock`;
    await assertFails(connectHost({ path }), "unreachable", "is not there");
    await Deno.writeTextFile(`${folder}/file.sock`, "");
    await assertFails(
      connectHost({ path: `${folder}/file.sock` }),
      "unreachable",
      "is no socket",
    );
    // What QEMU leaves when it is killed.
    const left = `${folder}/left.sock`;
    const listener = Deno.listen({ transport: "unix", path: left });
    await Deno.link(left, `${left}.kept`);
    listener.close();
    await assertFails(
      connectHost({ path: `${left}.kept` }),
      "unreachable",
      "nobody serves",
    );
    await vm.close();
  });
});

Deno.test("connectHost waits for a place in the queue of a socket, but not for ever", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-queue-" });
  const path = `${folder}/vm.sock`;
  using listener = Deno.listen({ transport: "unix", path });
  const others: Deno.Conn[] = [];
  try {
    // As many as the queue holds; nobody takes them off it.
    for (;;) others.push(await Deno.connect({ transport: "unix", path }));
  } catch (error) {
    assertInstanceOf(error, Deno.errors.WouldBlock);
  }
  await assertFails(
    connectHost({ path, timeoutMs: 100 }),
    "timeout",
    "other programs wait",
  );
  const late = connectHost({ path, timeoutMs: PATIENT_MS });
  const [first, second] = [await listener.accept(), await listener.accept()];
  await (await late).close();
  for (const connection of [...others, first, second]) connection.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("HostClient ends all that waits when the VM vanishes in the middle of an answer", async () => {
  await withClient(async (client, vm) => {
    vm.overrides.set(CommandCode.SERVICE_LIST, async (telecommand, peer) => {
      const { command, sequence } = telecommand;
      const page = pageFrame(command, sequence, [0, 2]);
      await peer.sendBytes(page.subarray(0, 100));
      peer.vanish();
      return null;
    });
    const logs = client.logs();
    await assertFails(
      client.services(),
      "closed",
      "the VM's side ended the connection",
    );
    assertEquals(await Array.fromAsync(logs), []);
    await client.closed;
    await assertFails(client.ping(), "closed");
    await assertFails(client.getParameter(1), "closed");
    assertEquals(await Array.fromAsync(client.health()), []);
  });
});

Deno.test("HostClient.close ends what is under way, and can be called twice", async () => {
  await withClient(async (client, vm) => {
    vm.overrides.set(CommandCode.PING, () => null);
    const work = assertFails(
      client.ping(),
      "closed",
      "the connection was closed",
    );
    await client.close();
    await client.close();
    await work;
  });
});

Deno.test("HostClient finds the next frame behind the rest of another and behind garbage", async () => {
  await withClient(async (client, vm) => {
    const health = encodeFrame({
      type: FrameType.HEALTH,
      apid: 1,
      destinationApid: 0,
      payload: encodeHealth(FAKE_HEALTH),
    });
    let cut = 1;
    vm.overrides.set(CommandCode.PING, async (telecommand, peer) => {
      await peer.sendBytes(health.subarray(cut));
      await peer.sendBytes(bytes(1, 1, 0, 1));
      return { result: telecommand.arguments };
    });
    for (; cut < 256; cut += 5) await client.ping(bytes(cut));
    vm.overrides.set(CommandCode.PING, async (telecommand, peer) => {
      const garbage = new Uint8Array(65_536);
      crypto.getRandomValues(garbage);
      await peer.sendBytes(garbage);
      return { result: telecommand.arguments };
    });
    for (let round = 0; round < 20; round++) await client.ping(bytes(round));
  });
});

Deno.test("HostClient refuses what contradicts itself, and asks for no more than it may keep", async () => {
  await withClient(async (client, vm) => {
    const answer = (
      send: (sequence: number, peer: FakePeer) => Promise<void>,
    ) =>
      vm.overrides.set(
        CommandCode.SERVICE_LIST,
        async ({ sequence }, peer) => {
          await send(sequence, peer);
          return null;
        },
      );
    const { SERVICE_LIST } = CommandCode;
    answer((sequence, peer) =>
      peer.sendBytes(pageFrame(SERVICE_LIST, sequence, [0, 60_000]))
    );
    await assertFails(client.services(), "malformed", "60000 pages");
    answer(async (sequence, peer) => {
      await peer.sendBytes(pageFrame(SERVICE_LIST, sequence, [0, 2]));
      await peer.sendBytes(pageFrame(SERVICE_LIST, sequence, [1, 3]));
    });
    await assertFails(client.services(), "malformed", "another said 2");
    answer((sequence, peer) =>
      peer.sendBytes(pageFrame(SERVICE_LIST, sequence, [5, 2]))
    );
    await assertFails(client.services(), "malformed", "index is 5");
    answer((sequence, peer) =>
      peer.sendBytes(pageFrame(SERVICE_LIST, sequence, [0, 1], bytes(1, 2)))
    );
    await assertFails(client.services(), "malformed", "SERVICE_LIST");

    const list = (total: number, first: number, count: number) => {
      const services = Array.from(
        { length: count },
        (_, index) => fakeService(`s${index}`),
      );
      const result = encodeServiceList(services, 0);
      new DataView(result.buffer).setUint32(0, total);
      new DataView(result.buffer).setUint32(4, first);
      return { result };
    };
    vm.overrides.set(SERVICE_LIST, () => list(4_000_000_000, 0, 1));
    await assertFails(client.services(), "limit", "4000000000 entries");
    vm.overrides.set(SERVICE_LIST, () => list(5, 0, 0));
    await assertFails(client.services(), "malformed", "0 entries came");
    vm.overrides.set(SERVICE_LIST, () => list(1, 0, 2));
    await assertFails(client.services(), "malformed", "2 entries came");
    vm.overrides.set(SERVICE_LIST, () => list(9, 0, 2));
    await assertFails(client.services(), "malformed", "goes on at 0");
  });
});

Deno.test("HostClient does not read a list for ever", async () => {
  const listTimeoutMs = 50;
  await withClient(async (client, vm) => {
    let asked = 0;
    // The client's time has begun before its first request came.
    let overMs = Infinity;
    vm.overrides.set(CommandCode.SERVICE_LIST, async () => {
      const first = asked++;
      if (first === 0) overMs = performance.now() + listTimeoutMs;
      while (first > 0 && performance.now() <= overMs) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const result = encodeServiceList([fakeService("s")], 0);
      new DataView(result.buffer).setUint32(0, 60_000);
      new DataView(result.buffer).setUint32(4, first);
      return { result };
    });
    await assertFails(client.services(), "timeout", "no whole list");
    assert(asked <= 2, `${asked} requests, expected none after the limit`);
  }, { listTimeoutMs });
});

Deno.test("HostClient judges a data product by its length and its CRC", async () => {
  await withClient(async (client, vm) => {
    vm.addProduct("image", new Uint8Array(40_000).fill(7));
    const { DP_READ } = CommandCode;
    const read = () => client.readDataProduct("image");
    await assertFails(
      client.readDataProduct("image", { maxBytes: 1000 }),
      "limit",
      "40000 bytes, expected at most 1000",
    );
    await assertFails(
      client.readDataProduct("nothing"),
      "status",
      'DP_READ "nothing": ENOENT, there is no such thing',
    );
    await assertFails(
      client.startService("no: such"),
      "status",
      'SERVICE_START "no: such": ENOENT, there is no such thing',
    );
    const piece = (offset: number, length: number, dataLength = 40_000) => ({
      result: encodeDataProductPiece({
        dataLength,
        offset,
        data: new Uint8Array(length),
      }),
    });
    vm.overrides.set(DP_READ, () => piece(0, 10));
    await assertFails(read(), "malformed", "10 bytes at 0 of 40000");
    vm.overrides.set(DP_READ, () => piece(0, 10, 4_000_000_000));
    await assertFails(read(), "malformed", "DP_LIST does not know");
    vm.overrides.delete(DP_READ);
    vm.products[0]?.data.fill(8);
    await assertFails(read(), "malformed", "does not match its CRC");
  });
});

Deno.test("HostClient keeps parameter answers apart that carry no number", async () => {
  await withClient(async (client, vm) => {
    vm.parameters.set(1, { generation: 1, value: bytes(1) });
    vm.parameters.set(2, { generation: 1, value: bytes(2) });
    // Somebody before us asked, and his answers come first.
    const stale = encodeParameterResponses([{
      parameterId: 1,
      generation: 9,
      value: bytes(99),
      status: ParameterStatus.OK,
    }]);
    const [peer] = vm.peers;
    await client.ping();
    for (const payload of stale) await peer?.send(FrameType.PRM_RSP, payload);
    const both = await Promise.all([
      client.getParameter(1),
      client.getParameter(2),
      client.setParameter(1, bytes(3)),
    ]);
    assertEquals(both.map(({ value }) => value), [
      bytes(1),
      bytes(2),
      bytes(3),
    ]);
    assertEquals(client.counters.unmatchedFrames, 1);
    await client.ping();
    await [...vm.peers][0]?.send(FrameType.PRM_RSP, bytes(1));
    await client.ping();
    assertEquals(client.counters.malformedFrames, 1);
  });
});

Deno.test("HostClient sets several parameters at once, or none and says why", async () => {
  await withClient(async (client, vm) => {
    vm.parameters.set(1, { generation: 1, value: bytes(1) });
    vm.parameters.set(2, { generation: 1, value: bytes(2) });
    vm.parameters.set(3, { generation: 1, value: bytes(3) });
    const long = new Uint8Array(240).fill(9);
    const sets = [
      { parameterId: 3, value: long },
      { parameterId: 2, value: long },
      { parameterId: 1, value: bytes(7) },
    ];
    const entries = await client.setParameters(sets);
    assertEquals(entries.map(({ value }) => value), [long, long, bytes(7)]);
    assertEquals(vm.parameters.get(1)?.value, bytes(7));
    await assertFails(
      client.setParameters([
        { parameterId: 1, value: bytes(8) },
        { parameterId: 77, value: bytes(8) },
      ]),
      "parameter",
      "parameter 77: there is no such parameter; nothing is set",
    );
    const twice = await assertFails(
      client.setParameters([
        { parameterId: 2, value: bytes(8) },
        { parameterId: 1, value: bytes(8) },
        { parameterId: 1, value: bytes(9) },
      ]),
      "parameter",
      "parameter 1 is in the set twice, expected once; nothing is set",
    );
    assertEquals(twice.parameterId, 1);
    assertEquals(vm.parameters.get(1)?.value, bytes(7));
    assertEquals(vm.parameters.get(2)?.value, long);
    assertEquals(await client.setParameters([]), []);
  });
});

Deno.test("HostClient bounds an answer of parameters that never ends", async () => {
  await withClient(async (client, vm) => {
    vm.onFrame = (frame, peer) => {
      if (frame[1] !== FrameType.PRM_GET) return false;
      const entry = {
        parameterId: 1,
        generation: 1,
        value: bytes(1),
        status: ParameterStatus.OK,
      };
      const [payload] = encodeParameterResponses([entry, entry]);
      void (async () => {
        try {
          for (;;) await peer.send(FrameType.PRM_RSP, payload ?? bytes());
        } catch {
          // The client has had enough.
        }
      })();
      return true;
    };
    await assertFails(client.parameters(), "malformed", "more than 4096");
  });
});

Deno.test("HostClient has streams that are bounded, end with the connection, and skip what is malformed", async () => {
  await withClient(async (client, vm) => {
    const [events, logs, health, products, frames] = [
      client.events(),
      client.logs(),
      client.health(),
      client.newDataProducts(),
      client.frames(),
    ];
    await client.followLog(true);
    assertEquals((await logs.next()).value.name, "spaceos-init");
    assertEquals((await health.next()).value, FAKE_HEALTH);
    await vm.happen("one");
    await vm.broadcast(FrameType.EVR, bytes(1, 2, 3));
    await vm.happen("two");
    vm.addProduct("p", new Uint8Array(10));
    await vm.tellProduct();
    assertEquals((await products.next()).value.name, "p");
    const texts = [await events.next(), await events.next()]
      .map(({ value }) => new TextDecoder().decode(value.payload));
    assertEquals(texts, ["one", "two"]);
    assertEquals(client.counters.malformedFrames, 1);
    assertEquals((await frames.next()).done, false);

    const text = new TextEncoder().encode("x");
    const [payload] = encodeLog({ stream: 1, name: "web", text });
    for (let count = 0; count < 50; count++) {
      await vm.broadcast(FrameType.LOG, payload ?? text);
    }
    await client.ping();
    assertEquals([logs.waitingCount, logs.droppedCount], [8, 43]);
    await events.return();
    await vm.happen("three");
    await client.ping();
    assertEquals(events.waitingCount, 0);
    const rest = Array.fromAsync(logs);
    await vm.close();
    assertEquals((await rest).length, 8);
    assertEquals((await frames.return()).done, true);
  }, { streamCapacity: 8 });
});

Deno.test("HostClient lets only so many requests wait", async () => {
  await withClient(async (client, vm) => {
    vm.overrides.set(CommandCode.PING, () => null);
    const waiting = Array.from(
      { length: REQUESTS_MAX_COUNT },
      () => assertFails(client.ping(), "closed"),
    );
    await assertFails(client.ping(), "limit", "256 requests wait");
    await client.close();
    await Promise.all(waiting);
  });
});

Deno.test("HostClient writes frames whole, however little the connection takes at a time", async () => {
  const written: number[] = [];
  let release: () => void = () => {};
  const connection = {
    read: () =>
      new Promise<null>((resolve) => {
        release = () => resolve(null);
      }),
    write: async (data: Uint8Array) => {
      await Promise.resolve();
      const count = Math.min(7, data.length);
      written.push(...data.subarray(0, count));
      return count;
    },
    close: () => release(),
  };
  const client = await connectHost({ connection });
  await Promise.all([
    client.sendBytes(new Uint8Array(256).fill(1)),
    client.sendBytes(new Uint8Array(256).fill(2)),
  ]);
  assertEquals(written.slice(0, 256).every((byte) => byte === 1), true);
  assertEquals(written.slice(256).every((byte) => byte === 2), true);
  await client.close();
  assertEquals(client.ended?.kind, "closed");
});
