/**
 * Container mode's command line: what `spaceos-init [OPTION...] -- COMMAND` does.
 *
 * @module
 */
import { runContainer } from "../../lib/init/container.ts";
import {
  CONTAINER_FAILURE,
  CONTAINER_HELP,
  ContainerUsageError,
  parseContainerArguments,
} from "../../lib/init/container_arguments.ts";

/**
 * Runs a command as a container's init.
 *
 * @param args The words after the program's name.
 * @returns The exit code.
 */
export async function containerMode(args: readonly string[]): Promise<number> {
  try {
    const options = parseContainerArguments(args);
    if (options !== "help") return await runContainer(options);
    Deno.stdout.writeSync(new TextEncoder().encode(CONTAINER_HELP));
    return 0;
  } catch (error) {
    if (!(error instanceof ContainerUsageError)) throw error;
    console.error(`spaceos-init: ${error.message}; see --help --`);
    return CONTAINER_FAILURE;
  }
}
