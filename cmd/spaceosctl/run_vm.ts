/**
 * Does a command on each VM: connects, lets the command tell its results, and
 * prints them, labelled when there are several VMs. What goes wrong with one
 * VM is said and does not touch the others. Imports `lib/host` and the output.
 *
 * With `--json` each result is one line, always of one shape:
 * `{"vm", "socket", "ok": true, "result"}` or
 * `{"vm", "socket", "ok": false, "error": {"kind", "message", "exitCode"}}`.
 *
 * @module
 */

import type { HostClient } from "../../lib/host/client.ts";
import { connectHost } from "../../lib/host/connect_host.ts";
import { HostClientError } from "../../lib/host/client_error.ts";
import type { HostChannelCounters } from "../../lib/host/host_channel.ts";
import { WireError } from "../../lib/wire/error.ts";
import { CommandError } from "../command_line/error.ts";
import type { Arguments } from "../command_line/options.ts";
import { type Colour, type Output, printable } from "../command_line/output.ts";
import type { VmCommand } from "./command.ts";
import { CtlError, ExitCode, exitCodeOf, worse } from "./exit_code.ts";
import type { Target } from "./targets.ts";
import { alignColumns } from "./text.ts";

/** VMs that are met at the same time. */
const PARALLEL_COUNT = 32;

const DEFAULT_TIMEOUT_MS = 5_000;

/** How long an answer may take, milliseconds. */
export function timeoutMsOf(
  args: Arguments,
  defaultMs: number = DEFAULT_TIMEOUT_MS,
): number {
  const seconds = args.integer("timeout", 1, 86_400);
  return seconds === undefined ? defaultMs : seconds * 1000;
}

/** What went wrong, for `--json`. */
interface Failure {
  readonly kind: string;
  readonly message: string;
  readonly exitCode: ExitCode;
}

/**
 * Does a command on all VMs.
 *
 * @returns The worst of their exit codes.
 */
export async function runOnVms(
  command: VmCommand,
  targets: readonly Target[],
  args: Arguments,
  output: Output,
): Promise<ExitCode> {
  command.check?.(args, targets.length);
  const timeoutMs = timeoutMsOf(args, command.timeoutMs);
  const isFollowing = command.isFollowing?.(args) ?? false;
  const printers = targets.map((target) =>
    new Printer(target, args.has("json"), targets.length > 1, output)
  );
  // Without end there is no order to wait for, and one VM has no other to wait for.
  if (isFollowing || targets.length === 1) {
    for (const printer of printers) printer.open();
  }
  let worst: ExitCode = ExitCode.OK;
  let next = 0;
  let opened = 0;
  const isDone = targets.map(() => false);
  const work = async (): Promise<void> => {
    for (;;) {
      const index = next++;
      const [target, printer] = [targets[index], printers[index]];
      if (target === undefined || printer === undefined) return;
      const code = await runOnVm(command, target, args, printer, timeoutMs);
      worst = worse(worst, code);
      isDone[index] = true;
      // In the order of the sockets, each as soon as those before it are done.
      while (isDone[opened]) printers[opened++]?.open();
    }
  };
  const count = isFollowing ? targets.length : PARALLEL_COUNT;
  await Promise.all(Array.from({ length: count }, work));
  return worst;
}

async function runOnVm(
  command: VmCommand,
  target: Target,
  args: Arguments,
  printer: Printer,
  timeoutMs: number,
): Promise<ExitCode> {
  let client: HostClient | null = null;
  try {
    client = await connectHost({
      path: target.path,
      timeoutMs,
      // A log may come faster than a terminal takes it.
      streamCapacity: 8192,
    });
    if (command.changesVm) await client.ping();
    return await command.run({
      client,
      target,
      args,
      paint: (colour, text) => printer.paint(colour, text),
      columns: alignColumns,
      tell: (json, lines) => printer.tell(json, lines),
      bytes: (bytes) => printer.bytes(bytes),
      warn: (text) => printer.warn(text),
    });
  } catch (error) {
    const failure = failureOf(error, target, client?.counters ?? null);
    if (failure === undefined) throw error;
    printer.fail(failure);
    return failure.exitCode;
  } finally {
    await client?.close();
  }
}

/** What an error means, if it is one that a user can do something about. */
function failureOf(
  error: unknown,
  { path }: Target,
  counters: HostChannelCounters | null,
): Failure | undefined {
  if (error instanceof HostClientError) {
    const { kind, message } = error;
    const hasEnded = kind === "timeout" || kind === "closed";
    if (hasEnded && counters?.framesIn === 0 && counters.skippedBytes > 0) {
      return {
        kind: "malformed",
        message:
          `${path}: what came is no frame of a VM (${counters.skippedBytes} bytes); expected the socket of a running VM`,
        exitCode: ExitCode.BAD,
      };
    }
    // Who was met and says nothing, unlike one that could not be reached.
    const advice = kind === "timeout" && counters !== null
      ? `; the VM may still boot or hang, or another program holds ${path}`
      : "";
    return { kind, message: message + advice, exitCode: exitCodeOf(error) };
  }
  if (error instanceof CtlError) {
    const { message, exitCode } = error;
    return { kind: "failed", message, exitCode };
  }
  if (error instanceof CommandError && error.exitCode !== ExitCode.USAGE) {
    const exitCode = ExitCode.FAILED;
    return { kind: "failed", message: error.message, exitCode };
  }
  if (error instanceof CommandError || error instanceof WireError) {
    const exitCode = ExitCode.USAGE;
    return { kind: "usage", message: error.message, exitCode };
  }
  return undefined;
}

/** Writes what one VM tells; held back until it is its turn. */
class Printer {
  readonly #target: Target;
  readonly #isJson: boolean;
  readonly #prefix: string;
  readonly #output: Output;
  #waiting: (() => void)[] | null = [];

  constructor(
    target: Target,
    isJson: boolean,
    isLabelled: boolean,
    output: Output,
  ) {
    this.#target = target;
    this.#isJson = isJson;
    this.#output = output;
    const label = `${printable(target.label)}: `;
    this.#prefix = isLabelled ? output.paint("strong", label) : "";
  }

  paint(colour: Colour, text: string): string {
    return this.#output.paint(colour, text);
  }

  /** From now on everything is written at once. */
  open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const write of waiting) write();
  }

  tell(result: unknown, lines: readonly string[]): void {
    this.#write(() => {
      if (this.#isJson) return this.#json({ ok: true, result });
      for (const line of lines) this.#output.line(this.#prefix + line);
    });
  }

  bytes(bytes: Uint8Array): void {
    this.#write(() => this.#output.bytes(bytes));
  }

  fail(error: Failure): void {
    if (!this.#isJson) return this.warn(error.message);
    this.#write(() => this.#json({ ok: false, error }));
  }

  warn(text: string): void {
    this.#write(() =>
      this.#output.error(`spaceosctl: ${this.#prefix}${printable(text)}`)
    );
  }

  #json(parts: object): void {
    const { label, path } = this.#target;
    this.#output.jsonLine({ vm: label, socket: path, ...parts });
  }

  #write(write: () => void): void {
    if (this.#waiting === null) write();
    else this.#waiting.push(write);
  }
}
