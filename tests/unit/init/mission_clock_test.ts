import { assertEquals } from "@std/assert";
import { MissionClock } from "../../../lib/init/mission_clock.ts";

/** A machine whose clocks the test moves. */
function machine(refuses = false) {
  const clocks = {
    bootMs: 1_000,
    wallMs: 1_700_000_000_000,
    boottimeMs: () => clocks.bootMs,
    realtimeMs: () => clocks.wallMs,
    setRealtime: (ms: number) => {
      if (refuses) throw new Error("EINVAL");
      clocks.wallMs = ms;
    },
  };
  return clocks;
}

Deno.test("MissionClock is the wall clock until it is set, and its own from then on", () => {
  const clocks = machine();
  const clock = new MissionClock(clocks);
  clocks.wallMs += 5_000;
  assertEquals(clock.seconds(), 1_700_000_005);
  assertEquals(
    clock.set({ seconds: 2_000_000_000n, nanoseconds: 250_000_000 }),
    "1700000005.000 -> 2000000000.250",
  );
  assertEquals(clocks.wallMs, 2_000_000_000_250);
  // Somebody steps the wall clock: it is not the mission's any more.
  clocks.wallMs = 0;
  clocks.bootMs += 750;
  assertEquals(clock.nowMs(), 2_000_000_001_000);
  assertEquals(clock.seconds(), 2_000_000_001);
});

Deno.test("MissionClock is set also where the wall clock can't be", () => {
  const clocks = machine(true);
  const clock = new MissionClock(clocks);
  assertEquals(
    clock.set({ seconds: 7n, nanoseconds: 0 }),
    "1700000000.000 -> 7.000, wall clock left",
  );
  assertEquals(clocks.wallMs, 1_700_000_000_000);
  assertEquals(clock.seconds(), 7);
});

Deno.test("MissionClock's seconds are a u32, whatever the time", () => {
  const clock = new MissionClock(machine());
  clock.set({ seconds: 0xFFFF_FFFFn, nanoseconds: 999_999_999 });
  assertEquals(clock.seconds(), 0xFFFF_FFFF);
});
