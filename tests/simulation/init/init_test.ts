import { assert, assertEquals, assertRejects } from "@std/assert";
import { Violation } from "../supervisor/invariants.ts";
import { failureText, type SeedRange, seedRange, shrink } from "../seeds.ts";
import { drawInitScenario, type InitScenario } from "./scenario.ts";
import { smallerInit } from "./shrink_init.ts";
import { type InitTally, newInitTally, playInit } from "./simulation.ts";
import { playRange, type RangeResult } from "./worker.ts";

const seeds = seedRange({ usual: 10_000, long: 1_000_000 });

/** Seeds that a thread is given at a time. */
const CHUNK = 250;

/** Lines of the init's log that a failure shows. */
const SHOWN_LINES = 60;

async function failureOf(scenario: InitScenario): Promise<string | null> {
  try {
    await playInit(scenario, newInitTally());
    return null;
  } catch (error) {
    return failureText(error);
  }
}

/** Plays ranges in as many threads as there are processors. */
async function playAll(range: SeedRange): Promise<RangeResult[]> {
  if (range.count <= CHUNK) return [await playRange(range)];
  const results: RangeResult[] = [];
  const end = range.first + range.count;
  let next = range.first;
  const url = new URL("./worker.ts", import.meta.url).href;
  const run = async (): Promise<void> => {
    const worker = new Worker(url, { type: "module" });
    while (next < end && results.every(({ failure }) => failure === null)) {
      const first = next;
      next += CHUNK;
      const { promise, resolve, reject } = Promise.withResolvers<RangeResult>();
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage({ first, count: Math.min(CHUNK, end - first) });
      results.push(await promise);
    }
    worker.terminate();
  };
  await Promise.all(
    Array.from({ length: navigator.hardwareConcurrency }, run),
  );
  return results;
}

function sum(results: readonly RangeResult[]): InitTally {
  const total = newInitTally();
  for (const { tally } of results) {
    for (const key of Object.keys(total) as (keyof InitTally)[]) {
      total[key] += tally[key];
    }
  }
  return total;
}

/** Replays a seed that failed, made as small as it goes, and says all of it. */
async function explain(seed: number, text: string): Promise<never> {
  const scenario = drawInitScenario(seed);
  const small = await shrink(scenario, text, {
    smaller: smallerInit,
    failureOf,
  });
  const lines: string[] = [];
  await playInit(small.scenario, newInitTally(), (line) => lines.push(line))
    .catch(() => {});
  throw new Error(
    `seed ${seed} breaks a rule; replay it with SPACEOS_SEED=${seed}\n` +
      `first: ${text}\nshrunk to: ${small.failure}\n${
        JSON.stringify(small.scenario, null, 1)
      }\n${lines.slice(-SHOWN_LINES).join("\n")}`,
  );
}

Deno.test("the whole init keeps every rule, whatever happens to its machine", async () => {
  const startMs = performance.now();
  const results = await playAll(seeds);
  const seconds = (performance.now() - startMs) / 1000;
  const failures = results.flatMap(({ failure }) => failure ?? []);
  const [first] = failures.sort((one, other) => one.seed - other.seed);
  if (first !== undefined) await explain(first.seed, first.text);
  const tally = sum(results);
  console.log(
    `${seeds.count} seeds in ${seconds.toFixed(1)} s, ${
      Math.round(seeds.count / seconds)
    } seeds per second in ${navigator.hardwareConcurrency} threads: ${
      Object.entries(tally).map(([what, count]) => `${count} ${what}`).join(
        ", ",
      )
    }`,
  );
  // A simulation in which nothing happens would keep every rule, too.
  if (seeds.count < 1000) return;
  for (const [what, count] of Object.entries(tally)) {
    assert(
      count > seeds.count / 100,
      `${what} happened only ${count} times in ${seeds.count} seeds`,
    );
  }
});

Deno.test("a simulation of the whole init repeats itself from its seed", async () => {
  for (const seed of [1, 2, 3, 42, 4711]) {
    const [first, second]: [string[], string[]] = [[], []];
    const [one, other] = [newInitTally(), newInitTally()];
    await playInit(drawInitScenario(seed), one, (line) => first.push(line));
    await playInit(drawInitScenario(seed), other, (line) => second.push(line));
    assertEquals(first, second);
    assertEquals(one, other);
  }
});

Deno.test("a scenario that fails is made smaller and fails still", async () => {
  const fails = (scenario: InitScenario): Promise<string | null> =>
    Promise.resolve(
      scenario.boots.some(({ operations }) =>
          operations.some(({ operation }) => operation.kind === "clock-step")
        )
        ? "Violation: a clock was stepped"
        : null,
    );
  let tried = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const scenario = drawInitScenario(seed);
    const failure = await fails(scenario);
    if (failure === null) continue;
    tried++;
    const small = await shrink(scenario, failure, {
      smaller: smallerInit,
      failureOf: fails,
    });
    assertEquals(small.scenario.boots.length, 1);
    assertEquals(small.scenario.boots[0]?.operations.length, 1);
    assertEquals(small.scenario.definitions, []);
  }
  assert(tried > 5);
  await assertRejects(() => Promise.reject(new Violation("x")), Violation);
});
