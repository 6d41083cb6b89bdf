import { assertEquals, assertThrows } from "@std/assert";
import { SystemError } from "../../../lib/linux/error.ts";
import { type Libc, overrideLibc, setErrno } from "../../../lib/linux/libc.ts";
import {
  closeWatchdog,
  findWatchdog,
  openWatchdog,
  petWatchdog,
} from "../../../lib/linux/watchdog.ts";

/** A watchdog driver behind the libc table: records calls, answers as told. */
function driver(answers: {
  readonly options?: number;
  readonly bootStatus?: number;
  readonly timeoutS?: number;
  readonly refuses?: readonly string[];
}): { calls: string[]; undo: Disposable } {
  const calls: string[] = [];
  const refuses = new Set(answers.refuses ?? []);
  const names: Record<string, string> = {
    "80285700": "GETSUPPORT",
    "80045702": "GETBOOTSTATUS",
    "80045705": "KEEPALIVE",
    "c0045706": "SETTIMEOUT",
    "80045707": "GETTIMEOUT",
  };
  const functions: Partial<Libc> = {
    openat: (_directory, path) => {
      const name = new TextDecoder().decode(path as Uint8Array).slice(0, -1);
      // What sysfs tells besides is no business of the driver.
      if (name.startsWith("/sys/")) return setErrno(2);
      calls.push(`open ${name}`);
      return 50;
    },
    close: () => {
      calls.push("close");
      return 0;
    },
    write: (_descriptor, bytes, count) => {
      calls.push(
        `write ${
          JSON.stringify(new TextDecoder().decode(bytes as Uint8Array))
        }`,
      );
      return Number(count);
    },
    ioctl: (_descriptor, operation, argument) => {
      const name = names[operation.toString(16)] ?? operation.toString(16);
      const view = argument as Int32Array;
      calls.push(name === "SETTIMEOUT" ? `${name} ${view[0]}` : name);
      if (refuses.has(name)) return setErrno(25);
      if (name === "GETSUPPORT") {
        const bytes = argument as Uint8Array;
        const fields = new DataView(bytes.buffer);
        fields.setUint32(0, answers.options ?? 0, true);
        fields.setUint32(4, 3, true);
        bytes.set(new TextEncoder().encode("Test Watchdog"), 8);
      }
      if (name === "GETBOOTSTATUS") view[0] = answers.bootStatus ?? 0;
      if (name === "GETTIMEOUT" || name === "SETTIMEOUT") {
        view[0] = answers.timeoutS ?? view[0] ?? 0;
      }
      return 0;
    },
  };
  return { calls, undo: overrideLibc(functions) };
}

Deno.test("openWatchdog sets the time-out, takes what the driver made of it, and pets once", () => {
  const { calls, undo } = driver({
    options: 0x8180,
    bootStatus: 0x20,
    timeoutS: 31,
  });
  using _ = undo;
  const watchdog = openWatchdog({ path: "/dev/watchdog7", timeoutS: 30 });
  assertEquals(calls, [
    "open /dev/watchdog7",
    "GETSUPPORT",
    "GETBOOTSTATUS",
    "SETTIMEOUT 30",
    "KEEPALIVE",
  ]);
  assertEquals(watchdog.timeoutS, 31);
  assertEquals(watchdog.timeoutError, undefined);
  assertEquals(watchdog.info, {
    identity: "Test Watchdog",
    firmwareVersion: 3,
    canSetTimeout: true,
    magicClose: true,
    causedLastReset: true,
  });
});

Deno.test("openWatchdog falls back to the driver's own time-out where it cannot be set", () => {
  const { calls, undo } = driver({ timeoutS: 60, refuses: ["SETTIMEOUT"] });
  using _ = undo;
  const watchdog = openWatchdog({ path: "/dev/watchdog7", timeoutS: 30 });
  assertEquals(calls.slice(3), ["SETTIMEOUT 30", "GETTIMEOUT", "KEEPALIVE"]);
  assertEquals(watchdog.timeoutS, 60);
  assertEquals(
    watchdog.timeoutError?.message,
    "ioctl WDIOC_SETTIMEOUT: ENOTTY, not a terminal, or ioctl not supported",
  );
});

Deno.test("openWatchdog works with a driver that tells nothing", () => {
  const { calls, undo } = driver({
    refuses: ["GETSUPPORT", "SETTIMEOUT", "GETTIMEOUT", "KEEPALIVE"],
  });
  using _ = undo;
  const watchdog = openWatchdog({ path: "/dev/watchdog7", timeoutS: 30 });
  assertEquals([watchdog.info, watchdog.timeoutS], [undefined, undefined]);
  assertEquals(
    calls.at(-1),
    'write " "',
    "a write pets a driver without the ioctl",
  );
});

Deno.test("petWatchdog never writes the magic character", () => {
  const { calls, undo } = driver({ refuses: ["KEEPALIVE"] });
  using _ = undo;
  for (let count = 0; count < 3; count++) petWatchdog(50);
  assertEquals(
    calls.filter((call) => call.startsWith("write")),
    Array(3).fill('write " "'),
  );
});

Deno.test("closeWatchdog disarms only when it is told to", () => {
  const { calls, undo } = driver({});
  using _ = undo;
  const watchdog = openWatchdog({ path: "/dev/watchdog7" });
  calls.length = 0;
  closeWatchdog(watchdog, { disarm: false });
  assertEquals(calls, ["close"]);
  closeWatchdog(watchdog, { disarm: true });
  assertEquals(calls, ["close", 'write "V"', "close"]);
});

Deno.test("petWatchdog throws when the device is gone, so that nobody trusts it", () => {
  using _ = overrideLibc({
    ioctl: () => setErrno(9),
    write: () => setErrno(9),
  });
  assertThrows(() => petWatchdog(50), SystemError, "EBADF");
});

Deno.test("findWatchdog prefers hardware to the kernel's own timer, and the first of it", () => {
  const folder = Deno.makeTempDirSync();
  const add = (name: string, identity: string | null) => {
    Deno.mkdirSync(`${folder}/${name}`);
    if (identity === null) return;
    Deno.writeTextFileSync(`${folder}/${name}/identity`, `${identity}\n`);
  };
  add("watchdog0", "Software Watchdog");
  assertEquals(findWatchdog(folder), "/dev/watchdog");
  add("watchdog10", "i6300ESB timer");
  add("watchdog2", "iTCO_wdt");
  add("watchdog1", null);
  assertEquals(findWatchdog(folder), "/dev/watchdog2");
  Deno.removeSync(folder, { recursive: true });
});
