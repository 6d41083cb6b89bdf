/**
 * Container mode: the init of a container, around one command. It forwards
 * signals, reaps orphans, keeps the job control of a terminal whole, and ends
 * with the command's exit code, as tini, dumb-init and catatonit do. The
 * command is started as the program that started us meant it: the same
 * environment byte for byte, descriptors, blocked and ignored signals. Its
 * arguments must be UTF-8: the runtime does not start up with others. Imports `linux` and
 * the command line's options.
 *
 * Two of the inherited dispositions can't be kept. SIGPIPE has its default
 * effect in the command, since the runtime ignores it before we can see what was
 * inherited; so has SIGCHLD, which a program that inherits it ignored could not
 * reap its children with.
 *
 * Signals that come before the runtime has started up have their default
 * effect, which for PID 1 is none.
 *
 * @module
 */

import { boottimeMs } from "../linux/clock.ts";
import { initialEnvironment } from "../linux/environment.ts";
import { SystemError } from "../linux/error.ts";
import {
  ExitStorm,
  muteChildSignal,
  STORM_PAUSE_MS,
} from "../linux/exit_storm.ts";
import { isTerminal } from "../linux/descriptor.ts";
import { check, libc } from "../linux/libc.ts";
import { Poller } from "../linux/poller.ts";
import {
  type ChildExit,
  drainChildExits,
  hasEnded,
  kill,
  killGroup,
  setParentDeathSignal,
  setSubreaper,
  takeStop,
} from "../linux/process.ts";
import { listenRealTime } from "../linux/realtime_signal.ts";
import { setupSignals, type SignalHandling } from "../linux/signal.ts";
import { readSignalState, unblockSignals } from "../linux/signal_mask.ts";
import {
  type SignalName,
  signalName,
  signalNumber,
  SIGNALS,
} from "../linux/signal_table.ts";
import { resolveCommand } from "../linux/resolve_command.ts";
import { spawn } from "../linux/spawn.ts";
import type { SpawnOptions } from "../linux/spawn_options.ts";
import {
  detachTerminal,
  foregroundGroup,
  isOrphanedGroup,
  isTerminalGone,
  processPlace,
  setForegroundGroup,
  stopSelf,
} from "../linux/terminal.ts";
import {
  CONTAINER_FAILURE,
  type ContainerOptions,
  NOT_FORWARDED,
} from "./container_arguments.ts";

/** What a shell exits with when a command is there and can't be executed. */
const NOT_EXECUTABLE = 126;
/** What a shell exits with when a command is not found. */
const NOT_FOUND = 127;

const STANDARD_INPUT = 0;

/** Signals by which a terminal stops a job. */
const JOB_CONTROL: readonly number[] = [
  SIGNALS.SIGTSTP,
  SIGNALS.SIGTTIN,
  SIGNALS.SIGTTOU,
];

/** Signals that the runtime can listen to and that are forwarded. */
const LISTENED = (Object.keys(SIGNALS) as SignalName[]).filter(
  (name) => !NOT_FORWARDED.includes(SIGNALS[name]),
);

/** 34 to 64: the real-time signals that programs may use. */
const REAL_TIME = Array.from({ length: 31 }, (_, index) => 34 + index);

/**
 * Runs a command as a container's init, to its end.
 *
 * @param options What {@linkcode parseContainerArguments} returns.
 * @returns The exit code for this process: the command's, or 128 and the signal
 * that ended it, remapped; 127 when it was not found, 126 when it could not be
 * executed, 125 when something of ours failed.
 *
 * @example
 * ```ts ignore
 * import { runContainer } from "./container.ts";
 * import { parseContainerArguments } from "./container_arguments.ts";
 *
 * const options = parseContainerArguments(Deno.args);
 * if (options !== "help") Deno.exit(await runContainer(options));
 * ```
 */
export async function runContainer(options: ContainerOptions): Promise<number> {
  const container = new Container(options);
  try {
    return await container.run();
  } catch (error) {
    say(error instanceof Error ? error.message : `${error}`);
    return CONTAINER_FAILURE;
  } finally {
    await container.close();
  }
}

