/** What is kept of runs of the benchmarks, and what the command says of it. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  type BenchResults,
  formatResults,
  mergeResults,
  parseResults,
} from "../../bench/kept_results.ts";
import { run } from "../../../rootfs/toolchain/command.ts";
import {
  currentEnvironment,
  REPOSITORY,
} from "../../../rootfs/toolchain/environment.ts";
import { programCommand } from "../../fixtures/program_command.ts";

const resultsOf = (date: string): BenchResults => ({
  date,
  seconds: 1.23456,
  comparisons: [],
  observations: [],
});

Deno.test("mergeResults replaces what ran, keeps what did not, and names what never did", () => {
  const { results, kept, missing } = mergeResults(
    { boot: resultsOf("old"), codec: resultsOf("old"), gone: resultsOf("old") },
    { codec: resultsOf("new"), idle: resultsOf("new") },
    ["never", "idle", "codec", "boot"],
  );
  assertEquals(
    Object.entries(results).map(([name, { date }]) => `${name} ${date}`),
    ["boot old", "codec new", "idle new"],
  );
  assertEquals([kept, missing], [["boot"], ["never"]]);
});

Deno.test("parseResults reads what formatResults writes, with four digits a figure", () => {
  assertEquals(parseResults(formatResults({ boot: resultsOf("d") })), {
    boot: { ...resultsOf("d"), seconds: 1.235 },
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

async function bench(
  ...args: string[]
): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await run(
    [...programCommand("tests/bench/main.ts"), ...args],
    { env: currentEnvironment().variables },
  );
  return { code, text: stdout + stderr };
}

Deno.test("bench --help says of each bench what it measures", async () => {
  const { code, text } = await bench("--help");
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
    const met = await bench(...args);
    assertMatch(met.text, pattern);
    assertEquals(met.code, code);
  }
});
