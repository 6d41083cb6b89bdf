/**
 * Fuzzing from a seed: inputs are drawn, a check judges what the program makes
 * of each, and one that fails is shrunk while it still fails. The failure's
 * text has the seed, the case's number and the shrunk input as source text, so
 * that it can become a test. Imports the simulations' random numbers.
 *
 * A case draws from its own generator, made of the seed and its number: case
 * 12,345 is the same whether it is reached or asked for. SPACEOS_FUZZ_SEED
 * gives another seed than CI's. A run ends after so many cases or so much time,
 * whichever is first: the time is a bound on the tests, never a verdict.
 *
 * @module
 */

import { hashText, Random } from "../random.ts";

/** What is fuzzed. */
export interface Target<Input> {
  /** Its name, of which its random numbers are made, too. */
  readonly name: string;
  /** Draws an input. */
  readonly draw: (random: Random) => Input;
  /** Throws if what the program makes of an input is not right. */
  readonly check: (input: Input) => void;
  /** Smaller inputs than one, the smallest first. */
  readonly shrink: (input: Input) => Iterable<Input>;
  /** An input as source text. */
  readonly show: (input: Input) => string;
}

/** How long and from where. */
export interface Limits {
  /** The seed. */
  readonly seed: number;
  /** The most cases. */
  readonly cases: number;
  /** The most time, in milliseconds. */
  readonly budgetMs: number;
}

const isLong = Deno.env.get("SPACEOS_TEST_LONG") === "1";

/** The limits of this run: CI's, or the long ones. */
export const LIMITS: Limits = {
  seed: Number(Deno.env.get("SPACEOS_FUZZ_SEED") ?? 0x5EED) >>> 0,
  cases: isLong ? 250_000 : 2_500,
  budgetMs: isLong ? 10_000 : 2_000,
};

/** An input that failed. */
export class FuzzFailure extends Error {
  /** Always `"FuzzFailure"`. */
  override readonly name = "FuzzFailure";
}

/** How many inputs shrinking tries at most. */
const SHRINK_TRIES = 5_000;

/** How often the clock is looked at. */
const CLOCK_EVERY = 64;

/**
 * Runs cases until the limits; returns how many. Throws a {@linkcode FuzzFailure}
 * for the first that fails.
 */
export function fuzz<Input>(target: Target<Input>, limits = LIMITS): number {
  const start = performance.now();
  let number = 0;
  for (; number < limits.cases; number++) {
    const isLate = number % CLOCK_EVERY === 0 &&
      performance.now() - start > limits.budgetMs;
    if (isLate) break;
    const random = new Random(limits.seed, hashText(target.name), number);
    const input = target.draw(random);
    const problem = problemOf(target, input);
    if (problem === null) continue;
    throw failure(target, limits.seed, number, input, problem);
  }
  return number;
}

function problemOf<Input>(
  { check }: Target<Input>,
  input: Input,
): string | null {
  try {
    check(input);
    return null;
  } catch (error) {
    return error instanceof Error
      ? `${error.name}: ${error.message}`
      : `threw ${String(error)}`;
  }
}

function failure<Input>(
  target: Target<Input>,
  seed: number,
  number: number,
  first: Input,
  firstProblem: string,
): FuzzFailure {
  let smallest = first;
  let problem = firstProblem;
  let tries = 0;
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (const candidate of target.shrink(smallest)) {
      if (tries++ >= SHRINK_TRIES) break;
      const found = problemOf(target, candidate);
      if (found === null) continue;
      smallest = candidate;
      problem = found;
      isSmaller = true;
      break;
    }
  }
  return new FuzzFailure(
    `${target.name}: seed ${seed}, case ${number}, shrunk to ` +
      `${target.show(smallest)}: ${problem}`,
  );
}

/** A list with pieces left out: halves, quarters, ..., single elements. */
function* shrinkList<T>(list: readonly T[]): Iterable<T[]> {
  for (let size = list.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < list.length; at += size) {
      yield [...list.slice(0, at), ...list.slice(at + size)];
    }
  }
}

/** Bytes with pieces left out, and then with bytes made 0. */
export function* shrinkBytes(bytes: Uint8Array): Iterable<Uint8Array> {
  for (const shorter of shrinkList([...bytes])) yield Uint8Array.from(shorter);
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === 0) continue;
    const simpler = bytes.slice();
    simpler[at] = 0;
    yield simpler;
  }
}

/** A text with pieces left out, and then with plain characters. */
export function* shrinkText(text: string): Iterable<string> {
  const characters = [...text];
  for (const shorter of shrinkList(characters)) yield shorter.join("");
  for (const [at, character] of characters.entries()) {
    if (/[ -~\n]/.test(character)) continue;
    yield [...characters.slice(0, at), "a", ...characters.slice(at + 1)].join(
      "",
    );
  }
}

/** Words with words left out, and then with shorter words. */
export function* shrinkWords(words: readonly string[]): Iterable<string[]> {
  yield* shrinkList(words);
  for (const [at, word] of words.entries()) {
    for (const shorter of shrinkText(word)) {
      yield [...words.slice(0, at), shorter, ...words.slice(at + 1)];
    }
  }
}

/** Bytes as source text. */
export const showBytes = (bytes: Uint8Array): string => {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
  return `Uint8Array.fromHex("${hex.join("")}")`;
};

/** Texts that have broken programs before. */
const AWKWARD: readonly string[] = [
  "",
  "\0",
  "\u{FEFF}",
  "\u{1F680}",
  "\uD800",
  "\r\n",
  "\t",
  " ",
  "..",
  "/",
  "%s%n",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "-0",
  "1e999",
  "NaN",
  "0x",
  "9007199254740993",
  "18446744073709551616",
  "-1",
  "--",
  "=",
  '"',
  "\\",
  "\x1b[2J",
  "٣",
  "a".repeat(300),
];

/** A text with a few random changes, some from a dictionary. */
export function mutateText(
  random: Random,
  text: string,
  dictionary: readonly string[],
): string {
  let result = text;
  for (let changes = random.below(4); changes > 0; changes--) {
    const at = random.below(result.length + 1);
    const length = random.chance(1, 2) ? random.below(4) : 0;
    const inserted = random.chance(1, 4)
      ? ""
      : random.chance(1, 2)
      ? random.pick(AWKWARD)
      : random.chance(1, 2) && dictionary.length > 0
      ? random.pick(dictionary)
      : String.fromCharCode(random.below(random.chance(1, 8) ? 65_536 : 128));
    result = result.slice(0, at) + inserted + result.slice(at + length);
  }
  return result;
}

/** Bytes with a few random changes. */
export function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  let result = bytes.slice();
  for (let changes = random.below(5); changes > 0; changes--) {
    const at = random.below(result.length + 1);
    switch (random.below(5)) {
      case 0:
        result[at] = random.bits();
        break;
      case 1:
        result[at] = random.pick([0, 1, 0x7F, 0x80, 0xFF]);
        break;
      case 2:
        result = result.slice(0, at);
        break;
      case 3:
        result = Uint8Array.of(
          ...result.subarray(0, at),
          ...random.bytes(random.below(9)),
          ...result.subarray(at),
        );
        break;
      default: {
        const bit = 1 << random.below(8);
        result[at] = (result[at] ?? 0) ^ bit;
      }
    }
  }
  return result;
}
