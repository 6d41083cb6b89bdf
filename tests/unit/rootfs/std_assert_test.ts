/**
 * What this project relies on in @std/assert. On closed machines this tests
 * the stand-ins of rootfs/toolchain/std, on open ones the real package: a
 * difference shows here first.
 */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
  unreachable,
} from "@std/assert";

/** Fails unless `fn` throws an AssertionError, by means of the language only. */
function mustFail(fn: () => void): string {
  try {
    fn();
  } catch (error) {
    if (error instanceof AssertionError) return error.message;
    throw error;
  }
  throw new Error(`an assertion passed that should have failed: ${fn}`);
}

Deno.test("assert passes truthy values and throws for falsy ones", () => {
  assert(1);
  assert("a");
  for (const falsy of [0, 0n, "", null, undefined, false, NaN]) {
    mustFail(() => assert(falsy));
  }
  if (mustFail(() => assert(false, "why")) !== "why") {
    throw new Error("the message got lost");
  }
});

const POINT_A = new (class Point {
  x = 1;
})();
const POINT_B = new (class Pixel {
  x = 1;
})();
const cycle = (): unknown => {
  const value: Record<string, unknown> = { name: "c" };
  value.self = value;
  return value;
};

const EQUAL_PAIRS: [string, unknown, unknown][] = [
  ["numbers", 1, 1],
  ["NaN", NaN, NaN],
  ["zeros", 0, -0],
  ["bigints", 10n ** 20n, 10n ** 20n],
  ["texts", "ä", "ä"],
  ["dates", new Date(5), new Date(5)],
  ["invalid dates", new Date(NaN), new Date(NaN)],
  ["patterns", /a/g, /a/g],
  ["nested objects", { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
  ["members in another order", { a: 1, b: 2 }, { b: 2, a: 1 }],
  ["a null prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  [
    "sets of objects",
    new Set([{ a: 1 }, { a: 2 }]),
    new Set([{ a: 2 }, { a: 1 }]),
  ],
  [
    "maps with object keys",
    new Map([[{ k: 1 }, [1]]]),
    new Map([[{ k: 1 }, [1]]]),
  ],
  ["byte arrays", new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  [
    "views of larger buffers",
    new Uint8Array([0, 1, 2]).subarray(1),
    new Uint8Array([1, 2]),
  ],
  ["wide arrays", new Uint32Array([1, 2]), new Uint32Array([1, 2])],
  ["cycles", cycle(), cycle()],
];

const UNEQUAL_PAIRS: [string, unknown, unknown][] = [
  ["a number and its text", 1, "1"],
  ["null and undefined", null, undefined],
  ["a number and a bigint", 1, 1n],
  ["dates", new Date(5), new Date(6)],
  ["patterns by flag", /a/g, /a/i],
  ["a missing member", { a: 1 }, { a: 1, b: 2 }],
  ["undefined and a missing member", { a: undefined }, { b: undefined }],
  ["lengths", [1, 2], [1, 2, 3]],
  ["order", [1, 2], [2, 1]],
  ["sets", new Set([{ a: 1 }]), new Set([{ a: 2 }])],
  [
    "sets by multiplicity",
    new Set([{ a: 1 }, { a: 1 }]),
    new Set([{ a: 1 }, { a: 2 }]),
  ],
  ["maps by value", new Map([["a", 1]]), new Map([["a", 2]])],
  ["maps by key", new Map([["a", 1]]), new Map([["b", 1]])],
  ["byte arrays", new Uint8Array([1, 2]), new Uint8Array([1, 3])],
  ["array types", new Uint8Array([1]), new Uint16Array([1])],
  ["an array and an object", [1], { 0: 1 }],
  ["classes", POINT_A, POINT_B],
  ["errors by class", new TypeError("a"), new RangeError("a")],
];

for (const [what, left, right] of EQUAL_PAIRS) {
  Deno.test(`assertEquals takes equal ${what} as equal`, () => {
    assertEquals(left, right);
    assertEquals(right, left);
    mustFail(() => assertNotEquals(left, right));
  });
}

for (const [what, left, right] of UNEQUAL_PAIRS) {
  Deno.test(`assertEquals tells apart: ${what}`, () => {
    mustFail(() => assertEquals(left, right));
    mustFail(() => assertEquals(right, left));
    assertNotEquals(left, right);
  });
}

Deno.test("assertEquals shows what differs, and the caller's message", () => {
  const message = mustFail(() =>
    assertEquals({ a: 1, b: 2 }, { a: 1, b: 3 }, "sum")
  );
  assertMatch(message, /^-\s+b: 2/m);
  assertMatch(message, /^\+\s+b: 3/m);
  assertStringIncludes(message, "sum");
});

Deno.test("assertStrictEquals asks for the same value", () => {
  const value = { a: 1 };
  assertStrictEquals(value, value);
  assertStrictEquals(NaN, NaN);
  mustFail(() => assertStrictEquals(value, { a: 1 }));
  mustFail(() => assertStrictEquals<unknown>(1, "1"));
});

Deno.test("assertThrows returns the error and judges class and message", () => {
  const error = assertThrows(
    () => {
      throw new RangeError("slot 33 of 32");
    },
    RangeError,
    "slot 33",
  );
  assertEquals(error.message, "slot 33 of 32");
  mustFail(() => assertThrows(() => {}));
  mustFail(() =>
    assertThrows(() => {
      throw new TypeError("x");
    }, RangeError)
  );
  mustFail(() =>
    assertThrows(
      () => {
        throw new RangeError("x");
      },
      RangeError,
      "y",
    )
  );
  mustFail(() =>
    assertThrows(() => {
      throw "text";
    }, Error)
  );
  assertEquals(
    assertThrows(() => {
      throw "text";
    }),
    "text",
  );
});

Deno.test("assertRejects returns the error and judges class and message", async () => {
  const error = await assertRejects(
    () => Promise.reject(new RangeError("late")),
    RangeError,
    "late",
  );
  assertInstanceOf(error, RangeError);
  for (
    const wrong of [
      () => assertRejects(() => Promise.resolve(1)),
      () => assertRejects(() => Promise.reject(new TypeError("a")), RangeError),
      () =>
        assertRejects(
          () => Promise.reject(new RangeError("a")),
          RangeError,
          "b",
        ),
      () =>
        assertRejects(() => {
          throw new RangeError("at once");
        }, RangeError),
    ]
  ) {
    let failed = false;
    try {
      await wrong();
    } catch (met) {
      assertInstanceOf(met, AssertionError);
      failed = true;
    }
    assert(failed, `an assertion passed that should have failed: ${wrong}`);
  }
});

Deno.test("the small assertions pass what they should and fail the rest", () => {
  assertStringIncludes("abc", "b");
  mustFail(() => assertStringIncludes("abc", "d"));
  assertMatch("abc", /^a/);
  mustFail(() => assertMatch("abc", /^b/));
  assertInstanceOf(new Date(), Date);
  mustFail(() => assertInstanceOf("text", String));
  assertExists(0);
  mustFail(() => assertExists(null));
  mustFail(() => assertExists(undefined));
  assertFalse(0);
  mustFail(() => assertFalse(1));
  assertGreater(2, 1);
  mustFail(() => assertGreater(1, 1));
  assertGreaterOrEqual(1, 1);
  mustFail(() => assertGreaterOrEqual(0, 1));
  assertLess(1n, 2n);
  mustFail(() => assertLess(2, 2));
  assertLessOrEqual(2, 2);
  mustFail(() => assertLessOrEqual(3, 2));
  assertAlmostEquals(0.1 + 0.2, 0.3);
  assertAlmostEquals(10, 11, 1);
  mustFail(() => assertAlmostEquals(10, 11.1, 1));
  mustFail(() => assertAlmostEquals(1, 1.001));
  mustFail(() => fail("x"));
  mustFail(() => unreachable());
});

Deno.test("assertions narrow types for the compiler", () => {
  const value: string | undefined = ["a"].at(0);
  assertExists(value);
  const length: number = value.length;
  const other: unknown = new Uint8Array(3);
  assertInstanceOf(other, Uint8Array);
  assertEquals([length, other.length], [1, 3]);
});
