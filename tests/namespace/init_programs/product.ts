/**
 * The whole init, with a socket in the place of the host's port, and one more
 * thing that a user's own init may do: at SIGUSR2 it writes a data product.
 *
 * Arguments: the folder in which the socket `port` waits for the init.
 *
 * @module
 */

import { HostLink, type LinkEvents } from "../../../lib/host/link.ts";
import { boot } from "../../../lib/init/boot.ts";
import { LinuxMachine } from "../../../lib/init/linux_machine.ts";
import { Log } from "../../../lib/init/log.ts";
import type { OpenedLink } from "../../../lib/init/machine.ts";
import { Shell } from "../../../lib/init/shell.ts";
import { SignalQueue } from "../../../lib/init/signal_queue.ts";
import { Timeline } from "../../../lib/init/timeline.ts";
import { boottimeMs } from "../../../lib/linux/clock.ts";
import { Poller } from "../../../lib/linux/poller.ts";
import { connectStream } from "../../../lib/linux/socket.ts";

const path = `${Deno.args[0]}/port`;
const log = new Log({ nowMs: boottimeMs });

class SocketMachine extends LinuxMachine {
  readonly #poller = new Poller({ onError: (error) => log.error(`${error}`) });

  override openHostLink(events: LinkEvents): OpenedLink {
    const link = HostLink.over(connectStream(path), this.#poller, events);
    return { link, path };
  }
}

const signals = new SignalQueue(log);
const timeline = new Timeline();
const booted = await boot({ log, timeline });
const shell = new Shell(new SocketMachine(log), log, timeline, booted);
let count = 0;
Deno.addSignalListener("SIGUSR2", async () => {
  const name = `image-${++count}`;
  try {
    await booted.found.volume?.dataProducts.write({
      name,
      dataProductClass: 7,
      priority: 3,
      data: new Uint8Array(1000 * count).fill(count),
    });
    log.info(`${name} is written`);
  } catch (error) {
    log.error(`${name}: ${error}`);
  }
});
await shell.start(signals);
