/**
 * A terminal for tests: a pseudo-terminal made by `script` of bsdutils, whose
 * other end a test types into and reads.
 *
 * @module
 */

/** A command on a terminal of its own. */
export interface Terminal {
  /** Types keys, for example `"\x1a"` for Ctrl-Z. */
  type(keys: string): Promise<void>;
  /** Waits until the output since the last match matches, and returns the match. */
  expect(pattern: RegExp): Promise<RegExpExecArray>;
  /** The exit code of the command, when it has ended. */
  readonly code: Promise<number>;
}

/**
 * Runs a shell command line on a terminal; the shell that runs it leads the
 * terminal's session.
 *
 * @param commandLine For `sh -c`.
 * @param environment Variables besides the inherited ones.
 */
export function openTerminal(
  commandLine: string,
  environment: Record<string, string> = {},
): Terminal {
  const child = new Deno.Command("timeout", {
    args: [
      "-s",
      "KILL",
      // Seconds; only for what hangs.
      "300",
      "script",
      "--quiet",
      "--return",
      "--flush",
      "--command",
      commandLine,
      "/dev/null",
    ],
    env: { SHELL: "/bin/sh", ...environment },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  const encoder = new TextEncoder();
  let output = "";
  let position = 0;
  let ended = false;
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    const all = waiting;
    waiting = [];
    for (const resolve of all) resolve();
  };
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      output += decoder.decode(chunk, { stream: true });
      wake();
    }
    ended = true;
    wake();
  })();
  const code = (async () => {
    const status = await child.status;
    await reading;
    await writer.close().catch(() => {});
    return status.code;
  })();
  return {
    code,
    async type(keys) {
      await writer.write(encoder.encode(keys));
    },
    async expect(pattern) {
      for (;;) {
        const match = pattern.exec(output.slice(position));
        if (match !== null) {
          position += match.index + match[0].length;
          return match;
        }
        if (ended) {
          throw new Error(
            `the terminal closed before ${pattern} came; it showed:\n${output}`,
          );
        }
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}
