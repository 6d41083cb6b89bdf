/**
 * The init's decisions: what mode the machine is in, when it is ready, what a
 * host's request or a signal brings about, when the watchdog is petted, how
 * the machine goes down. One state, one function from (state, event, time) to
 * (state, effects). Pure: no clock, no file, no system call; imports the
 * supervisor, the wire formats and pure files of this room.
 *
 * | mode | what it means | left when |
 * |---|---|---|
 * | booting | services come up for the first time | none is starting any more |
 * | nominal | everything that should be there is | a problem stands, or a service failed: degraded |
 * | degraded | something is missing; the rest goes on | nothing is missing: nominal |
 * | safe | only services marked `safeMode` run; the host decides | the host says so |
 * | shuttingDown | the stages of `shutdown.ts` | never |
 *
 * @module
 */
import {
  activeAnomalies,
  adoptFdir,
  createFdir,
  expectChange,
  type FdirEffect,
  isDegrading,
  releaseFdir,
  stepFdir,
} from "../fdir/fdir.ts";
import type { FdirObservation } from "../fdir/snapshot.ts";
import { type HostAction, hostCommand } from "../host/commands.ts";
import type { HostRequest } from "../host/requests.ts";
import type { ServiceDefinition } from "../supervisor/definition.ts";
import {
  createSupervisor,
  nextDeadlineMs,
  shutdownBoundMs,
  statusOf,
  stepSupervisor,
  summary,
  type SupervisorEvent,
  unhealthyCriticalServices,
} from "../supervisor/supervisor.ts";
import { type EventCodeName, eventCodes } from "../wire/event_code.ts";
import { FdirAction } from "../wire/fdir_result.ts";
import { CommandStatus } from "../wire/telecommand.ts";
import {
  EXCEPTION_STORM_COUNT,
  EXCEPTION_STORM_MS,
  FDIR_INTERVAL_MS,
  HEALTHY_AFTER_MS,
  type InitEffect,
  type InitEvent,
  type InitSettings,
  type InitState,
  type InitStep,
  type Mode,
  READY_LIMIT_MS,
  STORAGE_LIMIT_MS,
} from "./core_types.ts";
import {
  fdirResult,
  fdirSubjects,
  LOOK_LIMIT_MS,
  WAITING_REQUESTS,
} from "./fdir_turn.ts";
import { serviceListResult, serviceStatusResult } from "./service_answers.ts";
import {
  beginShutdown,
  type PowerAction,
  type ShutdownEvent,
  type ShutdownState,
  stepShutdown,
} from "./shutdown.ts";

/**
 * The init before its boot.
 *
 * @param settings What does not change.
 * @param nowMs CLOCK_BOOTTIME, milliseconds.
 * @returns The state, booting.
 *
 * @example
 * ```ts
 * import { createInit, stepInit } from "./core.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * const start = { kind: "start", definitions: [], safeMode: false } as const;
 * const { state } = stepInit(createInit(settings, 0), start, 5, 0);
 * assertEquals(state.mode, "nominal");
 * ```
 */
export function createInit(settings: InitSettings, nowMs: number): InitState {
  return {
    settings,
    mode: "booting",
    safeMode: false,
    supervisor: null,
    isReloadDue: false,
    startedMs: nowMs,
    readyMs: null,
    healthy: false,
    provingSinceMs: null,
    isOnProbation: false,
    fdir: settings.fdirPolicy === undefined
      ? null
      : createFdir(settings.fdirPolicy),
    nextFdirMs: Infinity,
    look: null,
    exceptions: { sinceMs: nowMs, count: 0 },
    problems: new Map(),
    storagePendingMs: null,
    isHostConnected: false,
    nextHealthMs: Infinity,
    nextPetMs: settings.petIntervalMs === null ? Infinity : nowMs,
    starving: null,
    shutdown: null,
  };
}

/**
 * Makes one step. Total: every event is allowed in every state.
 *
 * @param state The state before.
 * @param event What happened.
 * @param nowMs CLOCK_BOOTTIME, milliseconds; never the wall clock.
 * @param random A number from 0 up to, not including, 1, for jitter.
 * @returns The state after, and what to do.
 */
