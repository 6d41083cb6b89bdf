/**
 * Finds a virtio-serial port by its name. Small VMs have no udev, so there is
 * no `/dev/virtio-ports/NAME`: the names stand in sysfs. Imports nothing; the
 * folders can be replaced for tests.
 *
 * @module
 */

import { readControl } from "../linux/control_file.ts";

/** The name of the port that the host link uses (formats.md, "Frame"). */
export const HOST_PORT_NAME = "ipc";

/** The folders that a port is looked for in. */
export interface PortFolders {
  /** Links by name, where udev makes them. */
  readonly links: string;
  /** The kernel's own list: a folder for each port, with a file `name`. */
  readonly sysfs: string;
  /** Where the device nodes are. */
  readonly devices: string;
}

const FOLDERS: PortFolders = {
  links: "/dev/virtio-ports",
  sysfs: "/sys/class/virtio-ports",
  devices: "/dev",
};

/**
 * Finds the device node of a virtio-serial port. The kernel's driver
 * (drivers/char/virtio_console.c) names nodes `vportNpM` and puts the host's
 * name for each into the attribute `name`.
 *
 * @param name The port's name as the host gave it, for example `ipc`.
 * @param folders Where to look.
 * @returns The node's path, or undefined when there is no such port.
 *
 * @example
 * ```ts
 * import { findPort } from "./ports.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * assertEquals(findPort("no such port"), undefined);
 * ```
 */
export function findPort(
  name: string,
  folders: PortFolders = FOLDERS,
): string | undefined {
  const link = `${folders.links}/${name}`;
  if (exists(link)) return link;
  for (const port of list(folders.sysfs)) {
    if (readName(`${folders.sysfs}/${port}/name`) === name) {
      return `${folders.devices}/${port}`;
    }
  }
  return undefined;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function list(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map((entry) => entry.name).sort();
  } catch {
    // No virtio-serial device, or no driver for it: there is no port.
    return [];
  }
}

function readName(path: string): string | undefined {
  try {
    return readControl(path).trim();
  } catch {
    return undefined;
  }
}
