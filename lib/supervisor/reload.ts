/**
 * New definitions in the place of those in force: who is new, who is changed,
 * who is gone. Pure; imports only the supervisor's own files.
 *
 * @module
 */

import { policyOf } from "./definition.ts";
import type { ServiceDefinition } from "./service_definition.ts";
import { buildGraph, graphProblemText, pulledUpBy } from "./graph.ts";
import { newRecord, safeModeClosure } from "./service_record.ts";
import { initialServiceState } from "./service_types.ts";
import type { ServiceRecord } from "./supervisor_types.ts";
import type { Turn } from "./turn.ts";

/**
 * Takes new definitions, if their graph is sound.
 *
 * @param turn The step.
 * @param definitions All services from now on.
 */
export function reload(
  turn: Turn,
  definitions: readonly ServiceDefinition[],
): void {
  if (turn.shutdown !== null) return;
  const errors = buildGraph(definitions).problems.filter((problem) =>
    problem.kind !== "missing" || problem.relation === "requires"
  );
  if (errors[0] !== undefined) {
    const more = errors.length === 1 ? "" : ` and ${errors.length - 1} more`;
    turn.log(
      "DEFINITIONS_REFUSED",
      null,
      `${graphProblemText(errors[0])}${more}`,
    );
    return;
  }
  const names = new Set(definitions.map((definition) => definition.name));
  const old = new Map(
    turn.records.map((record) => [record.definition.name, record]),
  );
  // Who is gone but still up stays until it is down, without edges: it waits for nobody.
  const leaving = turn.records.filter((record) =>
    !names.has(record.definition.name) &&
    (record.instance !== null || isUpAsOneshot(record))
  );
  const kept = definitions.map((definition) =>
    keep(definition, old.get(definition.name))
  );
  const records = [...kept, ...leaving.map(leave)];
  const graph = buildGraph(records.map(({ definition }) => definition));
  const next = {
    ...turn.base,
    graph,
    isAllowedInSafeMode: safeModeClosure(graph, records),
  };
  const left = new Set(records.map(({ definition }) => definition.name));
  for (const { definition, isForgotten } of turn.records) {
    if (left.has(definition.name) || isForgotten) continue;
    turn.effects.push({ kind: "forget", service: definition.name });
  }
  turn.replace(next, records);
  if (next.isStarted) {
    const fresh = records.flatMap((record, index) =>
      !old.has(record.definition.name) && record.definition.start === "boot"
        ? [index]
        : []
    );
    for (const index of pulledUpBy(graph, fresh)) {
      turn.change(index, { isWanted: true });
    }
  }
  turn.log("DEFINITIONS_RELOADED", null, `${definitions.length} services`);
  turn.lookAtAll();
}

function keep(
  definition: ServiceDefinition,
  before: ServiceRecord | undefined,
): ServiceRecord {
  if (before === undefined) return newRecord(definition, null);
  const isSame =
    JSON.stringify(before.definition) === JSON.stringify(definition);
  const wasBroken = before.problem !== null;
  return {
    ...before,
    // The same one stays the same object: so others know it again.
    definition: isSame ? before.definition : definition,
    policy: policyOf(definition),
    problem: null,
    state: wasBroken ? initialServiceState : before.state,
    isWanted: before.isRemoved ? definition.start === "boot" : before.isWanted,
    isRemoved: false,
    isForgotten: false,
    isOutdated: before.isOutdated || (!isSame && before.instance !== null),
  };
}

function leave(record: ServiceRecord): ServiceRecord {
  return {
    ...record,
    definition: { ...record.definition, requires: [], wants: [], after: [] },
    isRemoved: true,
    isWanted: false,
  };
}

function isUpAsOneshot(record: ServiceRecord): boolean {
  return record.state.kind === "running" && record.definition.post.length > 0;
}
