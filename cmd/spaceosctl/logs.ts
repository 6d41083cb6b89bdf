/**
 * `spaceosctl logs`: the recent lines of the init and its services, and each
 * new one.
 *
 * @module
 */

import type { BoundedStream } from "../../lib/host/bounded_stream.ts";
import { type LogMessage, LogStream } from "../../lib/wire/log.ts";
import { printable, textOf } from "../command_line/output.ts";
import type { VmCommand, VmContext } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { timeoutMsOf } from "./run_vm.ts";
import { harmless, streamName } from "./text.ts";

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
    const stream = client.logs();
    await client.followLog(true, args.operands[0]);
    if (!args.has("follow")) {
      for await (const message of untilQuiet(context, stream)) {
        tellLine(context, message);
      }
      await client.followLog(false);
      warnOfLoss(context, stream.droppedCount, 0);
      return ExitCode.OK;
    }
    let warned = 0;
    for await (const message of stream) {
      tellLine(context, message);
      warned = warnOfLoss(context, stream.droppedCount, warned);
    }
    throw client.ended;
  },
};

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
