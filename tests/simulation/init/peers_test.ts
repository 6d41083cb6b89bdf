/**
 * Lives of machines that peers have met, played from scripts written by hand;
 * `tests/unit/peer_scenarios_test.ts` has the whole table.
 */
import { assertEquals } from "@std/assert";
import { CommandCode } from "../../../lib/wire/telecommand.ts";
import { type Boot, type InitScenario, toldScenario } from "./scenario.ts";
import { type InitTally, newInitTally, playInit } from "./simulation.ts";

const QUIET: Boot = {
  safeMode: false,
  operations: [{ atMs: 0, operation: { kind: "host-opens" } }],
  endMs: 1_000,
  isCalm: false,
  end: {
    kind: "orderly",
    command: CommandCode.REBOOT,
    refusals: 0,
    syncMs: 0,
    cutAfterMs: Infinity,
  },
};

async function live(
  boots: readonly Boot[],
  change: Partial<InitScenario> = {},
): Promise<{ readonly tally: InitTally; readonly lines: readonly string[] }> {
  const tally = newInitTally();
  const lines: string[] = [];
  await playInit(
    toldScenario(1, boots, change),
    tally,
    (line) => lines.push(line),
  );
  return { tally, lines };
}

Deno.test("a sync that never ends does not keep the machine up", async () => {
  const end = { ...QUIET.end, syncMs: Infinity };
  const { tally, lines } = await live([{ ...QUIET, end } as Boot]);
  assertEquals(tally.orderlyEnds, 1);
  assertEquals(
    lines.filter((line) => line.includes("out of time: unmount")).length,
    1,
  );
});

Deno.test("a disk that never answers again does not keep the machine up", async () => {
  const hang = { kind: "disk-hangs", forMs: 1e9 } as const;
  const operations = [...QUIET.operations, { atMs: 900, operation: hang }];
  const { tally, lines } = await live([{ ...QUIET, operations }]);
  assertEquals(tally.orderlyEnds, 1);
  assertEquals(
    lines.filter((line) => line.includes("out of time: storage")).length,
    1,
  );
});

Deno.test("a reboot that fails is tried again, and then the watchdog's", async () => {
  const twice = { ...QUIET.end, refusals: 2 };
  const first = await live([{ ...QUIET, end: twice } as Boot]);
  assertEquals(first.tally.orderlyEnds, 1);
  const always = { ...QUIET.end, refusals: Infinity };
  const { tally } = await live([{ ...QUIET, end: always } as Boot], {
    watchdogSeconds: 30,
  });
  assertEquals(tally.watchdogResets, 1);
});

Deno.test("a machine whose disk is dead is reset by its watchdog", async () => {
  const hang = { kind: "disk-hangs", forMs: 1e9 } as const;
  const speak = {
    kind: "host-sends",
    frame: {
      kind: "command",
      command: CommandCode.ENTER_SAFE_MODE,
      arguments: [],
    },
    times: 1,
  } as const;
  const operations = [
    ...QUIET.operations,
    { atMs: 500, operation: hang },
    { atMs: 600, operation: speak },
  ];
  const boot: Boot = { ...QUIET, operations, endMs: 300_000 };
  const { tally } = await live([boot], { watchdogSeconds: 30 });
  assertEquals(tally.watchdogResets, 1);
});

Deno.test("three boots that are cut short lead to safe mode, and the host leads out of it", async () => {
  const cut: Boot = { ...QUIET, end: { kind: "power-cut" } };
  const leave = {
    kind: "host-sends",
    frame: {
      kind: "command",
      command: CommandCode.LEAVE_SAFE_MODE,
      arguments: [],
    },
    times: 1,
  } as const;
  const operations = [...QUIET.operations, { atMs: 500, operation: leave }];
  const last: Boot = { ...QUIET, operations };
  const { lines } = await live([cut, cut, cut, last]);
  const modes = lines.flatMap((line) =>
    line.match(/MODE_CHANGED (.*)$/)?.[1] ?? []
  );
  assertEquals(modes.slice(-3), [
    "booting -> safe",
    "safe -> nominal",
    "nominal -> shuttingDown",
  ]);
});

Deno.test("SIGTERM before anybody listens ends the machine in order", async () => {
  const term = { kind: "signal", signal: "SIGTERM" } as const;
  const operations = [{ atMs: 0, operation: term }];
  const { tally } = await live([{ ...QUIET, operations }]);
  assertEquals(tally.orderlyEnds, 1);
});
