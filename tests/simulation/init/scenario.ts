/**
 * What a simulation of the whole init plays: services, a disk, and a few boots
 * in a row, each with what happens in it and how it ends. Drawn from a seed; the
 * behaviour of a process depends only on the seed, its service and how many came
 * before it, so that leaving something out of a scenario, to make a failing one
 * smaller, leaves the rest as it was.
 *
 * @module
 */
import { CommandCode } from "../../../lib/wire/telecommand.ts";
import type { ServiceDefinition } from "../../../lib/supervisor/service_definition.ts";
import { Random } from "../random.ts";
import { drawService, type ServicesScenario } from "../supervisor/scenario.ts";

/** A frame that the host sends. */
export type HostFrame =
  /** A command, its arguments right or wrong. */
  | {
    readonly kind: "command";
    readonly command: number;
    readonly arguments: readonly number[];
  }
  /** A question for a parameter, or for all. */
  | { readonly kind: "parameter-get"; readonly id: number | null }
  /** A new value for a parameter. */
  | {
    readonly kind: "parameter-set";
    readonly id: number;
    readonly value: readonly number[];
  }
  /** 256 bytes of anything. */
  | { readonly kind: "garbage"; readonly seed: number }
  /** A whole frame of a type, from an id, with a payload of a length. */
  | {
    readonly kind: "other";
    readonly type: number;
    readonly apid: number;
    readonly payloadBytes: number;
  };

/** Something that happens to the machine. */
export type InitOperation =
  | {
    readonly kind: "crash" | "unhealthy" | "stop-process" | "stale";
    readonly service: string;
  }
  | {
    readonly kind: "signal";
    readonly signal: "SIGTERM" | "SIGINT" | "SIGPWR" | "SIGHUP";
  }
  | { readonly kind: "spurious-sigchld" }
  | { readonly kind: "orphans"; readonly count: number }
  | { readonly kind: "clock-step"; readonly byMs: number }
  | { readonly kind: "stall"; readonly forMs: number }
  | { readonly kind: "host-opens" }
  | { readonly kind: "host-hangs-up"; readonly unfinishedBytes: number }
  | { readonly kind: "host-pauses"; readonly forMs: number }
  | {
    readonly kind: "host-sends";
    readonly frame: HostFrame;
    readonly times: number;
  }
  | { readonly kind: "disk-hangs"; readonly forMs: number }
  | {
    readonly kind: "bad-sector";
    readonly block: number;
    readonly what: "read" | "write";
  }
  | { readonly kind: "flush-fails"; readonly times: number };

/** How a boot ends, if nothing ended it before. */
export type BootEnd =
  /** The power goes. */
  | { readonly kind: "power-cut" }
  /** The host asks for it, and has to wait for it. */
  | {
    readonly kind: "orderly";
    readonly command: number;
    /** How often `reboot(2)` fails first. */
    readonly refusals: number;
    /** How long the file systems take to sync. */
    readonly syncMs: number;
    /** How long after the command the power goes, or Infinity. */
    readonly cutAfterMs: number;
  };

/** One boot. */
export interface Boot {
  readonly safeMode: boolean;
  readonly operations: readonly {
    readonly atMs: number;
    readonly operation: InitOperation;
  }[];
  /** When its end begins. */
  readonly endMs: number;
  readonly end: BootEnd;
  /** Whether everything is well from the end of its operations on, for long enough to show that nothing is lost. */
  readonly isCalm: boolean;
}

/** The script of one machine's life. */
export interface InitScenario extends ServicesScenario {
  readonly hasDisk: boolean;
  /** Whether somebody looks for faults. */
  readonly hasFdir: boolean;
  /** The watchdog's time-out, or null without one. */
  readonly watchdogSeconds: number | null;
  readonly boots: readonly Boot[];
}

/**
 * A life that is told and not drawn: a machine with a disk and control groups,
 * without services, a watchdog and anybody who looks for faults, but for what is
 * said otherwise.
 */
export function toldScenario(
  seed: number,
  boots: readonly Boot[],
  change: Partial<InitScenario> = {},
): InitScenario {
  return {
    seed,
    definitions: [],
    hasCgroups: true,
    hasDisk: true,
    hasFdir: false,
    watchdogSeconds: null,
    boots,
    ...change,
  };
}

