/**
 * The commands of the host: one table of number, name, arguments, who answers,
 * what must be there for it, and the result. Reading a request, refusing it,
 * and the documentation all come from this table, so a new command is one
 * entry here and what carries it out. Pure; imports `wire`.
 *
 * @module
 */
import {
  DATA_PRODUCT_PIECE_MAX_BYTES,
  type DataProductRequest,
  decodeDataProductRequest,
} from "../wire/data_product_read.ts";
import { decodeFdirRequest, type FdirAction } from "../wire/fdir_result.ts";
import { decodeEventsRequest, type EventsRequest } from "../wire/event_list.ts";
import { decodeListRequest } from "../wire/result_list.ts";
import { SERVICE_NAME_MAX_BYTES } from "../wire/service_list.ts";
import {
  ANSWER_RESULT_MAX_BYTES,
  CommandCode,
  CommandStatus,
  PAGED_COMMANDS,
} from "../wire/telecommand.ts";
import { decodeTimeSet, type MissionTime } from "../wire/time_set.ts";

/** What a telecommand asks for, its arguments read. */
export type HostAction =
  /** Answer with the same bytes. */
  | { readonly kind: "ping"; readonly payload: Uint8Array }
  /** Go down. */
  | {
    readonly kind: "power";
    readonly action: "poweroff" | "reboot" | "halt";
  }
  /** Start, stop or restart a service. */
  | {
    readonly kind: "service";
    readonly command: "start" | "stop" | "restart";
    readonly service: string;
  }
  /** All services in short, from one on. */
  | { readonly kind: "list-services"; readonly first: number }
  /** All that is known of one service. */
  | { readonly kind: "service-status"; readonly service: string }
  /** Records of the event log. */
  | { readonly kind: "read-events"; readonly wanted: EventsRequest }
  /** Enter or leave safe mode. */
  | { readonly kind: "safe-mode"; readonly isOn: boolean }
  /** Look for anomalies now, and what to do besides. */
  | { readonly kind: "check-fdir"; readonly action: FdirAction }
  /** Set the mission clock. */
  | { readonly kind: "set-time"; readonly time: MissionTime }
  /** Send each line of the log from now on, or no more; only one writer's, or all. */
  | {
    readonly kind: "follow-log";
    readonly isOn: boolean;
    readonly name: string | null;
  }
  /** What ran when in the boot, from one entry on. */
  | { readonly kind: "read-timeline"; readonly first: number }
  /** The data products, from one on. */
  | { readonly kind: "list-products"; readonly first: number }
  /** A piece of a data product. */
  | { readonly kind: "read-product"; readonly wanted: DataProductRequest }
  /** It can't be done: the status says why. */
  | { readonly kind: "refused"; readonly status: number };

/**
 * What must be there for a command, and the status that refuses it otherwise.
 *
 * - `nothing`: it is carried out always.
 * - `services`: the boot has come to the services, else `EBUSY`.
 * - `operation`: the same, and no shutdown is under way, else `EBUSY`.
 * - `volume`: there is a volume, else `ENODEV`.
 */
export type CommandNeed = "nothing" | "services" | "operation" | "volume";

/** Which part of the init carries a command out. */
export type CommandAnswerer =
  | "core"
  | "clock"
  | "fdir"
  | "log"
  | "timeline"
  | "volume";

/** One command. */
export interface HostCommand {
  /** Its number. */
  readonly code: CommandCode;
  /** Its name. */
  readonly name: keyof typeof CommandCode;
  /** What it does, in a few words. */
  readonly summary: string;
  /** The layout of its arguments, in words. */
  readonly arguments: string;
  /** Who carries it out. */
  readonly answeredBy: CommandAnswerer;
  /** What must be there. */
  readonly needs: CommandNeed;
  /** Whether it is carried out also while the host is owed many answers. */
  readonly isUrgent: boolean;
  /** The statuses besides OK and that of `needs`. */
  readonly refusals: readonly (keyof typeof CommandStatus)[];
  /** The layout of its result, in words. */
  readonly result: string;
  /**
   * Reads the arguments.
   *
   * @param bytes What stands behind command and sequence.
   * @returns What is asked for, or null where the arguments are not what the
   * command takes; what it throws means the same.
   */
  readonly read: (bytes: Uint8Array) => HostAction | null;
}

