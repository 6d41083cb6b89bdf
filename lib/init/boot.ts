/**
 * The boot: phase by phase from a kernel that has just started `/init` to a
 * machine on which services can run. Each phase is timed, and one that fails
 * becomes a problem with a name, never the end. Imports `linux`, `storage`,
 * `supervisor` and this room.
 *
 * @module
 */
import { findSharedMemory, openSharedPage } from "../host/shared_page_file.ts";
import { DEFAULT_FDIR_POLICY, type FdirPolicy } from "../fdir/checks.ts";
import {
  MANIFEST_MAX_BYTES,
  MANIFEST_PATH,
  type ManifestEntry,
  parseManifest,
} from "../fdir/manifest.ts";
import { readControl, writeControl } from "../linux/control_file.ts";
import {
  CGROUP_FILESYSTEMS,
  type Filesystem,
  FILESYSTEMS,
  mount,
  PSTORE_FILESYSTEMS,
  RUNTIME_FILESYSTEMS,
  setupFilesystems,
} from "../linux/mount.ts";
import { boottimeMs, realtimeMs } from "../linux/clock.ts";
import { ConsoleWriter, openStandardDescriptors } from "../linux/console.ts";
import { SystemError } from "../linux/error.ts";
import { loadModules, MODULE_LIST_PATH } from "../linux/module.ts";
import { catchCtrlAltDel } from "../linux/reboot.ts";
import {
  findWatchdog,
  openWatchdog,
  setWatchdogTimeout,
  type Watchdog,
} from "../linux/watchdog.ts";
import type { ServiceDefinition } from "../supervisor/service_definition.ts";
import { type Issue, issueText } from "../supervisor/schema.ts";
import type { EventCodeName } from "../wire/event_code.ts";
import type { SharedPage } from "../wire/shared_page.ts";
import {
  type BootOptions,
  moduleParameters,
  parseCommandLine,
} from "./command_line.ts";
import type { InitConfig } from "./config.ts";
import { readDefinitions } from "./definition_files.ts";
import {
  FDIR_CONFIGURATION_MAX_BYTES,
  FDIR_CONFIGURATION_PATH,
  type FdirConfiguration,
  parseFdirConfiguration,
} from "./fdir_configuration.ts";
import { type Looker, MachineLooker } from "./fdir_looker.ts";
import { findVolume, type FoundVolume } from "./find_volume.ts";
import { isMachine } from "./go_down.ts";
import { type LastReset, lastReset } from "./last_reset.ts";
import { readKernelLogs } from "./pstore.ts";
import { readSmallFile } from "./small_file.ts";
import { ConsoleSink, type ConsoleState } from "./console_sink.ts";
import { loadConfig } from "./load_config.ts";
import type { Log } from "./log.ts";
import type { ServicePreparer } from "./machine.ts";
import type { Timeline } from "./timeline.ts";

/** Something that is not as it should be after the boot. */
export interface BootProblem {
  /** The phase it belongs to. */
  readonly subject: string;
  /** What was met, and what was expected. */
  readonly text: string;
  /** The event that records it; default `BOOT_PHASE_FAILED`. */
  readonly code?: EventCodeName;
}

/** What the boot found. */
export interface BootResult {
  /** What the kernel command line asks for. */
  readonly options: BootOptions;
  /** The console, already the log's sink. */
  readonly console: ConsoleState;
  /** The open watchdog, or null. */
  readonly watchdog: Watchdog | null;
  /** The volume, or why there is none. */
  readonly found: FoundVolume;
  /** What the init works with: stored parameters, and what the command line overrides. */
  readonly config: InitConfig;
  /** The services that can be used. */
  readonly definitions: readonly ServiceDefinition[];
  /** Those of them that are OCI bundles, which only a boot reads. */
  readonly bundles: readonly ServiceDefinition[];
  /** What has to be done before a service's first start, or null where there is nothing. */
  readonly preparer: ServicePreparer | null;
  /** The page shared with the host, where one is asked for and there. */
  readonly page?: SharedPage;
  /** Why the boot before ended; left out where that can't be told. */
  readonly reset?: {
    /** Why; null when nothing tells. */
    readonly last: LastReset | null;
    /** Makes room for the next such traces, once this is stored. */
    readonly forget: () => void;
  };
  /** What looks for faults, and by which policy; left out where nobody looks. */
  readonly fdir?: FaultDetection;
  /** What is not as it should be. */
  readonly problems: readonly BootProblem[];
}

