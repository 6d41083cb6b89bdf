/**
 * Control groups, version 2: one for each service, to limit it, to find all of
 * its processes whatever they forked, and to end them with one write. Imports
 * files and the error type.
 *
 * @module
 */

import { readControl, writeControl } from "./control_file.ts";
import { SystemError } from "./error.ts";
import { cString } from "./c_string.ts";
import { check, errno, libc } from "./libc.ts";

const ENOENT = 2;
const EEXIST = 17;
const ENODEV = 19;
const AT_FDCWD = -100;
const AT_REMOVEDIR = 0x200;

/** Limits of a control group. What is left out stays as it is. */
export interface CgroupLimits {
  /** `memory.max`: bytes at which the group's processes are killed; `Infinity` is none. */
  readonly memoryMaxBytes?: number;
  /** `memory.high`: bytes at which they are slowed down; `Infinity` is none. */
  readonly memoryHighBytes?: number;
  /** `cpu.weight`: share of the processor, 1 to 10000, default 100. */
  readonly cpuWeight?: number;
  /** `cpu.max`: share of one processor's time as a fraction, above 0; `Infinity` is none. */
  readonly cpuMaximum?: number;
  /** `pids.max`: tasks; `Infinity` is none. */
  readonly pidsMax?: number;
}

/** Period for `cpu.max`, the kernel's default. */
const CPU_PERIOD_US = 100_000;

/**
 * A control group by its directory.
 *
 * @example
 * ```ts ignore
 * import { Cgroup } from "./cgroup.ts";
 *
 * const group = new Cgroup("/sys/fs/cgroup/services/camera");
 * group.create(["memory", "pids"]);
 * group.setLimits({ memoryMaxBytes: 64 << 20, pidsMax: 32 });
 * ```
 */
export class Cgroup {
  /** The group's directory. */
  readonly path: string;

  /**
   * Names a group; nothing is made yet.
   *
   * @param path Its directory, below the mount point of cgroup2.
   */
  constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the group, if it is not there. The controllers are enabled in its
   * parent as far as they exist; the parent must hold no processes of its own,
   * unless it is the root.
   *
   * @param controllers Controllers that the limits need, for example `["memory"]`.
   * @returns The controllers that could not be enabled.
   * @throws {SystemError} ENOENT without the parent, EACCES, EROFS.
   */
  create(controllers: readonly string[] = []): string[] {
    const refused = controllers.length === 0 ? [] : this.#parent.enable(
      controllers,
    );
    const made = libc().mkdirat(AT_FDCWD, cString(this.path), 0o755);
    // Asked for before each start: what is there already is no exception.
    if (made !== -1 || errno() === EEXIST) return refused;
    throw new SystemError({
      syscall: "mkdir",
      errno: errno(),
      path: this.path,
    });
  }

  get #parent(): Cgroup {
    return new Cgroup(this.path.slice(0, this.path.lastIndexOf("/")));
  }

  /**
   * Enables controllers for the groups below this one, which must hold no
   * processes of its own, unless it is the root.
   *
   * @param controllers Controllers that limits of those groups need.
   * @returns Those that could not be enabled.
   */
  enable(controllers: readonly string[]): string[] {
    return controllers.filter((controller) => {
      try {
        writeControl(`${this.path}/cgroup.subtree_control`, `+${controller}`);
        return false;
      } catch (error) {
        if (error instanceof SystemError) return true;
        throw error;
      }
    });
  }

  /**
   * Sets limits.
   *
   * @param limits The limits; what is left out stays as it is.
   * @throws {SystemError} ENOENT when the limit's controller is not enabled.
   */
  setLimits(limits: CgroupLimits): void {
    const write = (file: string, value: string | undefined): void => {
      if (value !== undefined) writeControl(`${this.path}/${file}`, value);
    };
    write("memory.high", orMax(limits.memoryHighBytes));
    write("memory.max", orMax(limits.memoryMaxBytes));
    write("cpu.weight", limits.cpuWeight?.toString());
    write(
      "cpu.max",
      limits.cpuMaximum === undefined
        ? undefined
        : `${
          orMax(Math.round(limits.cpuMaximum * CPU_PERIOD_US))
        } ${CPU_PERIOD_US}`,
    );
    write("pids.max", orMax(limits.pidsMax));
  }

  /**
   * Moves a process with all its threads into the group.
   *
   * @param pid The process.
   * @throws {SystemError} ESRCH when it has ended; EBUSY when the group has
   * controllers enabled for groups below it.
   */
  add(pid: number): void {
    writeControl(`${this.path}/cgroup.procs`, `${pid}`);
  }

  /**
   * The group's processes, without those of groups below it.
   *
   * @throws {SystemError} ENOENT when the group is gone.
   */
  processes(): number[] {
    return readControl(`${this.path}/cgroup.procs`).split("\n")
      .filter((line) => line !== "").map(Number);
  }

  /**
   * Whether there is a living process in the group or below it. False when the
   * group is gone.
   *
   * @throws {SystemError} EACCES and the like.
   */
  populated(): boolean {
    return this.#event("populated");
  }

  /**
   * Whether all processes of the group have stopped after {@linkcode freeze}.
   *
   * @throws {SystemError} EACCES and the like.
   */
  frozen(): boolean {
    return this.#event("frozen");
  }

  /**
   * Stops or continues all processes of the group and below it
   * (`cgroup.freeze`). It is done when {@linkcode frozen} says so.
   *
   * @param on Whether to stop them.
   * @throws {SystemError} ENOENT when the group is gone.
   */
  freeze(on: boolean): void {
    writeControl(`${this.path}/cgroup.freeze`, on ? "1" : "0");
  }

  /**
   * Kills every process of the group and below it. Kernels since 5.14 do it in
   * one step (`cgroup.kill`), forks cannot get away from it; before that, the
   * processes are frozen, killed one by one, and thawed.
   *
   * @throws {SystemError} EACCES and the like; not when the group is gone.
   */
  kill(): void {
    try {
      writeControl(`${this.path}/cgroup.kill`, "1");
      return;
    } catch (error) {
      if (!(error instanceof SystemError && error.errno === ENOENT)) {
        throw error;
      }
    }
    try {
      this.freeze(true);
      const SIGKILL = 9;
      for (const pid of this.processes()) {
        // 0 stands for a process of a namespace that we do not see.
        if (pid > 0) libc().kill(pid, SIGKILL);
      }
      this.freeze(false);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /**
   * Removes the group. It must hold no processes and no groups.
   *
   * @throws {SystemError} EBUSY while it does; not when the group is gone.
   */
  remove(): void {
    try {
      check(
        libc().unlinkat(AT_FDCWD, cString(this.path), AT_REMOVEDIR),
        "rmdir",
        this.path,
      );
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /**
   * Reads one of the group's files, for example `memory.current`.
   *
   * @param file The file's name.
   * @throws {SystemError} ENOENT when there is no such file.
   */
  read(file: string): string {
    return readControl(`${this.path}/${file}`);
  }

  #event(name: string): boolean {
    try {
      return readControl(`${this.path}/cgroup.events`).split("\n")
        .includes(`${name} 1`);
    } catch (error) {
      if (isGone(error)) return false;
      throw error;
    }
  }
}

/** A group that was removed answers ENOENT by its path, ENODEV by a descriptor. */
function isGone(error: unknown): boolean {
  return error instanceof SystemError &&
    (error.errno === ENOENT || error.errno === ENODEV);
}

function orMax(value: number | undefined): string | undefined {
  if (value === undefined) return undefined;
  return value === Infinity ? "max" : `${value}`;
}
