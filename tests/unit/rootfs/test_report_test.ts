import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import {
  failureReport,
  KEPT_FAILURES,
  KEPT_LINES,
  SuiteReader,
  type SuiteResult,
} from "../../../rootfs/toolchain/test_report.ts";
import { runRead } from "../../../rootfs/toolchain/test_run.ts";

function read(
  output: string,
  success: boolean,
  end = success ? "exit code 0" : "exit code 1",
): SuiteResult {
  const reader = new SuiteReader("unit");
  for (const line of output.split("\n")) reader.line(line);
  return reader.finish(success, end);
}

const ERRORS = "\x1b[0m\x1b[1m\x1b[37m\x1b[41m ERRORS \x1b[0m";
const FAILURES = "\x1b[0m\x1b[1m\x1b[37m\x1b[41m FAILURES \x1b[0m";

/** As `deno test` ends: with a step, a module that can't be loaded, and an example. */
const FAILED = `one ... \x1b[0m\x1b[31mFAILED\x1b[0m (6ms)

${ERRORS}

one fails \x1b[0m\x1b[38;5;245m=> ./tests/unit/a_test.ts:1:6\x1b[0m
\x1b[0m\x1b[1m\x1b[31merror\x1b[0m: Error: first
second line

    at file:///a_test.ts:1:38

with steps ... bad => ./tests/unit/a_test.ts:2:80
error: TypeError: in step

./tests/unit/b_test.ts (uncaught error)
error: (in promise) Error: at load

file:///lib/d.ts$4-7.ts => ./lib/d.ts$4-7.ts:2:6
error: Error: doc fails

${FAILURES}

one fails => ./tests/unit/a_test.ts:1:6

\x1b[0m\x1b[31mFAILED\x1b[0m | 3 passed (2 steps) | 4 failed (1 step) | 2 ignored (1s)
`;

Deno.test("SuiteReader counts by the last line of deno test, coloured or not", () => {
  const counts = (output: string, success = true) =>
    read(output, success).counts;
  assertEquals(counts("ok | 59 passed | 0 failed (403ms)\n"), {
    passed: 59,
    failed: 0,
  });
  assertEquals(counts(FAILED, false), { passed: 3, failed: 4 });
  const prints = "a test prints: ok | 7 passed | 0 failed\n";
  assertEquals(counts(prints), { passed: 0, failed: 1 });
  assertEquals(counts(`${prints}ok | 1 passed | 0 failed (1ms)`), {
    passed: 1,
    failed: 0,
  });
});

Deno.test("SuiteReader names each test that failed, with its error", () => {
  assertEquals(read(FAILED, false).failures, [
    {
      suite: "unit",
      name: "one fails => ./tests/unit/a_test.ts:1:6",
      lines: [
        "error: Error: first",
        "second line",
        "",
        "    at file:///a_test.ts:1:38",
      ],
    },
    {
      suite: "unit",
      name: "with steps ... bad => ./tests/unit/a_test.ts:2:80",
      lines: ["error: TypeError: in step"],
    },
    {
      suite: "unit",
      name: "./tests/unit/b_test.ts (uncaught error)",
      lines: ["error: (in promise) Error: at load"],
    },
    {
      suite: "unit",
      name: "file:///lib/d.ts$4-7.ts => ./lib/d.ts$4-7.ts:2:6",
      lines: ["error: Error: doc fails"],
    },
  ]);
  // What a test shows of another run is not its own.
  const nested = FAILED.replaceAll("one fails", "another's");
  assertEquals(
    read(`${nested}${FAILED}`, false).failures,
    read(FAILED, false).failures,
  );
  assertEquals(
    read(`${nested}ok | 9 passed | 0 failed (1ms)`, true).failures,
    [],
  );
});

