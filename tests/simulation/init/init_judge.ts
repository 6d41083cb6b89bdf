/**
 * What must be true of the whole init in one boot, after every step and as time
 * passes: its mode, READY, HEALTH, the watchdog, the boot counter, and a
 * shutdown that keeps its bound. The numbers are those of the design, written
 * down here once more, so that a slip in the code does not move the judge.
 * Imports types of `init`.
 *
 * @module
 */
import { isDegrading } from "../../../lib/fdir/fdir_state.ts";
import type {
  InitEffect,
  InitEvent,
  InitState,
  InitStep,
  Mode,
} from "../../../lib/init/core_types.ts";
import type { ShutdownStage } from "../../../lib/init/shutdown.ts";
import {
  shutdownBoundMs,
  type SupervisorState,
} from "../../../lib/supervisor/supervisor.ts";
import { check } from "../supervisor/invariants.ts";
import { type InitScenario, isDiskWell } from "./scenario.ts";
import { CommandStatus } from "../../../lib/wire/telecommand.ts";
import type { StorageJudge } from "./storage_judge.ts";
import type { VirtualDisk } from "./virtual_disk.ts";

/** READY comes without those that are late by now. */
const READY_LIMIT_MS = 60_000;

/** A boot proves itself in this time. */
const HEALTHY_AFTER_MS = 60_000;

/** A disk that says nothing for this long is dead. */
const STORAGE_LIMIT_MS = 10_000;

/** What a dead disk may hold the notice of its death up by. */
const STORAGE_MARGIN_MS = 1_000;

/** The stages after the services, together. */
const STAGES_BOUND_MS = 1_000 + 2_000 + 2_000 + 5_000 + 5_000;

/** Until the services are asked for: a disk that appears, opens and counts. */
const BOOT_BOUND_MS = 2_000 + 10_000 + 10_000;

/** So many boots in a row that prove nothing lead to safe mode. */
const FAILED_BOOT_LIMIT = 3;

const STAGE_ORDER: readonly ShutdownStage[] = [
  "services",
  "terminate",
  "kill",
  "storage",
  "unmount",
  "power",
];

/** What the judge looks at. */
export interface InitJudgeParts {
  readonly scenario: InitScenario;
  readonly nowMs: () => number;
  readonly storage: StorageJudge;
  readonly disk: VirtualDisk;
}

/** What the volume said of earlier boots. */
export interface BootFacts {
  /** Boots before this one; null without a volume. */
  readonly bootCount: number | null;
  /** Boots in a row before this one that did not prove themselves. */
  readonly failedBoots: number;
  /** Whether the kernel command line asks for safe mode. */
  readonly safeMode: boolean;
}

/** The judge of one boot. */
export class InitJudge {
  readonly #parts: InitJudgeParts;
  #facts: BootFacts | null = null;
  #state: InitState | null = null;
  #lastHealthMs = 0;
  #isReady = false;
  #isHealthy = false;
  /** Whether this boot was counted before anybody asked for its end. */
  isCounted = false;
  /** Whether the failed boots before this one were forgiven. */
  isForgiven = false;
  /** Whether the host was told so: then no cut takes it back. */
  isForgivenForGood = false;
  #shutdownDueMs = Infinity;
  #stage: ShutdownStage = "services";
  #isAskedToEnd = false;
  /** The last time at which the machine was not alive, as it seems from outside. */
  #deadUntilMs = 0;
  /** After a pause everything is late; nothing is held against anybody until then. */
  #graceUntilMs = -1;
  /** How long everything stood still so far. */
  #stalledMs = 0;

  /**
   * Begins with a machine that boots.
   *
   * @param parts What it looks at.
   */
  constructor(parts: InitJudgeParts) {
    this.#parts = parts;
  }

  /** Failed boots before this one; null without a volume, or a count that could be read. */
  get failedBoots(): number | null {
    return this.#facts?.bootCount == null ? null : this.#facts.failedBoots;
  }

  /** Whether this boot was counted as healthy. */
  get isHealthy(): boolean {
    return this.#isHealthy;
  }

