/** FDIR, safe mode and exceptions in the core: when it looks, what it does with what was seen. */
import { assert, assertEquals } from "@std/assert";
import {
  type CheckPolicy,
  DEFAULT_FDIR_POLICY,
  type FdirPolicy,
} from "../../../lib/fdir/checks.ts";
import type { HostRequest } from "../../../lib/host/requests.ts";
import {
  EXCEPTION_STORM_COUNT,
  EXCEPTION_STORM_MS,
  HEALTHY_AFTER_MS,
  type InitEvent,
} from "../../../lib/init/core_types.ts";
import { LOOK_LIMIT_MS } from "../../../lib/init/fdir_turn.ts";
import { defineService } from "../../../lib/supervisor/definition.ts";
import { statusOf } from "../../../lib/supervisor/supervisor.ts";
import { decodeFdirResult, FdirAction } from "../../../lib/wire/fdir_result.ts";
import { CommandCode, CommandStatus } from "../../../lib/wire/telecommand.ts";
import { CoreMachine } from "../../fixtures/core_machine.ts";
import { QUIET_PROCESS } from "../../fixtures/quiet_machine.ts";

const web = defineService("web", { command: ["/bin/web"], restart: "always" });

/** A machine whose faults are looked for. */
class Machine extends CoreMachine {
  override hasCgroups = true;

  constructor(
    policy: FdirPolicy = DEFAULT_FDIR_POLICY,
    petIntervalMs: number | null = null,
  ) {
    super({ petIntervalMs, fdirPolicy: policy });
  }

  start(isOnProbation = false): this {
    this.send({
      kind: "start",
      definitions: [web],
      safeMode: isOnProbation,
      isOnProbation,
    });
    return this;
  }

  check(action: FdirAction = FdirAction.CHECK, sequence = 1): HostRequest {
    const request: HostRequest = {
      command: CommandCode.FDIR_CHECK,
      sequence,
      action: { kind: "check-fdir", action },
    };
    this.send({ kind: "request", request });
    return request;
  }

  answers(): {
    readonly sequence: number;
    readonly status: number;
    readonly anomalies: number;
  }[] {
    return this.effects.flatMap((effect) =>
      effect.kind === "answer"
        ? [{
          sequence: effect.request.sequence,
          status: effect.status,
          anomalies: effect.result === undefined
            ? -1
            : decodeFdirResult(effect.result).anomalies.length,
        }]
        : []
    );
  }
}

const respond = (
  response: CheckPolicy["response"],
): FdirPolicy => ({
  ...DEFAULT_FDIR_POLICY,
  checks: {
    ...DEFAULT_FDIR_POLICY.checks,
    cgroup: { ...DEFAULT_FDIR_POLICY.checks.cgroup, response },
  },
});

Deno.test("stepInit looks for faults once processes have settled, and then at its interval", () => {
  const machine = new Machine().start();
  machine.passTo(4_999);
  assertEquals(machine.looks.length, 0);
  machine.passTo(5_000);
  assertEquals(
    machine.looks.map((subjects) => subjects.map(({ service }) => service)),
    [
      [null, "web"],
    ],
  );
  machine.passTo(65_000);
  assertEquals(machine.looks.length, 3);
  assertEquals(machine.state.mode, "nominal");
});

Deno.test("stepInit finds each fault within one interval, is degraded by two and safe by three", () => {
  const machine = new Machine().start();
  machine.passTo(5_000);
  machine.seen = { modules: ["evil"] };
  machine.passTo(35_000);
  assertEquals(machine.state.mode, "nominal");
  machine.seen = { ...machine.seen, mounts: ["evil"] };
  machine.passTo(65_000);
  assertEquals(machine.state.mode, "degraded");
  machine.seen = { ...machine.seen, clockOffsetMs: 9_999 };
  machine.passTo(95_000);
  assertEquals(machine.state.mode, "safe");
  assert(machine.codes().includes("SAFE_MODE_ENTERED"));
  machine.seen = {};
  machine.passTo(300_000);
  assertEquals(machine.state.mode, "safe", "only the host leaves it");
  machine.send({
    kind: "request",
    request: {
      command: 12,
      sequence: 1,
      action: { kind: "safe-mode", isOn: false },
    },
  });
  assertEquals(machine.state.mode, "nominal");
});

