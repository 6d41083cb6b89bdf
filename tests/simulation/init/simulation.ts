/**
 * Plays the life of one machine: boot after boot over the same disk, until the
 * script is over; then the disk is looked at a last time. Throws at the first
 * rule that is broken. Imports the parts of the simulation.
 *
 * @module
 */
import { checkVolume } from "../../../lib/storage/check.ts";
import { formatVolume } from "../../../lib/storage/format.ts";
import { MemoryBlockDevice } from "../../../lib/storage/memory_device.ts";
import { openVolume } from "../../../lib/storage/volume.ts";
import { encodeFrame, FrameType } from "../../../lib/wire/frame.ts";
import {
  encodeParameterGet,
  encodeParameterSet,
} from "../../../lib/wire/parameter_message.ts";
import { CommandCode } from "../../../lib/wire/telecommand.ts";
import { Agenda } from "../agenda.ts";
import { Random } from "../random.ts";
import { VOLUME_BLOCKS } from "../storage/workload.ts";
import { check } from "../supervisor/invariants.ts";
import { newTally, type Tally } from "../supervisor/services.ts";
import type { InitJudge } from "./init_judge.ts";
import {
  type Boot,
  CALM_MS,
  type HostFrame,
  type InitOperation,
  type InitScenario,
  isDiskWell,
} from "./scenario.ts";
import { recordKey, StorageJudge } from "./storage_judge.ts";
import { VirtualDisk } from "./virtual_disk.ts";
import { VirtualHost } from "./virtual_host.ts";
import { VirtualMachine } from "./virtual_machine.ts";
import { type VirtualRuntime, withVirtualTimers } from "./virtual_runtime.ts";

/** How long a boot takes at most until its services are asked for. */
const BOOT_BOUND_MS = 30_000;

/** As many long answers are given at a time, and how long they take at most. */
const LONG_ANSWERS = 4;
const LONG_ANSWERS_MS = 2_000;

/** When the host asks once more for what was refused. */
const SECOND_TRY_MS = 10_000;

/** How long after its end was asked for a machine is given, in milliseconds. */
const END_LIMIT_MS = 600_000;

/** What simulations did, to show that they did something. */
export interface InitTally extends Tally {
  boots: number;
  powerCuts: number;
  orderlyEnds: number;
  watchdogResets: number;
  safeModes: number;
  acknowledgedRecords: number;
  answers: number;
  frames: number;
  calmEnds: number;
}

/** A counter of everything. */
export function newInitTally(): InitTally {
  return {
    ...newTally(),
    boots: 0,
    powerCuts: 0,
    orderlyEnds: 0,
    watchdogResets: 0,
    safeModes: 0,
    acknowledgedRecords: 0,
    answers: 0,
    frames: 0,
    calmEnds: 0,
  };
}

/** Plays a scenario to its end. Throws at the first step that breaks a rule. */
export async function playInit(
  scenario: InitScenario,
  tally: InitTally,
  trace: ((line: string) => void) | null = null,
): Promise<void> {
  const disk = await formattedDisk(scenario.seed);
  const agenda = new Agenda();
  await withVirtualTimers(
    agenda,
    (runtime) =>
      new Simulation(scenario, agenda, runtime, disk, tally, trace).play(),
  );
}

/** The disks of all simulations begin alike. */
const formatted = new Map<number, Uint8Array<ArrayBuffer>>();

async function formattedDisk(seed: number): Promise<Uint8Array<ArrayBuffer>> {
  const kind = seed % 2;
  let bytes = formatted.get(kind);
  if (bytes === undefined) {
    const device = new MemoryBlockDevice({ blockCount: VOLUME_BLOCKS });
    await formatVolume(device, {
      tenantId: 1,
      epoch: 0n,
      uuid: new Random(kind).bytes(16),
    });
    if (kind === 1) {
      const volume = await openVolume(device);
      await volume.dataProducts.write({
        name: "old",
        dataProductClass: 1,
        priority: 2,
        data: new Random(kind).bytes(700),
      });
      await volume.close();
    }
    bytes = device.bytes;
    formatted.set(kind, bytes);
  }
  return bytes.slice();
}

