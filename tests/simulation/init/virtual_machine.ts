/**
 * One boot of a virtual machine: the init's real shell, core, records, boot
 * counter, host session, link and volume over virtual processes, disk, host,
 * watchdog and clocks. It carries out what the shell asks of a machine, and
 * judges each of its steps. Imports `init` and the other parts of the
 * simulation.
 *
 * @module
 */
import {
  HostLink,
  type LinkEvents,
  type LinkPort,
} from "../../../lib/host/link.ts";
import { INIT_PARAMETERS } from "../../../lib/init/config.ts";
import type { BootResult } from "../../../lib/init/boot.ts";
import { parseCommandLine } from "../../../lib/init/command_line.ts";
import type {
  InitEffect,
  InitEvent,
  InitState,
  InitStep,
  ServiceEffect,
} from "../../../lib/init/core_types.ts";
import { loadConfig } from "../../../lib/init/load_config.ts";
import type { Reload } from "../../../lib/init/reload_definitions.ts";
import { DEFAULT_FDIR_POLICY } from "../../../lib/fdir/checks.ts";
import { findVolume } from "../../../lib/init/find_volume.ts";
import { Log } from "../../../lib/init/log.ts";
import type {
  Machine,
  OpenedLink,
  Services,
  ServicesParts,
} from "../../../lib/init/machine.ts";
import { Shell, type SignalSource } from "../../../lib/init/shell.ts";
import type { PowerAction } from "../../../lib/init/shutdown.ts";
import { Timeline } from "../../../lib/init/timeline.ts";
import type { ChildExit } from "../../../lib/linux/process.ts";
import type { SignalName } from "../../../lib/linux/signal_table.ts";
import type { Watchdog } from "../../../lib/linux/watchdog.ts";
import {
  createSupervisor,
  type SupervisorEvent,
  type SupervisorState,
} from "../../../lib/supervisor/supervisor.ts";
import type { Agenda } from "../agenda.ts";
import type { Random } from "../random.ts";
import { check } from "../supervisor/invariants.ts";
import {
  type Process,
  type Tally,
  VirtualServices,
} from "../supervisor/services.ts";
import { InitJudge } from "./init_judge.ts";
import type { InitScenario } from "./scenario.ts";
import type { StorageJudge } from "./storage_judge.ts";
import type { VirtualDisk } from "./virtual_disk.ts";
import type { VirtualHost } from "./virtual_host.ts";
import { VirtualLooker } from "./virtual_looker.ts";

/** The wall clock at the first boot: any will do. */
const EPOCH_MS = 1_795_000_000_000;

/** How often faults are looked for. */
const FDIR_INTERVAL_MS = 3_000;

/** How long a SIGCHLD takes at most; those that fall together are one. */
const SIGCHLD_DELAY_MS = 3;

/** What a boot is made of. */
export interface MachineParts {
  readonly scenario: InitScenario;
  readonly agenda: Agenda;
  readonly random: Random;
  readonly disk: VirtualDisk;
  readonly host: VirtualHost;
  readonly storage: StorageJudge;
  readonly tally: Tally;
  /** Whether the kernel command line asks for safe mode. */
  readonly safeMode: boolean;
  /** The agenda's time at which the kernel started. */
  readonly bootMs: number;
  /** Sees what the init says, for a person. */
  readonly trace: ((line: string) => void) | null;
}

/** How a machine's life ended. */
export type MachineEnd = PowerAction | "watchdog";

/** A process's end that nobody has reaped. */
interface Zombie {
  readonly pid: number;
  /** Null for an orphan. */
  readonly process: Process | null;
}

/** Signals wait until somebody listens, as those of the init do. */
class VirtualSignals implements SignalSource {
  #waiting: SignalName[] = [];
  #listener: ((signal: SignalName) => void) | null = null;

  get onSignal(): (signal: SignalName) => void {
    return this.#listener ?? (() => {});
  }