Deno.test("SuiteReader takes no death, no contradiction and no emptiness for a success", () => {
  const one = (output: string, success: boolean, end?: string): string => {
    const { counts, failures } = read(output, success, end);
    assertEquals([counts.failed, failures.length], [1, 1]);
    return failures.flatMap(({ suite, name, lines }) =>
      [suite, name, ...lines.slice(1)].join("|")
    ).join();
  };
  assertEquals(
    one("fine ... ok (1ms)\nhangs ...", false, "killed by SIGKILL"),
    "unit|the run ended without a result (killed by SIGKILL)|fine ... ok (1ms)|hangs ...",
  );
  assertEquals(
    one(
      "running 2 tests from ./tests/a_test.ts\nfine ... ok (1ms)\n" +
        "\x1b[0mhangs ...\n  at a step ...",
      false,
      "killed at its limit of 20 minutes",
    ),
    "unit|the run ended without a result (killed at its limit of 20 minutes)|" +
      "its last lines:|running 2 tests from ./tests/a_test.ts|fine ... ok (1ms)|" +
      "hangs ...|  at a step ...",
  );
  assertEquals(
    one("", false),
    "unit|the run ended without a result (exit code 1)",
  );
  assertEquals(
    one("", true),
    "unit|the run ended without a result (exit code 0)",
  );
  assertEquals(
    one("ok | 2 passed | 0 failed (1ms)", false, "exit code 3"),
    'unit|the run says "2 passed, 0 failed" and ended otherwise (exit code 3)|ok | 2 passed | 0 failed (1ms)',
  );
  assertMatch(
    one("ok | 0 passed | 0 failed (1ms)", true),
    /^unit\|there was no test/,
  );
  const { counts } = read("ok | 2 passed | 0 failed (1ms)", false);
  assertEquals(counts, { passed: 2, failed: 1 });
  const reader = new SuiteReader("vm");
  reader.line("error: no kernel");
  assertEquals(reader.fail("the image could not be built", "exit code 1"), {
    counts: { passed: 0, failed: 1 },
    failures: [{
      suite: "vm",
      name: "the image could not be built (exit code 1)",
      lines: ["its last lines:", "error: no kernel"],
    }],
  });
});

Deno.test("failureReport is short however much fails, and ends with the names", () => {
  assertEquals(failureReport([]), []);
  const line = "x".repeat(1000);
  const failing = (count: number): SuiteResult =>
    read(
      [
        ERRORS,
        ...Array.from({ length: count }, (_, index) => [
          "",
          `test ${index} => ./a_test.ts:${index}:1`,
          ...new Array(30).fill(`error: ${line}`),
        ]).flat(),
        FAILURES,
        `FAILED | 0 passed | ${count} failed (1ms)`,
      ].join("\n"),
      false,
    );
  const [first] = failing(1).failures;
  assertEquals(first?.lines.length, KEPT_LINES + 1);
  assertEquals(first?.lines.at(-1), "...");
  assertEquals(failing(200).failures.length, KEPT_FAILURES);
  for (const count of [1, 3, 10, 49, 50, 200]) {
    const { counts, failures } = failing(count);
    assertEquals(counts.failed, count);
    const report = failureReport([...failures, ...failures]);
    assert(report.length < 150, `${report.length} lines for ${count}`);
    assert(report.every((text) => text.length < 400));
    const last = Math.min(count, KEPT_FAILURES) - 1;
    assertEquals(
      report.at(-1),
      2 * failures.length <= 40
        ? `failed: unit: test ${last} => ./a_test.ts:${last}:1`
        : `failed: ${2 * failures.length - 40} more`,
    );
    assert(report.includes("failed: unit: test 0 => ./a_test.ts:0:1"));
  }
});

/** A terminal that takes little at a time. */
class Sink {
  readonly #decoder = new TextDecoder();
  text = "";

  writeSync(bytes: Uint8Array): number {
    const piece = bytes.subarray(0, 7);
    this.text += this.#decoder.decode(piece, { stream: true });
    return piece.length;
  }
}

