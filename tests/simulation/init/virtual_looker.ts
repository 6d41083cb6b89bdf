/**
 * What looks for faults in the virtual machine: processes that look as they
 * should, and now and then one that has another mapping, lost its filter of
 * system calls, or moved to another control group; a machine whose memory runs
 * short. A look takes its time, or fails. Imports types of `fdir`.
 *
 * @module
 */
import type {
  FdirObservation,
  MachineSnapshot,
  ProcessSnapshot,
  ProcessSubject,
} from "../../../lib/fdir/snapshot.ts";
import type { Looker } from "../../../lib/init/fdir_looker.ts";
import type { Random } from "../random.ts";

const PROCESS: Omit<ProcessSnapshot, "startTicks" | "cgroup"> = {
  mappings: ["/bin/service r-xp 0"],
  privileges: { Seccomp: "2", NoNewPrivs: "1" },
  namespaces: { mnt: "mnt:[1]" },
};

const MACHINE: MachineSnapshot = {
  mounts: [],
  modules: [],
  files: [],
  goodFiles: new Set(),
  memoryErrors: { corrected: 0, uncorrected: 0 },
  availablePercent: 80,
  pressure: { cpu: 0, memory: 0, io: 0 },
  storage: { superblock: [], parameters: [], events: [] },
  clockOffsetMs: 0,
};

/** Looks at a virtual machine. */
export class VirtualLooker implements Looker {
  readonly #random: Random;
  readonly #isCalm: () => boolean;

  /**
   * Begins to look.
   *
   * @param random The chances.
   * @param isCalm Whether nothing is wrong any more.
   */
  constructor(random: Random, isCalm: () => boolean) {
    this.#random = random;
    this.#isCalm = isCalm;
  }

  /** See {@linkcode Looker.look}. */
  async look(subjects: readonly ProcessSubject[]): Promise<FdirObservation> {
    const delayMs = this.#random.below(this.#draw(0.02) ? 30_000 : 500);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (this.#draw(0.05)) throw new Error("nothing could be seen");
    return {
      processes: subjects.map((subject) => ({
        subject,
        snapshot: this.#draw(0.05) ? null : this.#process(subject),
      })),
      machine: {
        ...MACHINE,
        availablePercent: this.#draw(0.05) ? 1 : 80,
      },
      digests: null,
    };
  }

  #process(subject: ProcessSubject): ProcessSnapshot {
    const { cgroup, pid } = subject;
    const isWell = subject.service === null || !this.#draw(0.1);
    const snapshot = { ...PROCESS, cgroup, startTicks: pid };
    if (isWell) return snapshot;
    return this.#random.pick([
      { ...snapshot, mappings: ["/tmp/other r-xp 0"] },
      { ...snapshot, privileges: { Seccomp: "0", NoNewPrivs: "1" } },
      { ...snapshot, cgroup: "/elsewhere" },
    ]);
  }

  #draw(probability: number): boolean {
    return !this.#isCalm() && this.#random.chance(probability);
  }
}