Deno.test("stepInit isolates, restarts and reboots as the policy says", () => {
  for (
    const [response, command] of [["ISOLATE", "SERVICE_ISOLATED"], [
      "RESTART",
      "SERVICE_COMMAND",
    ]] as const
  ) {
    const machine = new Machine(respond(response)).start();
    machine.passTo(5_000);
    machine.process = (subject) => ({
      ...QUIET_PROCESS,
      startTicks: subject.instance,
      cgroup: subject.instance === 1 ? "/elsewhere" : subject.cgroup ?? "/",
    });
    machine.passTo(36_000);
    assert(machine.codes().includes(command), `${machine.codes()}`);
    const status = machine.state.supervisor &&
      statusOf(machine.state.supervisor, "web");
    assertEquals(status?.isIsolated, response === "ISOLATE");
    if (response === "RESTART") assertEquals(status?.instance, 2);
  }
  const machine = new Machine(respond("RESTART")).start();
  machine.passTo(5_000);
  machine.process = (subject) => ({
    ...QUIET_PROCESS,
    startTicks: subject.instance,
    cgroup: subject.service === null ? "/jail" : subject.cgroup ?? "/",
  });
  machine.passTo(36_000);
  assertEquals(machine.state.shutdown?.action, "reboot");
});

Deno.test("stepInit drops what a look saw of a process that has ended since", () => {
  const machine = new Machine().start();
  machine.passTo(5_000);
  machine.answersLooks = false;
  machine.passTo(35_000);
  const subjects = machine.looks.at(-1) ?? [];
  machine.process = () => ({
    ...QUIET_PROCESS,
    startTicks: 1,
    cgroup: "/elsewhere",
  });
  const observation = machine.observation(
    subjects.filter(({ service }) => service !== null),
  );
  const exit = { exitCode: 0, signal: null };
  machine.send({
    kind: "supervisor",
    event: { kind: "exited", service: "web", instance: 1, exit },
  });
  machine.send({ kind: "fdir-seen", observation });
  assertEquals(machine.codes().includes("FDIR_ANOMALY"), false);
});

Deno.test("FDIR_CHECK looks now and answers each question once, late ones by a look of their own", () => {
  const machine = new Machine().start();
  machine.passTo(6_000);
  machine.seen = { modules: ["evil"] };
  machine.check();
  assertEquals(machine.answers(), [{ sequence: 1, status: 0, anomalies: 1 }]);
  machine.answersLooks = false;
  machine.check(FdirAction.CHECK, 2);
  for (let sequence = 3; sequence < 30; sequence++) {
    machine.check(FdirAction.CHECK, sequence);
  }
  const refused = machine.answers().filter(({ status }) =>
    status === CommandStatus.EAGAIN
  );
  assertEquals(refused.length, 11);
  machine.answersLooks = true;
  machine.send({
    kind: "fdir-seen",
    observation: machine.observation(machine.looks.at(-1) ?? []),
  });
  const answered = machine.answers().filter(({ status }) => status === 0);
  assertEquals(answered.map(({ sequence }) => sequence), [
    1,
    2,
    ...Array.from({ length: 16 }, (_, index) => index + 3),
  ]);
});

Deno.test("FDIR_CHECK can take what is there for the reference", () => {
  const machine = new Machine().start();
  machine.passTo(6_000);
  machine.seen = { modules: ["mine"] };
  machine.check();
  machine.check(FdirAction.ADOPT, 2);
  machine.check(FdirAction.CHECK, 3);
  assertEquals(machine.answers().map(({ anomalies }) => anomalies), [1, 1, 0]);
});

Deno.test("a look that can't see, or never comes back, is answered and not the last", () => {
  const machine = new Machine().start();
  machine.passTo(5_000);
  machine.answersLooks = false;
  machine.check();
  machine.send({ kind: "fdir-seen", observation: null });
  assertEquals(machine.answers().at(-1)?.status, CommandStatus.EIO);
  machine.check(FdirAction.CHECK, 2);
  machine.answersLooks = true;
  machine.passTo(5_000 + LOOK_LIMIT_MS);
  assertEquals(machine.answers().at(-1), {
    sequence: 2,
    status: CommandStatus.ETIMEDOUT,
    anomalies: -1,
  });
  const before = machine.looks.length;
  machine.passTo(machine.nowMs + 30_000);
  assertEquals(machine.looks.length, before + 1);
  // What comes after all is dropped.
  machine.send({ kind: "fdir-seen", observation: null });
});

Deno.test("the host's own step of the clock is no fault, also during a look", () => {
  const machine = new Machine().start();
  machine.passTo(5_000);
  machine.answersLooks = false;
  machine.passTo(35_000);
  const stale = machine.observation(machine.looks.at(-1) ?? []);
  const time = { seconds: 9n, nanoseconds: 0 };
  machine.send({
    kind: "request",
    request: { command: 14, sequence: 1, action: { kind: "set-time", time } },
  });
  machine.seen = { clockOffsetMs: 1e9 };
  machine.answersLooks = true;
  machine.send({ kind: "fdir-seen", observation: stale });
  machine.passTo(125_000);
  assertEquals(machine.codes().includes("FDIR_ANOMALY"), false);
  machine.seen = { clockOffsetMs: 2e9 };
  machine.passTo(155_000);
  assert(machine.codes().includes("FDIR_ANOMALY"));
});

