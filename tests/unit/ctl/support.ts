/**
 * What the tests of `spaceosctl` share: the command in this process, with what
 * it writes collected, and as a process of its own.
 */
import { main } from "../../../cmd/spaceosctl/main.ts";
import { Output } from "../../../cmd/command_line/output.ts";
import { concat } from "@std/bytes/concat";
import { currentEnvironment } from "../../../rootfs/toolchain/environment.ts";
import { programCommand } from "../../fixtures/program_command.ts";

/** How a run of the command ended. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it came. */
  readonly bytes: Uint8Array;
  /** Each line of standard output as JSON; a test asks only where it is. */
  readonly json: () => CtlLine[];
}

/** A line of `--json`. */
export interface CtlLine {
  readonly vm: string;
  readonly socket: string;
  readonly ok: boolean;
  // What a command tells; each test knows the shape of its own.
  readonly result?: unknown;
  readonly error?: { kind: string; message: string; exitCode: number };
}

/** The command line that runs `spaceosctl` on this machine. */
export function ctlCommand(): [string, ...string[]] {
  return programCommand("cmd/spaceosctl/main.ts");
}

/** Starts `spaceosctl`. */
export function startCtl(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Deno.ChildProcess {
  const [program, ...own] = ctlCommand();
  return new Deno.Command(program, {
    args: [...own, ...args],
    env: { ...currentEnvironment().variables, ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Collects what the command writes. */
class CollectingOutput extends Output {
  readonly #pieces: Uint8Array[] = [];
  stderr = "";
  stdout = "";

  override bytes(bytes: Uint8Array): void {
    this.#pieces.push(bytes.slice());
    this.stdout += new TextDecoder().decode(bytes);
  }

  override error(text: string): void {
    this.stderr += `${text}\n`;
  }

  get all(): Uint8Array {
    return concat(this.#pieces);
  }
}

/** The command while it runs in this process. */
export class Running {
  readonly #output = new CollectingOutput();
  /** Fulfilled with its end. */
  readonly ended: Promise<Run>;

  /** @param args the command line */
  constructor(args: readonly string[]) {
    const output = this.#output;
    this.ended = main(args, output).then((code) => ({
      code,
      stdout: output.stdout,
      stderr: output.stderr,
      bytes: output.all,
      json: () =>
        output.stdout.trimEnd().split("\n")
          .map((line) => JSON.parse(line) as CtlLine),
    }));
  }

  /** What it has written so far. */
  get stdout(): string {
    return this.#output.stdout;
  }

  /** Waits until it has written something. */
  async until(isEnough: (text: string) => boolean): Promise<string> {
    let isOver = false;
    void this.ended.finally(() => isOver = true);
    while (!isEnough(this.stdout)) {
      if (isOver) throw new Error(`it ended before; it wrote: ${this.stdout}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return this.stdout;
  }
}

/** Runs `spaceosctl` to its end, in this process. */
export async function runCtl(args: readonly string[]): Promise<Run> {
  return await new Running(args).ended;
}
