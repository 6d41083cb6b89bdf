/**
 * What one look at the machine brings home, as values: of a process, and of
 * the machine. The collectors make them, the comparison judges them. Types
 * only; imports nothing.
 *
 * @module
 */

/** A process that is to be looked at. */
export interface ProcessSubject {
  /** The service whose main process it is; null for the init. */
  readonly service: string | null;
  /** The number of the service's instance; 0 for the init. */
  readonly instance: number;
  /** The process. */
  readonly pid: number;
  /** The control group that it was put into, below the init's; null when it was put into none. */
  readonly cgroup: string | null;
  /** Since when it is up, milliseconds since boot. */
  readonly sinceMs: number;
  /**
   * By what it was started: the same object for the same definition; null when
   * that is in force no more, or for the init. An opaque token here.
   */
  readonly definition: object | null;
}

/** What a process looked like. A null is "could not be read". */
export interface ProcessSnapshot {
  /** When it started, in clock ticks since boot. */
  readonly startTicks: number;
  /** The executable mappings of files; see `executableMappings`. */
  readonly mappings: readonly string[] | null;
  /** What it may do; see `statusFacts`. */
  readonly privileges: Readonly<Record<string, string>>;
  /** The path of its control group. */
  readonly cgroup: string | null;
  /** The links of `/proc/PID/ns` by name. */
  readonly namespaces: Readonly<Record<string, string>> | null;
}

/** The SHA-256 digests that upstream's FDIR knows, of the init (formats.md, "FDIR"). */
export interface SnapshotDigests {
  /** Of the lines that stand for `/proc/self/maps`: its executable mappings of files. */
  readonly mappings: Uint8Array;
  /** Of the Seccomp lines of `/proc/self/status`. */
  readonly seccomp: Uint8Array;
  /** Of `/proc/self/cgroup`. */
  readonly cgroup: Uint8Array;
}

/** One process, looked at. */
export interface ProcessObservation {
  /** Which. */
  readonly subject: ProcessSubject;
  /** What was seen; null for one that was on its way out, which is no anomaly. */
  readonly snapshot: ProcessSnapshot | null;
}

/** What the machine looked like. A null is "there is no such thing here". */
export interface MachineSnapshot {
  /** The init's mounts; see `mountLines`. */
  readonly mounts: readonly string[] | null;
  /** The kernel's modules; see `moduleLines`. */
  readonly modules: readonly string[] | null;
  /** Files of the image that are not as they were built, one sentence each. */
  readonly files: readonly string[] | null;
  /** The image's files that were found to be as built. */
  readonly goodFiles: ReadonlySet<string>;
  /** EDAC's counters of all memory controllers. */
  readonly memoryErrors: {
    /** Errors that were corrected. */
    readonly corrected: number;
    /** Errors that were not. */
    readonly uncorrected: number;
  } | null;
  /** Memory that could be given to programs, percent. */
  readonly availablePercent: number | null;
  /** Pressure over the last ten seconds, percent. */
  readonly pressure: {
    /** Some task waited for a processor. */
    readonly cpu: number;
    /** All tasks waited for memory. */
    readonly memory: number;
    /** All tasks waited for I/O. */
    readonly io: number;
  } | null;
  /** What the volume's scrubbing found, one sentence each; null without a volume. */
  readonly storage: {
    /** In the superblock. */
    readonly superblock: readonly string[];
    /** In the parameter store. */
    readonly parameters: readonly string[];
    /** In the event ring. */
    readonly events: readonly string[];
  } | null;
  /** CLOCK_REALTIME less CLOCK_BOOTTIME, in milliseconds. */
  readonly clockOffsetMs: number;
}

/** Everything that one look brought home. */
export interface FdirObservation {
  /** The processes; the init, if it is among them, comes first. */
  readonly processes: readonly ProcessObservation[];
  /** All services that there are, up or not: what is known of them is kept. */
  readonly services?: ReadonlySet<string>;
  /** The machine. */
  readonly machine: MachineSnapshot;
  /** The init's digests; null when they could not be made. */
  readonly digests: SnapshotDigests | null;
}
