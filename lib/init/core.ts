/**
 * The init's decisions: what mode the machine is in, when it is ready, what a
 * host's request or a signal brings about, when the watchdog is petted, how
 * the machine goes down. One state, one function from (state, event, time) to
 * (state, effects). Pure: no clock, no file, no system call; imports the
 * supervisor, `fdir`'s pure files and pure files of this room: the step itself
 * is in `core_turn.ts`, requests in `core_requests.ts`, faults in
 * `core_faults.ts`, and how the machine is in `core_condition.ts`.
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
import { createFdir } from "../fdir/fdir_state.ts";
import type { ServiceDefinition } from "../supervisor/service_definition.ts";
import {
  createSupervisor,
  isMoving,
  nextDeadlineMs,
} from "../supervisor/supervisor.ts";
import { healthText, modeOf, whyNotAlive } from "./core_condition.ts";
import { expectChange, judgeFaults, lookForFaults } from "./core_faults.ts";
import { takeRequest } from "./core_requests.ts";
import { Turn } from "./core_turn.ts";
import {
  EXCEPTION_STORM_COUNT,
  EXCEPTION_STORM_MS,
  FDIR_INTERVAL_MS,
  HEALTHY_AFTER_MS,
  type InitEvent,
  type InitSettings,
  type InitState,
  type InitStep,
  READY_LIMIT_MS,
} from "./core_types.ts";
import { CommandStatus } from "../wire/telecommand.ts";
import { LOOK_LIMIT_MS } from "./fdir_turn.ts";
import type { PowerAction } from "./shutdown.ts";

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
    forgiveness: null,
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
  const turn = new InitTurn(state, nowMs, random);
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

type StartEvent = Extract<InitEvent, { readonly kind: "start" }>;
type ProblemEvent = Extract<InitEvent, { readonly kind: "problem" }>;

/** A step of the init: what an event brings about, and what follows from the state. */
class InitTurn extends Turn {
  /** What the event itself brings about. */
  take(event: InitEvent): void {
    switch (event.kind) {
      case "time":
        this.supervise({ kind: "tick" });
        this.moveShutdown({ kind: "time" });
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
        judgeFaults(this, event.observation);
        break;
      case "fdir-expect":
        expectChange(this, event.what);
        break;
      case "internal-error":
        this.#countException();
        break;
      case "definitions":
        this.#redefine(event.definitions, event.problem);
        break;
      case "supervisor":
        this.supervise(event.event);
        break;
      case "signal":
        this.#signal(event.signal);
        break;
      case "request":
        takeRequest(this, event.request);
        break;
      case "host":
        this.#meet(event.isConnected);
        break;
      case "configure":
        this.#configure(event.settings);
        break;
      case "boots-forgiven":
        this.#forgiven(event.problem);
        break;
      case "storage-pending":
        this.set({ storagePendingMs: event.sinceMs });
        break;
      case "stage-done":
        this.moveShutdown({ kind: "done", stage: event.stage });
        break;
    }
  }

  /** What follows from the state, whatever the event was. */
  settle(): void {
    this.#becomeReady();
    this.#chooseMode();
    this.#becomeHealthy();
    this.#sendHealth();
    lookForFaults(this);
    this.#pet();
  }

