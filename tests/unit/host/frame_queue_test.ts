import { assertEquals } from "@std/assert";
import {
  type FrameLane,
  FrameQueue,
  LANE_CAPACITY_FRAMES,
  type QueuedFrame,
} from "../../../lib/host/frame_queue.ts";

const frame = (value: number) => new Uint8Array(4).fill(value);

const drain = (queue: FrameQueue): QueuedFrame[] => {
  const all: QueuedFrame[] = [];
  for (let next = queue.shift(); next; next = queue.shift()) all.push(next);
  return all;
};

Deno.test("FrameQueue gives frames in the order in which they came, whatever their lanes", () => {
  const queue = new FrameQueue();
  const lanes: FrameLane[] = ["telemetry", "answer", "error", "answer"];
  for (let index = 0; index < 40; index++) {
    queue.push(frame(index), lanes[index % 4] ?? "answer");
  }
  assertEquals(
    drain(queue).map((queued) => queued.frame[0]),
    Array.from({ length: 40 }, (_, index) => index),
  );
});

Deno.test("FrameQueue never drops an answer, and the oldest telemetry first", () => {
  const queue = new FrameQueue();
  const { answer, telemetry, error } = LANE_CAPACITY_FRAMES;
  for (let index = 0; index < 3 * telemetry; index++) {
    assertEquals(queue.push(frame(index & 0xFF), "telemetry"), true);
  }
  for (let index = 0; index < answer; index++) {
    assertEquals(queue.push(frame(1), "answer"), true);
  }
  for (let index = 0; index < error; index++) {
    assertEquals(queue.push(frame(1), "error"), true);
  }
  assertEquals(queue.push(frame(1), "answer"), false);
  assertEquals(queue.push(frame(1), "error"), false);
  assertEquals(queue.droppedFrames, 2 * telemetry + 2);
  const all = drain(queue);
  assertEquals(all.length, answer + telemetry + error);
  assertEquals(all[0]?.order, 2 * telemetry);
  assertEquals(queue.shift(), undefined);
});

Deno.test("FrameQueue takes telemetry back that was not sent, in its place, as far as there is room", () => {
  const queue = new FrameQueue();
  for (let index = 0; index < 5; index++) queue.push(frame(index), "telemetry");
  queue.push(frame(9), "answer");
  const taken = [queue.shift(), queue.shift(), queue.shift()]
    .filter((queued) => queued !== undefined);
  queue.dropAnswers();
  queue.restore(taken);
  assertEquals(drain(queue).map((queued) => queued.frame[0]), [0, 1, 2, 3, 4]);
  assertEquals(queue.droppedFrames, 1);

  const { telemetry } = LANE_CAPACITY_FRAMES;
  for (let index = 0; index < telemetry; index++) {
    queue.push(frame(index & 0xFF), "telemetry");
  }
  const [first, second] = [queue.shift(), queue.shift()];
  assertEquals(first !== undefined && second !== undefined, true);
  queue.push(frame(7), "telemetry");
  if (first && second) queue.restore([first, second]);
  const all = drain(queue);
  assertEquals(all.length, telemetry);
  assertEquals(all[0]?.order, second?.order);
});
