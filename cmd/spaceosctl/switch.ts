/**
 * `spaceosctl switch`: runs a switch between tenants, the host and a VM, from
 * a configuration file, until a signal ends it. Imports the switch and its
 * configuration.
 *
 * @module
 */
import { FrameSwitch, REFUSAL_REASONS } from "../../lib/host/switch.ts";
import { SYSTEM } from "../../lib/host/switch_plan.ts";
import {
  type SwitchCounters,
  SwitchServer,
} from "../../lib/host/switch_server.ts";
import { Poller } from "../../lib/linux/poller.ts";
import { type IssueSink, issueText } from "../../lib/supervisor/schema.ts";
import { textOf } from "../command_line/output.ts";
import { ExitCode } from "./exit_code.ts";
import { readSwitchConfig, type SwitchConfig } from "./switch_config.ts";

/** A configuration is small; what is larger is another file. */
const MAXIMUM_CONFIG_BYTES = 1_048_576;

/** An example that works, and is tested. */
export const SWITCH_EXAMPLE = `{
  "directory": "/run/spaceos-switch",
  "tenants": {
    "camera": {
      "apids": "0x010..0x01F",
      "sendTo": ["0x020..0x02F"]
    },
    "processor": {
      "apids": "0x020..0x02F",
      "sendTo": ["0x010..0x01F", "0x000..0x001"]
    }
  },
  "uplink": { "socket": "/run/vm/ipc.sock" }
}
`;

/** The help text of `spaceosctl switch`. */
const SWITCH_HELP = `NAME
  spaceosctl switch - switch frames between tenants, the host and a VM

SYNOPSIS
  spaceosctl switch run --config FILE [--verbose]   runs until SIGINT or SIGTERM
  spaceosctl switch check --config FILE             only judges the file
  spaceosctl switch example                         prints a configuration

DESCRIPTION
  Each tenant connects to <directory>/<tenant>.sock and sends and gets frames of
  256 bytes. The destination of a frame stands in its reserved field. A frame
  whose source id is not the sender's, that goes where the sender may not send,
  or whose receiver is not there or does not read, comes back as an ERROR frame.
  The host's own socket is <directory>/system.sock: it speaks as 0x000, and only
  it may send commands to the VM (spaceosctl --socket <directory>/system.sock).
  SIGUSR1 prints what was counted, as does the end.

CONFIGURATION
  A JSON object with the keys
  directory        the folder of the sockets, absolute; made if it is not there;
                   nobody else may be able to write in it
  tenants.NAME     a tenant:
    apids            the ids that are its own alone: "0x010..0x01F"
    sendTo           the ids that it may send to: ["0x020..0x02F"]; default none
    mode             permissions of its socket in octal; default "0600"
    user, group      owner of its socket, by name or id; default the switch's
  system           mode, user and group of the host's own socket
  uplink           the VM, or null:
    socket           the socket of its port "ipc" (QEMU: -chardev socket,...)
    apids            the ids behind it; default ["0x001..0x00F"]
    sendTo           the ids that it may send to; default all

OPTIONS
  --config FILE  the configuration
  --verbose      say who comes and goes
  --help         print this help

EXIT STATUS
  0   ended by SIGINT or SIGTERM; check: the file is good
  2   the configuration is wrong
  3   a socket, the folder or the file can't be used
  64  the command line is not understood

EXAMPLES
  spaceosctl switch example > switch.json
  spaceosctl switch check --config switch.json
  spaceosctl switch run --config switch.json --verbose
`;

interface Request {
  readonly action: "run" | "check";
  readonly configPath: string;
  readonly isVerbose: boolean;
}

/**
 * Runs the command.
 *
 * @param args The words after `switch`.
 * @returns The exit code.
 */
export async function runSwitch(
  args: readonly string[],
): Promise<ExitCode> {
  const request = parseSwitchArguments(args);
  if (request === "help" || request === "example") {
    print(request === "help" ? SWITCH_HELP : SWITCH_EXAMPLE);
    return ExitCode.OK;
  }
  if ("usage" in request) {
    complain(request.usage);
    return ExitCode.USAGE;
  }
  let text: string;
  try {
    text = readConfigFile(request.configPath);
  } catch (error) {
    complain(`${request.configPath}: ${messageOf(error)}`);
    return ExitCode.FAILED;
  }
  const sink: IssueSink = { file: request.configPath, issues: [] };
  const config = readSwitchConfig(text, sink);
  for (const issue of sink.issues) console.error(issueText(issue));
  if (config === null) return ExitCode.BAD;
  if (request.action === "check") {
    const { length } = config.plan.tenants;
    const count = length === 1 ? "1 tenant" : `${length} tenants`;
    print(`${request.configPath}: ${count}\n`);
    return ExitCode.OK;
  }
  return await serve(config, request.isVerbose);
}