/** The id of the parameter `health-interval`. */
const HEALTH_INTERVAL_ID = 0xFFFF_0010;

/** How long a calm end is watched, in milliseconds. */
export const CALM_MS = 70_000;

/** What keeps a disk from storing what it should. */
const DISK_FAULTS: readonly InitOperation["kind"][] = [
  "disk-hangs",
  "bad-sector",
  "flush-fails",
];

/** Whether nothing ever happens to the disk but a cut of its power. */
export function isDiskWell({ boots }: InitScenario): boolean {
  return boots.every(({ operations }) =>
    operations.every(({ operation }) => !DISK_FAULTS.includes(operation.kind))
  );
}

/** Draws a scenario. */
export function drawInitScenario(seed: number): InitScenario {
  const random = new Random(seed, 11);
  const definitions = Array.from(
    { length: random.pick([0, 1, 1, 2, 2, 3, 4, 6]) },
    (_, index) => tame(drawService(random, index)),
  );
  const names = definitions.map(({ name }) => name);
  const bootCount = random.pick([1, 1, 2, 2, 3, 4]);
  const boots = Array.from(
    { length: bootCount },
    (_, index) => drawBoot(random, names, index === bootCount - 1),
  );
  return {
    seed,
    definitions,
    hasCgroups: random.chance(0.7),
    hasDisk: random.chance(0.95),
    hasFdir: random.chance(0.4),
    watchdogSeconds: random.pick([null, 30, 30, 40, 60]),
    boots,
  };
}

/** Heartbeats are many and say little: fewer of them leave time for the rest. */
function tame(definition: ServiceDefinition): ServiceDefinition {
  const { watchdogMs } = definition.health;
  return watchdogMs === null
    ? definition
    : { ...definition, health: { watchdogMs: watchdogMs * 4 } };
}

function drawBoot(
  random: Random,
  names: readonly string[],
  isLast: boolean,
): Boot {
  const endMs = random.between(0, random.pick([50, 2_000, 20_000, 80_000]));
  const operations = Array.from(
    { length: random.pick([0, 2, 5, 10, 16]) },
    () => ({
      atMs: random.between(0, endMs),
      operation: drawOperation(random, names),
    }),
  );
  if (random.chance(0.9)) {
    const atMs = random.between(0, Math.min(endMs, 500));
    operations.push({ atMs, operation: { kind: "host-opens" } });
  }
  operations.sort((a, b) => a.atMs - b.atMs);
  const end: BootEnd = random.chance(isLast ? 0 : 0.6)
    ? { kind: "power-cut" }
    : {
      kind: "orderly",
      command: random.pick([
        CommandCode.POWEROFF,
        CommandCode.REBOOT,
        CommandCode.HALT,
      ]),
      refusals: random.chance(0.1) ? random.between(1, 3) : 0,
      syncMs: random.chance(0.1)
        ? random.pick([4_000, 20_000, Infinity])
        : random.between(0, 100),
      cutAfterMs: !isLast && random.chance(0.3)
        ? random.between(0, 5_000)
        : Infinity,
    };
  return {
    safeMode: random.chance(0.05),
    operations,
    endMs,
    end,
    isCalm: isLast && random.chance(0.5),
  };
}

