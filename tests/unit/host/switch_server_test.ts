import { assert, assertEquals, assertThrows } from "@std/assert";
import { FrameSwitch } from "../../../lib/host/switch.ts";
import type { SwitchPlan } from "../../../lib/host/switch_plan.ts";
import { LANE_CAPACITY_FRAMES } from "../../../lib/host/switch_port.ts";
import {
  SwitchServer,
  type SwitchServerOptions,
} from "../../../lib/host/switch_server.ts";
import { SystemError } from "../../../lib/linux/error.ts";
import { close, read, write } from "../../../lib/linux/file.ts";
import { status } from "../../../lib/linux/file_status.ts";
import { Poller } from "../../../lib/linux/poller.ts";
import {
  acceptStream,
  connectStream,
  listenStream,
} from "../../../lib/linux/socket.ts";
import {
  decodeFrameFault,
  FrameErrorCode,
} from "../../../lib/wire/error_frame.ts";
import {
  decodeFrame,
  encodeFrame,
  FrameType,
} from "../../../lib/wire/frame.ts";
import {
  CommandCode,
  decodeTelecommand,
} from "../../../lib/wire/telecommand.ts";
import { ask, ping } from "../../fixtures/command_frame.ts";

const everything = [{ first: 0, last: 0x7FF }];
const PLAN: SwitchPlan = {
  tenants: ["camera", "processor", "radio"].map((name, index) => ({
    name,
    apids: { first: 0x10 * (index + 1), last: 0x10 * (index + 1) + 0xF },
    sendTo: everything,
  })),
  uplink: null,
};

const frame = (
  apid: number,
  destinationApid: number,
  value = 0,
  type: FrameType = FrameType.TM,
) => {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, value);
  return encodeFrame({ type, apid, destinationApid, payload });
};

const valueOf = (bytes: Uint8Array) =>
  new DataView(decodeFrame(bytes).payload.slice().buffer).getUint32(0);

/** Waits for a fact; the runner's own limit ends it when it never comes true. */
async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** A switch in a folder of its own. */
class Bench {
  readonly #folder: string;
  readonly directory: string;
  readonly poller: Poller;
  readonly server: SwitchServer;
  readonly messages: string[] = [];
  readonly #clients: number[] = [];

  constructor(
    options: Partial<SwitchServerOptions> = {},
    plan: SwitchPlan = PLAN,
  ) {
    this.#folder = options.directory ??
      Deno.makeTempDirSync({ prefix: "switch-" });
    this.directory = options.directory ?? `${this.#folder}/sockets`;
    this.poller = new Poller({
      onError: (error) => this.messages.push(String(error)),
    });
    this.server = new SwitchServer({
      frames: new FrameSwitch(plan),
      directory: this.directory,
      poller: this.poller,
      nowMs: () => performance.now(),
      onMessage: (_level, text) => this.messages.push(text),
      ...options,
    });
  }

  connect(name: string): number {
    const descriptor = connectStream(this.server.socketPath(name));
    this.#clients.push(descriptor);
    return descriptor;
  }

  async connected(name: string): Promise<number> {
    const before = this.counts(name).connections;
    const descriptor = this.connect(name);
    await until(() => this.counts(name).connections > before);
    return descriptor;
  }

  leave(descriptor: number): void {
    this.#clients.splice(this.#clients.indexOf(descriptor), 1);
    close(descriptor);
  }

