import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  isSuccess,
  serviceDeadlineMs,
  svcStep,
} from "../../../lib/supervisor/service.ts";
import {
  defaultServicePolicy,
  type ExitStatus,
  initialServiceState,
  type ServiceContext,
  type ServiceEvent,
  type ServicePolicy,
  type ServiceState,
  type StopCause,
} from "../../../lib/supervisor/service_types.ts";

const exit0: ExitStatus = { exitCode: 0, signal: null };
const exit1: ExitStatus = { exitCode: 1, signal: null };
const killed: ExitStatus = { exitCode: null, signal: "SIGKILL" };

/** A service that is driven event by event; it keeps what was asked of its owner. */
class Driver {
  state: ServiceState = initialServiceState;
  actions: string[] = [];
  nowMs = 0;
  readonly policy: ServicePolicy;
  context: ServiceContext = {};

  constructor(policy: Partial<ServicePolicy> = {}) {
    this.policy = { ...defaultServicePolicy, ...policy };
  }

  send(event: ServiceEvent | ServiceEvent["kind"], nowMs = this.nowMs): this {
    this.nowMs = nowMs;
    const full =
      (typeof event === "string" ? { kind: event } : event) as ServiceEvent;
    const step = svcStep(this.state, full, nowMs, this.policy, this.context);
    this.state = step.state;
    if (step.action !== "none") this.actions.push(step.action);
    return this;
  }

  up(nowMs = this.nowMs, pid = 100): this {
    this.send("start", nowMs).send({ kind: "spawned", pid });
    if (this.policy.readiness === "notified") this.send("ready");
    return this;
  }

  exit(exit: ExitStatus, nowMs = this.nowMs): this {
    return this.send({ kind: "exited", exit }, nowMs);
  }

  get summary(): string {
    const state = this.state;
    if (state.kind === "backoff") return `backoff ${state.untilMs}`;
    if (state.kind === "pending" || state.kind === "failed") {
      return `${state.kind} ${state.reason}`;
    }
    return state.stopping === null
      ? state.kind
      : `${state.kind} ${state.stopping}`;
  }
}

Deno.test("svcStep takes a process from Pending over Starting to Running", () => {
  const driver = new Driver();
  assertEquals(driver.summary, "pending new");
  driver.send("start", 5);
  assertEquals(driver.summary, "starting");
  assertEquals(driver.actions, ["spawn"]);
  driver.send({ kind: "spawned", pid: 7 }, 6);
  assertEquals(driver.summary, "running");
  assert(driver.state.kind === "running");
  assertEquals([driver.state.pid, driver.state.sinceMs], [7, 6]);
});

Deno.test("svcStep waits for ready when readiness is notified", () => {
  const driver = new Driver({ readiness: "notified" });
  driver.send("start").send("ready");
  assertEquals(
    driver.summary,
    "starting",
    "nothing can be ready before it was spawned",
  );
  driver.send({ kind: "spawned", pid: 7 });
  assertEquals(driver.summary, "starting");
  driver.send("ready", 30);
  assertEquals(driver.summary, "running");
});

Deno.test("svcStep counts a second start as nothing new", () => {
  const driver = new Driver().up();
  const before = driver.state;
  driver.send("start");
  assertStrictEquals(driver.state, before);
  assertEquals(driver.actions, ["spawn"]);
});

Deno.test("svcStep waits in Pending until dependencies are ready", () => {
  const driver = new Driver();
  driver.context = { dependencies: "waiting" };
  driver.send("start").send("tick", 10);
  assertEquals(driver.summary, "pending waiting");
  driver.context = { dependencies: "ready" };
  driver.send("tick", 20);
  assertEquals(driver.summary, "starting");
  assertEquals(driver.actions, ["spawn"]);
});

Deno.test("svcStep fails with a failed dependency and recovers with it", () => {
  const driver = new Driver();
  driver.context = { dependencies: "failed" };
  driver.send("start");
  assertEquals(driver.summary, "failed dependency-failed");
  driver.context = { dependencies: "waiting" };
  driver.send("tick");
  assertEquals(driver.summary, "pending waiting");
  driver.context = { dependencies: "ready" };
  driver.send("tick");
  assertEquals(driver.summary, "starting");
});

