import { assert, assertEquals, assertMatch } from "@std/assert";
import { initDeadlineMs } from "../../../lib/init/core.ts";
import {
  HEALTHY_AFTER_MS,
  type InitEvent,
  type InitSettings,
  READY_LIMIT_MS,
  STORAGE_LIMIT_MS,
} from "../../../lib/init/core_types.ts";
import { defineService } from "../../../lib/supervisor/definition.ts";
import type { ServiceDefinition } from "../../../lib/supervisor/service_definition.ts";
import { decodeServiceList } from "../../../lib/wire/service_list.ts";
import { decodeServiceStatus } from "../../../lib/wire/service_status.ts";
import { CommandCode, CommandStatus } from "../../../lib/wire/telecommand.ts";
import { CoreMachine } from "../../fixtures/core_machine.ts";

function started(
  definitions: readonly ServiceDefinition[],
  settings: Partial<InitSettings> = {},
  safeMode = false,
): CoreMachine {
  const machine = new CoreMachine(settings);
  machine.send({ kind: "start", definitions, safeMode });
  return machine;
}

const web = defineService("web", { command: ["/bin/web"] });
const slow = defineService("slow", {
  command: ["/bin/slow"],
  readiness: { kind: "sd-notify", fd: null, path: null, timeoutMs: null },
});

const request = (action: Parameters<typeof actionRequest>[0]) =>
  actionRequest(action);

function actionRequest(
  action: Extract<InitEvent, { kind: "request" }>["request"]["action"],
): InitEvent {
  const command = action.kind === "service" || action.kind === "safe-mode"
    ? CommandCode.SERVICE_STOP
    : action.kind === "list-services" || action.kind === "service-status"
    ? CommandCode.SERVICE_LIST
    : CommandCode.PING;
  return { kind: "request", request: { command, sequence: 7, action } };
}

Deno.test("stepInit says READY once, when no service is starting any more", () => {
  const machine = started([web, slow]);
  assertEquals(machine.state.mode, "booting");
  assertEquals(machine.kinds().includes("ready"), false);
  machine.nowMs = 500;
  machine.send({
    kind: "supervisor",
    event: { kind: "sd-notify", service: "slow", instance: 2, text: "READY=1" },
  });
  assertEquals(machine.state.mode, "nominal");
  machine.send({ kind: "time" });
  assertEquals(machine.kinds().filter((kind) => kind === "ready").length, 1);
});

Deno.test("stepInit says READY without a service that takes too long, and names how many", () => {
  const machine = started([slow]);
  machine.passTo(READY_LIMIT_MS);
  const ready = machine.effects.find((effect) => effect.kind === "ready");
  assertEquals(ready, {
    kind: "ready",
    text: "nominal, 0 of 1 services running, 1 still starting",
  });
});

Deno.test("stepInit is degraded while a problem stands, records it once, and nominal after", () => {
  const machine = new CoreMachine();
  machine.send({ kind: "problem", subject: "superblock", text: "bad magic" });
  machine.send({ kind: "problem", subject: "superblock", text: "bad magic" });
  machine.send({ kind: "start", definitions: [], safeMode: false });
  assertEquals(machine.state.mode, "degraded");
  assertEquals(machine.codes(), ["BOOT_PHASE_FAILED", "MODE_CHANGED"]);
  machine.send({ kind: "solved", subject: "superblock" });
  machine.send({ kind: "solved", subject: "superblock" });
  assertEquals(machine.state.mode, "nominal");
});

Deno.test("stepInit is degraded while a service has failed for good", () => {
  const machine = started([
    defineService("once", { command: ["/x"], restart: "never" }),
  ]);
  assertEquals(machine.state.mode, "nominal");
  machine.send(machine.exit("once", 1, "SIGKILL"));
  assertEquals(machine.state.mode, "degraded");
});

Deno.test("stepInit goes down in order at SIGTERM, SIGINT and SIGPWR", () => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGPWR"]) {
    const machine = started([web]);
    machine.send({ kind: "signal", signal });
    assertEquals(machine.state.mode, "shuttingDown");
    for (const stage of ["terminate", "kill", "storage", "unmount"] as const) {
      assertEquals(machine.stages().at(-1), stage);
      machine.send({ kind: "stage-done", stage });
    }
    assertEquals(machine.stages().at(-1), "power");
    assertEquals(machine.state.shutdown?.action, "poweroff");
  }
});

