/**
 * A disk that takes no writes any more: the machine goes on, says what is
 * wrong and that it is degraded, and is nominal again when the disk takes
 * writes.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { INIT_PARAMETERS } from "../../lib/init/config.ts";
import { encodeEventsRequest } from "../../lib/wire/event_list.ts";
import { FrameType } from "../../lib/wire/frame.ts";
import { decodeHealth, SystemMode } from "../../lib/wire/health.ts";
import { ParameterStatus } from "../../lib/wire/parameter_message.ts";
import { CommandCode } from "../../lib/wire/telecommand.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { Host } from "./host.ts";
import { Machine } from "./machine.ts";
import { overlaid, programFile, serviceFile, textFile } from "./overlay.ts";

const FAULT_PROGRAM = new URL("../fixtures/fault.pl", import.meta.url);

/** A service that makes the disk read-only, or writable again. */
const setter = (name: string, isReadOnly: 0 | 1) =>
  serviceFile(name, {
    command: [
      ...["/usr/bin/perl", "/fault.pl", "disk-read-only", "/dev/vda"],
      String(isReadOnly),
    ],
    type: "oneshot",
    start: "demand",
    restart: "never",
  });

Deno.test("a disk that becomes read-only makes the machine degraded until it takes writes again", async () => {
  using image = overlaid([
    programFile("/usr/bin/perl"),
    textFile("/fault.pl", await Deno.readTextFile(FAULT_PROGRAM)),
    setter("lock", 1),
    setter("unlock", 0),
  ]);
  await using machine = Machine.boot({ disk: makeDisk("good"), image });
  const host = new Host(await machine.connectIpc());
  await machine.waitForConsole(/READY after [^\n]*nominal[^\n]*\n/);
  const start = (service: string) =>
    host.done(CommandCode.SERVICE_START, new TextEncoder().encode(service));
  const { id } = INIT_PARAMETERS["health-interval"];
  const setInterval = async (intervalMs: number): Promise<number[]> => {
    const value = Uint8Array.of(0, 0, intervalMs >> 8, intervalMs & 0xFF);
    return (await host.setParameter(id, value)).map(({ status }) => status);
  };
  const modeComes = (mode: SystemMode) =>
    host.receive(
      FrameType.HEALTH,
      (payload) => decodeHealth(payload).mode === mode,
    );
  assertEquals(await setInterval(200), [ParameterStatus.OK]);

  await start("lock");
  await modeComes(SystemMode.DEGRADED);
  await machine.waitForConsole(/STORAGE_FAILED storage: EROFS: [^\n]*\n/);
  await machine.waitForConsole(/MODE_CHANGED nominal -> degraded/);
  assertEquals(await setInterval(300), [ParameterStatus.STORAGE_ERROR]);

  await start("unlock");
  await machine.waitForConsole(/STORAGE_RECOVERED [^\n]*\n/);
  await machine.waitForConsole(/MODE_CHANGED degraded -> nominal/);
  await modeComes(SystemMode.NOMINAL);
  assertEquals(await setInterval(200), [ParameterStatus.OK]);
  await host.done(CommandCode.POWEROFF);
  assertEquals(await machine.waitForEnd(), "poweroff");
  assertMatch(machine.console, /STORAGE_RECOVERED \d+ records were lost/);
});

Deno.test("a disk that is read-only from the beginning is told, and what is on it can be read", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-read-only-" });
  const path = `${folder}/disk.img`;
  try {
    await Deno.writeFile(path, makeDisk("good"));
    await using machine = Machine.boot({
      extraArguments: [
        ...["-drive", `file=${path},format=raw,if=none,id=ro,readonly=on`],
        ...["-device", "virtio-blk-pci,drive=ro"],
      ],
    });
    const host = new Host(await machine.connectIpc());
    await machine.waitForConsole(
      /READY after [^\n]*degraded[^\n]*storage\r?\n/,
    );
    assertMatch(
      machine.console,
      /STORAGE_FAILED storage: EROFS: the device is read-only/,
    );
    const { id } = INIT_PARAMETERS["health-interval"];
    const [answer] = await host.setParameter(id, Uint8Array.of(0, 0, 1, 0));
    assertEquals(answer?.status, ParameterStatus.STORAGE_ERROR);
    await host.done(
      CommandCode.EVENTS_READ,
      encodeEventsRequest({ from: 0n, count: 96 }),
    );
    await host.done(CommandCode.POWEROFF);
    assertEquals(await machine.waitForEnd(), "poweroff");
    assertEquals(await Deno.readFile(path), makeDisk("good"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
