/**
 * What a simulation of the supervisor plays: services drawn at random, what is
 * asked of them and when, and how each of their processes behaves. Drawn from
 * a seed; the behaviour of a process depends only on the seed, its service and
 * how many came before it, so that leaving something out of a scenario (to make
 * a failing one smaller) leaves the rest as it was.
 */

import { defineService } from "../../../lib/supervisor/definition.ts";
import type { ServiceDefinition } from "../../../lib/supervisor/service_definition.ts";
import type { ExitStatus } from "../../../lib/supervisor/service_types.ts";
import type {
  ServiceCommand,
  ServicePhase,
} from "../../../lib/supervisor/supervisor.ts";
import { hashText, Random } from "../random.ts";

/** Something that is done to the machine. */
export type Operation =
  | {
    readonly kind: "command";
    readonly command: ServiceCommand;
    readonly service: string;
  }
  | { readonly kind: "enter-safe-mode" | "leave-safe-mode" | "shutdown" }
  | {
    readonly kind: "unhealthy" | "kill" | "stop-process" | "stale";
    readonly service: string;
  }
  | { readonly kind: "reload"; readonly without: string };

/** The services of a script. */
export interface ServicesScenario {
  readonly seed: number;
  readonly definitions: readonly ServiceDefinition[];
  /** Whether processes have cgroups. */
  readonly hasCgroups: boolean;
}

/** A simulation's script. */
export interface Scenario extends ServicesScenario {
  /** What is done, in the order of its time. */
  readonly operations: readonly {
    readonly atMs: number;
    readonly operation: Operation;
  }[];
  /** When nothing is done any more and every process begins to behave. */
  readonly calmMs: number;
}

/** How one process behaves. */
export interface Behaviour {
  readonly spawnFails: boolean;
  /** When it exits by itself, after its spawn; Infinity never. */
  readonly exitAfterMs: number;
  readonly exit: ExitStatus;
  /** When it says that it is ready, after its spawn; Infinity never. */
  readonly readyAfterMs: number;
  /** How many heartbeats it gives before it hangs. */
  readonly heartbeats: number;
  /** How long after a stop signal it exits; Infinity ignores the signal. */
  readonly obeysAfterMs: number;
  /** How long after SIGKILL it is gone. */
  readonly diesAfterMs: number;
  /** How long the processes live that it leaves in its cgroup; 0 leaves none. */
  readonly childrenLiveMs: number;
  /** Whether those obey a stop signal. */
  readonly childrenObey: boolean;
  /** Whether it is stopped (SIGSTOP) from the start, and only SIGCONT or SIGKILL reaches it. */
  readonly isStopped: boolean;
}

/** Draws a scenario. */
export function drawScenario(seed: number): Scenario {
  const random = new Random(seed, 1);
  const count = random.between(1, 8);
  const definitions = Array.from(
    { length: count },
    (_, index) => drawService(random, index),
  );
  const names = definitions.map((definition) => definition.name);
  const calmMs = random.between(5_000, 60_000);
  const operations = Array.from({ length: random.between(0, 16) }, () => ({
    atMs: random.between(0, calmMs - 1),
    operation: drawOperation(random, names),
  })).sort((a, b) => a.atMs - b.atMs);
  return {
    seed,
    definitions,
    hasCgroups: random.chance(0.7),
    operations,
    calmMs,
  };
}

/** How the nth process of a service behaves; after `calmMs` all behave well. */
export function behaviourOf(
  scenario: ServicesScenario,
  definition: ServiceDefinition,
  phase: ServicePhase,
  nth: number,
  isCalm: boolean,
): Behaviour {
  const random = new Random(
    scenario.seed,
    hashText(`${definition.name} ${phase}`),
    nth,
  );
  const isOnce = phase !== "main" || definition.type === "oneshot" ||
    definition.readiness.kind === "exit";
  const good: Behaviour = {
    spawnFails: false,
    exitAfterMs: isOnce ? random.between(0, 200) : Infinity,
    exit: { exitCode: 0, signal: null },
    readyAfterMs: random.between(0, 300),
    heartbeats: Infinity,
    obeysAfterMs: random.between(0, 300),
    diesAfterMs: random.between(0, 20),
    childrenLiveMs:
      definition.readiness.kind === "exit" && definition.type === "process"
        ? 1e12
        : 0,
    childrenObey: true,
    isStopped: false,
  };
  if (isCalm || random.chance(0.3)) return good;
  return {
    spawnFails: random.chance(0.05),
    exitAfterMs: random.chance(isOnce ? 0.1 : 0.4)
      ? Infinity
      : random.between(0, 8_000),
    exit: random.chance(isOnce ? 0.7 : 0.3)
      ? { exitCode: 0, signal: null }
      : random.chance(0.6)
      ? { exitCode: random.pick([1, 3, 127]), signal: null }
      : {
        exitCode: null,
        signal: random.pick(["SIGSEGV", "SIGHUP", "SIGKILL"]),
      },
    readyAfterMs: random.chance(0.1) ? Infinity : random.between(0, 3_000),
    heartbeats: random.chance(0.5) ? Infinity : random.between(0, 10),
    obeysAfterMs: random.chance(0.15) ? Infinity : random.between(0, 2_500),
    diesAfterMs: random.chance(0.05)
      ? random.between(4_000, 30_000)
      : random.between(0, 50),
    childrenLiveMs: good.childrenLiveMs > 0
      ? random.between(0, 20_000)
      : random.chance(0.2)
      ? random.between(0, 20_000)
      : 0,
    childrenObey: random.chance(0.6),
    isStopped: random.chance(0.05),
  };
}

