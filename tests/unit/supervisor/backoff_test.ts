import {
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
} from "@std/assert";
import {
  backoffDelayMs,
  defaultBackoffPolicy,
} from "../../../lib/supervisor/backoff.ts";

Deno.test("backoffDelayMs grows by the factor from the initial delay up to the maximum", () => {
  const policy = {
    ...defaultBackoffPolicy,
    initialMs: 100,
    factor: 3,
    maximumMs: 2000,
  };
  assertEquals([0, 1, 2, 3, 4].map((n) => backoffDelayMs(policy, n, 0)), [
    100,
    300,
    900,
    2000,
    2000,
  ]);
});

Deno.test("backoffDelayMs never overflows, whatever the attempt", () => {
  for (const attempt of [1e3, 1e9, Number.MAX_SAFE_INTEGER, Infinity]) {
    assertEquals(backoffDelayMs(defaultBackoffPolicy, attempt, 0), 60_000);
  }
});

Deno.test("backoffDelayMs stays zero when it starts at zero", () => {
  const policy = { ...defaultBackoffPolicy, initialMs: 0 };
  for (const attempt of [0, 1, 5000, Infinity]) {
    assertEquals(backoffDelayMs(policy, attempt, 0.5), 0);
  }
});

Deno.test("backoffDelayMs never shortens a delay by jitter and adds at most the stated share", () => {
  const policy = { ...defaultBackoffPolicy, jitter: 0.25 };
  for (let attempt = 0; attempt < 12; attempt++) {
    const base = backoffDelayMs({ ...policy, jitter: 0 }, attempt, 0);
    for (const random of [0, 0.001, 0.5, 0.999999]) {
      const delay = backoffDelayMs(policy, attempt, random);
      assertGreaterOrEqual(delay, base);
      assertLessOrEqual(delay, Math.ceil(base * 1.25));
    }
  }
});

Deno.test("backoffDelayMs takes a random number out of range for the nearest bound", () => {
  const policy = { ...defaultBackoffPolicy, jitter: 1 };
  assertEquals(backoffDelayMs(policy, 0, -5), 500);
  assertEquals(backoffDelayMs(policy, 0, 7), 1000);
});

Deno.test("backoffDelayMs keeps the initial delay with a factor of one", () => {
  const policy = { ...defaultBackoffPolicy, factor: 1 };
  assertEquals(backoffDelayMs(policy, 40, 0), 500);
});
