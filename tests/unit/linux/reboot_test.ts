import { assertEquals, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { overrideLibc, setErrno } from "../../../lib/linux/libc.ts";
import {
  catchCtrlAltDel,
  halt,
  poweroff,
  reboot,
} from "../../../lib/linux/reboot.ts";

const functions = { poweroff, halt, reboot };

Deno.test("poweroff, halt and reboot give the kernel the command of linux/reboot.h, as PID 1", () => {
  const commands: number[] = [];
  using _ = overrideLibc({
    getpid: () => 1,
    reboot: (command) => {
      commands.push(command);
      return 0;
    },
  });
  // The real call does not come back; the recorded one does, which is an error.
  for (const act of [poweroff, halt, reboot]) {
    assertThrows(() => act(), SystemError, "expected the machine to end");
  }
  catchCtrlAltDel();
  assertEquals(commands, [0x4321FEDC, 0xCDEF0123 | 0, 0x01234567, 0]);
});

Deno.test("poweroff, halt and reboot never reach the kernel from another process unless forced", () => {
  let calls = 0;
  using _ = overrideLibc({
    getpid: () => 4711,
    reboot: () => {
      calls++;
      return setErrno(1);
    },
  });
  for (const [name, act] of Object.entries(functions)) {
    const error = assertThrows(() => act(), SystemError);
    assertEquals(
      error.message,
      `reboot: EPERM, operation not permitted: ${name} refused in process 4711, ` +
        "expected process 1; { force: true } overrides",
    );
  }
  assertEquals(calls, 0);
  const error = assertThrows(() => reboot({ force: true }), SystemError);
  assertEquals([error.message, calls], [
    "reboot: EPERM, operation not permitted",
    1,
  ]);
});
