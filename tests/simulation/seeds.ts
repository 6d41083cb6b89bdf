/**
 * Which seeds a simulation plays, and how a scenario that fails is made smaller.
 *
 * | variable              | meaning                                           |
 * |-----------------------|---------------------------------------------------|
 * | `SPACEOS_SEED=N`      | play this one only                                |
 * | `SPACEOS_SEEDS=N`     | play so many                                      |
 * | `SPACEOS_TEST_LONG=1` | play as many as the long run does                 |
 *
 * @module
 */

/** Seeds in a row. */
export interface SeedRange {
  readonly first: number;
  readonly count: number;
}

/**
 * The seeds to play.
 *
 * @param counts How many, in an ordinary run and in a long one.
 */
export function seedRange(
  counts: { readonly usual: number; readonly long: number },
): SeedRange {
  const only = Deno.env.get("SPACEOS_SEED");
  if (only !== undefined) return { first: Number(only), count: 1 };
  const isLong = Deno.env.get("SPACEOS_TEST_LONG") === "1";
  const count = Number(
    Deno.env.get("SPACEOS_SEEDS") ?? (isLong ? counts.long : counts.usual),
  );
  return { first: 1, count };
}

/** A scenario that breaks a rule, as small as it could be made. */
export interface Shrunk<Scenario> {
  readonly scenario: Scenario;
  /** The rule that it breaks, which may be another than the first one's. */
  readonly failure: string;
}

/** What shrinking works with. */
export interface Shrinking<Scenario> {
  /** Scenarios that are a little smaller, the most promising first. */
  readonly smaller: (scenario: Scenario) => Iterable<Scenario>;
  /** The rule that a scenario breaks, or null. */
  readonly failureOf: (scenario: Scenario) => Promise<string | null>;
  /** How many scenarios are tried at most; default 2000. */
  readonly maximumTries?: number;
}

/**
 * Makes a failing scenario smaller for as long as that goes.
 *
 * @param scenario The scenario.
 * @param failure What it breaks.
 * @param shrinking How.
 */
export async function shrink<Scenario>(
  scenario: Scenario,
  failure: string,
  shrinking: Shrinking<Scenario>,
): Promise<Shrunk<Scenario>> {
  let best: Shrunk<Scenario> = { scenario, failure };
  let tries = shrinking.maximumTries ?? 2000;
  for (let hasShrunk = true; hasShrunk && tries > 0;) {
    hasShrunk = false;
    for (const candidate of shrinking.smaller(best.scenario)) {
      if (tries-- <= 0) break;
      const met = await shrinking.failureOf(candidate);
      if (met === null) continue;
      best = { scenario: candidate, failure: met };
      hasShrunk = true;
      break;
    }
  }
  return best;
}

/** What was thrown, in one line. */
export function failureText(error: unknown): string {
  return error instanceof Error
    ? `${error.name}: ${error.message}`
    : String(error);
}