const NOTHING = "nothing";
const NAME = "the service's name";

/** A command without arguments. */
const plain = (action: HostAction) => (bytes: Uint8Array): HostAction | null =>
  bytes.length === 0 ? action : null;

/** Text in UTF-8. */
function readText(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    .decode(bytes);
}

/** A command whose argument is a service's name, in UTF-8. */
const named =
  (action: (service: string) => HostAction) =>
  (bytes: Uint8Array): HostAction | null =>
    bytes.length === 0 || bytes.length > SERVICE_NAME_MAX_BYTES
      ? null
      : action(readText(bytes));

/** A command that changes what a service does. */
const controlled = (command: "start" | "stop" | "restart") => ({
  arguments: NAME,
  answeredBy: "core",
  needs: "operation",
  isUrgent: false,
  refusals: ["EINVAL", "ENOENT"],
  result: NOTHING,
  read: named((service) => ({ kind: "service", command, service })),
} as const);

function readFollow(bytes: Uint8Array): HostAction | null {
  const [isOn] = bytes;
  if (isOn !== 0 && isOn !== 1) return null;
  const name = readText(bytes.subarray(1));
  return { kind: "follow-log", isOn: isOn === 1, name: name || null };
}
const FIRST = "u32 first entry wanted, or nothing";
const VOLUME_REFUSALS = ["EIO", "EAGAIN", "ETIMEDOUT"] as const;

