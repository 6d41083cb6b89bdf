/**
 * Measures programs side by side. Times of one machine say little about
 * another, and on a busy machine not even about the next minute; so what a
 * benchmark states is a ratio between contenders that took turns in the same
 * run: A B C, C B A, A B C, ... Each turn is long enough for the clock, and the
 * median of the turns is what counts. Imports nothing.
 *
 * @module
 */

/** One of the programs that are compared. */
export interface Contender {
  /** Its name in the table. */
  readonly name: string;
  /**
   * Does the work so many times. What it returns is the time of all in
   * nanoseconds, where only a part of what it does is the work; else all of it
   * is.
   */
  readonly run: (
    times: number,
  ) => void | Promise<void> | Promise<number>;
}

/** A ratio that one contender should reach. */
export interface Target {
  /** The contender's name. */
  readonly contender: string;
  /** How many times as fast as the baseline it should be. */
  readonly atLeast: number;
  /**
   * Why it may be missed, as measured; shown where it is. A function is given
   * the medians of this very run, in microseconds.
   */
  readonly otherwise?:
    | string
    | ((medianUs: (name: string) => number) => string);
}

/** Contenders that do the same work. */
export interface Comparison {
  /** What the work is. */
  readonly title: string;
  /** The name of the contender that the others are compared with. */
  readonly baseline: string;
  /** All contenders, the baseline among them. */
  readonly contenders: readonly Contender[];
  /** What is hoped for, if anything. */
  readonly targets?: readonly Target[];
  /** How many turns each takes; 15 if absent. */
  readonly turns?: number;
  /** How long a turn should be, in milliseconds; 5 if absent. */
  readonly turnMs?: number;
  /** How often a turn does the work, instead of as often as fills `turnMs`. */
  readonly times?: number;
}

/** Something that is measured by itself: a figure that should be small, or flat. */
export interface Observation {
  /** What was looked at. */
  readonly title: string;
  /** What was seen, line by line. */
  readonly lines: readonly string[];
  /** What was hoped for, and whether it is so. */
  readonly targets: readonly {
    /** The hope, in words. */
    readonly contender: string;
    /** Whether it came true. */
    readonly reached: boolean;
  }[];
}

/** What one contender reached. */
export interface Result {
  readonly name: string;
  /** The median time for doing the work once, in nanoseconds. */
  readonly medianNs: number;
  /** The baseline's median divided by this one's: above 1 is faster. */
  readonly ratio: number;
}

/** What a comparison gave. */
export interface ComparisonResult {
  readonly title: string;
  readonly baseline: string;
  readonly results: readonly Result[];
  readonly targets: readonly TargetResult[];
}

/** Whether a target was reached. */
export interface TargetResult {
  readonly contender: string;
  readonly atLeast: number;
  readonly ratio: number;
  readonly reached: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** Measures the contenders in turns. */
export async function compare(
  comparison: Comparison,
): Promise<ComparisonResult> {
  const { contenders, turns = 15, turnMs = 5 } = comparison;
  const plans = [];
  for (const contender of contenders) {
    const times = comparison.times ?? await calibrate(contender, turnMs);
    plans.push({ contender, times, samples: [] as number[] });
  }
  for (let turn = 0; turn < turns; turn++) {
    const order = turn % 2 === 0 ? plans : plans.toReversed();
    for (const { contender, times, samples } of order) {
      samples.push(await timeNs(contender, times) / times);
    }
  }
  const medians = new Map(
    plans.map(({ contender, samples }) => [contender.name, median(samples)]),
  );
  const base = medians.get(comparison.baseline);
  if (base === undefined) {
    throw new RangeError(`${comparison.title}: no ${comparison.baseline}`);
  }
  const results = [...medians].map(([name, medianNs]) => ({
    name,
    medianNs,
    ratio: base / medianNs,
  }));
  const medianUs = (name: string) => (medians.get(name) ?? NaN) / 1e3;
  const targets = (comparison.targets ?? []).map((target): TargetResult => {
    const { contender, atLeast, otherwise } = target;
    const ratio = base / (medians.get(contender) ?? NaN);
    const reached = ratio >= atLeast;
    const reason = typeof otherwise === "function"
      ? otherwise(medianUs)
      : otherwise;
    return {
      contender,
      atLeast,
      ratio,
      reached,
      ...(reached || reason === undefined ? {} : { reason }),
    };
  });
  const { title, baseline } = comparison;
  return { title, baseline, results, targets };
}

/** How many times fill a turn, found by doubling; warms the code up, too. */
async function calibrate(
  contender: Contender,
  turnMs: number,
): Promise<number> {
  for (let times = 1;; times *= 2) {
    const spentMs = await timeNs(contender, times) / 1e6;
    if (spentMs >= turnMs / 2) {
      return Math.max(1, Math.round(times * turnMs / spentMs));
    }
  }
}

async function timeNs(contender: Contender, times: number): Promise<number> {
  const start = performance.now();
  const done = contender.run(times);
  // Awaiting nothing would cost a turn of the event loop.
  const ownNs = done === undefined ? undefined : await done;
  return ownNs ?? (performance.now() - start) * 1e6;
}

function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1
    ? upper
    : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

/** A comparison as lines of text. */
export function render(result: ComparisonResult): string {
  const width = Math.max(...result.results.map(({ name }) => name.length));
  const lines = [result.title];
  for (const { name, medianNs, ratio } of result.results) {
    lines.push(
      `  ${name.padEnd(width)}  ${showTime(medianNs).padStart(9)}  ${
        ratio.toFixed(2).padStart(7)
      } x`,
    );
  }
  for (
    const { contender, atLeast, ratio, reached, reason } of result.targets
  ) {
    const verdict = reached ? "reached" : "not reached";
    lines.push(
      `  target: ${contender} at least ${
        atLeast.toFixed(2)
      } x ${result.baseline}: ${verdict} (${ratio.toFixed(2)})`,
    );
    if (reason !== undefined) lines.push(`    ${reason}`);
  }
  return lines.join("\n");
}

/** An observation as lines of text. */
export function renderObservation(observation: Observation): string {
  return [
    observation.title,
    ...observation.lines.map((line) => `  ${line}`),
    ...observation.targets.map(({ contender, reached }) =>
      `  target: ${contender}: ${reached ? "reached" : "not reached"}`
    ),
  ].join("\n");
}

function showTime(ns: number): string {
  if (ns < 1e3) return `${ns.toFixed(0)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(2)} us`;
  if (ns < 1e9) return `${(ns / 1e6).toFixed(2)} ms`;
  return `${(ns / 1e9).toFixed(2)} s`;
}
