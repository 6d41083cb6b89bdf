/**
 * One step of the supervisor while it is being made: a working copy of the
 * records, the effects so far, and which services are still to be looked at.
 * Nothing of it outlives the step. Imports only the supervisor's own files and
 * the table of event codes.
 *
 * @module
 */

import type { EventSeverity } from "../wire/event.ts";
import { type EventCodeName, eventCodes } from "../wire/event_code.ts";
import type {
  ServiceInstance,
  ServiceRecord,
  Shutdown,
  SupervisorEffect,
  SupervisorState,
  SupervisorStep,
} from "./supervisor_types.ts";

/** The working copy of one step. */
export class Turn {
  /** The state before, but for what a step replaces as a whole. */
  base: SupervisorState;
  /** The time of the step, in milliseconds since boot. */
  readonly nowMs: number;
  /** What the shell is to do. */
  readonly effects: SupervisorEffect[] = [];
  /** The shutdown, as it is now. */
  shutdown: Shutdown | null;
  readonly #original: SupervisorState;
  readonly #random: number;
  #records: ServiceRecord[] | null = null;
  #nextInstance: number;
  readonly #queue: number[] = [];
  #queueHead = 0;
  readonly #queued = new Set<number>();

  /**
   * Begins a step.
   *
   * @param base The state before.
   * @param nowMs The time.
   * @param random A number from 0 up to, not including, 1.
   */
  constructor(base: SupervisorState, nowMs: number, random: number) {
    this.base = base;
    this.#original = base;
    this.nowMs = nowMs;
    this.shutdown = base.shutdown;
    this.#random = random;
    this.#nextInstance = base.nextInstance;
  }

  /** The services as they are now. */
  get records(): readonly ServiceRecord[] {
    return this.#records ?? this.base.records;
  }

  /**
   * One service.
   *
   * @param index Its index in the graph.
   * @returns Its record.
   */
  record(index: number): ServiceRecord {
    const record = this.records[index];
    if (record === undefined) {
      throw new RangeError(
        `service ${index} of ${this.records.length} does not exist`,
      );
    }
    return record;
  }

  /**
   * Changes a service, and marks it to be looked at. What is no change is neither.
   *
   * @param index Its index.
   * @param change What is different.
   */
  change(index: number, change: Partial<ServiceRecord>): void {
    const before = this.record(index);
    const keys = Object.keys(change) as (keyof ServiceRecord)[];
    if (keys.every((key) => before[key] === change[key])) return;
    this.note(index, change);
    this.look(index);
  }

  /**
   * Changes what no rule about the service itself depends on.
   *
   * @param index Its index.
   * @param change What is different.
   */
  note(index: number, change: Partial<ServiceRecord>): void {
    this.#records ??= this.base.records.slice();
    this.#records[index] = { ...this.record(index), ...change };
  }

  /**
   * Puts other services in the place of all.
   *
   * @param base The state that the step goes on from.
   * @param records The services, in the order of its graph.
   */
  replace(base: SupervisorState, records: ServiceRecord[]): void {
    this.base = base;
    this.#records = records;
  }

  /**
   * Changes what is known of a service's process.
   *
   * @param index The service.
   * @param change What is different; nothing happens without a process.
   */
  changeInstance(index: number, change: Partial<ServiceInstance>): void {
    const { instance } = this.record(index);
    if (instance !== null) {
      this.change(index, { instance: { ...instance, ...change } });
    }
  }

  /**
   * A number for a new instance.
   *
   * @returns The number, never used before.
   */
  newInstance(): number {
    return this.#nextInstance++;
  }

  /**
   * Chance for one service. Services that fail in the same step get different
   * numbers, or jitter would not part them.
   *
   * @param index The service.
   * @returns A number from 0 up to, not including, 1.
   */
  random(index: number): number {
    return (this.#random + index * 0.618_033_988_749_895) % 1;
  }

  /**
   * Marks a service to be looked at in this step.
   *
   * @param index The service.
   */
  look(index: number): void {
    if (this.#queued.has(index)) return;
    this.#queued.add(index);
    this.#queue.push(index);
  }

  /** Marks every service to be looked at. */
  lookAtAll(): void {
    for (let index = 0; index < this.records.length; index++) this.look(index);
  }

  /**
   * The next service to look at.
   *
   * @returns Its index, or undefined when nothing is left.
   */
  next(): number | undefined {
    const index = this.#queue[this.#queueHead];
    if (index === undefined) return undefined;
    this.#queueHead++;
    this.#queued.delete(index);
    return index;
  }

  /**
   * Appends to the event log.
   *
   * @param code What happened.
   * @param index The service it is about, or null.
   * @param text The details; the service's name is put before them.
   * @param severity If it differs from the usual one.
   */
  log(
    code: EventCodeName,
    index: number | null,
    text: string,
    severity: EventSeverity = eventCodes[code].severity,
  ): void {
    const service = index === null ? null : this.record(index).definition.name;
    this.effects.push({
      kind: "event",
      code,
      severity,
      service,
      text: service === null ? text : `${service}: ${text}`,
    });
  }

  /**
   * Ends the step.
   *
   * @returns The state after, and the effects.
   */
  finish(): SupervisorStep {
    const isSame = this.base === this.#original && this.#records === null &&
      this.shutdown === this.base.shutdown;
    const state = isSame ? this.base : {
      ...this.base,
      records: this.records,
      nextInstance: this.#nextInstance,
      shutdown: this.shutdown,
    };
    return { state, effects: this.effects };
  }
}
