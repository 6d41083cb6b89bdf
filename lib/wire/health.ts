/**
 * The payload of a HEALTH frame (formats.md, "Payloads"). Imports the codec.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import { enumeration, u16, u32, u8 } from "./fields.ts";

/**
 * The modes of the init, by name [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SystemMode } from "@spaceos/pid1";
 *
 * const needsHelp = (mode: number) => mode !== SystemMode.NOMINAL;
 * assertEquals([SystemMode.SAFE, SystemMode.NOMINAL].map(needsHelp), [
 *   true,
 *   false,
 * ]);
 * ```
 */
export const SystemMode = {
  BOOTING: 0,
  NOMINAL: 1,
  DEGRADED: 2,
  SAFE: 3,
  SHUTTING_DOWN: 4,
} as const;

/** A mode of the init. */
export type SystemMode = typeof SystemMode[keyof typeof SystemMode];

/** The size of the payload in bytes. */
export const HEALTH_SIZE_BYTES = 44;

/** How the machine is. */
export interface Health {
  /** 0x00 u32 `uptime_s`: seconds since boot. */
  readonly uptimeSeconds: number;
  /** 0x04 u8: the init's mode. */
  readonly mode: SystemMode;
  /** 0x05 u8 `services_running`; 255 stands for that many or more. */
  readonly servicesRunning: number;
  /** 0x06 u8 `services_failed`; 255 stands for that many or more. */
  readonly servicesFailed: number;
  /** 0x07 u8 `anomalies_active`; 255 stands for that many or more. */
  readonly anomaliesActive: number;
  /** 0x08 u32 `mem_available_kib`. */
  readonly memoryAvailableKib: number;
  /** 0x0C u32 `mem_total_kib`. */
  readonly memoryTotalKib: number;
  /** 0x10 u16 `load1_x100`: the load average of one minute, in hundredths. */
  readonly loadHundredths: number;
  /** 0x12 u16 `boot_count`: boots since format. */
  readonly bootCount: number;
  /** 0x14 u32 `frames_in`: frames from the host. */
  readonly framesIn: number;
  /** 0x18 u32 `frames_out`: frames to the host. */
  readonly framesOut: number;
  /** 0x1C u32 `frames_dropped`: frames that the queue had no room for. */
  readonly framesDropped: number;
  /** 0x20 u32 `child_exits`: processes reaped. */
  readonly childExits: number;
  /** 0x24 u32 `event_count`: events since boot. */
  readonly eventCount: number;
  /** 0x28 u32 `watchdog_pets`. */
  readonly watchdogPets: number;
}

/** The field table of a HEALTH frame's payload. */
export const healthLayout: Layout<Health, Health> = defineLayout(
  "HEALTH payload",
  HEALTH_SIZE_BYTES,
  {
    uptimeSeconds: u32(0x00, { name: "uptime_s" }),
    mode: enumeration(0x04, "u8", SystemMode),
    servicesRunning: u8(0x05),
    servicesFailed: u8(0x06),
    anomaliesActive: u8(0x07),
    memoryAvailableKib: u32(0x08, { name: "mem_available_kib" }),
    memoryTotalKib: u32(0x0C, { name: "mem_total_kib" }),
    loadHundredths: u16(0x10, { name: "load1_x100" }),
    bootCount: u16(0x12),
    framesIn: u32(0x14),
    framesOut: u32(0x18),
    framesDropped: u32(0x1C),
    childExits: u32(0x20),
    eventCount: u32(0x24),
    watchdogPets: u32(0x28),
  },
);

/**
 * The payload of a HEALTH frame. A counter that has outgrown its field is the
 * caller's to cut.
 *
 * @param health How the machine is.
 * @returns 44 bytes.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeHealth, encodeHealth, SystemMode } from "./health.ts";
 *
 * const health = {
 *   uptimeSeconds: 12,
 *   mode: SystemMode.NOMINAL,
 *   servicesRunning: 6,
 *   servicesFailed: 0,
 *   anomaliesActive: 0,
 *   memoryAvailableKib: 100_000,
 *   memoryTotalKib: 200_000,
 *   loadHundredths: 25,
 *   bootCount: 1,
 *   framesIn: 0,
 *   framesOut: 2,
 *   framesDropped: 0,
 *   childExits: 3,
 *   eventCount: 4,
 *   watchdogPets: 5,
 * };
 * assertEquals(decodeHealth(encodeHealth(health)), health);
 * ```
 */
export function encodeHealth(health: Health): Uint8Array<ArrayBuffer> {
  return healthLayout.encode(health);
}

/**
 * Reads and judges the payload of a HEALTH frame.
 *
 * @param payload Any bytes.
 * @returns How the machine is.
 * @throws {WireError} If they are not such a payload.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeHealth } from "./health.ts";
 *
 * assertThrows(() => decodeHealth(new Uint8Array(43)), WireError, "expected 44 bytes");
 * ```
 */
export function decodeHealth(payload: Uint8Array): Health {
  return healthLayout.decode(payload);
}
