/**
 * What the tests of the supervisor look at: the processes of an init as the
 * kernel shows them, and the console's lines. Everything here is a fact of the
 * moment; waiting for one is the test's work.
 */
import { assert, assertEquals } from "@std/assert";
import { makeDisk } from "../fixtures/make_disk.ts";
import { InitMachine } from "./init_machine.ts";
import { statusFields } from "./namespace.ts";

/** An init with services, and a good disk. */
export function startMachine(
  services: Readonly<Record<string, unknown>>,
): InitMachine {
  return InitMachine.start({ services, disk: makeDisk("good") });
}

/** A command of a shell. */
export const shell = (script: string): string[] => ["/bin/sh", "-c", script];

/** A command that stays until it is told to go. */
export const staying: string[] = ["/bin/sleep", "1000000"];

/** Restarts at once, for ever. */
export const restless = {
  backoff: {
    initialMs: 10,
    factor: 1,
    maximumMs: 10,
    jitter: 0,
    resetAfterMs: 0,
  },
  restartLimit: { maximum: null },
} as const;

/** The children of a process, whichever of its threads made them, zombies too. */
export function allChildrenOf(pid: number): number[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap(({ name }) =>
      Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`)
        .split(" ").filter((word) => word !== "").map(Number)
    );
  } catch {
    return []; // it has ended meanwhile
  }
}

/** Whether a process is there and not a zombie. */
export function isAlive(pid: number): boolean {
  const state = statusFields(pid)?.["State"];
  return state !== undefined && !/^[ZX]/.test(state);
}

/** The living children of a process. */
export function livingChildrenOf(pid: number): number[] {
  return allChildrenOf(pid).filter(isAlive);
}

/** A process and all its living descendants' ids, itself excluded. */
export function livingDescendantsOf(pid: number): number[] {
  return allChildrenOf(pid).flatMap((child) => [
    ...(isAlive(child) ? [child] : []),
    ...livingDescendantsOf(child),
  ]);
}

/** Which service's process this is, by its environment; undefined until it has executed its program. */
export function serviceOf(pid: number): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0")
      .find((entry) => entry.startsWith("SPACEOS_SERVICE="))?.slice(16);
  } catch {
    return undefined;
  }
}

/** The living processes of a service among the init's own children. */
export function processesOf(init: number, service: string): number[] {
  return livingChildrenOf(init).filter((pid) => serviceOf(pid) === service);
}

/** Waits until a service has exactly one process that is not in `except`. */
export async function oneProcessOf(
  machine: InitMachine,
  service: string,
  except: readonly number[] = [],
): Promise<number> {
  const init = await machine.pid();
  return await machine.until(() => {
    const found = processesOf(init, service);
    assert(found.length <= 1, `${service} has the processes ${found}`);
    return found.find((pid) => !except.includes(pid));
  }, `one process of ${service}`);
}

/** How often a pattern is on the console. */
export function countOf(text: string, pattern: RegExp): number {
  return [...text.matchAll(new RegExp(pattern, "g"))].length;
}

/** Kills a process and says so if it was not there. */
export function killNow(pid: number, signal: Deno.Signal = "SIGKILL"): void {
  Deno.kill(pid, signal);
}

/** A number of a process's status, such as `VmRSS` in KiB. */
export function statusNumber(pid: number, field: string): number {
  return parseInt(statusFields(pid)?.[field] ?? "0");
}

/** Powers a machine off and checks that it went down by power-off, not by a crash. */
export async function powerOff(machine: InitMachine): Promise<string> {
  await machine.signal("SIGTERM");
  return await ended(machine);
}

/** Waits for the end, which must be a power-off: the kernel then ends a namespace's init with SIGINT. */
export async function ended(machine: InitMachine): Promise<string> {
  const status = await machine.ended;
  assertEquals(status.code, 130, machine.console.slice(-4000));
  return machine.console;
}

/** The end of the console: all of it may be too much to read again and again. */
export function endOfConsole(machine: InitMachine): string {
  const LENGTH = 65_536;
  using file = Deno.openSync(`${machine.folder}/console`);
  file.seekSync(
    Math.max(0, file.statSync().size - LENGTH),
    Deno.SeekMode.Start,
  );
  const bytes = new Uint8Array(LENGTH);
  const count = file.readSync(bytes) ?? 0;
  return new TextDecoder().decode(bytes.subarray(0, count));
}