Deno.test("stepInit reads definitions anew at SIGHUP, and takes them or says why not", () => {
  const machine = started([web]);
  machine.send({ kind: "signal", signal: "SIGHUP" });
  assertEquals(machine.kinds().at(-1), "read-definitions");
  const problem = "x.json:1:1: error";
  machine.send({ kind: "definitions", definitions: [], problem });
  assertEquals(machine.codes().at(-1), "DEFINITIONS_REFUSED");
  assertEquals(machine.state.supervisor?.records.length, 1);
  const text = "x.json is broken";
  machine.send({ kind: "problem", subject: "definitions", text });
  assertEquals(machine.state.mode, "degraded");
  const definitions = [web, defineService("radio", { command: ["/r"] })];
  machine.send({ kind: "definitions", definitions, problem: null });
  assert(machine.codes().includes("DEFINITIONS_RELOADED"));
  assertEquals(machine.state.supervisor?.records.length, 2);
  assertEquals(machine.state.mode, "nominal");
});

Deno.test("stepInit keeps a SIGHUP that comes before the services, and drops one that comes after them", () => {
  const machine = new CoreMachine();
  machine.send({ kind: "signal", signal: "SIGHUP" });
  machine.send({ kind: "signal", signal: "SIGHUP" });
  assertEquals(machine.kinds(), []);
  machine.send({ kind: "start", definitions: [web], safeMode: false });
  const reads = () =>
    machine.kinds().filter((kind) => kind === "read-definitions").length;
  assertEquals(reads(), 1);
  machine.send({ kind: "signal", signal: "SIGTERM" });
  machine.send({ kind: "signal", signal: "SIGHUP" });
  machine.send({ kind: "definitions", definitions: [], problem: null });
  assertEquals(reads(), 1);
  assertEquals(machine.codes().includes("DEFINITIONS_RELOADED"), false);
});

Deno.test("stepInit records who asked for the shutdown twice, and counts a storm", () => {
  const machine = started([web]);
  machine.stubborn.add("web");
  for (let count = 0; count < 1000; count++) {
    machine.send({ kind: "signal", signal: "SIGTERM" });
  }
  const asked = machine.effects.flatMap((effect) =>
    effect.kind === "record" && effect.code === "SHUTDOWN_REQUESTED"
      ? [effect.text]
      : []
  );
  assertEquals(asked, [
    "poweroff, asked for by SIGTERM",
    "poweroff, asked for by SIGTERM",
    "again: all time-outs are cut",
    "again: everything is killed",
  ]);
  machine.passTo(120_000);
  const reports = machine.effects.flatMap((effect) =>
    effect.kind === "stage" && effect.stage === "power" ? [effect.report] : []
  );
  assertMatch(reports[0] ?? "", /asked for 1000 times/);
});

Deno.test("stepInit ignores signals that mean nothing to it", () => {
  const machine = started([web]);
  machine.send({ kind: "signal", signal: "SIGUSR1" });
  machine.send({ kind: "signal", signal: "__proto__" });
  assertEquals(machine.state.shutdown, null);
});

Deno.test("stepInit goes down at once when the signal comes before the services", () => {
  const machine = new CoreMachine();
  machine.send({ kind: "signal", signal: "SIGTERM" });
  assertEquals(machine.stages(), ["terminate"]);
  machine.send({ kind: "start", definitions: [web], safeMode: false });
  assertEquals(machine.state.supervisor, null);
});

Deno.test("stepInit reaches power although nothing answers and no process dies", () => {
  const machine = started([web]);
  machine.stubborn.add("web");
  machine.send(request({ kind: "power", action: "reboot" }));
  machine.passTo(10 * 60_000);
  assertEquals(machine.stages().slice(0, 5), [
    "terminate",
    "kill",
    "storage",
    "unmount",
    "power",
  ]);
  // reboot(2) came back: it is tried again.
  assert(machine.stages().filter((stage) => stage === "power").length > 1);
});

