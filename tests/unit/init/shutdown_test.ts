import { assert, assertEquals } from "@std/assert";
import {
  beginShutdown,
  SHUTDOWN_STAGES,
  type ShutdownState,
  STAGE_LIMITS,
  stepShutdown,
} from "../../../lib/init/shutdown.ts";

Deno.test("stepShutdown goes through the stages in order as each is done", () => {
  let state = beginShutdown("reboot", 0, 90_000);
  const seen: string[] = [state.stage];
  for (const stage of SHUTDOWN_STAGES.slice(0, -1)) {
    state = stepShutdown(state, { kind: "done", stage }, 1);
    seen.push(state.stage);
  }
  assertEquals(seen, [...SHUTDOWN_STAGES]);
  assertEquals(state.overrun, []);
  assertEquals(state.action, "reboot");
});

Deno.test("stepShutdown ignores late news of an earlier stage", () => {
  let state = beginShutdown("halt", 0, 90_000);
  state = stepShutdown(state, { kind: "done", stage: "services" }, 1);
  const again = stepShutdown(state, { kind: "done", stage: "services" }, 2);
  assertEquals(again, state);
});

Deno.test("stepShutdown reaches power by its limits alone, and says which stages overran", () => {
  let state = beginShutdown("poweroff", 0, 90_000);
  let nowMs = 0;
  while (state.stage !== "power") {
    assertEquals(
      stepShutdown(state, { kind: "time" }, state.deadlineMs - 1),
      state,
    );
    nowMs = state.deadlineMs;
    state = stepShutdown(state, { kind: "time" }, nowMs);
  }
  const bound = SHUTDOWN_STAGES.slice(0, -1)
    .reduce((sum, stage) => sum + STAGE_LIMITS[stage].limitMs, 90_000);
  assertEquals(nowMs, bound);
  assertEquals(state.overrun, [...SHUTDOWN_STAGES.slice(0, -1)]);
});

Deno.test("stepShutdown tries power again for ever, without growing", () => {
  let state: ShutdownState = {
    ...beginShutdown("poweroff", 0, 90_000),
    stage: "power",
  };
  for (let i = 0; i < 100; i++) {
    state = stepShutdown(state, { kind: "time" }, state.deadlineMs);
  }
  assertEquals(state.stage, "power");
  assertEquals(state.overrun, ["power"]);
});

Deno.test("stepShutdown shortens every limit at a second request, and takes its action", () => {
  let state = beginShutdown("reboot", 0, 90_000);
  state = stepShutdown(state, { kind: "again", action: "poweroff" }, 60_000);
  assertEquals(state.action, "poweroff");
  assertEquals(
    state.deadlineMs,
    60_000 + STAGE_LIMITS.services.hurriedLimitMs,
  );
  state = stepShutdown(state, { kind: "time" }, state.deadlineMs);
  assertEquals(
    state.deadlineMs,
    70_000 + STAGE_LIMITS.terminate.hurriedLimitMs,
  );
});

Deno.test("stepShutdown never makes a deadline later at a further request", () => {
  let state = beginShutdown("reboot", 0, 90_000);
  state = stepShutdown(state, { kind: "again", action: "reboot" }, 10);
  const deadlineMs = state.deadlineMs;
  state = stepShutdown(state, { kind: "again", action: "reboot" }, 1000);
  assert(state.deadlineMs <= deadlineMs);
});
