/**
 * The version of the programs, the one of deno.json. Imports nothing.
 *
 * @module
 */

/** The version of the programs. */
export const VERSION = "0.1.0";