function drawOperation(
  random: Random,
  names: readonly string[],
): InitOperation {
  const roll = random.fraction();
  if (roll < 0.2 && names.length > 0) {
    return {
      kind: random.pick(["crash", "unhealthy", "stop-process", "stale"]),
      service: random.pick(names),
    };
  }
  if (roll < 0.6) {
    return {
      kind: "host-sends",
      frame: drawFrame(random, names),
      times: random.chance(0.03)
        ? random.between(2, 400)
        : random.chance(0.1)
        ? 2
        : 1,
    };
  }
  if (roll < 0.66) return { kind: "host-opens" };
  if (roll < 0.72) {
    return {
      kind: "host-hangs-up",
      unfinishedBytes: random.chance(0.5) ? 0 : random.between(1, 255),
    };
  }
  if (roll < 0.75) {
    return { kind: "host-pauses", forMs: random.between(100, 30_000) };
  }
  if (roll < 0.8) {
    const byMs = random.between(-4e9, 4e9);
    return { kind: "clock-step", byMs };
  }
  if (roll < 0.83) {
    return {
      kind: "stall",
      forMs: random.chance(0.2)
        ? random.between(1_000, 90_000)
        : random.between(1, 3_000),
    };
  }
  if (roll < 0.86) return { kind: "spurious-sigchld" };
  if (roll < 0.88) return { kind: "orphans", count: random.between(1, 40) };
  if (roll < 0.9) {
    return {
      kind: "signal",
      signal: random.pick([
        "SIGTERM",
        "SIGINT",
        "SIGPWR",
        "SIGHUP",
        "SIGHUP",
      ]),
    };
  }
  if (roll < 0.94) {
    return {
      kind: "disk-hangs",
      forMs: random.chance(0.5)
        ? random.between(100, 8_000)
        : random.between(8_000, 200_000),
    };
  }
  if (roll < 0.97) {
    return {
      kind: "bad-sector",
      block: random.between(1, 63),
      what: random.pick(["read", "write", "write"]),
    };
  }
  return { kind: "flush-fails", times: random.between(1, 4) };
}

function drawFrame(random: Random, names: readonly string[]): HostFrame {
  const roll = random.fraction();
  if (roll < 0.08) return { kind: "garbage", seed: random.bits() };
  if (roll < 0.16) {
    return {
      kind: "other",
      type: random.between(1, 10),
      apid: random.chance(0.5) ? 0 : random.between(0, 0x7FF),
      payloadBytes: random.between(0, 248),
    };
  }
  if (roll < 0.24) {
    const ids = [1, 2, 3, HEALTH_INTERVAL_ID, 0xFFFF_0001, 0xFFFF_0099];
    const id = random.chance(0.2) ? null : random.pick(ids);
    return { kind: "parameter-get", id };
  }
  if (roll < 0.36) return drawParameterSet(random);
  const { POWEROFF, REBOOT, HALT, ...others } = CommandCode;
  const powerful: number[] = [POWEROFF, REBOOT, HALT];
  const command: number = random.chance(0.9)
    ? random.pick(Object.values(others))
    : random.between(0, 0x7FFF);
  return {
    kind: "command",
    command: powerful.includes(command) ? CommandCode.PING : command,
    arguments: drawArguments(random, command, names),
  };
}

function drawParameterSet(random: Random): HostFrame {
  const u32 = (number: number): number[] => [
    number >>> 24,
    (number >>> 16) & 0xFF,
    (number >>> 8) & 0xFF,
    number & 0xFF,
  ];
  const [id, value] = random.pick<readonly [number, number[]]>([
    [random.between(1, 40), [...random.bytes(random.below(241))]],
    [HEALTH_INTERVAL_ID, u32(random.between(0, 20_000))],
    [0xFFFF_0012, u32(random.between(20, 60))],
    [0xFFFF_0013, [random.between(0, 5)]],
    [0xFFFF_0001, u32(7)],
  ]);
  return { kind: "parameter-set", id, value };
}

function drawArguments(
  random: Random,
  command: number,
  names: readonly string[],
): number[] {
  if (random.chance(0.05)) return [...random.bytes(random.below(245))];
  switch (command) {
    case CommandCode.SERVICE_START:
    case CommandCode.SERVICE_STOP:
    case CommandCode.SERVICE_RESTART:
    case CommandCode.SERVICE_STATUS:
      return [
        ...new TextEncoder().encode(
          names.length > 0 && random.chance(0.95)
            ? random.pick(names)
            : "nobody",
        ),
      ];
    case CommandCode.PING:
      return [...random.bytes(random.below(100))];
    case CommandCode.EVENTS_READ:
      return [0, 0, 0, 0, 0, 0, 0, random.below(3), 0, 1 + random.below(96)];
    case CommandCode.TIME_SET:
      return [0, 0, 0, 0, ...random.bytes(4), 0, 0, 0, 0];
    case CommandCode.LOG_FOLLOW:
      return [random.below(2)];
    default:
      return [];
  }
}
