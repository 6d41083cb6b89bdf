/**
 * The one table of commands: what the program does and what the help says come
 * from here.
 *
 * @module
 */

import { check, repair } from "./check.ts";
import type { Command } from "./command.ts";
import { dpGet, dpList, dpPut } from "./dp.ts";
import { events } from "./events.ts";
import { format } from "./format.ts";
import { inspect } from "./inspect.ts";
import { paramGet, paramList, paramSet } from "./param.ts";

/** The commands by name. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  format,
  inspect,
  check,
  repair,
  "param get": paramGet,
  "param set": paramSet,
  "param list": paramList,
  events,
  "dp list": dpList,
  "dp get": dpGet,
  "dp put": dpPut,
};
