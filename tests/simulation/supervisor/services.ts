/**
 * The processes and cgroups that the supervisor believes to run: virtual ones.
 * They carry out its effects, behave and misbehave, send its events, and keep
 * books of their own, by which each of its steps is judged. Whoever steps the
 * supervisor (its own simulation, or that of the whole init) owns the time.
 *
 * @module
 */

import type { ServiceDefinition } from "../../../lib/supervisor/service_definition.ts";
import { isSuccess } from "../../../lib/supervisor/service.ts";
import type { ExitStatus } from "../../../lib/supervisor/service_types.ts";
import {
  type ServicePhase,
  shutdownBoundMs,
  statusOf,
  stepSupervisor,
  type SupervisorEffect,
  type SupervisorEvent,
  type SupervisorState,
} from "../../../lib/supervisor/supervisor.ts";
import { type Books, check, checkState } from "./invariants.ts";
import type { Random } from "../random.ts";
import {
  type Behaviour,
  behaviourOf,
  type ServicesScenario,
} from "./scenario.ts";

/** A process that a service was given. */
export interface Process {
  readonly service: string;
  readonly instance: number;
  readonly phase: ServicePhase;
  readonly pid: number;
  readonly definition: ServiceDefinition;
  readonly behaviour: Behaviour;
  life: "alive" | "zombie" | "reaped";
  exit: ExitStatus;
  /** Whether it said that it is ready, and was heard. */
  saidReady: boolean;
  isStopped: boolean;
  isFrozen: boolean;
  isDying: boolean;
  pendingSignal: string | null;
  isPathWatched: boolean;
}

/** What a simulation did, to show that it did something. */
export interface Tally {
  steps: number;
  spawns: number;
  kills: number;
  failures: number;
  backoffs: number;
  shutdowns: number;
  remains: number;
  unkillable: number;
}

/** A process of a cgroup that its parent left behind. */
interface Child {
  readonly service: string;
  isAlive: boolean;
  readonly obeys: boolean;
}

/** The world around the processes. */
export interface ServicesWorld {
  /** The time. */
  readonly nowMs: () => number;
  /** Does something at a time, or never at Infinity. */
  readonly at: (atMs: number, run: () => void) => void;
  /** Takes the supervisor's news. */
  readonly send: (event: SupervisorEvent) => void;
  /** A process ended: somebody has to reap it. */
  readonly onEnded: (ended: Process) => void;
  /** A process that its parent left behind ended. */
  readonly onOrphanEnded: () => void;
  /** A number for a new process. */
  readonly newPid: () => number;
}

/** A counter of everything. */
export function newTally(): Tally {
  return {
    steps: 0,
    spawns: 0,
    kills: 0,
    failures: 0,
    backoffs: 0,
    shutdowns: 0,
    remains: 0,
    unkillable: 0,
  };
}

/** All services' processes, and the judge of the supervisor. */
export class VirtualServices {
  readonly #scenario: ServicesScenario;
  readonly #world: ServicesWorld;
  readonly #random: Random;
  readonly #tally: Tally;
  readonly #books: Books;
  #state: SupervisorState;
  #before: SupervisorState;
  /** Whether every process behaves well from now on. */
  isCalm = false;
  #processes: Process[] = [];
  #children: Child[] = [];
  /** Who broke a promise in this step, and is stopped out of order. */
  readonly #broken = new Set<string>();
  /** Notices of an empty cgroup that are under way, by service. */
  readonly #notices = new Map<string, number>();
  readonly #instances = new Set<number>();
  readonly #spawnCounts = new Map<string, number>();
  #shutdownDueMs = Infinity;
  #isDone = false;
  readonly #freezes: boolean;

  constructor(
    scenario: ServicesScenario,
    state: SupervisorState,
    random: Random,
    world: ServicesWorld,
    tally: Tally,
  ) {
    this.#scenario = scenario;
    this.#world = world;
    this.#tally = tally;
    this.#random = random;
    this.#state = state;
    this.#before = state;
    this.#books = {
      up: new Set(),
      upSinceMs: new Map(),
      failures: new Map(),
      dueMs: new Map(),
      backoffsMs: new Map(),
      isolated: new Set(),
    };
    // Freezing every state is slow; one seed in 16 shows that none is written to.
    this.#freezes = scenario.seed % 16 === 0;
    if (this.#freezes) deepFreeze(state);
  }