class Container {
  readonly #options: ContainerOptions;
  readonly #place = processPlace();
  readonly #inherited = readSignalState();
  readonly #rewrite: ReadonlyMap<number, number>;
  readonly #cleanup = new AsyncDisposableStack();
  /** The command's process id, until it was reaped: after that it may be another's. */
  #child: number | undefined;
  /** The command's group, if it was made the foreground of our terminal. */
  #foreground: number | undefined;
  /** SIGHUP and SIGCONT that the kernel sends because we gave the terminal up. */
  #expected = new Set<number>();
  readonly #storm = new ExitStorm();
  #isStorm = false;
  /** Between our being continued and the signal that says so. */
  #continued = false;

  constructor(options: ContainerOptions) {
    this.#options = options;
    // A session of its own has no shell to continue it, so the kernel would drop
    // a terminal's stop signals there; SIGSTOP it can't.
    this.#rewrite = options.scope === "session"
      ? new Map([
        ...JOB_CONTROL.map((signal) => [signal, SIGNALS.SIGSTOP] as const),
        ...options.rewrite,
      ])
      : options.rewrite;
  }

  async run(): Promise<number> {
    if (this.#options.parentDeath !== undefined) {
      this.#watchParent(this.#options.parentDeath);
    }
    if (this.#place.pid !== 1) setSubreaper(true);
    unblockSignals();

    // What was inherited ignored stays so until the command has inherited it;
    // after that we listen to it, too, as the command may have a handler by then.
    const ignored = this.#inherited.ignored;
    const isIgnored = (name: SignalName): boolean =>
      ignored.includes(SIGNALS[name]);
    const handling = this.#listen([
      "SIGCHLD",
      ...LISTENED.filter((name) => !isIgnored(name)),
    ]);
    const poller = new Poller({ onError: (error) => this.#note(`${error}`) });
    this.#cleanup.defer(() => poller.close());
    this.#listenRealTime(
      poller,
      REAL_TIME.filter((signal) => !ignored.includes(signal)),
    );

    const failure = this.#start();
    if (failure !== undefined) return failure;
    this.#listen(LISTENED.filter(isIgnored));
    this.#listenRealTime(
      poller,
      REAL_TIME.filter((signal) => ignored.includes(signal)),
    );

    for (;;) {
      const ended = this.#reap();
      if (ended !== undefined) return this.#exitCode(ended);
      if (this.#isStorm) await this.#pause();
      else await handling.wait();
    }
  }

  async close(): Promise<void> {
    this.#takeTerminalBack();
    await this.#cleanup.disposeAsync();
  }

