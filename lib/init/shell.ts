/**
 * The shell around the core: turns facts into events, carries out effects, and
 * keeps the one timer. It decides nothing. Nothing that it calls may throw out
 * of it: each effect is carried out by itself, and what fails is said.
 * Imports every room below `cmd`.
 *
 * @module
 */
import { HostLink } from "../host/link.ts";
import { findPort, HOST_PORT_NAME } from "../host/ports.ts";
import {
  answerFrames,
  errorFrame,
  frameToHost,
  readRequest,
} from "../host/requests.ts";
import { boottimeMs, realtimeMs } from "../linux/clock.ts";
import { Poller } from "../linux/poller.ts";
import {
  drainChildExits,
  hasChildren,
  killAll,
  setNoNewPrivileges,
} from "../linux/process.ts";
import { setupSignals } from "../linux/signal.ts";
import { type SignalName, SIGNALS } from "../linux/signal_table.ts";
import { petWatchdog } from "../linux/watchdog.ts";
import { FrameErrorCode } from "../wire/error_frame.ts";
import { type Frame, FrameType, receiveFrame } from "../wire/frame.ts";
import { encodeHealth, SystemMode } from "../wire/health.ts";
import { boot, type BootResult } from "./boot.ts";
import { BootCounter } from "./boot_counter.ts";
import { createInit, initDeadlineMs, stepInit } from "./core.ts";
import type { InitEffect, InitEvent, InitState, Mode } from "./core_types.ts";
import { detachFilesystems, endMachine } from "./go_down.ts";
import { Log, type LogLine } from "./log.ts";
import { logFrames } from "./log_frames.ts";
import { Records } from "./records.ts";
import { ServiceRunner } from "./service_runner.ts";
import type { ShutdownStage } from "./shutdown.ts";
import { parseLoad, parseMemoryFacts } from "./system_facts.ts";
import { Timeline } from "./timeline.ts";
import { summary } from "../supervisor/supervisor.ts";

/** Signals that mean something to the core, besides SIGCHLD. */
const SIGNALS_OF_INTEREST: readonly SignalName[] = [
  "SIGTERM",
  "SIGINT",
  "SIGPWR",
];

/** How often a HEALTH frame goes out. */
const HEALTH_INTERVAL_MS = 10_000;

/** The longest timer of the runtime. */
const MAXIMUM_TIMER_MS = 0x7FFF_FFFF;

/** Exits handled in one go; then timers and frames have their turn. */
const EXIT_BATCH = 1024;

/** The core's clock: CLOCK_BOOTTIME in whole milliseconds, as its texts show it. */
function coreNowMs(): number {
  return Math.floor(boottimeMs());
}

/** How long to wait before looking for the host's port again. */
const PORT_RETRY_MS = 1_000;

const MODES: Readonly<Record<Mode, SystemMode>> = {
  booting: SystemMode.BOOTING,
  nominal: SystemMode.NOMINAL,
  degraded: SystemMode.DEGRADED,
  safe: SystemMode.SAFE,
  shuttingDown: SystemMode.SHUTTING_DOWN,
};

/**
 * Runs the init: boots, supervises, and goes down. Resolves never: the machine
 * ends first.
 *
 * @returns A promise that stays open.
 */
export async function runInit(): Promise<never> {
  const log = new Log({ nowMs: boottimeMs });
  keepAlive(log);
  const timeline = new Timeline();
  const booted = await boot({ log, timeline });
  const shell = new Shell(log, timeline, booted);
  await shell.start();
  // The poller's thread and the timer keep the program alive; this promise
  // keeps its caller from going on.
  return await new Promise<never>(() => {});
}

/** PID 1 that ends is a kernel panic: no exception may end it. */
function keepAlive(log: Log): void {
  const say = (what: string, error: unknown) => {
    try {
      const text = error instanceof Error
        ? error.stack ?? error.message
        : String(error);
      log.error(`${what}: ${text}`);
    } catch {
      // There is nobody left to tell, and PID 1 goes on.
    }
  };
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    say("uncaught exception", event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    say("unhandled rejection", event.reason);
  });
}