  counts(name: string) {
    const counts = this.server.counters.get(name);
    assert(counts !== undefined);
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const descriptor of this.#clients) close(descriptor);
    this.server.close();
    await this.poller.close();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** Reads whole frames until there are enough. */
async function frames(
  descriptor: number,
  count: number,
): Promise<Uint8Array[]> {
  const bytes = new Uint8Array(256 * count);
  let filled = 0;
  await until(() => {
    const got = read(descriptor, bytes.subarray(filled));
    assert(got !== 0, `the switch hung up after ${filled} bytes`);
    filled += got ?? 0;
    return filled === bytes.length;
  });
  return Array.from(
    { length: count },
    (_, index) => bytes.subarray(256 * index, 256 * (index + 1)),
  );
}

/** Writes all, as a client that waits for room. */
async function send(descriptor: number, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const count = write(descriptor, bytes.subarray(done));
    if (count === null) await new Promise((resolve) => setTimeout(resolve, 1));
    else done += count;
  }
}

Deno.test("frames pass between tenants unchanged, wherever the stream is cut", async () => {
  await using bench = new Bench();
  bench.server.start();
  const camera = await bench.connected("camera");
  const processor = await bench.connected("processor");
  const sent = frame(0x10, 0x20, 0xABCDEF);
  for (const cut of [0, 1, 100, 255]) {
    await send(camera, sent.subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 2));
    await send(camera, sent.subarray(cut));
    assertEquals((await frames(processor, 1))[0], sent);
  }
  await send(processor, frame(0x2F, 0x1F, 5));
  assertEquals((await frames(camera, 1)).map(valueOf), [5]);
  assertEquals(bench.counts("camera").framesIn, 4);
  assertEquals(bench.counts("processor").framesOut, 4);
});

Deno.test("what can't be delivered comes back as an ERROR, and is counted by reason", async () => {
  await using bench = new Bench();
  bench.server.start();
  const camera = await bench.connected("camera");
  const cases: [Uint8Array, FrameErrorCode, string][] = [
    [frame(0x20, 0x30), FrameErrorCode.APID_NOT_ALLOCATED, "foreign-source"],
    [frame(0x10, 0x700), FrameErrorCode.APID_NOT_ALLOCATED, "no-route"],
    [
      frame(0x10, 0, 0, FrameType.TC),
      FrameErrorCode.APID_NOT_ALLOCATED,
      "command",
    ],
    [frame(0x10, 0x20), FrameErrorCode.HOST_BUSY, "absent"],
    [
      new Uint8Array(256).fill(0xFF),
      FrameErrorCode.UNKNOWN_VERSION,
      "malformed",
    ],
  ];
  for (const [bytes, code, reason] of cases) {
    await send(camera, bytes);
    const [answer = new Uint8Array()] = await frames(camera, 1);
    const { type, payload } = decodeFrame(answer);
    assertEquals([type, decodeFrameFault(payload).code], [
      FrameType.ERROR,
      code,
    ]);
    const { refused } = bench.counts("camera");
    assertEquals(
      Object.entries(refused).find(([key]) => key === reason)?.[1],
      1,
    );
  }
  // An ERROR for nobody has no answer: the next answer is to the next frame.
  await send(camera, frame(0x10, 0x700, 0, FrameType.ERROR));
  await send(camera, frame(0x11, 0x700));
  const [answer = new Uint8Array()] = await frames(camera, 1);
  assertEquals(
    decodeFrameFault(decodeFrame(answer).payload).offendingApid,
    0x11,
  );
  assertEquals(bench.counts("camera").refused["no-route"], 3);
});

