/**
 * Why the boot before this one ended, from what it left: the kernel's last
 * words in pstore, the watchdog's own memory, and the last events of the ring.
 * Pure; imports the event codes.
 *
 * @module
 */
import { EventSeverity } from "../wire/event.ts";
import { eventCodeName, eventCodes } from "../wire/event_code.ts";

/** An event of the ring, as far as it matters here. */
export interface PastEvent {
  /** Its number. */
  readonly eventCode: number;
  /** Its payload: a line of text. */
  readonly payload: Uint8Array;
}

/** What the boot before left. */
export interface ResetTraces {
  /** The texts of pstore's records of the kernel log, in any order. */
  readonly kernelLogs: readonly string[];
  /** Whether the watchdog says that it caused the reset. */
  readonly watchdogFired: boolean;
  /** The events of the ring, oldest first; empty without a volume. */
  readonly events: readonly PastEvent[];
}

/** Why the boot before ended. */
export interface LastReset {
  /** INFO where somebody asked for it. */
  readonly severity: EventSeverity;
  /** Why, in words. */
  readonly text: string;
}

/**
 * Tells why the boot before this one ended.
 *
 * @param traces What it left.
 * @returns The reason, the surest one; null when there was no boot before, or
 * it left nothing.
 *
 * @example
 * ```ts
 * import { lastReset } from "./last_reset.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const log = "Panic#1 Part1\n<0>[    9.1] Kernel panic - not syncing: sysrq triggered crash\n";
 * const reset = lastReset({ kernelLogs: [log], watchdogFired: false, events: [] });
 * assertEquals(reset?.text, "kernel panic: sysrq triggered crash");
 * ```
 */
export function lastReset(traces: ResetTraces): LastReset | null {
  const { kernelLogs, watchdogFired } = traces;
  const events = eventsOfLastBoot(traces.events);
  for (const log of kernelLogs) {
    const panic = /Kernel panic - not syncing: ([^\n]*)/.exec(log)?.[1];
    if (panic !== undefined) {
      const text = `kernel panic: ${panic.trim()}`;
      return { severity: EventSeverity.ERROR, text };
    }
  }
  // However the machine then came down, nobody had wanted it to.
  const storm = textOfLast(events, eventCodes.EXCEPTION_STORM.code);
  if (storm !== null) {
    const text = `exception storm: ${storm}`;
    return { severity: EventSeverity.ERROR, text };
  }
  const starved = starvation(events);
  if (watchdogFired || starved !== null) {
    const why = starved ?? "the init did not turn";
    return { severity: EventSeverity.ERROR, text: `watchdog: ${why}` };
  }
  const last = events.at(-1);
  if (last === undefined) return null;
  const asked = textOfLast(events, eventCodes.SHUTDOWN_REQUESTED.code);
  if (last.eventCode === eventCodes.SHUTDOWN.code && asked !== null) {
    return { severity: EventSeverity.INFO, text: asked };
  }
  const name = eventCodeName(last.eventCode);
  const during = asked === null ? "" : ` during ${asked}`;
  return {
    severity: EventSeverity.WARNING,
    text: `power cut or reset${during}; last was ${name} ${textOf(last)}`,
  };
}

/** The events from the last BOOT on. */
function eventsOfLastBoot(events: readonly PastEvent[]): readonly PastEvent[] {
  const { code } = eventCodes.BOOT;
  const boot = events.findLastIndex(({ eventCode }) => eventCode === code);
  return boot === -1 ? events : events.slice(boot);
}

/** Why the watchdog was not petted any more, unless it was petted again. */
function starvation(events: readonly PastEvent[]): string | null {
  const starved = eventCodes.WATCHDOG_STARVED.code;
  const fed = eventCodes.WATCHDOG_FED.code;
  const last = events.findLast(({ eventCode }) =>
    eventCode === starved || eventCode === fed
  );
  const isOrderly = events.at(-1)?.eventCode === eventCodes.SHUTDOWN.code;
  return last?.eventCode === starved && !isOrderly ? textOf(last) : null;
}

function textOfLast(events: readonly PastEvent[], code: number): string | null {
  const event = events.findLast(({ eventCode }) => eventCode === code);
  return event === undefined ? null : textOf(event);
}

function textOf({ payload }: PastEvent): string {
  return new TextDecoder().decode(payload);
}
