/** Programs whose code V8 made at the build, run as executables. */
import { assert, assertEquals } from "@std/assert";
import { functionText } from "../../rootfs/code_cache.ts";
import { compileProgram } from "../../rootfs/compile.ts";

/** Long enough for a cache to be worthwhile; each function says its number. */
const FUNCTIONS = Array.from(
  { length: 2000 },
  (_, index) => `export function f${index}(): number { return ${index}; }`,
).join("\n");

/** What a program may do at its top, and what it does later, both of a cache. */
const MAIN = `
import * as functions from "./functions.ts";
const before = await Promise.resolve(Object.keys(functions).length);
const { createHash } = await import("node:crypto");
class Kept { static #secret = 7; static tell(): number { return Kept.#secret; } }
function failing(): never { throw new Error("at its line"); }
let where = "";
try { failing(); } catch (error) { where = (error as Error).stack ?? ""; }
console.log(JSON.stringify([
  before, functions.f1999(), Kept.tell(), this === undefined,
  createHash("sha256").update("abc").digest("hex").slice(0, 8),
  /at failing .*program\\.js:\\d+/.test(where), Deno.args,
]));
`;

async function runCompiled(
  main: string,
): Promise<{ text: string; bytes: number }> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/functions.ts`, FUNCTIONS);
    await Deno.writeTextFile(`${folder}/main.ts`, main);
    const output = await compileProgram({
      entry: `${folder}/main.ts`,
      output: `${folder}/out/program`,
      permissions: ["--allow-read", "--no-prompt"],
      v8Flags: ["--single-threaded"],
      bundled: true,
    });
    const { stdout, stderr, success } = await new Deno.Command(output, {
      args: ["one", "two"],
    }).output();
    const decoder = new TextDecoder();
    assert(success, decoder.decode(stderr));
    const { size } = await Deno.stat(output);
    return { text: decoder.decode(stdout), bytes: size };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a program with a code cache runs as its module would, and one that no function can be runs without", async () => {
  const cached = await runCompiled(MAIN);
  assertEquals(JSON.parse(cached.text), [
    2000,
    1999,
    7,
    true,
    "ba7816bf",
    true,
    ["one", "two"],
  ]);
  // An export at its top is a module's alone.
  const plain = await runCompiled(
    `${MAIN.replace("program\\.js", "main\\.js")}\nexport const kept = 1;`,
  );
  assertEquals(plain.text, cached.text);
  // What V8 made of 2000 functions is in the first one only.
  assert(cached.bytes - plain.bytes > 200_000, `${cached.bytes - plain.bytes}`);
});

Deno.test("functionText keeps lines, and is an expression that may wait", async () => {
  const text = functionText(
    "await null;\nglobalThis.waited = new Error().stack;",
  );
  await (0, eval)(text)();
  const { waited } = globalThis as { waited?: string };
  assert(/:2:\d+/.test(waited ?? ""), waited);
});
