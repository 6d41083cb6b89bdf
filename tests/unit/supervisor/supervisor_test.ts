import {
  assert,
  assertEquals,
  assertLess,
  assertNotEquals,
  assertStrictEquals,
} from "@std/assert";
import {
  criticalServicesHealthy,
  nextDeadlineMs,
  shutdownBoundMs,
  statusOf,
  stepSupervisor,
  summary,
  unhealthyCriticalServices,
} from "../../../lib/supervisor/supervisor.ts";
import { Harness, service } from "./harness.ts";

const limitless = { maximum: null, windowMs: 1000 };
const sdNotify = {
  kind: "sd-notify",
  fd: null,
  path: null,
  timeoutMs: 5000,
} as const;
const background = {
  kind: "exit",
  fd: null,
  path: null,
  timeoutMs: 5000,
} as const;
const oneshot = {
  type: "oneshot",
  restart: "never",
  readiness: { kind: "exit", fd: null, path: null, timeoutMs: 5000 },
} as const;
const cgroupStop = {
  signal: "SIGTERM",
  timeoutMs: 10_000,
  scope: "cgroup",
} as const;

Deno.test("stepSupervisor starts independent services together and dependents once they are up", () => {
  const harness = Harness.started(
    service("app", { requires: ["db", "net"] }),
    service("db", { readiness: sdNotify }),
    service("net", { readiness: sdNotify }),
    service("other"),
  );
  assertEquals(harness.take(), [
    "spawn db main /bin/db",
    "spawn net main /bin/net",
    "spawn other main /bin/other",
  ]);
  harness.notify("db");
  assertEquals(harness.take(), []);
  assertEquals(statusOf(harness.state, "app")?.waitsFor, ["net"]);
  harness.notify("net");
  assertEquals(harness.take(), ["spawn app main /bin/app"]);
});

Deno.test("stepSupervisor waits for what is wanted until its first outcome, good or bad", () => {
  const harness = Harness.started(
    service("good", { wants: ["slow"] }),
    service("slow", { readiness: sdNotify }),
    service("brave", { wants: ["bad"] }),
    service("bad", { readiness: sdNotify }),
  );
  harness.expect({ good: "pending waiting", brave: "pending waiting" });
  harness.notify("slow").exit("bad", 1);
  harness.expect({ good: "running", brave: "running", bad: "backoff" });
  harness.exit("slow", 1);
  harness.expect({ good: "running" });
});

Deno.test("stepSupervisor does not wait for a wanted service that is itself held up", () => {
  const harness = Harness.started(
    service("app", { wants: ["cache"] }),
    service("cache", { requires: ["disk"] }),
    service("disk", { readiness: sdNotify }),
  );
  harness.expect({ app: "pending waiting", cache: "pending waiting" });
  harness.exit("disk", 1);
  harness.expect({ disk: "backoff", cache: "pending waiting", app: "running" });
});

Deno.test("stepSupervisor orders by after, without pulling up what is named there", () => {
  const harness = Harness.started(
    service("app", { after: ["net", "extra"] }),
    service("net", { readiness: sdNotify }),
    service("extra", { start: "demand" }),
  );
  harness.expect({ app: "pending waiting", extra: "pending new" });
  harness.notify("net");
  harness.expect({ app: "running", extra: "pending new" });
});

Deno.test("stepSupervisor pulls up what a service of the boot requires or wants", () => {
  const harness = Harness.started(
    service("app", { requires: ["a"], wants: ["b"] }),
    service("a", { start: "demand" }),
    service("b", { start: "demand" }),
    service("c", { start: "demand" }),
  );
  harness.expect({
    app: "running",
    a: "running",
    b: "running",
    c: "pending new",
  });
});

Deno.test("stepSupervisor rolls back in order when a dependency dies, and comes back in order", () => {
  const harness = Harness.started(
    service("db"),
    service("web", { requires: ["db"] }),
    service("app", { requires: ["web"] }),
  );
  harness.take();
  harness.exit("db", 1);
  assertEquals(harness.take(), ["SIGTERM app group", "SIGCONT app group"]);
  harness.expect({
    db: "backoff",
    web: "running",
    app: "running (dependency)",
  });
  harness.exit("app");
  assertEquals(harness.take(), ["SIGTERM web group", "SIGCONT web group"]);
  harness.exit("web").expect({
    web: "pending waiting",
    app: "pending waiting",
  });
  harness.wait(500);
  assertEquals(harness.take(), [
    "spawn db main /bin/db",
    "spawn web main /bin/web",
    "spawn app main /bin/app",
  ]);
  assertEquals(
    statusOf(harness.state, "app")?.restarts,
    0,
    "only the culprit's restarts count",
  );
});

Deno.test("stepSupervisor starts a dependency again while its dependents are still going down", () => {
  const harness = Harness.started(
    service("db"),
    service("web", { requires: ["db"] }),
  );
  harness.exit("db", 1).wait(600);
  harness.expect({ db: "running", web: "running (dependency)" });
  harness.exit("web").expect({ web: "running" });
});

Deno.test("stepSupervisor fails dependents with a dependency that failed for good, and undoes it with it", () => {
  const harness = Harness.started(
    service("db", { restart: "never" }),
    service("web", { requires: ["db"] }),
    service("app", { requires: ["web"] }),
  );
  harness.exit("db", 1).exit("app").exit("web");
  harness.expect({
    db: "failed exited",
    web: "failed dependency-failed",
    app: "failed dependency-failed",
  });
  assert(
    harness.records.includes(
      "SERVICE_FAILED web: can't start, because db failed",
    ),
  );
  harness.command("start", "db");
  harness.expect({ db: "running", web: "running", app: "running" });
});

