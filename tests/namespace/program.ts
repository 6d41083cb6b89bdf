/**
 * Runs a program of `init_programs/` as an ordinary process, not PID 1, with the
 * same reporting of facts as `namespace.ts`.
 *
 * @module
 */

/** What to run. */
export interface ProgramOptions {
  /** The module, relative to `init_programs/`. */
  readonly program: string;
  /** Its arguments. */
  readonly args?: readonly string[];
  /** Whether its standard input is written to; else there is none. */
  readonly input?: boolean;
}

/** A command line instead of a program of ours. */
export interface CommandOptions {
  /** The words. */
  readonly command: readonly string[];
  /** Whether its standard input is written to; else there is none. */
  readonly input?: boolean;
}

/** A program that runs. */
export interface RunningProgram {
  /** Its process id. */
  readonly pid: number;
  /** The next fact that has the given key; rejects when the program ends first. */
  fact(key: string): Promise<unknown>;
  /** Writes to its standard input. */
  write(text: string): Promise<void>;
  /** Its exit code, when it and all that hold its output have ended. */
  readonly result: Promise<{ code: number; text: string; errorText: string }>;
}

/**
 * The command line that runs a program of ours.
 *
 * @param options Which.
 */
export function programCommand(options: ProgramOptions): string[] {
  const url = new URL(`./init_programs/${options.program}`, import.meta.url);
  return [
    Deno.execPath(),
    "run",
    "--no-config",
    "--no-check",
    "--quiet",
    "-A",
    url.pathname,
    ...(options.args ?? []),
  ];
}

/**
 * Starts a program or a command.
 *
 * @param options Which.
 */
export function startProgram(
  options: ProgramOptions | CommandOptions,
): RunningProgram {
  const [file = "", ...args] = "command" in options
    ? options.command
    : programCommand(options);
  const child = new Deno.Command(file, {
    args,
    stdin: options.input ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = options.input ? child.stdin.getWriter() : undefined;

  let text = "";
  let ended = false;
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    const all = waiting;
    waiting = [];
    for (const resolve of all) resolve();
  };
  const readOutput = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      text += decoder.decode(chunk, { stream: true });
      wake();
    }
  };
  const result = (async () => {
    const [errorText, , status] = await Promise.all([
      new Response(child.stderr).text(),
      readOutput(),
      child.status,
    ]);
    await writer?.close().catch(() => {});
    ended = true;
    wake();
    return { code: status.code, text, errorText };
  })();

  const taken = new Map<string, number>();
  return {
    pid: child.pid,
    result,
    async write(input) {
      await writer?.write(new TextEncoder().encode(input));
    },
    async fact(key) {
      for (;;) {
        const values = text.split("\n").slice(0, -1).flatMap((line) => {
          try {
            const value = JSON.parse(line) as Record<string, unknown>;
            return Object.hasOwn(value, key) ? [value[key]] : [];
          } catch {
            return [];
          }
        });
        const index = taken.get(key) ?? 0;
        if (values.length > index) {
          taken.set(key, index + 1);
          return values[index];
        }
        if (ended) {
          const { code, errorText } = await result;
          throw new Error(
            `it ended with ${code} before it said "${key}": ${errorText}`,
          );
        }
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}
