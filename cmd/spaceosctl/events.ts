/**
 * `spaceosctl events`: the event log of the VM, and each new event.
 *
 * @module
 */

import type { HostClient } from "../../lib/host/client.ts";
import { HostClientError } from "../../lib/host/client_error.ts";
import { EventSeverity } from "../../lib/wire/event.ts";
import { eventCodeName } from "../../lib/wire/event_code.ts";
import {
  EVENTS_READ_MAX_COUNT,
  type NumberedEvent,
} from "../../lib/wire/event_list.ts";
import { toHex } from "../../lib/wire/hex.ts";
import { CommandStatus } from "../../lib/wire/telecommand.ts";
import { usageError } from "../command_line/error.ts";
import { type Arguments, quote } from "../command_line/options.ts";
import { showBytes, textOf } from "../command_line/output.ts";
import type { VmCommand, VmContext } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { NewEvents } from "./new_events.ts";
import { severityColour, severityName } from "./text.ts";

/** The subcommand `events`. */
export const events: VmCommand = {
  scope: "vm",
  summary: "print the event log, oldest first",
  operands: [],
  options: {
    follow: { help: "go on as events happen", letter: "f" },
    severity: {
      value: "LEVEL",
      help: "only events of at least debug, info, warning, error or critical",
      letter: "s",
    },
    last: { value: "N", help: "only the last N events", letter: "n" },
  },
  json:
    `{"sequence", "timestamp", "severity", "eventCode", "name", "payload", "text"},
one object to an event; "payload" in hexadecimal, "text" null where it is none,
"sequence" null where the event has no number`,
  details:
    `Columns: number since format ("-" for one without), mission time in seconds,
severity, name or number of the event, payload. A VM without a volume has no
log: then only --follow shows something. With --follow it ends with the VM,
with exit code ${ExitCode.FAILED}.`,
  isFollowing: (args) => args.has("follow"),
  check: (args) => {
    severityOption(args);
    args.integer("last", 0, EVENTS_READ_MAX_COUNT);
  },
  run: async (context) => {
    const { client, args } = context;
    const severity = severityOption(args);
    const last = args.integer("last", 0, EVENTS_READ_MAX_COUNT) ?? Infinity;
    const isFollowing = args.has("follow");
    const stream = client.events();
    const list = await readLog(client, isFollowing);
    const wanted = list.filter((event) => event.severity >= severity);
    const skipped = Math.max(0, wanted.length - last);
    for (const event of wanted.slice(skipped)) tellEvent(context, event);
    if (!isFollowing) return ExitCode.OK;
    const newEvents = new NewEvents(list);
    for await (const event of stream) {
      if (newEvents.isNew(event) && event.severity >= severity) {
        tellEvent(context, { ...event, sequence: null });
      }
    }
    throw client.ended;
  },
};

/** The log; none on a machine without a volume, if there is more to come. */
async function readLog(
  client: HostClient,
  isFollowing: boolean,
): Promise<readonly NumberedEvent[]> {
  try {
    return (await client.readEvents()).events;
  } catch (error) {
    const isWithout = error instanceof HostClientError &&
      error.status === CommandStatus.ENODEV;
    if (isWithout && isFollowing) return [];
    throw error;
  }
}

function severityOption(args: Arguments): number {
  const text = args.text("severity");
  if (text === undefined) return EventSeverity.DEBUG;
  const found = Object.entries(EventSeverity)
    .find(([name]) => name === text.toUpperCase());
  if (found !== undefined) return found[1];
  const names = Object.keys(EventSeverity).join(", ").toLowerCase();
  throw usageError(`--severity is ${quote(text)}, expected one of: ${names}`);
}

function tellEvent({ tell, paint }: VmContext, event: NumberedEvent): void {
  const colour = severityColour(event.severity);
  const label = severityName(event.severity).padEnd(8);
  const line = [
    String(event.sequence ?? "-").padStart(6),
    String(event.timestamp).padStart(10),
    colour === undefined ? label : paint(colour, label),
    eventCodeName(event.eventCode),
    ...(event.payload.length > 0 ? [showBytes(event.payload)] : []),
  ].join("  ");
  tell(eventJson(event), [line]);
}

/** An event for `--json`. */
export function eventJson(event: NumberedEvent): object {
  const { sequence, timestamp, severity, eventCode, payload } = event;
  return {
    sequence,
    timestamp,
    severity: severityName(severity),
    eventCode,
    name: eventCodeName(eventCode),
    payload: toHex(payload),
    text: textOf(payload) ?? null,
  };
}
