/**
 * A supervisor driven by hand: events in, effects out, with short words for
 * both. Answers a spawn at once unless told not to, as the shell does.
 */

import { assert, assertEquals } from "@std/assert";
import { defineService } from "../../../lib/supervisor/definition.ts";
import type { ServiceDefinition } from "../../../lib/supervisor/service_definition.ts";
import {
  createSupervisor,
  nextDeadlineMs,
  statusOf,
  stepSupervisor,
  type SupervisorEffect,
  type SupervisorEvent,
  type SupervisorState,
} from "../../../lib/supervisor/supervisor.ts";

export type Parts = Partial<Omit<ServiceDefinition, "name">>;

/** A definition with a command, and whatever the test is about. */
export function service(name: string, parts: Parts = {}): ServiceDefinition {
  return defineService(name, { command: [`/bin/${name}`], ...parts });
}

/** A supervisor and the time. */
export class Harness {
  state: SupervisorState;
  nowMs = 1000;
  /** Effects since the last look, records left out. */
  effects: SupervisorEffect[] = [];
  /** Codes and texts of records since the beginning. */
  readonly records: string[] = [];
  /** Whether a spawn is answered at once. */
  answersSpawn = true;
  hasCgroup = false;
  random = 0;
  #nextPid = 100;

  constructor(...definitions: ServiceDefinition[]) {
    this.state = createSupervisor(definitions);
  }

  /** A supervisor whose services of the boot have been started. */
  static started(...definitions: ServiceDefinition[]): Harness {
    const harness = new Harness(...definitions);
    harness.send({ kind: "start-all" });
    return harness;
  }

  send(event: SupervisorEvent): this {
    const before = this.state;
    const { state, effects } = stepSupervisor(
      before,
      event,
      this.nowMs,
      this.random,
    );
    this.state = state;
    for (const effect of effects) {
      if (effect.kind === "event") {
        this.records.push(`${effect.code} ${effect.text}`);
      } else this.effects.push(effect);
    }
    for (const effect of effects) {
      if (effect.kind === "spawn" && this.answersSpawn) {
        this.spawned(effect.service);
      }
    }
    return this;
  }

  /** Lets time pass, with a tick at each deadline on the way. */
  wait(ms: number): this {
    const untilMs = this.nowMs + ms;
    for (let ticks = 0; ticks < 10_000; ticks++) {
      const dueMs = nextDeadlineMs(this.state);
      if (dueMs === null || dueMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, dueMs);
      this.send({ kind: "tick" });
    }
    this.nowMs = untilMs;
    return this.send({ kind: "tick" });
  }

  instanceOf(name: string): number {
    const instance = statusOf(this.state, name)?.instance ?? null;
    assert(instance !== null, `${name} has no process`);
    return instance;
  }

  spawned(name: string): this {
    return this.send({
      kind: "spawned",
      service: name,
      instance: this.instanceOf(name),
      pid: this.#nextPid++,
      hasCgroup: this.hasCgroup,
    });
  }

  exit(name: string, how: number | string = 0): this {
    return this.send({
      kind: "exited",
      service: name,
      instance: this.instanceOf(name),
      exit: typeof how === "number"
        ? { exitCode: how, signal: null }
        : { exitCode: null, signal: how },
    });
  }

  notify(name: string, text = "READY=1"): this {
    return this.send({
      kind: "sd-notify",
      service: name,
      instance: this.instanceOf(name),
      text,
    });
  }

  cgroup(name: string, isPopulated: boolean): this {
    return this.send({
      kind: "cgroup",
      service: name,
      instance: this.instanceOf(name),
      isPopulated,
    });
  }

  command(
    command: "start" | "stop" | "restart" | "isolate" | "resume",
    name: string,
  ): this {
    return this.send({ kind: "command", command, service: name });
  }

  /** The state of a service in a few words. */
  is(name: string): string {
    const status = statusOf(this.state, name);
    if (status === null) return "unknown";
    const words: string[] = [status.state];
    if (status.reason !== null) words.push(status.reason);
    if (status.stopping !== null) words.push(`(${status.stopping})`);
    if (status.phase !== null && status.phase !== "main") {
      words.push(`[${status.phase}]`);
    }
    return words.join(" ");
  }

  expect(states: Record<string, string>): this {
    const met = Object.fromEntries(
      Object.keys(states).map((name) => [name, this.is(name)]),
    );
    assertEquals(met, states);
    return this;
  }

  /** The effects since the last look, in short words. */
  take(): string[] {
    const words = this.effects.map((effect) => {
      switch (effect.kind) {
        case "spawn":
          return `spawn ${effect.service} ${effect.phase} ${
            effect.command.join(" ")
          }`;
        case "signal":
          return `${effect.signal} ${effect.service} ${effect.scope}`;
        case "all-stopped":
          return "all-stopped";
        case "event":
          return effect.text;
        default:
          return `${effect.kind} ${effect.service}`;
      }
    });
    this.effects = [];
    return words;
  }
}