Deno.test("stepSupervisor gives what a service needs a new chance when it is started", () => {
  const harness = Harness.started(
    service("db", { restart: "never" }),
    service("web", { requires: ["db"] }),
  );
  harness.exit("db", 1).exit("web").expect({ web: "failed dependency-failed" });
  harness.command("start", "web").expect({ db: "running", web: "running" });
});

Deno.test("stepSupervisor stops dependents before a service, and starts them again with it", () => {
  const harness = Harness.started(
    service("db"),
    service("web", { requires: ["db"] }),
    service("soft", { wants: ["db"] }),
  );
  harness.take();
  harness.command("stop", "db");
  assertEquals(harness.take(), ["SIGTERM web group", "SIGCONT web group"]);
  harness.exit("web");
  assertEquals(harness.take(), ["SIGTERM db group", "SIGCONT db group"]);
  harness.exit("db").expect({
    db: "pending stopped",
    web: "pending waiting",
    soft: "running",
  });
  assertEquals(statusOf(harness.state, "web")?.waitsFor, ["db"]);
  harness.wait(1_000_000).expect({
    db: "pending stopped",
    web: "pending waiting",
  });
  harness.command("start", "db").expect({ db: "running", web: "running" });
});

Deno.test("stepSupervisor restarts a service with everybody who requires it, once each", () => {
  const harness = Harness.started(
    service("db"),
    service("web", { requires: ["db"] }),
  );
  harness.take();
  harness.command("restart", "db").exit("web");
  assertEquals(harness.take(), [
    "SIGTERM web group",
    "SIGCONT web group",
    "SIGTERM db group",
    "SIGCONT db group",
  ]);
  harness.exit("db");
  assertEquals(harness.take(), [
    "spawn db main /bin/db",
    "spawn web main /bin/web",
  ]);
  harness.expect({ db: "running", web: "running" });
  assertEquals(summary(harness.state).restarts, 0);
});

Deno.test("stepSupervisor obeys a shutdown at once in a backoff, with nothing to wait for", () => {
  const harness = Harness.started(service("web"));
  harness.exit("web", 1).expect({ web: "backoff" });
  harness.take();
  harness.send({ kind: "shutdown" });
  assertEquals(harness.take(), ["all-stopped"]);
  harness.wait(1_000_000);
  assertEquals(harness.take(), []);
});

Deno.test("stepSupervisor obeys a shutdown before, during and right after the start", () => {
  const before = new Harness(service("web"));
  before.send({ kind: "shutdown" });
  assertEquals(before.take(), ["all-stopped"]);
  before.send({ kind: "start-all" });
  assertEquals(before.take(), [], "a shutdown is final");

  const during = Harness.started(service("web", { readiness: sdNotify }));
  during.take();
  during.send({ kind: "shutdown" });
  assertEquals(during.take(), ["SIGTERM web group", "SIGCONT web group"]);
  during.exit("web", "SIGTERM");
  assertEquals(during.take(), ["all-stopped"]);

  const between = new Harness(service("web"));
  between.answersSpawn = false;
  between.send({ kind: "start-all" }).send({ kind: "shutdown" });
  assertEquals(
    between.take(),
    ["spawn web main /bin/web"],
    "what does not exist gets no signal",
  );
  between.spawned("web");
  assertEquals(between.take(), ["SIGTERM web group", "SIGCONT web group"]);
  between.exit("web");
  assertEquals(between.take(), ["all-stopped"]);
});

Deno.test("stepSupervisor ends a shutdown although a spawn is never answered", () => {
  const harness = new Harness(service("web"));
  harness.answersSpawn = false;
  harness.send({ kind: "start-all" }).send({ kind: "shutdown" }).take();
  harness.wait(15_000);
  assertEquals(harness.take(), ["all-stopped"]);
  harness.spawned("web");
  assertEquals(
    harness.take(),
    ["SIGKILL web group"],
    "who comes too late is killed",
  );
});

Deno.test("stepSupervisor stops in reverse order, in parallel, and reports who needed SIGKILL", () => {
  const harness = Harness.started(
    service("db"),
    service("log"),
    service("web", {
      requires: ["db"],
      stop: { ...cgroupStop, scope: "group", timeoutMs: 3000 },
    }),
    service("cron", { after: ["db"] }),
  );
  harness.take();
  harness.send({ kind: "shutdown" });
  assertEquals(harness.take().filter((word) => word.startsWith("SIGTERM")), [
    "SIGTERM log group",
    "SIGTERM web group",
    "SIGTERM cron group",
  ]);
  harness.wait(120).exit("log").exit("cron").wait(2880);
  assertEquals(harness.take(), ["SIGKILL web group"]);
  harness.exit("web", "SIGKILL");
  assertEquals(harness.take(), ["SIGTERM db group", "SIGCONT db group"]);
  harness.exit("db");
  const report = harness.effects[0];
  assert(report?.kind === "all-stopped");
  assertEquals(report.report, [
    { service: "log", durationMs: 120, neededKill: false, isLeft: false },
    { service: "cron", durationMs: 120, neededKill: false, isLeft: false },
    { service: "web", durationMs: 3000, neededKill: true, isLeft: false },
    { service: "db", durationMs: 0, neededKill: false, isLeft: false },
  ]);
  assert(
    harness.records.includes(
      "SHUTDOWN_SERVICE web: needed SIGKILL after 3000 ms",
    ),
  );
  assert(
    harness.records.includes(
      "SHUTDOWN_SERVICES_STOPPED 4 services in 3000 ms, 1 killed, 0 left",
    ),
  );
});