Deno.test("a stream much longer than every queue arrives whole and in order", async () => {
  // However busy the machine is: here nobody is given up.
  await using bench = new Bench({ holdLimitMs: 1e9 });
  bench.server.start();
  const camera = await bench.connected("camera");
  const processor = await bench.connected("processor");
  const count = 20 * LANE_CAPACITY_FRAMES;
  const sending = (async () => {
    for (let value = 0; value < count; value++) {
      await send(camera, frame(0x10, 0x20, value));
    }
  })();
  // A slow reader: its sender is held up, and loses nothing.
  const values: number[] = [];
  while (values.length < count) {
    values.push(...(await frames(processor, 64)).map(valueOf));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await sending;
  assertEquals(values, Array.from({ length: count }, (_, value) => value));
  const { refused } = bench.counts("camera");
  assertEquals(Object.values(refused).reduce((sum, one) => sum + one), 0);
});

Deno.test("a tenant that never reads harms neither its sender's others nor anybody else", async () => {
  await using bench = new Bench();
  bench.server.start();
  const camera = await bench.connected("camera");
  const processor = await bench.connected("processor");
  const radio = await bench.connected("radio");
  // The processor never reads. The camera floods it until it is refused.
  let value = 0;
  let isRefused = false;
  const answers = new Uint8Array(4096);
  while (!isRefused) {
    if (write(camera, frame(0x10, 0x20, value++)) === null) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    isRefused = (read(camera, answers) ?? 0) > 0;
  }
  const { code } = decodeFrameFault(
    decodeFrame(answers.subarray(0, 256)).payload,
  );
  assertEquals(code, FrameErrorCode.HOST_BUSY);
  assert(bench.counts("camera").refused.busy > 0);
  // Both go on at once, with frames to each other and to the deaf one.
  await send(radio, frame(0x30, 0x20, 1));
  await send(radio, frame(0x30, 0x10, 2));
  await until(() => bench.counts("camera").framesIn > 0);
  let got: Uint8Array | undefined;
  while (got === undefined) {
    const [next = new Uint8Array()] = await frames(camera, 1);
    if (decodeFrame(next).type === FrameType.TM) got = next;
  }
  assertEquals(valueOf(got), 2);
  // It wakes up: what waited is there, the radio's frame early among it.
  let isThere = false;
  for (let index = 0; !isThere; index++) {
    const [next = new Uint8Array()] = await frames(processor, 1);
    isThere = decodeFrame(next).apid === 0x30;
  }
  await send(camera, frame(0x10, 0x20, 0xFFFFFF));
  let last = 0;
  while (last !== 0xFFFFFF) {
    const [next = new Uint8Array()] = await frames(processor, 1);
    last = valueOf(next);
  }
});

Deno.test("a tenant that reads slowly delays its sender's frames to others a moment, not for ever", async () => {
  await using bench = new Bench();
  bench.server.start();
  const camera = await bench.connected("camera");
  const processor = await bench.connected("processor");
  const radio = await bench.connected("radio");
  // It reads a frame now and then: never deaf, never in time.
  const drops = setInterval(() => read(processor, new Uint8Array(256)), 50);
  try {
    const flood = Array.from(
      { length: 4000 },
      (_, value) => frame(0x10, 0x20, value),
    );
    // Far more than sockets and lane hold, and one for another behind it.
    const sending = (async () => {
      for (const one of flood) await send(camera, one);
      await send(camera, frame(0x10, 0x30, 77));
    })();
    const answers = (async () => {
      const buffer = new Uint8Array(65_536);
      let isThere = false;
      while (!isThere) {
        read(camera, buffer);
        const got = new Uint8Array(256);
        isThere = read(radio, got) === 256 && valueOf(got) === 77;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    await sending;
    await answers;
    assert(bench.counts("camera").refused.busy > 0);
    assert(bench.counts("processor").isConnected);
  } finally {
    clearInterval(drops);
  }
});

Deno.test("a flood of bad frames whose answers nobody reads holds up the flooder alone", async () => {
  await using bench = new Bench();
  bench.server.start();
  const camera = await bench.connected("camera");
  const processor = await bench.connected("processor");
  const radio = await bench.connected("radio");
  const garbage = new Uint8Array(65_536).fill(0xEE);
  let blocked = 0;
  while (blocked < 50) {
    if (write(camera, garbage) === null) {
      blocked++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    } else blocked = 0;
  }
  for (let value = 0; value < 100; value++) {
    await send(radio, frame(0x30, 0x20, value));
    assertEquals((await frames(processor, 1)).map(valueOf), [value]);
  }
  // It leaves without having read anything, and its place is free again.
  bench.leave(camera);
  await until(() => !bench.counts("camera").isConnected);
  const next = await bench.connected("camera");
  await send(next, frame(0x10, 0x20, 9));
  assertEquals((await frames(processor, 1)).map(valueOf), [9]);
});

Deno.test("a tenant that leaves in the middle of a frame leaves nothing behind", async () => {
  await using bench = new Bench();
  bench.server.start();
  const processor = await bench.connected("processor");
  for (let cut = 1; cut < 256; cut += 17) {
    const camera = await bench.connected("camera");
    await send(camera, frame(0x10, 0x20, cut));
    await send(camera, frame(0x10, 0x20, 0).subarray(0, cut));
    bench.leave(camera);
    assertEquals((await frames(processor, 1)).map(valueOf), [cut]);
    await until(() => !bench.counts("camera").isConnected);
  }
  assertEquals(bench.counts("camera").framesCut, 15);
  assertEquals(bench.counts("camera").framesIn, 15);
});

Deno.test("nobody takes the place of a tenant that is there", async () => {
  await using bench = new Bench();
  bench.server.start();
  const camera = await bench.connected("camera");
  const processor = await bench.connected("processor");
  const second = bench.connect("camera");
  const buffer = new Uint8Array(1);
  await until(() => read(second, buffer) === 0);
  await send(camera, frame(0x10, 0x20, 1));
  assertEquals((await frames(processor, 1)).map(valueOf), [1]);
  assertEquals(bench.counts("camera").connections, 1);
});

Deno.test("sockets are the owner's alone, a stale one is replaced, and other files never", async () => {
  await using bench = new Bench({ sockets: { radio: { mode: 0o660 } } });
  Deno.mkdirSync(bench.directory, { mode: 0o700 });
  // What a killed switch leaves: a socket on which nobody listens.
  close(listenStream(bench.server.socketPath("camera")));
  bench.server.start();
  const modes = ["camera", "processor", "system", "radio"].map((name) =>
    status(bench.server.socketPath(name)).mode
  );
  assertEquals(modes, [0o600, 0o600, 0o600, 0o660]);
  await bench.connected("camera");
  {
    // A second switch in the same folder.
    const other = new Bench({ directory: bench.directory });
    assertThrows(() => other.server.start(), SystemError, "another switch");
    await other.poller.close();
  }
  bench.server.close();
  assertEquals([...Deno.readDirSync(bench.directory)], []);
  // A file that is none of ours, and a socket that another program listens on.
  Deno.writeTextFileSync(bench.server.socketPath("camera"), "precious");
  const other = new Bench({ directory: bench.directory });
  assertThrows(() => other.server.start(), SystemError, "EADDRINUSE");
  assertEquals(
    Deno.readTextFileSync(bench.server.socketPath("camera")),
    "precious",
  );
  Deno.removeSync(bench.server.socketPath("camera"));
  const listener = listenStream(bench.server.socketPath("processor"));
  const third = new Bench({ directory: bench.directory });
  assertThrows(() => third.server.start(), SystemError, "EADDRINUSE");
  assertEquals(third.messages, []);
  close(listener);
  await other.poller.close();
  await third.poller.close();
});

Deno.test("a folder in which others may write is refused", async () => {
  await using bench = new Bench();
  Deno.mkdirSync(bench.directory);
  for (const mode of [0o777, 0o1777, 0o770]) {
    Deno.chmodSync(bench.directory, mode);
    assertThrows(() => bench.server.start(), SystemError, "nobody else");
  }
});

/** A VM's port: a listening socket, as QEMU has it. */
class Port {
  readonly path: string;
  #listener: number;
  constructor(path: string) {
    this.path = path;
    this.#listener = listenStream(path);
  }
  async accept(): Promise<number> {
    let descriptor: number | null = null;
    await until(() => (descriptor = acceptStream(this.#listener)) !== null);
    return descriptor ?? -1;
  }
  close(): void {
    close(this.#listener);
    Deno.removeSync(this.path);
  }
}

Deno.test("the uplink is found when it comes, lost when it goes, and found again", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "switch-vm-" });
  const uplinkPath = `${folder}/ipc.sock`;
  await using bench = new Bench({ uplinkPath }, {
    ...PLAN,
    uplink: { apids: [{ first: 1, last: 15 }], sendTo: everything },
  });
  bench.server.start();
  const camera = await bench.connected("camera");
  const host = await bench.connected("system");
  for (let round = 0; round < 3; round++) {
    // Not there: refused, as whoever is absent.
    await send(camera, frame(0x10, 0x001));
    const [refusal = new Uint8Array()] = await frames(camera, 1);
    assertEquals(
      decodeFrameFault(decodeFrame(refusal).payload).code,
      FrameErrorCode.HOST_BUSY,
    );
    const port = new Port(uplinkPath);
    const vm = await port.accept();
    await until(() => bench.counts("uplink").isConnected);
    await send(camera, frame(0x10, 0x001, round));
    assertEquals((await frames(vm, 1)).map(valueOf), [round]);
    // The host commands with destination 0, and is answered there.
    const command = frame(0, 0, round, FrameType.TC);
    await send(host, command);
    assertEquals((await frames(vm, 1))[0], command);
    await send(vm, frame(1, 0, 77));
    assertEquals((await frames(host, 1)).map(valueOf), [77]);
    // It dies in the middle of a frame.
    await send(vm, frame(1, 0, 78).subarray(0, 99));
    close(vm);
    port.close();
    await until(() => !bench.counts("uplink").isConnected);
  }
  assertEquals(bench.counts("uplink").connections, 3);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("what an operator follows ends when it goes, also where the VM does not read, and before the next one speaks", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "uplink-" });
  const uplinkPath = `${folder}/ipc.sock`;
  await using bench = new Bench({ uplinkPath, holdLimitMs: 20 }, {
    tenants: [],
    uplink: { apids: [{ first: 1, last: 15 }], sendTo: everything },
  });
  const port = new Port(uplinkPath);
  bench.server.start();
  const vm = await port.accept();
  const { LOG_FOLLOW } = CommandCode;
  const follow = (on: number) => ask(LOG_FOLLOW, 1, Uint8Array.of(on));
  const asked = async (count: number) =>
    (await frames(vm, count)).map((bytes) => {
      const { command, arguments: [on] } = decodeTelecommand(
        decodeFrame(bytes).payload,
      );
      return [command, on];
    });
  const gone = async (system: number) => {
    bench.leave(system);
    await until(() => !bench.counts("system").isConnected);
  };

  // Nothing is to be ended where nothing was begun, or it was ended, or was refused.
  for (const sent of [[ping(1)], [follow(1), follow(0)], [follow(2)]]) {
    const system = await bench.connected("system");
    for (const bytes of sent) await send(system, bytes);
    await gone(system);
    await asked(sent.length);
  }
  const first = await bench.connected("system");
  await send(first, follow(1));
  await gone(first);
  assertEquals(await asked(2), [[LOG_FOLLOW, 1], [LOG_FOLLOW, 0]]);

  // The VM reads nothing, and what may wait for it does, when the operator goes.
  const second = await bench.connected("system");
  await send(second, follow(1));
  let sent = 1;
  const isRefused = () => bench.counts("system").refused.busy > 0;
  while (!isRefused()) {
    if (write(second, ping(2)) === null) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    } else sent++;
  }
  await gone(second);
  const third = await bench.connected("system");
  await send(third, ping(3));
  await until(() => bench.counts("system").framesIn === sent + 6);
  const { busy } = bench.counts("system").refused;
  const [begin, ...rest] = await asked(sent - busy + 2);
  assertEquals(begin, [LOG_FOLLOW, 1]);
  const end = rest.findIndex(([command]) => command === LOG_FOLLOW);
  assertEquals(rest[end], [LOG_FOLLOW, 0]);
  assertEquals(end, rest.length - 1);
  close(vm);
  port.close();
  Deno.removeSync(folder, { recursive: true });
});