Deno.test("svcStep stops a live process whose dependency was lost, and starts it again with it", () => {
  for (const dependencies of ["waiting", "failed"] as const) {
    const driver = new Driver().up();
    driver.context = { dependencies };
    driver.send("tick");
    assertEquals(driver.summary, "running dependency");
    driver.exit(killed, 50);
    assertEquals(driver.summary, "pending waiting");
    driver.context = {};
    driver.send("tick");
    assertEquals(driver.summary, "starting");
    assertEquals(driver.actions, ["spawn", "stop", "spawn"]);
    assertEquals(
      driver.state.history.restarts,
      0,
      "its own count is untouched",
    );
  }
});

Deno.test("svcStep leaves a stopped, finished or new service alone on every tick", () => {
  const stopped = new Driver().up().send("stop").exit(exit0);
  const finished = new Driver({ restart: "on-failure" }).up().exit(exit0);
  const fresh = new Driver();
  for (const driver of [stopped, finished, fresh]) {
    const before = driver.state;
    driver.send("tick", 1e9);
    assertStrictEquals(driver.state, before);
  }
  assertEquals(stopped.summary, "pending stopped");
  assertEquals(finished.summary, "pending finished");
});

Deno.test("svcStep decides by restart policy and kind of exit", () => {
  const table: [ServicePolicy["restart"], ExitStatus, string][] = [
    ["always", exit0, "backoff 600"],
    ["always", exit1, "backoff 600"],
    ["on-failure", exit0, "pending finished"],
    ["on-failure", exit1, "backoff 600"],
    ["on-failure", killed, "backoff 600"],
    ["never", exit0, "pending finished"],
    ["never", exit1, "failed exited"],
    ["never", killed, "failed exited"],
  ];
  for (const [restart, exit, expected] of table) {
    const driver = new Driver({ restart }).up(50).exit(exit, 100);
    assertEquals(
      driver.summary,
      expected,
      `${restart} ${JSON.stringify(exit)}`,
    );
    assertEquals(driver.state.history.lastExit, exit);
  }
});

Deno.test("svcStep honours listed success codes and signals", () => {
  const policy: Partial<ServicePolicy> = {
    restart: "on-failure",
    successCodes: [0, 3],
    successSignals: ["SIGHUP"],
  };
  assertEquals(
    new Driver(policy).up().exit({ exitCode: 3, signal: null }).summary,
    "pending finished",
  );
  assertEquals(
    new Driver(policy).up().exit({ exitCode: null, signal: "SIGHUP" }).summary,
    "pending finished",
  );
  assert(!isSuccess(killed, new Driver(policy).policy));
});

Deno.test("svcStep makes a oneshot Running by success, and stops and repeats it without a process", () => {
  const driver = new Driver({ type: "oneshot", restart: "never" }).up();
  assertEquals(driver.summary, "starting", "spawned is not done");
  driver.send("ready");
  assertEquals(driver.summary, "starting", "ready is not done either");
  driver.exit(exit0, 9);
  assertEquals(driver.summary, "running");
  driver.exit(exit1, 10);
  assertEquals(driver.summary, "running", "it has no process that could exit");
  driver.send("stop");
  assertEquals(driver.summary, "pending stopped");
  driver.send("start");
  assertEquals(driver.summary, "starting");
  driver.send({ kind: "spawned", pid: 9 }).exit(exit0).send("restart");
  assertEquals(driver.summary, "starting");
  assertEquals(driver.actions, ["spawn", "spawn", "spawn"]);
});

Deno.test("svcStep sends a oneshot that failed to Failed or Backoff", () => {
  assertEquals(
    new Driver({ type: "oneshot", restart: "never" }).up().exit(exit1).summary,
    "failed exited",
  );
  assertEquals(
    new Driver({ type: "oneshot", restart: "on-failure" }).up().exit(exit1)
      .summary,
    "backoff 500",
  );
});

Deno.test("svcStep takes a finished oneshot down with its dependency and up again", () => {
  const driver = new Driver({ type: "oneshot" }).up().exit(exit0);
  driver.context = { dependencies: "waiting" };
  driver.send("tick");
  assertEquals(driver.summary, "pending waiting");
  driver.context = {};
  driver.send("tick");
  assertEquals(driver.summary, "starting");
});

