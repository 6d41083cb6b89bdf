/**
 * `spaceosctl logs`: the recent lines of the init and its services, and each
 * new one.
 *
 * @module
 */

import type { BoundedStream } from "../../lib/host/bounded_stream.ts";
import type { HostClient } from "../../lib/host/client.ts";
import { HostClientError } from "../../lib/host/client_error.ts";
import { type LogMessage, LogStream } from "../../lib/wire/log.ts";
import { CommandStatus } from "../../lib/wire/telecommand.ts";
import { quote } from "../command_line/options.ts";
import { printable, textOf } from "../command_line/output.ts";
import type { VmCommand, VmContext } from "./command.ts";
import { CtlError, ExitCode } from "./exit_code.ts";
import { timeoutMsOf } from "./run_vm.ts";
import { harmless, streamName } from "./text.ts";

/** Under this name the init itself writes. */
const INIT_NAME = "spaceos-init";

/** The subcommand `logs`. */
export const logs: VmCommand = {
  scope: "vm",
  summary: "print the recent log lines, of all or of NAME",
  operands: ["[NAME]"],
  options: { follow: { help: "go on as lines come", letter: "f" } },
  json: `{"name", "stream", "text"}, one object to a line of the log;
"stream" is "init", "stdout" or "stderr"`,
  details:
    `A very long line comes in several. Lines that came faster than they could be
printed are counted on standard error. With --follow it ends with the VM, with
exit code ${ExitCode.FAILED}.`,
  isFollowing: (args) => args.has("follow"),
  run: async (context) => {
    const { client, args } = context;
    const [name] = args.operands;
    const stream = client.logs();
    await client.followLog(true, name);
    if (!args.has("follow")) {
      let lines = 0;
      for await (const message of untilQuiet(context, stream)) {
        tellLine(context, message);
        lines++;
      }
      await client.followLog(false);
      warnOfLoss(context, stream.droppedCount, 0);
      if (lines > 0 || await mayWrite(client, name)) return ExitCode.OK;
      throw new CtlError(
        ExitCode.NOT_FOUND,
        `there is no service ${quote(name ?? "")}, and no line of one`,
      );
    }
    if (!await mayWrite(client, name)) {
      context.warn(`there is no service ${quote(name ?? "")} yet`);
    }
    let warned = 0;
    for await (const message of stream) {
      tellLine(context, message);
      warned = warnOfLoss(context, stream.droppedCount, warned);
    }
    throw client.ended;
  },
};

/** Whether there is somebody of that name who writes lines. */
async function mayWrite(
  client: HostClient,
  name: string | undefined,
): Promise<boolean> {
  if (name === undefined || name === INIT_NAME) return true;
  try {
    return (await client.services()).some((service) => service.name === name);
  } catch (error) {
    const isEarly = error instanceof HostClientError &&
      error.status === CommandStatus.EBUSY;
    if (isEarly) return true;
    throw error;
  }
}

/**
 * The lines that are there. The VM sends them as the link takes them, so they
 * have come when an answer comes with no line before it; a VM that never stops
 * writing is listened to only for so long.
 */
async function* untilQuiet(
  { client, args }: VmContext,
  stream: BoundedStream<LogMessage>,
): AsyncGenerator<LogMessage> {
  const deadlineMs = performance.now() + timeoutMsOf(args);
  for (;;) {
    await client.ping();
    if (stream.waitingCount === 0 || performance.now() > deadlineMs) return;
    while (stream.waitingCount > 0) {
      const next = await stream.next();
      if (!next.done) yield next.value;
    }
  }
}

function tellLine(
  { tell, paint }: VmContext,
  message: LogMessage,
): void {
  const { name, stream, text } = message;
  const label = paint("faint", `${printable(name)}:`);
  const line = harmless(text);
  const json = {
    name,
    stream: streamName(stream),
    text: textOf(text) ?? new TextDecoder().decode(text),
  };
  tell(json, [
    `${label} ${stream === LogStream.STDERR ? paint("warning", line) : line}`,
  ]);
}

function warnOfLoss(
  { warn }: VmContext,
  dropped: number,
  warned: number,
): number {
  if (dropped > warned) {
    warn(`${dropped - warned} lines came too fast and were dropped`);
  }
  return dropped;
}
