/**
 * Container mode as a program, for its tests: PID 1 or not, with the command
 * line that it is given.
 *
 * @module
 */

import { runContainer } from "../../../lib/init/container.ts";
import {
  CONTAINER_FAILURE,
  CONTAINER_HELP,
  ContainerUsageError,
  parseContainerArguments,
} from "../../../lib/init/container_arguments.ts";

try {
  const options = parseContainerArguments(Deno.args);
  if (options === "help") {
    console.log(CONTAINER_HELP);
    Deno.exit(0);
  }
  Deno.exit(await runContainer(options));
} catch (error) {
  if (!(error instanceof ContainerUsageError)) throw error;
  console.error(`spaceos-init: ${error.message}`);
  Deno.exit(CONTAINER_FAILURE);
}
