/**
 * The part of @std/cli that this project uses, for machines that cannot
 * reach JSR. Written for this project; it behaves as the documentation of
 * @std/cli 1.0.32 says. It imports nothing outside its folder.
 *
 * @module
 */
export * from "./parse_args.ts";
