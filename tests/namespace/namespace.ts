/**
 * Runs a program of ours as PID 1 of a new PID namespace, at native speed, for
 * the tests of what only an init sees: orphans, signals to PID 1, and what a
 * child is given. Needs `unshare` of util-linux and `timeout` of coreutils, and
 * either root or user namespaces.
 *
 * The program reports facts by printing lines of JSON; a test waits for facts,
 * never for times. The time-out only ends what hangs.
 *
 * @module
 */

/** How to start a program as PID 1. */
export interface NamespaceOptions {
  /** The module to run, as a URL relative to this folder's `init_programs/`. */
  readonly program: string;
  /** Its arguments. */
  readonly args?: readonly string[];
  /** Words put before Deno's command line, such as `nohup` or `env`. */
  readonly wrapper?: readonly string[];
  /** Text for the program's standard input; without it there is none. */
  readonly input?: string;
}

/** How the program ended, and what it said. */
export interface NamespaceResult {
  /** What it printed as JSON, one value for each line. */
  readonly facts: Record<string, unknown>[];
  /** Lines that were not JSON. */
  readonly otherLines: string[];
  /** Its standard error. */
  readonly errorText: string;
  /** unshare's exit code, which is that of the program; 128 + n for a signal. */
  readonly code: number;
}

/** A program that runs as PID 1 of its namespace. */
export interface NamespaceInit {
  /** Its process id as seen from here. */
  readonly pid: number;
  /** The next fact that has the given key; rejects when the program ends first. */
  fact(key: string): Promise<unknown>;
  /** Everything, when it has ended. */
  readonly result: Promise<NamespaceResult>;
}

const EXECUTABLE = Deno.execPath();

/** Seconds until everything is killed: for what hangs, however slow the machine. */
const TIMEOUT_SECONDS = "300";

/** The command that makes the namespace. Without root, a user namespace comes with it. */
function unshareCommand(): string[] {
  return [
    "unshare",
    ...(Deno.uid() === 0 ? [] : ["--user", "--map-root-user"]),
    "--pid",
    "--fork",
    "--kill-child",
    "--mount",
    "--mount-proc",
  ];
}

/**
 * Starts a program as PID 1.
 *
 * @param options Which, and with what.
 */
export async function startInit(
  options: NamespaceOptions,
): Promise<NamespaceInit> {
  const url = new URL(`./init_programs/${options.program}`, import.meta.url);
  const child = new Deno.Command("timeout", {
    args: [
      "-s",
      "KILL",
      TIMEOUT_SECONDS,
      ...unshareCommand(),
      ...(options.wrapper ?? []),
      EXECUTABLE,
      "run",
      "--no-config",
      "--no-check",
      "--quiet",
      "-A",
      decodeURIComponent(url.pathname),
      ...(options.args ?? []),
    ],
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (options.input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.input));
    await writer.close();
  }

  const facts: Record<string, unknown>[] = [];
  const otherLines: string[] = [];
  const taken = new Set<Record<string, unknown>>();
  let ended = false;
  let wake: (() => void)[] = [];
  const wakeAll = (): void => {
    const waiting = wake;
    wake = [];
    for (const resolve of waiting) resolve();
  };
  const readLines = async (): Promise<void> => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) noteLine(line, facts, otherLines);
      wakeAll();
    }
    if (rest !== "") noteLine(rest, facts, otherLines);
  };
  const result = (async (): Promise<NamespaceResult> => {
    const [errorText, , status] = await Promise.all([
      new Response(child.stderr).text(),
      readLines(),
      child.status,
    ]);
    ended = true;
    wakeAll();
    return { facts, otherLines, errorText, code: status.code };
  })();

  const fact = async (key: string): Promise<unknown> => {
    for (;;) {
      const found = facts.find((entry) =>
        Object.hasOwn(entry, key) && !taken.has(entry)
      );
      if (found !== undefined) {
        taken.add(found);
        return found[key];
      }
      if (ended) {
        const { code, errorText } = await result;
        throw new Error(
          `the program ended with ${code} before it said "${key}":\n${errorText}`,
        );
      }
      await new Promise<void>((resolve) => wake.push(resolve));
    }
  };
  return { pid: await outerPid(child.pid, () => ended), fact, result };
}

/**
 * Runs a program as PID 1 to its end.
 *
 * @param options Which, and with what.
 */
export async function runInit(
  options: NamespaceOptions,
): Promise<NamespaceResult> {
  const init = await startInit(options);
  return await init.result;
}

function noteLine(
  line: string,
  facts: Record<string, unknown>[],
  otherLines: string[],
): void {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      facts.push(value as Record<string, unknown>);
      return;
    }
  } catch {
    // Not a fact.
  }
  otherLines.push(line);
}

/**
 * The process id of the namespace's init as seen from here: the descendant of
 * `timeout` whose innermost id is 1.
 */
async function outerPid(
  ancestor: number,
  ended: () => boolean,
): Promise<number> {
  while (!ended()) {
    for (const entry of Deno.readDirSync("/proc")) {
      if (!/^[0-9]+$/.test(entry.name)) continue;
      const status = statusFields(entry.name);
      if (status?.["NSpid"]?.split(/\s+/).at(-1) !== "1") continue;
      if (status["NSpid"].split(/\s+/).length < 2) continue;
      if (isDescendant(entry.name, ancestor)) return Number(entry.name);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return 0;
}

function isDescendant(pid: string, ancestor: number): boolean {
  for (let current = pid, depth = 0; depth < 8; depth++) {
    const parent = statusFields(current)?.["PPid"];
    if (parent === undefined) return false;
    if (Number(parent) === ancestor) return true;
    current = parent;
  }
  return false;
}

/**
 * The fields of a process's `/proc/PID/status`.
 *
 * @param pid The process.
 */
export function statusFields(
  pid: string | number,
): Record<string, string> | undefined {
  try {
    return parseStatus(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return undefined;
  }
}

/**
 * Parses the text of a status file.
 *
 * @param text The text.
 */
export function parseStatus(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split("\n").filter((line) => line.includes(":")).map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
}