  #problem({ subject, text, code }: ProblemEvent): void {
    if (this.state.problems.get(subject) === text) return;
    this.set({ problems: new Map(this.state.problems).set(subject, text) });
    this.record(code ?? "BOOT_PHASE_FAILED", `${subject}: ${text}`);
  }

  #solved(subject: string): void {
    if (!this.state.problems.has(subject)) return;
    const problems = new Map(this.state.problems);
    problems.delete(subject);
    this.set({ problems });
  }

  #start({ definitions, safeMode, isOnProbation = false }: StartEvent): void {
    // A shutdown that was asked for during the boot has the last word.
    if (this.state.supervisor !== null || this.state.shutdown !== null) return;
    this.set({
      supervisor: createSupervisor(definitions),
      safeMode,
      isOnProbation,
      startedMs: this.nowMs,
    });
    if (safeMode) this.supervise({ kind: "enter-safe-mode" });
    this.supervise({ kind: "start-all" });
    if (this.state.isReloadDue) this.#reload();
  }

  /** Asks for new definitions: now, or once there are services. */
  #reload(): void {
    if (this.state.shutdown !== null) return;
    const isTooEarly = this.state.supervisor === null;
    this.set({ isReloadDue: isTooEarly });
    if (!isTooEarly) this.effects.push({ kind: "read-definitions" });
  }

  #redefine(
    definitions: readonly ServiceDefinition[],
    problem: string | null,
  ): void {
    if (this.state.supervisor === null || this.state.shutdown !== null) return;
    if (problem !== null) {
      this.record("DEFINITIONS_REFUSED", problem);
      return;
    }
    // What the boot found wrong with the earlier ones says nothing about these.
    this.#solved("definitions");
    this.supervise({ kind: "reload", definitions });
  }

  #signal(signal: string): void {
    if (signal === "SIGHUP") return this.#reload();
    const action = SIGNAL_ACTIONS[signal];
    if (action !== undefined) this.shutDown(action, signal);
  }

  /**
   * A host that has just come need not wait for the next HEALTH frame, and one
   * that went need not keep an idle machine awake.
   */
  #meet(isHostConnected: boolean): void {
    const { readyMs, settings } = this.state;
    const nextHealthMs = isHostConnected && readyMs !== null
      ? this.nowMs + settings.healthIntervalMs
      : Infinity;
    this.set({ isHostConnected, nextHealthMs });
    if (isHostConnected) this.effects.push({ kind: "health" });
  }

  /** What was due by the old intervals is due by the new ones. */
  #configure(change: Partial<InitSettings>): void {
    const settings = { ...this.state.settings, ...change };
    const { nextHealthMs, nextFdirMs } = this.state;
    const { healthIntervalMs, petIntervalMs, fdirIntervalMs } = settings;
    this.set({
      settings,
      nextHealthMs: nextHealthMs === Infinity
        ? Infinity
        : Math.min(nextHealthMs, this.nowMs + healthIntervalMs),
      nextFdirMs: nextFdirMs === Infinity ? Infinity : Math.min(
        nextFdirMs,
        this.nowMs + (fdirIntervalMs ?? FDIR_INTERVAL_MS),
      ),
      nextPetMs: petIntervalMs === null ? Infinity : this.nowMs,
    });
  }

  /** Who asked for it may rely on it from now on, or hears that it may not. */
  #forgiven(problem: string | null): void {
    const { forgiveness } = this.state;
    if (forgiveness === null) return;
    const isStored = problem === null;
    if (!isStored) {
      const text = `failed boots are forgiven, but not stored: ${problem}`;
      this.effects.push({ kind: "say", level: "error", text });
    }
    // Who asks again has it tried again.
    const refused = { isUnderWay: false, requests: [] };
    this.set({ forgiveness: isStored ? null : refused });
    for (const request of forgiveness.requests) {
      this.answer(request, isStored ? CommandStatus.OK : CommandStatus.EIO);
    }
  }

  /** Exceptions without end leave nothing to hope for but another boot. */
  #countException(): void {
    const { exceptions, shutdown } = this.state;
    const isOld = this.nowMs - exceptions.sinceMs >= EXCEPTION_STORM_MS;
    const count = isOld ? 1 : exceptions.count + 1;
    const sinceMs = isOld ? this.nowMs : exceptions.sinceMs;
    this.set({ exceptions: { sinceMs, count } });
    if (count !== EXCEPTION_STORM_COUNT || shutdown !== null) return;
    const text = `${count} exceptions in ${this.nowMs - sinceMs} ms`;
    this.record("EXCEPTION_STORM", text);
    this.shutDown("reboot", "an exception storm");
  }

  #becomeReady(): void {
    const { supervisor, readyMs, shutdown, startedMs } = this.state;
    if (supervisor === null || readyMs !== null || shutdown !== null) return;
    const late = this.nowMs >= startedMs + READY_LIMIT_MS;
    // One that was not ready in time has no outcome before its process is gone.
    if (!late && isMoving(supervisor)) return;
    const { isOnProbation, fdir } = this.state;
    this.set({
      readyMs: this.nowMs,
      nextHealthMs: this.state.isHostConnected ? this.nowMs : Infinity,
      provingSinceMs: isOnProbation ? null : this.nowMs,
      nextFdirMs: this.nowMs + (fdir?.policy.settleMs ?? Infinity),
    });
    this.#chooseMode();
    this.effects.push({ kind: "ready", text: healthText(this.state) });
  }

  #chooseMode(): void {
    const { state } = this;
    const mode = modeOf(state);
    if (mode === state.mode) return;
    this.set({ mode });
    this.record("MODE_CHANGED", `${state.mode} -> ${mode}`);
  }

  #becomeHealthy(): void {
    const { provingSinceMs, healthy, shutdown, forgiveness } = this.state;
    if (provingSinceMs === null || healthy || shutdown !== null) return;
    if (this.nowMs < provingSinceMs + HEALTHY_AFTER_MS) return;
    this.set({ healthy: true });
    // To try again what is less than this would undo it.
    if (forgiveness?.isUnderWay === false) this.set({ forgiveness: null });
    this.effects.push({ kind: "healthy" });
  }

  #sendHealth(): void {
    if (this.nowMs < this.state.nextHealthMs) return;
    // From now, not from when it was due: after a pause there is one frame to
    // send, not all that were missed.
    this.set({
      nextHealthMs: this.nowMs + this.state.settings.healthIntervalMs,
    });
    this.effects.push({ kind: "health" });
  }

  #pet(): void {
    const { petIntervalMs } = this.state.settings;
    if (petIntervalMs === null || this.nowMs < this.state.nextPetMs) return;
    const starving = whyNotAlive(this.state, this.nowMs);
    // Recorded, since it may be the last that is ever heard of this boot.
    if (starving !== this.state.starving) {
      if (starving === null) this.record("WATCHDOG_FED", "petted again");
      else this.record("WATCHDOG_STARVED", starving);
    }
    this.set({ starving, nextPetMs: this.nowMs + petIntervalMs });
    if (starving === null) this.effects.push({ kind: "pet" });
  }
}

/** Ctrl-Alt-Del is SIGINT to PID 1, and SIGPWR is a failing supply. */
const SIGNAL_ACTIONS: Readonly<Record<string, PowerAction | undefined>> = {
  SIGTERM: "poweroff",
  SIGINT: "poweroff",
  SIGPWR: "poweroff",
};
