/**
 * What is known of a service before anything has happened to it, and what a
 * graph says about all of them. Pure; imports only the supervisor's own files.
 *
 * @module
 */

import { policyOf } from "./definition.ts";
import type { ServiceDefinition } from "./service_definition.ts";
import { graphProblemText, type ServiceGraph } from "./graph.ts";
import { initialServiceState } from "./service_types.ts";
import type { ServiceRecord } from "./supervisor_types.ts";

/**
 * A service that was never started.
 *
 * @param definition The service.
 * @param problem What keeps it from ever starting, or null.
 * @returns Its record.
 */
export function newRecord(
  definition: ServiceDefinition,
  problem: string | null,
): ServiceRecord {
  const { history } = initialServiceState;
  return {
    definition,
    policy: policyOf(definition),
    isWanted: false,
    state: problem === null ? initialServiceState : {
      kind: "failed",
      sinceMs: 0,
      reason: "definition",
      history: { ...history, lastError: problem },
    },
    instance: null,
    isRestartRequested: false,
    isIsolated: false,
    isRemoved: false,
    isForgotten: false,
    isOutdated: false,
    isLosing: false,
    problem,
    statusText: "",
    deadlineMs: Infinity,
    published: 0,
  };
}

/**
 * What keeps each broken service from ever starting.
 *
 * @param graph The services.
 * @returns What is wrong, by index.
 */
export function problemsOf(graph: ServiceGraph): Map<number, string> {
  const result = new Map<number, string>();
  for (const problem of graph.problems) {
    if (problem.kind === "missing" && problem.relation !== "requires") continue;
    if (problem.kind === "duplicate") continue;
    const names = problem.kind === "cycle"
      ? problem.members
      : [problem.service];
    for (const name of names) {
      const index = graph.indexOf.get(name);
      if (index !== undefined && !result.has(index)) {
        result.set(index, graphProblemText(problem));
      }
    }
  }
  return result;
}

/**
 * Which services safe mode runs: those marked, and all that they require.
 *
 * @param graph The services.
 * @param records The same, in the graph's order.
 * @returns For each whether it runs.
 */
export function safeModeClosure(
  graph: ServiceGraph,
  records: readonly ServiceRecord[],
): boolean[] {
  const result = records.map(({ definition }) => definition.safeMode);
  const queue = result.flatMap((isMarked, index) => isMarked ? [index] : []);
  for (const index of queue) {
    for (const other of graph.requires[index] ?? []) {
      if (result[other]) continue;
      result[other] = true;
      queue.push(other);
    }
  }
  return result;
}