Deno.test("stepSupervisor cuts every time-out at the second request and kills at the third", () => {
  const stubborn = {
    stop: { signal: "SIGTERM", timeoutMs: 60_000, scope: "group" },
  } as const;
  const second = Harness.started(
    service("db", stubborn),
    service("web", { requires: ["db"], ...stubborn }),
  );
  second.send({ kind: "shutdown" }).wait(100).take();
  second.send({ kind: "shutdown" }).wait(1000);
  assertEquals(second.take(), ["SIGKILL web group"]);
  second.exit("web", "SIGKILL").take();
  second.wait(1000);
  assertEquals(second.take(), ["SIGKILL db group"]);

  const third = Harness.started(
    service("db", stubborn),
    service("web", { requires: ["db"], ...stubborn }),
  );
  third.send({ kind: "shutdown" }).send({ kind: "shutdown" }).take();
  third.send({ kind: "shutdown" });
  assertEquals(
    third.take().filter((word) => word.startsWith("SIGKILL")).sort(),
    [
      "SIGKILL db group",
      "SIGKILL web group",
    ],
  );
});

Deno.test("stepSupervisor gives up who outlives SIGKILL, and goes on without", () => {
  const harness = Harness.started(
    service("db"),
    service("web", { requires: ["db"] }),
  );
  harness.send({ kind: "shutdown" }).wait(15_000);
  assert(
    harness.records.some((line) =>
      line.startsWith("SERVICE_UNKILLABLE web: pid 101")
    ),
  );
  harness.take();
  harness.exit("db");
  assertEquals(harness.take(), ["all-stopped"]);
  harness.exit("web", "SIGKILL");
  assertEquals(harness.take(), [], "nothing is started, nor said twice");
});

Deno.test("stepSupervisor never starts a second process beside one that can't be killed", () => {
  const harness = Harness.started(service("web", { critical: true }));
  harness.command("restart", "web").wait(1_000_000);
  harness.take();
  harness.command("start", "web").command("restart", "web").wait(1_000_000);
  assertEquals(harness.take(), []);
  assertEquals(unhealthyCriticalServices(harness.state, harness.nowMs), [
    "web",
  ]);
  harness.exit("web", "SIGKILL");
  assertEquals(harness.take(), ["spawn web main /bin/web"]);
});

Deno.test("stepSupervisor runs tasks of the shutdown first, in order, while services are still up", () => {
  const harness = Harness.started(
    service("web"),
    service("save", { ...oneshot, start: "shutdown" }),
    service("sync", { ...oneshot, start: "shutdown", after: ["save"] }),
  );
  harness.expect({ save: "pending new" }).take();
  harness.send({ kind: "shutdown" });
  assertEquals(harness.take(), ["spawn save main /bin/save"]);
  harness.exit("save");
  assertEquals(harness.take(), ["spawn sync main /bin/sync"]);
  harness.expect({ web: "running" });
  harness.exit("sync", 1);
  assertEquals(harness.take(), ["SIGTERM web group", "SIGCONT web group"]);
  harness.exit("web");
  assertEquals(harness.take(), ["all-stopped"]);
});

Deno.test("stepSupervisor does not let tasks of the shutdown hold it up", () => {
  const harness = Harness.started(
    service("save", {
      ...oneshot,
      start: "shutdown",
      readiness: { ...oneshot.readiness, timeoutMs: null },
    }),
  );
  harness.send({ kind: "shutdown" }).wait(30_000);
  assertEquals(harness.take().slice(1), [
    "SIGTERM save group",
    "SIGCONT save group",
  ]);
  harness.wait(15_000);
  assertEquals(harness.take(), ["SIGKILL save group", "all-stopped"]);
});

Deno.test("shutdownBoundMs adds up the longest chain of time-outs", () => {
  const timeout = (timeoutMs: number) => ({
    stop: { ...cgroupStop, timeoutMs },
  });
  const harness = Harness.started(
    service("a", timeout(1000)),
    service("b", { requires: ["a"], ...timeout(2000) }),
    service("c", timeout(4000)),
  );
  assertEquals(shutdownBoundMs(harness.state), 1000 + 2000 + 2 * 5000);
});

Deno.test("stepSupervisor loses no wish that comes during a stop", () => {
  const wishes: [("start" | "stop" | "restart")[], string][] = [
    [["stop", "start"], "running"],
    [["restart", "start"], "running"],
    [["restart", "stop"], "pending stopped"],
    [["stop", "start", "stop"], "pending stopped"],
    [["stop", "restart"], "running"],
    [["restart", "restart"], "running"],
  ];
  for (const [commands, expected] of wishes) {
    const harness = Harness.started(service("web"));
    harness.take();
    for (const command of commands) harness.command(command, "web");
    assertEquals(
      harness.take(),
      ["SIGTERM web group", "SIGCONT web group"],
      "one stop is enough",
    );
    harness.exit("web", "SIGTERM").wait(100_000);
    assertEquals(harness.is("web"), expected, commands.join(" "));
  }
});

