/**
 * The help texts of `spaceos-init`. A boot does not load them.
 *
 * @module
 */

import { VERSION } from "../command_line/version.ts";

const EXIT_STATUS = `EXIT STATUS
  0      done
  1      check, graph: a definition has an error
  2      the command line is not understood`;

/** What `--help` prints. */
export const HELP = `NAME
  spaceos-init - PID 1 for small Linux VMs

SYNOPSIS
  spaceos-init                               as process 1 of a machine
  spaceos-init [OPTION...] -- COMMAND [ARG...]
  spaceos-init check DIR
  spaceos-init graph DIR
  spaceos-init schema
  spaceos-init demo [SECONDS]
  spaceos-init --help | --version

DESCRIPTION
  As process 1 it mounts what a system needs, reads the superblock of the data
  disk, supervises the services, talks to the host, pets the watchdog, and goes
  down in order. With -- it runs one command as a container's init: see
  spaceos-init --help --. This is version ${VERSION}.

COMMANDS
  check   judge service definitions
  graph   print the order in which services start
  schema  print the JSON Schema of a definition
  demo    a service that says that it is alive

KERNEL COMMAND LINE
  spaceos.disk=PATH     the only device to look for a volume on
                        (default: /dev/vda1, then /dev/vda)
  spaceos.safe          start in safe mode
  spaceos.log=LEVEL     debug, info, warning or error (default info)
  spaceos.services=DIR  service definitions (default /etc/spaceos/services.d)
  spaceos.watchdog=S    time-out of the hardware watchdog in seconds; 0 leaves
                        it alone (default 30)
  spaceos.page=PATH     the page shared with the host; ivshmem: QEMU's device

${EXIT_STATUS}
  125    container mode itself failed, or its command line is wrong
  126    container mode: the command can't be executed
  127    container mode: there is no such command
  128+N  container mode: the command was ended by signal N

EXAMPLES
  spaceos-init check rootfs/overlay/etc/spaceos/services.d
  spaceos-init schema > service.schema.json
  spaceos-init -- /usr/bin/camera --device /dev/video0
`;

/** What `COMMAND --help` prints, by the command's name. */
export const COMMAND_HELP: Readonly<Record<string, string>> = {
  check: `NAME
  spaceos-init check - judge service definitions

SYNOPSIS
  spaceos-init check DIR

DESCRIPTION
  Reads all definitions in DIR as a boot would, each by itself and all together,
  and prints what is wrong: file, key, what was met and what was expected.
  Nothing is started.

${EXIT_STATUS}

EXAMPLES
  spaceos-init check /etc/spaceos/services.d
`,
  graph: `NAME
  spaceos-init graph - print the order in which services start

SYNOPSIS
  spaceos-init graph DIR

DESCRIPTION
  Prints the services of DIR in the order in which a boot starts them, with what
  each waits for. What is wrong with the definitions goes to standard error.

${EXIT_STATUS}

EXAMPLES
  spaceos-init graph /etc/spaceos/services.d
`,
  schema: `NAME
  spaceos-init schema - print the JSON Schema of a definition

SYNOPSIS
  spaceos-init schema

DESCRIPTION
  Prints the schema of a service's definition, for editors: with "$schema"
  pointing at it in a definition, they check and complete its keys.

${EXIT_STATUS}

EXAMPLES
  spaceos-init schema > service.schema.json
`,
  demo: `NAME
  spaceos-init demo - a service that says that it is alive

SYNOPSIS
  spaceos-init demo [SECONDS]

DESCRIPTION
  Prints a line every SECONDS (default 10, from 0.01 to 86400) until SIGTERM. An
  image without any other service has this one.

${EXIT_STATUS}

EXAMPLES
  spaceos-init demo 1
`,
};
