/**
 * The part of @std/assert that this project uses, for machines that cannot
 * reach JSR. Written for this project; it behaves as the documentation of
 * @std/assert 1.0.19 says. It imports nothing outside its folder.
 *
 * @module
 */
export { assertAlmostEquals } from "./almost_equals.ts";
export { assert } from "./assert.ts";
export { AssertionError } from "./assertion_error.ts";
export { assertEquals } from "./equals.ts";
export { assertExists } from "./exists.ts";
export { fail } from "./fail.ts";
export { assertFalse } from "./false.ts";
export { assertGreater } from "./greater.ts";
export { assertGreaterOrEqual } from "./greater_or_equal.ts";
export { assertInstanceOf } from "./instance_of.ts";
export { assertLess } from "./less.ts";
export { assertLessOrEqual } from "./less_or_equal.ts";
export { assertMatch } from "./match.ts";
export { assertNotEquals } from "./not_equals.ts";
export { assertRejects } from "./rejects.ts";
export { assertStrictEquals } from "./strict_equals.ts";
export { assertStringIncludes } from "./string_includes.ts";
export { assertThrows } from "./throws.ts";
export { unreachable } from "./unreachable.ts";