Deno.test("stepSupervisor obeys stop and start in a backoff at once", () => {
  const harness = Harness.started(service("web"));
  harness.exit("web", 1).command("stop", "web").expect({
    web: "pending stopped",
  });
  harness.command("start", "web").expect({ web: "running" });
  harness.exit("web", 1).command("start", "web").expect({ web: "running" });
  harness.exit("web", 1).command("restart", "web").expect({ web: "running" });
});

Deno.test("stepSupervisor brings a service back after each of a thousand kills, one process at a time", () => {
  const harness = Harness.started(service("web", { restartLimit: limitless }));
  harness.hasCgroup = true;
  for (let kill = 1; kill <= 1000; kill++) {
    harness.take();
    harness.exit("web", "SIGKILL");
    assertEquals(harness.is("web"), "backoff");
    harness.wait(66_000);
    if (harness.is("web") !== "running") {
      harness.cgroup("web", false).wait(66_000);
    }
    assertEquals(
      harness.take().filter((word) => word.startsWith("spawn")).length,
      1,
    );
    assertEquals(harness.is("web"), "running");
    assertEquals(statusOf(harness.state, "web")?.restarts, kill);
  }
  assertEquals(harness.state.records[0]?.state.history.restartTimesMs, []);
});

Deno.test("stepSupervisor takes no news of an earlier process for news of the present one", () => {
  const harness = Harness.started(service("web", { readiness: sdNotify }));
  const old = harness.instanceOf("web");
  harness.exit("web", 1).wait(500);
  assertNotEquals(harness.instanceOf("web"), old);
  const exit = { exitCode: 0, signal: null };
  const about = { service: "web", instance: old };
  for (
    const event of [
      { kind: "exited", ...about, exit },
      { kind: "sd-notify", ...about, text: "READY=1\nSTATUS=ghost" },
      { kind: "spawned", ...about, pid: 1, hasCgroup: true },
      { kind: "spawn-failed", ...about, error: "late" },
      { kind: "cgroup", ...about, isPopulated: false },
      { kind: "unhealthy", ...about, error: "late" },
    ] as const
  ) {
    const step = stepSupervisor(harness.state, event, harness.nowMs);
    assertStrictEquals(step.state, harness.state, event.kind);
    assertEquals(step.effects, []);
  }
});

Deno.test("stepSupervisor takes no notice of an exit that is told twice, or of strangers", () => {
  const harness = Harness.started(service("web"));
  const instance = harness.instanceOf("web");
  harness.exit("web", 1);
  const before = harness.state;
  const exit = { exitCode: 1, signal: null };
  harness.send({ kind: "exited", service: "web", instance, exit });
  harness.send({ kind: "exited", service: "who", instance: 1, exit });
  harness.send({ kind: "command", command: "start", service: "who" });
  assertStrictEquals(harness.state, before);
});

Deno.test("stepSupervisor sends SIGCONT with the stop signal, so that a stopped process hears it", () => {
  const harness = Harness.started(
    service("web", {
      stop: { signal: "SIGINT", timeoutMs: 10, scope: "process" },
    }),
    service("hard", {
      stop: { signal: "SIGKILL", timeoutMs: 10, scope: "process" },
    }),
  );
  harness.take();
  harness.command("stop", "web").command("stop", "hard");
  assertEquals(harness.take(), [
    "SIGINT web process",
    "SIGCONT web process",
    "SIGKILL hard process",
  ]);
});

Deno.test("stepSupervisor fails the services of a cycle and harms no other", () => {
  const harness = Harness.started(
    service("a", { requires: ["b"] }),
    service("b", { after: ["a"] }),
    service("lost", { requires: ["nobody"] }),
    service("user", { requires: ["lost"] }),
    service("soft", { wants: ["a", "nobody"] }),
  );
  harness.expect({
    a: "failed definition",
    b: "failed definition",
    lost: "failed definition",
    user: "failed dependency-failed",
    soft: "running",
  });
  assertEquals(
    statusOf(harness.state, "a")?.lastError,
    "dependency cycle: a -> b -> a",
  );
  assertEquals(
    statusOf(harness.state, "lost")?.lastError,
    'lost requires "nobody", which no definition has',
  );
  harness.command("start", "a").expect({ a: "failed definition" });
  harness.send({ kind: "shutdown" }).exit("soft");
  assertEquals(harness.take().at(-1), "all-stopped");
});

Deno.test("stepSupervisor takes a service for ready only by the way that its definition names", () => {
  const kinds = {
    line: { kind: "notify-fd", fd: 3, path: null, timeoutMs: 1000 },
    path: { kind: "path", fd: null, path: "/run/x", timeoutMs: 1000 },
    socket: sdNotify,
  } as const;
  const ways = {
    line: { kind: "notify-line" },
    path: { kind: "path-exists" },
    socket: { kind: "sd-notify", text: "READY=1" },
  } as const;
  for (const [kind, readiness] of Object.entries(kinds)) {
    for (const [way, event] of Object.entries(ways)) {
      const harness = Harness.started(service("web", { readiness }));
      harness.send({
        ...event,
        service: "web",
        instance: harness.instanceOf("web"),
      });
      assertEquals(
        harness.is("web"),
        kind === way ? "running" : "starting",
        `${kind} by ${way}`,
      );
    }
  }
});

