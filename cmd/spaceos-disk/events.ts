/**
 * `spaceos-disk events`: prints the event log, and goes on as it grows.
 *
 * @module
 */

import { equals } from "@std/bytes/equals";
import type { BlockDevice } from "../../lib/storage/device.ts";
import type { StoredEvent } from "../../lib/storage/events.ts";
import { readBlocks } from "../../lib/storage/recovery.ts";
import { openVolume } from "../../lib/storage/volume.ts";
import { EventSeverity } from "../../lib/wire/event.ts";
import { eventCodeName } from "../../lib/wire/event_code.ts";
import { toHex } from "../../lib/wire/hex.ts";
import type { Command } from "./command.ts";
import { usageError } from "../command_line/error.ts";
import { ExitCode } from "./exit_code.ts";
import { type Arguments, quote } from "../command_line/options.ts";
import {
  type Colour,
  type Output,
  showBytes,
  textOf,
} from "../command_line/output.ts";
import { openTarget, TARGET_OPTIONS } from "./target.ts";

/** How often a followed volume is looked at. */
const FOLLOW_INTERVAL_MS = 250;
const RING_FIRST_BLOCK = 17;
const RING_BLOCKS = 16;

const SEVERITY_NAMES = new Map<number, string>(
  Object.entries(EventSeverity).map(([name, number]) => [number, name]),
);
const COLOURS: Readonly<Record<number, Colour>> = {
  [EventSeverity.DEBUG]: "faint",
  [EventSeverity.WARNING]: "warning",
  [EventSeverity.ERROR]: "bad",
  [EventSeverity.CRITICAL]: "bad",
};

/** The subcommand `events`. */
export const events: Command = {
  summary: "print the event log, oldest first",
  operands: ["TARGET"],
  options: {
    ...TARGET_OPTIONS,
    severity: {
      value: "LEVEL",
      help: "only events of at least debug, info, warning, error or critical",
      letter: "s",
    },
    last: { value: "N", help: "only the last N events", letter: "n" },
    follow: { help: "go on printing events as they come", letter: "f" },
    json: { help: "print one JSON object to a line" },
  },
  details:
    `Columns: number since format ("-" for a record of other software), mission time in
seconds, severity, name or number of the event, payload. --follow watches the
file or device while another program, such as a running virtual machine, writes
to it; it never writes and takes no lock.`,
  run: async (args, output) => {
    const severity = severityOption(args);
    const last = args.integer("last", 0, 96) ?? Infinity;
    const target = await openTarget(args.operand(0), args, "read");
    try {
      const print = (event: StoredEvent) => printEvent(output, args, event);
      const isWanted = (event: StoredEvent) => event.severity >= severity;
      const volume = await openVolume(target.device, { readOnly: true });
      const found = volume.events.recent().filter(isWanted);
      const skipped = Math.max(0, found.length - last);
      for (const event of found.slice(skipped)) print(event);
      if (args.has("follow")) {
        const { journalBlock } = volume.geometry;
        const seen = volume.events.nextSequence - 1n;
        await follow(target.device, journalBlock, seen, (event) => {
          if (isWanted(event)) print(event);
        });
      }
      return ExitCode.OK;
    } finally {
      target.close();
    }
  },
};

function severityOption(args: Arguments): number {
  const text = args.text("severity");
  if (text === undefined) return EventSeverity.DEBUG;
  for (const [number, name] of SEVERITY_NAMES) {
    if (name === text.toUpperCase()) return number;
  }
  const names = [...SEVERITY_NAMES.values()].join(", ").toLowerCase();
  throw usageError(`--severity is ${quote(text)}, expected one of: ${names}`);
}

/**
 * Prints the events that another program appends, for ever. It sees them by
 * looking: nothing tells a reader of a disk that the disk changed.
 */
async function follow(
  device: BlockDevice,
  journalBlock: number | null,
  seen: bigint,
  print: (event: StoredEvent) => void,
): Promise<never> {
  let last = seen;
  let before: readonly Uint8Array[] = [];
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_INTERVAL_MS));
    // A sector that can't be read costs its own events, not the following.
    const now = [
      ...await readBlocks(device, RING_FIRST_BLOCK, RING_BLOCKS),
      ...(journalBlock === null
        ? []
        : await readBlocks(device, journalBlock, 1)),
    ].map((bytes) => bytes ?? new Uint8Array());
    const same = now.length === before.length &&
      now.every((bytes, index) =>
        equals(bytes, before[index] ?? new Uint8Array())
      );
    if (same) continue;
    before = now;
    const volume = await openVolume(device, { readOnly: true });
    for (const event of volume.events.recent()) {
      if (event.sequence === null || event.sequence <= last) continue;
      print(event);
      last = event.sequence;
    }
  }
}

function printEvent(output: Output, args: Arguments, event: StoredEvent): void {
  const { sequence, timestamp, severity, eventCode, payload } = event;
  const severityName = SEVERITY_NAMES.get(severity) ?? String(severity);
  const name = eventCodeName(eventCode);
  if (args.has("json")) {
    output.jsonLine({
      sequence,
      timestamp,
      severity: severityName,
      eventCode,
      name,
      payload: toHex(payload),
      text: textOf(payload) ?? null,
    });
    return;
  }
  const colour = COLOURS[severity];
  const label = severityName.padEnd(8);
  output.line(
    [
      String(sequence ?? "-").padStart(6),
      String(timestamp).padStart(10),
      colour === undefined ? label : output.paint(colour, label),
      name,
      ...(payload.length > 0 ? [showBytes(payload)] : []),
    ].join("  "),
  );
}