/** Draws a service; it may depend on those of lower index. */
export function drawService(random: Random, index: number): ServiceDefinition {
  const name = `s${index}`;
  const others = (share: number): string[] =>
    Array.from({ length: index }, (_, other) => `s${other}`)
      .filter(() => random.chance(share / Math.max(1, index)));
  const type = random.chance(0.75) ? "process" : "oneshot";
  const isProcess = type === "process";
  const readiness = !isProcess ? "exit" : random.pick(
    ["spawned", "spawned", "notify-fd", "sd-notify", "path", "exit"] as const,
  );
  const commands = (what: string): string[][] =>
    Array.from(
      { length: random.chance(0.2) ? random.between(1, 2) : 0 },
      (_, n) => [`/bin/${what}${n}`],
    );
  const initialMs = random.pick([0, 100, 500, 1000]);
  return defineService(name, {
    command: [`/bin/${name}`],
    type,
    start: random.chance(0.8)
      ? "boot"
      : isProcess || random.chance(0.5)
      ? "demand"
      : "shutdown",
    requires: others(0.8),
    wants: others(0.4),
    after: others(0.4),
    readiness: {
      kind: readiness,
      fd: readiness === "notify-fd" ? 3 : null,
      path: readiness === "path" ? "/run/x" : null,
      timeoutMs: random.between(500, 6_000),
    },
    restart: random.pick(
      isProcess
        ? ["always", "always", "on-failure", "never"] as const
        : ["on-failure", "never"] as const,
    ),
    successCodes: random.chance(0.2) ? [0, 3] : [0],
    successSignals: random.chance(0.2) ? ["SIGHUP"] : [],
    backoff: {
      initialMs,
      factor: random.pick([1, 1.5, 2, 4]),
      maximumMs: random.between(initialMs, 8_000),
      jitter: random.pick([0, 0.1, 1]),
      resetAfterMs: random.between(500, 10_000),
    },
    restartLimit: {
      maximum: random.chance(0.3) ? null : random.between(0, 6),
      windowMs: random.between(100, 60_000),
    },
    health: {
      watchdogMs: isProcess && random.chance(0.3)
        ? random.between(300, 2_000)
        : null,
    },
    stop: {
      signal: random.pick(["SIGTERM", "SIGTERM", "SIGINT", "SIGKILL"]),
      timeoutMs: random.between(0, 4_000),
      scope: readiness === "exit" && isProcess
        ? "cgroup"
        : random.pick(["process", "group", "cgroup"] as const),
    },
    critical: random.chance(0.2),
    safeMode: random.chance(0.3),
    pre: commands("pre"),
    post: commands("post"),
  });
}

function drawOperation(random: Random, names: readonly string[]): Operation {
  const service = random.pick(names);
  const roll = random.fraction();
  if (roll < 0.5) {
    const command = random.pick(
      ["start", "stop", "restart", "isolate", "resume"] as const,
    );
    return { kind: "command", command, service };
  }
  if (roll < 0.6) {
    return { kind: random.pick(["enter-safe-mode", "leave-safe-mode"]) };
  }
  if (roll < 0.7) return { kind: "unhealthy", service };
  if (roll < 0.8) return { kind: "kill", service };
  if (roll < 0.85) return { kind: "stop-process", service };
  if (roll < 0.92) return { kind: "stale", service };
  if (roll < 0.97) {
    return { kind: "reload", without: random.chance(0.5) ? service : "" };
  }
  return { kind: "shutdown" };
}