Deno.test("stepInit answers the host before it goes down, and a second request hurries", () => {
  const machine = started([web]);
  machine.stubborn.add("web");
  machine.send(request({ kind: "power", action: "poweroff" }));
  assertEquals(
    machine.kinds().indexOf("answer") < machine.kinds().lastIndexOf("record"),
    true,
  );
  const deadlineMs = machine.state.shutdown?.deadlineMs ?? 0;
  machine.send(request({ kind: "power", action: "halt" }));
  assertEquals(machine.state.shutdown?.action, "halt");
  assert((machine.state.shutdown?.deadlineMs ?? Infinity) < deadlineMs);
});

Deno.test("stepInit answers each request with its status", () => {
  const machine = new CoreMachine();
  const status = (
    action: Parameters<typeof actionRequest>[0],
  ): number | undefined => {
    machine.send(request(action));
    const answer = machine.effects.findLast((effect) =>
      effect.kind === "answer"
    );
    return answer?.kind === "answer" ? answer.status : undefined;
  };
  const stop = { kind: "service", command: "stop", service: "web" } as const;
  assertEquals(status(stop), CommandStatus.EBUSY);
  machine.send({ kind: "start", definitions: [web], safeMode: false });
  assertEquals(status(stop), CommandStatus.OK);
  assertEquals(status({ ...stop, service: "none" }), CommandStatus.ENOENT);
  assertEquals(
    status({ kind: "refused", status: CommandStatus.ENOSYS }),
    CommandStatus.ENOSYS,
  );
  const payload = Uint8Array.of(1, 2, 3);
  assertEquals(status({ kind: "ping", payload }), CommandStatus.OK);
  const answer = machine.effects.at(-1);
  assertEquals(
    answer?.kind === "answer" ? answer.result : undefined,
    payload,
  );
  assertEquals(
    status({ kind: "safe-mode", isOn: true }),
    CommandStatus.OK,
  );
  assertEquals(machine.state.mode, "safe");
  assertEquals(
    status({ kind: "safe-mode", isOn: false }),
    CommandStatus.OK,
  );
  assertEquals(machine.state.mode, "nominal");
  machine.send({ kind: "signal", signal: "SIGTERM" });
  assertEquals(status(stop), CommandStatus.EBUSY);
});

Deno.test("stepInit answers what is asked of the services, also while the machine goes down", () => {
  const machine = new CoreMachine();
  const ask = (action: Parameters<typeof actionRequest>[0]) => {
    machine.send(request(action));
    const answer = machine.effects.findLast((effect) =>
      effect.kind === "answer"
    );
    assert(answer?.kind === "answer");
    return answer;
  };
  const list = { kind: "list-services", first: 0 } as const;
  assertEquals(ask(list).status, CommandStatus.EBUSY);
  machine.stubborn.add("web");
  machine.send({ kind: "start", definitions: [web, slow], safeMode: false });
  const services = () =>
    decodeServiceList(ask(list).result ?? new Uint8Array()).services;
  assertEquals(services().map(({ name, state, pid }) => [name, state, pid]), [
    ["slow", 1, 101],
    ["web", 2, 100],
  ]);
  const status = { kind: "service-status", service: "slow" } as const;
  const { result } = ask(status);
  assertEquals(decodeServiceStatus(result ?? new Uint8Array()).phase, "main");
  assertEquals(
    ask({ ...status, service: "none" }).status,
    CommandStatus.ENOENT,
  );
  machine.send({ kind: "signal", signal: "SIGTERM" });
  assertEquals(services()[1]?.flags, 1 + 16);
});

Deno.test("stepInit hands what it can't answer itself to the shell, once", () => {
  const machine = started([web]);
  const wanted = { from: 0n, count: 96 };
  const action = { kind: "read-events", wanted } as const;
  machine.effects.length = 0;
  machine.send(request(action));
  assertEquals(machine.kinds(), ["query"]);
  const time = { seconds: 9n, nanoseconds: 0 };
  machine.send(request({ kind: "set-time", time }));
  assertEquals(machine.kinds().slice(1), ["answer", "set-clock"]);
});

Deno.test("stepInit tells when a service's part of the boot has ended", () => {
  const machine = started([
    web,
    slow,
    defineService("bad", { command: ["/x"], restart: "never" }),
  ]);
  machine.send(machine.exit("bad", 3, "SIGSEGV"));
  const milestones = machine.effects.flatMap((effect) =>
    effect.kind === "milestone" ? [[effect.service, effect.outcome]] : []
  );
  assertEquals(milestones, [
    ["web", "done"],
    ["bad", "done"],
    ["bad", "failed"],
  ]);
});