Deno.test("svcStep never ends a backoff before it is due", () => {
  const driver = new Driver().up(0).exit(exit1, 10);
  driver.send("tick", 509);
  assertEquals(driver.summary, "backoff 510");
  driver.send("tick", 510);
  assertEquals(driver.summary, "starting");
});

Deno.test("svcStep lengthens the backoff with each failure and adds the injected jitter", () => {
  const driver = new Driver();
  driver.context = { random: 0.5 };
  const delays: number[] = [];
  driver.up(0);
  for (let failure = 0; failure < 6; failure++) {
    driver.exit(exit1);
    assert(driver.state.kind === "backoff");
    delays.push(driver.state.untilMs - driver.nowMs);
    driver.send("tick", driver.state.untilMs).send({
      kind: "spawned",
      pid: failure,
    });
  }
  assertEquals(delays, [525, 1050, 2100, 4200, 8400, 16800]);
});

Deno.test("svcStep forgets failures after a run of resetAfterMs, not a millisecond before", () => {
  for (const [upMs, expected] of [[60_000, 500], [59_999, 1000]] as const) {
    const driver = new Driver().up(0).exit(exit1, 0);
    driver.send("tick", 500).send({ kind: "spawned", pid: 2 }, 500).exit(
      exit1,
      500 + upMs,
    );
    assert(driver.state.kind === "backoff");
    assertEquals(driver.state.untilMs - driver.nowMs, expected);
  }
});

Deno.test("svcStep fails only when the window holds the maximum of restarts", () => {
  const driver = new Driver({ maximumRestarts: 3, restartWindowMs: 10_000 }).up(
    0,
  );
  for (let n = 0; n < 3; n++) {
    driver.exit(exit1);
    assert(driver.state.kind === "backoff", `restart ${n} is allowed`);
    driver.send("tick", driver.state.untilMs).send({ kind: "spawned", pid: n });
  }
  driver.exit(exit1);
  assertEquals(driver.summary, "failed restart-limit");
  assertEquals(driver.state.history.lastError, "exited with code 1");
});

Deno.test("svcStep does not count restarts that left the window", () => {
  const driver = new Driver({
    maximumRestarts: 2,
    restartWindowMs: 1000,
    backoff: { ...defaultServicePolicy.backoff, factor: 1 },
  }).up(0);
  for (let n = 1; n <= 50; n++) {
    driver.exit(exit1, n * 700);
    assert(driver.state.kind === "backoff");
    driver.send("tick", driver.state.untilMs).send({ kind: "spawned", pid: n });
    assert(
      driver.state.history.restartTimesMs.length <= 2,
      "what it remembers is bounded",
    );
  }
  assertEquals(driver.state.history.restarts, 50);
});

Deno.test("svcStep never gives up without a maximum and remembers nothing for it", () => {
  const driver = new Driver({ maximumRestarts: null }).up(0);
  for (let n = 0; n < 1000; n++) {
    driver.exit(exit1);
    assert(driver.state.kind === "backoff");
    driver.send("tick", driver.state.untilMs).send({ kind: "spawned", pid: n });
  }
  assertEquals(driver.state.history.restartTimesMs, []);
});

Deno.test("svcStep with a maximum of 0 fails at the first end", () => {
  assertEquals(
    new Driver({ maximumRestarts: 0 }).up().exit(exit1).summary,
    "failed restart-limit",
  );
});

Deno.test("svcStep treats a failed spawn as a failure of the service", () => {
  const event: ServiceEvent = {
    kind: "failed",
    error: "posix_spawn: ENOENT: /bin/x",
  };
  const retried = new Driver().send("start").send(event);
  assertEquals(retried.summary, "backoff 500");
  assertEquals(retried.state.history.lastError, "posix_spawn: ENOENT: /bin/x");
  assertEquals(
    new Driver({ restart: "never" }).send("start").send(event).summary,
    "failed start-failed",
  );
});

Deno.test("svcStep stops a service that is not ready in time, and its exit is a failure", () => {
  const driver = new Driver({
    readiness: "notified",
    startTimeoutMs: 1000,
    restart: "on-failure",
  });
  driver.send("start", 100).send({ kind: "spawned", pid: 1 }, 150);
  driver.send("tick", 1099);
  assertEquals(driver.summary, "starting");
  driver.send("tick", 1100);
  assertEquals(driver.summary, "starting start-timeout");
  driver.send("ready", 1101);
  assertEquals(
    driver.summary,
    "starting start-timeout",
    "too late is too late",
  );
  driver.send("tick", 5000);
  assertEquals(driver.actions, ["spawn", "stop"], "the stop is asked for once");
  driver.exit(exit0, 5001);
  assertEquals(driver.summary, "backoff 5501");
  assertEquals(driver.state.history.lastError, "not ready within 1000 ms");
});

