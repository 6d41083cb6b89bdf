/**
 * The runtime's timers, replaced while a simulation plays: whatever production
 * code waits for, it waits for on the agenda. No real time passes and nothing
 * but microtasks runs. Imports the agenda.
 *
 * @module
 */
import type { Agenda, Entry } from "../agenda.ts";

/**
 * How many turns of the microtask queue production code is given between two
 * events. More than the longest chain of awaits between two of its requests to
 * the disk; that the number is fixed makes what happens repeatable in any case.
 */
const MICROTASK_TURNS = 40;

/** Lets what was resolved take its effect. */
export async function drainMicrotasks(): Promise<void> {
  for (let turn = 0; turn < MICROTASK_TURNS; turn++) await null;
}

/** Counts the virtual timers that were due. */
export interface TimerCount {
  readonly fired: number;
}

/**
 * Plays something with virtual timers.
 *
 * @param agenda Where timers go.
 * @param play What to play; it must not wait for real time.
 */
export async function withVirtualTimers(
  agenda: Agenda,
  play: (timers: TimerCount) => Promise<void>,
): Promise<void> {
  const count = { fired: 0 };
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
      count.fired++;
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
    await play(count);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
  }
}