/** How faults are looked for. */
export interface FaultDetection {
  /** How they are judged and answered. */
  readonly policy: FdirPolicy;
  /** What looks for them. */
  readonly looker: Looker;
}

/** What the boot works with. */
export interface BootContext {
  /** Where it says what it does. */
  readonly log: Log;
  /** Where it notes how long each phase took. */
  readonly timeline: Timeline;
}

/**
 * Boots the machine.
 *
 * @param context The log and the timeline.
 * @returns What was found. Nothing throws: PID 1 goes on with what there is.
 */
export async function boot(context: BootContext): Promise<BootResult> {
  const { log } = context;
  const phases = new Phases(context);
  phases.run("console", openConsole);
  const console = new ConsoleSink(new ConsoleWriter());
  log.attach(console);
  phases.run("mounts", () => mountAll(phases));
  phases.run("modules", () => {
    const line = readControl("/proc/cmdline");
    const results = loadModules(
      MODULE_LIST_PATH,
      (name) => moduleParameters(line, name),
    );
    for (const { error } of results) {
      if (error !== undefined) phases.problem("modules", error.message);
    }
  });
  const options = phases.run("command line", readCommandLine) ??
    parseCommandLine("");
  log.level = options.logLevel;
  for (const warning of options.warnings) log.warning(warning);
  const opened = phases.run("watchdog", () => startWatchdog(options, log)) ??
    null;
  const { pagePath } = options;
  const page = pagePath === undefined
    ? undefined
    : phases.run("shared page", () => openPage(pagePath, log));
  const found = await phases.runAsync("superblock", async () => {
    const found = await findVolume(options);
    for (const line of found.lines) log.info(line);
    for (const reason of found.reasons) phases.problem("superblock", reason);
    if (found.volume?.readOnly) {
      const text = "EROFS: the device is read-only, nothing is stored";
      phases.problem("storage", text, "STORAGE_FAILED");
    }
    return found;
  }) ?? { volume: null, path: null, lines: [], reasons: [] };
  const config = await phases.runAsync("parameters", async () => {
    const parameters = found.volume?.parameters ?? null;
    const loaded = await loadConfig(parameters, options);
    for (const line of loaded.lines) log.info(line);
    for (const warning of loaded.warnings) log.warning(warning);
    for (const text of loaded.problems) phases.problem("parameters", text);
    return loaded.config;
  }) ?? (await loadConfig(null, options)).config;
  log.level = config.logLevel;
  const watchdog = adjustWatchdog(opened, config, log);
  const tell = (subject: string, issues: readonly Issue[]): void => {
    for (const issue of issues) {
      const text = issueText(issue);
      if (issue.severity === "error") phases.problem(subject, text);
      else log.warning(text);
    }
  };
  const containers = await readContainers(phases, tell);
  const bundles = containers?.definitions ?? [];
  const definitions = phases.run("definitions", () => {
    const set = readDefinitions(options.servicesPath, bundles);
    tell("definitions", set.issues);
    return set.definitions;
  }) ?? [];
  const preparer = containers?.preparer ?? null;
  const kernelLogs = readKernelLogs();
  const reset = lastReset({
    kernelLogs: kernelLogs.texts,
    watchdogFired: watchdog?.info?.causedLastReset ?? false,
    events: found.volume?.events.recent() ?? [],
  });
  const fdir = phases.run("fdir", () => prepareFdir(found, phases, log));
  const { problems } = phases;
  return {
    options,
    console,
    watchdog,
    ...(page === undefined ? {} : { page }),
    found,
    config,
    definitions,
    bundles,
    preparer,
    ...(fdir === undefined ? {} : { fdir }),
    reset: { last: reset, forget: kernelLogs.forget },
    problems,
  };
}