Deno.test("svcStep stops a service that misses its heartbeat", () => {
  const driver = new Driver({ watchdogMs: 1000 }).up(0);
  driver.send("heartbeat", 900).send("tick", 1899);
  assertEquals(driver.summary, "running");
  driver.send("tick", 1900);
  assertEquals(driver.summary, "running watchdog");
  driver.send("heartbeat", 1901).exit(killed, 2000);
  assertEquals(driver.summary, "backoff 2500");
});

Deno.test("svcStep stops a service that was found unhealthy", () => {
  const driver = new Driver({ restart: "never" }).up();
  driver.send({ kind: "unhealthy", error: "maps changed" });
  assertEquals(driver.summary, "running unhealthy");
  driver.exit(exit0);
  assertEquals(driver.summary, "failed unhealthy");
  assertEquals(driver.state.history.lastError, "maps changed");
});

Deno.test("svcStep obeys stop at once in every state", () => {
  const cases: [Driver, string, string[]][] = [
    [new Driver(), "pending stopped", []],
    [new Driver().send("start"), "starting requested", ["spawn", "stop"]],
    [new Driver().up(), "running requested", ["spawn", "stop"]],
    [new Driver().up().exit(exit1), "pending stopped", ["spawn"]],
    [new Driver({ restart: "never" }).up().exit(exit1), "pending stopped", [
      "spawn",
    ]],
  ];
  for (const [driver, expected, actions] of cases) {
    driver.send("stop");
    assertEquals(driver.summary, expected);
    assertEquals(driver.actions, actions);
  }
});

Deno.test("svcStep loses no restart: start during a stop comes up after the exit", () => {
  const driver = new Driver().up().send("stop").send("start");
  assertEquals(driver.summary, "running restart");
  driver.exit(killed);
  assertEquals(driver.summary, "starting");
  assertEquals(driver.actions, ["spawn", "stop", "spawn"]);
});

Deno.test("svcStep settles every pair of stop causes and later wishes", () => {
  const causes: [StopCause, (driver: Driver) => void][] = [
    ["requested", (driver) => driver.send("stop")],
    ["restart", (driver) => driver.send("restart")],
    ["dependency", (driver) => {
      driver.context = { dependencies: "waiting" };
      driver.send("tick");
    }],
    ["watchdog", (driver) => driver.send("tick", 5000)],
    ["unhealthy", (driver) => driver.send({ kind: "unhealthy", error: "x" })],
  ];
  const wishes: Record<string, Record<StopCause, StopCause>> = {
    start: {
      requested: "restart",
      restart: "restart",
      dependency: "dependency",
      "start-timeout": "start-timeout",
      watchdog: "watchdog",
      unhealthy: "unhealthy",
    },
    restart: {
      requested: "restart",
      restart: "restart",
      dependency: "restart",
      "start-timeout": "restart",
      watchdog: "restart",
      unhealthy: "restart",
    },
    stop: {
      requested: "requested",
      restart: "requested",
      dependency: "requested",
      "start-timeout": "requested",
      watchdog: "requested",
      unhealthy: "requested",
    },
  };
  for (const [cause, bring] of causes) {
    for (const wish of ["start", "restart", "stop"] as const) {
      const driver = new Driver({ watchdogMs: 1000 }).up(0);
      bring(driver);
      assertEquals(driver.summary, `running ${cause}`);
      driver.send(wish);
      assertEquals(
        driver.summary,
        `running ${wishes[wish]?.[cause]}`,
        `${cause} then ${wish}`,
      );
      driver.send({ kind: "unhealthy", error: "later" }).send("tick", 9000);
      assertEquals(
        driver.summary,
        `running ${wishes[wish]?.[cause]}`,
        "nothing overrides it",
      );
      assertEquals(
        driver.actions,
        ["spawn", "stop"],
        "a stop is asked for once",
      );
    }
  }
});

