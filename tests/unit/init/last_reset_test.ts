/** Why the boot before ended, from what it may leave. */
import { assertEquals } from "@std/assert";
import { moduleParameters } from "../../../lib/init/command_line.ts";
import { lastReset, type PastEvent } from "../../../lib/init/last_reset.ts";
import { readKernelLogs } from "../../../lib/init/pstore.ts";
import { EventSeverity } from "../../../lib/wire/event.ts";
import {
  type EventCodeName,
  eventCodes,
} from "../../../lib/wire/event_code.ts";

const event = (name: EventCodeName, text = ""): PastEvent => ({
  eventCode: eventCodes[name].code,
  payload: new TextEncoder().encode(text),
});

const NOTHING = { kernelLogs: [], watchdogFired: false, events: [] };

Deno.test("lastReset has nothing to tell of a machine that never booted", () => {
  assertEquals(lastReset(NOTHING), null);
});

Deno.test("lastReset tells of an orderly end who asked for it, as no more than information", () => {
  const events = [
    event("BOOT", "boot 1"),
    event("SHUTDOWN_REQUESTED", "reboot, asked for by the host"),
    event("SHUTDOWN", "reboot after 0.1 s"),
  ];
  assertEquals(lastReset({ ...NOTHING, events }), {
    severity: EventSeverity.INFO,
    text: "reboot, asked for by the host",
  });
});

Deno.test("lastReset tells of a storm of exceptions as a fault, whether the end was in order or the watchdog's", () => {
  const events = [
    event("BOOT", "boot 1"),
    event("EXCEPTION_STORM", "100 exceptions in 7 ms"),
    event("SHUTDOWN_REQUESTED", "reboot, asked for by an exception storm"),
  ];
  const expected = {
    severity: EventSeverity.ERROR,
    text: "exception storm: 100 exceptions in 7 ms",
  };
  const over = [...events, event("SHUTDOWN", "reboot after 0.1 s")];
  assertEquals(lastReset({ ...NOTHING, events: over }), expected);
  const fired = { ...NOTHING, events, watchdogFired: true };
  assertEquals(lastReset(fired), expected);
  const later = [...over, event("BOOT", "boot 2"), event("READY", "x")];
  assertEquals(
    lastReset({ ...NOTHING, events: later })?.text,
    "power cut or reset; last was READY x",
  );
});

Deno.test("lastReset tells of a cut what was last heard", () => {
  const text = (events: PastEvent[]) => lastReset({ ...NOTHING, events })?.text;
  assertEquals(
    text([event("BOOT", "boot 4"), event("READY", "nominal")]),
    "power cut or reset; last was READY nominal",
  );
  assertEquals(
    text([
      event("BOOT"),
      event("SHUTDOWN_REQUESTED", "poweroff, asked for by the host"),
    ]),
    "power cut or reset during poweroff, asked for by the host; last was SHUTDOWN_REQUESTED poweroff, asked for by the host",
  );
});

Deno.test("lastReset tells why the watchdog starved, of the last boot only, and not if it was fed again", () => {
  const starved = event("WATCHDOG_STARVED", "critical and down: web");
  const text = (events: PastEvent[], watchdogFired = false) =>
    lastReset({ ...NOTHING, events, watchdogFired })?.text;
  assertEquals(
    text([event("BOOT"), starved]),
    "watchdog: critical and down: web",
  );
  assertEquals(
    text([event("BOOT"), starved, event("WATCHDOG_FED"), event("READY", "x")]),
    "power cut or reset; last was READY x",
  );
  assertEquals(
    text([event("BOOT"), starved, event("BOOT", "boot 2")]),
    "power cut or reset; last was BOOT boot 2",
  );
  assertEquals(text([event("BOOT")], true), "watchdog: the init did not turn");
});

Deno.test("lastReset trusts the kernel's last words most, and takes any text for them", () => {
  const events = [event("BOOT"), event("WATCHDOG_STARVED", "x")];
  const kernelLogs = [
    "Oops#1 Part1\n<4>[ 1.0] BUG: something\n",
    "Panic#2 Part1\n<0>[ 9.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n<4>more\n",
  ];
  assertEquals(
    lastReset({ kernelLogs, watchdogFired: true, events })?.text,
    "kernel panic: Attempted to kill init! exitcode=0x0000000b",
  );
  assertEquals(lastReset({ ...NOTHING, kernelLogs: ["\0\0", ""] }), null);
});

Deno.test("readKernelLogs reads the records of the log only, bounded, and can make room", () => {
  const folder = Deno.makeTempDirSync();
  Deno.writeTextFileSync(`${folder}/dmesg-ramoops-0`, "a");
  Deno.writeTextFileSync(`${folder}/console-ramoops-0`, "b");
  Deno.mkdirSync(`${folder}/dmesg-folder`);
  const { texts, forget } = readKernelLogs(folder);
  assertEquals(texts, ["a"]);
  forget();
  assertEquals(
    [...Deno.readDirSync(folder)].map(({ name }) => name).sort(),
    ["console-ramoops-0", "dmesg-folder"],
  );
  Deno.removeSync(folder, { recursive: true });
  assertEquals(readKernelLogs("/no/such/folder").texts, []);
});

Deno.test("moduleParameters hands a module what is its own", () => {
  const line =
    'ramoops.a=1 x ramoops.b="c d" RAMOOPS.z=1 .a=1 virtio-blk.q=2 -- ramoops.late=1';
  assertEquals(moduleParameters(line, "ramoops"), 'a=1 b="c d"');
  assertEquals(moduleParameters(line, "virtio_blk"), "q=2");
  assertEquals(moduleParameters(line, "softdog"), "");
});
