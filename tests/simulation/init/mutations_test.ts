import { assert, assertGreaterOrEqual } from "@std/assert";
import { formatOutcomes, MUTATIONS, tryMutation } from "./mutations.ts";

/** How many of the mutations every run tries; the long run tries all. */
const USUAL = 6;

const isLong = Deno.env.get("SPACEOS_TEST_LONG") === "1";

Deno.test("the simulation notices each line of the init that is broken on purpose", async () => {
  assertGreaterOrEqual(MUTATIONS.length, 20);
  const outcomes = [];
  for (const mutation of isLong ? MUTATIONS : MUTATIONS.slice(0, USUAL)) {
    outcomes.push(await tryMutation(mutation));
  }
  const table = formatOutcomes(outcomes);
  console.log(table);
  assert(outcomes.every(({ caught }) => caught !== null), table);
});

Deno.test("each mutation stands in its file once", async () => {
  for (const { name, file, from } of MUTATIONS) {
    const text = await Deno.readTextFile(
      new URL(`../../../${file}`, import.meta.url),
    );
    assert(text.split(from).length === 2, `${name}: ${file}`);
  }
});
