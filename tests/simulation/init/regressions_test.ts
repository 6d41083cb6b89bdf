/**
 * Lives of a machine in which something went wrong once, as small as they go:
 * of those that are too long or too odd for a unit test. They are told in full,
 * so that they stay what they are when the drawing changes.
 */
import { defineService } from "../../../lib/supervisor/definition.ts";
import { FrameType } from "../../../lib/wire/frame.ts";
import { CommandCode } from "../../../lib/wire/telecommand.ts";
import { INIT_PARAMETERS } from "../../../lib/init/config.ts";
import {
  type Boot,
  type BootEnd,
  type HostFrame,
  type InitOperation,
  type InitScenario,
  toldScenario,
} from "./scenario.ts";
import { newInitTally, playInit } from "./simulation.ts";

type Timed = Boot["operations"][number];

const HALT: BootEnd = {
  kind: "orderly",
  command: CommandCode.HALT,
  refusals: 0,
  syncMs: 50,
  cutAfterMs: Infinity,
};

function at(atMs: number, operation: InitOperation): Timed {
  return { atMs, operation };
}

function sends(atMs: number, times: number, frame: HostFrame): Timed {
  return at(atMs, { kind: "host-sends", frame, times });
}

function boot(
  operations: readonly Timed[],
  rest: Pick<Boot, "endMs"> & Partial<Boot>,
): Boot {
  return { safeMode: false, end: HALT, isCalm: false, operations, ...rest };
}

/** A value that is stored and changes nothing else. */
const SET_OWN: HostFrame = {
  kind: "parameter-set",
  id: INIT_PARAMETERS["boot-count"].id,
  value: [0, 0, 0, 7],
};

const SET_INTERVAL: HostFrame = {
  kind: "parameter-set",
  id: INIT_PARAMETERS["health-interval"].id,
  value: [0, 0, 0x12, 0x34],
};

const LIST_PRODUCTS: HostFrame = {
  kind: "command",
  command: CommandCode.DP_LIST,
  arguments: [],
};

const OPEN: InitOperation = { kind: "host-opens" };

const LIVES: Readonly<Record<string, InitScenario>> = {
  "a machine that is off sets no more timers, however much it had begun":
    toldScenario(
      88_781,
      [
        boot([
          at(451, OPEN),
          sends(468, 61, SET_OWN),
          at(641, { kind: "disk-hangs", forMs: 127_408 }),
          sends(1_093, 1, SET_INTERVAL),
        ], { endMs: 1_442, end: { ...HALT, cutAfterMs: 1_288 } }),
        boot([], { endMs: 52_755 }),
      ],
      { watchdogSeconds: 40 },
    ),
  "many answers that need no disk come without anything else to happen":
    toldScenario(
      41_719,
      [boot([at(166, OPEN), sends(2_191, 151, SET_OWN)], {
        endMs: 13_223,
        isCalm: true,
      })],
      { hasDisk: false },
    ),
  "a service that runs when all becomes well beats on": toldScenario(
    28_960,
    [
      boot([], { endMs: 9_789, end: { kind: "power-cut" } }),
      boot([at(3_526, { kind: "crash", service: "s0" })], {
        endMs: 4_920,
        isCalm: true,
      }),
    ],
    {
      definitions: [defineService("s0", {
        command: ["/bin/s0"],
        readiness: {
          kind: "path",
          fd: null,
          path: "/run/x",
          timeoutMs: 5_136,
        },
        restart: "always",
        backoff: {
          initialMs: 1_000,
          factor: 4,
          maximumMs: 6_672,
          jitter: 0,
          resetAfterMs: 9_887,
        },
        restartLimit: { maximum: null, windowMs: 29_056 },
        health: { watchdogMs: 6_620 },
        stop: { signal: "SIGTERM", timeoutMs: 3_890, scope: "group" },
        safeMode: true,
      })],
    },
  ),
  "what one host is refused may come to the next": toldScenario(73_790, [
    boot([
      at(4, OPEN),
      sends(25, 351, LIST_PRODUCTS),
      at(39, { kind: "host-hangs-up", unfinishedBytes: 121 }),
    ], { endMs: 43, isCalm: true }),
  ]),
  "who is refused asks again": toldScenario(126_212, [
    boot([
      at(5_517, OPEN),
      at(5_674, { kind: "disk-hangs", forMs: 140_380 }),
      sends(6_828, 274, SET_INTERVAL),
      sends(7_401, 1, {
        kind: "command",
        command: CommandCode.ENTER_SAFE_MODE,
        arguments: [],
      }),
    ], { endMs: 9_634, isCalm: true }),
  ], {
    definitions: [defineService("s0", {
      command: ["/bin/s0"],
      type: "oneshot",
      restart: "never",
    })],
  }),
  "nobody is given what one asked that came and went unseen": toldScenario(
    2_027,
    [
      boot([
        at(92, { kind: "stall", forMs: 1_736 }),
        at(148, OPEN),
        at(1_012, { kind: "stall", forMs: 2_951 }),
        sends(2_266, 1, {
          kind: "other",
          type: FrameType.DP,
          apid: 0,
          payloadBytes: 112,
        }),
        at(2_946, { kind: "host-hangs-up", unfinishedBytes: 43 }),
      ], { endMs: 6_260 }),
    ],
  ),
  "who asks much and then does not read misses refusals": toldScenario(45_195, [
    boot([
      at(0, OPEN),
      sends(8, 157, { kind: "garbage", seed: 807_149_294 }),
      at(9, { kind: "host-pauses", forMs: 16_987 }),
    ], { endMs: 16, isCalm: true }),
  ]),
  "who reads misses none, also when the machine stood still": toldScenario(
    66_209,
    [
      boot([
        at(16, OPEN),
        sends(29, 60, { kind: "garbage", seed: 1 }),
        sends(33, 82, { kind: "garbage", seed: 1_807_478_306 }),
        at(35, { kind: "stall", forMs: 899 }),
      ], { endMs: 39, isCalm: true }),
    ],
  ),
};

for (const [name, scenario] of Object.entries(LIVES)) {
  Deno.test(`the whole init: ${name}`, async () => {
    await playInit(scenario, newInitTally());
  });
}
