/**
 * The one table of commands: what the program does, what the help says and
 * what shells complete all come from here.
 *
 * @module
 */

import { bootChart } from "./boot_chart.ts";
import type { CommandTable } from "./command.ts";
import { completionOf } from "./completion.ts";
import { dashboard } from "./dashboard.ts";
import { dpGet, dpList } from "./dp.ts";
import { events } from "./events.ts";
import { fdirCheck } from "./fdir.ts";
import { logs } from "./logs.ts";
import { halt, poweroff, reboot, safeMode, timeSet } from "./machine.ts";
import { paramGet, paramList, paramSet } from "./param.ts";
import { ping } from "./ping.ts";
import { send } from "./send.ts";
import { restart, services, start, stop } from "./services.ts";
import { status } from "./status.ts";
import { top } from "./top.ts";
import { runSwitch } from "./switch.ts";

/** The commands by name. */
export const COMMANDS: CommandTable = {
  status,
  services,
  start,
  stop,
  restart,
  logs,
  events,
  "param list": paramList,
  "param get": paramGet,
  "param set": paramSet,
  "dp list": dpList,
  "dp get": dpGet,
  ping,
  "boot-chart": bootChart,
  top,
  dashboard,
  poweroff,
  reboot,
  halt,
  "safe-mode": safeMode,
  "fdir check": fdirCheck,
  "time set": timeSet,
  send,
  switch: {
    scope: "raw",
    summary: "switch frames between tenants, the host and a VM",
    operands: ["run|check|example"],
    options: {},
    words: ["run", "check", "example"],
    run: runSwitch,
  },
  completion: completionOf(() => COMMANDS),
};
