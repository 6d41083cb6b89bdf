/**
 * The built image on disks that are made to do harm: it boots, says which field
 * is wrong, answers the host, and powers off.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { encodeEventsRequest } from "../../lib/wire/event_list.ts";
import { encodeListRequest } from "../../lib/wire/result_list.ts";
import { CommandCode, CommandStatus } from "../../lib/wire/telecommand.ts";
import { hostileDisks, hostileStores } from "../fixtures/hostile_disks.ts";
import { Host } from "./host.ts";
import { Machine } from "./machine.ts";

Deno.test("the init boots with stores that are all hostile, and answers what is asked of them", async () => {
  const disk = hostileStores();
  await using machine = Machine.boot({ disk });
  const host = new Host(await machine.connectIpc());
  await machine.waitForConsole(/READY.*\n/);
  await host.done(CommandCode.PING);
  await host.done(
    CommandCode.EVENTS_READ,
    encodeEventsRequest({ from: 0n, count: 96 }),
  );
  await host.done(CommandCode.DP_LIST, encodeListRequest(0));
  assertEquals(
    (await host.command(CommandCode.POWEROFF)).status,
    CommandStatus.OK,
  );
  assertEquals(await machine.waitForEnd(), "poweroff");
  assertEquals(
    machine.readDisk().subarray(0, 512),
    disk.subarray(0, 512),
    "the superblock stays",
  );
});

/** Those that no other boot meets; the library is tested with every one. */
const FIELDS = ["format_version", "dp_start"];

for (const field of FIELDS) {
  const disk = hostileDisks().find((other) => other.field === field);
  Deno.test(`the init boots on ${disk?.name} under a right check sum, and names the field`, async () => {
    if (disk === undefined) throw new Error(`no disk with a bad ${field}`);
    await using machine = Machine.boot({ disk: disk.bytes });
    await machine.waitForConsole(
      new RegExp(`/dev/vda\\b.*\\b${field} is .*expected`),
    );
    await machine.waitForConsole(/READY.*\n/);
    const host = new Host(await machine.connectIpc());
    await host.done(CommandCode.POWEROFF);
    assertEquals(await machine.waitForEnd(), "poweroff");
    assertMatch(machine.console, /storage/i);
    assertEquals(machine.readDisk(), disk.bytes, "nothing is written to it");
  });
}
