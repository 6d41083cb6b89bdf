/**
 * Looks at processes and at the machine: reads `/proc` and `/sys` into
 * snapshots, a few milliseconds at a time, so that the event loop goes on
 * turning. It judges nothing. A process that ends while it is looked at gives
 * no snapshot. Imports this room.
 *
 * @module
 */
import {
  availablePercent,
  cgroupPath,
  executableMappings,
  moduleLines,
  mountLines,
  pressureFacts,
  startTicks,
  statusFacts,
} from "./proc_text.ts";
import { ProcReader } from "./proc_reader.ts";
import type { Sha256 } from "./sha256.ts";
import type {
  MachineSnapshot,
  ProcessObservation,
  ProcessSnapshot,
  ProcessSubject,
  SnapshotDigests,
} from "./snapshot.ts";

/** How long the event loop may be kept from turning. */
const SLICE_MS = 5;

/** The namespaces that are compared (namespaces(7)). */
const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/** What a collector works with. */
export interface CollectorParts {
  /** Where the kernel tells of processes; `/proc`, or a mock of it. */
  readonly proc: string;
  /** Where the kernel tells of devices; `/sys`, or a mock of it. */
  readonly sys: string;
  /** Milliseconds since boot. */
  readonly nowMs: () => number;
  /** Lets the event loop turn. */
  readonly pause: () => Promise<void>;
}

/** The part of a machine's snapshot that `/proc` and `/sys` tell. */
export type MachineFacts = Pick<
  MachineSnapshot,
  | "mounts"
  | "modules"
  | "memoryErrors"
  | "availablePercent"
  | "pressure"
>;

/** Looks at processes and at the machine. */
export class Collector {
  readonly #parts: CollectorParts;
  readonly #proc: ProcReader;
  readonly #sys: ProcReader;

  /**
   * Begins without having looked.
   *
   * @param parts What it works with.
   */
  constructor(parts: CollectorParts) {
    this.#parts = parts;
    this.#proc = new ProcReader(parts.proc);
    this.#sys = new ProcReader(parts.sys);
  }

  /**
   * Looks at processes.
   *
   * @param subjects Which.
   * @returns One observation each, in their order. Never rejects.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Collector } from "./collector.ts";
   *
   * const collector = new Collector({
   *   proc: "/proc",
   *   sys: "/sys",
   *   nowMs: () => performance.now(),
   *   pause: () => Promise.resolve(),
   * });
   * const [own] = await collector.processes([{
   *   service: null,
   *   instance: 0,
   *   pid: Deno.pid,
   *   cgroup: null,
   *   sinceMs: 0,
   *   definition: null,
   * }]);
   * assertEquals(own?.snapshot?.privileges["Seccomp"] !== undefined, true);
   * ```
   */
  async processes(
    subjects: readonly ProcessSubject[],
  ): Promise<ProcessObservation[]> {
    const { nowMs, pause } = this.#parts;
    const found: ProcessObservation[] = [];
    let sliceMs = nowMs();
    for (const subject of subjects) {
      found.push({ subject, snapshot: await this.#process(subject.pid) });
      if (nowMs() - sliceMs < SLICE_MS) continue;
      await pause();
      sliceMs = nowMs();
    }
    return found;
  }

  async #process(pid: number): Promise<ProcessSnapshot | null> {
    const proc = this.#proc;
    const stat = (): number | null =>
      startTicks(proc.text(`${pid}/stat`) ?? "");
    const before = stat();
    if (before === null) return null;
    const maps = await proc.maps(pid);
    const status = statusFacts(proc.text(`${pid}/status`) ?? "");
    // A zombie has neither memory nor namespaces, and goes soon.
    if (status.state === "" || "ZX".includes(status.state)) return null;
    // Nor has one that is on its way to be one; every other has a memory map.
    if (maps === "") return null;
    const cgroup = cgroupPath(proc.text(`${pid}/cgroup`) ?? "");
    const namespaces = proc.links(`${pid}/ns`, NAMESPACES);
    // Somebody else may have its number by now.
    if (stat() !== before) return null;
    return {
      startTicks: before,
      mappings: maps === null ? null : executableMappings(maps),
      privileges: status.privileges,
      cgroup,
      namespaces,
    };
  }

  /**
   * Looks at the machine.
   *
   * @returns What `/proc` and `/sys` tell of it.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Collector } from "./collector.ts";
   *
   * const nothing = new Collector({
   *   proc: "/no/such/folder",
   *   sys: "/no/such/folder",
   *   nowMs: () => 0,
   *   pause: () => Promise.resolve(),
   * });
   * assertEquals(nothing.machine().mounts, null);
   * ```
   */
  machine(): MachineFacts {
    const mounts = this.#proc.text("self/mountinfo");
    const modules = this.#proc.text("modules");
    const pressure = (name: string) =>
      pressureFacts(this.#proc.text(`pressure/${name}`) ?? "");
    return {
      mounts: mounts === null ? null : mountLines(mounts),
      modules: modules === null ? null : moduleLines(modules),
      memoryErrors: this.#memoryErrors(),
      availablePercent: availablePercent(this.#proc.text("meminfo") ?? ""),
      pressure: this.#proc.text("pressure/memory") === null ? null : {
        cpu: pressure("cpu").some,
        memory: pressure("memory").full,
        io: pressure("io").full,
      },
    };
  }

  /** EDAC's counters (kernel: Documentation/admin-guide/RAS/main.rst). */
  #memoryErrors(): MachineSnapshot["memoryErrors"] {
    const folder = "devices/system/edac/mc";
    let names: string[];
    try {
      names = [...Deno.readDirSync(`${this.#parts.sys}/${folder}`)]
        .map(({ name }) => name).filter((name) => /^mc\d+$/.test(name));
    } catch {
      return null;
    }
    if (names.length === 0) return null;
    const sum = (counter: string): number =>
      names.reduce((total, name) => {
        const text = this.#sys.text(`${folder}/${name}/${counter}`) ?? "";
        return total + (/^\d+\s*$/.test(text) ? Number(text) : 0);
      }, 0);
    return { corrected: sum("ce_count"), uncorrected: sum("ue_count") };
  }
}

/**
 * The digests that upstream's FDIR knows, of one snapshot.
 *
 * @param snapshot The init's.
 * @param sha256 Makes digests.
 * @returns 32 bytes each.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { snapshotDigests } from "./collector.ts";
 * import { createSha256 } from "./sha256.ts";
 *
 * const snapshot = {
 *   startTicks: 1,
 *   mappings: [],
 *   privileges: { Seccomp: "0" },
 *   cgroup: "/",
 *   namespaces: null,
 * };
 * const digests = snapshotDigests(snapshot, await createSha256());
 * assertEquals(digests.seccomp.length, 32);
 * ```
 */
export function snapshotDigests(
  snapshot: ProcessSnapshot,
  sha256: Sha256,
): SnapshotDigests {
  const digest = (lines: readonly string[]): Uint8Array => {
    sha256.begin();
    for (const line of lines) sha256.add(`${line}\n`);
    return sha256.end();
  };
  return {
    mappings: digest(snapshot.mappings ?? []),
    seccomp: digest(
      Object.entries(snapshot.privileges)
        .filter(([name]) => name.startsWith("Seccomp"))
        .map(([name, value]) => `${name}:\t${value}`),
    ),
    cgroup: digest([`0::${snapshot.cgroup ?? ""}`]),
  };
}
