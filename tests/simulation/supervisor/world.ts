/**
 * A machine of nothing but services: plays a scenario with the supervisor
 * alone, at virtual time.
 *
 * @module
 */
import {
  createSupervisor,
  nextDeadlineMs,
  statusOf,
  stepSupervisor,
  type SupervisorEvent,
  type SupervisorState,
} from "../../../lib/supervisor/supervisor.ts";
import { Agenda } from "../agenda.ts";
import { Random } from "../random.ts";
import { check } from "./invariants.ts";
import type { Operation, Scenario } from "./scenario.ts";
import { type Process, type Tally, VirtualServices } from "./services.ts";

/** Events by which somebody asks for something. */
const MEDDLING: readonly SupervisorEvent["kind"][] = [
  "enter-safe-mode",
  "leave-safe-mode",
  "reload",
  "shutdown",
];

/** Plays a scenario to its end. Throws at the first step that breaks a rule. */
export function play(scenario: Scenario, tally: Tally): void {
  new World(scenario, tally).play();
}

class World {
  readonly #scenario: Scenario;
  readonly #random: Random;
  readonly #services: VirtualServices;
  readonly #agenda = new Agenda();
  #state: SupervisorState;
  #nextPid = 1000;

  constructor(scenario: Scenario, tally: Tally) {
    this.#scenario = scenario;
    this.#random = new Random(scenario.seed, 2);
    this.#state = createSupervisor(scenario.definitions);
    this.#services = new VirtualServices(
      scenario,
      this.#state,
      this.#random,
      {
        nowMs: () => this.#agenda.nowMs,
        at: (atMs, run) => void this.#agenda.at(atMs, run),
        send: (event) => this.#send(event),
        onEnded: (process) => this.#ended(process),
        onOrphanEnded: () => {},
        newPid: () => this.#nextPid++,
      },
      tally,
    );
  }

  play(): void {
    this.#send({ kind: "start-all" });
    for (const { atMs, operation } of this.#scenario.operations) {
      this.#agenda.at(atMs, () => this.#operate(operation));
    }
    this.#run(this.#scenario.calmMs);
    const services = this.#services;
    if (!services.isDone && services.shutdownDueMs === Infinity) {
      this.#calmDown();
      this.#run(this.#agenda.nowMs + 300_000);
      services.checkEverybodyIsUp();
      this.#send({ kind: "shutdown" });
    }
    this.#run(this.#agenda.nowMs + 2_000_000);
    check(services.isDone, "a shutdown ends");
    check(!services.isAnythingLeft, "nothing is left in the end");
  }

  /** Lets time pass until nothing is left to do before a time. */
  #run(untilMs: number): void {
    const agenda = this.#agenda;
    let idleTicks = 0;
    while (true) {
      const deadlineMs = nextDeadlineMs(this.#state) ?? Infinity;
      const atMs = Math.min(agenda.nextMs, deadlineMs);
      if (atMs > untilMs) break;
      idleTicks = atMs <= agenda.nowMs ? idleTicks + 1 : 0;
      check(
        idleTicks < 500,
        "time goes on: no deadline is due again and again",
      );
      check(
        Math.max(agenda.nowMs, atMs) <= this.#services.shutdownDueMs ||
          this.#services.isDone,
        "a shutdown keeps its bound",
      );
      if (agenda.nextMs <= deadlineMs) agenda.runNext();
      else {
        agenda.pass(deadlineMs);
        this.#send({ kind: "tick" });
      }
    }
    if (untilMs < 1e9) agenda.pass(untilMs);
  }

  #send(event: SupervisorEvent): void {
    const { state, effects } = stepSupervisor(
      this.#state,
      event,
      this.#agenda.nowMs,
      this.#random.fraction(),
    );
    this.#state = state;
    const isMeddling = MEDDLING.includes(event.kind) ||
      (event.kind === "command" &&
        (event.command === "start" || event.command === "restart"));
    this.#services.beginStep(state, isMeddling);
    const answers: SupervisorEvent[] = [];
    for (const effect of effects) {
      answers.push(...this.#services.carryOut(effect));
    }
    this.#services.endStep(answers);
    for (const answer of answers) this.#send(answer);
  }

  #ended(process: Process): void {
    const { nowMs } = this.#agenda;
    this.#agenda.at(nowMs + this.#random.between(0, 20), () => {
      this.#send(this.#services.reap(process));
      this.#services.repeatExit(process);
    });
  }

  #operate(operation: Operation): void {
    switch (operation.kind) {
      case "command":
      case "enter-safe-mode":
      case "leave-safe-mode":
      case "shutdown":
        return this.#send(operation);
      case "unhealthy":
        return this.#services.findUnhealthy(operation.service);
      case "kill":
        return this.#services.crash(operation.service);
      case "stop-process":
        return this.#services.stopProcess(operation.service);
      case "stale":
        return this.#services.sendStale(operation.service);
      case "reload": {
        const definitions = this.#scenario.definitions.filter((one) =>
          one.name !== operation.without
        );
        return this.#send({ kind: "reload", definitions });
      }
    }
  }

  #calmDown(): void {
    this.#services.calmDown();
    this.#send({ kind: "leave-safe-mode" });
    this.#send({ kind: "reload", definitions: this.#scenario.definitions });
    for (const { name } of this.#scenario.definitions) {
      if (statusOf(this.#state, name) === null) continue;
      this.#send({ kind: "command", command: "resume", service: name });
    }
  }
}