Deno.test("stepSupervisor watches a readiness path only while it is of use", () => {
  const readiness = {
    kind: "path",
    fd: null,
    path: "/run/x",
    timeoutMs: 1000,
  } as const;
  const harness = Harness.started(service("web", { readiness }));
  assertEquals(harness.take(), ["spawn web main /bin/web", "watch-path web"]);
  harness.send({
    kind: "path-exists",
    service: "web",
    instance: harness.instanceOf("web"),
  });
  assertEquals(harness.take(), ["unwatch-path web"]);
  harness.exit("web", 1).wait(500).exit("web", 1);
  assertEquals(harness.take(), [
    "spawn web main /bin/web",
    "watch-path web",
    "unwatch-path web",
  ]);
});

Deno.test("stepSupervisor reads every line of an sd_notify datagram", () => {
  const harness = Harness.started(service("web", { readiness: sdNotify }));
  harness.notify("web", "MAINPID=7\nSTATUS=warming \u001b[31mup\nREADY=1\n");
  harness.expect({ web: "running" });
  assertEquals(statusOf(harness.state, "web")?.statusText, "warming ?[31mup");
  harness.notify("web", `STATUS=${"x".repeat(5000)}`);
  assertEquals(statusOf(harness.state, "web")?.statusText.length, 128);
  harness.notify("web", "READY=0\nREADY=11\nready=1\n=\n\n");
  harness.notify("web", "WATCHDOG=trigger").expect({
    web: "running (unhealthy)",
  });
});

Deno.test("stepSupervisor counts pre commands into the start's time-out", () => {
  const harness = Harness.started(
    service("web", { readiness: sdNotify, pre: [["/bin/slow"]] }),
  );
  assertEquals(harness.take(), ["spawn web pre /bin/slow"]);
  harness.wait(4000).exit("web");
  assertEquals(harness.take(), ["spawn web main /bin/web"]);
  harness.wait(999).expect({ web: "starting" });
  harness.wait(1).expect({ web: "starting (start-timeout)" });
  assertEquals(harness.take()[0], "SIGTERM web group");
});

Deno.test("stepSupervisor kills and restarts a service that gives no sign of life", () => {
  const harness = Harness.started(
    service("web", { readiness: sdNotify, health: { watchdogMs: 1000 } }),
  );
  harness.wait(3000).notify("web");
  for (let beat = 0; beat < 10; beat++) {
    harness.wait(900).notify("web", "WATCHDOG=1");
  }
  harness.expect({ web: "running" }).take();
  harness.wait(1000).expect({ web: "running (watchdog)" });
  harness.wait(10_000);
  assertEquals(harness.take(), [
    "SIGTERM web group",
    "SIGCONT web group",
    "SIGKILL web group",
  ]);
  harness.exit("web", "SIGKILL").expect({ web: "backoff" });
  assert(
    harness.records.includes(
      "SERVICE_WATCHDOG_MISSED web: no heartbeat within 1000 ms",
    ),
  );
});

Deno.test("stepSupervisor gives a service that says STOPPING=1 its stop time-out, and no watchdog", () => {
  const harness = Harness.started(
    service("web", { readiness: sdNotify, health: { watchdogMs: 500 } }),
  );
  harness.notify("web").take();
  harness.notify("web", "STOPPING=1").wait(9999).expect({ web: "running" });
  assertEquals(harness.take(), []);
  harness.wait(1);
  assertEquals(harness.take(), ["SIGKILL web group"]);
});

Deno.test("stepSupervisor runs pre commands in order and treats a failed one as a failed start", () => {
  const harness = Harness.started(
    service("web", { pre: [["/bin/a"], ["/bin/b", "x"]] }),
  );
  harness.exit("web");
  assertEquals(harness.take(), [
    "spawn web pre /bin/a",
    "spawn web pre /bin/b x",
  ]);
  harness.exit("web", 3).expect({ web: "backoff" });
  assertEquals(
    statusOf(harness.state, "web")?.lastError,
    "pre command /bin/b exited with code 3",
  );
  harness.wait(500).exit("web").exit("web");
  assertEquals(harness.take().at(-1), "spawn web main /bin/web");
});

Deno.test("stepSupervisor takes no readiness from a pre command", () => {
  const harness = Harness.started(
    service("web", { readiness: sdNotify, pre: [["/bin/a"]] }),
  );
  harness.notify("web").exit("web").expect({ web: "starting" });
});

Deno.test("stepSupervisor runs post commands after every end, before the next start", () => {
  const harness = Harness.started(
    service("web", { post: [["/bin/a"], ["/bin/b"]] }),
  );
  harness.take();
  harness.exit("web", 1).expect({ web: "backoff [post]" });
  harness.wait(5000).expect({ web: "pending waiting [post]" });
  harness.exit("web", 9).exit("web");
  assertEquals(harness.take(), [
    "spawn web post /bin/a",
    "spawn web post /bin/b",
    "spawn web main /bin/web",
  ]);
  assert(
    harness.records.includes(
      "SERVICE_COMMAND_FAILED web: post command /bin/a exited with code 9",
    ),
  );
});

Deno.test("stepSupervisor tells a post command how the service ended", () => {
  const harness = Harness.started(service("web", { post: [["/bin/a"]] }));
  harness.effects = [];
  harness.exit("web", "SIGSEGV");
  const spawn = harness.effects[0];
  assert(spawn?.kind === "spawn");
  assertEquals(spawn.lastExit, { exitCode: null, signal: "SIGSEGV" });
});

