import { assertEquals } from "@std/assert";
import {
  HostLink,
  type LinkPort,
  QUEUE_CAPACITY_FRAMES,
} from "../../../lib/host/link.ts";
import { close, read, write } from "../../../lib/linux/file.ts";
import { Poller, type PollEvents } from "../../../lib/linux/poller.ts";
import { socketPair } from "../../../lib/linux/socket.ts";

/** A link over one end of a socket pair; the test is the host at the other. */
class Bench {
  readonly poller = new Poller({
    onError: (error) => {
      throw error;
    },
  });
  readonly frames: Uint8Array[] = [];
  readonly connections: boolean[] = [];
  readonly link: HostLink;
  readonly host: number;

  constructor() {
    const [ours, host] = socketPair();
    this.host = host;
    this.link = HostLink.over(ours, this.poller, {
      onFrame: (frame) => void this.frames.push(frame),
      onConnected: (isConnected) => void this.connections.push(isConnected),
    });
  }

  async until(look: () => boolean): Promise<void> {
    while (!look()) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Reads all that the link wrote and that is not read yet. */
  drain(): Uint8Array {
    const chunks: number[] = [];
    const buffer = new Uint8Array(65_536);
    for (
      let count = read(this.host, buffer);
      count !== null && count > 0;
      count = read(this.host, buffer)
    ) chunks.push(...buffer.subarray(0, count));
    return Uint8Array.from(chunks);
  }

  async close(): Promise<void> {
    this.link.close();
    await this.poller.close();
  }
}

const frame = (value: number) => new Uint8Array(256).fill(value);

Deno.test("HostLink gives whole frames, wherever the stream is cut", async () => {
  const bench = new Bench();
  for (let cut = 1; cut < 256; cut += 51) {
    const before = bench.frames.length;
    write(bench.host, frame(1).subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 5));
    assertEquals(bench.frames.length, before);
    write(bench.host, frame(1).subarray(cut));
    await bench.until(() => bench.frames.length === before + 1);
    assertEquals(bench.frames.at(-1), frame(1));
  }
  close(bench.host);
  await bench.close();
});

Deno.test("HostLink reads a burst to its end and counts it", async () => {
  const bench = new Bench();
  for (let index = 0; index < 300; index++) {
    while (write(bench.host, frame(index & 0xff)) === null) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  await bench.until(() => bench.frames.length === 300);
  assertEquals(bench.link.counters.framesIn, 300);
  assertEquals(bench.frames[299], frame(299 & 0xff));
  close(bench.host);
  await bench.close();
});

Deno.test("HostLink notices the host's leave after its last whole frame", async () => {
  const bench = new Bench();
  await bench.until(() => bench.connections.length === 1);
  write(bench.host, frame(7));
  write(bench.host, frame(8).subarray(0, 100));
  close(bench.host);
  await bench.until(() => bench.connections.length === 2);
  assertEquals(bench.connections, [true, false]);
  assertEquals(bench.frames, [frame(7)]);
  await bench.close();
});

Deno.test("HostLink keeps answers, and the newest telemetry, when the host does not read", async () => {
  const bench = new Bench();
  // Fill the socket first: what it takes no longer waits in the queue.
  while (bench.link.counters.framesDropped === 0) {
    bench.link.send(frame(1), "telemetry");
  }
  const taken = bench.link.counters.framesOut;
  for (let index = 0; index < QUEUE_CAPACITY_FRAMES / 2; index++) {
    assertEquals(bench.link.send(frame(2), "answer"), true);
  }
  for (let index = 0; index < QUEUE_CAPACITY_FRAMES; index++) {
    bench.link.send(frame(3), "telemetry");
  }
  for (let index = 0; index < QUEUE_CAPACITY_FRAMES; index++) {
    bench.link.send(frame(2), "answer");
  }
  assertEquals(bench.link.send(frame(4), "answer"), false);
  assertEquals(bench.link.send(frame(4), "telemetry"), false);
  let received = new Uint8Array();
  await bench.until(() => {
    received = Uint8Array.of(...received, ...bench.drain());
    const { framesOut } = bench.link.counters;
    return framesOut > taken && received.length === 256 * framesOut &&
      framesOut >= taken + QUEUE_CAPACITY_FRAMES;
  });
  const values: number[] = [];
  for (let at = 0; at < received.length; at += 256) {
    assertEquals(
      received.subarray(at, at + 256),
      frame(received[at] ?? 0),
    );
    values.push(received[at] ?? 0);
  }
  const answers = values.filter((value) => value === 2).length;
  assertEquals(answers >= QUEUE_CAPACITY_FRAMES - 1, true);
  assertEquals(values.includes(4), false);
  close(bench.host);
  await bench.close();
});

/** A port without a kernel: it takes so many bytes of each write. */
class FakePort implements LinkPort {
  readonly writes: number[] = [];
  readonly taken: number[] = [];
  room = Infinity;
  input: Uint8Array[] = [];
  poll: (polled: PollEvents) => void = () => {};

  read(buffer: Uint8Array): number | null {
    const next = this.input.shift();
    if (next === undefined) return null;
    buffer.set(next);
    return next.length;
  }

  write(bytes: Uint8Array): number | null {
    const count = Math.min(bytes.length, this.room);
    if (count === 0) return null;
    this.room -= count;
    this.writes.push(count);
    this.taken.push(...bytes.subarray(0, count));
    return count;
  }

  listen(poll: (polled: PollEvents) => void): void {
    this.poll = poll;
  }

  rearm(): void {}
  close(): void {}

  event(polled: Partial<PollEvents> = {}): void {
    this.poll({
      readable: true,
      writable: true,
      hangup: false,
      error: false,
      priority: false,
      ...polled,
    });
  }
}

Deno.test("HostLink sends the answers to what it read at once in few writes", () => {
  const port = new FakePort();
  const link: HostLink = new HostLink(port, {
    onFrame: (bytes) => void link.send(bytes, "answer"),
    onConnected: () => {},
  });
  for (let index = 0; index < 40; index += 8) {
    const chunk = new Uint8Array(8 * 256);
    for (let at = 0; at < 8; at++) chunk.set(frame(index + at), 256 * at);
    port.input.push(chunk);
  }
  port.event();
  assertEquals(port.writes, [16 * 256, 16 * 256, 8 * 256]);
  assertEquals(
    port.taken.filter((_, at) => at % 256 === 0),
    Array.from({ length: 40 }, (_, index) => index),
  );
  assertEquals(link.counters, {
    framesIn: 40,
    framesOut: 40,
    framesDropped: 0,
  });
});

Deno.test("HostLink begins a host's next life with a whole frame, wherever the last one ended", () => {
  for (const room of [0, 1, 255, 256, 257, 700, 16 * 256 - 1, 5000]) {
    const port = new FakePort();
    const link = new HostLink(port, {
      onFrame: () => {},
      onConnected: () => {},
    });
    port.event();
    port.room = room;
    for (let value = 1; value <= 20; value++) link.send(frame(value), "answer");
    assertEquals(link.counters.framesOut, Math.floor(room / 256));
    port.taken.length = 0;
    port.event({ hangup: true });
    port.room = Infinity;
    port.event();
    const whole = Math.floor(room / 256);
    assertEquals(
      port.taken.filter((_, at) => at % 256 === 0),
      Array.from({ length: 20 - whole }, (_, index) => whole + 1 + index),
      `after ${room} bytes`,
    );
    assertEquals(port.taken.length, 256 * (20 - whole));
    assertEquals(link.counters.framesOut, 20);
  }
});