Deno.test("stepInit starts only services of safe mode when it starts in safe mode", () => {
  const radio = defineService("radio", { command: ["/r"], safeMode: true });
  const machine = started([web, radio], {}, true);
  const spawned = machine.effects.flatMap((effect) =>
    effect.kind === "service" && effect.effect.kind === "spawn"
      ? [effect.effect.service]
      : []
  );
  assertEquals(spawned, ["radio"]);
  assertEquals(machine.state.mode, "safe");
});

Deno.test("stepInit sends HEALTH to a host that listens, at once and then at its interval, one after a pause", () => {
  const machine = started([web]);
  const count = () =>
    machine.kinds().filter((kind) => kind === "health").length;
  assertEquals([count(), initDeadlineMs(machine.state)], [0, HEALTHY_AFTER_MS]);
  machine.send({ kind: "host", isConnected: true });
  assertEquals(count(), 1);
  machine.passTo(9_999);
  assertEquals(count(), 1);
  machine.passTo(30_000);
  assertEquals(count(), 4);
  machine.nowMs = 500_000;
  machine.send({ kind: "time" });
  assertEquals(count(), 5);
  machine.send({ kind: "host", isConnected: false });
  machine.passTo(900_000);
  assertEquals([count(), initDeadlineMs(machine.state)], [5, null]);
});

Deno.test("stepInit counts a boot as healthy once, a while after READY", () => {
  const machine = started([web]);
  machine.passTo(HEALTHY_AFTER_MS - 1);
  assertEquals(machine.kinds().includes("healthy"), false);
  machine.passTo(3 * HEALTHY_AFTER_MS);
  assertEquals(machine.kinds().filter((kind) => kind === "healthy").length, 1);
});

Deno.test("stepInit pets the watchdog at its interval while everything lives", () => {
  const machine = started([web], { petIntervalMs: 5_000 });
  machine.passTo(20_000);
  assertEquals(machine.kinds().filter((kind) => kind === "pet").length, 5);
});

Deno.test("stepInit lets the watchdog starve when storage does not answer, and says so once", () => {
  const machine = started([web], { petIntervalMs: 5_000 });
  machine.passTo(5_000);
  machine.send({ kind: "storage-pending", sinceMs: 5_000 });
  machine.passTo(5_000 + STORAGE_LIMIT_MS - 1);
  const before = machine.kinds().filter((kind) => kind === "pet").length;
  machine.passTo(60_000);
  assertEquals(machine.kinds().filter((kind) => kind === "pet").length, before);
  assertEquals(
    machine.codes().filter((code) => code === "WATCHDOG_STARVED").length,
    1,
  );
  machine.send({ kind: "storage-pending", sinceMs: null });
  machine.passTo(65_000);
  assertEquals(
    machine.kinds().filter((kind) => kind === "pet").length,
    before + 1,
  );
});

Deno.test("stepInit lets the watchdog starve when a critical service is down for good", () => {
  const machine = started(
    [
      defineService("main", {
        command: ["/m"],
        critical: true,
        restart: "never",
      }),
    ],
    { petIntervalMs: 1_000 },
  );
  machine.passTo(10_000);
  machine.send(machine.exit("main", 1, "SIGSEGV"));
  const before = machine.kinds().filter((kind) => kind === "pet").length;
  machine.passTo(30_000);
  assertEquals(machine.kinds().filter((kind) => kind === "pet").length, before);
});

Deno.test("stepInit leaves the watchdog armed in the last stage", () => {
  const machine = started([], { petIntervalMs: 1_000 });
  machine.send({ kind: "signal", signal: "SIGTERM" });
  for (const stage of ["terminate", "kill", "storage", "unmount"] as const) {
    machine.send({ kind: "stage-done", stage });
  }
  const before = machine.kinds().filter((kind) => kind === "pet").length;
  machine.passTo(60_000);
  assertEquals(machine.kinds().filter((kind) => kind === "pet").length, before);
});

Deno.test("initDeadlineMs is null when only news can change anything", () => {
  assertEquals(initDeadlineMs(new CoreMachine().state), null);
});