Deno.test("svcStep lets start and restart end a backoff or a failure at once", () => {
  for (const wish of ["start", "restart"] as const) {
    const backoff = new Driver().up().exit(exit1).send(wish);
    assertEquals(backoff.summary, "starting");
    assertEquals(backoff.state.history.failures, 0);
    const failed = new Driver({ restart: "never" }).up().exit(exit1).send(wish);
    assertEquals(failed.summary, "starting");
  }
});

Deno.test("svcStep waits for dependencies when a backoff is due and they are not ready", () => {
  const driver = new Driver().up().exit(exit1);
  driver.context = { dependencies: "waiting" };
  driver.send("tick", 600);
  assertEquals(driver.summary, "pending waiting");
  driver.context = {};
  driver.send("tick", 700);
  assertEquals(driver.summary, "starting");
});

Deno.test("svcStep obeys a stop that comes between spawn and spawned", () => {
  const driver = new Driver().send("start").send("stop").send({
    kind: "spawned",
    pid: 5,
  });
  assertEquals(driver.summary, "starting requested");
  driver.exit(killed);
  assertEquals(driver.summary, "pending stopped");
  const never = new Driver().send("start").send("stop").send({
    kind: "failed",
    error: "x",
  });
  assertEquals(never.summary, "pending stopped");
});

Deno.test("svcStep is total: every event in every state keeps to the table and never throws", () => {
  const states: Driver[] = [
    new Driver(),
    new Driver().send("start"),
    new Driver().up(),
    new Driver().up().send("stop"),
    new Driver({ type: "oneshot" }).up().exit(exit0),
    new Driver().up().exit(exit1),
    new Driver({ restart: "never" }).up().exit(exit1),
  ];
  const events: ServiceEvent[] = [
    ...(["start", "stop", "restart", "tick", "heartbeat", "ready"] as const)
      .map((kind) => ({
        kind,
      })),
    { kind: "spawned", pid: 1 },
    { kind: "failed", error: "x" },
    { kind: "exited", exit: exit0 },
    { kind: "exited", exit: killed },
    { kind: "unhealthy", error: "x" },
  ];
  for (const driver of states) {
    for (const event of events) {
      for (const dependencies of ["ready", "waiting", "failed"] as const) {
        const before = JSON.stringify(driver.state);
        const step = svcStep(driver.state, event, 1e6, driver.policy, {
          dependencies,
        });
        assertEquals(
          JSON.stringify(driver.state),
          before,
          "the state before is not written to",
        );
        const hasProcess = driver.state.kind === "starting" ||
          (driver.state.kind === "running" && driver.state.pid !== null);
        if (step.action === "stop") {
          assert(hasProcess, "only what runs is stopped");
        }
        if (step.action === "spawn") {
          assertEquals(step.state.kind, "starting");
          assertEquals(dependencies, "ready");
          assert(!hasProcess, "never a second process");
        }
      }
    }
  }
});

Deno.test("serviceDeadlineMs names the next time that matters", () => {
  assertEquals(serviceDeadlineMs(initialServiceState), null);
  const starting = new Driver({ readiness: "notified" }).send("start", 40);
  assertEquals(serviceDeadlineMs(starting.state, starting.policy), 60_040);
  starting.send("stop");
  assertEquals(serviceDeadlineMs(starting.state, starting.policy), null);
  const running = new Driver({ watchdogMs: 300 }).up(0).send("heartbeat", 70);
  assertEquals(serviceDeadlineMs(running.state, running.policy), 370);
  running.exit(exit1, 100);
  assertEquals(serviceDeadlineMs(running.state, running.policy), 600);
});

Deno.test("svcStep restarts at once without an initial delay, but only after a run of a second", () => {
  const policy: ServicePolicy = {
    ...defaultServicePolicy,
    backoff: { ...defaultServicePolicy.backoff, initialMs: 0 },
  };
  const delayAfter = (runMs: number): number => {
    let step = svcStep(initialServiceState, { kind: "start" }, 0, policy);
    step = svcStep(step.state, { kind: "spawned", pid: 7 }, 0, policy);
    step = svcStep(step.state, { kind: "exited", exit: exit1 }, runMs, policy);
    assertEquals(step.state.kind, "backoff");
    return (serviceDeadlineMs(step.state, policy) ?? NaN) - runMs;
  };
  assertEquals([0, 999, 1000, 86_400_000].map(delayAfter), [10, 10, 0, 0]);
});
