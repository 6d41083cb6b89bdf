/**
 * What is kept of runs of the benchmarks, as tests/bench/results.json: for each
 * bench what it gave and when, so that the README's figures can be refreshed
 * bench by bench. Pure; it imports the harness's types.
 *
 * @module
 */

import type { ComparisonResult, Observation } from "./harness.ts";

/** What one bench gave. */
export interface BenchResults {
  /** The day it ran, `2026-11-25`. */
  readonly date: string;
  /** How long it took. */
  readonly seconds: number;
  /** Its comparisons. */
  readonly comparisons: readonly ComparisonResult[];
  /** What it looked at by itself. */
  readonly observations: readonly Observation[];
}

/** What all benches gave, by their names. */
export type KeptResults = Readonly<Record<string, BenchResults>>;

/** What is known after a run. */
export interface Merged {
  /** The results of the benches that there are, in the order of their names. */
  readonly results: KeptResults;
  /** The benches whose results are of an earlier run. */
  readonly kept: readonly string[];
  /** The benches that have never given any. */
  readonly missing: readonly string[];
}

/**
 * Puts the results of a run in the place of older ones; benches that did not
 * run, or failed, keep theirs, and those that are there no more are left out.
 *
 * @param before what is kept of earlier runs
 * @param ran what ran now
 * @param names all benches that there are
 * @returns what is known
 */
export function mergeResults(
  before: KeptResults,
  ran: KeptResults,
  names: readonly string[],
): Merged {
  const results: Record<string, BenchResults> = {};
  const kept: string[] = [];
  const missing: string[] = [];
  for (const name of names.toSorted()) {
    const now = Object.hasOwn(ran, name) ? ran[name] : undefined;
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    const found = now ?? old;
    if (found === undefined) missing.push(name);
    else results[name] = found;
    if (now === undefined && old !== undefined) kept.push(name);
  }
  return { results, kept, missing };
}

/** Digits of a figure that are kept: more would only be noise. */
const SIGNIFICANT_DIGITS = 4;

/**
 * Writes results down.
 *
 * @param results what to keep
 * @returns JSON, as `deno fmt` would have it
 */
export function formatResults(results: KeptResults): string {
  const rounded = (_: string, value: unknown): unknown =>
    typeof value === "number"
      ? Number(value.toPrecision(SIGNIFICANT_DIGITS))
      : value;
  return `${JSON.stringify(results, rounded, 2)}\n`;
}

/**
 * Reads what was written down.
 *
 * @param text the JSON, or an empty text for none
 * @returns the results
 * @throws {SyntaxError} when it is something else
 */
export function parseResults(text: string): KeptResults {
  if (text === "") return {};
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SyntaxError("results.json: expected an object of benches");
  }
  return value as KeptResults;
}
