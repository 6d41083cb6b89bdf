import { assertEquals, assertThrows } from "@std/assert";
import {
  BACKLOG_SHARE,
  type FrameLane,
  FrameQueue,
  LANE_CAPACITY_FRAMES,
  type UnsentFrame,
} from "../../../lib/host/frame_queue.ts";
import { FRAME_SIZE_BYTES } from "../../../lib/wire/frame.ts";

const frame = (value: number) =>
  new Uint8Array(FRAME_SIZE_BYTES).fill(value & 0xFF);

const take = (queue: FrameQueue): UnsentFrame | null => {
  const bytes = new Uint8Array(FRAME_SIZE_BYTES);
  const lane = queue.shiftInto(bytes, 0);
  return lane === null ? null : { frame: bytes, lane, order: queue.takenOrder };
};

const drain = (queue: FrameQueue): UnsentFrame[] => {
  const all: UnsentFrame[] = [];
  for (let next = take(queue); next !== null; next = take(queue)) {
    all.push(next);
  }
  return all;
};

Deno.test("FrameQueue gives frames in the order in which they came, whatever their lanes", () => {
  const queue = new FrameQueue();
  const lanes: FrameLane[] = ["telemetry", "answer", "error", "event"];
  for (let index = 0; index < 40; index++) {
    queue.push(frame(index), lanes[index % 4] ?? "answer");
  }
  assertEquals(
    drain(queue).map((queued) => queued.frame[0]),
    Array.from({ length: 40 }, (_, index) => index),
  );
});

Deno.test("FrameQueue never drops an answer, and the oldest telemetry and events first", () => {
  const queue = new FrameQueue();
  const { answer, telemetry, error, event } = LANE_CAPACITY_FRAMES;
  for (let index = 0; index < 3 * telemetry; index++) {
    assertEquals(queue.push(frame(index), "telemetry"), true);
  }
  for (let index = 0; index < 3 * event; index++) {
    assertEquals(queue.push(frame(index), "event"), true);
  }
  for (let index = 0; index < answer; index++) {
    assertEquals(queue.push(frame(1), "answer"), true);
  }
  for (let index = 0; index < error; index++) {
    assertEquals(queue.push(frame(1), "error"), true);
  }
  assertEquals(queue.push(frame(1), "answer"), false);
  assertEquals(queue.push(frame(1), "error"), false);
  assertEquals(queue.droppedFrames, 2 * telemetry + 2 * event + 2);
  const all = drain(queue);
  assertEquals(all.length, answer + telemetry + error + event);
  assertEquals(all[0]?.frame, frame(2 * telemetry));
  assertEquals(take(queue), null);
});

Deno.test("FrameQueue copies a frame, and refuses what is none", () => {
  const queue = new FrameQueue();
  const given = frame(1);
  queue.push(given, "answer");
  given.fill(2);
  queue.push(given, "answer");
  assertEquals(drain(queue).map((taken) => taken.frame), [frame(1), frame(2)]);
  for (const length of [0, 255, 257]) {
    assertThrows(
      () => queue.push(new Uint8Array(length), "answer"),
      RangeError,
      `a frame of ${length} bytes, expected 256`,
    );
  }
});

Deno.test("FrameQueue forgets all but the events when the host has gone, and takes those back in their place, as far as there is room", () => {
  const queue = new FrameQueue();
  for (let index = 0; index < 5; index++) queue.push(frame(index), "event");
  for (const lane of ["answer", "error", "telemetry"] as const) {
    queue.push(frame(9), lane);
  }
  const taken = [take(queue), take(queue), take(queue)]
    .filter((unsent) => unsent !== null);
  queue.dropOwed();
  queue.restore(taken);
  assertEquals(drain(queue).map((queued) => queued.frame[0]), [0, 1, 2, 3, 4]);
  assertEquals(queue.droppedFrames, 3);

  const { event } = LANE_CAPACITY_FRAMES;
  for (let index = 0; index < event; index++) {
    queue.push(frame(index), "event");
  }
  const [first, second] = [take(queue), take(queue)];
  assertEquals(first !== null && second !== null, true);
  queue.push(frame(7), "event");
  if (first && second) queue.restore([first, second]);
  const all = drain(queue);
  assertEquals(all.length, event);
  assertEquals(all[0]?.frame, frame(1));
});

Deno.test("FrameQueue keeps what began to wait lately, also if it was taken and not sent", () => {
  const queue = new FrameQueue();
  queue.push(frame(0), "answer");
  queue.push(frame(1), "event");
  const keepFrom = queue.nextOrder;
  queue.push(frame(2), "answer");
  queue.push(frame(3), "telemetry");
  queue.push(frame(4), "error");
  const taken = [take(queue), take(queue), take(queue)]
    .filter((unsent) => unsent !== null);
  queue.dropOwed(keepFrom);
  queue.restore(taken, keepFrom);
  assertEquals(drain(queue).map((queued) => queued.frame[0]), [1, 2, 3, 4]);
  assertEquals(queue.droppedFrames, 1);
});

Deno.test("FrameQueue lets what a host asks go before the events that waited for it, and has those go all the same", () => {
  const queue = new FrameQueue();
  for (let index = 0; index < 3; index++) queue.push(frame(index), "event");
  assertEquals(queue.hasBacklog, false);
  queue.beginBacklog();
  assertEquals(queue.hasBacklog, true);
  queue.push(frame(10), "telemetry");
  queue.push(frame(11), "answer");
  queue.push(frame(3), "event");
  assertEquals(drain(queue).map((queued) => queued.frame[0]), [
    10,
    11,
    0,
    1,
    2,
    3,
  ]);
  assertEquals(queue.hasBacklog, false);

  // Who asks without end gets its backlog, too.
  for (let index = 0; index < 3; index++) queue.push(frame(index), "event");
  queue.beginBacklog();
  const lanes: FrameLane[] = [];
  for (let index = 0; index < 4 * BACKLOG_SHARE; index++) {
    queue.push(frame(9), "answer");
    lanes.push(take(queue)?.lane ?? "error");
  }
  const events = lanes.flatMap((lane, at) => lane === "event" ? [at + 1] : []);
  assertEquals(events, [1, 2, 3].map((turn) => turn * BACKLOG_SHARE));
});
