/**
 * The part of @std/bytes that this project uses, for machines that cannot
 * reach JSR. Written for this project; it behaves as the documentation of
 * @std/bytes 1.0.6 says. It imports nothing outside its folder.
 *
 * @module
 */
export { concat } from "./concat.ts";
export { copy } from "./copy.ts";
export { endsWith } from "./ends_with.ts";
export { equals } from "./equals.ts";
export { indexOfNeedle } from "./index_of_needle.ts";
export { startsWith } from "./starts_with.ts";