/** The table, by number. */
export const HOST_COMMANDS: readonly HostCommand[] = [
  {
    code: CommandCode.PING,
    name: "PING",
    summary: "answers",
    arguments: `0..${ANSWER_RESULT_MAX_BYTES} bytes`,
    answeredBy: "core",
    needs: "nothing",
    isUrgent: false,
    refusals: ["EMSGSIZE"],
    result: "the same bytes",
    read: (payload) =>
      payload.length <= ANSWER_RESULT_MAX_BYTES
        ? { kind: "ping", payload }
        : { kind: "refused", status: CommandStatus.EMSGSIZE },
  },
  {
    code: CommandCode.POWEROFF,
    name: "POWEROFF",
    summary: "goes down in order and powers off",
    arguments: NOTHING,
    answeredBy: "core",
    needs: "nothing",
    isUrgent: true,
    refusals: ["EINVAL"],
    result: NOTHING,
    read: plain({ kind: "power", action: "poweroff" }),
  },
  {
    code: CommandCode.REBOOT,
    name: "REBOOT",
    summary: "goes down in order and starts again",
    arguments: NOTHING,
    answeredBy: "core",
    needs: "nothing",
    isUrgent: true,
    refusals: ["EINVAL"],
    result: NOTHING,
    read: plain({ kind: "power", action: "reboot" }),
  },
  {
    code: CommandCode.HALT,
    name: "HALT",
    summary: "goes down in order and stops",
    arguments: NOTHING,
    answeredBy: "core",
    needs: "nothing",
    isUrgent: true,
    refusals: ["EINVAL"],
    result: NOTHING,
    read: plain({ kind: "power", action: "halt" }),
  },
  {
    code: CommandCode.SERVICE_START,
    name: "SERVICE_START",
    summary: "starts a service, and what it requires",
    ...controlled("start"),
  },
  {
    code: CommandCode.SERVICE_STOP,
    name: "SERVICE_STOP",
    summary: "stops a service, and what requires it",
    ...controlled("stop"),
  },
  {
    code: CommandCode.SERVICE_RESTART,
    name: "SERVICE_RESTART",
    summary: "stops a service and starts it again",
    ...controlled("restart"),
  },
  {
    code: CommandCode.SERVICE_LIST,
    name: "SERVICE_LIST",
    summary: "lists the services",
    arguments: FIRST,
    answeredBy: "core",
    needs: "services",
    isUrgent: false,
    refusals: ["EINVAL"],
    result: "`service_list.ts`",
    read: (bytes) => ({
      kind: "list-services",
      first: decodeListRequest(bytes),
    }),
  },
  {
    code: CommandCode.SERVICE_STATUS,
    name: "SERVICE_STATUS",
    summary: "tells all of one service",
    arguments: NAME,
    answeredBy: "core",
    needs: "services",
    isUrgent: false,
    refusals: ["EINVAL", "ENOENT"],
    result: "`service_status.ts`",
    read: named((service) => ({ kind: "service-status", service })),
  },
  {
    code: CommandCode.EVENTS_READ,
    name: "EVENTS_READ",
    summary: "reads the event log",
    arguments: "u64 first sequence number wanted, u16 most records, 1..96",
    answeredBy: "volume",
    needs: "volume",
    isUrgent: false,
    refusals: ["EINVAL"],
    result: "`event_list.ts`",
    read: (bytes) => ({
      kind: "read-events",
      wanted: decodeEventsRequest(bytes),
    }),
  },
  {
    code: CommandCode.ENTER_SAFE_MODE,
    name: "ENTER_SAFE_MODE",
    summary: "runs only services of safe mode",
    arguments: NOTHING,
    answeredBy: "core",
    needs: "operation",
    isUrgent: false,
    refusals: ["EINVAL"],
    result: NOTHING,
    read: plain({ kind: "safe-mode", isOn: true }),
  },
  {
    code: CommandCode.LEAVE_SAFE_MODE,
    name: "LEAVE_SAFE_MODE",
    summary: "runs all services again",
    arguments: NOTHING,
    answeredBy: "core",
    needs: "operation",
    isUrgent: false,
    refusals: ["EINVAL", "EIO"],
    result: NOTHING,
    read: plain({ kind: "safe-mode", isOn: false }),
  },
  {
    code: CommandCode.FDIR_CHECK,
    name: "FDIR_CHECK",
    summary: "looks for anomalies now",
    arguments:
      "nothing, or u8: 0 check, 1 release latched anomalies, 2 adopt what is found as the reference",
    answeredBy: "fdir",
    needs: "operation",
    isUrgent: false,
    refusals: ["EINVAL", "ENODEV", "EAGAIN", "EIO", "ETIMEDOUT"],
    result: "what was found",
    read: (bytes) => ({
      kind: "check-fdir",
      action: decodeFdirRequest(bytes),
    }),
  },
  {
    code: CommandCode.TIME_SET,
    name: "TIME_SET",
    summary: "sets the mission clock",
    arguments: "u64 mission seconds, u32 nanoseconds",
    answeredBy: "clock",
    needs: "nothing",
    isUrgent: false,
    refusals: ["EINVAL"],
    result: NOTHING,
    read: (bytes) => {
      const time = decodeTimeSet(bytes);
      // Records have 32 bits for the seconds.
      return time.seconds > 0xFFFF_FFFFn ? null : { kind: "set-time", time };
    },
  },
  {
    code: CommandCode.LOG_FOLLOW,
    name: "LOG_FOLLOW",
    summary: "sends the log as LOG frames, or no more",
    arguments: "u8 1 to begin or 0 to end, then a name, or nothing for all",
    answeredBy: "log",
    needs: "nothing",
    isUrgent: false,
    refusals: ["EINVAL"],
    result: NOTHING,
    read: readFollow,
  },
  {
    code: CommandCode.BOOT_TIMELINE,
    name: "BOOT_TIMELINE",
    summary: "tells what ran when in the boot",
    arguments: FIRST,
    answeredBy: "timeline",
    needs: "nothing",
    isUrgent: false,
    refusals: ["EINVAL"],
    result: "`boot_timeline.ts`",
    read: (bytes) => ({
      kind: "read-timeline",
      first: decodeListRequest(bytes),
    }),
  },
  {
    code: CommandCode.DP_LIST,
    name: "DP_LIST",
    summary: "lists the data products",
    arguments: FIRST,
    answeredBy: "volume",
    needs: "volume",
    isUrgent: false,
    refusals: ["EINVAL", ...VOLUME_REFUSALS],
    result: "`data_product_list.ts`",
    read: (bytes) => ({
      kind: "list-products",
      first: decodeListRequest(bytes),
    }),
  },
  {
    code: CommandCode.DP_READ,
    name: "DP_READ",
    summary: "reads a piece of a data product",
    arguments:
      `u32 offset, u32 most bytes, 1..${DATA_PRODUCT_PIECE_MAX_BYTES}, u8 length of the name, the name`,
    answeredBy: "volume",
    needs: "volume",
    isUrgent: false,
    refusals: ["EINVAL", "ENOENT", ...VOLUME_REFUSALS],
    result: "`data_product_read.ts`",
    read: (bytes) => ({
      kind: "read-product",
      wanted: decodeDataProductRequest(bytes),
    }),
  },
];