Deno.test("stepSupervisor lets no post command hang", () => {
  const harness = Harness.started(service("web", { post: [["/bin/a"]] }));
  harness.exit("web", 1).take();
  harness.wait(10_000);
  assertEquals(harness.take(), ["SIGKILL web group"]);
  harness.exit("web", "SIGKILL").expect({ web: "running" });
});

Deno.test("stepSupervisor keeps a oneshot up, and undoes it with post when it is stopped", () => {
  const harness = Harness.started(
    service("mount", { ...oneshot, post: [["/bin/unmount"]] }),
    service("app", { requires: ["mount"] }),
  );
  harness.expect({ app: "pending waiting" });
  harness.exit("mount").expect({ mount: "running", app: "running" });
  harness.take();
  harness.command("stop", "mount").exit("app");
  assertEquals(harness.take(), [
    "SIGTERM app group",
    "SIGCONT app group",
    "spawn mount post /bin/unmount",
  ]);
  harness.command("start", "mount").expect({ mount: "pending stopped [post]" });
  harness.exit("mount").expect({ mount: "starting" });
  harness.exit("mount").expect({ mount: "running", app: "running" });
});

Deno.test("stepSupervisor restarts a oneshot that has done its work", () => {
  const harness = Harness.started(service("job", oneshot));
  harness.exit("job").take();
  harness.command("restart", "job");
  assertEquals(harness.take(), ["spawn job main /bin/job"]);
});

Deno.test("stepSupervisor fails a oneshot that was never to be tried again", () => {
  const harness = Harness.started(
    service("job", oneshot),
    service("app", { requires: ["job"] }),
  );
  harness.exit("job", 2).expect({
    job: "failed exited",
    app: "failed dependency-failed",
  });
});

Deno.test("stepSupervisor tracks a process that goes into the background by its cgroup", () => {
  const harness = new Harness(
    service("daemon", { readiness: background, stop: cgroupStop }),
  );
  harness.hasCgroup = true;
  harness.send({ kind: "start-all" }).take();
  harness.exit("daemon").expect({ daemon: "running" });
  assertEquals(harness.take(), ["check-cgroup daemon"]);
  harness.cgroup("daemon", true).wait(1_000_000).expect({ daemon: "running" });
  harness.cgroup("daemon", false).expect({ daemon: "backoff" });
  harness.wait(500).exit("daemon").cgroup("daemon", true).take();
  harness.command("stop", "daemon");
  assertEquals(harness.take(), [
    "SIGTERM daemon cgroup",
    "SIGCONT daemon cgroup",
  ]);
  harness.cgroup("daemon", false).expect({ daemon: "pending stopped" });
});

Deno.test("stepSupervisor does not believe an empty cgroup before the exit is reaped", () => {
  const harness = new Harness(service("web"));
  harness.hasCgroup = true;
  harness.send({ kind: "start-all" }).take();
  harness.cgroup("web", false).expect({ web: "running" });
  assertEquals(harness.take(), []);
  harness.exit("web", 1).expect({ web: "backoff" });
});

Deno.test("stepSupervisor counts an exit once although it is told again before the cgroup is empty", () => {
  const harness = new Harness(
    service("daemon", { readiness: background, stop: cgroupStop }),
    service("web"),
  );
  harness.hasCgroup = true;
  harness.send({ kind: "start-all" }).exit("daemon").exit("web", 1);
  const before = harness.state;
  harness.exit("daemon").exit("web", 1);
  assertStrictEquals(harness.state, before);
});

Deno.test("stepSupervisor clears what a pre command left although the main process can't be made", () => {
  const harness = new Harness(service("web", { pre: [["/bin/a"]] }));
  harness.hasCgroup = true;
  harness.send({ kind: "start-all" });
  harness.answersSpawn = false;
  harness.exit("web").take();
  const instance = harness.instanceOf("web");
  harness.send({
    kind: "spawn-failed",
    service: "web",
    instance,
    error: "ENOENT",
  });
  assertEquals(harness.take(), ["check-cgroup web"]);
  harness.cgroup("web", true);
  assertEquals(harness.take(), ["SIGTERM web cgroup", "SIGCONT web cgroup"]);
});

Deno.test("stepSupervisor sees a missed heartbeat although a stop waits for others, and does not spin", () => {
  const harness = Harness.started(
    service("db", { readiness: sdNotify, health: { watchdogMs: 500 } }),
    service("web", { requires: ["db"] }),
  );
  harness.notify("db").command("stop", "db").take();
  harness.wait(500);
  assertEquals(harness.take(), ["SIGTERM db group", "SIGCONT db group"]);
  const dueMs = nextDeadlineMs(harness.state);
  assert(dueMs !== null && dueMs > harness.nowMs, "what is due was done");
});

Deno.test("stepSupervisor starts nothing after all-stopped, not even a post command", () => {
  const harness = Harness.started(service("web", { post: [["/bin/a"]] }));
  harness.send({ kind: "shutdown" }).wait(15_000);
  assertEquals(harness.take().at(-1), "all-stopped");
  harness.exit("web", "SIGKILL");
  assertEquals(harness.take(), []);
});

Deno.test("stepSupervisor refuses a background process where no cgroup could track it", () => {
  const harness = Harness.started(
    service("daemon", { readiness: background, stop: cgroupStop }),
  );
  harness.exit("daemon").expect({ daemon: "backoff" });
});