export function stepInit(
  state: InitState,
  event: InitEvent,
  nowMs: number,
  random: number,
): InitStep {
  const turn = new Turn(state, nowMs, random);
  turn.take(event);
  turn.settle();
  return { state: turn.state, effects: turn.effects };
}

/**
 * When the next `time` event is due.
 *
 * @param state The state.
 * @returns CLOCK_BOOTTIME in milliseconds, or null when only news can change it.
 */
export function initDeadlineMs(state: InitState): number | null {
  const times = [state.nextHealthMs, state.nextPetMs];
  if (state.supervisor !== null) {
    times.push(nextDeadlineMs(state.supervisor) ?? Infinity);
    if (state.shutdown === null && !state.healthy) {
      times.push(
        state.readyMs === null
          ? state.startedMs + READY_LIMIT_MS
          : (state.provingSinceMs ?? Infinity) + HEALTHY_AFTER_MS,
      );
    }
    if (state.shutdown === null) {
      const { look, nextFdirMs } = state;
      times.push(look === null ? nextFdirMs : look.sinceMs + LOOK_LIMIT_MS);
    }
  }
  if (state.shutdown !== null) times.push(state.shutdown.deadlineMs);
  const earliestMs = Math.min(...times);
  return earliestMs === Infinity ? null : earliestMs;
}

type ServicesAction = Extract<
  HostAction,
  { readonly kind: "list-services" | "service-status" }
>;
type StartEvent = Extract<InitEvent, { readonly kind: "start" }>;
type ProblemEvent = Extract<InitEvent, { readonly kind: "problem" }>;

/** One step in the making: the state so far, and the effects so far. */
class Turn {
  state: InitState;
  readonly effects: InitEffect[] = [];
  readonly #nowMs: number;
  readonly #random: number;

  constructor(state: InitState, nowMs: number, random: number) {
    this.state = state;
    this.#nowMs = nowMs;
    this.#random = random;
  }

  /** What the event itself brings about. */
  take(event: InitEvent): void {
    switch (event.kind) {
      case "time":
        this.#supervise({ kind: "tick" });
        this.#moveShutdown({ kind: "time" });
        break;
      case "problem":
        this.#problem(event);
        break;
      case "solved":
        this.#solved(event.subject);
        break;
      case "start":
        this.#start(event);
        break;
      case "fdir-seen":
        this.#judgeFaults(event.observation);
        break;
      case "fdir-expect":
        this.#expectChange(event.what);
        break;
      case "internal-error":
        this.#countException();
        break;
      case "definitions":
        this.#redefine(event.definitions, event.problem);
        break;
      case "supervisor":
        this.#supervise(event.event);
        break;
      case "signal":
        this.#signal(event.signal);
        break;
      case "request":
        this.#request(event.request);
        break;
      case "host":
        this.#meet(event.isConnected);
        break;
      case "configure":
        this.#configure(event.settings);
        break;
      case "storage-pending":
        this.#set({ storagePendingMs: event.sinceMs });
        break;
      case "stage-done":
        this.#moveShutdown({ kind: "done", stage: event.stage });
        break;
    }
  }

  /** What follows from the state, whatever the event was. */
  settle(): void {
    this.#becomeReady();
    this.#chooseMode();
    this.#becomeHealthy();
    this.#sendHealth();
    this.#lookForFaults();
    this.#pet();
  }

