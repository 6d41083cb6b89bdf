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
export {
  connectHost,
  type ConnectHostOptions,
} from "./lib/host/connect_host.ts";
export { type DataProductCatalogue, HostClient } from "./lib/host/client.ts";
export {
  HostClientError,
  type HostClientErrorDetails,
  type HostClientErrorKind,
} from "./lib/host/client_error.ts";
export {
  HostChannel,
  type HostChannelCounters,
  type HostChannelOptions,
  type HostConnection,
} from "./lib/host/host_channel.ts";
export { BoundedStream } from "./lib/host/bounded_stream.ts";
export { Framer } from "./lib/host/framer.ts";
export {
  FrameSwitch,
  type RefusalReason,
  type Route,
  type SwitchDecision,
  type SwitchRefusal,
} from "./lib/host/switch.ts";
export {
  type ApidRange,
  apidRangeText,
  checkSwitchPlan,
  parseApidRange,
  type SwitchPlan,
  SwitchPlanError,
  type SwitchPlanProblem,
  type SwitchTenant,
  type SwitchUplink,
} from "./lib/host/switch_plan.ts";
export type { SwitchPortCounters } from "./lib/host/switch_port.ts";
export {
  type SwitchCounters,
  SwitchServer,
  type SwitchServerOptions,
  type SwitchSocketOptions,
} from "./lib/host/switch_server.ts";
export {
  findSharedMemory,
  openSharedPage,
} from "./lib/host/shared_page_file.ts";
export {
  readSeqlock,
  SharedPage,
  type SharedPageRecord,
  type SharedPageWord32,
  type SharedPageWord64,
} from "./lib/wire/shared_page.ts";
export {
  type PollCallback,
  Poller,
  type PollerOptions,
  type PollEvents,
  type PollInterest,
} from "./lib/linux/poller.ts";
export { FrameScanner } from "./lib/host/frame_scanner.ts";
export {
  Apid,
  decodeFrame,
  encodeFrame,
  type Frame,
  FRAME_PAYLOAD_MAX_BYTES,
  FRAME_SIZE_BYTES,
  FrameType,
  type ReceivedFrame,
  receiveFrame,
} from "./lib/wire/frame.ts";
export { FrameErrorCode, type FrameFault } from "./lib/wire/error_frame.ts";
export { CommandCode, CommandStatus } from "./lib/wire/telecommand.ts";
export { type Health, SystemMode } from "./lib/wire/health.ts";
export { type LogMessage, LogStream } from "./lib/wire/log.ts";
export { type EventRecord, EventSeverity } from "./lib/wire/event.ts";
export {
  type EventList,
  type EventsRequest,
  type NumberedEvent,
} from "./lib/wire/event_list.ts";
export { type PhaseEntry, PhaseOutcome } from "./lib/wire/boot_timeline.ts";
export { type DataProductDescriptor } from "./lib/wire/data_product.ts";
export { type DataProductEntry } from "./lib/wire/data_product_list.ts";
export { type ParameterEntry } from "./lib/wire/parameter.ts";
export {
  type ParameterAnswer,
  type ParameterSet,
  ParameterStatus,
} from "./lib/wire/parameter_message.ts";
export {
  type ServiceEntry,
  ServiceFlag,
  ServiceStateCode,
} from "./lib/wire/service_list.ts";
export {
  ExitKind,
  type ServiceStatusRecord,
} from "./lib/wire/service_status.ts";
export { type MissionTime } from "./lib/wire/time_set.ts";
export {
  FdirAction,
  type FdirEntry,
  FdirFlag,
  type FdirResult,
} from "./lib/wire/fdir_result.ts";