class Simulation {
  readonly #scenario: InitScenario;
  readonly #agenda: Agenda;
  readonly #runtime: VirtualRuntime;
  readonly #random: Random;
  readonly #disk: VirtualDisk;
  readonly #host: VirtualHost;
  readonly #storage: StorageJudge;
  readonly #tally: InitTally;
  readonly #trace: ((line: string) => void) | null;
  #machine: VirtualMachine;
  /** What the count of failed boots may be; null where anything may. */
  #failedBoots: readonly number[] | null = null;

  constructor(
    scenario: InitScenario,
    agenda: Agenda,
    runtime: VirtualRuntime,
    disk: Uint8Array<ArrayBuffer>,
    tally: InitTally,
    trace: ((line: string) => void) | null,
  ) {
    this.#trace = trace;
    this.#scenario = scenario;
    this.#agenda = agenda;
    this.#runtime = runtime;
    this.#tally = tally;
    this.#random = new Random(scenario.seed, 12);
    this.#disk = new VirtualDisk(disk, agenda, this.#random);
    this.#storage = new StorageJudge(() => agenda.nowMs);
    this.#host = new VirtualHost(agenda, this.#random, {
      onEvent: (record) => this.#storage.told(recordKey(record)),
      onHealth: () => {},
    });
    this.#machine = this.#newMachine(false);
  }

  async play(): Promise<void> {
    for (const boot of this.#scenario.boots) await this.#playBoot(boot);
    this.#disk.heal();
    if (this.#scenario.hasDisk) await this.#judgeDisk();
    this.#tally.acknowledgedRecords += this.#storage.acknowledged;
    this.#tally.answers += this.#host.answersIn;
    this.#tally.frames += this.#host.framesIn;
  }

  #newMachine(safeMode: boolean): VirtualMachine {
    return new VirtualMachine({
      scenario: this.#scenario,
      agenda: this.#agenda,
      random: this.#random,
      disk: this.#disk,
      host: this.#host,
      storage: this.#storage,
      tally: this.#tally,
      safeMode,
      bootMs: this.#agenda.nowMs,
      trace: this.#trace,
    });
  }

  async #playBoot(boot: Boot): Promise<void> {
    const startMs = this.#agenda.nowMs;
    this.#trace?.(`boot, to end ${JSON.stringify(boot.end)}`);
    this.#tally.boots++;
    this.#machine = this.#newMachine(boot.safeMode);
    this.#machine.boot();
    await this.#runtime.drainMicrotasks();
    this.#machine.settle();
    for (const { atMs, operation } of boot.operations) {
      this.#agenda.at(startMs + atMs, () => this.#operate(operation));
    }
    await this.#run(startMs + boot.endMs);
    if (boot.isCalm) await this.#becomeCalm();
    if (boot.end.kind === "orderly") await this.#endInOrder(boot.end);
    if (this.#machine.state?.safeMode === true) this.#tally.safeModes++;
    await this.#stop();
  }

  /** Lets things happen until a time, or until the machine has ended. */
  async #run(untilMs: number): Promise<void> {
    const machine = this.#machine;
    const agenda = this.#agenda;
    let idle = 0;
    let news = -1;
    while (machine.ended === null && agenda.nextMs <= untilMs) {
      idle = agenda.nextMs <= agenda.nowMs ? idle + 1 : 0;
      check(idle < 20_000, "time goes on: nothing is due again and again");
      agenda.runNext();
      // Only these give asynchronous code something to go on with.
      const now = machine.steps + this.#disk.answeredRequests +
        this.#runtime.firedTimers;
      if (now !== news) await this.#runtime.drainMicrotasks();
      news = now;
      machine.settle();
    }
    if (machine.ended === null && untilMs !== Infinity) agenda.pass(untilMs);
  }

  /** Everything is well from now on: in the end nothing may be missing. */
  async #becomeCalm(): Promise<void> {
    const machine = this.#machine;
    if (machine.ended !== null || machine.state?.shutdown != null) return;
    this.#tally.calmEnds++;
    this.#disk.heal();
    this.#host.open();
    this.#host.resume();
    machine.isCalm = true;
    machine.services?.calmDown();
    if (machine.state?.supervisor == null) {
      await this.#run(this.#agenda.nowMs + BOOT_BOUND_MS);
    }
    this.#commandSoon(CommandCode.LEAVE_SAFE_MODE);
    this.#agenda.at(this.#agenda.nowMs + SECOND_TRY_MS, () => {
      // There was no room for the answer: a disk that hung owed too many.
      if (machine.state?.safeMode !== true) return;
      this.#host.command(CommandCode.LEAVE_SAFE_MODE, new Uint8Array());
    });
    machine.signal("SIGHUP");
    // Judged before anybody is reaped, as what follows any other event is.
    machine.settle();
    this.#agenda.at(this.#agenda.nowMs + 2, () => {
      // Who was isolated runs again when the host says so.
      const records = machine.state?.supervisor?.records ?? [];
      for (const { definition, isIsolated } of records) {
        if (!isIsolated) continue;
        const name = new TextEncoder().encode(definition.name);
        this.#host.command(CommandCode.SERVICE_START, name);
      }
    });
    await this.#run(this.#agenda.nowMs + CALM_MS);
    if (machine.ended !== null || machine.state?.shutdown != null) return;
    const { services, state } = machine;
    check(
      services !== null && state?.readyMs != null,
      "a calm machine is READY",
    );
    services.checkEverybodyIsUp();
    const checkAnswers = (): void =>
      check(
        this.#host.isAnswered,
        `every command has its answer, except ${this.#host.outstanding}`,
      );
    checkAnswers();
    // Room that was kept for an answer and not given back would be missed now.
    const { refusals } = this.#host;
    for (let time = 0; time < LONG_ANSWERS; time++) {
      this.#host.command(CommandCode.DP_LIST, new Uint8Array());
    }
    await this.#run(this.#agenda.nowMs + LONG_ANSWERS_MS);
    checkAnswers();
    check(
      this.#host.refusals === refusals,
      "a calm machine has room for as many answers as it ever has",
    );
  }

  async #endInOrder(
    end: Extract<Boot["end"], { readonly kind: "orderly" }>,
  ): Promise<void> {
    const machine = this.#machine;
    if (machine.ended !== null) return;
    machine.prepareEnd(end.refusals, end.syncMs);
    this.#host.open();
    this.#host.resume();
    this.#commandSoon(end.command);
    // Who has no host yet, or lost the command, has somebody at the console.
    this.#agenda.at(this.#agenda.nowMs + 100, () => {
      if (machine.state?.shutdown == null) machine.signal("SIGTERM");
    });
    const nowMs = this.#agenda.nowMs;
    await this.#run(nowMs + Math.min(END_LIMIT_MS, end.cutAfterMs));
    check(
      machine.ended !== null || end.cutAfterMs < END_LIMIT_MS,
      "a machine that is asked to go down ends",
    );
  }

  /** The host's end is open in a moment. */
  #commandSoon(command: number): void {
    this.#agenda.at(
      this.#agenda.nowMs + 1,
      () => this.#host.command(command, new Uint8Array()),
    );
  }

  /** The machine is off, by whatever hand. */
  async #stop(): Promise<void> {
    const { ended, judge } = this.#machine;
    this.#machine.isOver = true;
    if (ended === null) this.#tally.powerCuts++;
    else if (ended === "watchdog") this.#tally.watchdogResets++;
    else this.#tally.orderlyEnds++;
    if (ended === null || ended === "watchdog") this.#disk.cutPower();
    else this.#disk.powerDown();
    this.#storage.end();
    this.#countBoot(judge);
    this.#host.forget();
    await this.#runtime.drainMicrotasks();
    this.#agenda.clear();
  }

  /** What the next boot may find in the count of failed boots. */
  #countBoot(judge: InitJudge): void {
    const { ended, state } = this.#machine;
    const failed = judge.failedBoots;
    if (failed === null) return;
    check(
      this.#failedBoots?.includes(failed) !== false,
      `${failed} failed boots are counted, expected one of ${this.#failedBoots}`,
    );
    const isWell = isDiskWell(this.#scenario);
    const isOrderly = ended !== null && ended !== "watchdog";
    const next = judge.isHealthy ? 0 : judge.isWithdrawn ? failed : failed + 1;
    const isSettled = isWell && judge.isCounted && !judge.isForgiven &&
      (isOrderly || (state?.readyMs != null && next === failed + 1));
    const isForgiven = isWell && judge.isForgivenForGood;
    const unsure = isForgiven ? [0, 1] : [0, 1, failed, failed + 1];
    this.#failedBoots = isSettled ? [next] : unsure;
  }

  /** Somebody takes the disk out and looks at it. */
  async #judgeDisk(): Promise<void> {
    const device = this.#disk.copy();
    const { verdict, findings } = await checkVolume(device);
    check(
      verdict !== "bad" || this.#disk.badReads.size > 0,
      `the volume is sound: ${findings.map(({ message }) => message)}`,
    );
    const volume = await openVolume(device);
    this.#storage.judge(volume, this.#disk);
  }

  #operate(operation: InitOperation): void {
    this.#trace?.(
      `${this.#machine.boottimeMs()} * ${JSON.stringify(operation)}`,
    );
    const machine = this.#machine;
    const { services } = machine;
    const host = this.#host;
    const { nowMs } = this.#agenda;
    switch (operation.kind) {
      case "crash":
        return services?.crash(operation.service);
      case "unhealthy":
        return services?.findUnhealthy(operation.service);
      case "stop-process":
        return services?.stopProcess(operation.service);
      case "stale":
        return services?.sendStale(operation.service);
      case "signal":
        return machine.signal(operation.signal);
      case "spurious-sigchld":
        return machine.sigchld();
      case "orphans":
        return machine.addOrphans(operation.count);
      case "clock-step":
        return machine.stepClock(operation.byMs);
      case "stall":
        return machine.stall(operation.forMs);
      case "host-opens":
        return host.open();
      case "host-hangs-up":
        return host.hangUp(operation.unfinishedBytes);
      case "host-pauses":
        return host.pause(nowMs + operation.forMs);
      case "host-sends":
        for (let time = 0; time < operation.times; time++) {
          this.#sendFrame(operation.frame);
        }
        return;
      case "disk-hangs":
        return this.#disk.hang(nowMs + operation.forMs);
      case "bad-sector":
        return this.#disk.spoil(operation.block, operation.what);
      case "flush-fails":
        this.#disk.failingFlushes += operation.times;
        return;
    }
  }

  #sendFrame(frame: HostFrame): void {
    switch (frame.kind) {
      case "command":
        return this.#host.command(
          frame.command,
          Uint8Array.from(frame.arguments),
        );
      case "parameter-get":
        return this.#host.hostFrame(
          FrameType.PRM_GET,
          encodeParameterGet(frame.id),
        );
      case "parameter-set":
        return this.#host.hostFrame(
          FrameType.PRM_SET,
          encodeParameterSet({
            parameterId: frame.id,
            value: Uint8Array.from(frame.value),
          }),
        );
      case "garbage":
        return this.#host.bytes(new Random(frame.seed).bytes(256));
      case "other":
        // Its payload looks like no frame's head: where that is cut, a link may
        // take it for a next host's first.
        return this.#host.bytes(encodeFrame({
          type: frame.type as FrameType,
          apid: frame.apid,
          destinationApid: 0,
          payload: new Uint8Array(frame.payloadBytes).fill(0x77),
        }));
    }
  }
}
