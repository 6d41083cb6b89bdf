/**
 * `spaceosctl dashboard`: VMs watched live in a browser of this machine.
 *
 * @module
 */

import { usageError } from "../command_line/error.ts";
import { quote } from "../command_line/options.ts";
import type { AllCommand } from "./command.ts";
import { DashboardServer } from "./dashboard_server.ts";
import { CtlError, ExitCode } from "./exit_code.ts";
import { timeoutMsOf } from "./run_vm.ts";
import { VmWatcher } from "./watcher.ts";

const DEFAULT_PORT = 8430;
const DEFAULT_INTERVAL_MS = 1000;

/** The addresses that nobody but this machine reaches; RFC 1122 3.2.1.3, RFC 4291 2.5.3. */
const ADDRESSES: Readonly<Record<string, string>> = {
  "127.0.0.1": "127.0.0.1",
  localhost: "127.0.0.1",
  "::1": "::1",
  "[::1]": "::1",
};

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The subcommand `dashboard`. */
export const dashboard: AllCommand = {
  scope: "all",
  summary: "show VMs live in a browser of this machine, read-only",
  operands: [],
  options: {
    port: {
      value: "N",
      help: `port (default ${DEFAULT_PORT}; 0 for any)`,
      letter: "p",
    },
    listen: {
      value: "ADDRESS",
      help: "127.0.0.1 (default) or ::1; nothing else is allowed",
    },
    interval: {
      value: "MS",
      help: "how often to ask for the services (default 1000)",
      letter: "i",
    },
  },
  details:
    `Serves http://127.0.0.1:${DEFAULT_PORT}/ until Ctrl-C: services, events, and plots of what
HEALTH frames tell, live. There is no way to change anything from there. The
server listens on the loopback address only, answers only requests that name it
(against DNS rebinding), and its page loads nothing from elsewhere. Every user
of this machine can look at it. While it runs, no other program can speak to
the VMs.`,
  run: async ({ targets, args, output }) => {
    const wanted = args.text("listen") ?? "127.0.0.1";
    const hostname = Object.hasOwn(ADDRESSES, wanted)
      ? ADDRESSES[wanted]
      : undefined;
    if (hostname === undefined) {
      throw usageError(
        `--listen is ${
          quote(wanted)
        }, expected 127.0.0.1 or ::1: the dashboard is for this machine only`,
      );
    }
    const port = args.integer("port", 0, 65_535) ?? DEFAULT_PORT;
    const intervalMs = args.integer("interval", 100, 3_600_000) ??
      DEFAULT_INTERVAL_MS;
    const timeoutMs = timeoutMsOf(args);
    const watchers: VmWatcher[] = [];
    const server = new DashboardServer(() => watchers.map(({ view }) => view));
    const web = serve(hostname, port, server);
    try {
      let isDue = false;
      const onChange = () => void (isDue = true);
      for (const target of targets) {
        watchers.push(
          new VmWatcher(target, { intervalMs, timeoutMs, onChange }),
        );
      }
      // A storm of events is told in one go.
      const timer = setInterval(() => {
        if (isDue) server.broadcast();
        isDue = false;
      }, 250);
      const { addr } = web;
      const name = addr.hostname.includes(":")
        ? `[${addr.hostname}]`
        : addr.hostname;
      output.line(`dashboard at http://${name}:${addr.port}/ (Ctrl-C ends it)`);
      await signalled();
      clearInterval(timer);
    } finally {
      server.close();
      await web.shutdown();
      await Promise.all(watchers.map((watcher) => watcher.stop()));
    }
    return ExitCode.OK;
  },
};

function serve(
  hostname: string,
  port: number,
  server: DashboardServer,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({
      hostname,
      port,
      onListen: () => {},
      onError: () => new Response("the server failed\n", { status: 500 }),
    }, (request) => server.handle(request));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new CtlError(
      ExitCode.FAILED,
      `${hostname} port ${port} can't be listened on: ${text}`,
    );
  }
}

/** Fulfilled when somebody wants the program to end. */
async function signalled(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = () => resolve();
  for (const signal of SIGNALS) Deno.addSignalListener(signal, end);
  await promise;
  for (const signal of SIGNALS) Deno.removeSignalListener(signal, end);
}
