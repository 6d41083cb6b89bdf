/**
 * Reads what `deno test` writes, line by line, and tells how many tests passed,
 * and which failed with which error: so that whoever sees only the end of a long
 * log knows. A run that dies is a failure, too, and its last lines are its
 * error. Pure; it imports nothing.
 */

/** How many tests passed and failed. */
export interface TestCounts {
  /** Tests that passed. */
  readonly passed: number;
  /** Tests that failed, and modules that could not be loaded. */
  readonly failed: number;
}

/** Something that failed. */
export interface TestFailure {
  /** The suite in which it did. */
  readonly suite: string;
  /** The test and its place, or what else went wrong. */
  readonly name: string;
  /** The first lines of its error. */
  readonly lines: readonly string[];
}

/** What a suite left. */
export interface SuiteResult {
  /** How many passed and failed. */
  readonly counts: TestCounts;
  /** Who failed; not more than {@linkcode KEPT_FAILURES}. */
  readonly failures: readonly TestFailure[];
}

/** Failures of a suite that are kept with their error. */
export const KEPT_FAILURES = 50;

/** Lines of an error that are kept, and of the end of a run that died. */
export const KEPT_LINES = 20;

/** Characters of a line that are kept. */
const KEPT_CHARACTERS = 300;

/** Lines of errors in the whole report, and of names below them. */
const REPORT_LINES = 100;
const REPORT_NAMES = 40;

/** Where the errors begin and end; between them each has a head. */
const ERRORS = " ERRORS ";
const FAILURES = " FAILURES ";

/** `a test ... its step => ./tests/a_test.ts:1:6`, or `./tests/a_test.ts (uncaught error)`. */
const HEAD = /^.+ => \S+:\d+:\d+$|^\S+ \(uncaught error\)$/;

/** `running 3 tests from ./tests/a_test.ts`. */
const PLACE = /^running \d+ tests? from (\S.*)$/;

/** `a test ... ok (1ms)`, or only `a test ...` while it runs; steps are indented. */
const TEST = /^(\S.*?) \.\.\.(?: |$)/;

const SUMMARY = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/;

/** Reads the output of one run of `deno test`. */
export class SuiteReader {
  readonly #suite: string;
  /** The last lines, the newest last. */
  #last: string[] = [];
  #counts: TestCounts | undefined;
  #failures: { suite: string; name: string; lines: string[] }[] = [];
  #isInErrors = false;
  /** The file that is under way, and the test of it that began last. */
  #place: string | undefined;
  #test: string | undefined;

  /** @param suite the name of the suite */
  constructor(suite: string) {
    this.#suite = suite;
  }

  /**
   * Takes the next line.
   *
   * @param line a line without its end, coloured or not
   */
  line(line: string): void {
    const text = plain(line);
    this.#last.push(cut(text));
    if (this.#last.length > KEPT_LINES) this.#last.shift();
    const place = PLACE.exec(text)?.[1];
    if (place !== undefined) {
      this.#place = place;
      this.#test = undefined;
    }
    this.#test = TEST.exec(text)?.[1] ?? this.#test;
    const [, passed, failed] = SUMMARY.exec(text) ?? [];
    if (passed !== undefined) {
      this.#counts = { passed: Number(passed), failed: Number(failed) };
    }
    if (text === ERRORS) {
      // A test may have shown the output of another run: the last one counts.
      this.#failures = [];
      this.#isInErrors = true;
    } else if (text === FAILURES) {
      this.#isInErrors = false;
    } else if (this.#isInErrors) {
      this.#errorLine(text);
    }
  }

  #errorLine(text: string): void {
    if (HEAD.test(text)) {
      if (this.#failures.length === KEPT_FAILURES) {
        this.#isInErrors = false;
        return;
      }
      this.#failures.push({ suite: this.#suite, name: cut(text), lines: [] });
      return;
    }
    const lines = this.#failures.at(-1)?.lines;
    if (lines === undefined || lines.length > KEPT_LINES) return;
    lines.push(lines.length === KEPT_LINES ? "..." : cut(text));
  }

  /**
   * The run has ended. One that fails without saying that a test failed counts
   * as one failure, and so does one without any test.
   *
   * @param success whether its exit status was 0
   * @param end how it ended, in words
   * @returns what it left
   */
  finish(success: boolean, end: string): SuiteResult {
    const counts = this.#counts ?? { passed: 0, failed: 0 };
    const failures = this.#failures.map(({ lines, ...failure }) => ({
      ...failure,
      lines: trimmed(lines),
    }));
    if (counts.failed > 0 && !success) return { counts, failures };
    if (success && counts.failed === 0 && counts.passed > 0) {
      return { counts, failures: [] };
    }
    const { passed, failed } = counts;
    const what = this.#counts === undefined
      ? "the run ended without a result"
      : success && failed === 0
      ? "there was no test"
      : `the run says "${passed} passed, ${failed} failed" and ended otherwise`;
    return {
      counts: { passed, failed: Math.max(1, failed) },
      failures: [...failures, this.#death(what, end)],
    };
  }

  /**
   * What had to be done before the tests has failed: none of them can run.
   *
   * @param what what could not be done
   * @param end how the program ended, in words
   * @returns one failure
   */
  fail(what: string, end: string): SuiteResult {
    return {
      counts: { passed: 0, failed: 1 },
      failures: [this.#death(what, end)],
    };
  }

  #death(what: string, end: string): TestFailure {
    return {
      suite: this.#suite,
      name: `${what} (${end})`,
      lines: trimmed([
        ...this.#lastTest(),
        "its last lines:",
        ...this.#last,
      ]),
    };
  }

  #lastTest(): string[] {
    if (this.#place === undefined) return [];
    return [cut(
      this.#test === undefined
        ? `no test of ${this.#place} had begun`
        : `the test that began last: ${this.#test} => ${this.#place}`,
    )];
  }
}

/**
 * What failed, for the end of a log: the errors, each shortened so that all
 * have a place, and below them the names alone.
 *
 * @param failures who failed
 * @returns lines; none when nothing failed
 */
export function failureReport(failures: readonly TestFailure[]): string[] {
  if (failures.length === 0) return [];
  const each = Math.floor(REPORT_LINES / failures.length) - 1;
  const limit = Math.min(KEPT_LINES + 1, each);
  const errors = limit < 1 ? [] : failures.flatMap(({ suite, name, lines }) => [
    `${suite}: ${name}`,
    ...lines.slice(0, limit).map((line) => `    ${line}`),
  ]);
  const names = failures.slice(0, REPORT_NAMES).map(({ suite, name }) =>
    `failed: ${suite}: ${name}`
  );
  const others = failures.length - names.length;
  return [
    "",
    "== what failed",
    ...errors,
    "",
    ...names,
    ...(others > 0 ? [`failed: ${others} more`] : []),
  ];
}

/** Without colours, and what else a terminal takes for a command. */
function plain(line: string): string {
  // deno-lint-ignore no-control-regex
  return line.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replaceAll("\r", "");
}

function cut(line: string): string {
  return line.length > KEPT_CHARACTERS
    ? `${line.slice(0, KEPT_CHARACTERS)}...`
    : line;
}

/** Without empty lines at the end. */
function trimmed(lines: readonly string[]): readonly string[] {
  const last = lines.findLastIndex((line) => line.trim() !== "");
  return lines.slice(0, last + 1);
}
