/**
 * What the init works with in this boot: finishes a staged set that a power cut
 * has interrupted, reads the stored parameters, and lets the kernel command
 * line have the last word. Imports `storage`'s types and this room.
 *
 * @module
 */
import type { ParameterStore } from "../storage/volume.ts";
import type { BootOptions } from "./command_line.ts";
import { type InitConfig, readConfig } from "./config.ts";
import { finishStoredSet } from "./staged_commit.ts";

/** What was loaded. */
export interface LoadedConfig {
  /** What the init works with. */
  readonly config: InitConfig;
  /** What was done besides, for the log. */
  readonly lines: readonly string[];
  /** A sentence for each stored value that can't be used. */
  readonly warnings: readonly string[];
  /** A sentence for what failed. */
  readonly problems: readonly string[];
}

/**
 * Loads the configuration.
 *
 * @param store The volume's parameters, or null without a volume.
 * @param options The parsed command line.
 * @returns The configuration; never rejects.
 *
 * @example
 * ```ts
 * import { parseCommandLine } from "./command_line.ts";
 * import { loadConfig } from "./load_config.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const options = parseCommandLine("spaceos.log=debug");
 * const { config } = await loadConfig(null, options);
 * assertEquals(config.logLevel, "debug");
 * assertEquals(config.healthIntervalMs, 10_000);
 * ```
 */
export async function loadConfig(
  store: ParameterStore | null,
  options: BootOptions,
): Promise<LoadedConfig> {
  const lines: string[] = [];
  const failures: string[] = [];
  try {
    const sets = store === null ? null : await finishStoredSet(store);
    if (sets !== null) {
      lines.push(`a staged set of ${sets.length} parameters was finished`);
    }
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  }
  const { config, problems: warnings } = readConfig((id) =>
    store?.get(id)?.value
  );
  return {
    config: withCommandLine(config, options),
    lines,
    warnings,
    problems: failures,
  };
}

function withCommandLine(config: InitConfig, options: BootOptions): InitConfig {
  const { named, logLevel, watchdogTimeoutSeconds } = options;
  return {
    ...config,
    ...(named.includes("log") ? { logLevel } : {}),
    // 0 leaves the watchdog closed, and there is no time-out to speak of.
    ...(named.includes("watchdog") && watchdogTimeoutSeconds > 0
      ? { watchdogTimeoutSeconds }
      : {}),
  };
}
