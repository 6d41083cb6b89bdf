/**
 * Signals: their names and numbers, and the listeners that turn them into
 * facts for the main loop. A listener only notes what came; SIGCHLD besides
 * reaps, so that no zombie waits for the loop; in a storm of exits it is left
 * unheard for moments. Imports `process.ts`.
 *
 * The runtime's own listeners are used, not signalfd: V8's worker threads
 * exist before the first line of the program and would take process-directed
 * signals away from a descriptor. The runtime refuses real-time signals, so
 * they can be sent but not listened to.
 *
 * @module
 */

import { boottimeMs } from "./clock.ts";
import { SystemError } from "./error.ts";
import { ExitStorm, muteChildSignal, STORM_PAUSE_MS } from "./exit_storm.ts";
import { reapChildren } from "./process.ts";
import type { SignalName } from "./signal_table.ts";

/** Options of {@linkcode setupSignals}. */
export interface SignalOptions {
  /**
   * Signals that ask for a shutdown. Default: SIGTERM and SIGINT. In a virtual
   * machine Ctrl-Alt-Del is SIGINT to PID 1; see `catchCtrlAltDel`.
   */
  readonly shutdown?: readonly SignalName[];
  /** Signals to hear about besides, for example `["SIGHUP", "SIGPWR"]`. */
  readonly also?: readonly SignalName[];
  /** Called for each signal that came, SIGCHLD after its children were reaped. */
  readonly onSignal?: (signal: SignalName) => void;
  /** Whether SIGCHLD reaps. Default true. */
  readonly reap?: boolean;
  /** Told what `onSignal` threw. Without it such an error is dropped. */
  readonly onError?: (error: unknown) => void;
}

/** The listeners that {@linkcode setupSignals} installed. */
export interface SignalHandling extends Disposable {
  /**
   * Waits until a signal came since the last call, or the time is over. It
   * keeps the program alive meanwhile, which listeners alone don't.
   *
   * @param timeoutMs At most this long; without it, until a signal comes.
   * @returns Whether a signal came.
   */
  wait(timeoutMs?: number): Promise<boolean>;
  /** Removes the listeners. Signals have their default effect again. */
  [Symbol.dispose](): void;
}

/** The longest timer of the runtime. */
const MAXIMUM_TIMER_MS = 0x7FFFFFFF;
/** Children reaped in one go, so that a storm of exits does not hold the loop. */
const REAP_BATCH = 1024;

let shutdownSignal: SignalName | undefined;

/**
 * Whether a shutdown signal came since the program started. Once true it stays
 * true.
 *
 * @example
 * ```ts
 * import { assertFalse } from "@std/assert";
 * import { shutdownRequested } from "./signal.ts";
 *
 * assertFalse(shutdownRequested());
 * ```
 */
export function shutdownRequested(): boolean {
  return shutdownSignal !== undefined;
}

/**
 * Starts listening: SIGCHLD reaps every child that has ended, until the kernel
 * has no more to say (signals coalesce), for `drainChildExits` to hand out;
 * SIGTERM and SIGINT ask for a shutdown.
 *
 * @param options Which signals, and whom to tell.
 * @returns Dispose of it to stop listening.
 * @throws {SystemError} EINVAL for a signal that cannot be caught.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { setupSignals } from "./signal.ts";
 *
 * using signals = setupSignals({ shutdown: [], also: ["SIGUSR1"] });
 * Deno.kill(Deno.pid, "SIGUSR1");
 * assert(await signals.wait(10_000));
 * ```
 */
export function setupSignals(options: SignalOptions = {}): SignalHandling {
  const shutdown = new Set<SignalName>(
    options.shutdown ?? ["SIGTERM", "SIGINT"],
  );
  const names = new Set<SignalName>([...shutdown, ...(options.also ?? [])]);
  const reap = options.reap ?? true;
  if (reap) names.add("SIGCHLD");

  let arrived = false;
  let disposed = false;
  let wake: (() => void) | undefined;
  const notice = (name: SignalName): void => {
    if (shutdown.has(name)) shutdownSignal ??= name;
    arrived = true;
    wake?.();
    try {
      options.onSignal?.(name);
    } catch (error) {
      tell(options.onError, error);
    }
  };
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const later = (action: () => void, delayMs: number): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      action();
    }, delayMs);
    timers.add(timer);
  };
  const reapBatch = (): number => {
    const count = reapChildren(REAP_BATCH);
    // More than one batch goes on in a later turn, so that timers, frames and
    // services get theirs in a storm of orphans.
    if (count === REAP_BATCH && !disposed) later(onChild, 0);
    return count;
  };
  const storm = new ExitStorm();
  let hearAgain: (() => void) | undefined;
  const onChild = (): void => {
    const count = reapBatch();
    notice("SIGCHLD");
    const isStorm = storm.note(count, boottimeMs());
    if (!isStorm || hearAgain !== undefined || disposed) return;
    hearAgain = muteChildSignal();
    later(() => {
      hearAgain?.();
      hearAgain = undefined;
      // Nobody told of those that ended meanwhile.
      onChild();
    }, STORM_PAUSE_MS);
  };

  const installed: [Deno.Signal, () => void][] = [];
  const dispose = (): void => {
    disposed = true;
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
    hearAgain?.();
    hearAgain = undefined;
    for (const [name, listener] of installed.splice(0)) {
      Deno.removeSignalListener(name, listener);
    }
    wake?.();
  };
  for (const name of names) {
    const listener = name === "SIGCHLD" && reap ? onChild : () => notice(name);
    try {
      Deno.addSignalListener(name as Deno.Signal, listener);
    } catch (cause) {
      dispose();
      throw new SystemError({
        syscall: "sigaction",
        errno: EINVAL,
        path: name,
        detail: "expected a signal that can be caught",
      }, { cause });
    }
    installed.push([name as Deno.Signal, listener]);
  }
  // A child may have ended before the listener was there.
  if (reap && reapBatch() > 0) notice("SIGCHLD");

  return {
    async wait(timeoutMs = MAXIMUM_TIMER_MS): Promise<boolean> {
      if (!arrived && !disposed) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(
            resolve,
            Math.min(Math.max(timeoutMs, 0), MAXIMUM_TIMER_MS),
          );
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        wake = undefined;
      }
      const came = arrived;
      arrived = false;
      return came;
    },
    [Symbol.dispose]: dispose,
  };
}

const EINVAL = 22;

function tell(
  hook: ((error: unknown) => void) | undefined,
  error: unknown,
): void {
  try {
    hook?.(error);
  } catch {
    // A hook that throws has nobody left to tell.
  }
}
