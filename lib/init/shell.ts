/**
 * The shell around the core: turns facts into events, carries out effects, and
 * keeps the one timer. It decides nothing. Nothing that it calls may throw out
 * of it: each effect is carried out by itself, and what fails is said. It
 * reaches the kernel only through the machine that it is given, so that the
 * simulator can be that machine. Imports `host`, `wire`, types of `linux`, and
 * this room.
 *
 * @module
 */
import type { FdirObservation, ProcessSubject } from "../fdir/snapshot.ts";
import { frameToHost, type HostRequest } from "../host/requests.ts";
import { peerFrameText, PeerLimit } from "../host/peer_frames.ts";
import type { SignalName } from "../linux/signal_table.ts";
import type { ServiceDefinition } from "../supervisor/service_definition.ts";
import { issueText } from "../supervisor/schema.ts";
import { encodeDataProductDescriptor } from "../wire/data_product.ts";
import { EventSeverity } from "../wire/event.ts";
import { type EventCodeName, eventCodes } from "../wire/event_code.ts";
import { FrameType } from "../wire/frame.ts";
import type { MissionTime } from "../wire/time_set.ts";
import type { BootResult } from "./boot.ts";
import { BootCounter } from "./boot_counter.ts";
import { LOG_LEVELS } from "./command_line.ts";
import type { ConfigName } from "./config.ts";
import { createInit, initDeadlineMs, stepInit } from "./core.ts";
import { healthText, whyNotAlive } from "./core_condition.ts";
import {
  EXCEPTION_STORM_COUNT,
  type InitEffect,
  type InitEvent,
  type InitState,
  type ServiceEffect,
} from "./core_types.ts";
import { healthFrame, MODE_NUMBERS } from "./health_frame.ts";
import { HostSession } from "./host_session.ts";
import type { Log } from "./log.ts";
import type { Machine, Services } from "./machine.ts";
import { MissionClock } from "./mission_clock.ts";
import { ParameterDesk } from "./parameter_desk.ts";
import { Queries } from "./queries.ts";
import { Records } from "./records.ts";
import { PAGE_INTERVAL_MS, SharedPageSession } from "./shared_page_session.ts";
import { ShutdownStages } from "./shutdown_stages.ts";
import type { Timeline } from "./timeline.ts";

/** The longest timer of the runtime. */
const MAXIMUM_TIMER_MS = 0x7FFF_FFFF;

/** How often dropped lines are recorded at most. */
const DROP_RECORD_INTERVAL_MS = 10_000;

/** How long new processes have the processor before the init says that they are there. */
const TELL_DELAY_MS = 5;

/** Exits handled in one go; then timers and frames have their turn. */
const EXIT_BATCH = 1024;

/** Where signals come from. */
export interface SignalSource {
  /** Who is told from now on; what has waited is told at once. */
  onSignal: (signal: SignalName) => void;
}

/** The shell of one boot. */
export class Shell {
  readonly #machine: Machine;
  readonly #log: Log;
  readonly #timeline: Timeline;
  readonly #booted: BootResult;
  readonly #services: Services;
  readonly #host: HostSession;
  readonly #records: Records;
  readonly #counter: BootCounter;
  readonly #queries: Queries;
  readonly #clock: MissionClock;
  readonly #page: SharedPageSession | null;
  readonly #stages: ShutdownStages;
  readonly #peerLimit = new PeerLimit();
  readonly #queue: InitEvent[] = [];
  /**
   * What is to be said and recorded once the processes of this turn are made
   * and run: a service that died is not to wait for the console before it is
   * there again. Nothing else is said before it.
   */
  readonly #untold: InitEffect[] = [];
  #tellTimer: ReturnType<typeof setTimeout> | undefined;
  #hasSpawned = false;
  #state: InitState;
  #isDraining = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerMs = Infinity;
  /** The state that the timer was set by. */
  #timedState: InitState | null = null;
  #childExits = 0;
  #orphanExits = 0;
  #watchdogPets = 0;
  #internalErrors = 0;
  #nextInternalErrorRecord = 1;
  #droppedLines = 0;
  #nextDropRecordMs = 0;
  #hasNoNewPrivileges = false;

