import { assertEquals } from "@std/assert";
import { HostLink, QUEUE_CAPACITY_FRAMES } from "../../../lib/host/link.ts";
import { close, read, write } from "../../../lib/linux/file.ts";
import { Poller } from "../../../lib/linux/poller.ts";
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
