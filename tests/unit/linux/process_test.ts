import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { overrideLibc, setErrno } from "../../../lib/linux/libc.ts";
import {
  decodeExit,
  drainChildExits,
  kill,
  killAll,
  killGroup,
  reapChildren,
  waitForExit,
} from "../../../lib/linux/process.ts";
import { spawn } from "../../../lib/linux/spawn.ts";

Deno.test("decodeExit tells every exit code and every signal apart", () => {
  for (let code = 0; code < 256; code++) {
    const exit = decodeExit(2, code << 8, 1.5);
    assertEquals([exit.exitCode, exit.signal, exit.coreDumped, exit.timeMs], [
      code,
      null,
      false,
      1.5,
    ]);
  }
  for (let signal = 1; signal <= 64; signal++) {
    for (const core of [0, 0x80]) {
      const exit = decodeExit(2, signal | core, 0);
      assertEquals([exit.exitCode, exit.coreDumped], [null, core !== 0]);
      assertEquals(typeof exit.signal, "string");
    }
  }
  assertEquals(decodeExit(2, 9, 0).signal, "SIGKILL");
  assertEquals(decodeExit(2, 34, 0).signal, "SIGRTMIN");
});

/** A kernel with as many zombies as said, which all exited with their number modulo 256. */
function zombies(count: number): { undo: Disposable; reaped: () => number } {
  let next = 0;
  return {
    reaped: () => next,
    undo: overrideLibc({
      waitpid: (_pid, status) => {
        if (next === count) return setErrno(10);
        const word = status as Int32Array;
        word[0] = (next & 0xFF) << 8;
        return 1000 + next++;
      },
    }),
  };
}

Deno.test("reapChildren stops at its limit, and drainChildExits hands out the rest, each once", () => {
  const { undo, reaped } = zombies(100);
  using _ = undo;
  assertEquals(reapChildren(30), 30);
  assertEquals(reaped(), 30);
  const first = drainChildExits(20);
  assertEquals(
    first.map((exit) => exit.pid),
    Array.from({ length: 20 }, (_, n) => 1000 + n),
  );
  // 10 are left of those that were reaped; no more than asked for are taken.
  assertEquals(
    drainChildExits(15).map((exit) => exit.pid),
    Array.from({ length: 15 }, (_, n) => 1020 + n),
  );
  assertEquals(reaped(), 35);
  const rest = drainChildExits();
  assertEquals(rest.length, 65);
  assertEquals(rest.at(-1)?.exitCode, 99);
  assertEquals(drainChildExits(), []);
});

Deno.test("reapChildren leaves zombies to the kernel when nobody takes the exits, so that none is lost", () => {
  const { undo, reaped } = zombies(200_000);
  using _ = undo;
  for (let round = 0; round < 300; round++) reapChildren(1024);
  assertEquals(reaped(), 65_536);
  let total = 0;
  for (;;) {
    const exits = drainChildExits();
    if (exits.length === 0) break;
    exits.forEach((exit, index) =>
      assertEquals(exit.pid, 1000 + total + index)
    );
    total += exits.length;
  }
  assertEquals(total, 200_000);
});

Deno.test("reapChildren goes on after a signal and ends at 0 or ECHILD", () => {
  const answers = [() => setErrno(4), () => 17, () => setErrno(4), () => 0];
  let calls = 0;
  using _ = overrideLibc({
    waitpid: () => answers[calls++]?.() ?? setErrno(10),
  });
  assertEquals(reapChildren(10), 1);
  assertEquals(calls, 4);
  assertEquals(drainChildExits().map((exit) => exit.pid), [17]);
});

Deno.test("kill, killGroup and killAll can't reach more processes than they say", () => {
  const calls: number[] = [];
  using _ = overrideLibc({
    kill: (target) => {
      calls.push(target);
      return 0;
    },
    getpid: () => 4711,
  });
  for (const pid of [0, -1, -5, 1.5, NaN, Infinity]) {
    assertThrows(() => kill(pid, 15), SystemError, "EINVAL");
    assertThrows(() => killGroup(pid, 15), SystemError, "EINVAL");
  }
  assertThrows(() => killGroup(1, 15), SystemError, "expected a group above 1");
  assertThrows(() => killAll(15), SystemError, "expected process 1");
  assertEquals(calls, []);
  kill(5, 15);
  killGroup(5, 15);
  assertEquals(calls, [5, -5]);
});

Deno.test("kill and killGroup answer false when nobody is there", () => {
  const pid = spawn({ argv: ["/bin/true"], env: {} });
  waitForExit(pid);
  assertFalse(kill(pid, 0));
  assertFalse(killGroup(pid, 0));
  assertThrows(() => waitForExit(pid), SystemError, "ECHILD");
});
