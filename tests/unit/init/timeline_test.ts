import { assertEquals } from "@std/assert";
import { Timeline, TIMELINE_CAPACITY } from "../../../lib/init/timeline.ts";

Deno.test("Timeline keeps the first beginning and the first end of a name", () => {
  const timeline = new Timeline();
  timeline.begin("service a", 10);
  timeline.begin("service a", 20);
  timeline.end("service a", 30, "done");
  timeline.end("service a", 40, "failed");
  timeline.end("never begun", 40, "done");
  assertEquals(timeline.entries(), [
    { name: "service a", startMs: 10, durationMs: 20, outcome: "done" },
  ]);
});

Deno.test("Timeline drops and counts what is past its capacity", () => {
  const timeline = new Timeline();
  for (let i = 0; i < TIMELINE_CAPACITY + 7; i++) timeline.begin(`${i}`, i);
  assertEquals(timeline.entries().length, TIMELINE_CAPACITY);
  assertEquals(timeline.droppedCount, 7);
  assertEquals(timeline.entries()[0], { name: "0", startMs: 0 });
});
