/**
 * Carries out what the supervisor asks for: makes processes, sends signals,
 * freezes and watches. It decides nothing; it knows which process is whose, so
 * that a signal only ever reaches a process that is ours and not yet reaped.
 * Imports `linux`, the supervisor's types and this room.
 *
 * @module
 */
import { Cgroup } from "../linux/cgroup.ts";
import { SystemError } from "../linux/error.ts";
import { close, open } from "../linux/file.ts";
import { pread } from "../linux/positioned_file.ts";
import type { Poller } from "../linux/poller.ts";
import { type ChildExit, kill, killGroup } from "../linux/process.ts";
import { type SignalName, SIGNALS } from "../linux/signal_table.ts";
import { spawn } from "../linux/spawn.ts";
import type { ChildDescriptor } from "../linux/spawn_options.ts";
import { readUserDatabase } from "../linux/user_database.ts";
import type { ServiceDefinition } from "../supervisor/service_definition.ts";
import type { SupervisorEvent } from "../supervisor/supervisor.ts";
import type { ServiceEffect } from "./core_types.ts";
import { raiseDescriptorLimit } from "./descriptor_limit.ts";
import { launchUser, spawnOptions } from "./launch.ts";
import type { Log } from "./log.ts";
import type { ServicePreparer, Services, ServicesParts } from "./machine.ts";
import { ServiceNotify } from "./service_notify.ts";
import { ServiceOutput } from "./service_output.ts";

/** Where the services' control groups are. */
const CGROUP_ROOT = "/sys/fs/cgroup/spaceos";

/** What a service's control group may need from the kernel. */
const CONTROLLERS = ["memory", "cpu", "pids"];

type SpawnEffect = Extract<ServiceEffect, { readonly kind: "spawn" }>;
type SignalEffect = Extract<ServiceEffect, { readonly kind: "signal" }>;
type FreezeEffect = Extract<
  ServiceEffect,
  { readonly kind: "freeze" | "thaw" }
>;

/** What a runner works with. */
export interface ServiceRunnerParts extends ServicesParts {
  /** Waits for pipes and sockets. */
  readonly poller: Poller;
}

interface Owner {
  readonly service: string;
  readonly instance: number;
}

/** The processes of all services. */
export class ServiceRunner implements Services {
  readonly #poller: Poller;
  readonly #log: Log;
  readonly #dispatch: (event: SupervisorEvent) => void;
  readonly #preparer: ServicePreparer | null;
  readonly #output: ServiceOutput;
  readonly #notify: ServiceNotify;
  /** Live, unreaped processes of ours, by pid. */
  readonly #processes = new Map<number, Owner>();
  readonly #cgroups = new Map<string, Cgroup>();
  /** Instances whose control group is watched for becoming empty. */
  readonly #watches = new Set<number>();
  readonly #descriptorLimit = raiseDescriptorLimit();
  #console: number | null = null;

  /**
   * Begins without processes.
   *
   * @param parts What it works with.
   */
  constructor(parts: ServiceRunnerParts) {
    this.#poller = parts.poller;
    this.#log = parts.log;
    this.#dispatch = parts.dispatch;
    this.#preparer = parts.preparer ?? null;
    this.#output = new ServiceOutput(parts.poller, parts.log);
    this.#notify = new ServiceNotify(parts.poller, parts.dispatch);
  }

  /** Live processes of services. */
  get processCount(): number {
    return this.#processes.size;
  }