Deno.test("stepSupervisor stops what the main process left behind before it starts it again", () => {
  const harness = new Harness(service("web"));
  harness.hasCgroup = true;
  harness.send({ kind: "start-all" }).take();
  harness.exit("web", 1).wait(600).expect({ web: "pending waiting" });
  harness.take();
  harness.cgroup("web", true);
  assertEquals(harness.take(), ["SIGTERM web cgroup", "SIGCONT web cgroup"]);
  harness.wait(9_400);
  assertEquals(harness.take(), ["SIGKILL web cgroup"]);
  harness.cgroup("web", false);
  assertEquals(harness.take(), ["spawn web main /bin/web"]);
  assert(
    harness.records.includes(
      "SERVICE_REMAINS web: left processes behind, which are stopped",
    ),
  );
});

Deno.test("stepSupervisor freezes an isolated service, lets it miss no time-out, and resumes it", () => {
  const harness = Harness.started(
    service("web", { readiness: sdNotify, health: { watchdogMs: 1000 } }),
  );
  harness.notify("web").wait(400).take();
  harness.command("isolate", "web");
  assertEquals(harness.take(), ["freeze web"]);
  harness.command("isolate", "web").wait(1_000_000).expect({ web: "running" });
  assertEquals(harness.take(), []);
  harness.command("resume", "web");
  assertEquals(harness.take(), ["thaw web"]);
  harness.wait(599).expect({ web: "running" });
  harness.wait(1).expect({ web: "running (watchdog)" });
});

Deno.test("stepSupervisor does not start an isolated service again until somebody says so", () => {
  const harness = Harness.started(service("web"));
  harness.command("isolate", "web").exit("web", "SIGKILL").wait(1_000_000);
  harness.expect({ web: "pending waiting" });
  assertEquals(statusOf(harness.state, "web")?.isIsolated, true);
  harness.command("resume", "web").expect({ web: "running" });
});

Deno.test("stepSupervisor thaws a frozen service before it asks it to stop", () => {
  const harness = Harness.started(service("web"));
  harness.command("isolate", "web").take();
  harness.command("restart", "web");
  assertEquals(harness.take(), [
    "thaw web",
    "SIGTERM web group",
    "SIGCONT web group",
  ]);
  const other = Harness.started(service("web"));
  other.command("isolate", "web").take();
  other.send({ kind: "shutdown" });
  assertEquals(other.take(), [
    "thaw web",
    "SIGTERM web group",
    "SIGCONT web group",
  ]);
});

Deno.test("stepSupervisor runs in safe mode what is marked and what that requires, and nothing else", () => {
  const harness = Harness.started(
    service("rescue", { safeMode: true, requires: ["net"], wants: ["web"] }),
    service("net"),
    service("web"),
  );
  harness.send({ kind: "enter-safe-mode" }).exit("web");
  harness.expect({ rescue: "running", net: "running", web: "pending stopped" });
  harness.command("start", "web").expect({ web: "pending stopped" });
  harness.send({ kind: "leave-safe-mode" }).expect({ web: "running" });
});

Deno.test("stepSupervisor boots into safe mode without starting anything else first", () => {
  const harness = new Harness(
    service("rescue", { safeMode: true }),
    service("web"),
  );
  harness.send({ kind: "enter-safe-mode" }).send({ kind: "start-all" });
  assertEquals(harness.take(), ["spawn rescue main /bin/rescue"]);
});

Deno.test("stepSupervisor reloads: new ones start, changed ones keep running, gone ones stop", () => {
  const harness = Harness.started(
    service("old"),
    service("same"),
    service("changed"),
  );
  harness.take();
  const definitionOf = (name: string) =>
    harness.state.records.map(({ definition }) => definition)
      .find((definition) => definition.name === name);
  const before = definitionOf("same");
  harness.send({
    kind: "reload",
    definitions: [
      service("fresh", { requires: ["same"] }),
      service("same"),
      service("changed", { command: ["/bin/changed", "-v"] }),
    ],
  });
  assertEquals(
    harness.take(),
    [
      "SIGTERM old group",
      "SIGCONT old group",
      "spawn fresh main /bin/fresh",
    ].sort((a, b) => Number(a.startsWith("SIG")) - Number(b.startsWith("SIG"))),
  );
  assertEquals(statusOf(harness.state, "changed")?.isOutdated, true);
  assertEquals(statusOf(harness.state, "same")?.isOutdated, false);
  assert(definitionOf("same") === before, "the same object stands for it");
  harness.exit("old").expect({ old: "unknown" });
  harness.command("restart", "changed").exit("changed");
  assertEquals(harness.take().at(-1), "spawn changed main /bin/changed -v");
  assertEquals(statusOf(harness.state, "changed")?.isOutdated, false);
});

Deno.test("stepSupervisor has a removed service forgotten once, when nothing is left of it", () => {
  const harness = Harness.started(
    service("up", { post: [["/bin/clean"]] }),
    service("idle", { start: "demand" }),
  );
  harness.take();
  harness.send({ kind: "reload", definitions: [service("other")] });
  const forgotten = () =>
    harness.take().filter((word) => word.startsWith("forget"));
  assertEquals(forgotten(), ["forget idle"]);
  harness.exit("up", "SIGTERM");
  assertEquals(forgotten(), []);
  harness.exit("up");
  assertEquals(forgotten(), ["forget up"]);
  harness.send({ kind: "reload", definitions: [] }).wait(1000);
  harness.exit("other");
  harness.send({ kind: "reload", definitions: [service("up")] });
  harness.send({ kind: "reload", definitions: [] });
  assertEquals(forgotten(), ["forget other"]);
  harness.exit("up");
  assertEquals(forgotten(), ["forget up"]);
});