  set onSignal(listener: (signal: SignalName) => void) {
    this.#listener = listener;
    for (const signal of this.#waiting.splice(0)) listener(signal);
  }

  arrived(signal: SignalName): void {
    if (this.#listener === null) this.#waiting.push(signal);
    else this.#listener(signal);
  }
}

/** One boot. */
export class VirtualMachine implements Machine {
  readonly #parts: MachineParts;
  readonly #log: Log;
  readonly #judge: InitJudge;
  readonly #signals = new VirtualSignals();
  #shell: Shell | null = null;
  #services: VirtualServices | null = null;
  #dispatch: (event: SupervisorEvent) => void = () => {};
  #zombies: Zombie[] = [];
  #isSigchldPending = false;
  #nextPid = 100;
  #clockOffsetMs = EPOCH_MS;
  #effects: readonly InitEffect[] = [];
  #effectAt = 0;
  #isStepOpen = false;
  #answers: SupervisorEvent[] = [];
  #petDueMs = Infinity;
  #timeoutSeconds: number | null = null;
  #isBootSaid = false;
  #refusals = 0;
  #syncMs = 0;
  #failure: unknown = null;
  /** Steps of the core so far. */
  steps = 0;
  /** How it ended, or null while it runs. */
  ended: MachineEnd | null = null;
  /** Whether its time is over, by whatever hand. */
  isOver = false;
  /** Whether every new process behaves well. */
  isCalm = false;

  /**
   * A machine whose kernel has just started.
   *
   * @param parts What it is made of.
   */
  constructor(parts: MachineParts) {
    this.#parts = parts;
    this.#log = new Log({ nowMs: () => this.boottimeMs(), ringBytes: 4096 });
    this.#log.follow(({ bytes }) => this.#said(bytes));
    this.#judge = new InitJudge({
      scenario: parts.scenario,
      nowMs: () => this.boottimeMs(),
      storage: parts.storage,
      disk: parts.disk,
    });
  }

  /** The judge of this boot. */
  get judge(): InitJudge {
    return this.#judge;
  }

  /** The services, once there are any. */
  get services(): VirtualServices | null {
    return this.#services;
  }

  /** What the core knows, or null before there is a shell. */
  get state(): InitState | null {
    return this.#shell?.state ?? null;
  }

