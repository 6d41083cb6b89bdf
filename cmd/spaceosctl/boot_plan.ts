/**
 * A boot as a chart sees it: rows on one time axis, the total, and round marks
 * for the axis. Pure; imports `lib/wire`.
 *
 * @module
 */

import { type PhaseEntry, PhaseOutcome } from "../../lib/wire/boot_timeline.ts";
import { printable } from "../command_line/output.ts";

/** One bar. */
export interface BootRow {
  /** What ran, harmless for terminals. */
  readonly name: string;
  /** Whether it is a service; else a phase of the init. */
  readonly isService: boolean;
  /** When it began, seconds since the kernel started. */
  readonly start: number;
  /** How long it took, seconds; up to the end of the chart while it runs. */
  readonly duration: number;
  /** How it ended. */
  readonly outcome: PhaseOutcome;
}

/** A boot, ready to be drawn. */
export interface BootPlan {
  /** The bars in the order in which they began, the kernel first. */
  readonly rows: readonly BootRow[];
  /** Where the axis ends, seconds. */
  readonly end: number;
  /** When the kernel was done, seconds; where the VM does not say, when the first phase began. */
  readonly kernel: number;
  /** When the last part of the boot ended, seconds; null while some still runs. */
  readonly total: number | null;
}

const SERVICE_PREFIX = "service ";

/** The phase that is the kernel's. */
const KERNEL = "kernel";

/** Times beyond this are no boot, but nonsense of the VM: ten days. */
const LIMIT_SECONDS = 864_000;

const seconds = (microseconds: bigint): number =>
  Math.min(LIMIT_SECONDS, Number(microseconds) / 1e6);

/** Makes a plan of a timeline. */
export function planBoot(phases: readonly PhaseEntry[]): BootPlan {
  const isRunning = ({ outcome }: PhaseEntry) =>
    outcome === PhaseOutcome.RUNNING;
  const starts = phases.map((phase) => seconds(phase.startMicroseconds));
  const ends = phases.map((phase) =>
    seconds(phase.startMicroseconds + phase.durationMicroseconds)
  );
  const kernel = starts.reduce(
    (left, right) => Math.min(left, right),
    Infinity,
  );
  const end = ends.reduce((left, right) => Math.max(left, right), 0.001);
  const rows = phases.map((phase, index): BootRow => {
    const start = starts[index] ?? 0;
    const isService = phase.name.startsWith(SERVICE_PREFIX);
    return {
      name: printable(
        isService ? phase.name.slice(SERVICE_PREFIX.length) : phase.name,
      ),
      isService,
      start,
      duration: isRunning(phase)
        ? end - start
        : Math.min(end - start, seconds(phase.durationMicroseconds)),
      outcome: phase.outcome,
    };
  }).sort((left, right) => left.start - right.start);
  const total = phases.some(isRunning) ? null : end;
  const own = rows.find(({ name, isService }) => name === KERNEL && !isService);
  if (own !== undefined || phases.length === 0) {
    return { rows, end, kernel: own?.duration ?? 0, total };
  }
  const boot: BootRow = {
    name: KERNEL,
    isService: false,
    start: 0,
    duration: kernel,
    outcome: PhaseOutcome.DONE,
  };
  return { rows: [boot, ...rows], end, kernel, total };
}

/** Round times for an axis: at most so many, from 0 to the end. */
export function axisMarks(end: number, maxCount: number): number[] {
  const rough = end / Math.max(1, maxCount);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power)
    .find((candidate) => candidate >= rough) ?? 10 * power;
  const count = Math.floor(end / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

/** A mark of an axis for people: `0`, `0.5`, `2`, as few digits as say it. */
export function showMark(mark: number): string {
  return String(Number(mark.toPrecision(6)));
}

/** A duration for people: `12 ms`, `1.250 s`. */
export function showDuration(duration: number): string {
  return duration < 1
    ? `${(duration * 1000).toFixed(duration < 0.01 ? 1 : 0)} ms`
    : `${duration.toFixed(3)} s`;
}
