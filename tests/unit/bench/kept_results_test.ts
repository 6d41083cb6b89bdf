/** What is kept of runs of the benchmarks, and what the command says of it. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  type BenchResults,
  formatResults,
  mergeResults,
  parseResults,
} from "../../bench/kept_results.ts";
import {
  currentEnvironment,
  REPOSITORY,
} from "../../../rootfs/toolchain/environment.ts";

const bench = (date: string): BenchResults => ({
  date,
  seconds: 1.23456,
  comparisons: [],
  observations: [],
});

Deno.test("mergeResults replaces what ran, keeps what did not, and names what never did", () => {
  const { results, kept, missing } = mergeResults(
    { boot: bench("old"), codec: bench("old"), gone: bench("old") },
    { codec: bench("new"), idle: bench("new") },
    ["never", "idle", "codec", "boot"],
  );
  assertEquals(
    Object.entries(results).map(([name, { date }]) => `${name} ${date}`),
    ["boot old", "codec new", "idle new"],
  );
  assertEquals([kept, missing], [["boot"], ["never"]]);
});

Deno.test("parseResults reads what formatResults writes, with four digits a figure", () => {
  assertEquals(parseResults(formatResults({ boot: bench("d") })), {
    boot: { ...bench("d"), seconds: 1.235 },
  });
  assertEquals(parseResults(""), {});
  assertThrows(() => parseResults("[]"), SyntaxError, "expected an object");
  assertThrows(() => parseResults("{"), SyntaxError);
});

const benchFiles = [...Deno.readDirSync(`${REPOSITORY}/tests/bench`)]
  .map(({ name }) => name).filter((name) => name.endsWith("_bench.ts"))
  .map((name) => name.replace("_bench.ts", "")).sort();

Deno.test("the kept results are of benches that there are", () => {
  const kept = parseResults(
    Deno.readTextFileSync(`${REPOSITORY}/tests/bench/results.json`),
  );
  assertEquals(
    Object.keys(kept).filter((name) => !benchFiles.includes(name)),
    [],
  );
});

async function run(...args: string[]): Promise<{ code: number; text: string }> {
  const { configArguments, variables } = currentEnvironment();
  const output = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--no-lock", ...configArguments],
      `${REPOSITORY}/tests/bench/main.ts`,
      ...args,
    ],
    env: { ...variables },
  }).output();
  const decoder = new TextDecoder();
  return {
    code: output.code,
    text: decoder.decode(output.stdout) + decoder.decode(output.stderr),
  };
}

Deno.test("bench --help says of each bench what it measures", async () => {
  const { code, text } = await run("--help");
  assertEquals(code, 0);
  for (const name of benchFiles) {
    assertMatch(text, new RegExp(`^  ${name} +\\S`, "m"));
  }
});

Deno.test("bench names what it does not understand, before it measures anything", async () => {
  for (
    const [args, code, pattern] of [
      [["--bogus"], 2, /^bench: met --bogus; see deno task bench --help\n$/],
      [["--json"], 2, /^bench: met --json without a file/],
      [
        ["crc", "nothing"],
        2,
        /^bench: no bench is named nothing, expected some of boot, .*storage/,
      ],
      [
        ["crc", "--json", "/no/such/folder/x"],
        1,
        /^bench: --json \/no\/such\/folder\/x: No such file/,
      ],
    ] as const
  ) {
    const met = await run(...args);
    assertMatch(met.text, pattern);
    assertEquals(met.code, code);
  }
});
