/**
 * Looks at everything that FDIR judges: processes, the machine, the image's
 * files, the volume, the clocks. One look at a time; it takes as long as it
 * takes, and the event loop turns meanwhile. Imports `fdir`, `storage`'s types
 * and this room.
 *
 * @module
 */
import type { FdirPolicy } from "../fdir/checks.ts";
import { Collector, snapshotDigests } from "../fdir/collector.ts";
import { ImageFiles } from "../fdir/image_files.ts";
import type { ManifestEntry } from "../fdir/manifest.ts";
import { createSha256, type Sha256 } from "../fdir/sha256.ts";
import type {
  FdirObservation,
  MachineSnapshot,
  ProcessSubject,
} from "../fdir/snapshot.ts";
import type { Volume } from "../storage/volume.ts";

/** What looks at everything that FDIR judges. */
export interface Looker {
  /**
   * Looks once.
   *
   * @param subjects The processes.
   * @returns What was seen.
   * @throws {Error} When nothing could be seen.
   */
  look(subjects: readonly ProcessSubject[]): Promise<FdirObservation>;
}

/** What a looker works with. */
export interface LookerParts {
  /** The policy: budgets. */
  readonly policy: FdirPolicy;
  /** The image's files as they were built; null where there is no manifest. */
  readonly manifest: readonly ManifestEntry[] | null;
  /** The volume, or null. */
  readonly volume: Volume | null;
  /** Whether the machine's clock, memory and modules are this init's to judge; not so in a container. */
  readonly isMachine: boolean;
  /** CLOCK_BOOTTIME, milliseconds. */
  readonly boottimeMs: () => number;
  /** CLOCK_REALTIME, milliseconds. */
  readonly realtimeMs: () => number;
}

const pause = (): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, 0));

/** The real machine's looker. */
export class MachineLooker implements Looker {
  readonly #parts: LookerParts;
  readonly #collector: Collector;
  #sha256: Sha256 | null = null;
  #files: ImageFiles | null = null;

  /**
   * Begins without having looked.
   *
   * @param parts What it works with.
   */
  constructor(parts: LookerParts) {
    this.#parts = parts;
    this.#collector = new Collector({
      proc: "/proc",
      sys: "/sys",
      nowMs: parts.boottimeMs,
      pause,
    });
  }

  /** See {@linkcode Looker.look}. */
  async look(subjects: readonly ProcessSubject[]): Promise<FdirObservation> {
    const { policy, isMachine, boottimeMs, realtimeMs } = this.#parts;
    const sha256 = this.#sha256 ??= await createSha256();
    const processes = await this.#collector.processes(subjects);
    const facts = this.#collector.machine();
    const imageFiles = await this.#imageFiles();
    const files = await imageFiles?.check(policy.filesBudgetMs) ?? null;
    const storage = await this.#scrub();
    const init = processes.find(({ subject }) => subject.service === null);
    const snapshot = init?.snapshot ?? null;
    return {
      processes,
      machine: {
        ...facts,
        ...(isMachine ? {} : OTHERS_BUSINESS),
        files: files?.findings ?? null,
        goodFiles: files?.goodFiles ?? new Set(),
        storage,
        clockOffsetMs: isMachine ? realtimeMs() - boottimeMs() : 0,
      },
      digests: snapshot === null ? null : snapshotDigests(snapshot, sha256),
    };
  }

  async #imageFiles(): Promise<ImageFiles | null> {
    const { manifest, boottimeMs } = this.#parts;
    if (manifest === null) return null;
    return this.#files ??= new ImageFiles({
      entries: manifest,
      sha256: await createSha256(),
      nowMs: boottimeMs,
      pause,
    });
  }

  async #scrub(): Promise<MachineSnapshot["storage"]> {
    const { volume } = this.#parts;
    if (volume === null) return null;
    try {
      const found = await volume.scrub();
      const of = (wanted: string): string[] =>
        found.filter(({ area }) => area === wanted)
          .map(({ block, kind, isRepaired }) =>
            `block ${block} is ${kind}, ${
              isRepaired ? "repaired" : "not repaired"
            }`
          );
      return {
        superblock: of("superblock"),
        parameters: of("parameters"),
        events: of("events"),
      };
    } catch {
      // A volume that does not answer, or is closed, has a problem of its own.
      return null;
    }
  }
}

/** What a container does not judge: these are its machine's. */
const OTHERS_BUSINESS = {
  modules: null,
  memoryErrors: null,
  availablePercent: null,
  pressure: null,
} as const;