  /** Whether everybody has stopped. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Before when everybody must have stopped. */
  get shutdownDueMs(): number {
    return this.#shutdownDueMs;
  }

  /** Whether anything is left, alive or not yet reaped. */
  get isAnythingLeft(): boolean {
    return this.#processes.some((process) => process.life !== "reaped") ||
      this.#children.some((child) => child.isAlive);
  }

  get #nowMs(): number {
    return this.#world.nowMs();
  }

  #at(atMs: number, run: () => void): void {
    this.#world.at(Math.max(atMs, this.#nowMs), run);
  }

  /**
   * The supervisor makes a step; its effects come next.
   *
   * @param after The state after the step.
   * @param isMeddling Whether somebody asked for something, so that failures
   * are forgiven and the books can't hold anyone to a backoff.
   */
  beginStep(after: SupervisorState, isMeddling: boolean): void {
    this.#tally.steps++;
    if (this.#freezes) deepFreeze(after);
    this.#before = this.#state;
    this.#broken.clear();
    if (isMeddling) this.forgive();
    if (this.#before.shutdown === null && after.shutdown !== null) {
      this.#tally.shutdowns++;
      this.#shutdownDueMs = this.#nowMs + shutdownBoundMs(this.#before);
    }
    this.#state = after;
  }

  /**
   * Judges what the step left.
   *
   * @param answers News that its effects brought about, which it has not heard.
   */
  endStep(answers: readonly SupervisorEvent[]): void {
    for (const process of this.#processes) {
      check(
        process.life !== "alive" || process.pendingSignal === null ||
          (!process.isStopped && !process.isFrozen),
        `${process.service} can hear the signal that asks it to stop`,
      );
    }
    checkState(
      this.#state,
      this.#nowMs,
      (service, instance) => this.#isAccountedFor(service, instance),
      answers,
    );
    // Who is forgotten by a reload comes back as somebody new.
    const { graph, records } = this.#state;
    for (const name of this.#books.isolated) {
      const record = records[graph.indexOf.get(name) ?? -1];
      if (record === undefined || record.isRemoved) {
        this.#books.isolated.delete(name);
      }
    }
  }

  /** Whether news of an instance is still to come: it lives, or died unheard. */
  #isAccountedFor(service: string, instance: number): boolean {
    return this.#processes.some((process) =>
      process.instance === instance && process.life !== "reaped"
    ) ||
      this.#children.some((child) =>
        child.service === service && child.isAlive
      ) || (this.#notices.get(service) ?? 0) > 0;
  }

  /** Carries out an effect; the answers are to be sent. */
  carryOut(effect: SupervisorEffect): SupervisorEvent[] {
    switch (effect.kind) {
      case "spawn":
        return this.#spawn(effect);
      case "signal":
        this.#signal(effect);
        return [];
      case "check-cgroup": {
        check(
          this.#scenario.hasCgroups,
          "a cgroup is only asked after where there are cgroups",
        );
        const { service, instance } = effect;
        return [{
          kind: "cgroup",
          service,
          instance,
          isPopulated: this.#isPopulated(service),
        }];
      }
      case "watch-path":
      case "unwatch-path": {
        const process = this.#processes.find((one) =>
          one.instance === effect.instance
        );
        check(process !== undefined, "a path is watched for a known process");
        process.isPathWatched = effect.kind === "watch-path";
        return [];
      }
      case "freeze":
      case "thaw": {
        const process = this.#live(effect.service);
        if (process === undefined) return [];
        check(
          process.instance === effect.instance,
          "the live process is frozen or thawed",
        );
        process.isFrozen = effect.kind === "freeze";
        if (!process.isFrozen) this.#deliverPending(process);
        return [];
      }
      case "forget": {
        const { service } = effect;
        check(
          this.#live(service) === undefined && !this.#isPopulated(service),
          "a service is forgotten only when nothing is left of it",
        );
        return [];
      }
      case "event":
        this.#note(effect);
        return [];
      case "all-stopped":
        check(!this.#isDone, "all-stopped is said once");
        this.#isDone = true;
        this.#checkAllStopped();
        return [];
    }
  }

  #spawn(
    effect: Extract<SupervisorEffect, { kind: "spawn" }>,
  ): SupervisorEvent[] {
    const { service, instance, phase, definition } = effect;
    this.#tally.spawns++;
    check(!this.#isDone, "nothing is spawned after all-stopped");
    check(
      !this.#instances.has(instance),
      "an instance's number is never used again",
    );
    this.#instances.add(instance);
    check(
      this.#processes.every((one) =>
        one.service !== service || one.life === "reaped"
      ),
      `two processes of ${service} never live at a time`,
    );
    // A pre command may leave something for the next one; a run or its clean-up begins with nothing.
    const isFirst = phase === "main"
      ? definition.pre.length === 0
      : effect.command === definition[phase][0];
    check(
      !isFirst || !this.#scenario.hasCgroups || !this.#isPopulated(service),
      `nothing of ${service} is left in its cgroup when a run begins`,
    );
    if (phase !== "post" && isFirst) {
      check(
        !this.#books.isolated.has(service),
        `${service} is not started while it is isolated`,
      );
      this.#checkSoftOrder(service);
    }
    if (phase !== "post") {
      for (const other of definition.requires) {
        check(
          this.#books.up.has(other),
          `${service} is spawned only when ${other} is up`,
        );
      }
      const dueMs = this.#books.dueMs.get(service) ?? 0;
      check(
        this.#nowMs >= dueMs,
        `${service} is spawned at ${this.#nowMs}, its backoff ends ${dueMs}`,
      );
    }
    const key = `${service} ${phase}`;
    const nth = this.#spawnCounts.get(key) ?? 0;
    this.#spawnCounts.set(key, nth + 1);
    const behaviour = behaviourOf(
      this.#scenario,
      definition,
      phase,
      nth,
      this.isCalm,
    );
    if (behaviour.spawnFails) {
      return [{ kind: "spawn-failed", service, instance, error: "ENOENT" }];
    }
    const process: Process = {
      service,
      instance,
      phase,
      pid: this.#world.newPid(),
      definition,
      behaviour,
      life: "alive",
      exit: behaviour.exit,
      saidReady: false,
      isStopped: behaviour.isStopped,
      isFrozen: false,
      isDying: false,
      pendingSignal: null,
      isPathWatched: false,
    };
    this.#processes = this.#processes.filter((one) =>
      one.life !== "reaped" || one.service !== service
    );
    this.#children = this.#children.filter((one) => one.isAlive);
    this.#processes.push(process);
    this.#at(
      this.#nowMs + behaviour.exitAfterMs,
      () => this.#wish(process, "exit"),
    );
    if (phase === "main") {
      this.#at(
        this.#nowMs + behaviour.readyAfterMs,
        () => this.#sayReady(process),
      );
      this.#beat(process, behaviour.heartbeats);
    }
    return [{
      kind: "spawned",
      service,
      instance,
      pid: process.pid,
      hasCgroup: this.#scenario.hasCgroups,
    }];
  }

  /** Whoever is waited for, and is just starting, has its first outcome before a service starts. */
  #checkSoftOrder(service: string): void {
    const { graph, records } = this.#state;
    const index = graph.indexOf.get(service) ?? -1;
    for (const other of graph.soft[index] ?? []) {
      const name = graph.names[other] ?? "";
      const before = this.#before.records.find((one) =>
        one.definition.name === name
      );
      const after = records[other];
      const isStarting = before?.state.kind === "starting" &&
        after?.state.kind === "starting" &&
        after.state.stopping === null &&
        before.instance?.number === after.instance?.number;
      const isToBeUp = after?.isWanted === true &&
        (!this.#state.isSafeMode ||
          this.#state.isAllowedInSafeMode[other] === true);
      check(
        !isStarting || !isToBeUp,
        `${service} waits for ${name}, which is starting`,
      );
    }
  }

  /** Whoever requires a service is down before that is asked to stop, unless it broke a promise. */
  #checkStopOrder(service: string): void {
    const { graph, records, shutdown } = this.#state;
    const index = graph.indexOf.get(service) ?? -1;
    const state = records[index]?.state;
    if (state?.kind !== "starting" && state?.kind !== "running") return;
    const isOrderly = ["requested", "restart", "dependency"].includes(
      state.stopping ?? "",
    );
    if (!isOrderly || this.#broken.has(service) || shutdown?.urgency === 2) {
      return;
    }
    for (const other of graph.requiredBy[index] ?? []) {
      const name = graph.names[other] ?? "";
      const isLeft =
        records[other]?.instance?.termination?.stage === "abandoned";
      check(
        isLeft || this.#live(name) === undefined,
        `${name}, which requires ${service}, is down before ${service} is asked to stop`,
      );
    }
  }

  /** A process that wants to exit can do so only while it runs. */
  #wish(process: Process, what: "exit"): void {
    if (process.life !== "alive" || process.isDying) return;
    if (process.isFrozen || process.isStopped) {
      this.#at(this.#nowMs + 100, () => this.#wish(process, what));
    } else {
      this.#die(process, process.behaviour.exit);
    }
  }

  #sayReady(process: Process): void {
    if (process.life !== "alive") return;
    if (process.isFrozen || process.isStopped) {
      this.#at(this.#nowMs + 100, () => this.#sayReady(process));
      return;
    }
    const { service, instance, definition } = process;
    switch (definition.readiness.kind) {
      case "notify-fd":
        process.saidReady = true;
        return this.#world.send({ kind: "notify-line", service, instance });
      case "sd-notify":
        process.saidReady = true;
        return this.#world.send({
          kind: "sd-notify",
          service,
          instance,
          text: "STATUS=ok\nREADY=1",
        });
      case "path":
        if (!process.isPathWatched) return;
        process.saidReady = true;
        return this.#world.send({ kind: "path-exists", service, instance });
      case "spawned":
      case "exit":
        return;
    }
  }

  #beat(process: Process, left: number): void {
    const { watchdogMs } = process.definition.health;
    // Who falls silent only when all is well would be down at any moment later.
    if (watchdogMs === null || (left <= 0 && !this.isCalm)) return;
    this.#at(this.#nowMs + Math.floor(watchdogMs / 2), () => {
      const isInBackground = process.definition.readiness.kind === "exit" &&
        this.#isPopulated(process.service);
      if (process.life !== "alive" && !isInBackground) return;
      if (!process.isFrozen && !process.isStopped) {
        const { service, instance } = process;
        this.#world.send({
          kind: "sd-notify",
          service,
          instance,
          text: "WATCHDOG=1",
        });
      }
      this.#beat(process, left - 1);
    });
  }

  /** The leader is gone; its exit is heard when it is reaped. */
  #die(process: Process, exit: ExitStatus): void {
    if (process.life !== "alive") return;
    process.life = "zombie";
    process.exit = exit;
    const { childrenLiveMs, childrenObey } = process.behaviour;
    const leavesThem = childrenLiveMs > 0 && this.#scenario.hasCgroups &&
      exit.signal !== "SIGKILL";
    if (leavesThem) {
      const child: Child = {
        service: process.service,
        isAlive: true,
        obeys: childrenObey,
      };
      this.#children.push(child);
      this.#at(this.#nowMs + childrenLiveMs, () => this.#loseChild(child));
    } else {
      this.#tellIfEmpty(process.service);
    }
    this.#world.onEnded(process);
  }

  /**
   * Takes an ended process out of the world.
   *
   * @param process The process.
   * @returns The news of it, to be sent.
   */
  reap(process: Process): SupervisorEvent {
    process.life = "reaped";
    const { service, instance, exit } = process;
    // Known before the event: what it says is that readiness by exit came.
    process.saidReady ||= isSuccess(exit, {
      ...policyLike(process.definition),
    });
    this.#books.up.delete(service);
    return { kind: "exited", service, instance, exit };
  }

  #loseChild(child: Child): void {
    if (!child.isAlive) return;
    child.isAlive = false;
    this.#tellIfEmpty(child.service);
    this.#world.onOrphanEnded();
  }

  /** The kernel's notice that a cgroup became empty comes late, and for whatever runs by then. */
  #tellIfEmpty(service: string): void {
    if (!this.#scenario.hasCgroups || this.#isPopulated(service)) return;
    this.#notices.set(service, (this.#notices.get(service) ?? 0) + 1);
    this.#at(this.#nowMs + this.#random.between(0, 10), () => {
      this.#notices.set(service, (this.#notices.get(service) ?? 1) - 1);
      const instance = statusOf(this.#state, service)?.instance ?? null;
      if (instance === null) return;
      this.#world.send({
        kind: "cgroup",
        service,
        instance,
        isPopulated: this.#isPopulated(service),
      });
    });
  }

  #isPopulated(service: string): boolean {
    return this.#processes.some((one) =>
      one.service === service && one.life === "alive"
    ) ||
      this.#children.some((one) => one.service === service && one.isAlive);
  }

  #live(service: string): Process | undefined {
    return this.#processes.find((one) =>
      one.service === service && one.life !== "reaped"
    );
  }

  #signal(effect: Extract<SupervisorEffect, { kind: "signal" }>): void {
    const { service, instance, pid, signal, scope } = effect;
    const process = this.#processes.find((one) => one.instance === instance);
    check(this.#instances.has(instance), "a signal goes to a known instance");
    if (pid === null) {
      check(
        scope === "cgroup" && this.#scenario.hasCgroups,
        "without a process only a cgroup is signalled",
      );
    } else {
      check(
        process?.service === service && pid === process.pid &&
          process.life !== "reaped",
        "no reaped process is signalled, and none of another service",
      );
    }
    if (signal !== "SIGKILL" && signal !== "SIGCONT" && pid !== null) {
      this.#checkStopOrder(service);
    }
    if (scope === "cgroup") {
      check(
        this.#scenario.hasCgroups,
        "a cgroup is signalled only where there is one",
      );
      for (const child of this.#children) {
        if (
          child.service !== service || !child.isAlive || signal === "SIGCONT"
        ) continue;
        if (signal === "SIGKILL" || child.obeys) {
          this.#at(
            this.#nowMs + this.#random.between(0, 50),
            () => this.#loseChild(child),
          );
        }
      }
    }
    if (process?.life === "alive") this.#receive(process, signal);
  }

  #receive(process: Process, signal: string): void {
    if (signal === "SIGKILL") {
      this.#tally.kills++;
      if (process.isDying) return;
      process.isDying = true;
      const { diesAfterMs } = process.behaviour;
      this.#at(
        this.#nowMs + (this.isCalm ? Math.min(diesAfterMs, 50) : diesAfterMs),
        () => this.#die(process, { exitCode: null, signal: "SIGKILL" }),
      );
      return;
    }
    if (signal !== "SIGCONT") process.pendingSignal = signal;
    else process.isStopped = false;
    this.#deliverPending(process);
  }

  #deliverPending(process: Process): void {
    if (
      process.isStopped || process.isFrozen || process.pendingSignal === null
    ) return;
    const signal = process.pendingSignal;
    process.pendingSignal = null;
    const exit: ExitStatus = process.pid % 2 === 0
      ? { exitCode: 0, signal: null }
      : { exitCode: null, signal };
    this.#at(
      this.#nowMs + process.behaviour.obeysAfterMs,
      () => this.#die(process, exit),
    );
  }

  /** The end of every process but the init: a stage of the machine's shutdown. */
  signalAll(signal: string): void {
    for (const process of this.#processes) {
      if (process.life === "alive") this.#receive(process, signal);
    }
    if (signal === "SIGCONT") return;
    for (const child of this.#children) {
      if (signal !== "SIGKILL" && !child.obeys) continue;
      this.#at(
        this.#nowMs + this.#random.between(0, 50),
        () => this.#loseChild(child),
      );
    }
  }

  /** Somebody outside finds a service's process broken. */
  findUnhealthy(service: string): void {
    const instance = statusOf(this.#state, service)?.instance ?? null;
    if (instance === null) return;
    this.#world.send({ kind: "unhealthy", service, instance, error: "drawn" });
  }

  /** A service's process crashes. */
  crash(service: string): void {
    const process = this.#live(service);
    if (process !== undefined) {
      this.#die(process, { exitCode: null, signal: "SIGSEGV" });
    }
  }

  /** Somebody stops a service's process (SIGSTOP). */
  stopProcess(service: string): void {
    const process = this.#live(service);
    if (process !== undefined) process.isStopped = true;
  }

  /** From now on every process behaves: what runs beats on, and nothing new hangs in the kernel. */
  calmDown(): void {
    this.isCalm = true;
    for (const process of this.#processes) process.isStopped = false;
  }

  /** News of instances that are over, and of services that never were. */
  sendStale(service: string): void {
    const present = statusOf(this.#state, service)?.instance ?? null;
    const exit: ExitStatus = { exitCode: 1, signal: null };
    for (const instance of [0, -1, 1e9, ...this.#instances]) {
      if (instance === present) continue;
      const events: SupervisorEvent[] = [
        { kind: "exited", service, instance, exit },
        { kind: "spawned", service, instance, pid: 1, hasCgroup: true },
        { kind: "spawn-failed", service, instance, error: "late" },
        { kind: "cgroup", service, instance, isPopulated: false },
        { kind: "notify-line", service, instance },
        { kind: "path-exists", service, instance },
        {
          kind: "sd-notify",
          service,
          instance,
          text: "READY=1\nSTOPPING=1\nWATCHDOG=1",
        },
        { kind: "unhealthy", service, instance, error: "late" },
        { kind: "exited", service: "nobody", instance, exit },
        { kind: "command", command: "stop", service: "nobody" },
      ];
      for (const event of events) {
        const step = stepSupervisor(this.#state, event, this.#nowMs, 0);
        check(
          step.state === this.#state && step.effects.length === 0,
          `late news changes nothing: ${event.kind}`,
        );
      }
    }
  }

  /** The same exit, told again. */
  repeatExit(process: Process): void {
    const { service, instance, exit } = process;
    const step = stepSupervisor(
      this.#state,
      { kind: "exited", service, instance, exit },
      this.#nowMs,
      0,
    );
    check(step.state === this.#state, "an exit that is told twice counts once");
  }

  /** Somebody meddled: failures are forgiven, so the books can't hold anyone to a backoff. */
  forgive(): void {
    this.#books.failures.clear();
    this.#books.dueMs.clear();
  }

  #note(effect: Extract<SupervisorEffect, { kind: "event" }>): void {
    const { service, code, text } = effect;
    check(code !== "INTERNAL_ERROR", `no internal error: ${text}`);
    if (code === "SERVICE_REMAINS") this.#tally.remains++;
    if (code === "SERVICE_UNKILLABLE") this.#tally.unkillable++;
    if (service === null) return;
    const { up, upSinceMs, failures, dueMs, backoffsMs, isolated } =
      this.#books;
    if (code === "SERVICE_ISOLATED") isolated.add(service);
    if (code === "SERVICE_RESUMED") isolated.delete(service);
    const promises = [
      "SERVICE_START_TIMEOUT",
      "SERVICE_WATCHDOG_MISSED",
      "SERVICE_UNHEALTHY",
    ];
    if (promises.includes(code)) this.#broken.add(service);
    const index = this.#state.graph.indexOf.get(service) ?? -1;
    const record = this.#state.records[index];
    check(record !== undefined, "an event is about a known service");
    const { policy } = record;
    const sinceMs = upSinceMs.get(service);
    const wasHealthy = sinceMs !== undefined &&
      this.#nowMs - sinceMs >= policy.backoff.resetAfterMs;
    const ends = [
      "SERVICE_STOPPED",
      "SERVICE_FINISHED",
      "SERVICE_BACKOFF",
      "SERVICE_FAILED",
    ].includes(code);
    if (ends) {
      up.delete(service);
      upSinceMs.delete(service);
      if (wasHealthy) failures.delete(service);
    }
    if (code === "SERVICE_STARTED") {
      const process = this.#processes.find((one) =>
        one.service === service && one.phase === "main"
      );
      const isReady = record.definition.readiness.kind === "spawned" ||
        process?.saidReady === true;
      check(isReady, `${service} is up only after it was ready`);
      up.add(service);
      if (policy.type === "oneshot") failures.delete(service);
      if (policy.type === "process") upSinceMs.set(service, this.#nowMs);
    } else if (code === "SERVICE_FINISHED") {
      failures.delete(service);
    } else if (code === "SERVICE_BACKOFF") {
      this.#tally.backoffs++;
      const count = failures.get(service) ?? 0;
      const { initialMs, factor, maximumMs } = policy.backoff;
      failures.set(service, count + 1);
      backoffsMs.set(service, [...backoffsMs.get(service) ?? [], this.#nowMs]);
      // A restart that was asked for, and waited for others to come down, is not held up.
      if (this.#before.records[index]?.isRestartRequested) {
        failures.delete(service);
        return;
      }
      dueMs.set(
        service,
        this.#nowMs +
          Math.min(maximumMs, initialMs * factor ** Math.min(count, 100)),
      );
    } else if (code === "SERVICE_FAILED" && record.state.kind === "failed") {
      this.#tally.failures++;
      const { reason } = record.state;
      if (reason === "restart-limit") {
        const inWindow = (backoffsMs.get(service) ?? [])
          .filter((timeMs) => timeMs > this.#nowMs - policy.restartWindowMs);
        check(
          policy.maximumRestarts !== null &&
            inWindow.length >= policy.maximumRestarts,
          `${service} is given up only after ${policy.maximumRestarts} restarts, met ${inWindow.length}`,
        );
      } else if (reason !== "dependency-failed") {
        check(
          policy.restart === "never",
          `${service} is Failed (${reason}) only if it is never restarted`,
        );
      }
    }
  }

  /** No restart is lost: in the end everybody is up who is to be, or somebody says why not. */
  checkEverybodyIsUp(): void {
    const isExplained = (name: string): boolean => {
      const status = statusOf(this.#state, name);
      if (status === null || !status.isWanted) return true;
      if (status.state === "failed" || status.reason === "finished") {
        return true;
      }
      const definition = this.#scenario.definitions.find((one) =>
        one.name === name
      );
      const isUntrackable = definition?.type === "process" &&
        definition.readiness.kind === "exit" && !this.#scenario.hasCgroups;
      if (isUntrackable) return true;
      return status.state === "pending" && status.waitsFor.some(isExplained);
    };
    for (const { name } of this.#scenario.definitions) {
      const status = statusOf(this.#state, name);
      check(status !== null, `${name} is known`);
      const isUp = status.state === "running" && status.stopping === null;
      check(
        isUp || isExplained(name),
        `${name} is up in the end, or says why not: ${JSON.stringify(status)}`,
      );
    }
  }

  #checkAllStopped(): void {
    for (const { instance } of this.#state.records) {
      check(
        instance === null || instance.termination?.stage === "abandoned",
        "all-stopped is said when everybody is down or was given up",
      );
    }
    const isLeft = (service: string): boolean =>
      this.#state.records.some((record) =>
        record.definition.name === service && record.instance !== null
      );
    for (const process of this.#processes) {
      check(
        process.life === "reaped" || isLeft(process.service),
        "nothing lives unknown after all-stopped",
      );
    }
  }
}

function policyLike(definition: ServiceDefinition) {
  return {
    type: definition.type,
    restart: definition.restart,
    successCodes: definition.successCodes,
    successSignals: definition.successSignals,
    backoff: definition.backoff,
    maximumRestarts: null,
    restartWindowMs: 1,
    readiness: "notified" as const,
    startTimeoutMs: null,
    watchdogMs: null,
  };
}

function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) {
    return;
  }
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
}
