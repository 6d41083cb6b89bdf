/**
 * What the shell needs of the machine that it runs on: clocks, processes, the
 * host's port, the watchdog, the end. `linux_machine.ts` is the real one; the
 * simulator of `tests/simulation` is another, so that everything above this
 * line can be run from a seed. Types only.
 *
 * @module
 */
import type { HostLink, LinkEvents } from "../host/link.ts";
import type { ChildExit } from "../linux/process.ts";
import type { SignalName } from "../linux/signal_table.ts";
import type { Watchdog } from "../linux/watchdog.ts";
import type { SupervisorEvent } from "../supervisor/supervisor.ts";
import type { InitEvent, InitStep, ServiceEffect } from "./core_types.ts";
import type { Log } from "./log.ts";
import type { Reload, ReloadOptions } from "./reload_definitions.ts";
import type { PowerAction } from "./shutdown.ts";

/** Does what a service needs before its first start. */
export interface ServicePreparer {
  /**
   * Does it, once.
   *
   * @param service The service's name; others than it knows need nothing.
   * @throws {Error} When it can't be done now.
   */
  prepare(service: string): void;
}

/** What the processes of services are run with. */
export interface ServicesParts {
  /** Takes what services write, and what goes wrong. */
  readonly log: Log;
  /** Takes the news of services, in the order in which it came. */
  readonly dispatch: (event: SupervisorEvent) => void;
  /** Does what services need first; null or left out where none needs anything. */
  readonly preparer?: ServicePreparer | null;
}

/** The processes of all services. */
export interface Services {
  /**
   * Makes the group that holds all services' groups, where the kernel has
   * control groups.
   *
   * @returns What is missing, in words, or null.
   */
  prepareCgroups(): string | null;
  /**
   * Carries out one effect. News that follows at once is dispatched.
   *
   * @param effect The effect.
   */
  perform(effect: ServiceEffect): void;
  /**
   * Takes the exits of children.
   *
   * @param exits Who ended, and how: all that were reaped since the last call.
   * @returns How many were processes of services; the others are orphans.
   */
  childrenExited(exits: readonly ChildExit[]): number;
}

/** A link to the host, and where it was found. */
export interface OpenedLink {
  /** The link, which listens. */
  readonly link: HostLink;
  /** The port's device node. */
  readonly path: string;
}

/** The machine under the shell. */
export interface Machine {
  /** CLOCK_BOOTTIME, milliseconds. */
  boottimeMs(): number;
  /** CLOCK_REALTIME, milliseconds; anybody may step it. */
  realtimeMs(): number;
  /**
   * Sets CLOCK_REALTIME.
   *
   * @param ms Milliseconds since 1970.
   * @throws {Error} In a container, whose clock is its machine's, and where
   * the kernel refuses.
   */
  setRealtime(ms: number): void;
  /** A number from 0 up to, not including, 1. */
  random(): number;
  /** The text of a file of `/proc`, or the empty string. */
  readProc(name: string): string;
  /** Begins without processes. */
  createServices(parts: ServicesParts): Services;
  /**
   * Opens the port for the host.
   *
   * @param events Whom the link tells.
   * @returns The link, or null when the machine has no such port.
   * @throws {Error} When another program has it.
   */
  openHostLink(events: LinkEvents): OpenedLink | null;
  /** Reaps up to `limit` ended children; none are left when it returns fewer. */
  drainChildExits(limit: number): readonly ChildExit[];
  /** Whether there is a child, ended or not. */
  hasChildren(): boolean;
  /** Sends a signal to every process but this one. */
  killAll(signal: SignalName): void;
  /** Puts the watchdog's reset off by one time-out. */
  petWatchdog(watchdog: Watchdog): void;
  /** Reads all service definitions anew; nothing throws. */
  reloadDefinitions(options: ReloadOptions): Reload;
  /**
   * Changes the watchdog's time-out.
   *
   * @param watchdog The open watchdog.
   * @param seconds The time-out that is wanted.
   * @returns The time-out that the device has now, in seconds.
   * @throws {Error} When the device refuses.
   */
  setWatchdogTimeout(watchdog: Watchdog, seconds: number): number;
  /** No process of this machine gains privileges by an execve from now on. */
  setNoNewPrivileges(): void;
  /** Writes all file systems' data to their disks and unmounts them. */
  detachFilesystems(log: Log): Promise<void>;
  /** Ends the machine; does not return when that works. */
  end(action: PowerAction): void;
  /**
   * Sees each step of the core before its effects are carried out, so that a
   * simulator can judge it; Linux does not look.
   */
  onStep?(event: InitEvent, step: InitStep): void;
}
