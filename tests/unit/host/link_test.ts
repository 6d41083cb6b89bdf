import { assertEquals } from "@std/assert";
import { concat } from "@std/bytes";
import { LANE_CAPACITY_FRAMES } from "../../../lib/host/frame_queue.ts";
import {
  descriptorPort,
  HostLink,
  LATE_NEWS_MS,
} from "../../../lib/host/link.ts";
import { encodeFrame, FrameType } from "../../../lib/wire/frame.ts";
import { close, read, write } from "../../../lib/linux/file.ts";
import { Poller } from "../../../lib/linux/poller.ts";
import { socketPair } from "../../../lib/linux/socket.ts";
import { ping } from "../../fixtures/command_frame.ts";
import { FakePort } from "./fake_port.ts";

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
  nowMs = 0;

  constructor() {
    const [ours, host] = socketPair();
    this.host = host;
    const port = descriptorPort(ours, this.poller);
    this.link = new HostLink(
      port,
      {
        onFrame: (frame) => void this.frames.push(frame),
        onConnected: (isConnected) => void this.connections.push(isConnected),
      },
      () => this.nowMs,
    );
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

/** A whole frame of the host's, without a zero at its end. */
const question = ping(7, new Uint8Array(244).fill(7));

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
  await bench.until(() => bench.link.isConnected);
  // Fill the socket first: what it takes no longer waits in the queue.
  while (bench.link.counters.framesDropped === 0) {
    bench.link.send(frame(1), "telemetry");
  }
  for (let index = 0; index < LANE_CAPACITY_FRAMES.answer; index++) {
    assertEquals(bench.link.send(frame(2), "answer"), true);
  }
  assertEquals(bench.link.send(frame(4), "answer"), false);
  for (let index = 0; index < LANE_CAPACITY_FRAMES.telemetry; index++) {
    assertEquals(bench.link.send(frame(3), "telemetry"), true);
  }
  const { framesDropped } = bench.link.counters;
  assertEquals(
    framesDropped,
    1 + 1 + LANE_CAPACITY_FRAMES.telemetry,
  );
  const parts: Uint8Array[] = [];
  await bench.until(() => {
    parts.push(bench.drain());
    const isSent = bench.link.room("telemetry") === 256;
    return isSent && parts.at(-1)?.length === 0;
  });
  const received = concat(parts);
  const values: number[] = [];
  for (let at = 0; at < received.length; at += 256) {
    assertEquals(received.subarray(at, at + 256), frame(received[at] ?? 0));
    values.push(received[at] ?? 0);
  }
  const count = (wanted: number) =>
    values.filter((value) => value === wanted).length;
  assertEquals(count(2), LANE_CAPACITY_FRAMES.answer);
  assertEquals(count(3), LANE_CAPACITY_FRAMES.telemetry);
  assertEquals(count(4), 0);
  assertEquals(bench.link.counters.framesOut, values.length);
  close(bench.host);
  await bench.close();
});

Deno.test("HostLink owes nothing to a host that has left, and tells its events to the next", async () => {
  const bench = new Bench();
  await bench.until(() => bench.link.isConnected);
  while (bench.link.counters.framesDropped === 0) {
    bench.link.send(frame(1), "event");
  }
  bench.link.send(frame(2), "answer");
  bench.link.send(frame(3), "error");
  bench.link.send(frame(3), "telemetry");
  bench.nowMs += LATE_NEWS_MS;
  close(bench.host);
  await bench.until(() => !bench.link.isConnected);
  for (const lane of ["answer", "error", "telemetry"] as const) {
    assertEquals(bench.link.room(lane), LANE_CAPACITY_FRAMES[lane]);
  }
  assertEquals(bench.link.room("event"), 0);
  await bench.close();
});

