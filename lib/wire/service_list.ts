/**
 * The result of SERVICE_LIST [O]: one short entry for each service. Imports the
 * codec and the lists.
 *
 * @module
 */

import { defineLayout, type Layout } from "./codec.ts";
import { countedText, enumeration, lengthOf, u32, u64, u8 } from "./fields.ts";
import {
  listFields,
  type ListRecord,
  readListPiece,
  RESULT_MAX_BYTES,
  writeListPiece,
} from "./result_list.ts";

/**
 * The states of a service by name [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ServiceStateCode } from "@spaceos/pid1";
 *
 * const isUp = (state: number) => state === ServiceStateCode.RUNNING;
 * assertEquals([ServiceStateCode.RUNNING, ServiceStateCode.BACKOFF].map(isUp), [
 *   true,
 *   false,
 * ]);
 * ```
 */
export const ServiceStateCode = {
  PENDING: 0,
  STARTING: 1,
  RUNNING: 2,
  BACKOFF: 3,
  FAILED: 4,
} as const;

/** The state of a service. */
export type ServiceStateCode =
  typeof ServiceStateCode[keyof typeof ServiceStateCode];

/**
 * The bits of `flags` by name [O].
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ServiceFlag } from "@spaceos/pid1";
 *
 * const flags = ServiceFlag.WANTED | ServiceFlag.CRITICAL;
 * assertEquals((flags & ServiceFlag.CRITICAL) !== 0, true);
 * ```
 */
export const ServiceFlag = {
  /** It should be up, if mode and dependencies allow. */
  WANTED: 1,
  /** It is held by `isolate`. */
  ISOLATED: 2,
  /** Its process runs with an earlier definition. */
  OUTDATED: 4,
  /** The machine is of no use without it. */
  CRITICAL: 8,
  /** Its process is being stopped. */
  STOPPING: 16,
} as const;

/** The most bytes that a service's name has. */
export const SERVICE_NAME_MAX_BYTES = 64;

/** One service in short. */
export interface ServiceEntry {
  /** 0x00 u8: its state. */
  readonly state: ServiceStateCode;
  /** 0x01 u8: the bits of {@linkcode ServiceFlag}. */
  readonly flags: number;
  /** 0x02 u32: its process, or 0. */
  readonly pid: number;
  /** 0x06 u32: restarts since it was defined. */
  readonly restarts: number;
  /** 0x0A u64 `since_ms`: since when it is in this state, milliseconds since boot. */
  readonly sinceMs: bigint;
  /** 0x13 its name, 1..64 bytes; `name_len` at 0x12 counts them. */
  readonly name: string;
}

/** The field table of an entry. */
export const serviceEntryLayout: Layout<ServiceEntry, ServiceEntry> =
  defineLayout("SERVICE_LIST entry", 0x13 + SERVICE_NAME_MAX_BYTES, {
    state: enumeration(0x00, "u8", ServiceStateCode),
    flags: u8(0x01, { max: 31 }),
    pid: u32(0x02),
    restarts: u32(0x06),
    sinceMs: u64(0x0A),
    nameLength: lengthOf(0x12, "u8", "name", {
      name: "name_len",
      min: 1,
      max: SERVICE_NAME_MAX_BYTES,
    }),
    name: countedText(0x13, SERVICE_NAME_MAX_BYTES, { min: 1 }),
  });

/** The field table of the result. */
export const serviceListLayout: Layout<ListRecord, ListRecord> = defineLayout(
  "SERVICE_LIST result",
  RESULT_MAX_BYTES,
  listFields,
);

/** A piece of the list of services. */
export interface ServiceList {
  /** How many services there are in all. */
  readonly total: number;
  /** The number of the first service here, from 0. */
  readonly first: number;
  /** The services. */
  readonly services: readonly ServiceEntry[];
}

/**
 * The result of SERVICE_LIST.
 *
 * @param services All services.
 * @param first The first that is wanted, from 0.
 * @returns As many as there is room for.
 * @throws {WireError} Naming the field that is out of its range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   decodeServiceList,
 *   encodeServiceList,
 *   ServiceFlag,
 *   ServiceStateCode,
 * } from "./service_list.ts";
 *
 * const web = {
 *   state: ServiceStateCode.RUNNING,
 *   flags: ServiceFlag.WANTED,
 *   pid: 42,
 *   restarts: 0,
 *   sinceMs: 1500n,
 *   name: "web",
 * };
 * const list = decodeServiceList(encodeServiceList([web, web], 1));
 * assertEquals(list, { total: 2, first: 1, services: [web] });
 * ```
 */
export function encodeServiceList(
  services: readonly ServiceEntry[],
  first: number,
): Uint8Array<ArrayBuffer> {
  return writeListPiece(serviceListLayout, serviceEntryLayout, services, first);
}

/**
 * Reads and judges the result of SERVICE_LIST.
 *
 * @param bytes Any bytes.
 * @returns A piece of the list.
 * @throws {WireError} If they are not such a result.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { WireError } from "./error.ts";
 * import { decodeServiceList } from "./service_list.ts";
 *
 * assertThrows(() => decodeServiceList(new Uint8Array(7)), WireError);
 * ```
 */
export function decodeServiceList(bytes: Uint8Array): ServiceList {
  const { total, first, items: services } = readListPiece(
    serviceListLayout,
    serviceEntryLayout,
    bytes,
  );
  return { total, first, services };
}