const BY_CODE: ReadonlyMap<number, HostCommand> = new Map(
  HOST_COMMANDS.map((command) => [command.code, command]),
);

/**
 * A command by its number.
 *
 * @param code The number as it came, u16.
 * @returns The command, or undefined where there is none.
 *
 * @example
 * ```ts
 * import { hostCommand } from "./commands.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(hostCommand(8)?.name, "SERVICE_LIST");
 * assertEquals(hostCommand(0), undefined);
 * ```
 */
export function hostCommand(code: number): HostCommand | undefined {
  return BY_CODE.get(code);
}

/**
 * Reads what a command asks for.
 *
 * @param code The command's number.
 * @param bytes Its arguments.
 * @returns What is asked for; `refused` with ENOSYS for a command that is not
 * in the table, with EINVAL for arguments that it does not take.
 *
 * @example
 * ```ts
 * import { readAction } from "./commands.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(readAction(8, new Uint8Array()), {
 *   kind: "list-services",
 *   first: 0,
 * });
 * assertEquals(readAction(8, new Uint8Array(3)), { kind: "refused", status: 22 });
 * ```
 */
export function readAction(code: number, bytes: Uint8Array): HostAction {
  const command = hostCommand(code);
  if (command === undefined) {
    return { kind: "refused", status: CommandStatus.ENOSYS };
  }
  try {
    const action = command.read(bytes);
    if (action !== null) return action;
  } catch {
    // The layout's own judgement, or text that is not UTF-8.
  }
  return { kind: "refused", status: CommandStatus.EINVAL };
}

const NEED_STATUS: Readonly<Record<CommandNeed, string | null>> = {
  nothing: null,
  services: "EBUSY",
  operation: "EBUSY",
  volume: "ENODEV",
};

/**
 * The table as Markdown, for the documentation.
 *
 * @returns A table with one line for each command.
 *
 * @example
 * ```ts
 * import { formatCommandTable } from "./commands.ts";
 * import { assertStringIncludes } from "@std/assert/string-includes";
 *
 * assertStringIncludes(formatCommandTable(), "| 13 | FDIR_CHECK | looks for");
 * ```
 */
export function formatCommandTable(): string {
  const head = [
    "| | command | what it does | arguments | result | refused with |",
    "|---|---|---|---|---|---|",
  ];
  const rows = HOST_COMMANDS.map((command) => {
    const pages = PAGED_COMMANDS.has(command.code) ? ", in pages" : "";
    const refusals = [NEED_STATUS[command.needs], ...command.refusals]
      .filter((status) => status !== null);
    const cells = [
      command.code,
      command.name,
      command.summary,
      command.arguments,
      `${command.result}${pages}`,
      refusals.join(", "),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return `${[...head, ...rows].join("\n")}\n`;
}