  /** Boots; what is to wait for the disk goes on by itself. */
  boot(): void {
    const { watchdogSeconds } = this.#parts.scenario;
    if (watchdogSeconds !== null) this.#pet(watchdogSeconds);
    this.#run().catch((error) => {
      this.#failure ??= error;
    });
  }

  async #run(): Promise<void> {
    const { scenario, disk, storage, safeMode } = this.#parts;
    const { definitions, hasDisk, watchdogSeconds } = scenario;
    const options = parseCommandLine(
      `spaceos.disk=/dev/vda${safeMode ? " spaceos.safe" : ""}`,
    );
    const found = await findVolume(options, {
      exists: () => hasDisk,
      open: () => disk.open(),
    });
    storage.boot(found.volume, disk);
    const { volume } = found;
    const numberAt = (id: number) =>
      numberOf(volume?.parameters.get(id)?.value);
    this.#judge.booted({
      bootCount: volume === null
        ? null
        : numberAt(INIT_PARAMETERS["boot-count"].id),
      failedBoots: numberAt(INIT_PARAMETERS["failed-boots"].id),
      safeMode,
    });
    const { config } = await loadConfig(volume?.parameters ?? null, options);
    if (watchdogSeconds !== null) this.#pet(config.watchdogTimeoutSeconds);
    const booted: BootResult = {
      options,
      console: { droppedLines: 0, flush: () => {} },
      watchdog: watchdogSeconds === null
        ? null
        : watchdogOf(config.watchdogTimeoutSeconds),
      found,
      definitions,
      bundles: [],
      ...(scenario.hasFdir
        ? {
          fdir: {
            policy: DEFAULT_FDIR_POLICY,
            looker: new VirtualLooker(
              this.#parts.random,
              () => this.isCalm,
            ),
          },
        }
        : {}),
      // Often enough to find something in so short a life.
      config: { ...config, fdirIntervalMs: FDIR_INTERVAL_MS },
      preparer: null,
      problems: found.reasons.map((text) => ({ subject: "superblock", text })),
    };
    const timeline = new Timeline();
    this.#shell = new Shell(this, this.#log, timeline, booted);
    this.#judge.created(this.#shell.state);
    await this.#shell.start(this.#signals);
  }

  /** What follows after something happened; throws what went wrong. */
  settle(): void {
    this.#endStep();
    if (this.#failure !== null) throw this.#failure;
    if (this.ended !== null) return;
    this.#judge.timePassed(this.state);
  }

  /** The wall clock is stepped. */
  stepClock(byMs: number): void {
    this.#clockOffsetMs += byMs;
  }

  /** A signal for process 1. */
  signal(signal: SignalName): void {
    this.#signals.arrived(signal);
  }

  /** A SIGCHLD, with or without a reason. */
  sigchld(): void {
    if (this.#isSigchldPending) return;
    this.#isSigchldPending = true;
    const { agenda, random } = this.#parts;
    agenda.at(agenda.nowMs + random.below(SIGCHLD_DELAY_MS + 1), () => {
      this.#isSigchldPending = false;
      this.signal("SIGCHLD");
    });
  }

  /** Processes end that no service has. */
  addOrphans(count: number): void {
    for (let index = 0; index < count; index++) {
      this.#zombies.push({ pid: this.#nextPid++, process: null });
    }
    this.sigchld();
  }

  /** Nothing runs for a while: neither the init nor anybody else; the watchdog does. */
  stall(forMs: number): void {
    const { agenda } = this.#parts;
    const untilMs = agenda.nowMs + forMs;
    if (this.#petDueMs <= untilMs) {
      agenda.pass(this.#petDueMs);
      this.#bite(true);
    } else {
      agenda.pass(untilMs);
      this.#judge.stalled(forMs);
    }
  }

  /** How the next shutdown of the hardware goes. */
  prepareEnd(refusals: number, syncMs: number): void {
    this.#refusals = refusals;
    this.#syncMs = syncMs;
  }

  // --- What the shell asks of its machine -----------------------------------

  /** See {@linkcode Machine.boottimeMs}. */
  boottimeMs(): number {
    return this.#parts.agenda.nowMs - this.#parts.bootMs;
  }

  /** See {@linkcode Machine.realtimeMs}. */
  realtimeMs(): number {
    return this.#clockOffsetMs + this.boottimeMs();
  }

  /** See {@linkcode Machine.setRealtime}. */
  setRealtime(ms: number): void {
    if (ms < 0) throw new Error("EINVAL");
    this.#clockOffsetMs = ms - this.boottimeMs();
  }

  /** See {@linkcode Machine.random}. */
  random(): number {
    return this.#parts.random.fraction();
  }

  /** See {@linkcode Machine.readProc}. */
  readProc(): string {
    return "";
  }

  /** See {@linkcode Machine.createServices}. */
  createServices(parts: ServicesParts): Services {
    this.#dispatch = parts.dispatch;
    return {
      prepareCgroups: () => this.#parts.scenario.hasCgroups ? null : "none",
      perform: (effect) => this.#guard(() => this.#perform(effect)),
      childrenExited: (exits) => this.#guard(() => this.#childrenExited(exits)),
    };
  }

  /** See {@linkcode Machine.openHostLink}. */
  openHostLink(events: LinkEvents): OpenedLink | null {
    const { host } = this.#parts;
    // What an init has yet to say when its machine ends is never said.
    const port: LinkPort = {
      read: (buffer) => this.isOver ? null : host.read(buffer),
      write: (bytes) => this.isOver ? null : host.write(bytes),
      listen: (onPolled) => host.listen(onPolled),
      watchRoom: (isWatched) => host.watchRoom(isWatched),
      rearm: () => host.rearm(),
      close: () => host.close(),
    };
    const nowMs = () => this.boottimeMs();
    return { link: new HostLink(port, events, nowMs), path: "virtual" };
  }

  /** See {@linkcode Machine.drainChildExits}. */
  drainChildExits(limit: number): readonly ChildExit[] {
    return this.#zombies.slice(0, limit).map(({ pid, process }) => ({
      pid,
      exitCode: process === null ? 0 : process.exit.exitCode,
      signal: process?.exit.signal ?? null,
      coreDumped: false,
      timeMs: this.boottimeMs(),
    }));
  }

  /** See {@linkcode Machine.hasChildren}. */
  hasChildren(): boolean {
    return this.#zombies.length > 0 || this.#services?.isAnythingLeft === true;
  }

  /** See {@linkcode Machine.killAll}. */
  killAll(signal: SignalName): void {
    this.#guard(() => {
      this.#flushNotes(Infinity);
      this.#services?.signalAll(signal);
    });
  }

  /** See {@linkcode Machine.petWatchdog}. */
  petWatchdog(watchdog: Watchdog): void {
    this.#guard(() => this.#judge.petted(this.state));
    this.#pet(this.#timeoutSeconds ?? watchdog.timeoutS ?? 0);
  }

  /** See {@linkcode Machine.setWatchdogTimeout}. */
  setWatchdogTimeout(_watchdog: Watchdog, seconds: number): number {
    this.#timeoutSeconds = seconds;
    this.#pet(seconds);
    return seconds;
  }

  /** See {@linkcode Machine.reloadDefinitions}. */
  reloadDefinitions(): Reload {
    const { scenario, random } = this.#parts;
    const { definitions } = scenario;
    if (this.isCalm || definitions.length === 0) {
      return { definitions, issues: [], problem: null };
    }
    if (random.chance(0.2)) {
      return { definitions: [], issues: [], problem: "they can't be read" };
    }
    const without = random.chance(0.5) ? random.pick(definitions) : null;
    return {
      definitions: definitions.filter((one) => one !== without),
      issues: [],
      problem: null,
    };
  }

  /** See {@linkcode Machine.setNoNewPrivileges}. */
  setNoNewPrivileges(): void {}

  /** See {@linkcode Machine.detachFilesystems}. */
  detachFilesystems(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.#syncMs));
  }

  /** See {@linkcode Machine.end}. */
  end(action: PowerAction): void {
    this.#guard(() => this.#judge.askedToEnd());
    if (this.#refusals > 0) {
      this.#refusals--;
      throw new Error("reboot: EIO");
    }
    this.ended = action;
  }

  /** See {@linkcode Machine.onStep}. */
  onStep(event: InitEvent, step: InitStep): void {
    this.#guard(() => this.#stepped(event, step));
  }

  #stepped(event: InitEvent, step: InitStep): void {
    this.#endStep();
    this.steps++;
    this.#effects = step.effects;
    this.#effectAt = 0;
    this.#isStepOpen = true;
    const { supervisor } = step.state;
    if (event.kind === "supervisor") {
      const index = this.#answers.indexOf(event.event);
      if (index >= 0) this.#answers.splice(index, 1);
    }
    if (supervisor !== null) {
      this.#services ??= this.#createServices(supervisor);
      this.#services.isCalm = this.isCalm;
      this.#services.beginStep(supervisor, isMeddling(event));
    }
    this.#judge.stepped(event, step);
  }

  // --- Inside ---------------------------------------------------------------

  /** The shell carries on whatever is thrown at it: what was is kept for the end. */
  #guard<T>(judge: () => T): T {
    try {
      return judge();
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  /** What the shell says by itself goes to the log only. */
  #said(bytes: Uint8Array): void {
    this.#guard(() => this.#heard(bytes));
  }

  #heard(bytes: Uint8Array): void {
    if (this.#parts.trace === null && this.#isBootSaid) return;
    const text = new TextDecoder().decode(bytes);
    this.#parts.trace?.(`${this.boottimeMs()} ${text}`);
    if (this.#isBootSaid || !text.startsWith("BOOT ")) return;
    this.#isBootSaid = true;
    this.#judge.bootRecorded(text.slice("BOOT ".length));
  }

  #createServices(supervisor: SupervisorState): VirtualServices {
    const { scenario, agenda, random, tally, bootMs } = this.#parts;
    const definitions = supervisor.records.map(({ definition }) => definition);
    return new VirtualServices(
      { ...scenario, seed: scenario.seed * 31 + bootMs },
      createSupervisor(definitions),
      random,
      {
        nowMs: () => this.boottimeMs(),
        at: (atMs, run) => void agenda.at(bootMs + atMs, run),
        send: (event) => this.#dispatch(event),
        onEnded: (process) => {
          this.#zombies.push({ pid: process.pid, process });
          this.sigchld();
        },
        onOrphanEnded: () => this.addOrphans(1),
        newPid: () => this.#nextPid++,
      },
      tally,
    );
  }

  #perform(effect: ServiceEffect): void {
    const services = this.#services;
    check(services !== null, "services are asked for once there are any");
    this.#flushNotes(effect);
    for (const answer of services.carryOut(effect)) {
      this.#answers.push(answer);
      this.#dispatch(answer);
    }
  }

  /** Books the records of a step up to an effect, in their order. */
  #flushNotes(until: ServiceEffect | number): void {
    while (this.#effectAt < this.#effects.length) {
      const effect = this.#effects[this.#effectAt++];
      if (effect === undefined) return;
      if (effect.kind === "service" && effect.effect === until) return;
      if (effect.kind !== "record") continue;
      const service = this.#serviceOf(effect.text);
      if (service === null && !effect.code.startsWith("SERVICE_")) {
        check(
          effect.code !== "INTERNAL_ERROR",
          `no internal error: ${effect.text}`,
        );
        continue;
      }
      const { code, severity, text } = effect;
      this.#services?.carryOut({
        kind: "event",
        code,
        severity,
        service,
        text,
      });
    }
  }

  #serviceOf(text: string): string | null {
    const name = text.slice(0, Math.max(0, text.indexOf(": ")));
    const isService = this.#parts.scenario.definitions.some((definition) =>
      definition.name === name
    );
    return isService ? name : null;
  }

  #endStep(): void {
    if (!this.#isStepOpen) return;
    this.#isStepOpen = false;
    this.#flushNotes(Infinity);
    this.#services?.endStep(this.#answers);
  }

  #childrenExited(exits: readonly ChildExit[]): number {
    const services = this.#services;
    // All are looked up before the first is told: what starts because of it may
    // get the number of another.
    const ended = exits.map(({ pid }) => {
      const index = this.#zombies.findIndex((zombie) => zombie.pid === pid);
      const [zombie] = index < 0 ? [] : this.#zombies.splice(index, 1);
      check(zombie !== undefined, "each exit is taken once");
      return zombie.process;
    });
    let count = 0;
    for (const process of ended) {
      if (process === null || services === null) continue;
      count++;
      this.#dispatch(services.reap(process));
      this.#endStep();
      services.repeatExit(process);
    }
    return count;
  }

  #pet(timeoutSeconds: number): void {
    const { agenda } = this.#parts;
    const dueMs = agenda.nowMs + 1000 * timeoutSeconds;
    this.#petDueMs = dueMs;
    agenda.at(dueMs, () => {
      if (this.#petDueMs === dueMs && this.ended === null) this.#bite(false);
    });
  }

  /** The watchdog resets the machine. */
  #bite(isStalled: boolean): void {
    this.ended = "watchdog";
    if (!isStalled) this.#judge.bitten();
  }
}

function watchdogOf(timeoutS: number): Watchdog {
  return {
    descriptor: -1,
    path: "/dev/watchdog",
    info: undefined,
    timeoutS,
    timeoutError: undefined,
    noWayOut: undefined,
  };
}

function numberOf(value: Uint8Array | undefined): number {
  if (value?.length !== 4) return 0;
  return new DataView(value.buffer, value.byteOffset, 4).getUint32(0);
}

/** Whether somebody asked for something, so that failures are forgiven. */
function isMeddling(event: InitEvent): boolean {
  switch (event.kind) {
    case "request":
    case "signal":
    case "start":
    case "definitions":
    case "fdir-seen":
      return true;
    case "supervisor":
      return event.event.kind === "command";
    case "time":
    case "problem":
    case "solved":
    case "fdir-expect":
    case "internal-error":
    case "host":
    case "configure":
    case "boots-forgiven":
    case "storage-pending":
    case "stage-done":
      return false;
  }
}