Deno.test("runRead passes on and reads what a real run of tests says", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-report-" });
  try {
    const path = `${folder}/x_test.ts`;
    await Deno.writeTextFile(
      path,
      `Deno.test("fine", () => {});
       Deno.test("falls", () => { throw new RangeError("far too much"); });`,
    );
    const out = new Sink();
    const args = ["test", "--no-lock", "--no-check", path];
    const run = await runRead("real", args, {}, out, new Sink());
    assertEquals([run.success, run.end], [false, "exit code 1"]);
    assertStringIncludes(out.text, "far too much");
    const { counts, failures } = run.reader.finish(run.success, run.end);
    assertEquals(counts, { passed: 1, failed: 1 });
    const [falls] = failures;
    assertMatch(falls?.name ?? "", /^falls => .*x_test\.ts:2:\d+$/);
    assertEquals(falls?.lines[0], "error: RangeError: far too much");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("runRead tells of a run that was killed, although what it has left behind holds its output", async () => {
  const out = new Sink();
  const program = `const { pid } = new Deno.Command("sleep", {
      args: ["1000"], stdout: "inherit", stderr: "inherit",
    }).spawn();
    console.error("words to nobody");
    Deno.stdout.writeSync(new TextEncoder().encode(pid + "\\nlast words"));
    Deno.kill(Deno.pid, "SIGKILL");`;
  const broken = {
    writeSync(): number {
      throw new Deno.errors.BrokenPipe();
    },
  };
  const run = await runRead("real", ["eval", program], {}, out, broken);
  Deno.kill(parseInt(out.text), "SIGKILL");
  assertEquals([run.success, run.end], [false, "killed by SIGKILL"]);
  const { counts, failures } = run.reader.finish(run.success, run.end);
  assertEquals(counts, { passed: 0, failed: 1 });
  const [death] = failures;
  assertEquals(
    death?.name,
    "the run ended without a result (killed by SIGKILL)",
  );
  assertEquals(death?.lines.at(-1), "last words");
});

/** The first test of the file starts what a killed run may not leave behind. */
const HANGING = `Deno.test("fine", () => {});
Deno.test("hangs for ever", async (context) => {
  await context.step("in a step", async () => {
    const start = (program, args, options) =>
      new Deno.Command(program, { args, ...options }).spawn().pid;
    const child = start("sleep", ["1001"]);
    const bare = start("sleep", ["1002"], { clearEnv: true });
    const orphan = new Deno.Command("sh", {
      args: ["-c", "setsid sleep 1003 >/dev/null 2>&1 & echo $!"],
    }).outputSync().stdout;
    const pids = [child, bare, Number(new TextDecoder().decode(orphan))];
    console.error("started: " + JSON.stringify(pids) + ".");
    await new Promise((resolve) => setTimeout(resolve, 1e9));
  });
});
`;

/** Whether a process is there, and not only its status. */
function isAlive(pid: number): boolean {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return !/^State:\s+[ZX]/m.test(status);
  } catch {
    return false;
  }
}

Deno.test("runRead kills a run that hangs with all that it started, and names the test that began last", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-report-" });
  try {
    const path = `${folder}/hanging_test.ts`;
    await Deno.writeTextFile(path, HANGING);
    const stop = new AbortController();
    const words = new Sink();
    const started = () => /started: (\[.*\])\./.exec(words.text)?.[1];
    // What the test says comes here, and then its time is over.
    const watched = {
      writeSync(bytes: Uint8Array): number {
        const count = words.writeSync(bytes);
        if (started() !== undefined) stop.abort("killed at its limit");
        return count;
      },
    };
    const args = ["test", "--allow-all", "--no-lock", "--no-check", path];
    const run = await runRead("real", args, {}, watched, watched, stop.signal);
    assertEquals([run.success, run.end], [false, "killed at its limit"]);
    const pids: number[] = JSON.parse(started() ?? "[]");
    assertEquals(pids.map(isAlive), [false, false, false]);
    const { counts, failures } = run.reader.finish(run.success, run.end);
    assertEquals(counts, { passed: 0, failed: 1 });
    assertMatch(
      failures[0]?.lines[0] ?? "",
      /^the test that began last: hangs for ever => .*hanging_test\.ts$/,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