/** Runs phases, times them, and turns what they throw into problems. */
class Phases {
  readonly problems: BootProblem[] = [];
  readonly #context: BootContext;

  constructor(context: BootContext) {
    this.#context = context;
  }

  run<T>(name: string, action: () => T): T | undefined {
    const { timeline } = this.#context;
    const before = this.problems.length;
    timeline.begin(name, boottimeMs());
    try {
      return action();
    } catch (error) {
      this.problem(name, error instanceof Error ? error.message : `${error}`);
      return undefined;
    } finally {
      const failed = this.problems.length > before;
      timeline.end(name, boottimeMs(), failed ? "failed" : "done");
    }
  }

  async runAsync<T>(
    name: string,
    action: () => Promise<T>,
  ): Promise<T | undefined> {
    const { timeline } = this.#context;
    const before = this.problems.length;
    timeline.begin(name, boottimeMs());
    try {
      return await action();
    } catch (error) {
      this.problem(name, error instanceof Error ? error.message : `${error}`);
      return undefined;
    } finally {
      const failed = this.problems.length > before;
      timeline.end(name, boottimeMs(), failed ? "failed" : "done");
    }
  }

  problem(subject: string, text: string, code?: EventCodeName): void {
    this.problems.push({
      subject,
      text,
      ...(code === undefined ? {} : { code }),
    });
  }
}

function openConsole(): void {
  // Without devtmpfs there may be no console to open: it is mounted first, and
  // the phase of the mounts finds it there.
  setupFilesystems(FILESYSTEMS.slice(0, 1));
  const opened = openStandardDescriptors();
  if (opened instanceof SystemError) throw opened;
}

/**
 * Has control groups take processes in without waiting for a grace period of
 * the kernel (`favordynmods`, since Linux 6.0): measured with 500 services on
 * two busy processors, they are up in a third of the time. A kernel that does
 * not know the word goes on as it was.
 */
function favourMoves(): void {
  for (const { target, flags } of CGROUP_FILESYSTEMS) {
    try {
      mount({
        target,
        type: "",
        flags: ["remount", ...flags ?? []],
        data: "favordynmods",
      });
    } catch {
      // An older kernel, or none with control groups.
    }
  }
}

function mountAll(phases: Phases): void {
  const needed: readonly Filesystem[] = [
    ...FILESYSTEMS,
    ...RUNTIME_FILESYSTEMS,
  ];
  for (const result of setupFilesystems(needed)) {
    if (result.error !== undefined) {
      phases.problem("mounts", result.error.message);
    }
  }
  // A kernel without control groups or without pstore is a smaller machine,
  // not a broken one: what needs them says so itself.
  setupFilesystems([...CGROUP_FILESYSTEMS, ...PSTORE_FILESYSTEMS]);
  favourMoves();
  if (isMachine()) limitPanic();
  try {
    catchCtrlAltDel();
  } catch (error) {
    // A PID namespace has no keyboard, and says so with EINVAL.
    const isNamespace = error instanceof SystemError && error.code === "EINVAL";
    if (!isNamespace) throw error;
  }
}

/** How long a panic is shown before the machine starts again, in seconds. */
const PANIC_SECONDS = 10;

/** Without `panic=` on its command line a kernel that panics stands still for ever. */
function limitPanic(): void {
  const path = "/proc/sys/kernel/panic";
  try {
    if (readControl(path).trim() !== "0") return;
    writeControl(path, `${PANIC_SECONDS}\n`);
  } catch {
    // A kernel without it has its own idea of what to do.
  }
}

/** Where LinuxKit puts OCI bundles. */
const CONTAINERS_PATH = "/containers";

interface Containers {
  readonly definitions: readonly ServiceDefinition[];
  readonly preparer: ServicePreparer;
}

/** The image's OCI bundles; an image without any does not even load their code. */
async function readContainers(
  phases: Phases,
  tell: (subject: string, issues: readonly Issue[]) => void,
): Promise<Containers | null> {
  try {
    Deno.lstatSync(CONTAINERS_PATH);
  } catch {
    return null;
  }
  return await phases.runAsync("containers", async () => {
    const { OciPreparer, readOciServices } = await import("./oci_bundles.ts");
    const { definitions, preparations, issues } = readOciServices(
      CONTAINERS_PATH,
    );
    tell("containers", issues);
    return { definitions, preparer: new OciPreparer(preparations) };
  }) ?? null;
}

