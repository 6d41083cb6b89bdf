/**
 * `spaceosctl services`, `start`, `stop`, `restart`.
 *
 * @module
 */

import type { HostClient } from "../../lib/host/client.ts";
import {
  type ServiceEntry,
  ServiceStateCode,
} from "../../lib/wire/service_list.ts";
import {
  ExitKind,
  type ServiceStatusRecord,
} from "../../lib/wire/service_status.ts";
import { printable } from "../command_line/output.ts";
import type { VmCommand, VmContext } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { flagNames, showMilliseconds, stateColour, stateName } from "./text.ts";

/** The subcommand `services`. */
export const services: VmCommand = {
  scope: "vm",
  summary: "list the services, or show all of one",
  operands: ["[NAME]"],
  options: {},
  json: `[{"name", "state", "flags": [FLAG], "pid", "restarts", "sinceMs"}];
with NAME: the same of one and "nextAttemptMs", "instance", "exit": null or
{"code"} or {"signal"}, "reason", "stopping", "phase", "description",
"lastError", "statusText", "waitsFor": [NAME]`,
  details:
    `STATE is pending, starting, running, backoff or failed. SINCE is the time since the
kernel's start at which the service came into its state. FLAGS: wanted,
isolated, outdated, critical, stopping. Exits with ${ExitCode.ATTENTION} where one has failed.`,
  run: async (context) => {
    const [name] = context.args.operands;
    return name === undefined
      ? await listServices(context)
      : await showService(context, name);
  },
};

async function listServices(
  { client, tell, columns, paint }: VmContext,
): Promise<ExitCode> {
  const entries = await client.services();
  const [head = "", ...lines] = columns([
    ["NAME", "STATE", "PID", "RESTARTS", "SINCE", "FLAGS"],
    ...entries.map((entry) => [
      printable(entry.name),
      stateName(entry.state),
      entry.pid === 0 ? "-" : String(entry.pid),
      String(entry.restarts),
      showMilliseconds(entry.sinceMs),
      flagNames(entry.flags).join(","),
    ]),
  ]);
  const coloured = lines.map((line, index) =>
    paint(stateColour(entries[index]?.state ?? 0), line)
  );
  tell(entries.map(entryJson), [paint("faint", head), ...coloured]);
  return entries.some(hasFailed) ? ExitCode.ATTENTION : ExitCode.OK;
}

async function showService(
  { client, tell, columns, paint }: VmContext,
  name: string,
): Promise<ExitCode> {
  const record = await client.serviceStatus(name);
  const waitsFor = record.waitsFor.split(" ").filter((word) => word !== "");
  const rows = [
    ["name", printable(record.name)],
    ["description", printable(record.description)],
    ["state", stateName(record.state)],
    ["reason", printable(record.reason)],
    ["phase", printable(record.phase)],
    ["stopping", printable(record.stopping)],
    ["flags", flagNames(record.flags).join(", ")],
    ["pid", record.pid === 0 ? "" : String(record.pid)],
    ["instance", record.instance === 0 ? "" : String(record.instance)],
    ["restarts", String(record.restarts)],
    ["since", showMilliseconds(record.sinceMs)],
    [
      "next attempt",
      record.nextAttemptMs === 0n ? "" : showMilliseconds(record.nextAttemptMs),
    ],
    ["last exit", exitText(record)],
    ["last error", printable(record.lastError)],
    ["status", printable(record.statusText)],
    ["waits for", waitsFor.map(printable).join(", ")],
  ].filter(([, value]) => value !== "");
  const json = {
    ...entryJson(record),
    nextAttemptMs: record.nextAttemptMs,
    instance: record.instance,
    exit: exitJson(record),
    reason: record.reason,
    stopping: record.stopping,
    phase: record.phase,
    description: record.description,
    lastError: record.lastError,
    statusText: record.statusText,
    waitsFor,
  };
  const colour = stateColour(record.state);
  tell(
    json,
    columns(rows).map((line) =>
      line.startsWith("state ") ? paint(colour, line) : line
    ),
  );
  return hasFailed(record) ? ExitCode.ATTENTION : ExitCode.OK;
}

const hasFailed = ({ state }: Pick<ServiceEntry, "state">): boolean =>
  state === ServiceStateCode.FAILED;

/** What SERVICE_LIST and SERVICE_STATUS have in common, for `--json`. */
export function entryJson(entry: Omit<ServiceEntry, "nameLength">): object {
  const { name, state, flags, pid, restarts, sinceMs } = entry;
  return {
    name,
    state: stateName(state),
    flags: flagNames(flags),
    pid: pid === 0 ? null : pid,
    restarts,
    sinceMs,
  };
}

function exitText(record: ServiceStatusRecord): string {
  if (record.exitKind === ExitKind.EXITED) return `code ${record.exitCode}`;
  return record.exitKind === ExitKind.SIGNALED
    ? printable(record.exitSignal)
    : "";
}

function exitJson(record: ServiceStatusRecord): object | null {
  if (record.exitKind === ExitKind.EXITED) return { code: record.exitCode };
  return record.exitKind === ExitKind.SIGNALED
    ? { signal: record.exitSignal }
    : null;
}

function control(
  word: "start" | "stop" | "restart",
  summary: string,
  act: (client: HostClient, name: string) => Promise<void>,
): VmCommand {
  return {
    scope: "vm",
    changesVm: true,
    summary,
    operands: ["NAME"],
    options: {},
    json: `{"service", "command": "${word}"}`,
    details:
      `Ends when the VM has taken the command; "services NAME" tells what came of it.
Exits with ${ExitCode.NOT_FOUND} if there is no such service.`,
    run: async ({ client, args, tell }) => {
      const service = args.operand(0);
      await act(client, service);
      tell({ service, command: word }, [
        `${printable(service)}: ${word} accepted`,
      ]);
      return ExitCode.OK;
    },
  };
}

/** The subcommand `start`. */
export const start = control(
  "start",
  "start a service, and what it requires",
  (client, name) => client.startService(name),
);
/** The subcommand `stop`. */
export const stop = control(
  "stop",
  "stop a service, and what requires it",
  (client, name) => client.stopService(name),
);
/** The subcommand `restart`. */
export const restart = control(
  "restart",
  "stop a service and start it again",
  (client, name) => client.restartService(name),
);