function fakeLink(onFrame: (link: HostLink, frame: Uint8Array) => void) {
  const port = new FakePort();
  const forgotten = Promise.withResolvers<void>();
  const clock = { nowMs: 0 };
  const link: HostLink = new HostLink(
    port,
    {
      onFrame: (bytes) => onFrame(link, bytes),
      onConnected: () => {},
      onForgotten: forgotten.resolve,
    },
    () => clock.nowMs,
  );
  return { port, link, clock, forgotten: forgotten.promise };
}

/** Until the link asks its port how it is. */
async function asked(port: FakePort): Promise<void> {
  const { rearmed } = port;
  while (port.rearmed === rearmed) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test("HostLink takes the next host's first frame for one, wherever the last one stopped and however short it was away", () => {
  for (let cut = 1; cut <= 255; cut++) {
    const frames: Uint8Array[] = [];
    const { port } = fakeLink((_, bytes) => void frames.push(bytes.slice()));
    port.pieces.push(question.slice(0, cut), question, question.slice(0, 100));
    port.poll();
    assertEquals(frames.length, 1, `cut at ${cut}`);
    assertEquals(frames[0], question);
    // The rest of a frame that goes on is no beginning.
    port.pieces.push(question.slice(100));
    port.poll();
    assertEquals(frames.length, 2, `cut at ${cut}`);
  }
});

Deno.test("HostLink goes on with a frame whose rest looks like a frame's head", () => {
  const meets = (pieces: readonly Uint8Array[], what: string) => {
    const frames: Uint8Array[] = [];
    const { port } = fakeLink((_, bytes) => void frames.push(bytes.slice()));
    port.pieces.push(...pieces);
    while (port.pieces.length > 0) port.poll();
    assertEquals(concat(frames), concat(pieces), what);
  };
  for (let sequence = 0x0101; sequence <= 0x010A; sequence++) {
    const frame = ping(sequence);
    // The sequence stands where a version and a type would.
    meets([frame.slice(0, 10), frame.slice(10)], "its rest alone");
    const next = concat([frame, ...Array.from({ length: 16 }, () => frame)]);
    const three = next.subarray(0, 3 * 256);
    meets([three.slice(0, 10), three.slice(10)], "with the next ones");
    // As the port does with a burst: each read but the last fills the buffer.
    meets([
      next.slice(0, 10),
      next.slice(10, 10 + 4096),
      next.slice(10 + 4096),
    ], "a read that fills the buffer");
  }
  // What a tenant may send behind a switch: a head at any place of its payload.
  const head = Uint8Array.of(1, 2, 0, 0, 0, 248, 0, 0);
  for (let at = 0; at <= 248 - head.length; at++) {
    const payload = new Uint8Array(248).fill(9);
    payload.set(head, at);
    const frame = encodeFrame({
      type: FrameType.TC,
      apid: 0x21,
      destinationApid: 0,
      payload,
    });
    const cut = 8 + at;
    meets([frame.slice(0, cut), frame.slice(cut)], `cut at ${cut}`);
    const next = concat([frame, ping(1)]);
    meets([next.slice(0, cut), next.slice(cut)], `cut at ${cut}, and one more`);
    const many = concat([frame, ...Array.from({ length: 16 }, () => ping(1))]);
    meets(
      [
        many.slice(0, cut),
        many.slice(cut, cut + 4096),
        many.slice(cut + 4096),
      ],
      `cut at ${cut}, and a read that fills the buffer`,
    );
  }
});

Deno.test("HostLink takes a next host's burst for one, also where it fills the buffer", () => {
  const burst = concat(Array.from({ length: 16 }, () => question));
  const frames: Uint8Array[] = [];
  const { port } = fakeLink((_, bytes) => void frames.push(bytes.slice()));
  port.pieces.push(question.slice(0, 100), burst);
  while (port.pieces.length > 0) port.poll();
  assertEquals(concat(frames), burst);
});

Deno.test("HostLink answers a host whose first frame is there before itself", () => {
  const { port, link } = fakeLink((link, bytes) => {
    link.send(bytes, "answer");
  });
  // Its hang-up before, for which a read ends at once.
  port.pieces.push(new Uint8Array());
  port.poll(true);
  assertEquals(link.isConnected, false);
  port.pieces.push(frame(5), frame(6).subarray(0, 99), new Uint8Array());
  port.poll(true);
  assertEquals(port.written, []);
  port.pieces.push(frame(6).subarray(99));
  port.poll();
  assertEquals(port.written.map((bytes) => bytes[0]), [5, 6]);
});

Deno.test("HostLink answers a host whose first frame it meets with the news that the one before has left", async () => {
  for (const unfinishedBytes of [0, 1, 255]) {
    const { port, link, clock, forgotten } = fakeLink((link, bytes) => {
      link.send(bytes, "answer");
    });
    link.send(frame(1), "answer");
    port.written.length = 0;
    // What was asked before is owed to nobody; what lies there may be the next one's.
    port.room = 0;
    link.send(frame(2), "answer");
    if (unfinishedBytes > 0) {
      port.pieces.push(frame(3).subarray(0, unfinishedBytes));
    }
    port.poll();
    clock.nowMs += LATE_NEWS_MS;
    port.pieces.push(question);
    port.poll(true);
    assertEquals(link.isConnected, false);
    port.room = Infinity;
    port.poll();
    assertEquals(concat(port.written), question);
    // It has left, too, and nobody comes in time to be given its answers.
    port.pieces.push(question);
    port.poll(true);
    await asked(port);
    port.poll(true);
    await forgotten;
    port.poll();
    assertEquals(concat(port.written), question);
    link.close();
  }
});

Deno.test("HostLink forgets what a host left that came and went before the news of it", () => {
  const frames: Uint8Array[] = [];
  const { port, link } = fakeLink((_, bytes) =>
    void frames.push(bytes.slice())
  );
  port.pieces.push(new Uint8Array());
  port.poll(true);
  port.pieces.push(frame(6).subarray(0, 99), new Uint8Array());
  port.poll(true);
  assertEquals(link.isConnected, false);
  port.pieces.push(question.slice(0, 50), question.slice(50));
  port.poll();
  assertEquals(frames, [question]);
});

Deno.test("HostLink keeps no answer for a host that came, asked and went before any news of it", async () => {
  const { port, link, forgotten } = fakeLink((link, bytes) =>
    void link.send(bytes, "answer")
  );
  port.pieces.push(new Uint8Array());
  port.poll(true);
  await asked(port);
  port.poll(true);
  await forgotten;

  const { answer } = LANE_CAPACITY_FRAMES;
  for (let host = 1; host <= 2; host++) {
    port.pieces.push(question, new Uint8Array());
    port.poll(true);
    assertEquals(link.room("answer"), answer - 1);
    await asked(port);
    port.poll(true);
    assertEquals(link.room("answer"), answer);
  }
  // One that is still there when the news comes has its answer.
  port.pieces.push(question, new Uint8Array());
  port.poll(true);
  await asked(port);
  port.poll();
  assertEquals(concat(port.written), question);
  link.close();
});

Deno.test("HostLink reads a bounded piece at a time, and asks for the rest", () => {
  let frames = 0;
  const { port } = fakeLink(() => void frames++);
  for (let index = 0; index < 100; index++) {
    port.pieces.push(new Uint8Array(4096));
  }
  port.poll();
  assertEquals([frames, port.rearmed], [16, 1]);
});

Deno.test("HostLink answers each frame of a host that reads, and goes on slowly with one that does not", async () => {
  // Those of a write stand before the port, besides those that wait.
  const owed = LANE_CAPACITY_FRAMES.error + 16;
  let frames = 0;
  const { port, link } = fakeLink((link) => {
    frames++;
    link.send(frame(9), "error");
  });
  port.room = 0;
  for (let index = 0; index < 20; index++) {
    port.pieces.push(new Uint8Array(4096));
  }
  while (frames < owed) port.poll();
  port.poll();
  assertEquals(frames, owed);
  assertEquals(link.counters.framesDropped, 0);
  // It does not read, but what it sends is still looked at.
  while (frames < owed + 32) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { framesDropped } = link.counters;
  assertEquals(framesDropped, frames - owed);
  // It reads again: the rest is answered.
  port.room = Infinity;
  port.poll();
  while (port.pieces.length > 0) port.poll();
  assertEquals(frames, 320);
  const bytes = port.written.reduce((sum, piece) => sum + piece.length, 0);
  assertEquals(bytes, (320 - link.counters.framesDropped) * 256);
  link.close();
});

Deno.test("HostLink holds it against no host that it stood still itself when the host took something", async () => {
  const { port, link } = fakeLink((link) => link.send(frame(9), "error"));
  port.room = 0;
  for (let index = 0; index < 20; index++) {
    port.pieces.push(new Uint8Array(4096));
  }
  const taken = () =>
    port.written.reduce((sum, piece) => sum + piece.length, 0) / 256;
  while (link.room("error") >= 16) port.poll();
  // A moment later the news would be there, but the timer is due by now.
  for (let turn = 1; turn <= 3; turn++) {
    port.room = 256;
    while (taken() < turn) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals(link.counters.framesDropped, 0);
  }
  port.room = Infinity;
  while (port.pieces.length > 0) port.poll();
  assertEquals([taken(), link.counters.framesDropped], [320, 0]);
  link.close();
});

Deno.test("HostLink sends the answers to what it read at once in few writes", () => {
  const { port, link } = fakeLink((link, bytes) => {
    link.send(bytes, "answer");
  });
  for (let index = 0; index < 40; index += 8) {
    const chunk = new Uint8Array(8 * 256);
    for (let at = 0; at < 8; at++) chunk.set(frame(index + at), 256 * at);
    port.pieces.push(chunk);
  }
  while (port.pieces.length > 0) port.poll();
  assertEquals(port.written.map(({ length }) => length), [
    16 * 256,
    16 * 256,
    8 * 256,
  ]);
  const bytes = concat(port.written);
  assertEquals(
    [...bytes.filter((_, at) => at % 256 === 0)],
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
    const { port, link } = fakeLink(() => {});
    port.room = room;
    for (let value = 1; value <= 20; value++) {
      link.send(frame(value), "event");
    }
    const whole = Math.floor(room / 256);
    assertEquals(link.counters.framesOut, whole);
    port.written.length = 0;
    port.poll(true);
    port.room = Infinity;
    port.poll();
    port.poll();
    const bytes = concat(port.written);
    assertEquals(
      [...bytes.filter((_, at) => at % 256 === 0)],
      Array.from({ length: 20 - whole }, (_, index) => whole + 1 + index),
      `after ${room} bytes`,
    );
    assertEquals(bytes.length, 256 * (20 - whole));
    assertEquals(link.counters.framesOut, 20);
  }
});

Deno.test("HostLink reads what a host that never read has left behind at once when it hangs up", async () => {
  let frames = 0;
  const { port, link, forgotten } = fakeLink((link) => {
    frames++;
    link.send(frame(9), "error");
  });
  port.room = 0;
  for (let index = 0; index < 30; index++) {
    port.pieces.push(new Uint8Array(4096));
  }
  port.poll();
  const before = frames;
  assertEquals(before < 200, true);
  port.pieces.push(new Uint8Array());
  while (port.pieces.length > 0) port.poll(true);
  assertEquals(frames, 480);
  assertEquals(link.isConnected, false);
  // Nobody has come meanwhile: the answers were nobody's.
  await asked(port);
  port.poll(true);
  await forgotten;
  assertEquals(link.room("error"), LANE_CAPACITY_FRAMES.error);
  link.close();
});
