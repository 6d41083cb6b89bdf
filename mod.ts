/**
 * Build your own PID 1 for a small Linux VM: mounts, signals and reaping, the
 * superblock of the data disk, a pure service state machine, the watchdog, and
 * the end of the machine.
 *
 * ```ts ignore
 * import * as pid1 from "@spaceos/pid1";
 *
 * pid1.setupFilesystems();
 * pid1.loadModules();
 * const signals = pid1.setupSignals();
 * const superblock = pid1.readSuperblock("/dev/vda");
 * const isGood = pid1.checkMagic(superblock) && pid1.checkCrc(superblock);
 * console.log(isGood ? pid1.formatSuperblock(superblock) : "bad superblock");
 * while (!pid1.shutdownRequested()) {
 *   await signals.wait();
 *   for (const { pid } of pid1.drainChildExits()) console.log(`${pid} ended`);
 * }
 * pid1.poweroff();
 * ```
 *
 * @module
 */

export {
  type Filesystem,
  type FilesystemResult,
  mount,
  MOUNT_FLAGS,
  type MountFlag,
  type MountOptions,
  setupFilesystems,
} from "./lib/linux/mount.ts";
export {
  loadModule,
  loadModules,
  MODULE_LIST_PATH,
  type ModuleResult,
} from "./lib/linux/module.ts";
export {
  setupSignals,
  shutdownRequested,
  type SignalHandling,
  type SignalOptions,
} from "./lib/linux/signal.ts";
export { type SignalName, SIGNALS } from "./lib/linux/signal_table.ts";
export { type ChildExit, drainChildExits } from "./lib/linux/process.ts";
export {
  halt,
  poweroff,
  reboot,
  type RebootOptions,
} from "./lib/linux/reboot.ts";
export {
  openWatchdog,
  petWatchdog,
  type Watchdog,
  type WatchdogInfo,
  type WatchdogOptions,
} from "./lib/linux/watchdog.ts";
export { SystemError, type SystemErrorInit } from "./lib/linux/error.ts";
export { readSuperblock } from "./lib/storage/read_superblock.ts";
export {
  checkCrc,
  checkMagic,
  decodeSuperblock,
  encodeSuperblock,
  formatSuperblock,
  type Superblock,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_SIZE_BYTES,
  type SuperblockInput,
} from "./lib/wire/superblock.ts";
export { formatUuid, parseUuid } from "./lib/wire/uuid.ts";
export { WireError, type WireErrorParts } from "./lib/wire/error.ts";
export {
  backoffDelayMs,
  type BackoffPolicy,
  defaultBackoffPolicy,
} from "./lib/supervisor/backoff.ts";
export {
  type BackoffService,
  defaultServicePolicy,
  type ExitStatus,
  type FailedService,
  type FailureReason,
  initialServiceState,
  type PendingService,
  type RunningService,
  type ServiceContext,
  type ServiceEvent,
  type ServiceHistory,
  type ServicePolicy,
  type ServiceState,
  type ServiceStep,
  type StartingService,
  type StopCause,
} from "./lib/supervisor/service_types.ts";
export {
  isSuccess,
  serviceDeadlineMs,
  svcStep,
} from "./lib/supervisor/service.ts";
