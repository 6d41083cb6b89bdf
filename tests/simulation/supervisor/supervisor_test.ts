import { assert, assertThrows } from "@std/assert";
import { seedRange } from "../seeds.ts";
import { Violation } from "./invariants.ts";
import { drawScenario, type Scenario } from "./scenario.ts";
import { newTally } from "./services.ts";
import { play } from "./world.ts";

const { first: firstSeed, count: seeds } = seedRange({
  usual: 2_000,
  long: 100_000,
});

function failureOf(scenario: Scenario): string | null {
  try {
    play(scenario, newTally());
    return null;
  } catch (error) {
    return error instanceof Error
      ? `${error.name}: ${error.message}`
      : String(error);
  }
}

/** The smallest scenario that still fails: without operations, then services, that it does not need. */
function shrink(scenario: Scenario): Scenario {
  let best = scenario;
  for (let hasShrunk = true; hasShrunk;) {
    hasShrunk = false;
    const smaller: Scenario[] = [
      ...best.operations.map((_, index) => ({
        ...best,
        operations: best.operations.filter((_, other) => other !== index),
      })),
      ...best.definitions.map(({ name }) => ({
        ...best,
        definitions: best.definitions.filter((one) => one.name !== name).map((
          one,
        ) => ({
          ...one,
          requires: one.requires.filter((other) => other !== name),
          wants: one.wants.filter((other) => other !== name),
          after: one.after.filter((other) => other !== name),
        })),
        operations: best.operations.filter(({ operation }) =>
          !("service" in operation) || operation.service !== name
        ),
      })),
      ...best.definitions.flatMap((definition, index) =>
        (["requires", "wants", "after", "pre", "post"] as const)
          .filter((key) => definition[key].length > 0)
          .map((key) => ({
            ...best,
            definitions: best.definitions.with(index, {
              ...definition,
              [key]: [],
            }),
          }))
      ),
    ];
    const failing = smaller.find((candidate) =>
      candidate.definitions.length > 0 && failureOf(candidate) !== null
    );
    if (failing !== undefined) {
      best = failing;
      hasShrunk = true;
    }
  }
  return best;
}

Deno.test("stepSupervisor keeps every rule in random machines, and does all it can do", () => {
  const tally = newTally();
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const scenario = drawScenario(seed);
    try {
      play(scenario, tally);
    } catch (error) {
      const small = shrink(scenario);
      throw new Error(
        `seed ${seed} breaks a rule; replay it with SPACEOS_SEED=${seed}\n` +
          `first: ${error}\nshrunk to: ${failureOf(small)}\n${
            JSON.stringify(small, null, 1)
          }`,
        { cause: error },
      );
    }
  }
  // A simulation in which nothing happens would keep every rule, too.
  assert(tally.shutdowns === seeds, "each ends with a shutdown");
  if (seeds >= 500) {
    for (const [what, count] of Object.entries(tally)) {
      assert(
        count > seeds / 20,
        `${what} happened only ${count} times in ${seeds} seeds`,
      );
    }
  }
});

Deno.test("a simulation repeats itself from its seed", () => {
  const [first, second] = [newTally(), newTally()];
  play(drawScenario(42), first);
  play(drawScenario(42), second);
  assert(JSON.stringify(first) === JSON.stringify(second));
  assertThrows(() => {
    throw new Violation("x");
  }, Violation);
});