  /** Whether this boot ended in order before it was healthy, and after READY. */
  get isWithdrawn(): boolean {
    return this.#isReady && !this.#isHealthy &&
      STAGE_ORDER.indexOf(this.#stage) >= STAGE_ORDER.indexOf("storage");
  }

  /** The volume was looked for. */
  booted(facts: BootFacts): void {
    this.#facts = facts;
  }

  /** The core exists. */
  created(state: InitState): void {
    this.#state = state;
    this.#deadUntilMs = this.#parts.nowMs();
  }

  /** The core makes a step. */
  stepped(event: InitEvent, step: InitStep): void {
    const before = this.#state;
    const after = step.state;
    const nowMs = this.#parts.nowMs();
    check(before !== null, "a step has a state before it");
    this.#state = after;
    if (event.kind === "start") this.#judgeStart(event.safeMode);
    // What is due at another interval from now on has that long from now on.
    if (event.kind === "configure") this.#lastHealthMs = nowMs;
    if (before.shutdown === null && after.shutdown !== null) {
      const { supervisor } = before;
      const servicesMs = supervisor === null ? 0 : shutdownBoundMs(supervisor);
      this.#shutdownDueMs = nowMs + servicesMs + STAGES_BOUND_MS;
    }
    check(
      before.shutdown === null || after.shutdown !== null,
      "a shutdown is never taken back",
    );
    check(
      after.supervisor === null || after.shutdown !== null ||
        after.supervisor.isSafeMode === after.safeMode,
      "the services are told of safe mode, and of its end",
    );
    check(after.mode === modeOf(after), `the mode is ${modeOf(after)}`);
    let mode = before.mode;
    for (const effect of step.effects) mode = this.#judgeEffect(effect, mode);
    check(mode === after.mode, "each change of mode is recorded");
    this.#noteLife(after, nowMs);
  }

  #judgeStart(safeMode: boolean): void {
    const facts = this.#facts;
    check(facts !== null, "services start after the volume was looked for");
    const isSuspicious = facts.failedBoots >= FAILED_BOOT_LIMIT;
    check(
      safeMode === (facts.safeMode || isSuspicious),
      `${facts.failedBoots} failed boots lead to safe mode from ${FAILED_BOOT_LIMIT} on`,
    );
  }