  /** In a storm of exits it is cheaper to look again than to hear of each. */
  async #pause(): Promise<void> {
    const hearAgain = muteChildSignal();
    await new Promise((resolve) => setTimeout(resolve, STORM_PAUSE_MS));
    hearAgain();
  }

  #watchParent(signal: number): void {
    setParentDeathSignal(signal);
    // A parent that died before it was watched sends nothing.
    if (processPlace().parentPid !== this.#place.parentPid) {
      kill(this.#place.pid, signal);
    }
  }

  #listen(names: readonly SignalName[]): SignalHandling {
    const handling = setupSignals({
      shutdown: [],
      also: names,
      // Reaping is ours, in #reap, which looks at the command before.
      reap: false,
      onSignal: (name) => this.#onSignal(SIGNALS[name]),
      onError: (error) => this.#note(`${error}`),
    });
    this.#cleanup.use(handling);
    return handling;
  }

  #listenRealTime(poller: Poller, signals: readonly number[]): void {
    if (signals.length === 0) return;
    const listening = listenRealTime(
      poller,
      signals,
      (signal) => this.#onSignal(signal),
    );
    this.#cleanup.use(listening);
    for (const signal of listening.refused) {
      this.#note(
        `${
          signalName(signal)
        } is not forwarded: descriptor ${signal} was inherited`,
      );
    }
  }

  /** Starts the command; returns an exit code if that failed. */
  #start(): number | undefined {
    const environment = initialEnvironment();
    const [name = ""] = this.#options.command;
    let file: string;
    try {
      file = resolveCommand(name, searchPath(environment));
    } catch (error) {
      return this.#startFailure(error);
    }
    const placed = this.#placement();
    const spawnOptions: SpawnOptions = {
      file,
      argv: this.#options.command,
      env: environment,
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      descriptors: inheritedDescriptors(),
      blockedSignals: this.#inherited.blocked,
      ignoredSignals: this.#inherited.ignored
        .filter((signal) => signal !== SIGNALS.SIGCHLD),
      ...placed,
    };
    try {
      this.#child = spawn(spawnOptions);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "ENOEXEC")) {
        return this.#startFailure(error);
      }
      // A script without its first line is the shell's, as execvp(3) has it.
      try {
        this.#child = spawn({
          ...spawnOptions,
          file: "/bin/sh",
          argv: ["sh", file, ...this.#options.command.slice(1)],
        });
      } catch {
        return this.#startFailure(error);
      }
    }
    this.#note(`${file} is process ${this.#child}`);
    if (placed.foregroundOf !== undefined) this.#handTerminal(this.#child);
    return undefined;
  }

  #startFailure(error: unknown): number {
    if (!(error instanceof SystemError)) throw error;
    say(error.message);
    return error.code === "ENOENT" || error.code === "ENOTDIR"
      ? NOT_FOUND
      : NOT_EXECUTABLE;
  }

  /** Session, group and terminal of the command. */
  #placement(): Pick<SpawnOptions, "session" | "terminal" | "foregroundOf"> {
    const foreground = isTerminal(STANDARD_INPUT)
      ? foregroundGroup(STANDARD_INPUT)
      : undefined;
    const inForeground = foreground !== undefined &&
      foreground === this.#place.processGroup;
    if (this.#options.scope !== "session") {
      return {
        session: "group",
        // A job in the background must not take the terminal from the shell.
        ...(inForeground ? { foregroundOf: STANDARD_INPUT } : {}),
      };
    }
    // Only a session's leader can hand its terminal to another session: it gives
    // it up, and the new leader gets it by opening it.
    if (foreground === undefined || this.#place.session !== this.#place.pid) {
      return { session: "new" };
    }
    if (inForeground) {
      this.#expected = new Set([SIGNALS.SIGHUP, SIGNALS.SIGCONT]);
    }
    detachTerminal(STANDARD_INPUT);
    return { session: "new", terminal: `/proc/self/fd/${STANDARD_INPUT}` };
  }

  /** Makes the command the foreground, where spawn could not (glibc before 2.35). */
  #handTerminal(child: number): void {
    this.#foreground = child;
    this.#withTerminal(() => {
      if (foregroundGroup(STANDARD_INPUT) === this.#place.processGroup) {
        setForegroundGroup(STANDARD_INPUT, child);
      }
    });
  }

  /** Whoever started us may go on using the terminal. */
  #takeTerminalBack(): void {
    const group = this.#foreground;
    if (group === undefined) return;
    this.#foreground = undefined;
    this.#withTerminal(() => {
      const foreground = foregroundGroup(STANDARD_INPUT);
      if (foreground === undefined) return;
      // A shell that has the terminal back, because we are in its background,
      // keeps it; the command's group and one that has died don't.
      if (foreground === group || !killGroup(foreground, 0)) {
        setForegroundGroup(STANDARD_INPUT, this.#place.processGroup);
      }
    });
  }

  #withTerminal(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!isTerminalGone(error)) throw error;
      this.#note(`${error}`);
    }
  }

  #onSignal(signal: number): void {
    if (signal === SIGNALS.SIGCHLD) return; // it has woken the loop
    if (this.#expected.delete(signal)) return;
    if (signal === SIGNALS.SIGCONT) {
      this.#continued = false;
      const child = this.#child;
      if (this.#foreground !== undefined && child !== undefined) {
        this.#handTerminal(child);
      }
    }
    const target = this.#rewrite.get(signal) ?? signal;
    this.#forward(target, signal);
    if (JOB_CONTROL.includes(signal) && target !== 0 && this.#place.pid !== 1) {
      // The shell that sent it waits for us to stop. What stops with us is
      // continued by the SIGCONT that continues us.
      this.#continued = true;
      stopSelf("SIGSTOP");
    }
  }

  #forward(signal: number, came: number): void {
    const child = this.#child;
    if (child === undefined || signal === 0) return;
    this.#note(
      signal === came
        ? `forwarding ${signalName(signal)}`
        : `forwarding ${signalName(signal)} for ${signalName(came)}`,
    );
    try {
      // A command that has left its group is still to hear.
      if (this.#options.scope !== "command" && killGroup(child, signal)) return;
      kill(child, signal);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#note(error.message);
    }
  }

  /** Reaps what has ended; returns the command's end when it is among that. */
  #reap(): ChildExit | undefined {
    const child = this.#child;
    if (child !== undefined) {
      this.#followStop(child);
      // Before it is reaped, when its number is still its own.
      if (this.#options.scope !== "command" && hasEnded(child)) {
        this.#forward(SIGNALS.SIGTERM, SIGNALS.SIGTERM);
      }
    }
    let ended: ChildExit | undefined;
    const exits = drainChildExits();
    this.#isStorm = this.#storm.note(exits.length, boottimeMs());
    for (const exit of exits) {
      if (exit.pid === child) {
        ended = exit;
        this.#child = undefined;
      } else {
        this.#note(`reaped orphan ${exit.pid}`);
      }
    }
    return ended;
  }

  /**
   * The terminal has stopped the command, in a group of its own, so the shell
   * can't see it: stop with it, and go on with it. Where no shell watches, the
   * command goes on at once, as one that was started directly would not have
   * stopped at all.
   */
  #followStop(child: number): void {
    if (this.#foreground === undefined) return;
    const stop = takeStop(child);
    if (stop === undefined || this.#continued) return;
    if (!JOB_CONTROL.includes(stop)) return;
    if (isOrphanedGroup()) {
      // One that only tried to use the terminal from the background stays: it
      // would try again for ever.
      if (stop === SIGNALS.SIGTSTP) killGroup(child, SIGNALS.SIGCONT);
      return;
    }
    // The SIGCONT that continues us is forwarded, as any is.
    this.#continued = true;
    stopSelf("SIGTSTP");
  }

  #exitCode(exit: ChildExit): number {
    const code = exit.exitCode ??
      128 + (signalNumber(exit.signal ?? "") ?? 0);
    return this.#options.remap.get(code) ?? code;
  }

  #note(text: string): void {
    if (this.#options.verbose) say(text);
  }
}

