/**
 * What must be true after every step of the supervisor, whatever happened.
 */

import type {
  SupervisorEvent,
  SupervisorState,
} from "../../../lib/supervisor/supervisor.ts";
import { statusOf } from "../../../lib/supervisor/supervisor.ts";

/** What the world knows by itself about each service. */
export interface Books {
  /** Who said that it is up, and has not ended since. */
  readonly up: Set<string>;
  /** Since when. */
  readonly upSinceMs: Map<string, number>;
  /** Failures in a row. */
  readonly failures: Map<string, number>;
  /** Before when no new process may be made. */
  readonly dueMs: Map<string, number>;
  /** When restarts were decided. */
  readonly backoffsMs: Map<string, readonly number[]>;
  /** Who is isolated. */
  readonly isolated: Set<string>;
}

/** A rule was broken. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** Throws unless a condition holds. */
export function check(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new Violation(rule);
}

/** Judges a state by itself. */
export function checkState(
  state: SupervisorState,
  nowMs: number,
  isAccountedFor: (service: string, instance: number) => boolean,
  answers: readonly SupervisorEvent[],
): void {
  const { graph, records } = state;
  check(records.length === graph.names.length, "every service has a record");
  const isUp = (index: number): boolean => {
    const record = records[index];
    return record?.state.kind === "running" && record.state.stopping === null &&
      !record.isLosing;
  };
  const isDown = (index: number): boolean => {
    const record = records[index];
    if (record === undefined) return true;
    if (record.instance !== null) {
      return record.instance.termination?.stage === "abandoned";
    }
    return record.state.kind !== "running" && record.state.kind !== "starting";
  };
  records.forEach((record, index) => {
    const { definition: { name }, state: service, instance, policy } = record;
    check(graph.names[index] === name, "records and graph agree");
    const isAnswered = answers.some((answer) =>
      "instance" in answer && answer.instance === instance?.number
    );
    const mayBeUp = record.isWanted && record.problem === null &&
      !record.isRemoved &&
      state.shutdown === null &&
      (!state.isSafeMode || state.isAllowedInSafeMode[index] === true);
    // One that is to come down waits only for who depends on it.
    if (isUp(index) && !record.isRestartRequested && mayBeUp) {
      for (const other of graph.requires[index] ?? []) {
        check(
          isUp(other),
          `${name} is Running only while ${graph.names[other]} is up`,
        );
      }
    }
    if (
      record.isLosing && service.kind === "running" && service.stopping === null
    ) {
      const waits = [
        ...graph.requiredBy[index] ?? [],
        ...graph.softBy[index] ?? [],
      ];
      check(
        waits.some((other) => !isDown(other)),
        `${name} loses a dependency and waits for somebody`,
      );
    }
    if (service.kind === "starting") {
      check(instance !== null, `${name} is Starting with a process`);
    }
    if (service.kind === "running" && policy.type === "process") {
      check(
        instance !== null && instance.phase === "main",
        `${name} is Running with a process`,
      );
    }
    if (instance !== null && !isAnswered) {
      const { termination } = instance;
      const isDue = record.deadlineMs < Infinity;
      const isLeft = termination?.stage === "abandoned";
      check(
        isAccountedFor(name, instance.number) || isDue || isLeft,
        `something is still to be heard of ${name}'s process`,
      );
      if (termination !== null && !isLeft) {
        check(
          termination.deadlineMs < Infinity,
          `the end of ${name}'s process has a deadline`,
        );
      }
    }
    if (service.kind === "backoff") {
      check(
        record.deadlineMs <= service.untilMs,
        `the end of ${name}'s backoff is not slept through`,
      );
    }
    if (policy.maximumRestarts !== null) {
      check(
        service.history.restartTimesMs.length <= policy.maximumRestarts,
        `what ${name} remembers is bounded`,
      );
    }
    if (
      mayBeUp && service.kind === "pending" && service.reason !== "finished"
    ) {
      const isFree = instance === null && !record.isIsolated;
      const hasFailed = (graph.requires[index] ?? [])
        .some((other) => records[other]?.state.kind === "failed");
      check(
        !isFree || !hasFailed,
        `${name} fails with what it requires, and does not wait for it`,
      );
      const status = statusOf(state, name);
      check(
        instance !== null || record.isIsolated ||
          (status?.waitsFor.length ?? 0) > 0,
        `${name} is to be up, so it lives, is timed, or waits for somebody by name`,
      );
    }
    if (
      !mayBeUp && state.shutdown?.stage !== "tasks" &&
      (service.kind === "running" || service.kind === "starting")
    ) {
      const isGoing = service.stopping !== null;
      const waits = [
        ...graph.requiredBy[index] ?? [],
        ...graph.softBy[index] ?? [],
      ];
      check(
        isGoing || waits.some((other) => !isDown(other)),
        `${name} is not to be up, so it is stopped, or waits for who depends on it`,
      );
    }
  });
  check(state.nextInstance >= 1 && nowMs >= 0, "numbers stay in range");
}
