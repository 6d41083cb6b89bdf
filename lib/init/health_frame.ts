/**
 * The HEALTH frame: what the host is told of the machine at an interval.
 * Imports `wire`, `host` and this room.
 *
 * @module
 */
import { activeAnomalies } from "../fdir/fdir_state.ts";
import type { LinkCounters } from "../host/link.ts";
import { frameToHost } from "../host/requests.ts";
import { summary } from "../supervisor/supervisor.ts";
import { FrameType } from "../wire/frame.ts";
import { encodeHealth, SystemMode } from "../wire/health.ts";
import type { InitState, Mode } from "./core_types.ts";
import { parseLoad, parseMemoryFacts } from "./system_facts.ts";

/** What the core does not know. */
export interface HealthFacts {
  /** CLOCK_BOOTTIME, milliseconds. */
  readonly uptimeMs: number;
  /** Boots since format, or null without storage. */
  readonly bootCount: number | null;
  /** The host link's counters. */
  readonly link: LinkCounters;
  /** Processes reaped since the boot. */
  readonly childExits: number;
  /** Events since the boot. */
  readonly eventCount: number;
  /** How often the watchdog was petted. */
  readonly watchdogPets: number;
  /** The text of a file of `/proc`, or the empty string. */
  readonly readProc: (name: string) => string;
}

/** The modes as HEALTH and the shared page number them. */
export const MODE_NUMBERS: Readonly<Record<Mode, SystemMode>> = {
  booting: SystemMode.BOOTING,
  nominal: SystemMode.NOMINAL,
  degraded: SystemMode.DEGRADED,
  safe: SystemMode.SAFE,
  shuttingDown: SystemMode.SHUTTING_DOWN,
};

/**
 * The frame of this moment. Counters start again at 0 where their field ends.
 *
 * @param state What the core knows.
 * @param facts What it does not.
 * @returns 256 bytes.
 *
 * @example
 * ```ts
 * import { createInit } from "./core.ts";
 * import { healthFrame } from "./health_frame.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const settings = { healthIntervalMs: 10_000, petIntervalMs: null };
 * const frame = healthFrame(createInit(settings, 0), {
 *   uptimeMs: 61_000,
 *   bootCount: 3,
 *   link: { framesIn: 0, framesOut: 0, framesDropped: 0 },
 *   childExits: 0,
 *   eventCount: 0,
 *   watchdogPets: 0,
 *   readProc: () => "",
 * });
 * assertEquals(new DataView(frame.buffer).getUint32(8), 61);
 * ```
 */
export function healthFrame(state: InitState, facts: HealthFacts): Uint8Array {
  const { supervisor, mode, problems, fdir } = state;
  const counts = supervisor === null ? null : summary(supervisor);
  const anomalyCount = fdir === null ? 0 : activeAnomalies(fdir).length;
  const memory = parseMemoryFacts(facts.readProc("meminfo"));
  const { framesIn, framesOut, framesDropped } = facts.link;
  const payload = encodeHealth({
    uptimeSeconds: Math.floor(facts.uptimeMs / 1000) >>> 0,
    mode: MODE_NUMBERS[mode],
    servicesRunning: Math.min(255, counts?.running ?? 0),
    servicesFailed: Math.min(255, counts?.failed ?? 0),
    anomaliesActive: Math.min(255, problems.size + anomalyCount),
    memoryAvailableKib: memory.availableKib >>> 0,
    memoryTotalKib: memory.totalKib >>> 0,
    loadHundredths: parseLoad(facts.readProc("loadavg")),
    bootCount: Math.min(0xFFFF, facts.bootCount ?? 0),
    framesIn: framesIn >>> 0,
    framesOut: framesOut >>> 0,
    framesDropped: framesDropped >>> 0,
    childExits: facts.childExits >>> 0,
    eventCount: facts.eventCount >>> 0,
    watchdogPets: facts.watchdogPets >>> 0,
  });
  return frameToHost(FrameType.HEALTH, payload);
}
