/**
 * The init with a defect: from the moment at which its folder holds the file
 * `storm`, it throws where nobody catches, until it has ended.
 */
import { runInit } from "../../../lib/init/run_init.ts";

/** The time between two exceptions. */
const INTERVAL_MS = 5;

const [folder] = Deno.args;
let hasBegun = false;

function isThere(): boolean {
  try {
    return Deno.statSync(`${folder}/storm`).isFile;
  } catch {
    return false;
  }
}

setInterval(() => {
  hasBegun ||= isThere();
  if (hasBegun) throw new Error("a defect of the init");
}, INTERVAL_MS);

await runInit(performance.now());