type StageEffect = Extract<InitEffect, { readonly kind: "stage" }>;

class Shell {
  readonly #log: Log;
  readonly #timeline: Timeline;
  readonly #booted: BootResult;
  readonly #poller: Poller;
  readonly #runner: ServiceRunner;
  readonly #records: Records;
  readonly #counter: BootCounter;
  readonly #queue: InitEvent[] = [];
  #state: InitState;
  #link: HostLink | null = null;
  #isDraining = false;
  #unfollow: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerMs = Infinity;
  #childExits = 0;
  #orphanExits = 0;
  #watchdogPets = 0;

  constructor(log: Log, timeline: Timeline, booted: BootResult) {
    this.#log = log;
    this.#timeline = timeline;
    this.#booted = booted;
    const { watchdog, found } = booted;
    this.#poller = new Poller({
      onError: (error, descriptor) =>
        log.error(`descriptor ${descriptor}: ${String(error)}`),
    });
    this.#runner = new ServiceRunner({
      poller: this.#poller,
      log,
      dispatch: (event) => this.#dispatch({ kind: "supervisor", event }),
    });
    this.#records = new Records({
      volume: found.volume,
      missionSeconds: () => Math.floor(realtimeMs() / 1000) >>> 0,
      send: (frame) => void this.#link?.send(frame, "telemetry"),
      onStorage: (problem) =>
        this.#dispatch(
          problem === null ? { kind: "solved", subject: "storage" } : {
            kind: "problem",
            subject: "storage",
            text: problem,
            code: "STORAGE_FAILED",
          },
        ),
      onPending: (isPending) =>
        this.#dispatch({
          kind: "storage-pending",
          sinceMs: isPending ? coreNowMs() : null,
        }),
    });
    this.#counter = new BootCounter(found.volume?.parameters ?? null);
    const petIntervalMs = watchdog === null
      ? null
      : (watchdog.timeoutS ?? booted.options.watchdogTimeoutSeconds) * 1000 / 4;
    this.#state = createInit(
      { healthIntervalMs: HEALTH_INTERVAL_MS, petIntervalMs },
      coreNowMs(),
    );
  }

  /** Everything after the boot: the host, the boot event, the services. */
  async start(): Promise<void> {
    const { definitions, problems, options } = this.#booted;
    setupSignals({
      shutdown: [],
      also: SIGNALS_OF_INTEREST,
      onSignal: (signal) => this.#signalled(signal),
      onError: (error) => this.#log.error(`signal: ${String(error)}`),
    });
    this.#openLink();
    for (const problem of problems) {
      this.#dispatch({ kind: "problem", ...problem });
    }
    await this.#counter.count();
    const { bootCount, failedBoots, isSuspicious } = this.#counter;
    this.#carryOutOne({
      kind: "record",
      severity: 1,
      code: "BOOT",
      text: bootCount === null
        ? "without storage"
        : `boot ${bootCount}, ${failedBoots} failed before it`,
    });
    if (definitions.every((definition) => definition.noNewPrivileges)) {
      setNoNewPrivileges();
    }
    const missing = this.#runner.prepareCgroups();
    if (missing !== null) this.#log.warning(`control groups: ${missing}`);
    if (isSuspicious) {
      this.#log.warning(`safe mode: ${failedBoots} boots in a row failed`);
    }
    this.#timeline.begin("services", boottimeMs());
    this.#dispatch({
      kind: "start",
      definitions,
      safeMode: options.safeMode || isSuspicious,
    });
  }

  /** Queues an event and, unless that is under way, works the queue off. */
  #dispatch(event: InitEvent): void {
    this.#queue.push(event);
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      for (
        let next = this.#queue.shift();
        next !== undefined;
        next = this.#queue.shift()
      ) this.#step(next);
    } finally {
      this.#isDraining = false;
    }
    this.#armTimer();
  }

  #step(event: InitEvent): void {
    const step = stepInit(this.#state, event, coreNowMs(), Math.random());
    this.#state = step.state;
    for (const effect of step.effects) this.#carryOutOne(effect);
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
        return this.#runner.perform(effect.effect);
      case "record":
        this.#say(effect);
        return this.#records.write(effect.code, effect.severity, effect.text);
      case "say":
        return this.#log[effect.level](effect.text);
      case "answer": {
        const { request, status, result } = effect;
        for (const frame of answerFrames(request, status, result)) {
          this.#link?.send(frame, "answer");
        }
        return;
      }
      case "follow-log":
        return this.#followLog(effect.isOn ? { name: effect.name } : null);
      case "health":
        return void this.#link?.send(this.#health(), "telemetry");
      case "pet":
        return this.#pet();
      case "healthy":
        return void this.#counter.healthy();
      case "ready":
        return this.#ready(effect.text);
      case "stage":
        return this.#stage(effect);
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

  /** Sends what the ring holds, and then each new line; null ends it. */
  #followLog(wanted: { readonly name: string | null } | null): void {
    this.#unfollow?.();
    this.#unfollow = null;
    if (wanted === null) return;
    const { name } = wanted;
    const send = (line: LogLine) => {
      if (name !== null && line.name !== name) return;
      for (const frame of logFrames(line)) this.#link?.send(frame, "telemetry");
    };
    for (const line of this.#log.recent(name ?? undefined)) send(line);
    this.#unfollow = this.#log.follow(send);
  }

  #ready(text: string): void {
    this.#timeline.end("services", boottimeMs(), "done");
    this.#log.info(`READY after ${seconds(boottimeMs())}: ${text}`);
    this.#records.write("READY", 1, text);
  }

  #pet(): void {
    const { watchdog } = this.#booted;
    if (watchdog === null) return;
    petWatchdog(watchdog);
    this.#watchdogPets++;
  }

  #armTimer(): void {
    const dueMs = initDeadlineMs(this.#state) ?? Infinity;
    if (dueMs === this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = dueMs;
    if (dueMs === Infinity) return;
    const delayMs = Math.min(
      Math.max(0, Math.ceil(dueMs - boottimeMs())),
      MAXIMUM_TIMER_MS,
    );
    this.#timer = setTimeout(() => {
      this.#timerMs = Infinity;
      this.#dispatch({ kind: "time" });
    }, delayMs);
  }

  #signalled(signal: SignalName): void {
    if (signal === "SIGCHLD") this.#reap();
    else this.#dispatch({ kind: "signal", signal });
  }

  #reap(): void {
    const exits = drainChildExits(EXIT_BATCH);
    for (const exit of exits) {
      this.#childExits++;
      if (!this.#runner.childExited(exit)) this.#orphanExits++;
    }
    if (exits.length === EXIT_BATCH) setTimeout(() => this.#reap(), 0);
    const stage = this.#state.shutdown?.stage;
    if (stage === "terminate" || stage === "kill") this.#endIfAlone(stage);
  }

  /** Goes on with the shutdown once there is nobody left to wait for. */
  #endIfAlone(stage: ShutdownStage): void {
    if (hasChildren()) return;
    this.#dispatch({ kind: "stage-done", stage });
  }

  #stage({ stage, action, report }: StageEffect): void {
    switch (stage) {
      case "services":
        return;
      case "terminate":
        killAll(SIGNALS.SIGTERM);
        // A stopped process does not see SIGTERM until it goes on.
        killAll(SIGNALS.SIGCONT);
        return this.#endIfAlone(stage);
      case "kill":
        killAll(SIGNALS.SIGKILL);
        return this.#endIfAlone(stage);
      case "storage":
        return void this.#closeStorage(report);
      case "unmount":
        return void this.#detach();
      case "power":
        this.#log.info(report);
        this.#booted.console.flush();
        return endMachine(action);
    }
  }

  async #detach(): Promise<void> {
    try {
      await detachFilesystems(this.#log);
    } catch (error) {
      this.#log.error(`unmount: ${String(error)}`);
    } finally {
      this.#dispatch({ kind: "stage-done", stage: "unmount" });
    }
  }

  async #closeStorage(report: string): Promise<void> {
    this.#records.write("SHUTDOWN", 1, report);
    const { readyMs, healthy } = this.#state;
    try {
      if (readyMs !== null && !healthy) await this.#counter.withdraw();
      await this.#booted.found.volume?.close();
    } catch (error) {
      this.#log.error(`storage: ${String(error)}`);
    } finally {
      this.#dispatch({ kind: "stage-done", stage: "storage" });
    }
  }

  #openLink(): void {
    const path = findPort(HOST_PORT_NAME);
    if (path === undefined) {
      this.#log.info(`host link: no virtio-serial port ${HOST_PORT_NAME}`);
      return;
    }
    try {
      this.#link = HostLink.open(path, this.#poller, {
        onFrame: (frame) => this.#received(frame),
        onConnected: (isConnected) => {
          // Who comes next asks for the log anew, if it wants it.
          if (!isConnected) this.#followLog(null);
          this.#log.debug(`host ${isConnected ? "connected" : "away"}`);
        },
      });
      this.#log.info(`host link: ${path}`);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.warning(`host link: ${text}`);
      setTimeout(() => this.#openLink(), PORT_RETRY_MS);
    }
  }

  #received(bytes: Uint8Array): void {
    const received = receiveFrame(bytes);
    if (!received.ok) {
      this.#log.debug(`frame refused: ${received.reason}`);
      if (received.answer) {
        this.#link?.send(errorFrame(received.fault), "answer");
      }
      return;
    }
    const { frame } = received;
    if (frame.type !== FrameType.TC) return this.#refuse(frame);
    try {
      const request = readRequest(frame.payload);
      this.#dispatch({ kind: "request", request });
    } catch {
      this.#refuse(frame);
    }
  }

  /** A whole frame that means nothing to the init. */
  #refuse(frame: Frame): void {
    if (frame.type === FrameType.ERROR) return;
    const isCommand = frame.type === FrameType.TC;
    const fault = {
      code: isCommand ? FrameErrorCode.MALFORMED : FrameErrorCode.UNKNOWN_TYPE,
      offendingType: frame.type,
      offendingApid: frame.apid,
      offendingPayloadLength: frame.payload.length,
    };
    this.#link?.send(errorFrame(fault), "answer");
  }

  #health(): Uint8Array {
    const { supervisor, mode, problems } = this.#state;
    const counts = supervisor === null ? null : summary(supervisor);
    const memory = parseMemoryFacts(readProc("meminfo"));
    const link = this.#link?.counters;
    const payload = encodeHealth({
      uptimeSeconds: Math.floor(boottimeMs() / 1000) >>> 0,
      mode: MODES[mode],
      servicesRunning: Math.min(255, counts?.running ?? 0),
      servicesFailed: Math.min(255, counts?.failed ?? 0),
      anomaliesActive: Math.min(255, problems.size),
      memoryAvailableKib: memory.availableKib >>> 0,
      memoryTotalKib: memory.totalKib >>> 0,
      loadHundredths: parseLoad(readProc("loadavg")),
      bootCount: Math.min(0xFFFF, this.#counter.bootCount ?? 0),
      framesIn: (link?.framesIn ?? 0) >>> 0,
      framesOut: (link?.framesOut ?? 0) >>> 0,
      framesDropped: (link?.framesDropped ?? 0) >>> 0,
      childExits: this.#childExits >>> 0,
      eventCount: this.#records.count >>> 0,
      watchdogPets: this.#watchdogPets >>> 0,
    });
    return frameToHost(FrameType.HEALTH, payload);
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}

function readProc(name: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${name}`);
  } catch {
    return "";
  }
}
