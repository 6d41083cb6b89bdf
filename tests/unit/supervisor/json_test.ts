import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  JsonSyntaxError,
  jsonValue,
  maximumJsonDepth,
  parseJson,
} from "../../../lib/supervisor/json.ts";

function failure(text: string): string {
  try {
    parseJson(text);
  } catch (error) {
    assert(error instanceof JsonSyntaxError);
    return `${error.position.line}:${error.position.column} ${error.message}`;
  }
  throw new Error(`accepted ${text}`);
}

Deno.test("parseJson reads what JSON.parse reads, to the same value", () => {
  const texts = [
    "null",
    " true ",
    "false",
    "-0.5e+3",
    "0",
    "1E400",
    '""',
    '"\\u00e9\\n\\"\\\\\\/\\b\\f\\r\\t\\ud83d\\ude80 é 🚀"',
    "[]",
    "{}",
    '[1,[2,{"a":[]}],"x"]',
    '{"a":{"b":null},"":0,"__proto__":1}',
    '\r\n\t{ "a" : 1 }\n',
  ];
  for (const text of texts) {
    assertEquals(
      JSON.stringify(jsonValue(parseJson(text))),
      JSON.stringify(JSON.parse(text)),
    );
  }
});

Deno.test("parseJson rejects what JSON.parse rejects", () => {
  const texts = [
    "",
    " ",
    "nul",
    "truex",
    "01",
    "1.",
    ".5",
    "+1",
    "1e",
    "-",
    "NaN",
    "'a'",
    '"a',
    '"\\x"',
    '"\\u12g4"',
    '"\t"',
    "[1,]",
    "[1 2]",
    "[",
    "{",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{a:1}",
    "{} {}",
    "\ufeff{}",
    "[1] // x",
  ];
  for (const text of texts) {
    assertThrows(() => JSON.parse(text));
    assertThrows(() => parseJson(text), JsonSyntaxError);
  }
});

Deno.test("parseJson says line, column, what was met and what was expected", () => {
  assertEquals(
    failure('{\n  "a": 1\n  "b": 2\n}'),
    '3:3 expected "," or "}", met "\\"b\\": 2"',
  );
  assertEquals(
    failure('{\n  "a": 1,\n'),
    "3:1 expected a key in double quotes, met the end of the file",
  );
  assertEquals(
    failure("[1, // one\n]"),
    "1:5 expected a value, met a comment (JSON has none)",
  );
  assertEquals(
    failure('["a\nb"]'),
    "1:2 the string that begins here does not end in its line",
  );
});

Deno.test("parseJson rejects a key that stands twice in one object and names the first line", () => {
  assertEquals(
    failure('{\n "a": 1,\n "b": {"a": 2},\n "a": 3\n}'),
    '4:2 the key "a" stands twice, first in line 2',
  );
});

Deno.test("parseJson bounds the depth", () => {
  const nested = (depth: number): string =>
    "[".repeat(depth) + "]".repeat(depth);
  parseJson(nested(maximumJsonDepth));
  assertEquals(
    failure(nested(maximumJsonDepth + 1)),
    `1:33 nests deeper than 32 levels`,
  );
  assertEquals(
    failure("[".repeat(1_000_000)),
    `1:33 nests deeper than 32 levels`,
  );
});

Deno.test("parseJson gives the position of every value", () => {
  const root = parseJson('{\n  "a": [true,\n    "x"]\n}');
  assert(root.kind === "object");
  const list = root.members[0]?.value;
  assert(list?.kind === "array");
  assertEquals(list.position, { line: 2, column: 8 });
  assertEquals(list.items.map((item) => item.position), [
    { line: 2, column: 9 },
    { line: 3, column: 5 },
  ]);
});

Deno.test("parseJson throws nothing but JsonSyntaxError on mutated texts", () => {
  const text = '{"a":[1,2.5e3,"x\\u0041",null,true,{"b":{}}],"c":"d"}';
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (seed >>> 9) % below;
  };
  for (let round = 0; round < 20_000; round++) {
    const characters = [...text];
    for (let change = 0; change <= random(4); change++) {
      characters[random(characters.length)] =
        '{}[]",:\\ \n\u0000e19'[random(15)] ?? "";
    }
    const mutated = characters.join("");
    let expected: unknown;
    try {
      expected = JSON.parse(mutated);
    } catch {
      assertThrows(() => parseJson(mutated), JsonSyntaxError);
      continue;
    }
    try {
      assertEquals(
        JSON.stringify(jsonValue(parseJson(mutated))),
        JSON.stringify(expected),
      );
    } catch (error) {
      // The one thing that JSON.parse lets pass.
      if (
        !(error instanceof JsonSyntaxError) ||
        !error.message.includes("stands twice")
      ) throw error;
    }
  }
});
