/**
 * Holds what users add to the kernel's command line against what the kernel
 * can take. It imports the toolchain's error.
 */
import { ToolchainError } from "./toolchain/report.ts";

/** COMMAND_LINE_SIZE of x86, less the byte that ends it: what is longer is cut without a word. */
const MAX_COMMAND_LINE_BYTES = 2047;

/**
 * What is wrong with a text for the kernel's command line.
 *
 * @param text more command line, as a user gave it
 * @returns what was met and what was expected, or undefined when it is right
 */
export function commandLineFault(text: string): string | undefined {
  // deno-lint-ignore no-control-regex -- these are what must not get through.
  const found = /[\x00-\x1f\x7f]/.exec(text);
  if (found !== null) {
    return `${
      JSON.stringify(text)
    } has a control character at ${found.index}, expected words on one line`;
  }
  // The kernel takes all that follows an open quotation mark for one word.
  const quotes = text.split('"').length - 1;
  if (quotes % 2 === 0) return undefined;
  return `${
    JSON.stringify(text)
  } has ${quotes} quotation marks, expected each to be closed by another`;
}

/**
 * Puts a command line together.
 *
 * @param parts the image's own words, and what users add
 * @returns one line
 * @throws {ToolchainError} when it is longer than the kernel takes
 */
export function joinCommandLine(parts: readonly string[]): string {
  const line = parts.join(" ");
  const lengthBytes = new TextEncoder().encode(line).length;
  if (lengthBytes <= MAX_COMMAND_LINE_BYTES) return line;
  throw new ToolchainError(
    `the kernel's command line has ${lengthBytes} bytes with what --append adds, expected at most ${MAX_COMMAND_LINE_BYTES}`,
  );
}