  #set(change: Partial<InitState>): void {
    this.state = { ...this.state, ...change };
  }

  #problem({ subject, text, code }: ProblemEvent): void {
    if (this.state.problems.get(subject) === text) return;
    this.#set({ problems: new Map(this.state.problems).set(subject, text) });
    this.#record(code ?? "BOOT_PHASE_FAILED", `${subject}: ${text}`);
  }

  #record(code: EventCodeName, text: string): void {
    const { severity } = eventCodes[code];
    this.effects.push({ kind: "record", severity, code, text });
  }

  #solved(subject: string): void {
    if (!this.state.problems.has(subject)) return;
    const problems = new Map(this.state.problems);
    problems.delete(subject);
    this.#set({ problems });
  }

  #start({ definitions, safeMode, isOnProbation = false }: StartEvent): void {
    // A shutdown that was asked for during the boot has the last word.
    if (this.state.supervisor !== null || this.state.shutdown !== null) return;
    this.#set({
      supervisor: createSupervisor(definitions),
      safeMode,
      isOnProbation,
      startedMs: this.#nowMs,
    });
    if (safeMode) this.#supervise({ kind: "enter-safe-mode" });
    this.#supervise({ kind: "start-all" });
    if (this.state.isReloadDue) this.#reload();
  }

  /** Asks for new definitions: now, or once there are services. */
  #reload(): void {
    if (this.state.shutdown !== null) return;
    const isTooEarly = this.state.supervisor === null;
    this.#set({ isReloadDue: isTooEarly });
    if (!isTooEarly) this.effects.push({ kind: "read-definitions" });
  }

  #redefine(
    definitions: readonly ServiceDefinition[],
    problem: string | null,
  ): void {
    if (this.state.supervisor === null || this.state.shutdown !== null) return;
    if (problem !== null) {
      this.#record("DEFINITIONS_REFUSED", problem);
      return;
    }
    // What the boot found wrong with the earlier ones says nothing about these.
    this.#solved("definitions");
    this.#supervise({ kind: "reload", definitions });
  }

  #supervise(event: SupervisorEvent): void {
    const { supervisor } = this.state;
    if (supervisor === null) return;
    const step = stepSupervisor(supervisor, event, this.#nowMs, this.#random);
    this.#set({ supervisor: step.state });
    for (const effect of step.effects) {
      if (effect.kind === "event") {
        const { severity, code, text } = effect;
        this.effects.push({ kind: "record", severity, code, text });
        const outcome = MILESTONES[code];
        if (effect.service !== null && outcome !== undefined) {
          const { service } = effect;
          this.effects.push({ kind: "milestone", service, outcome });
        }
      } else if (effect.kind === "all-stopped") {
        this.#moveShutdown({ kind: "done", stage: "services" });
      } else {
        this.effects.push({ kind: "service", effect });
      }
    }
  }

  #signal(signal: string): void {
    if (signal === "SIGHUP") return this.#reload();
    const action = SIGNAL_ACTIONS[signal];
    if (action !== undefined) this.#shutDown(action, signal);
  }

  /**
   * A host that has just come need not wait for the next HEALTH frame, and one
   * that went need not keep an idle machine awake.
   */
  #meet(isHostConnected: boolean): void {
    const { readyMs, settings } = this.state;
    const nextHealthMs = isHostConnected && readyMs !== null
      ? this.#nowMs + settings.healthIntervalMs
      : Infinity;
    this.#set({ isHostConnected, nextHealthMs });
    if (isHostConnected) this.effects.push({ kind: "health" });
  }

  /** What was due by the old intervals is due by the new ones. */
  #configure(change: Partial<InitSettings>): void {
    const settings = { ...this.state.settings, ...change };
    const { nextHealthMs, nextFdirMs } = this.state;
    const { healthIntervalMs, petIntervalMs, fdirIntervalMs } = settings;
    this.#set({
      settings,
      nextHealthMs: nextHealthMs === Infinity
        ? Infinity
        : Math.min(nextHealthMs, this.#nowMs + healthIntervalMs),
      nextFdirMs: nextFdirMs === Infinity ? Infinity : Math.min(
        nextFdirMs,
        this.#nowMs + (fdirIntervalMs ?? FDIR_INTERVAL_MS),
      ),
      nextPetMs: petIntervalMs === null ? Infinity : this.#nowMs,
    });
  }

  #request(request: HostRequest): void {
    const status = this.#refusal(request);
    if (status === CommandStatus.OK) this.#carryOut(request);
    else this.effects.push({ kind: "answer", request, status });
  }

  /** Why a request can't be carried out now, or OK. */
  #refusal({ command, action }: HostRequest): number {
    if (action.kind === "refused") return action.status;
    const { supervisor, shutdown } = this.state;
    const needs = hostCommand(command)?.needs;
    const isWaiting = supervisor === null ||
      (needs === "operation" && shutdown !== null);
    if ((needs === "services" || needs === "operation") && isWaiting) {
      return CommandStatus.EBUSY;
    }
    const isKnown = action.kind !== "service" || supervisor === null ||
      statusOf(supervisor, action.service) !== null;
    return isKnown ? CommandStatus.OK : CommandStatus.ENOENT;
  }

  #carryOut(request: HostRequest): void {
    const { action } = request;
    switch (action.kind) {
      case "ping":
        return this.#answer(request, action.payload);
      // The answer goes out first: after a power-off nobody is there to give it.
      case "power":
        this.#answer(request);
        return this.#shutDown(action.action, "the host");
      case "service": {
        const { command, service } = action;
        this.#answer(request);
        return this.#supervise({ kind: "command", command, service });
      }
      case "safe-mode":
        this.#answer(request);
        return this.#changeSafeMode(action.isOn, "asked for by the host");
      case "list-services":
      case "service-status":
        return this.#answerOfServices(request, action);
      case "set-time":
        this.#answer(request);
        this.effects.push({ kind: "set-clock", time: action.time });
        return this.#expectChange("clock");
      case "follow-log": {
        const { isOn, name } = action;
        this.#answer(request);
        this.effects.push({ kind: "follow-log", isOn, name });
        return;
      }
      case "check-fdir":
        return this.#checkFaults(request, action.action);
      case "read-events":
      case "read-timeline":
      case "list-products":
      case "read-product":
        this.effects.push({ kind: "query", request, action });
        return;
      case "refused":
        return;
    }
  }

  #answer(request: HostRequest, result?: Uint8Array): void {
    const status = CommandStatus.OK;
    this.effects.push({
      kind: "answer",
      request,
      status,
      ...(result === undefined ? {} : { result }),
    });
  }

  #answerOfServices(request: HostRequest, action: ServicesAction): void {
    const { supervisor } = this.state;
    if (supervisor === null) return;
    const result = action.kind === "list-services"
      ? serviceListResult(supervisor, action.first)
      : serviceStatusResult(supervisor, action.service);
    if (result !== null) return this.#answer(request, result);
    const status = CommandStatus.ENOENT;
    this.effects.push({ kind: "answer", request, status });
  }

  #changeSafeMode(isOn: boolean, why: string): void {
    if (isOn === this.state.safeMode) return;
    this.#set({ safeMode: isOn });
    this.#record(isOn ? "SAFE_MODE_ENTERED" : "SAFE_MODE_LEFT", why);
    this.#supervise({ kind: isOn ? "enter-safe-mode" : "leave-safe-mode" });
    if (isOn) return;
    const { fdir, isOnProbation } = this.state;
    if (fdir !== null) this.#set({ fdir: releaseFdir(fdir) });
    if (!isOnProbation) return;
    // Somebody has seen to it: this boot may prove itself now.
    this.#set({ isOnProbation: false, provingSinceMs: this.#nowMs });
    this.effects.push({ kind: "forgive-boots" });
  }

  /** Begins a look for faults when one is due. */
  #lookForFaults(): void {
    const { fdir, look, readyMs, shutdown, nextFdirMs } = this.state;
    if (fdir === null || readyMs === null || shutdown !== null) return;
    if (look !== null) {
      if (this.#nowMs < look.sinceMs + LOOK_LIMIT_MS) return;
      const text = `a look for faults got lost after ${LOOK_LIMIT_MS} ms`;
      this.effects.push({ kind: "say", level: "error", text });
      this.#endLook(CommandStatus.ETIMEDOUT);
    } else if (this.#nowMs >= nextFdirMs) this.#beginLook([]);
  }

  #beginLook(requests: readonly HostRequest[]): void {
    const { supervisor, readyMs, settings } = this.state;
    if (supervisor === null || readyMs === null) return;
    this.#set({
      look: { sinceMs: this.#nowMs, requests, next: [], isStale: false },
      nextFdirMs: this.#nowMs + (settings.fdirIntervalMs ?? FDIR_INTERVAL_MS),
    });
    const subjects = fdirSubjects(supervisor, readyMs);
    this.effects.push({ kind: "fdir-look", subjects });
  }

  /** The look is over; those who came too late for it get one of their own. */
  #endLook(status: number, result?: Uint8Array): void {
    const { look } = this.state;
    if (look === null) return;
    this.#set({ look: null });
    for (const request of look.requests) {
      this.effects.push({
        kind: "answer",
        request,
        status,
        ...(result === undefined ? {} : { result }),
      });
    }
    if (look.next.length > 0) this.#beginLook(look.next);
  }

  #checkFaults(request: HostRequest, action: FdirAction): void {
    const { fdir, look, readyMs, shutdown } = this.state;
    const refuse = (status: number) =>
      this.effects.push({ kind: "answer", request, status });
    if (fdir === null) return void refuse(CommandStatus.ENODEV);
    if (readyMs === null || shutdown !== null) {
      return void refuse(CommandStatus.EBUSY);
    }
    if ((look?.next.length ?? 0) >= WAITING_REQUESTS) {
      return void refuse(CommandStatus.EAGAIN);
    }
    if (action === FdirAction.RELEASE) this.#set({ fdir: releaseFdir(fdir) });
    if (action === FdirAction.ADOPT) this.#set({ fdir: adoptFdir(fdir) });
    if (look === null) return this.#beginLook([request]);
    const isStale = look.isStale || action === FdirAction.ADOPT;
    this.#set({ look: { ...look, next: [...look.next, request], isStale } });
  }

  #expectChange(what: "mounts" | "clock"): void {
    const { fdir, look } = this.state;
    if (fdir === null) return;
    this.#set({
      fdir: expectChange(fdir, what),
      look: look === null ? null : { ...look, isStale: true },
    });
  }

  #judgeFaults(observation: FdirObservation | null): void {
    const { fdir, look, supervisor, shutdown } = this.state;
    if (fdir === null || look === null || supervisor === null) return;
    if (shutdown !== null) return this.#endLook(CommandStatus.EBUSY);
    if (observation === null) return this.#endLook(CommandStatus.EIO);
    if (look.isStale) {
      this.#set({ look: null });
      return this.#beginLook([...look.requests, ...look.next]);
    }
    // Whoever ended while others were looked at is nobody's business any more.
    const current = new Set(
      fdirSubjects(supervisor, 0).map(({ pid, instance }) =>
        `${pid} ${instance}`
      ),
    );
    const processes = observation.processes.filter(({ subject }) =>
      current.has(`${subject.pid} ${subject.instance}`)
    );
    const step = stepFdir(fdir, { ...observation, processes }, this.#nowMs);
    this.#set({ fdir: step.state });
    for (const effect of step.effects) this.#answerFault(effect);
    if (look.requests.length > 0) {
      const count = activeAnomalies(step.state).length;
      const text = `FDIR: ${count} anomalies, asked for by the host`;
      this.effects.push({ kind: "say", level: "info", text });
    }
    this.#endLook(CommandStatus.OK, fdirResult(step.state));
  }

  #answerFault(effect: FdirEffect): void {
    switch (effect.kind) {
      case "record":
        return this.#record(effect.code, effect.text);
      case "isolate":
      case "restart": {
        const { kind: command, service } = effect;
        return this.#supervise({ kind: "command", command, service });
      }
      case "reboot":
        return this.#shutDown("reboot", `FDIR: ${effect.reason}`);
      case "safe-mode":
        return this.#changeSafeMode(true, `FDIR: ${effect.reason}`);
    }
  }

  /** Exceptions without end leave nothing to hope for but another boot. */
  #countException(): void {
    const { exceptions, shutdown } = this.state;
    const isOld = this.#nowMs - exceptions.sinceMs >= EXCEPTION_STORM_MS;
    const count = isOld ? 1 : exceptions.count + 1;
    const sinceMs = isOld ? this.#nowMs : exceptions.sinceMs;
    this.#set({ exceptions: { sinceMs, count } });
    if (count !== EXCEPTION_STORM_COUNT || shutdown !== null) return;
    const text = `${count} exceptions in ${this.#nowMs - sinceMs} ms`;
    this.#record("EXCEPTION_STORM", text);
    this.#shutDown("reboot", "an exception storm");
  }

  #shutDown(action: PowerAction, by: string): void {
    // Who asks all the time does not fill the event log with it: from the third
    // time on it is only counted, for the report at the end.
    if ((this.state.shutdown?.requests ?? 0) < 2) {
      this.#record("SHUTDOWN_REQUESTED", `${action}, asked for by ${by}`);
    }
    if (this.state.shutdown !== null) {
      this.#moveShutdown({ kind: "again", action });
      this.#supervise({ kind: "shutdown" });
      return;
    }
    const { supervisor } = this.state;
    const boundMs = supervisor === null ? 0 : shutdownBoundMs(supervisor);
    this.#set({ shutdown: beginShutdown(action, this.#nowMs, boundMs) });
    if (supervisor === null) {
      this.#moveShutdown({ kind: "done", stage: "services" });
    } else this.#supervise({ kind: "shutdown" });
  }

  #moveShutdown(event: ShutdownEvent): void {
    const before = this.state.shutdown;
    if (before === null) return;
    const after = stepShutdown(before, event, this.#nowMs);
    if (after === before) return;
    this.#set({ shutdown: after });
    const again = after.stage === "power" && event.kind === "time";
    if (after.stage === before.stage && !again) return;
    this.effects.push({
      kind: "stage",
      stage: after.stage,
      action: after.action,
      report: shutdownReport(after, this.#nowMs),
    });
  }

  #becomeReady(): void {
    const { supervisor, readyMs, shutdown, startedMs } = this.state;
    if (supervisor === null || readyMs !== null || shutdown !== null) return;
    const counts = summary(supervisor);
    const late = this.#nowMs >= startedMs + READY_LIMIT_MS;
    // One that was not ready in time has no outcome before its process is gone.
    if (counts.starting + counts.stopping > 0 && !late) return;
    const { isOnProbation, fdir } = this.state;
    this.#set({
      readyMs: this.#nowMs,
      nextHealthMs: this.state.isHostConnected ? this.#nowMs : Infinity,
      provingSinceMs: isOnProbation ? null : this.#nowMs,
      nextFdirMs: this.#nowMs + (fdir?.policy.settleMs ?? Infinity),
    });
    this.#chooseMode();
    this.effects.push({ kind: "ready", text: healthText(this.state) });
  }

  #chooseMode(): void {
    const { state } = this;
    const mode = modeOf(state);
    if (mode === state.mode) return;
    this.#set({ mode });
    this.#record("MODE_CHANGED", `${state.mode} -> ${mode}`);
  }

  #becomeHealthy(): void {
    const { provingSinceMs, healthy, shutdown } = this.state;
    if (provingSinceMs === null || healthy || shutdown !== null) return;
    if (this.#nowMs < provingSinceMs + HEALTHY_AFTER_MS) return;
    this.#set({ healthy: true });
    this.effects.push({ kind: "healthy" });
  }

  #sendHealth(): void {
    if (this.#nowMs < this.state.nextHealthMs) return;
    // From now, not from when it was due: after a pause there is one frame to
    // send, not all that were missed.
    this.#set({
      nextHealthMs: this.#nowMs + this.state.settings.healthIntervalMs,
    });
    this.effects.push({ kind: "health" });
  }

  #pet(): void {
    const { petIntervalMs } = this.state.settings;
    if (petIntervalMs === null || this.#nowMs < this.state.nextPetMs) return;
    const starving = whyNotAlive(this.state, this.#nowMs);
    // Recorded, since it may be the last that is ever heard of this boot.
    if (starving !== this.state.starving) {
      if (starving === null) this.#record("WATCHDOG_FED", "petted again");
      else this.#record("WATCHDOG_STARVED", starving);
    }
    this.#set({ starving, nextPetMs: this.#nowMs + petIntervalMs });
    if (starving === null) this.effects.push({ kind: "pet" });
  }
}

