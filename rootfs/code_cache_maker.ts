/**
 * Makes V8's own form of a program, or checks that V8 takes one: `make TEXT
 * CACHE`, `check TEXT CACHE`. It is compiled for each build with the runtime
 * and the flags of the program, since V8 refuses what was made with others; and
 * it checks in a process of its own, since V8 remembers what it has compiled.
 * Exits with 3 for a text that is no script. It imports nothing of this project.
 */
import { Script } from "node:vm";

const [action = "", textPath = "", cachePath = ""] = Deno.args;
const text = Deno.readTextFileSync(textPath);
if (action === "check") {
  const cachedData = Deno.readFileSync(cachePath);
  const { cachedDataRejected } = new Script(text, { cachedData });
  if (cachedDataRejected !== false) Deno.exit(1);
} else {
  try {
    Deno.writeFileSync(cachePath, new Script(text).createCachedData());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    console.error(error.message);
    Deno.exit(3);
  }
}
