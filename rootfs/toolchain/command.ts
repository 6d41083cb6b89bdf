/**
 * Runs other programs: with their output collected, or with the terminal.
 * It imports nothing outside rootfs/toolchain.
 */
import { ToolchainError } from "./report.ts";

/** What a finished program left. */
export interface CommandResult {
  /** True when the exit status was 0. */
  readonly success: boolean;
  /** The exit status; 128 + n after signal n. */
  readonly code: number;
  /** What it wrote on its standard output. */
  readonly stdout: string;
  /** What it wrote on its standard error. */
  readonly stderr: string;
}

/** How to run a program. */
export interface CommandOptions {
  /** The working directory. */
  readonly cwd?: string;
  /** Additions to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the program after this time. */
  readonly timeoutMs?: number;
}

/**
 * Tells whether a program is on the PATH.
 *
 * @param name the program, without a folder
 * @returns true when some folder of the PATH holds an executable of that name
 */
export function commandExists(name: string): boolean {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    try {
      const info = Deno.statSync(`${folder || "."}/${name}`);
      if (info.isFile && ((info.mode ?? 0) & 0o111) !== 0) return true;
    } catch {
      // Not in this folder.
    }
  }
  return false;
}

function notFound(program: string, error: unknown): unknown {
  if (error instanceof Deno.errors.NotFound) {
    return new ToolchainError(
      `the program "${program}" is not on this machine: install it, then try again`,
      { cause: error },
    );
  }
  return error;
}

/**
 * Runs a program and collects its output.
 *
 * @param argv the program and its arguments
 * @param options folder, environment, time limit
 * @returns its exit status and output
 * @throws {ToolchainError} when there is no such program
 */
export async function run(
  argv: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const [program, ...args] = argv;
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  if (options.timeoutMs !== undefined) {
    timer = setTimeout(() => abort.abort(), options.timeoutMs);
  }
  try {
    const output = await new Deno.Command(program, {
      args,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...options.env },
      stdin: "null",
      signal: abort.signal,
    }).output();
    const decoder = new TextDecoder();
    return {
      success: output.success,
      code: output.code,
      stdout: decoder.decode(output.stdout),
      stderr: decoder.decode(output.stderr),
    };
  } catch (error) {
    throw notFound(program, error);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs a program with this program's terminal.
 *
 * @param argv the program and its arguments
 * @param options folder and environment
 * @returns its exit status
 * @throws {ToolchainError} when there is no such program
 */
export async function runInherited(
  argv: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<number> {
  const [program, ...args] = argv;
  // A Ctrl-C reaches the child too. It decides what that means, and this
  // program stays until the child has ended.
  const ignore = (): void => {};
  Deno.addSignalListener("SIGINT", ignore);
  try {
    const child = new Deno.Command(program, {
      args,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...options.env },
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    const forward = (): void => {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended by itself.
      }
    };
    Deno.addSignalListener("SIGTERM", forward);
    try {
      return (await child.status).code;
    } finally {
      Deno.removeSignalListener("SIGTERM", forward);
    }
  } catch (error) {
    throw notFound(program, error);
  } finally {
    Deno.removeSignalListener("SIGINT", ignore);
  }
}

/**
 * What a program complained about, for an error message: its last lines, but
 * not the backtrace that some programs end with.
 *
 * @param result what the program left
 * @returns at most twelve lines
 */
export function lastLines(result: CommandResult): string {
  const text = result.stderr.trim() || result.stdout.trim();
  const [complaint = ""] = text.split(/\n\s*Stack backtrace:/);
  return complaint.trim().split("\n").slice(-12).join("\n");
}

/**
 * Sends bytes through a program, while everything else waits.
 *
 * @param argv the program and its arguments
 * @param input what it reads: at most as much as a file in /tmp can hold
 * @returns what it wrote
 * @throws {ToolchainError} when there is no such program, or it fails
 */
export function runFilter(
  argv: readonly [string, ...string[]],
  input: Uint8Array,
): Uint8Array {
  const [program, ...args] = argv;
  const path = Deno.makeTempFileSync({ prefix: "spaceos-" });
  try {
    Deno.writeFileSync(path, input);
    const output = new Deno.Command(program, {
      args: [...args, path],
      stdin: "null",
    }).outputSync();
    if (output.success) return output.stdout;
    throw new ToolchainError(
      `${program} failed: ${new TextDecoder().decode(output.stderr).trim()}`,
    );
  } catch (error) {
    throw notFound(program, error);
  } finally {
    Deno.removeSync(path);
  }
}
