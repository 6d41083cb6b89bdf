/**
 * Plays seeds of the whole init in a thread of its own: each message names a
 * range of seeds, each answer says what they did, and the first that failed.
 * Imports the simulation.
 *
 * @module
 */
import { failureText, type SeedRange } from "../seeds.ts";
import { drawInitScenario } from "./scenario.ts";
import { type InitTally, newInitTally, playInit } from "./simulation.ts";

/** What became of a range of seeds. */
export interface RangeResult {
  readonly tally: InitTally;
  /** The first seed that broke a rule, and which, or null. */
  readonly failure: { readonly seed: number; readonly text: string } | null;
}

/** Plays a range up to its first failure. */
export async function playRange(range: SeedRange): Promise<RangeResult> {
  const tally = newInitTally();
  for (let seed = range.first; seed < range.first + range.count; seed++) {
    try {
      await playInit(drawInitScenario(seed), tally);
    } catch (error) {
      return { tally, failure: { seed, text: failureText(error) } };
    }
  }
  return { tally, failure: null };
}

/** The thread's end of the conversation; there is none in a test's own thread. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<SeedRange>) => void) | null;
  postMessage(result: RangeResult): void;
}

if ("WorkerGlobalScope" in globalThis) {
  const scope = globalThis as unknown as WorkerScope;
  scope.onmessage = async ({ data }) =>
    scope.postMessage(await playRange(data));
}