Deno.test("a safe mode that failed boots led to lasts until the host leaves it, and proves nothing", () => {
  const machine = new Machine().start(true);
  machine.passTo(10 * HEALTHY_AFTER_MS);
  assertEquals(machine.state.mode, "safe");
  assertEquals(machine.effects.some(({ kind }) => kind === "healthy"), false);
  machine.send({
    kind: "request",
    request: {
      command: 12,
      sequence: 1,
      action: { kind: "safe-mode", isOn: false },
    },
  });
  const count = (wanted: string) =>
    machine.effects.filter(({ kind }) => kind === wanted).length;
  assertEquals([count("forgive-boots"), count("healthy")], [1, 0]);
  machine.passTo(11 * HEALTHY_AFTER_MS);
  assertEquals([count("forgive-boots"), count("healthy")], [1, 1]);
});

const leave = (sequence: number): InitEvent => ({
  kind: "request",
  request: {
    command: CommandCode.LEAVE_SAFE_MODE,
    sequence,
    action: { kind: "safe-mode", isOn: false },
  },
});

Deno.test("who leaves a safe mode that failed boots led to is answered once that is stored", () => {
  const machine = new Machine().start(true);
  machine.forgivenessProblem = undefined;
  machine.send(leave(1));
  assertEquals(machine.state.mode, "nominal");
  // Whoever asks meanwhile waits as well.
  machine.send(leave(2));
  assertEquals(machine.kinds().includes("answer"), false);
  machine.send({ kind: "boots-forgiven", problem: null });
  assertEquals(machine.answers().map(({ sequence }) => sequence), [1, 2]);
  assertEquals(machine.statuses(), [CommandStatus.OK, CommandStatus.OK]);
  machine.send(leave(3));
  assertEquals(machine.statuses().length, 3);
  assertEquals(
    machine.kinds().filter((kind) => kind === "forgive-boots").length,
    1,
  );
});

Deno.test("who leaves safe mode hears EIO when that can't be stored, and may try again until the boot has proved itself", () => {
  const machine = new Machine().start(true);
  machine.forgivenessProblem = "the disk is gone";
  machine.send(leave(1));
  assertEquals(machine.state.mode, "nominal");
  assertEquals(machine.statuses(), [CommandStatus.EIO]);
  machine.send(leave(2));
  assertEquals(machine.statuses(), [CommandStatus.EIO, CommandStatus.EIO]);
  machine.forgivenessProblem = null;
  machine.send(leave(3));
  assertEquals(machine.statuses().at(-1), CommandStatus.OK);
  machine.send(leave(4));
  assertEquals(machine.statuses().at(-1), CommandStatus.OK);
  const forgiven = () =>
    machine.kinds().filter((kind) => kind === "forgive-boots").length;
  assertEquals(forgiven(), 3);

  const other = new Machine().start(true);
  other.forgivenessProblem = "the disk is gone";
  other.send(leave(1));
  other.passTo(2 * HEALTHY_AFTER_MS);
  assertEquals(other.state.healthy, true);
  // To store it now would make a healthy boot a failed one.
  other.effects.length = 0;
  other.send(leave(2));
  assertEquals(other.kinds(), ["answer"]);
});

Deno.test("an exception storm ends in a reboot, and the watchdog is not petted meanwhile; single ones do not", () => {
  const machine = new Machine(DEFAULT_FDIR_POLICY, 1_000).start();
  for (let count = 0; count < 10 * EXCEPTION_STORM_COUNT; count++) {
    machine.send({ kind: "internal-error" });
    machine.passTo(
      machine.nowMs + 2 * EXCEPTION_STORM_MS / EXCEPTION_STORM_COUNT,
    );
  }
  assertEquals(machine.state.shutdown, null);
  for (let count = 0; count < EXCEPTION_STORM_COUNT; count++) {
    machine.send({ kind: "internal-error" });
  }
  assertEquals(machine.state.shutdown?.action, "reboot");
  assertEquals(
    machine.codes().filter((code) => code === "EXCEPTION_STORM").length,
    1,
  );
  machine.effects.length = 0;
  machine.passTo(machine.nowMs + 5_000);
  assertEquals(machine.effects.some(({ kind }) => kind === "pet"), false);
});