/** Ctrl-Alt-Del is SIGINT to PID 1, and SIGPWR is a failing supply. */
const SIGNAL_ACTIONS: Readonly<Record<string, PowerAction | undefined>> = {
  SIGTERM: "poweroff",
  SIGINT: "poweroff",
  SIGPWR: "poweroff",
};

/** The events that end a service's part of the boot. */
const MILESTONES: Readonly<
  Partial<Record<EventCodeName, "done" | "failed">>
> = {
  SERVICE_STARTED: "done",
  SERVICE_FINISHED: "done",
  SERVICE_FAILED: "failed",
};

function modeOf(state: InitState): Mode {
  if (state.shutdown !== null) return "shuttingDown";
  if (state.readyMs === null || state.supervisor === null) return "booting";
  if (state.safeMode) return "safe";
  const isMissing = summary(state.supervisor).failed > 0 ||
    state.problems.size > 0;
  const isFaulty = state.fdir !== null && isDegrading(state.fdir);
  return isMissing || isFaulty ? "degraded" : "nominal";
}

/**
 * How the machine is, in one line.
 *
 * @param state The state.
 * @returns The mode, the services, and the subjects of all problems.
 *
 * @example
 * ```ts
 * import { createInit, healthText } from "./core.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * assertEquals(healthText(createInit(settings, 0)), "booting");
 * ```
 */
