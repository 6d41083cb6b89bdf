/**
 * How the tools speak: short lines on the standard error, so that the
 * standard output stays for results, and one error class whose message says
 * what is missing and what to do about it. It imports nothing outside
 * rootfs/toolchain.
 */

/** Something that the user has to change before the work can go on. */
export class ToolchainError extends Error {
  /**
   * @param message what was met, what was expected, and what to do
   * @param options the cause, if there is one
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ToolchainError";
  }
}

/**
 * The variable that turns progress off with `off`: tests that build images
 * would fill their log with it.
 */
export const PROGRESS_VARIABLE = "SPACEOS_PROGRESS";

const encoder = new TextEncoder();

function write(text: string): void {
  try {
    if (Deno.env.get(PROGRESS_VARIABLE) === "off") return;
    Deno.stderr.writeSync(encoder.encode(text));
  } catch {
    // Nobody reads the progress: the work itself goes on.
  }
}

/** Writes one line of progress. */
export function say(text: string): void {
  write(`${text}\n`);
}

/** A size for people: `26.7 MB`. */
export function formatSize(sizeBytes: number): string {
  if (sizeBytes < 1000) return `${sizeBytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = sizeBytes / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

/** How often a progress line is renewed on a terminal. */
const TERMINAL_INTERVAL_MS = 500;

/** How often a progress line is added where lines cannot be overwritten. */
const PLAIN_INTERVAL_MS = 15_000;

/**
 * Shows that a long step is under way, and how long it took.
 *
 * @param label what is being done
 * @param work the step
 * @param detail how far it is, if that can be told
 * @returns what the step returns
 */
export async function withProgress<T>(
  label: string,
  work: () => Promise<T>,
  detail?: () => string,
): Promise<T> {
  const terminal = Deno.stderr.isTerminal();
  const started = performance.now();
  const line = (): string => {
    const seconds = Math.round((performance.now() - started) / 1000);
    const more = detail?.();
    return `${label} ... ${seconds} s${more ? `, ${more}` : ""}`;
  };
  if (!terminal) say(`${label} ...`);
  const timer = setInterval(
    () => write(terminal ? `\r\x1b[K${line()}` : `  ${line()}\n`),
    terminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS,
  );
  const clear = (): void => {
    clearInterval(timer);
    if (terminal) write("\r\x1b[K");
  };
  try {
    const result = await work();
    clear();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    say(`${label}: done in ${seconds} s`);
    return result;
  } catch (error) {
    clear();
    throw error;
  }
}
