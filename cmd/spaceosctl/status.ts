/**
 * `spaceosctl status`: how a VM is, on half a screen.
 *
 * @module
 */

import type { HostClient } from "../../lib/host/client.ts";
import { HostClientError } from "../../lib/host/client_error.ts";
import { type Health, SystemMode } from "../../lib/wire/health.ts";
import { ServiceStateCode } from "../../lib/wire/service_list.ts";
import { CommandStatus } from "../../lib/wire/telecommand.ts";
import type { VmCommand } from "./command.ts";
import { CtlError, ExitCode } from "./exit_code.ts";
import { timeoutMsOf } from "./run_vm.ts";
import {
  modeColour,
  modeName,
  showKib,
  showSeconds,
  stateName,
} from "./text.ts";
import { printable } from "../command_line/output.ts";

/** The subcommand `status`. */
export const status: VmCommand = {
  scope: "vm",
  summary: "show how the VM is",
  operands: [],
  options: {},
  json:
    `{"mode", "uptimeSeconds", "services": {"total", "running", "failed": [NAME]},
 "anomaliesActive", "memoryAvailableKib", "memoryTotalKib", "load1",
 "bootCount", "framesIn", "framesOut", "framesDropped", "childExits",
 "eventCount", "watchdogPets", "latencyMs"}; "services" is null while the VM boots`,
  details:
    `Exits with ${ExitCode.OK} if the VM is nominal and no service failed, else with ${ExitCode.ATTENTION}.`,
  run: async ({ client, args, tell, paint, columns }) => {
    const { health, latencyMs } = await readHealth(client, timeoutMsOf(args));
    const services = await readServices(client);
    const total = services?.length ?? 0;
    const failed =
      services?.filter(({ state }) => state === ServiceStateCode.FAILED).map((
        { name },
      ) => name) ?? [];
    const running =
      services?.filter(({ state }) => state === ServiceStateCode.RUNNING)
        .length ?? 0;
    const { mode, loadHundredths, ...rest } = health;
    const { servicesRunning: _r, servicesFailed: _f, ...numbers } = rest;
    const json = {
      mode: modeName(mode),
      ...numbers,
      load1: loadHundredths / 100,
      services: services === null ? null : { total, running, failed },
      latencyMs,
    };
    const usedKib = health.memoryTotalKib - health.memoryAvailableKib;
    const names = failed.map(printable).join(", ");
    const rows = [
      ["mode", modeName(mode)],
      ["uptime", showSeconds(health.uptimeSeconds)],
      [
        "services",
        services === null
          ? "(not started yet)"
          : `${running} of ${total} ${stateName(ServiceStateCode.RUNNING)}` +
            (failed.length > 0 ? `, ${failed.length} failed: ${names}` : ""),
      ],
      ["anomalies", String(health.anomaliesActive)],
      [
        "memory",
        `${showKib(usedKib)} of ${showKib(health.memoryTotalKib)} used`,
      ],
      ["load", (loadHundredths / 100).toFixed(2)],
      ["boots", String(health.bootCount)],
      ["events", String(health.eventCount)],
      [
        "frames",
        `${health.framesIn} in, ${health.framesOut} out, ${health.framesDropped} dropped`,
      ],
      ["child exits", String(health.childExits)],
      ["watchdog pets", String(health.watchdogPets)],
      ["latency", `${latencyMs.toFixed(1)} ms`],
    ];
    const [first = "", ...lines] = columns(rows);
    tell(json, [paint(modeColour(mode), first), ...lines]);
    const isWell = mode === SystemMode.NOMINAL && failed.length === 0;
    return isWell ? ExitCode.OK : ExitCode.ATTENTION;
  },
};

/** The VM's health of this moment: it tells of it to each host that comes. */
async function readHealth(
  client: HostClient,
  timeoutMs: number,
): Promise<{ health: Health; latencyMs: number }> {
  const stream = client.health();
  const latencyMs = await client.ping();
  // What waited for us before the answer may be old: the last one counts.
  let health: Health | undefined;
  while (stream.waitingCount > 0) health = (await stream.next()).value;
  if (health === undefined) {
    const timer = setTimeout(() => stream.end(), timeoutMs);
    const next = await stream.next();
    clearTimeout(timer);
    if (!next.done) health = next.value;
  }
  await stream.return();
  if (client.ended !== null) throw client.ended;
  if (health === undefined) {
    throw new CtlError(
      ExitCode.TIMEOUT,
      `the VM answers, but sent no HEALTH frame in ${timeoutMs} ms`,
    );
  }
  return { health, latencyMs };
}

/** The services, or null while the init has not come to them. */
async function readServices(client: HostClient) {
  try {
    return await client.services();
  } catch (error) {
    const isBooting = error instanceof HostClientError &&
      error.status === CommandStatus.EBUSY;
    if (isBooting) return null;
    throw error;
  }
}
