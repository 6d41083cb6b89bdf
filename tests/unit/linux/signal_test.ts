import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { overrideLibc } from "../../../lib/linux/libc.ts";
import { drainChildExits, kill } from "../../../lib/linux/process.ts";
import { Poller } from "../../../lib/linux/poller.ts";
import { listenRealTime } from "../../../lib/linux/realtime_signal.ts";
import { setupSignals } from "../../../lib/linux/signal.ts";
import {
  parseSignalSet,
  readSignalState,
} from "../../../lib/linux/signal_mask.ts";
import { SIGNALS } from "../../../lib/linux/signal_table.ts";
import { spawn } from "../../../lib/linux/spawn.ts";
import { isOpen } from "../../../lib/linux/descriptor.ts";
import { close, open } from "../../../lib/linux/file.ts";

Deno.test("setupSignals wakes its waiter for a signal, once, and keeps one that came before the wait", async () => {
  using signals = setupSignals({ shutdown: [], also: ["SIGUSR1"] });
  assertEquals(await signals.wait(0), false);
  using other = setupSignals({ shutdown: [], also: ["SIGUSR1"], reap: false });
  kill(Deno.pid, SIGNALS.SIGUSR1);
  assertEquals(await other.wait(), true);
  // It came while nobody waited.
  assertEquals(await signals.wait(), true);
  assertEquals(await signals.wait(0), false);
});

Deno.test("setupSignals has its waiter go on when it is disposed", async () => {
  const signals = setupSignals({ shutdown: [] });
  const waiting = signals.wait();
  signals[Symbol.dispose]();
  assertEquals(await waiting, false);
  assertEquals(await signals.wait(), false);
});

Deno.test("setupSignals refuses what can't be caught, and takes back what it had installed", () => {
  for (
    const name of ["SIGKILL", "SIGSTOP", "SIGSEGV", "SIGILL", "SIGFPE"] as const
  ) {
    const error = assertThrows(
      () => setupSignals({ shutdown: ["SIGUSR2"], also: [name] }),
      SystemError,
    );
    assertEquals([error.syscall, error.code, error.path], [
      "sigaction",
      "EINVAL",
      name,
    ]);
  }
});

Deno.test("setupSignals reaps in batches, so that a storm of exits leaves others their turn", async () => {
  const total = 10_000;
  let reaped = 0;
  let turns = 0;
  using _ = overrideLibc({
    waitpid: (_pid, status) => {
      if (reaped === total) return 0;
      const word = status as Int32Array;
      word[0] = 0;
      return 1000 + reaped++;
    },
  });
  const timer = setInterval(() => turns++, 0);
  using signals = setupSignals({ shutdown: [] });
  assert(reaped < total, "all in one go");
  let exits = 0;
  while (exits < total) {
    await signals.wait(1);
    exits += drainChildExits(1000).length;
  }
  clearInterval(timer);
  assert(turns > 0, "no other timer had its turn");
});

Deno.test("setupSignals leaves children to others without reap", async () => {
  using signals = setupSignals({
    shutdown: [],
    also: ["SIGCHLD"],
    reap: false,
  });
  let pid = 0;
  {
    using _ = overrideLibc({
      waitpid: () => {
        throw new Error("reaped although told not to");
      },
    });
    pid = spawn({ argv: ["/bin/true"], env: {} });
    assert(await signals.wait());
  }
  assertEquals(drainChildExits().map((exit) => exit.pid), [pid]);
});

Deno.test("parseSignalSet takes each of the 64 bits for its signal", () => {
  assertEquals(parseSignalSet("0000000000000000"), []);
  assertEquals(parseSignalSet("ffffffffffffffff").length, 64);
  for (let signal = 1; signal <= 64; signal++) {
    assertEquals(parseSignalSet((1n << BigInt(signal - 1)).toString(16)), [
      signal,
    ]);
  }
});

Deno.test("readSignalState leaves the runtime's and glibc's own signals out", () => {
  const { ignored } = readSignalState();
  for (const signal of [13, 32, 33]) assertFalse(ignored.includes(signal));
});

Deno.test("listenRealTime hears each real-time signal, and only while it listens", async () => {
  const poller = new Poller();
  const numbers = Array.from({ length: 31 }, (_, index) => 34 + index)
    .filter((number) => !isOpen(number));
  let heard: (signal: number) => void = () => {};
  const before = Deno.readTextFileSync("/proc/self/status");
  const caught = (text: string): number[] =>
    parseSignalSet(/^SigCgt:\s*([0-9a-f]+)$/m.exec(text)?.[1] ?? "0");
  {
    using listening = listenRealTime(
      poller,
      numbers,
      (signal) => heard(signal),
    );
    assertEquals(listening.refused, []);
    for (const number of numbers) {
      const next = new Promise<number>((resolve) => heard = resolve);
      kill(Deno.pid, number);
      assertEquals(await next, number);
    }
    const during = caught(Deno.readTextFileSync("/proc/self/status"));
    assert(numbers.every((number) => during.includes(number)));
  }
  assertEquals(
    caught(Deno.readTextFileSync("/proc/self/status")),
    caught(before),
  );
  for (const number of numbers) {
    assertFalse(isOpen(number), `descriptor ${number}`);
  }
  await poller.close();
});

Deno.test("listenRealTime refuses other signals, and leaves a number that is open alone", async () => {
  const poller = new Poller();
  for (const number of [0, 15, 32, 33, 65, 34.5, NaN]) {
    assertThrows(
      () => listenRealTime(poller, [number], () => {}),
      SystemError,
      "EINVAL",
    );
  }
  const descriptors: number[] = [];
  while (!isOpen(60)) descriptors.push(open("/dev/null"));
  {
    using listening = listenRealTime(poller, [60], () => {});
    assertEquals(listening.refused, [60]);
  }
  assert(isOpen(60));
  for (const descriptor of descriptors) close(descriptor);
  await poller.close();
});