  /** Each effect by its kind: a new one does not compile until it has its rule here. */
  #judgeEffect(effect: InitEffect, mode: Mode): Mode {
    const nowMs = this.#parts.nowMs();
    switch (effect.kind) {
      case "record":
        return this.#judgeRecord(effect.code, effect.text, mode);
      case "ready":
        check(!this.#isReady, "READY is said once");
        this.#isReady = true;
        this.#lastHealthMs = nowMs;
        return mode;
      case "forgive-boots":
        this.isForgiven = true;
        return mode;
      case "answer": {
        const { status, request: { action } } = effect;
        const isLeaving = action.kind === "safe-mode" && !action.isOn;
        if (this.isForgiven && isLeaving && status === CommandStatus.OK) {
          this.isForgivenForGood = true;
        }
        return mode;
      }
      case "healthy": {
        const sinceMs = this.#state?.provingSinceMs ?? Infinity;
        check(!this.#isHealthy, "a boot becomes healthy once");
        check(
          sinceMs >= (this.#state?.readyMs ?? Infinity) &&
            nowMs >= sinceMs + HEALTHY_AFTER_MS,
          "a boot proves itself for a minute",
        );
        this.#isHealthy = true;
        return mode;
      }
      case "health":
        this.#lastHealthMs = nowMs;
        return mode;
      case "stage": {
        const from = STAGE_ORDER.indexOf(this.#stage);
        const to = STAGE_ORDER.indexOf(effect.stage);
        const isAgain = effect.stage === "power" && this.#stage === "power";
        check(
          to === from + 1 || isAgain,
          `stage ${effect.stage} does not follow ${this.#stage}`,
        );
        this.#stage = effect.stage;
        const overrun = this.#state?.shutdown?.overrun ?? [];
        check(
          !overrun.includes("storage") || this.#stalledMs > 0 ||
            !isDiskWell(this.#parts.scenario),
          "a disk that is well is closed in its time",
        );
        return mode;
      }
      case "service":
        check(
          this.#stage === "services" || effect.effect.kind !== "spawn" ||
            effect.effect.phase === "post",
          "no service is started when the machine ends its processes",
        );
        return mode;
      // Their rules are kept elsewhere: pets where the watchdog is, the other
      // answers by the host, which asked.
      case "pet":
      case "query":
      case "fdir-look":
      case "read-definitions":
      case "say":
      case "set-clock":
      case "milestone":
      case "follow-log":
        return mode;
    }
  }

  #judgeRecord(code: string, text: string, mode: Mode): Mode {
    if (code !== "MODE_CHANGED") return mode;
    const [from, to] = text.split(" -> ");
    check(from === mode, `the mode was ${mode}, not ${from}`);
    return to as Mode;
  }

  /** The shell records the boot. */
  bootRecorded(text: string): void {
    this.isCounted = this.#state?.shutdown === null;
    const { bootCount, failedBoots } = this.#facts ?? {};
    const expected = bootCount === null || bootCount === undefined
      ? "without storage"
      : `boot ${bootCount + 1}, ${failedBoots} failed before it`;
    check(text === expected, `the boot's record says "${expected}"`);
  }

  /** Some time has passed. */
  timePassed(state: InitState | null): void {
    const nowMs = this.#parts.nowMs();
    if (state === null || state.supervisor === null) {
      this.#deadUntilMs = nowMs;
      check(
        state?.shutdown != null ||
          nowMs <= BOOT_BOUND_MS + this.#stalledMs + 10,
        "the boot comes to its services whatever the disk does",
      );
    }
    if (state === null) return;
    this.#noteLife(state, nowMs);
    if (nowMs <= this.#graceUntilMs) return;
    check(
      nowMs <= this.#shutdownDueMs || this.#isAskedToEnd,
      "a shutdown keeps its bound",
    );
    if (state.shutdown !== null || state.supervisor === null) return;
    check(
      this.#isReady ||
        nowMs <= state.startedMs + READY_LIMIT_MS + this.#stalledMs,
      "READY comes in time",
    );
    check(
      !this.#isReady || !state.isHostConnected ||
        nowMs <= this.#lastHealthMs + state.settings.healthIntervalMs,
      "HEALTH comes in time to a host that is there",
    );
    check(
      state.provingSinceMs === null || this.#isHealthy ||
        nowMs <= state.provingSinceMs + HEALTHY_AFTER_MS + this.#stalledMs,
      "a boot that is up for a minute has proved itself",
    );
  }

  /** Everything stood still for a while. */
  stalled(forMs: number): void {
    this.#graceUntilMs = this.#parts.nowMs();
    this.#deadUntilMs = this.#parts.nowMs();
    this.#shutdownDueMs += forMs;
    this.#stalledMs += forMs;
  }

  /** The watchdog is petted. */
  petted(state: InitState | null): void {
    const why = state === null ? null : this.#whyDead(state);
    check(why === null, `no pet for a machine that is not alive: ${why}`);
  }

  /** The watchdog resets the machine. */
  bitten(): void {
    const nowMs = this.#parts.nowMs();
    const intervalMs = this.#state?.settings.petIntervalMs ?? Infinity;
    if (this.#state !== null) this.#noteLife(this.#state, nowMs);
    check(
      nowMs - this.#deadUntilMs <= intervalMs + 10,
      `the watchdog resets no machine that is alive (for ${
        nowMs - this.#deadUntilMs
      } ms)`,
    );
  }

  /** The shell asks the hardware to end. */
  askedToEnd(): void {
    check(this.#stage === "power", "the machine ends when its stages are over");
    this.#isAskedToEnd = true;
  }

  #noteLife(state: InitState, nowMs: number): void {
    if (this.#whyDead(state) !== null) this.#deadUntilMs = nowMs;
  }

  /** Why the machine is of no use, as it seems from outside, or null. */
  #whyDead(state: InitState): string | null {
    const { storage, disk } = this.#parts;
    if (this.#stage === "power") return "it goes down";
    if (storage.silentMs(disk) >= STORAGE_LIMIT_MS + STORAGE_MARGIN_MS) {
      return "the disk is dead";
    }
    if (state.shutdown !== null || state.supervisor === null) return null;
    return whichCriticalIsDown(state.supervisor);
  }
}

/** The mode that the table at the head of `core.ts` gives. */
function modeOf(state: InitState): Mode {
  const { supervisor } = state;
  if (state.shutdown !== null) return "shuttingDown";
  if (state.readyMs === null || supervisor === null) return "booting";
  if (state.safeMode) return "safe";
  const hasFailed = supervisor.records.some((record) =>
    record.state.kind === "failed" &&
    !(record.isRemoved && record.instance === null)
  );
  const isFaulty = state.fdir !== null && isDegrading(state.fdir);
  return hasFailed || state.problems.size > 0 || isFaulty
    ? "degraded"
    : "nominal";
}

function whichCriticalIsDown(state: SupervisorState): string | null {
  for (const [index, record] of state.records.entries()) {
    const { definition, isWanted, isIsolated, isRemoved, instance } = record;
    const isAllowed = !state.isSafeMode ||
      state.isAllowedInSafeMode[index] === true;
    const mayBeDown = !definition.critical || !isWanted || isIsolated ||
      isRemoved || !isAllowed;
    const isDown = record.state.kind === "failed" ||
      instance?.termination?.stage === "abandoned";
    if (!mayBeDown && isDown) return definition.name;
  }
  return null;
}
