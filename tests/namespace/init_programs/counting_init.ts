/**
 * The whole init with what it takes from the runtime counted: functions of
 * libraries that it opens once more in the same way, timers that are set,
 * listeners, descriptors, sockets of services. At SIGUSR2 it appends the numbers
 * of that moment to a file, as a line of JSON.
 *
 * Arguments: the folder in which the file `counts` is.
 *
 * @module
 */

const folder = Deno.args[0] ?? "/nonexistent";

let libraries = 0;
let listeners = 0;
const timers = new Set<number>();

const { dlopen, addSignalListener, removeSignalListener } = Deno;
const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;

const opened = new Set<string>();

Deno.dlopen = (file, symbols) => {
  for (const [name, symbol] of Object.entries(symbols)) {
    const how = `${file} ${name} ${"type" in symbol ? "address" : "function"}`;
    if (opened.has(how)) libraries++;
    opened.add(how);
  }
  return dlopen(file, symbols);
};
Deno.addSignalListener = (signal, handler) => {
  listeners++;
  addSignalListener(signal, handler);
};
Deno.removeSignalListener = (signal, handler) => {
  listeners--;
  removeSignalListener(signal, handler);
};
Object.assign(globalThis, {
  setTimeout: (action: () => void, delayMs?: number): number => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      action();
    }, delayMs);
    timers.add(timer);
    return timer;
  },
  clearTimeout: (timer?: number): void => {
    if (timer !== undefined) timers.delete(timer);
    clearTimeout(timer);
  },
  setInterval: (action: () => void, delayMs?: number): number => {
    const timer = setInterval(action, delayMs);
    timers.add(timer);
    return timer;
  },
  clearInterval: (timer?: number): void => {
    if (timer !== undefined) timers.delete(timer);
    clearInterval(timer);
  },
});

const entriesOf = (path: string): number => [...Deno.readDirSync(path)].length;

addSignalListener("SIGUSR2", () => {
  const counts = {
    libraries,
    listeners,
    timers: timers.size,
    descriptors: entriesOf("/proc/self/fd"),
    sockets: entriesOf("/run/spaceos/notify"),
  };
  const line = `${JSON.stringify(counts)}\n`;
  Deno.writeTextFileSync(`${folder}/counts`, line, { append: true });
});

const { runInit } = await import("../../../lib/init/run_init.ts");
await runInit(performance.now());
