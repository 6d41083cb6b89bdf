/**
 * The help text of `spaceos-init`. A boot does not load it.
 *
 * @module
 */

import { VERSION } from "../command_line/version.ts";

/** What `--help` prints. */
export const HELP = `spaceos-init ${VERSION}: PID 1 for small Linux VMs

Usage:
  spaceos-init                     as process 1: boot, supervise, go down
  spaceos-init [OPTIONS] -- COMMAND [ARG...]
                                   container mode: run one command as its init
  spaceos-init check DIR           check service definitions
  spaceos-init graph DIR           print the order in which services start
  spaceos-init schema              print the JSON Schema of a definition
  spaceos-init demo                a service that says that it is alive
  spaceos-init --help | --version

Container mode has its own help: spaceos-init --help --

Kernel command line, as process 1:
  spaceos.disk=PATH       the only device to look for a volume on
                          (default: /dev/vda1, then /dev/vda)
  spaceos.safe            start in safe mode
  spaceos.log=LEVEL       debug, info, warning or error (default info)
  spaceos.services=DIR    service definitions (default /etc/spaceos/services.d)
  spaceos.watchdog=S      time-out of the hardware watchdog in seconds,
                          0 leaves it alone (default 30)
  spaceos.page=PATH       the page shared with the host; ivshmem: QEMU's device

Exit codes:
  0    done
  1    check: a definition has an error
  2    the command line is not understood
  125  container mode itself failed, or its command line is wrong
  126  container mode: the command can't be executed
  127  container mode: there is no such command
  128+N  container mode: the command was ended by signal N
`;
