/**
 * What SERVICE_LIST and SERVICE_STATUS answer, out of the supervisor's state.
 * Pure; imports the supervisor and `wire`.
 *
 * @module
 */
import {
  type ServiceStatus,
  statusOf,
  type SupervisorState,
} from "../supervisor/supervisor.ts";
import { cutText } from "../wire/cut_text.ts";
import {
  encodeServiceList,
  type ServiceEntry,
  ServiceFlag,
  ServiceStateCode,
} from "../wire/service_list.ts";
import {
  encodeServiceStatus,
  ExitKind,
  STATUS_TEXT_MAX_BYTES,
  STATUS_WORD_MAX_BYTES,
  WAITS_FOR_MAX_BYTES,
} from "../wire/service_status.ts";

const STATES: Readonly<Record<ServiceStatus["state"], ServiceStateCode>> = {
  pending: ServiceStateCode.PENDING,
  starting: ServiceStateCode.STARTING,
  running: ServiceStateCode.RUNNING,
  backoff: ServiceStateCode.BACKOFF,
  failed: ServiceStateCode.FAILED,
};

/**
 * The result of SERVICE_LIST, by rising name.
 *
 * @param state The supervisor.
 * @param first The first service that is wanted, from 0.
 * @returns As many services as a result has room for.
 *
 * @example
 * ```ts
 * import { createSupervisor } from "../supervisor/supervisor.ts";
 * import { defineService } from "../supervisor/definition.ts";
 * import { decodeServiceList } from "../wire/service_list.ts";
 * import { serviceListResult } from "./service_answers.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const state = createSupervisor([defineService("web", { command: ["/bin/web"] })]);
 * const { services } = decodeServiceList(serviceListResult(state, 0));
 * assertEquals(services.map(({ name }) => name), ["web"]);
 * ```
 */
export function serviceListResult(
  state: SupervisorState,
  first: number,
): Uint8Array {
  const entries = state.graph.names.toSorted().flatMap((name) => {
    const status = statusOf(state, name);
    return status === null ? [] : [entryOf(status)];
  });
  return encodeServiceList(entries, first);
}

/**
 * The result of SERVICE_STATUS. Texts that are longer than their fields are
 * cut between characters.
 *
 * @param state The supervisor.
 * @param name The service.
 * @returns The result, or null when there is no such service.
 *
 * @example
 * ```ts
 * import { createSupervisor } from "../supervisor/supervisor.ts";
 * import { serviceStatusResult } from "./service_answers.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(serviceStatusResult(createSupervisor([]), "web"), null);
 * ```
 */
export function serviceStatusResult(
  state: SupervisorState,
  name: string,
): Uint8Array | null {
  const status = statusOf(state, name);
  if (status === null) return null;
  const { lastExit } = status;
  return encodeServiceStatus({
    ...entryOf(status),
    nextAttemptMs: wholeMs(status.nextAttemptMs ?? 0),
    instance: (status.instance ?? 0) >>> 0,
    exitKind: lastExit === null
      ? ExitKind.NONE
      : lastExit.signal === null
      ? ExitKind.EXITED
      : ExitKind.SIGNALED,
    exitCode: lastExit?.exitCode ?? 0,
    reason: cut(status.reason ?? "", STATUS_WORD_MAX_BYTES),
    stopping: cut(status.stopping ?? "", STATUS_WORD_MAX_BYTES),
    phase: status.phase ?? "",
    exitSignal: cut(lastExit?.signal ?? "", STATUS_WORD_MAX_BYTES),
    description: cut(status.description, STATUS_TEXT_MAX_BYTES),
    lastError: cut(status.lastError, STATUS_TEXT_MAX_BYTES),
    statusText: cut(status.statusText, STATUS_TEXT_MAX_BYTES),
    waitsFor: wholeNames(status.waitsFor, WAITS_FOR_MAX_BYTES),
  });
}

function entryOf(status: ServiceStatus): ServiceEntry {
  const flags = [
    [status.isWanted, ServiceFlag.WANTED],
    [status.isIsolated, ServiceFlag.ISOLATED],
    [status.isOutdated, ServiceFlag.OUTDATED],
    [status.isCritical, ServiceFlag.CRITICAL],
    [status.stopping !== null, ServiceFlag.STOPPING],
  ] as const;
  return {
    state: STATES[status.state],
    flags: flags.reduce((sum, [isSet, flag]) => isSet ? sum | flag : sum, 0),
    pid: status.pid ?? 0,
    restarts: status.restarts >>> 0,
    sinceMs: wholeMs(status.sinceMs),
    name: status.name,
  };
}

function wholeMs(ms: number): bigint {
  return BigInt(Math.max(0, Math.trunc(ms)));
}

function cut(text: string, limitBytes: number): string {
  return new TextDecoder().decode(cutText(text, limitBytes));
}

/** As many names as there is room for, none of them cut. */
function wholeNames(names: readonly string[], limitBytes: number): string {
  let text = "";
  for (const name of names) {
    const longer = text === "" ? name : `${text} ${name}`;
    if (new TextEncoder().encode(longer).length > limitBytes) break;
    text = longer;
  }
  return text;
}
