/**
 * The main module of an executable whose program was compiled by V8 at the
 * build: `code_cache.ts` puts it there, beside the program and V8's own form of
 * it. It runs in the executable and imports nothing of this project.
 */
import { Script } from "node:vm";

const read = (name: string): Uint8Array =>
  Deno.readFileSync(`${import.meta.dirname}/${name}`);

// V8 judges the cache itself, and compiles the text where it does not want it.
const program = new Script(new TextDecoder().decode(read("program.js")), {
  // What the program imports when it runs is resolved from here.
  filename: import.meta.resolve("./program.js"),
  cachedData: read("program.cache"),
});
await program.runInThisContext()();
