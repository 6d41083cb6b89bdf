/**
 * What can be asked of a spawn. Types only; imports types.
 *
 * @module
 */

import type { Credentials } from "./credentials.ts";
import type { ResourceLimit, ResourceLimitName } from "./resource_limit.ts";

/** Where a child's descriptor comes from: one of ours, `/dev/null`, or the same number here. */
export type ChildDescriptor = number | "null" | "inherit";

/** What to spawn, and how. */
export interface SpawnOptions extends Credentials {
  /**
   * The program's arguments; the first is its name for itself. Bytes are passed
   * as they are.
   */
  readonly argv: readonly (string | Uint8Array)[];
  /** The file to execute, default `argv[0]`. There is no search of PATH: see `resolve_command.ts`. */
  readonly file?: string;
  /**
   * The environment, default that of this process: variables by name, or a list
   * of `NAME=value` in bytes, which is passed as it is.
   */
  readonly env?: Readonly<Record<string, string>> | readonly Uint8Array[];
  /** The working directory, entered with the child's credentials. Default: ours. */
  readonly cwd?: string;
  /** Descriptor 0, default `"null"`. */
  readonly stdin?: ChildDescriptor;
  /** Descriptor 1, default `"null"`. */
  readonly stdout?: ChildDescriptor;
  /** Descriptor 2, default `"null"`. */
  readonly stderr?: ChildDescriptor;
  /** Further descriptors by their number in the child, for example `{ 3: notify }`. */
  readonly descriptors?: Readonly<Record<number, number>>;
  /**
   * `"new"`: a session of its own. `"group"`: a process group of its own in our
   * session. `"same"`: neither. Default `"new"`.
   */
  readonly session?: "new" | "group" | "same";
  /**
   * A terminal device that, with a new session, becomes its controlling terminal,
   * and those of descriptors 0, 1 and 2 that are not given.
   */
  readonly terminal?: string;
  /**
   * With `session: "group"`: our descriptor of the terminal whose foreground
   * group the child becomes before its first instruction (glibc 2.35; see
   * `setForegroundGroup` for what can be done before that).
   */
  readonly foregroundOf?: number;
  /** Signals that stay blocked, default none. */
  readonly blockedSignals?: readonly number[];
  /** Signals that stay ignored if this process ignores them, default none: all have their default effect. */
  readonly ignoredSignals?: readonly number[];
  /** File mode creation mask, default ours. */
  readonly umask?: number;
  /** Nice value, -20 to 19, default ours. */
  readonly nice?: number;
  /** Resource limits; those not named are ours. Set right after the start. */
  readonly limits?: Readonly<Partial<Record<ResourceLimitName, ResourceLimit>>>;
  /** `/proc/PID/oom_score_adj`, -1000 to 1000, default ours. Set right after the start. */
  readonly oomScoreAdjust?: number;
  /** Directory of the control group to start in. */
  readonly cgroup?: string;
}
