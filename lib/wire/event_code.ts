/**
 * The numbers of the init's events [O]: one table of name, number, usual
 * severity and meaning, so that every number can be changed in one place and a
 * reader of the ring can name what it finds. The payload of each is one line of
 * UTF-8 text, cut to 64 bytes. Imports only the severities.
 *
 * Numbers stand in ranges: 0x00xx the machine, 0x01xx services, 0x02xx storage,
 * 0x03xx the host, 0x04xx FDIR, 0x05xx the watchdog. 0xFxxx is for programs of
 * the user. 0 is never used, so that an empty record is none.
 *
 * @module
 */

import { EventSeverity } from "./event.ts";

/** The name of an event of the init. */
export type EventCodeName =
  | "BOOT"
  | "READY"
  | "MODE_CHANGED"
  | "BOOT_PHASE_FAILED"
  | "SAFE_MODE_ENTERED"
  | "SAFE_MODE_LEFT"
  | "SHUTDOWN_REQUESTED"
  | "SHUTDOWN_SERVICES_STOPPED"
  | "SHUTDOWN_SERVICE"
  | "SHUTDOWN"
  | "CLOCK_SET"
  | "LAST_RESET"
  | "INTERNAL_ERROR"
  | "PARAMETER_SET"
  | "SERVICE_STARTED"
  | "SERVICE_STOPPED"
  | "SERVICE_FINISHED"
  | "SERVICE_BACKOFF"
  | "SERVICE_FAILED"
  | "SERVICE_START_TIMEOUT"
  | "SERVICE_WATCHDOG_MISSED"
  | "SERVICE_UNHEALTHY"
  | "SERVICE_KILLED"
  | "SERVICE_UNKILLABLE"
  | "SERVICE_REMAINS"
  | "SERVICE_COMMAND_FAILED"
  | "SERVICE_ISOLATED"
  | "SERVICE_RESUMED"
  | "SERVICE_COMMAND"
  | "DEFINITION_INVALID"
  | "DEFINITIONS_RELOADED"
  | "DEFINITIONS_REFUSED"
  | "LOG_LINES_DROPPED"
  | "STORAGE_FAILED"
  | "STORAGE_RECOVERED"
  | "PEER_FRAME"
  | "PEER_FRAMES_DROPPED"
  | "FDIR_ANOMALY"
  | "FDIR_CLEARED"
  | "FDIR_CONFIGURATION_INVALID"
  | "FDIR_ISOLATE"
  | "FDIR_RESTART"
  | "FDIR_DEGRADE"
  | "FDIR_SAFE_MODE"
  | "WATCHDOG_STARVED"
  | "WATCHDOG_FED"
  | "EXCEPTION_STORM";

/** What one event is. */
export interface EventCode {
  /** The number in the record, 1 to 0xFFFF. */
  readonly code: number;
  /** How severe it usually is. */
  readonly severity: EventSeverity;
  /** What it says. */
  readonly description: string;
}

const { INFO, WARNING, ERROR, CRITICAL } = EventSeverity;