/** One line on the standard error, which may be gone. */
function say(text: string): void {
  try {
    const bytes = new TextEncoder().encode(`spaceos-init: ${text}\n`);
    check(libc().write(2, bytes, BigInt(bytes.length)), "write");
  } catch {
    // There is nobody left to tell.
  }
}

function searchPath(environment: readonly Uint8Array[]): string | undefined {
  const decoder = new TextDecoder();
  return environment.map((entry) => decoder.decode(entry))
    .find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length);
}

/**
 * Descriptors above 2 that were left open for us, such as sockets of a service
 * manager or a make's job server: they are the command's. The runtime's own are
 * close-on-exec.
 */
function inheritedDescriptors(): Record<number, number> {
  const F_GETFD = 1, FD_CLOEXEC = 1;
  const descriptors: Record<number, number> = {};
  let names: string[];
  try {
    names = [...Deno.readDirSync("/proc/self/fd")].map((entry) => entry.name);
  } catch {
    return descriptors;
  }
  for (const number of names.map(Number)) {
    if (number <= 2) continue;
    const flags = libc().fcntl(number, F_GETFD, 0n);
    // The folder's own descriptor is closed by now: -1.
    if (flags !== -1 && (flags & FD_CLOEXEC) === 0) {
      descriptors[number] = number;
    }
  }
  return descriptors;
}