/**
 * Reads the command line of `spaceosctl switch`.
 *
 * @param args The words after `switch`.
 * @returns What is asked for, or what is wrong with it.
 */
export function parseSwitchArguments(
  args: readonly string[],
): Request | "help" | "example" | { readonly usage: string } {
  const [action, ...words] = args;
  if (args.includes("--help") || args.includes("-h")) return "help";
  if (action === "example" && words.length === 0) return action;
  if (action !== "run" && action !== "check") {
    return { usage: `met ${quote(action)}, expected run, check or example` };
  }
  let configPath: string | undefined;
  let isVerbose = false;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--verbose" || word === "-v") {
      isVerbose = true;
    } else if (word === "--config" || word.startsWith("--config=")) {
      if (configPath !== undefined) return { usage: "--config stands twice" };
      configPath = word === "--config"
        ? words[++index]
        : word.slice("--config=".length);
      if (!configPath) return { usage: "--config expects a file" };
    } else {
      return { usage: `met ${quote(word)}, expected --config or --verbose` };
    }
  }
  return configPath === undefined
    ? { usage: `${action} expects --config FILE` }
    : { action, configPath, isVerbose };
}

async function serve(
  config: SwitchConfig,
  isVerbose: boolean,
): Promise<ExitCode> {
  const poller = new Poller({
    onError: (error) => complain(messageOf(error)),
  });
  const server = new SwitchServer({
    frames: new FrameSwitch(config.plan),
    directory: config.directory,
    sockets: config.sockets,
    ...(config.uplinkPath === null ? {} : { uplinkPath: config.uplinkPath }),
    poller,
    nowMs: () => performance.now(),
    onMessage: (level, text) => {
      if (level !== "detail" || isVerbose) complain(text);
    },
  });
  const signals = ["SIGINT", "SIGTERM"] as const;
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const tell = () => print(countersText(server.counters));
  for (const signal of signals) Deno.addSignalListener(signal, end);
  Deno.addSignalListener("SIGUSR1", tell);
  try {
    server.start();
    complain(
      `at work in ${config.directory}: ${
        [...config.plan.tenants.map(({ name }) => name), SYSTEM].join(", ")
      }`,
    );
    await ended;
    tell();
    return ExitCode.OK;
  } catch (error) {
    complain(messageOf(error));
    return ExitCode.FAILED;
  } finally {
    server.close();
    for (const signal of signals) Deno.removeSignalListener(signal, end);
    Deno.removeSignalListener("SIGUSR1", tell);
    await poller.close();
  }
}

/** A line for each party: what came, what went, what was lost or refused. */
function countersText(counters: ReadonlyMap<string, SwitchCounters>): string {
  const lines = [...counters].map(([name, counts]) => {
    const { framesIn, framesOut, framesLost, framesCut, refused } = counts;
    const reasons = REFUSAL_REASONS.filter((reason) => refused[reason] > 0)
      .map((reason) => `${reason} ${refused[reason]}`);
    return `${name}: ${counts.isConnected ? "connected" : "absent"}, ` +
      `${counts.connections} connections, in ${framesIn}, out ${framesOut}, ` +
      `lost ${framesLost}, cut ${framesCut}, refused ${
        reasons.length === 0 ? "0" : reasons.join(", ")
      }\n`;
  });
  return lines.join("");
}

/** Reads the file; a device, a FIFO or a huge file is none. */
function readConfigFile(path: string): string {
  const { isFile, size } = Deno.statSync(path);
  if (!isFile || size > MAXIMUM_CONFIG_BYTES) {
    throw new Error(
      `expected a file of at most ${MAXIMUM_CONFIG_BYTES} bytes, met ${
        isFile ? `${size} bytes` : "something else"
      }`,
    );
  }
  const text = textOf(Deno.readFileSync(path));
  if (text === undefined) throw new Error("expected text in UTF-8");
  return text;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

function complain(text: string): void {
  console.error(`spaceosctl switch: ${text}`);
}

function quote(word: string | undefined): string {
  return word === undefined ? "nothing" : JSON.stringify(word);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
