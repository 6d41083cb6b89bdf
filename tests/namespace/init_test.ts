/** The whole init as PID 1 of a namespace: boot, services, logs, the end. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { makeDisk } from "../fixtures/make_disk.ts";
import { InitMachine } from "./init_machine.ts";
import { statusFields } from "./namespace.ts";
import { oneProcessOf } from "./supervisor_facts.ts";

const sh = (script: string) => ["/bin/sh", "-c", script];

Deno.test("the init boots, runs a service, logs its lines, and ends at SIGTERM", async () => {
  await using machine = InitMachine.start({
    disk: makeDisk("good"),
    services: {
      talker: {
        command: sh(
          "echo out; echo err >&2; printf unfinished; exec sleep 1000",
        ),
      },
    },
  });
  await machine.waitFor(/READY.*1 of 1 services running/);
  await machine.waitFor(/talker: out\n/);
  await machine.waitFor(/talker: err\n/);
  const talker = await oneProcessOf(machine, "talker");
  await machine.until(
    () => statusFields(talker)?.["Name"] === "sleep",
    "the service to have said all",
  );
  await machine.signal("SIGTERM");
  const status = await machine.ended;
  // The kernel ends a namespace's init with SIGINT when it asks for power-off.
  assertEquals(status.success, false);
  assertStringIncludes(machine.console, "talker: unfinished\n");
  assertMatch(machine.console, /talker: stopped after [\d.]+ ms/);
  assertMatch(machine.console, /poweroff after [\d.]+ s\n$/);
});

Deno.test("the init says who asked for the end before", async () => {
  let disk: Uint8Array = makeDisk("good");
  {
    await using machine = InitMachine.start({ disk });
    await machine.waitFor(/READY after/);
    await machine.signal("SIGINT");
    await machine.ended;
    disk = machine.readDisk();
  }
  await using machine = InitMachine.start({ disk });
  await machine.waitFor(/LAST_RESET poweroff, asked for by SIGINT\n/);
  await machine.waitFor(/BOOT boot 2, 0 failed before it/);
});