/** The table of the init's events. */
export const eventCodes: Readonly<Record<EventCodeName, EventCode>> = {
  BOOT: { code: 0x0001, severity: INFO, description: "The machine booted." },
  READY: {
    code: 0x0002,
    severity: INFO,
    description: "Every service of the boot had its outcome.",
  },
  MODE_CHANGED: {
    code: 0x0003,
    severity: INFO,
    description: "The mode of the init changed.",
  },
  BOOT_PHASE_FAILED: {
    code: 0x0004,
    severity: ERROR,
    description: "A phase of the boot failed; the boot went on.",
  },
  SAFE_MODE_ENTERED: {
    code: 0x0005,
    severity: WARNING,
    description: "Only services of safe mode run from now on.",
  },
  SAFE_MODE_LEFT: {
    code: 0x0006,
    severity: INFO,
    description: "All services run again.",
  },
  SHUTDOWN_REQUESTED: {
    code: 0x0007,
    severity: INFO,
    description: "A shutdown was asked for, or asked for again.",
  },
  SHUTDOWN_SERVICES_STOPPED: {
    code: 0x0008,
    severity: INFO,
    description:
      "All services are down: how many, how long it took, how many needed SIGKILL.",
  },
  SHUTDOWN_SERVICE: {
    code: 0x0009,
    severity: INFO,
    description: "How one service stopped in a shutdown, and how long it took.",
  },
  SHUTDOWN: {
    code: 0x000A,
    severity: INFO,
    description: "The last event before the end.",
  },
  CLOCK_SET: {
    code: 0x000B,
    severity: INFO,
    description: "The mission clock was set.",
  },
  LAST_RESET: {
    code: 0x000C,
    severity: WARNING,
    description: "Why the boot before this one ended.",
  },
  INTERNAL_ERROR: {
    code: 0x000D,
    severity: CRITICAL,
    description: "The init met what it holds for impossible, and went on.",
  },
  PARAMETER_SET: {
    code: 0x000E,
    severity: INFO,
    description: "A parameter of the init changed.",
  },
  SERVICE_STARTED: {
    code: 0x0101,
    severity: INFO,
    description: "A service is up.",
  },
  SERVICE_STOPPED: {
    code: 0x0102,
    severity: INFO,
    description: "A service came down as asked.",
  },
  SERVICE_FINISHED: {
    code: 0x0103,
    severity: INFO,
    description: "A service ended with success and is not restarted.",
  },
  SERVICE_BACKOFF: {
    code: 0x0104,
    severity: WARNING,
    description: "A service ended and will be tried again.",
  },
  SERVICE_FAILED: {
    code: 0x0105,
    severity: ERROR,
    description: "A service will not be tried again by itself.",
  },
  SERVICE_START_TIMEOUT: {
    code: 0x0106,
    severity: WARNING,
    description: "A service was not ready in time and is being stopped.",
  },
  SERVICE_WATCHDOG_MISSED: {
    code: 0x0107,
    severity: WARNING,
    description: "A service gave no sign of life in time and is being stopped.",
  },
  SERVICE_UNHEALTHY: {
    code: 0x0108,
    severity: WARNING,
    description: "A service was found broken and is being stopped.",
  },
  SERVICE_KILLED: {
    code: 0x0109,
    severity: WARNING,
    description: "A service did not stop in time and got SIGKILL.",
  },
  SERVICE_UNKILLABLE: {
    code: 0x010A,
    severity: ERROR,
    description: "A service is still there after SIGKILL.",
  },
  SERVICE_REMAINS: {
    code: 0x010B,
    severity: INFO,
    description:
      "The main process ended and left others behind, which are being stopped.",
  },
  SERVICE_COMMAND_FAILED: {
    code: 0x010C,
    severity: WARNING,
    description: "A pre or post command of a service failed.",
  },
  SERVICE_ISOLATED: {
    code: 0x010D,
    severity: WARNING,
    description: "A service was frozen.",
  },
  SERVICE_RESUMED: {
    code: 0x010E,
    severity: INFO,
    description: "A frozen service runs again.",
  },
  SERVICE_COMMAND: {
    code: 0x010F,
    severity: INFO,
    description: "Somebody started, stopped or restarted a service.",
  },
  DEFINITION_INVALID: {
    code: 0x0110,
    severity: ERROR,
    description: "A definition can't be used; the first line says why.",
  },
  DEFINITIONS_RELOADED: {
    code: 0x0111,
    severity: INFO,
    description: "The definitions were read anew.",
  },
  DEFINITIONS_REFUSED: {
    code: 0x0112,
    severity: ERROR,
    description: "New definitions were refused; the old ones stay.",
  },
  LOG_LINES_DROPPED: {
    code: 0x0113,
    severity: WARNING,
    description: "Lines of a service's output were dropped: how many.",
  },
  STORAGE_FAILED: {
    code: 0x0201,
    severity: ERROR,
    description:
      "The volume did not take a record or a parameter; the machine goes on.",
  },
  STORAGE_RECOVERED: {
    code: 0x0202,
    severity: INFO,
    description: "The volume takes records again: how many were lost.",
  },
  PEER_FRAME: {
    code: 0x0301,
    severity: INFO,
    description: "A frame came from somebody behind the host.",
  },
  PEER_FRAMES_DROPPED: {
    code: 0x0302,
    severity: WARNING,
    description: "Frames from behind the host came too fast to be recorded.",
  },
  FDIR_ANOMALY: {
    code: 0x0401,
    severity: WARNING,
    description: "A check found something that is not as it was, or should be.",
  },
  FDIR_CLEARED: {
    code: 0x0402,
    severity: INFO,
    description: "An anomaly is gone: how long it was there.",
  },
  FDIR_CONFIGURATION_INVALID: {
    code: 0x0403,
    severity: ERROR,
    description: "The configuration can't be used, and the default is; why.",
  },
  FDIR_ISOLATE: {
    code: 0x0410,
    severity: WARNING,
    description: "An anomaly has a service frozen.",
  },
  FDIR_RESTART: {
    code: 0x0411,
    severity: WARNING,
    description: "An anomaly has a service restarted, or the machine.",
  },
  FDIR_DEGRADE: {
    code: 0x0412,
    severity: WARNING,
    description: "Anomalies have the machine count as degraded.",
  },
  FDIR_SAFE_MODE: {
    code: 0x0413,
    severity: ERROR,
    description: "Anomalies have the machine enter safe mode.",
  },
  WATCHDOG_STARVED: {
    code: 0x0501,
    severity: CRITICAL,
    description: "The watchdog is not petted from now on, and why.",
  },
  WATCHDOG_FED: {
    code: 0x0502,
    severity: INFO,
    description: "The watchdog is petted again.",
  },
  EXCEPTION_STORM: {
    code: 0x0503,
    severity: CRITICAL,
    description: "Exceptions come without end: the machine is restarted.",
  },
};

const namesByCode: ReadonlyMap<number, EventCodeName> = new Map(
  (Object.keys(eventCodes) as EventCodeName[]).map((
    name,
  ) => [eventCodes[name].code, name]),
);

/**
 * The name of an event's number.
 *
 * @param code The number from a record.
 * @returns The name, or `0x` and four digits for a number that is not ours.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert/equals";
 * import { eventCodeName } from "./event_code.ts";
 *
 * assertEquals(eventCodeName(0x0105), "SERVICE_FAILED");
 * assertEquals(eventCodeName(0xF00D), "0xF00D");
 * ```
 */
export function eventCodeName(code: number): string {
  return namesByCode.get(code) ??
    `0x${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
