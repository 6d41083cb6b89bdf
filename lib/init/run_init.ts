/**
 * The init as a program: boots, hands what it found to the shell, and keeps
 * process 1 alive. Imports every room below `cmd`.
 *
 * @module
 */
import { boottimeMs } from "../linux/clock.ts";
import { handoverMs, readKernelLog } from "../linux/kernel_log.ts";
import { boot } from "./boot.ts";
import { ExceptionGuard } from "./exception_guard.ts";
import { endMachine } from "./go_down.ts";
import { LinuxMachine } from "./linux_machine.ts";
import { Log } from "./log.ts";
import { Shell } from "./shell.ts";
import { SignalQueue } from "./signal_queue.ts";
import { Timeline } from "./timeline.ts";

/** How long the console shows why the init could not run. */
const GIVE_UP_MS = 10_000;

/**
 * Runs the init: boots, supervises, and goes down. Resolves never: the machine
 * ends first.
 *
 * @param firstLineMs When the program's first line ran, `performance.now()`.
 * @returns A promise that stays open.
 */
export async function runInit(firstLineMs: number): Promise<never> {
  const log = new Log({ nowMs: boottimeMs });
  const guard = new ExceptionGuard(log);
  try {
    const signals = new SignalQueue(log);
    const timeline = new Timeline();
    noteBefore(timeline, firstLineMs);
    const booted = await boot({ log, timeline });
    const shell = new Shell(new LinuxMachine(log), log, timeline, booted);
    guard.onException = (text) => shell.internalError(text);
    await shell.start(signals);
  } catch (error) {
    await giveUp(log, error);
  }
  return await new Promise<never>(() => {});
}

/**
 * What came before the boot's first phase: the kernel until it ran the init, the
 * runtime until our first line, and the loading of our modules.
 */
function noteBefore(timeline: Timeline, firstLineMs: number): void {
  const loadedMs = boottimeMs();
  const firstMs = loadedMs - (performance.now() - firstLineMs);
  let handedMs: number | null = null;
  try {
    handedMs = handoverMs(readKernelLog());
  } catch {
    // A container may not read it: then only our own share is known.
  }
  const phases: [string, number | null, number][] = [
    ["kernel", handedMs === null ? null : 0, handedMs ?? 0],
    ["runtime", handedMs, firstMs],
    ["modules of the init", firstMs, loadedMs],
  ];
  for (const [name, startMs, endMs] of phases) {
    if (startMs === null) continue;
    timeline.begin(name, startMs);
    timeline.end(name, endMs, "done");
  }
}

/**
 * Without descriptors or memory there is no init: the machine has a better
 * chance from the start, after a moment in which the console can be read.
 */
async function giveUp(log: Log, error: unknown): Promise<void> {
  const text = error instanceof Error ? error.stack ?? error.message : error;
  log.error(`the init can't run, reboot in ${GIVE_UP_MS} ms: ${text}`);
  await new Promise((resolve) => setTimeout(resolve, GIVE_UP_MS));
  endMachine("reboot");
}