Deno.test("stepSupervisor refuses a reload with a cycle or a missing dependency, and harms nobody", () => {
  const harness = Harness.started(service("web"));
  harness.take();
  const before = harness.state;
  harness.send({
    kind: "reload",
    definitions: [service("web", { requires: ["gone"] })],
  });
  harness.send({
    kind: "reload",
    definitions: [service("web", { after: ["web"] })],
  });
  harness.send({
    kind: "reload",
    definitions: [service("web"), service("web")],
  });
  assertStrictEquals(harness.state, before);
  assertEquals(harness.records.slice(-3), [
    'DEFINITIONS_REFUSED web requires "gone", which no definition has',
    "DEFINITIONS_REFUSED dependency cycle: web -> web",
    "DEFINITIONS_REFUSED web is defined more than once",
  ]);
});

Deno.test("stepSupervisor brings a service back that a reload removed and the next one restores", () => {
  const harness = Harness.started(service("web"));
  harness.send({ kind: "reload", definitions: [] });
  harness.send({ kind: "reload", definitions: [service("web")] });
  harness.exit("web").expect({ web: "running" });
  harness.send({ kind: "reload", definitions: [] }).exit("web");
  harness.send({ kind: "reload", definitions: [] });
  assertEquals(harness.state.records.length, 0, "who is gone is forgotten");
});

Deno.test("stepSupervisor mends a broken service with a reload", () => {
  const harness = Harness.started(service("web", { requires: ["db"] }));
  harness.expect({ web: "failed definition" });
  harness.send({
    kind: "reload",
    definitions: [service("web", { requires: ["db"] }), service("db")],
  });
  harness.expect({ web: "running", db: "running" });
});

Deno.test("criticalServicesHealthy is false only when a critical service is lost", () => {
  const critical = {
    critical: true,
    restartLimit: { maximum: 1, windowMs: 100_000 },
  };
  const harness = Harness.started(
    service("core", critical),
    service("toy", { restart: "never" }),
  );
  const isHealthy = (): boolean =>
    criticalServicesHealthy(harness.state, harness.nowMs);
  assert(isHealthy());
  harness.exit("toy", 1);
  assert(isHealthy(), "toy is not critical");
  harness.exit("core", 1).wait(100);
  assert(isHealthy(), "within its backoff");
  assert(
    !criticalServicesHealthy(harness.state, harness.nowMs + 10_000),
    "past its backoff",
  );
  harness.wait(1000).exit("core", 1);
  assert(!isHealthy(), "given up");
  harness.command("stop", "core");
  assert(isHealthy(), "somebody decided so");
});

Deno.test("summary counts each service once", () => {
  const harness = Harness.started(
    service("up"),
    service("starting", { readiness: sdNotify }),
    service("backoff"),
    service("failed", { restart: "never" }),
    service("waiting", { requires: ["starting"] }),
    service("stopping"),
  );
  harness.exit("backoff", 1).exit("failed", 1).command("stop", "stopping");
  assertEquals(summary(harness.state), {
    total: 6,
    pending: 1,
    starting: 1,
    running: 1,
    stopping: 1,
    backoff: 1,
    failed: 1,
    missing: 4,
    restarts: 1,
  });
});

Deno.test("stepSupervisor gives services that fail together different delays", () => {
  const definitions = Array.from({ length: 20 }, (_, n) => service(`s${n}`));
  const harness = Harness.started(...definitions);
  harness.random = 0.5;
  for (const { name } of definitions) harness.exit(name, 1);
  const dueTimes = definitions.map(({ name }) =>
    statusOf(harness.state, name)?.nextAttemptMs
  );
  assertLess(10, new Set(dueTimes).size);
});

Deno.test("nextDeadlineMs is null when nothing is due, so that an idle machine sleeps", () => {
  const harness = Harness.started(service("web"), service("job", oneshot));
  harness.exit("job");
  assertEquals(nextDeadlineMs(harness.state), null);
});

Deno.test("stepSupervisor writes down the story of a crash loop", () => {
  const harness = Harness.started(
    service("web", { restartLimit: { maximum: 2, windowMs: 100_000 } }),
  );
  harness.exit("web", 1).wait(500).exit("web", "SIGSEGV").wait(1000).exit(
    "web",
    0,
  );
  assertEquals(harness.records, [
    "SERVICE_STARTED web: is up, pid 100",
    "SERVICE_BACKOFF web: exited with code 1; restart 1 in 500 ms",
    "SERVICE_STARTED web: is up, pid 101",
    "SERVICE_BACKOFF web: was ended by SIGSEGV; restart 2 in 1000 ms",
    "SERVICE_STARTED web: is up, pid 102",
    "SERVICE_FAILED web: ended with success; too many restarts, given up",
  ]);
});

Deno.test("stepSupervisor writes down only commands that change something", () => {
  const harness = Harness.started(service("web"));
  const before = harness.state;
  for (let time = 0; time < 100; time++) {
    harness.command("start", "web").command("resume", "web");
  }
  assertStrictEquals(harness.state, before);
  harness.command("stop", "web").command("stop", "web");
  assertEquals(
    harness.records.filter((line) => line.startsWith("SERVICE_COMMAND")),
    ["SERVICE_COMMAND web: stop"],
  );
});