export function healthText(state: InitState): string {
  const { mode, problems, supervisor } = state;
  const counts = supervisor === null ? null : summary(supervisor);
  return [
    mode,
    ...(counts === null ? [] : [
      `${counts.running} of ${counts.total} services running`,
      ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
      ...(counts.starting > 0 ? [`${counts.starting} still starting`] : []),
    ]),
    ...problems.keys(),
  ].join(", ");
}

/**
 * Why the hardware should reset the machine, or null when it should not.
 *
 * @param state The state.
 * @param nowMs CLOCK_BOOTTIME, milliseconds.
 * @returns The reason in words, or null.
 *
 * @example
 * ```ts
 * import { createInit, whyNotAlive } from "./core.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * const state = { ...createInit(settings, 0), storagePendingMs: 0 };
 * assertEquals(whyNotAlive(state, 9_999), null);
 * assertEquals(whyNotAlive(state, 10_000), "storage does not answer");
 * ```
 */
export function whyNotAlive(state: InitState, nowMs: number): string | null {
  // A shutdown has its own deadlines, and its last stage leaves the watchdog
  // armed, so that a reboot that hangs is cut short by the hardware.
  if (state.shutdown?.stage === "power") return "the machine goes down";
  const { storagePendingMs, supervisor, exceptions } = state;
  if (exceptions.count >= EXCEPTION_STORM_COUNT) return "an exception storm";
  if (
    storagePendingMs !== null && nowMs - storagePendingMs >= STORAGE_LIMIT_MS
  ) return "storage does not answer";
  if (supervisor === null || state.shutdown !== null) return null;
  const down = unhealthyCriticalServices(supervisor, nowMs);
  return down.length === 0 ? null : `critical and down: ${down.join(" ")}`;
}

function shutdownReport(shutdown: ShutdownState, nowMs: number): string {
  const seconds = ((nowMs - shutdown.startMs) / 1000).toFixed(1);
  const late = shutdown.overrun.length > 0
    ? `, out of time: ${shutdown.overrun.join(" ")}`
    : "";
  const often = shutdown.requests > 2
    ? `, asked for ${shutdown.requests} times`
    : "";
  return `${shutdown.action} after ${seconds} s${often}${late}`;
}
