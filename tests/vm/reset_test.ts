/**
 * How a machine comes back: by its watchdog when the init does not turn or a
 * critical service is gone for good, by its kernel when that panics; three such
 * boots lead to safe mode, and each boot's first event tells why there was one.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventCodeName, eventCodes } from "../../lib/wire/event_code.ts";
import {
  decodeEventList,
  encodeEventsRequest,
} from "../../lib/wire/event_list.ts";
import { FrameType } from "../../lib/wire/frame.ts";
import { decodeHealth } from "../../lib/wire/health.ts";
import { CommandCode } from "../../lib/wire/telecommand.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { Host } from "./host.ts";
import { Machine } from "./machine.ts";
import { overlaid, programFile, serviceFile, textFile } from "./overlay.ts";

const FAULT_PROGRAM = new URL("../fixtures/fault.pl", import.meta.url);

const fault = (name: string, args: readonly string[], more = {}) =>
  serviceFile(name, {
    command: ["/usr/bin/perl", "/fault.pl", ...args],
    type: "oneshot",
    start: "demand",
    restart: "never",
    ...more,
  });

function testImage() {
  return overlaid([
    programFile("/usr/bin/perl"),
    textFile("/fault.pl", Deno.readTextFileSync(FAULT_PROGRAM)),
    fault("vital", ["no-such-fault"], { type: "process", critical: true }),
    fault("freeze-init", ["freeze-init"]),
    fault("panic", ["panic"]),
    // Nobody is left to be killed for its sake.
    fault("hog", ["memory", "2000"], { oomScoreAdjust: -1000, safeMode: true }),
  ]);
}

const start = (host: Host, service: string) =>
  host.command(CommandCode.SERVICE_START, new TextEncoder().encode(service));

/** What the console shows from the last boot on. */
const lastBoot = (machine: Machine): string =>
  machine.console.slice(machine.console.lastIndexOf("watchdog: Software"));

/** Waits until the machine has been READY so many times. */
async function ready(machine: Machine, boots: number): Promise<void> {
  await machine.waitForConsole(
    new RegExp(`(?:READY after[\\s\\S]*){${boots}}\\n`),
  );
}

/** The first event of the present boot, by its text. */
function lastReset(machine: Machine): string {
  const [, text = ""] = /LAST_RESET ([^\n]*)/.exec(lastBoot(machine)) ?? [];
  return text;
}

Deno.test("watchdog and panic reset the machine, which tells why, ends in safe mode, and is led out of it", async () => {
  using image = testImage();
  await using machine = Machine.boot({
    image,
    disk: makeDisk("good"),
    append: "spaceos.watchdog=4 softdog.nowayout=1",
    restartOnReset: true,
  });
  const host = new Host(await machine.connectIpc());
  await ready(machine, 1);
  assert(!machine.console.includes("LAST_RESET"), "there was no boot before");
  assertMatch(machine.console, /watchdog: Software Watchdog, 4 s, no way out/);

  // A healthy one is never reset, however long: here two time-outs.
  const before = decodeHealth(await host.receive(FrameType.HEALTH));
  const later = decodeHealth(
    await host.receive(
      FrameType.HEALTH,
      (payload) =>
        decodeHealth(payload).uptimeSeconds >= before.uptimeSeconds + 8,
    ),
  );
  const pets = later.watchdogPets - before.watchdogPets;
  assert(pets >= 2, `${pets} pets`);
  assertEquals(machine.console.match(/READY after/g)?.length, 1);

  await start(host, "vital");
  await machine.waitForConsole(/WATCHDOG_STARVED critical and down: vital/);
  await ready(machine, 2);
  assertEquals(lastReset(machine), "watchdog: critical and down: vital");
  assertMatch(machine.console, /BOOT boot 2, 1 failed before it/);

  await start(host, "freeze-init");
  await ready(machine, 3);
  assertMatch(lastReset(machine), /^power cut or reset; last was /);

  await start(host, "panic");
  await ready(machine, 4);
  assertEquals(lastReset(machine), "kernel panic: sysrq triggered crash");

  // Three failed boots: this one is safe, and stays so.
  assertMatch(lastBoot(machine), /safe mode: 3 boots in a row failed/);
  assertMatch(lastBoot(machine), /READY after [^\n]*safe/);
  assertEquals((await start(host, "vital")).status, 0);
  const { events } = decodeEventList(
    await host.done(
      CommandCode.EVENTS_READ,
      encodeEventsRequest({ from: 0n, count: 96 }),
    ),
  );
  const booted = events.findLastIndex(({ eventCode }) =>
    eventCode === eventCodes.BOOT.code
  );
  const names = events.map(({ eventCode }) => eventCodeName(eventCode));
  assertEquals(names[booted - 1], "LAST_RESET", names.join(" "));

  await start(host, "hog");
  await ready(machine, 5);
  assertMatch(
    lastReset(machine),
    /^kernel panic: (System is deadlocked on memory|Out of memory)/,
  );
  assertMatch(lastBoot(machine), /BOOT boot 5, 4 failed before it/);
  assertMatch(lastBoot(machine), /READY after [^\n]*safe/);
  await host.done(CommandCode.LEAVE_SAFE_MODE);
  await machine.waitForConsole(/SAFE_MODE_LEFT[\s\S]*MODE_CHANGED safe -> /);
  await host.done(CommandCode.POWEROFF);
  await machine.waitForEnd();
  assertMatch(lastBoot(machine), /poweroff after [\d.]+ s/);
});
