/**
 * Plays seeds from 1 on until one breaks a rule, and prints it as a line of
 * JSON: `{"seed":3,"rule":"..."}`, or `null` when none did. The mutations run
 * it in their broken copies. Imports the simulation.
 */
import { playRange } from "./worker.ts";

const { failure } = await playRange({ first: 1, count: Number(Deno.args[0]) });
console.log(
  JSON.stringify(
    failure === null ? null : { seed: failure.seed, rule: failure.text },
  ),
);
// A broken init may have left promises that keep nothing alive and timers that do.
Deno.exit(0);
