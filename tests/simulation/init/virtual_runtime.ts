/**
 * The runtime's timers, replaced while a simulation plays: whatever production
 * code waits for, it waits for on the agenda. No real time passes and nothing
 * but microtasks runs. Imports the agenda.
 *
 * @module
 */
import type { Agenda, Entry } from "../agenda.ts";

/** What plays in virtual time has of the runtime. */
export interface VirtualRuntime {
  /** Virtual timers that were due so far. */
  readonly firedTimers: number;
  /**
   * Lets what was resolved take all its effects, however long the chain: as in
   * a real event loop, nothing else happens before no microtask is left. A
   * message comes only then.
   */
  readonly drainMicrotasks: () => Promise<void>;
}

/**
 * Plays something with virtual timers.
 *
 * @param agenda Where timers go.
 * @param play What to play; it must not wait for real time.
 */
export async function withVirtualTimers(
  agenda: Agenda,
  play: (runtime: VirtualRuntime) => Promise<void>,
): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const runtime = {
    firedTimers: 0,
    drainMicrotasks: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      port1.onmessage = () => resolve();
      port2.postMessage(null);
      return promise;
    },
  };
  const timers = new Map<number, Entry>();
  let lastTimer = 0;
  const { setTimeout, clearTimeout } = globalThis;
  const plan = (
    action: (...args: unknown[]) => void,
    delayMs = 0,
    ...args: unknown[]
  ): number => {
    const timer = ++lastTimer;
    const run = () => {
      timers.delete(timer);
      runtime.firedTimers++;
      action(...args);
    };
    timers.set(timer, agenda.at(agenda.nowMs + Math.max(0, delayMs), run));
    return timer;
  };
  const cancel = (timer?: number): void => {
    const entry = timers.get(timer ?? 0);
    if (entry === undefined) return;
    entry.run = null;
    timers.delete(timer ?? 0);
  };
  Object.assign(globalThis, { setTimeout: plan, clearTimeout: cancel });
  try {
    await play(runtime);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    port1.close();
    port2.close();
  }
}
