/**
 * Smaller scenarios of the whole init: without boots, operations, services or
 * dependencies, so that a failure shows with as little as possible. Imports the
 * scenario.
 *
 * @module
 */
import type { Boot, InitScenario } from "./scenario.ts";

/**
 * Scenarios that are a little smaller than one.
 *
 * @param scenario The scenario.
 */
export function* smallerInit(scenario: InitScenario): Iterable<InitScenario> {
  const { boots, definitions } = scenario;
  for (let index = 0; index < boots.length && boots.length > 1; index++) {
    yield { ...scenario, boots: boots.toSpliced(index, 1) };
  }
  for (const [at, boot] of boots.entries()) {
    for (const smaller of smallerBoots(boot)) {
      yield { ...scenario, boots: boots.with(at, smaller) };
    }
  }
  for (const { name } of definitions) {
    yield {
      ...scenario,
      definitions: definitions.filter((one) => one.name !== name).map((
        one,
      ) => ({
        ...one,
        requires: one.requires.filter((other) => other !== name),
        wants: one.wants.filter((other) => other !== name),
        after: one.after.filter((other) => other !== name),
      })),
    };
  }
  for (const [index, definition] of definitions.entries()) {
    for (const key of ["requires", "wants", "after", "pre", "post"] as const) {
      if (definition[key].length === 0) continue;
      yield {
        ...scenario,
        definitions: definitions.with(index, { ...definition, [key]: [] }),
      };
    }
  }
  if (scenario.watchdogSeconds !== null) {
    yield { ...scenario, watchdogSeconds: null };
  }
}

function* smallerBoots(boot: Boot): Iterable<Boot> {
  const { operations } = boot;
  const half = operations.length >> 1;
  if (half > 0) {
    yield { ...boot, operations: operations.slice(half) };
    yield { ...boot, operations: operations.slice(0, half) };
  }
  for (let index = 0; index < operations.length; index++) {
    yield { ...boot, operations: operations.toSpliced(index, 1) };
  }
  for (const [index, { atMs, operation }] of operations.entries()) {
    if (operation.kind === "host-sends" && operation.times > 1) {
      const fewer = { ...operation, times: operation.times >> 1 };
      yield {
        ...boot,
        operations: operations.with(index, { atMs, operation: fewer }),
      };
    }
  }
}