  /**
   * Makes the group that holds all services' groups, where the kernel has
   * control groups.
   *
   * @returns What is missing, in words, or null.
   */
  prepareCgroups(): string | null {
    try {
      const root = new Cgroup(CGROUP_ROOT);
      // From the machine's root to ours, and from ours to the services'.
      root.create(CONTROLLERS);
      const refused = root.enable(CONTROLLERS);
      return refused.length === 0
        ? null
        : `no ${refused.join(", ")} controller`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /**
   * Carries out one effect. News that follows at once is dispatched.
   *
   * @param effect The effect.
   */
  perform(effect: ServiceEffect): void {
    switch (effect.kind) {
      case "spawn":
        return this.#spawn(effect);
      case "signal":
        return this.#signal(effect);
      case "freeze":
      case "thaw":
        return this.#freeze(effect);
      case "check-cgroup":
        return this.#checkCgroup(owner(effect));
      case "watch-path":
        return this.#notify.watchPath(owner(effect), effect.path);
      case "unwatch-path":
        return this.#notify.unwatchPath(owner(effect));
      case "forget":
        return this.#forget(effect.service);
    }
  }

  /**
   * Takes the exits of children.
   *
   * @param exits Who ended, and how: all that were reaped since the last call.
   * @returns How many were processes of services; the others are orphans.
   */
  childrenExited(exits: readonly ChildExit[]): number {
    // The numbers of all of them are free by now, and the news of one may make
    // a process that gets the number of another: whose each was is looked up
    // before anything is told.
    const ours: [Owner, ChildExit][] = [];
    for (const exit of exits) {
      const who = this.#processes.get(exit.pid);
      if (who === undefined) continue;
      this.#processes.delete(exit.pid);
      ours.push([who, exit]);
    }
    for (const [who, { exitCode, signal }] of ours) {
      this.#takeLastWords(who);
      this.#dispatch({ kind: "exited", ...who, exit: { exitCode, signal } });
    }
    return ours.length;
  }

  /** They come before the news of its end, which comes whatever they are. */
  #takeLastWords(who: Owner): void {
    try {
      this.#output.finish(who.service);
      this.#notify.end(who);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.error(`${who.service}: ${text}`);
    }
  }

  #spawn(effect: SpawnEffect): void {
    const { service, instance, definition } = effect;
    const who = { service, instance };
    const opened: number[] = [];
    try {
      if (effect.phase !== "post") this.#preparer?.prepare(service);
      const user = launchUser(definition, readUserDatabase);
      const cgroup = this.#cgroup(definition);
      const isMain = effect.phase === "main";
      const { kind, path } = definition.readiness;
      if (isMain && kind === "path" && path !== null) {
        this.#notify.clearPath(path);
      }
      let notifyDescriptor: number | undefined;
      if (isMain && kind === "notify-fd") {
        notifyDescriptor = this.#notify.openPipe(who);
        opened.push(notifyDescriptor);
      }
      const wantsSocket = isMain &&
        (kind === "sd-notify" || definition.health.watchdogMs !== null);
      const pid = spawn(spawnOptions(effect, user, {
        stdin: definition.stdin === "console" ? this.#openConsole() : "null",
        stdout: this.#sink(definition, "stdout", opened),
        stderr: this.#sink(definition, "stderr", opened),
        ...(notifyDescriptor === undefined ? {} : { notifyDescriptor }),
        ...(wantsSocket
          ? {
            notifySocket: this.#notify.openSocket(
              who,
              user?.userId ?? 0,
              user?.groupId ?? 0,
            ),
          }
          : {}),
        ...(cgroup === null ? {} : { cgroup: cgroup.path }),
        ...(this.#descriptorLimit === null
          ? {}
          : { descriptorLimit: this.#descriptorLimit }),
      }));
      this.#processes.set(pid, who);
      const hasCgroup = cgroup !== null;
      this.#dispatch({ kind: "spawned", ...who, pid, hasCgroup });
    } catch (error) {
      this.#notify.end(who);
      this.#killRemains(service);
      const text = error instanceof Error ? error.message : String(error);
      this.#dispatch({ kind: "spawn-failed", ...who, error: text });
    } finally {
      for (const descriptor of opened) close(descriptor);
    }
  }

  /** A child that could not be limited is dead, but may have forked before. */
  #killRemains(service: string): void {
    try {
      this.#cgroups.get(service)?.kill();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.error(`${service}: SIGKILL to its cgroup: ${text}`);
    }
  }

