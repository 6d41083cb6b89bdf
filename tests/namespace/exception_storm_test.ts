/** An init that throws and throws: it gives up in order, and the next boot says why there is one. */
import { assertMatch } from "@std/assert";
import { makeDisk } from "../fixtures/make_disk.ts";
import { InitMachine } from "./init_machine.ts";

Deno.test("a storm of exceptions ends in a reboot in order, and the next boot tells of it", async () => {
  let disk: Uint8Array = makeDisk("good");
  {
    await using machine = InitMachine.start({
      disk,
      services: { sleeper: { command: ["/bin/sleep", "1000"] } },
      program: "storm.ts",
    });
    await machine.waitFor(/READY.*1 of 1 services running/);
    Deno.writeTextFileSync(`${machine.folder}/storm`, "");
    await machine.ended;
    const { console: text } = machine;
    assertMatch(text, /uncaught exception: Error: a defect of the init/);
    assertMatch(text, /INTERNAL_ERROR 1: a defect of the init/);
    assertMatch(text, /sleeper: stopped after/);
    assertMatch(text, /reboot after [\d.]+ s\n/);
    disk = machine.readDisk();
  }
  await using machine = InitMachine.start({ disk });
  const [, reason] = await machine.waitFor(/LAST_RESET ([^\n]*)\n/);
  assertMatch(reason ?? "", /^exception storm: 100 exceptions in \d+ ms$/);
  await machine.waitFor(/BOOT boot 2, /);
});