/** Opens the page that `spaceos.page=` names. */
function openPage(name: string, log: Log): SharedPage {
  const path = name === "ivshmem" ? findSharedMemory() : name;
  if (path === undefined) {
    throw new Error("no ivshmem device, expected one (PCI 1af4:1110)");
  }
  const page = openSharedPage(path);
  log.info(`shared page: ${path}`);
  return page;
}

function prepareFdir(
  found: FoundVolume,
  phases: Phases,
  log: Log,
): FaultDetection {
  const { policy, issues } = readFdirConfiguration();
  for (const issue of issues) {
    const code = "FDIR_CONFIGURATION_INVALID";
    phases.problem("fdir", issueText(issue), code);
  }
  const manifest = readManifest(log);
  const looker = new MachineLooker({
    policy,
    manifest,
    volume: found.volume,
    isMachine: isMachine(),
    boottimeMs,
    realtimeMs,
  });
  return { policy, looker };
}

/** An image without a configuration has the default policy. */
function readFdirConfiguration(): FdirConfiguration {
  const path = FDIR_CONFIGURATION_PATH;
  try {
    Deno.lstatSync(path);
  } catch {
    return { policy: DEFAULT_FDIR_POLICY, issues: [] };
  }
  const bytes = readSmallFile(path, FDIR_CONFIGURATION_MAX_BYTES + 1);
  return parseFdirConfiguration(path, new TextDecoder().decode(bytes));
}

/** An image of another build has no manifest: its files are not judged. */
function readManifest(log: Log): readonly ManifestEntry[] | null {
  let bytes: Uint8Array;
  try {
    bytes = readSmallFile(MANIFEST_PATH, MANIFEST_MAX_BYTES);
  } catch {
    log.info(`FDIR: no ${MANIFEST_PATH}, the image's files are not checked`);
    return null;
  }
  const { entries, badLines } = parseManifest(new TextDecoder().decode(bytes));
  if (badLines > 0) {
    log.warning(`FDIR: ${badLines} lines of ${MANIFEST_PATH} are no entries`);
  }
  return entries;
}

function readCommandLine(): BootOptions {
  return parseCommandLine(readControl("/proc/cmdline"));
}

function startWatchdog(options: BootOptions, log: Log): Watchdog | undefined {
  if (options.watchdogTimeoutSeconds === 0) return undefined;
  try {
    const watchdog = openWatchdog({
      path: findWatchdog(),
      timeoutS: options.watchdogTimeoutSeconds,
    });
    const identity = watchdog.info?.identity ?? "unknown device";
    const noWayOut = watchdog.noWayOut === true ? ", no way out" : "";
    log.info(`watchdog: ${identity}, ${watchdog.timeoutS ?? "?"} s${noWayOut}`);
    if (watchdog.timeoutError !== undefined) {
      log.warning(`watchdog: ${watchdog.timeoutError.message}`);
    }
    return watchdog;
  } catch (error) {
    // Most small VMs have none.
    if (error instanceof SystemError && error.code === "ENOENT") {
      log.info("watchdog: none");
      return undefined;
    }
    throw error;
  }
}

/** The watchdog is open before the parameters are read, and so may wait too long. */
function adjustWatchdog(
  watchdog: Watchdog | null,
  config: InitConfig,
  log: Log,
): Watchdog | null {
  const { watchdogTimeoutSeconds } = config;
  if (watchdog === null || watchdog.timeoutS === watchdogTimeoutSeconds) {
    return watchdog;
  }
  try {
    const timeoutS = setWatchdogTimeout(watchdog, watchdogTimeoutSeconds);
    log.info(`watchdog: ${timeoutS} s`);
    return { ...watchdog, timeoutS };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    log.warning(`watchdog: ${text}`);
    return watchdog;
  }
}