  /**
   * Begins where the boot has ended.
   *
   * @param machine What it runs on.
   * @param log Where it says what it does.
   * @param timeline Where it notes how long the start of the services took.
   * @param booted What the boot found.
   */
  constructor(
    machine: Machine,
    log: Log,
    timeline: Timeline,
    booted: BootResult,
  ) {
    this.#machine = machine;
    this.#log = log;
    this.#timeline = timeline;
    this.#booted = booted;
    const { watchdog, found } = booted;
    log.before = () => this.#tell();
    this.#clock = new MissionClock(machine);
    this.#services = machine.createServices({
      log,
      dispatch: (event) => this.#dispatch({ kind: "supervisor", event }),
      preparer: booted.preparer,
    });
    this.#host = new HostSession({
      openLink: (events) => machine.openHostLink(events),
      log,
      onRequest: (request) => this.#dispatch({ kind: "request", request }),
      parameters: new ParameterDesk({
        store: found.volume?.parameters ?? null,
        config: booted.config,
        apply: (name, value) => this.#configure(name, value),
        onChange: (text) => this.#record("PARAMETER_SET", text),
        onRefused: (error) => this.#records.refused(error),
      }),
      onPeerFrame: (frame) => {
        if (this.#peerLimit.admit(machine.boottimeMs())) {
          this.#record("PEER_FRAME", peerFrameText(frame));
        }
      },
      nowMs: () => machine.boottimeMs(),
      onConnected: (isConnected) =>
        this.#dispatch({ kind: "host", isConnected }),
    });
    this.#records = new Records({
      volume: found.volume,
      missionSeconds: () => this.#clock.seconds(),
      send: (frame) => this.#host.send(frame, "event"),
      onFailing: (text) =>
        this.#dispatch({
          kind: "problem",
          subject: "storage",
          text,
          code: "STORAGE_FAILED",
        }),
      onRecovered: (lostCount) => {
        this.#record("STORAGE_RECOVERED", `${lostCount} records were lost`);
        this.#dispatch({ kind: "solved", subject: "storage" });
      },
      onPending: (isPending) =>
        this.#dispatch({
          kind: "storage-pending",
          sinceMs: isPending ? this.#coreNowMs() : null,
        }),
    });
    if (found.volume !== null) {
      found.volume.dataProducts.onWritten = (product) => {
        const descriptor = encodeDataProductDescriptor(product);
        this.#host.send(frameToHost(FrameType.DP, descriptor), "event");
      };
    }
    this.#queries = new Queries({
      volume: found.volume,
      timeline,
      answer: (request, status, result) =>
        this.#answer(request, status, result),
    });
    this.#counter = new BootCounter(
      found.volume?.parameters ?? null,
      (error) => this.#records.refused(error),
    );
    this.#page = booted.page === undefined
      ? null
      : new SharedPageSession(booted.page, {
        missionMs: () => this.#clock.nowMs(),
        onTime: ({ seconds, nanos }) =>
          this.#setClock({ seconds, nanoseconds: nanos }),
        onRequest: (request) => this.#dispatch({ kind: "request", request }),
        onProblem: (text) => log.warning(text),
      });
    this.#stages = new ShutdownStages({
      machine,
      log,
      console: booted.console,
      closeStorage: (report) => this.#closeStorage(report),
      onDone: (stage) => this.#dispatch({ kind: "stage-done", stage }),
    });
    const { healthIntervalMs, fdirIntervalMs, watchdogTimeoutSeconds } =
      booted.config;
    const petIntervalMs = watchdog === null
      ? null
      : petIntervalOf(watchdog.timeoutS ?? watchdogTimeoutSeconds);
    this.#state = createInit(
      {
        healthIntervalMs,
        petIntervalMs,
        fdirIntervalMs,
        ...(booted.fdir === undefined ? {} : {
          fdirPolicy: booted.fdir.policy,
        }),
      },
      this.#coreNowMs(),
    );
  }

  /** What the core knows. */
  get state(): InitState {
    return this.#state;
  }

  /**
   * Records that something threw where nothing may: the first time, and then
   * each time that the count has grown tenfold, so that a storm of exceptions
   * does not fill the log.
   */
  internalError(text: string): void {
    this.#internalErrors++;
    try {
      this.#dispatch({ kind: "internal-error" });
    } catch {
      // The core itself is broken: nobody else is left to end the machine.
      if (this.#internalErrors >= EXCEPTION_STORM_COUNT) {
        this.#machine.end("reboot");
      }
    }
    if (this.#internalErrors < this.#nextInternalErrorRecord) return;
    this.#nextInternalErrorRecord = 10 * this.#internalErrors;
    this.#carryOutOne({
      kind: "record",
      severity: EventSeverity.CRITICAL,
      code: "INTERNAL_ERROR",
      text: `${this.#internalErrors}: ${text}`,
    });
  }

  /**
   * Everything after the boot: the host, the boot event, the services.
   *
   * @param signals The signals of this process.
   */
  async start(signals: SignalSource): Promise<void> {
    const { definitions, problems, options, reset } = this.#booted;
    this.#host.open();
    if (reset?.last) {
      const { severity, text } = reset.last;
      this.#carryOutOne({ kind: "record", severity, code: "LAST_RESET", text });
    }
    if (this.#page !== null) setInterval(() => this.#beat(), PAGE_INTERVAL_MS);
    for (const problem of problems) {
      this.#dispatch({ kind: "problem", ...problem });
    }
    signals.onSignal = (signal) => this.#signalled(signal);
    // What was asked before the count is stored when the count is.
    if (await this.#counter.count() === null) reset?.forget();
    const { bootCount, failedBoots, isSuspicious } = this.#counter;
    this.#carryOutOne({
      kind: "record",
      severity: EventSeverity.INFO,
      code: "BOOT",
      text: bootCount === null
        ? "without storage"
        : `boot ${bootCount}, ${failedBoots} failed before it`,
    });
    this.#setPrivileges(definitions);
    const missing = this.#services.prepareCgroups();
    if (missing !== null) this.#log.warning(`control groups: ${missing}`);
    if (isSuspicious) {
      this.#log.warning(`safe mode: ${failedBoots} boots in a row failed`);
    }
    this.#timeline.begin("services", this.#machine.boottimeMs());
    this.#dispatch({
      kind: "start",
      definitions,
      safeMode: options.safeMode || isSuspicious,
      isOnProbation: isSuspicious,
    });
  }

  /** no_new_privs is the init's own, so all services have it, or none. */
  #setPrivileges(definitions: readonly ServiceDefinition[]): void {
    if (this.#hasNoNewPrivileges) return;
    if (!definitions.every((one) => one.noNewPrivileges)) return;
    this.#machine.setNoNewPrivileges();
    this.#hasNoNewPrivileges = true;
  }

  /** Reads the definitions of a machine that is up, and tells the core. */
  #readDefinitions(): void {
    const { options, bundles } = this.#booted;
    const { definitions, issues, problem } = this.#machine.reloadDefinitions({
      directory: options.servicesPath,
      bundles,
      hasNoNewPrivileges: this.#hasNoNewPrivileges,
    });
    for (const issue of issues) {
      const level = issue.severity === "error" ? "error" : "warning";
      this.#log[level](issueText(issue));
    }
    if (problem === null) this.#setPrivileges(definitions);
    this.#dispatch({ kind: "definitions", definitions, problem });
  }

  /** The core's clock: CLOCK_BOOTTIME in whole milliseconds, as its texts show it. */
  #coreNowMs(): number {
    return Math.floor(this.#machine.boottimeMs());
  }

  /** Queues an event and, unless that is under way, works the queue off. */
  #dispatch(event: InitEvent): void {
    if (this.#isDraining) {
      this.#queue.push(event);
      return;
    }
    this.#isDraining = true;
    try {
      this.#step(event);
      for (;;) {
        const next = this.#queue.shift();
        if (next !== undefined) this.#step(next);
        else if (this.#hasSpawned || !this.#tell()) break;
      }
    } finally {
      this.#isDraining = false;
      if (this.#hasSpawned) this.#tellSoon();
    }
    this.#recordDropsInTime();
    this.#armTimer();
  }

  /** Also where no host is there to ask for HEALTH; never so often that it is a flood itself. */
  #recordDropsInTime(): void {
    if (this.#booted.console.droppedLines === this.#droppedLines) return;
    const nowMs = this.#coreNowMs();
    if (nowMs < this.#nextDropRecordMs) return;
    this.#nextDropRecordMs = nowMs + DROP_RECORD_INTERVAL_MS;
    this.#recordDrops();
  }

  #step(event: InitEvent): void {
    const step = stepInit(
      this.#state,
      event,
      this.#coreNowMs(),
      this.#machine.random(),
    );
    this.#state = step.state;
    this.#machine.onStep?.(event, step);
    for (const effect of step.effects) {
      if (effect.kind === "record" || effect.kind === "say") {
        this.#untold.push(effect);
        continue;
      }
      if (effect.kind !== "service") this.#tell();
      this.#carryOutOne(effect);
    }
  }

  /** A new process has the processor first: it is what somebody waits for. */
  #tellSoon(): void {
    this.#hasSpawned = false;
    this.#tellTimer ??= setTimeout(() => this.#tell(), TELL_DELAY_MS);
  }

  /** Says and records what is still to be told; says whether that was anything. */
  #tell(): boolean {
    // Each request comes by here, and to clear no timer is as dear as to clear one.
    if (this.#tellTimer !== undefined) {
      clearTimeout(this.#tellTimer);
      this.#tellTimer = undefined;
    }
    if (this.#untold.length === 0) return false;
    const effects = this.#untold.splice(0);
    for (const effect of effects) this.#carryOutOne(effect);
    return true;
  }

  #carryOutOne(effect: InitEffect): void {
    try {
      this.#carryOut(effect);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.error(`${effect.kind}: ${text}`);
    }
  }

  #carryOut(effect: InitEffect): void {
    switch (effect.kind) {
      case "service":
        this.#noteStart(effect.effect);
        this.#services.perform(effect.effect);
        if (effect.effect.kind === "spawn") this.#hasSpawned = true;
        // What a bundle needs is mounted before its first start.
        if (effect.effect.kind === "spawn" && this.#booted.preparer !== null) {
          this.#dispatch({ kind: "fdir-expect", what: "mounts" });
        }
        return;
      case "read-definitions":
        return this.#readDefinitions();
      case "record":
        this.#say(effect);
        return this.#records.write(effect.code, effect.severity, effect.text);
      case "say":
        return this.#log[effect.level](effect.text);
      case "answer":
        return this.#answer(effect.request, effect.status, effect.result);
      case "query":
        return void this.#queries.ask(effect.request, effect.action);
      case "fdir-look":
        return void this.#look(effect.subjects);
      case "set-clock":
        return this.#setClock(effect.time);
      case "milestone": {
        const { service, outcome } = effect;
        const name = timelineName(service);
        return this.#timeline.end(name, this.#machine.boottimeMs(), outcome);
      }
      case "follow-log":
        return this.#host.followLog(effect);
      case "health":
        this.#recordDrops();
        // Of a while ago it is of no use to a host that comes later.
        if (this.#host.isConnected) {
          this.#host.send(this.#health(), "telemetry");
        }
        return;
      case "pet":
        return this.#pet();
      case "healthy":
        return void this.#counter.healthy();
      case "forgive-boots":
        return void this.#counter.forgive().then((problem) =>
          this.#dispatch({ kind: "boots-forgiven", problem })
        );
      case "ready":
        return this.#ready(effect.text);
      case "stage":
        return this.#stages.begin(effect);
    }
  }

  #beat(): void {
    this.#page?.beat({
      isAlive: whyNotAlive(this.#state, this.#coreNowMs()) === null,
      mode: MODE_NUMBERS[this.#state.mode],
      text: healthText(this.#state),
    });
  }

  #answer(request: HostRequest, status: number, result?: Uint8Array): void {
    if (this.#page?.hasAsked(request)) return;
    this.#host.answer(request, status, result);
  }

  async #look(subjects: readonly ProcessSubject[]): Promise<void> {
    let observation: FdirObservation | null = null;
    try {
      observation = await this.#booted.fdir?.looker.look(subjects) ?? null;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.error(`FDIR: ${text}`);
    }
    this.#dispatch({ kind: "fdir-seen", observation });
  }

  /** What starts before READY is part of the boot. */
  #noteStart({ kind, service }: ServiceEffect): void {
    if (kind !== "spawn" || this.#state.readyMs !== null) return;
    this.#timeline.begin(timelineName(service), this.#machine.boottimeMs());
  }

  #setClock(time: MissionTime): void {
    this.#record("CLOCK_SET", this.#clock.set(time));
  }

  #record(code: EventCodeName, text: string): void {
    const { severity } = eventCodes[code];
    this.#carryOutOne({ kind: "record", severity, code, text });
  }

  /** Puts a parameter in force; says why it can't be, or null. */
  #configure(name: ConfigName, value: number): string | null {
    switch (name) {
      case "health-interval":
        this.#dispatch({
          kind: "configure",
          settings: { healthIntervalMs: value },
        });
        return null;
      case "watchdog-timeout":
        return this.#setWatchdogTimeout(value);
      case "log-level":
        this.#log.level = LOG_LEVELS[value] ?? "info";
        return null;
      case "fdir-interval":
        this.#dispatch({
          kind: "configure",
          settings: { fdirIntervalMs: value },
        });
        return null;
    }
  }

  #setWatchdogTimeout(wantedSeconds: number): string | null {
    const { watchdog } = this.#booted;
    // It is kept for a machine that has one.
    if (watchdog === null) return null;
    try {
      const seconds = this.#machine.setWatchdogTimeout(watchdog, wantedSeconds);
      const petIntervalMs = petIntervalOf(seconds);
      this.#dispatch({ kind: "configure", settings: { petIntervalMs } });
      return null;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.warning(`watchdog: ${text}`);
      return text;
    }
  }

  #say(
    { severity, code, text }: Extract<InitEffect, { kind: "record" }>,
  ): void {
    const level = (["debug", "info", "warning", "error", "error"] as const)[
      severity
    ];
    this.#log[level](`${code} ${text}`);
  }

  #ready(text: string): void {
    const nowMs = this.#machine.boottimeMs();
    this.#timeline.end("services", nowMs, "done");
    this.#log.debug(`boot: ${this.#timeline.summary()}`);
    this.#log.info(`READY after ${seconds(nowMs)}: ${text}`);
    this.#records.write("READY", EventSeverity.INFO, text);
  }

  #pet(): void {
    const { watchdog } = this.#booted;
    if (watchdog === null) return;
    this.#machine.petWatchdog(watchdog);
    this.#watchdogPets++;
  }

  #armTimer(): void {
    if (this.#state === this.#timedState) return;
    this.#timedState = this.#state;
    const dueMs = initDeadlineMs(this.#state) ?? Infinity;
    if (dueMs === this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = dueMs;
    if (dueMs === Infinity) return;
    const delayMs = Math.min(
      Math.max(0, Math.ceil(dueMs - this.#machine.boottimeMs())),
      MAXIMUM_TIMER_MS,
    );
    this.#timer = setTimeout(() => {
      this.#timerMs = Infinity;
      this.#timedState = null;
      this.#dispatch({ kind: "time" });
    }, delayMs);
  }

  #signalled(signal: SignalName): void {
    if (signal === "SIGCHLD") this.#reap();
    else this.#dispatch({ kind: "signal", signal });
  }

  #reap(): void {
    const exits = this.#machine.drainChildExits(EXIT_BATCH);
    this.#childExits += exits.length;
    this.#orphanExits += exits.length - this.#services.childrenExited(exits);
    if (exits.length === EXIT_BATCH) setTimeout(() => this.#reap(), 0);
    const stage = this.#state.shutdown?.stage;
    if (stage !== undefined) this.#stages.childrenReaped(stage);
  }

  /** Everything that is to be on the disk, and then the volume itself. */
  async #closeStorage(report: string): Promise<void> {
    this.#log.info(
      `reaped ${this.#childExits} processes, ${this.#orphanExits} of them orphans`,
    );
    this.#recordDrops();
    this.#records.write("SHUTDOWN", EventSeverity.INFO, report);
    const { readyMs, healthy } = this.#state;
    if (readyMs !== null && !healthy) await this.#counter.withdraw();
    await this.#booted.found.volume?.close();
  }

  /** What the console, and the records of peers' frames, could not take since the last time. */
  #recordDrops(): void {
    const { droppedLines } = this.#booted.console;
    const lines = droppedLines - this.#droppedLines;
    this.#droppedLines = droppedLines;
    if (lines > 0) {
      const text = `${lines} lines, the console is too slow`;
      this.#records.write("LOG_LINES_DROPPED", EventSeverity.WARNING, text);
    }
    const frames = this.#peerLimit.takeDropped(
      this.#machine.boottimeMs(),
    );
    if (frames > 0) this.#record("PEER_FRAMES_DROPPED", `${frames} frames`);
  }

  #health(): Uint8Array {
    return healthFrame(this.#state, {
      uptimeMs: this.#machine.boottimeMs(),
      bootCount: this.#counter.bootCount,
      link: this.#host.counters,
      childExits: this.#childExits,
      eventCount: this.#records.count,
      watchdogPets: this.#watchdogPets,
      readProc: (name) => this.#machine.readProc(name),
    });
  }
}

/** A watchdog that waits so many seconds is petted four times in them. */
function petIntervalOf(timeoutSeconds: number): number {
  return timeoutSeconds * 1000 / 4;
}

function timelineName(service: string): string {
  return `service ${service}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
