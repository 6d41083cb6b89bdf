/**
 * PID 1 for the tests of reboot(2), which in a PID namespace ends the
 * namespace. Argument: which of the three.
 *
 * @module
 */

import { halt, poweroff, reboot } from "../../../lib/linux/reboot.ts";
import { report } from "./capture.ts";

report("ready", Deno.pid);
if (Deno.args[0] === "poweroff") poweroff();
if (Deno.args[0] === "halt") halt();
if (Deno.args[0] === "reboot") reboot();
report("survived", true);
