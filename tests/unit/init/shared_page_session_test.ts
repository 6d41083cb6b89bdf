import { assertEquals } from "@std/assert";
import {
  PAGE_INTERVAL_MS,
  SharedPageSession,
} from "../../../lib/init/shared_page_session.ts";
import {
  SHARED_PAGE_SIZE_BYTES,
  SharedPage,
} from "../../../lib/wire/shared_page.ts";
import { CommandCode } from "../../../lib/wire/telecommand.ts";

/** A page with both sides in one place. */
class Bench {
  readonly memory: Uint8Array;
  readonly host: SharedPage;
  readonly commands: string[] = [];
  readonly times: string[] = [];
  readonly problems: string[] = [];
  missionMs = 1_000_000;
  #session: SharedPageSession;

  constructor(memory = new Uint8Array(SHARED_PAGE_SIZE_BYTES)) {
    this.memory = memory;
    this.host = new SharedPage(memory);
    this.#session = this.#begin();
  }

  #begin(): SharedPageSession {
    return new SharedPageSession(new SharedPage(this.memory), {
      missionMs: () => this.missionMs,
      onTime: ({ seconds, nanos }) =>
        void this.times.push(`${seconds}.${nanos}`),
      onRequest: (request) => {
        this.commands.push(request.action.kind);
        assertEquals(this.#session.hasAsked(request), true);
        assertEquals(this.#session.hasAsked({ ...request }), false);
      },
      onProblem: (text) => void this.problems.push(text),
    });
  }

  reboot(): void {
    this.#session = this.#begin();
  }

  beat(isAlive = true): void {
    this.#session.beat({ isAlive, mode: 1, text: "nominal, 2 of 2" });
  }
}

Deno.test("the page beats while the init lives, across reboots, and tells how it is", () => {
  const bench = new Bench();
  bench.beat();
  bench.beat();
  assertEquals(bench.host.word64("guestHeartbeat"), 2n);
  assertEquals(bench.host.word32("guestStatus"), 1);
  assertEquals(bench.host.snapshot().guestHealth, "nominal, 2 of 2");
  bench.beat(false);
  assertEquals(bench.host.word64("guestHeartbeat"), 2n);
  bench.reboot();
  bench.beat();
  assertEquals(bench.host.word64("guestHeartbeat"), 3n);
});

Deno.test("a command on the page is taken once, acknowledged, and not again after a reboot", () => {
  const bench = new Bench();
  bench.host.setWord32("hostCommand", CommandCode.REBOOT);
  bench.beat();
  bench.beat();
  assertEquals(bench.commands, ["power"]);
  assertEquals(bench.host.word32("guestCommandAck"), CommandCode.REBOOT);
  bench.reboot();
  bench.beat();
  assertEquals(bench.commands, ["power"]);
  // The same again: by way of 0.
  bench.host.setWord32("hostCommand", 0);
  bench.beat();
  assertEquals(bench.host.word32("guestCommandAck"), 0);
  bench.host.setWord32("hostCommand", CommandCode.REBOOT);
  bench.beat();
  assertEquals(bench.commands, ["power", "power"]);
});

Deno.test("a command that the page does not know is said once, and never taken", () => {
  const bench = new Bench();
  for (
    const command of [
      CommandCode.PING,
      CommandCode.SERVICE_STOP,
      0x10002,
      2 ** 32 - 1,
    ]
  ) {
    bench.host.setWord32("hostCommand", command);
    for (let beat = 0; beat < 3; beat++) bench.beat();
    assertEquals(bench.host.word32("guestCommandAck"), 0);
    assertEquals(
      bench.problems.pop(),
      `shared page: host_command is ${command}, expected 0 or one of 2, 3, 4, 11, 12`,
    );
    assertEquals(bench.problems, []);
  }
  assertEquals(bench.commands, []);
});

Deno.test("the host's time is taken when it is new and differs by more than the look takes", () => {
  const bench = new Bench();
  bench.host.writeMissionTime({ seconds: 5n, nanos: 0 });
  // Written before the init began: old.
  bench.reboot();
  bench.beat();
  assertEquals(bench.times, []);
  const nowS = BigInt(bench.missionMs / 1000);
  bench.host.writeMissionTime({ seconds: nowS, nanos: 1 });
  bench.beat();
  bench.missionMs += PAGE_INTERVAL_MS;
  bench.host.writeMissionTime({ seconds: nowS, nanos: 2 });
  bench.beat();
  assertEquals(bench.times, []);
  bench.host.writeMissionTime({ seconds: nowS + 10n, nanos: 3 });
  bench.beat();
  bench.beat();
  assertEquals(bench.times, [`${nowS + 10n}.3`]);
});

Deno.test("a host that died while it wrote the time, or wrote nonsense, is said once and outlived", () => {
  const bench = new Bench();
  const view = new DataView(bench.memory.buffer);
  view.setUint32(0x010, 7);
  for (let beat = 0; beat < 3; beat++) bench.beat();
  assertEquals(bench.problems.length, 1);
  assertEquals(bench.host.word64("guestHeartbeat"), 3n);
  // The next writer begins where the dead one stopped.
  bench.host.writeMissionTime({ seconds: 1n, nanos: 0 });
  bench.beat();
  assertEquals(bench.times, ["1.0"]);
  view.setUint32(0x01C, 1_000_000_000);
  view.setUint32(0x010, 100);
  for (let beat = 0; beat < 3; beat++) bench.beat();
  assertEquals(bench.problems.length, 2);
  assertEquals(bench.times, ["1.0"]);
});

Deno.test("whatever the page holds, the init's side neither throws nor stops", () => {
  let seed = 0xBEEF;
  for (let round = 0; round < 3_000; round++) {
    const memory = new Uint8Array(SHARED_PAGE_SIZE_BYTES);
    for (let index = 0; index < 0x30; index++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      memory[index] = round % 3 === 0 ? seed >>> 24 : (seed >>> 24) & 0x0F;
    }
    const bench = new Bench(memory);
    const before = bench.host.word64("guestHeartbeat");
    bench.beat();
    assertEquals(
      bench.host.word64("guestHeartbeat"),
      BigInt.asUintN(64, before + 1n),
      `seed 0xBEEF, round ${round}`,
    );
  }
});
