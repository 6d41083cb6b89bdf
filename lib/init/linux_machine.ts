/**
 * The machine under the shell as Linux has it. Imports `linux`, `host` and
 * this room.
 *
 * @module
 */
import { HostLink, type LinkEvents } from "../host/link.ts";
import { findPort, HOST_PORT_NAME } from "../host/ports.ts";
import { boottimeMs, realtimeMs, setRealtime } from "../linux/clock.ts";
import { readControl } from "../linux/control_file.ts";
import { Poller } from "../linux/poller.ts";
import {
  type ChildExit,
  drainChildExits,
  hasChildren,
  killAll,
  setNoNewPrivileges,
} from "../linux/process.ts";
import { type SignalName, SIGNALS } from "../linux/signal_table.ts";
import {
  petWatchdog,
  setWatchdogTimeout,
  type Watchdog,
} from "../linux/watchdog.ts";
import { detachFilesystems, endMachine, isMachine } from "./go_down.ts";
import type { Log } from "./log.ts";
import type {
  Machine,
  OpenedLink,
  Services,
  ServicesParts,
} from "./machine.ts";
import {
  type Reload,
  reloadDefinitions,
  type ReloadOptions,
} from "./reload_definitions.ts";
import { ServiceRunner } from "./service_runner.ts";
import type { PowerAction } from "./shutdown.ts";

/** The machine that this program is process 1 of. */
export class LinuxMachine implements Machine {
  readonly #poller: Poller;

  /**
   * Begins to wait for descriptors.
   *
   * @param log Says what a descriptor's owner threw.
   * @throws {SystemError} EMFILE, ENOMEM.
   */
  constructor(log: Log) {
    this.#poller = new Poller({
      onError: (error, descriptor) =>
        log.error(`descriptor ${descriptor}: ${String(error)}`),
    });
  }

  /** See {@linkcode Machine.boottimeMs}. */
  boottimeMs(): number {
    return boottimeMs();
  }

  /** See {@linkcode Machine.realtimeMs}. */
  realtimeMs(): number {
    return realtimeMs();
  }

  /** See {@linkcode Machine.setRealtime}. */
  setRealtime(ms: number): void {
    if (!isMachine()) throw new Error("the clock is the machine's");
    setRealtime(ms);
  }

  /** See {@linkcode Machine.random}. */
  random(): number {
    return Math.random();
  }

  /** See {@linkcode Machine.readProc}. */
  readProc(name: string): string {
    try {
      return readControl(`/proc/${name}`);
    } catch {
      return "";
    }
  }

  /** See {@linkcode Machine.createServices}. */
  createServices(parts: ServicesParts): Services {
    return new ServiceRunner({ poller: this.#poller, ...parts });
  }

  /** See {@linkcode Machine.openHostLink}. */
  openHostLink(events: LinkEvents): OpenedLink | null {
    const path = findPort(HOST_PORT_NAME);
    if (path === undefined) return null;
    return { link: HostLink.open(path, this.#poller, events), path };
  }

  /** See {@linkcode Machine.drainChildExits}. */
  drainChildExits(limit: number): readonly ChildExit[] {
    return drainChildExits(limit);
  }

  /** See {@linkcode Machine.hasChildren}. */
  hasChildren(): boolean {
    return hasChildren();
  }

  /** See {@linkcode Machine.killAll}. */
  killAll(signal: SignalName): void {
    killAll(SIGNALS[signal]);
  }

  /** See {@linkcode Machine.petWatchdog}. */
  petWatchdog(watchdog: Watchdog): void {
    petWatchdog(watchdog);
  }

  /** See {@linkcode Machine.reloadDefinitions}. */
  reloadDefinitions(options: ReloadOptions): Reload {
    return reloadDefinitions(options);
  }

  /** See {@linkcode Machine.setWatchdogTimeout}. */
  setWatchdogTimeout(watchdog: Watchdog, seconds: number): number {
    return setWatchdogTimeout(watchdog, seconds);
  }

  /** See {@linkcode Machine.setNoNewPrivileges}. */
  setNoNewPrivileges(): void {
    setNoNewPrivileges();
  }

  /** See {@linkcode Machine.detachFilesystems}. */
  async detachFilesystems(log: Log): Promise<void> {
    await detachFilesystems(log);
  }

  /** See {@linkcode Machine.end}. */
  end(action: PowerAction): void {
    endMachine(action);
  }
}
