/**
 * From a service's definition to what the kernel is asked for: names become
 * ids, limits become numbers, the environment is completed. Imports `linux`'s
 * and the supervisor's types.
 *
 * @module
 */
import type { CapabilityName } from "../linux/credentials.ts";
import type {
  ResourceLimit,
  ResourceLimitName,
} from "../linux/resource_limit.ts";
import type { ChildDescriptor, SpawnOptions } from "../linux/spawn_options.ts";
import {
  resolveGroup,
  resolveUser,
  type UserDatabase,
} from "../linux/user_database.ts";
import type { ServiceDefinition } from "../supervisor/service_definition.ts";
import type { ExitStatus } from "../supervisor/service_types.ts";
import type { ServicePhase } from "../supervisor/supervisor_types.ts";

/** The search path of a service that names none. */
const DEFAULT_PATH =
  "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/** What only the shell can provide for a child. */
export interface LaunchGrants {
  /** Where descriptor 0 comes from. */
  readonly stdin: ChildDescriptor;
  /** Where descriptor 1 goes. */
  readonly stdout: ChildDescriptor;
  /** Where descriptor 2 goes. */
  readonly stderr: ChildDescriptor;
  /** The end of the readiness pipe for `notify-fd`. */
  readonly notifyDescriptor?: number;
  /** The path for `NOTIFY_SOCKET`. */
  readonly notifySocket?: string;
  /** The directory of the control group. */
  readonly cgroup?: string;
  /** The limit of descriptors that it starts with, unless its definition has one. */
  readonly descriptorLimit?: ResourceLimit;
}

/** What is to be launched. */
export interface Launch {
  /** The service. */
  readonly definition: ServiceDefinition;
  /** Which of its commands this is. */
  readonly phase: ServicePhase;
  /** The command's words. */
  readonly command: readonly string[];
  /** How the main process ended, for `post`. */
  readonly lastExit: ExitStatus | null;
}

/** Who a service runs as. */
export interface LaunchUser {
  /** The user id. */
  readonly userId: number;
  /** The group id. */
  readonly groupId: number;
  /** The supplementary groups. */
  readonly supplementaryGroupIds: readonly number[];
  /** The user's name, where it has one. */
  readonly name: string | undefined;
  /** The home directory. */
  readonly home: string;
}

/**
 * Who a service runs as; null when it asks for nothing but the init's own root.
 *
 * @param definition The service.
 * @param readDatabase Gives the machine's users and groups; not asked for root.
 * @returns The ids.
 * @throws {SystemError} ENOENT naming a user or group that does not exist.
 *
 * @example
 * ```ts
 * import { launchUser } from "./launch.ts";
 * import { defineService } from "../supervisor/definition.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const service = defineService("web", { command: ["/bin/web"], user: 1000 });
 * const user = launchUser(service, () => ({ users: [], groups: [] }));
 * assertEquals(user?.groupId, 1000);
 * ```
 */
export function launchUser(
  definition: ServiceDefinition,
  readDatabase: () => UserDatabase,
): LaunchUser | null {
  const { user, group, supplementaryGroups } = definition;
  if (user === null && group === null && supplementaryGroups === null) {
    return null;
  }
  const database = readDatabase();
  const resolved = resolveUser(database, user ?? 0);
  return {
    userId: resolved.userId,
    groupId: group === null ? resolved.groupId : resolveGroup(database, group),
    supplementaryGroupIds: supplementaryGroups === null
      ? resolved.supplementaryGroupIds
      : supplementaryGroups.map((name) => resolveGroup(database, name)),
    name: resolved.user?.name,
    home: resolved.user?.home ?? "/",
  };
}

/**
 * What to spawn.
 *
 * @param launch The service and the command.
 * @param user Who it runs as.
 * @param grants Descriptors, socket and control group.
 * @returns The options for `spawn`.
 */
export function spawnOptions(
  launch: Launch,
  user: LaunchUser | null,
  grants: LaunchGrants,
): SpawnOptions {
  const { definition, command } = launch;
  const { readiness, ambientCapabilities } = definition;
  const isNotifying = grants.notifyDescriptor !== undefined &&
    readiness.fd !== null;
  return {
    argv: command,
    env: environment(launch, user, grants),
    cwd: definition.workingDirectory,
    stdin: grants.stdin,
    stdout: grants.stdout,
    stderr: grants.stderr,
    umask: definition.umask,
    nice: definition.nice,
    oomScoreAdjust: definition.oomScoreAdjust,
    limits: {
      ...(grants.descriptorLimit === undefined
        ? {}
        : { nofile: grants.descriptorLimit }),
      ...limits(definition),
    },
    ...(user === null ? {} : {
      userId: user.userId,
      groupId: user.groupId,
      supplementaryGroupIds: user.supplementaryGroupIds,
    }),
    // The names were checked against the same table when they were read.
    ...(ambientCapabilities.length === 0
      ? {}
      : { ambientCapabilities: ambientCapabilities as CapabilityName[] }),
    ...(isNotifying && readiness.fd !== null
      ? { descriptors: { [readiness.fd]: grants.notifyDescriptor ?? -1 } }
      : {}),
    ...(grants.cgroup === undefined ? {} : { cgroup: grants.cgroup }),
  };
}

function environment(
  { definition, phase, lastExit }: Launch,
  user: LaunchUser | null,
  grants: LaunchGrants,
): Record<string, string> {
  const { watchdogMs } = definition.health;
  return {
    PATH: DEFAULT_PATH,
    HOME: user?.home ?? "/",
    ...(user?.name === undefined
      ? {}
      : { USER: user.name, LOGNAME: user.name }),
    ...definition.environment,
    SPACEOS_SERVICE: definition.name,
    ...(grants.notifySocket === undefined
      ? {}
      : { NOTIFY_SOCKET: grants.notifySocket }),
    ...(watchdogMs === null || phase !== "main"
      ? {}
      : { WATCHDOG_USEC: `${watchdogMs * 1000}` }),
    ...(phase !== "post" || lastExit === null ? {} : {
      SPACEOS_EXIT: lastExit.signal ?? `${lastExit.exitCode}`,
    }),
  };
}

function limits(
  definition: ServiceDefinition,
): Partial<Record<ResourceLimitName, ResourceLimit>> {
  const entries = Object.entries(definition.limits).map((
    [name, { soft, hard }],
  ) => [name, { soft: soft ?? Infinity, hard: hard ?? Infinity }]);
  return Object.fromEntries(entries);
}
