/**
 * Compares what is with what was: each function says in one sentence what is
 * different, or null. The first difference is named, the others counted. Pure;
 * imports the types of snapshots.
 *
 * @module
 */
import type { ProcessSnapshot } from "./snapshot.ts";

/**
 * Compares two rows of lines as sets.
 *
 * @param reference How it was.
 * @param current How it is.
 * @returns For example `+ evil 4096, 2 more`; `-` marks what is gone.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compareLines } from "./compare.ts";
 *
 * assertEquals(compareLines(["a", "b"], ["b", "a"]), null);
 * assertEquals(compareLines(["a"], ["b"]), "+ b, 1 more");
 * ```
 */
export function compareLines(
  reference: readonly string[],
  current: readonly string[],
): string | null {
  if (isSame(reference, current)) return null;
  const before = new Set(reference);
  const after = new Set(current);
  const differences = [
    ...[...after].filter((line) => !before.has(line)).map((line) =>
      `+ ${line}`
    ),
    ...[...before].filter((line) => !after.has(line)).map((line) =>
      `- ${line}`
    ),
  ];
  const [first] = differences;
  if (first === undefined) {
    return reference.length === current.length
      ? null
      : `${current.length} lines, expected ${reference.length}`;
  }
  return differences.length === 1
    ? first
    : `${first}, ${differences.length - 1} more`;
}

/** Nearly always nothing has changed, and hundreds of processes are compared. */
function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, index) => line === b[index]);
}

/**
 * Compares two sets of named values.
 *
 * @param reference How it was.
 * @param current How it is.
 * @returns For example `NoNewPrivs is 0, was 1`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compareValues } from "./compare.ts";
 *
 * assertEquals(compareValues({ Seccomp: "2" }, { Seccomp: "0" }), "Seccomp is 0, was 2");
 * ```
 */
export function compareValues(
  reference: Readonly<Record<string, string>>,
  current: Readonly<Record<string, string>>,
): string | null {
  const names = new Set([...Object.keys(reference), ...Object.keys(current)]);
  const different = [...names].filter((name) =>
    own(reference, name) !== own(current, name)
  );
  const [first] = different;
  if (first === undefined) return null;
  const more = different.length > 1 ? `, ${different.length - 1} more` : "";
  return `${first} is ${own(current, first) ?? "missing"}, was ${
    own(reference, first) ?? "missing"
  }${more}`;
}

function own(
  values: Readonly<Record<string, string>>,
  name: string,
): string | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

/**
 * Compares executable mappings. A file of the image that is as it was built
 * and is mapped without the right to write is no difference: a program may
 * load one of its libraries late.
 *
 * @param reference How it was.
 * @param current How it is.
 * @param goodFiles The paths of the image's files that are as built.
 * @returns What is different, or null.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compareMappings } from "./compare.ts";
 *
 * const late = ["1-2 r-xp 0 fe:01 7 /lib/libz.so"];
 * assertEquals(compareMappings([], late, new Set(["/lib/libz.so"])), null);
 * assertEquals(compareMappings([], late, new Set()), "+ 1-2 r-xp 0 fe:01 7 /lib/libz.so");
 * ```
 */
export function compareMappings(
  reference: readonly string[],
  current: readonly string[],
  goodFiles: ReadonlySet<string>,
): string | null {
  if (isSame(reference, current)) return null;
  const before = new Set(reference);
  const counted = current.filter((line) =>
    before.has(line) || !isGoodMapping(line, goodFiles)
  );
  return compareLines(reference, counted);
}

function isGoodMapping(line: string, goodFiles: ReadonlySet<string>): boolean {
  const [, rights, , , , ...path] = line.split(" ");
  return rights === "r-xp" && goodFiles.has(path.join(" "));
}

/**
 * Judges the control group of a process that was put into one: it may make
 * groups of its own below, and be in one of them.
 *
 * @param expected The group that it was put into.
 * @param current The group that it is in, or null when that is not known.
 * @returns What is wrong, or null.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compareCgroup } from "./compare.ts";
 *
 * assertEquals(compareCgroup("/spaceos/web", "/spaceos/web/worker"), null);
 * assertEquals(compareCgroup("/spaceos/web", "/"), "is in /, expected /spaceos/web");
 * ```
 */
export function compareCgroup(
  expected: string,
  current: string | null,
): string | null {
  if (
    current === null || current === expected ||
    current.startsWith(expected === "/" ? "/" : `${expected}/`)
  ) return null;
  return `is in ${current}, expected ${expected}`;
}

/** One that was put into no group has no reason to change its own. */
function movedCgroup(
  before: string | null,
  current: string | null,
): string | null {
  const isKnown = before !== null && current !== null;
  return !isKnown || before === current
    ? null
    : `is in ${current}, expected ${before}`;
}

/** The checks of a process with what each found; null is "as it was". */
export interface ProcessFindings {
  /** Of its executable mappings. */
  readonly mappings: string | null;
  /** Of what it may do. */
  readonly privileges: string | null;
  /** Of its control group. */
  readonly cgroup: string | null;
  /** Of its namespaces. */
  readonly namespaces: string | null;
}

/** What a process is held against. */
export interface ProcessReference {
  /** The same process, earlier. */
  readonly snapshot: ProcessSnapshot;
  /** What processes of this definition may do. */
  readonly privileges: Readonly<Record<string, string>>;
  /** The group that it was put into; null when it was put into none. */
  readonly cgroup: string | null;
}

/**
 * Compares a process with its reference. What could not be read this time is
 * not judged.
 *
 * @param reference How it was.
 * @param current How it is.
 * @param goodFiles The paths of the image's files that are as built.
 * @returns The findings.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compareProcess } from "./compare.ts";
 *
 * const snapshot = {
 *   startTicks: 1,
 *   mappings: [],
 *   privileges: { NoNewPrivs: "1" },
 *   cgroup: "/",
 *   namespaces: {},
 * };
 * const reference = { snapshot, privileges: { NoNewPrivs: "0" }, cgroup: null };
 * const findings = compareProcess(reference, snapshot, new Set());
 * assertEquals(findings.privileges, "NoNewPrivs is 1, was 0");
 * assertEquals(findings.cgroup, null);
 * ```
 */
export function compareProcess(
  reference: ProcessReference,
  current: ProcessSnapshot,
  goodFiles: ReadonlySet<string>,
): ProcessFindings {
  const before = reference.snapshot;
  return {
    mappings: before.mappings === null || current.mappings === null
      ? null
      : compareMappings(before.mappings, current.mappings, goodFiles),
    privileges: compareValues(reference.privileges, current.privileges),
    cgroup: reference.cgroup === null
      ? movedCgroup(before.cgroup, current.cgroup)
      : compareCgroup(reference.cgroup, current.cgroup),
    namespaces: before.namespaces === null || current.namespaces === null
      ? null
      : compareValues(before.namespaces, current.namespaces),
  };
}