  /** The service's group, made and limited; null where there are no groups. */
  #cgroup(definition: ServiceDefinition): Cgroup | null {
    const { name, cgroup } = definition;
    const group = this.#cgroups.get(name) ??
      new Cgroup(`${CGROUP_ROOT}/${name}`);
    try {
      // Each time: while the service was down, its group was empty, and
      // whoever may can have removed it.
      group.create();
    } catch (error) {
      // Without cgroup2 a service is tracked by its session alone, and one
      // that asks for limits can't have them.
      if (Object.values(cgroup).every((limit) => limit === null)) return null;
      throw error;
    }
    this.#cgroups.set(name, group);
    group.setLimits({
      ...(cgroup.memoryMaxBytes === null
        ? {}
        : { memoryMaxBytes: cgroup.memoryMaxBytes }),
      ...(cgroup.memoryHighBytes === null
        ? {}
        : { memoryHighBytes: cgroup.memoryHighBytes }),
      ...(cgroup.cpuWeight === null ? {} : { cpuWeight: cgroup.cpuWeight }),
      ...(cgroup.pidsMaximum === null ? {} : { pidsMax: cgroup.pidsMaximum }),
    });
    return group;
  }

  /** Says whether anything of a service is left, now and when that changes. */
  #checkCgroup(who: Owner): void {
    const group = this.#cgroups.get(who.service);
    const isPopulated = group?.populated() ?? false;
    if (isPopulated && group !== undefined) this.#watchCgroup(who, group);
    this.#dispatch({ kind: "cgroup", ...who, isPopulated });
  }

  #watchCgroup(who: Owner, group: Cgroup): void {
    if (this.#watches.has(who.instance)) return;
    const events = open(`${group.path}/cgroup.events`);
    const buffer = new Uint8Array(256);
    const end = () => {
      this.#watches.delete(who.instance);
      this.#poller.remove(events);
      close(events);
    };
    this.#watches.add(who.instance);
    // The kernel reports a change since the last reading: each look reads.
    pread(events, buffer, 0);
    this.#poller.add(events, { read: false, priority: true }, () => {
      pread(events, buffer, 0);
      if (group.populated()) return;
      end();
      this.#dispatch({ kind: "cgroup", ...who, isPopulated: false });
    });
    // It may have become empty before we listened.
    if (!group.populated()) {
      end();
      this.#dispatch({ kind: "cgroup", ...who, isPopulated: false });
    }
  }

  /** Closes and removes what a service had besides its processes. */
  #forget(service: string): void {
    this.#output.forget(service);
    const group = this.#cgroups.get(service);
    this.#cgroups.delete(service);
    try {
      group?.remove();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.warning(`${service}: ${text}`);
    }
  }

  /** Where a stream goes; what was opened for that is to be closed after the spawn. */
  #sink(
    definition: ServiceDefinition,
    stream: "stdout" | "stderr",
    opened: number[],
  ): ChildDescriptor {
    switch (definition[stream]) {
      case "log": {
        const writer = this.#output.writer(definition.name, stream);
        opened.push(writer);
        return writer;
      }
      case "console":
        return this.#openConsole();
      case "null":
        return "null";
    }
  }

  /** One descriptor of the console serves all services that ask for it. */
  #openConsole(): number {
    this.#console ??= open("/dev/console", [
      "readWrite",
      "noControllingTerminal",
    ]);
    return this.#console;
  }

  #signal({ service, instance, pid, signal, scope }: SignalEffect): void {
    const number = SIGNALS[signal as SignalName];
    const group = this.#cgroups.get(service);
    try {
      if (scope === "cgroup" && group !== undefined) {
        if (signal === "SIGKILL") return group.kill();
        for (const member of group.processes()) {
          if (member > 0) kill(member, number);
        }
        return;
      }
      // The table says whether it is ours and not yet reaped: the kernel may
      // have given its number to a stranger otherwise.
      const isOurs = pid !== null &&
        this.#processes.get(pid)?.instance === instance;
      if (!isOurs) return;
      if (scope === "process") kill(pid, number);
      else killGroup(pid, number);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.error(`${service}: ${signal} to its ${scope}: ${text}`);
    }
  }

  #freeze({ kind, service, instance, pid }: FreezeEffect): void {
    const isOn = kind === "freeze";
    try {
      const group = this.#cgroups.get(service);
      if (group !== undefined) return group.freeze(isOn);
      const isOurs = pid !== null &&
        this.#processes.get(pid)?.instance === instance;
      if (isOurs) killGroup(pid, isOn ? SIGNALS.SIGSTOP : SIGNALS.SIGCONT);
    } catch (error) {
      const text = error instanceof SystemError ? error.message : String(error);
      this.#log.error(`${service}: ${kind}: ${text}`);
    }
  }
}

function owner({ service, instance }: Owner): Owner {
  return { service, instance };
}
