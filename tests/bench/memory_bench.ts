/**
 * What V8's flags do to the memory of a program that makes garbage: the same
 * one compiled with the init's flags, with none, and with a larger young
 * generation, each looked at when it has made garbage for a second and a half.
 *
 * @module
 */

import { compileProgram, INIT_V8_FLAGS } from "../../rootfs/compile.ts";
import { REPOSITORY } from "../../rootfs/toolchain/environment.ts";
import type { Observation } from "./harness.ts";

const ENTRY = `${REPOSITORY}/tests/fixtures/garbage/main.ts`;
const FOLDER = `${REPOSITORY}/rootfs/out/bench`;
const SEMI_SPACE = "--max-semi-space-size=";

/** Runs of each, of which the middle one counts. */
const RUNS = 3;

const CHOICES: readonly [name: string, flags: readonly string[]][] = [
  ["the init's flags", INIT_V8_FLAGS],
  ["no flags", []],
  ...[2, 4].map((mebibytes): [string, string[]] => [
    `the init's, with a young generation of ${mebibytes} MiB`,
    INIT_V8_FLAGS.map((flag) =>
      flag.startsWith(SEMI_SPACE) ? `${SEMI_SPACE}${mebibytes}` : flag
    ),
  ]),
];

/** What one run came to. */
interface Memory {
  readonly rounds: number;
  readonly residentKib: number;
  readonly anonymousKib: number;
  readonly threads: number;
}

/** Runs the program until it has said its rounds, and looks at it. */
async function look(path: string): Promise<Memory> {
  await using process = new Deno.Command(path, {
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  for await (
    const piece of process.stdout.pipeThrough(new TextDecoderStream())
  ) {
    text += piece;
    if (text.includes("\n")) break;
  }
  const status = await Deno.readTextFile(`/proc/${process.pid}/status`);
  const number = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return {
    rounds: Number(text),
    residentKib: number("VmRSS"),
    anonymousKib: number("RssAnon"),
    threads: number("Threads"),
  };
}

/** One line for each set of flags. */
export async function* observe(): AsyncIterable<Observation> {
  const lines: string[] = [];
  for (const [index, [name, v8Flags]] of CHOICES.entries()) {
    const path = await compileProgram({
      entry: ENTRY,
      output: `${FOLDER}/garbage-${index}`,
      permissions: ["--no-prompt"],
      v8Flags,
      bundled: false,
    });
    const runs: Memory[] = [];
    for (let run = 0; run < RUNS; run++) runs.push(await look(path));
    await Deno.remove(path);
    runs.sort((a, b) => a.residentKib - b.residentKib);
    const middle = runs[(RUNS - 1) / 2];
    if (middle === undefined) continue;
    const mebibytes = (kib: number): string => (kib / 1024).toFixed(0);
    lines.push(
      `${name}: ${mebibytes(middle.residentKib)} MiB resident, ${
        mebibytes(middle.anonymousKib)
      } MiB of it not backed by files, threads: ${middle.threads}, ${
        (middle.rounds / 1500).toFixed(0)
      } rounds a millisecond`,
    );
  }
  yield {
    title: "memory of a program after 1.5 s of garbage, by V8's flags",
    lines,
    targets: [],
  };
}
