/**
 * One virtual machine in QEMU: its arguments, its control channel (QMP, QEMU's
 * docs/interop/qmp-spec) and how it ended. `deno task boot` and the tests start
 * their machines with it. It imports only rootfs/toolchain.
 */
import { QEMU } from "./toolchain/qemu.ts";
import { ToolchainError } from "./toolchain/report.ts";

/**
 * The processor that QEMU's interpreter plays: all that it can, but for two things.
 *
 * - Memory protection keys. V8 guards its code with them where there are any, and
 *   the interpreter forgets all that it knows of the memory at each change of the
 *   keys' register, which the kernel makes whenever it goes idle and comes back:
 *   that cost each question of the host a fifth of the time that it takes.
 * - The promise that `rep movsb` and `rep stosb` are fast. The kernel copies and
 *   clears memory with them then, which the interpreter does byte by byte; without
 *   it, by eight bytes: measured, a boot takes 3.2 s of processor time instead of
 *   3.6 s.
 */
const INTERPRETED_CPU = "max,-pku,-erms,-fsrm";

/** What a machine is made of. */
export interface MachineOptions {
  /** The kernel. */
  readonly kernelPath: string;
  /** The initial RAM file system. */
  readonly initrdPath: string;
  /** The kernel command line. */
  readonly commandLine: string;
  /** Memory in MiB. */
  readonly memoryMebibytes: number;
  /** Processors. */
  readonly cpus: number;
  /** `tcg` interprets, `kvm` needs a processor that lets it. */
  readonly accelerator: "tcg" | "kvm";
  /** A raw disk image, or undefined for a machine without a disk. */
  readonly diskPath: string | undefined;
  /** The unix socket at which the host meets the guest's `ipc` port. */
  readonly ipcSocketPath: string;
  /** The unix socket of QEMU's control channel. */
  readonly controlSocketPath: string;
  /** Whether a reset of the guest starts it again; if not, it ends QEMU. */
  readonly restartOnReset: boolean;
  /** More arguments for QEMU. */
  readonly extraArguments: readonly string[];
}

/** The longest path that a unix socket can have; unix(7). */
const MAX_SOCKET_PATH_BYTES = 107;

/** In QEMU's options a comma is written twice. */
function escapeCommas(path: string): string {
  return path.replaceAll(",", ",,");
}

/**
 * QEMU's arguments for a machine.
 *
 * @param options what the machine is made of
 * @returns the arguments
 * @throws {ToolchainError} when a socket's path is too long for a unix socket
 */
export function qemuArguments(options: MachineOptions): string[] {
  for (const path of [options.ipcSocketPath, options.controlSocketPath]) {
    const lengthBytes = new TextEncoder().encode(path).length;
    if (lengthBytes > MAX_SOCKET_PATH_BYTES) {
      throw new ToolchainError(
        `the socket path ${path} has ${lengthBytes} bytes, expected at most ${MAX_SOCKET_PATH_BYTES}`,
      );
    }
  }
  const disk = options.diskPath === undefined ? [] : [
    "-drive",
    `file=${escapeCommas(options.diskPath)},format=raw,if=none,id=disk0`,
    "-device",
    "virtio-blk-pci,drive=disk0",
  ];
  return [
    "-nodefaults",
    "-no-user-config",
    "-machine",
    "q35",
    "-accel",
    options.accelerator,
    "-cpu",
    options.accelerator === "kvm" ? "host" : INTERPRETED_CPU,
    "-m",
    String(options.memoryMebibytes),
    "-smp",
    String(options.cpus),
    "-display",
    "none",
    "-chardev",
    "stdio,id=console,signal=off",
    "-serial",
    "chardev:console",
    "-qmp",
    `unix:${escapeCommas(options.controlSocketPath)},server=on,wait=off`,
    ...(options.restartOnReset ? [] : ["-no-reboot"]),
    "-kernel",
    options.kernelPath,
    "-initrd",
    options.initrdPath,
    "-append",
    options.commandLine,
    "-device",
    "virtio-serial-pci",
    "-chardev",
    `socket,id=ipc,path=${
      escapeCommas(options.ipcSocketPath)
    },server=on,wait=off`,
    "-device",
    "virtserialport,chardev=ipc,name=ipc",
    ...disk,
    ...options.extraArguments,
  ];
}

/** How a machine ended. */
export type MachineEnd =
  /** The guest powered off. */
  | "poweroff"
  /** The guest reset itself. */
  | "reset"
  /** The guest's kernel panicked. */
  | "panic"
  /** QEMU was told to end, or was killed. */
  | "killed"
  /** QEMU could not start, or failed. */
  | "failed";

/** What the kernel prints when it gives up. */
const PANIC_TEXT = "Kernel panic - not syncing";

/** QEMU's control channel. */
class ControlChannel {
  readonly #connection: Deno.UnixConn;
  readonly #waiting = new Map<number, (reply: unknown) => void>();
  #lastId = 0;
  /** The reason that QEMU gave for its end. */
  shutdownReason: string | undefined;
  /** Fulfilled when QEMU has closed the channel. */
  readonly closed: Promise<void>;

  constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
    this.closed = this.#listen();
  }

  async #listen(): Promise<void> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(16 * 1024);
    let text = "";
    try {
      for (;;) {
        const count = await this.#connection.read(buffer);
        if (count === null) break;
        text += decoder.decode(buffer.subarray(0, count), { stream: true });
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) this.#take(line);
      }
    } catch {
      // QEMU was killed.
    }
    for (const resolve of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
    try {
      this.#connection.close();
    } catch {
      // It is closed already.
    }
  }

  #take(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      return;
    }
    if (typeof message !== "object" || message === null) return;
    if (
      "event" in message && message.event === "SHUTDOWN" && "data" in message
    ) {
      const data = message.data;
      if (typeof data === "object" && data !== null && "reason" in data) {
        this.shutdownReason = String(data.reason);
      }
    }
    if ("id" in message && typeof message.id === "number") {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    }
  }

  /** Sends a command; undefined when QEMU ended before it answered. */
  async execute(
    command: string,
    args: Record<string, unknown> = {},
  ): Promise<unknown> {
    const id = ++this.#lastId;
    const reply = new Promise<unknown>((resolve) =>
      this.#waiting.set(id, resolve)
    );
    const request = `${
      JSON.stringify({ execute: command, arguments: args, id })
    }\n`;
    try {
      const bytes = new TextEncoder().encode(request);
      for (let at = 0; at < bytes.length;) {
        at += await this.#connection.write(bytes.subarray(at));
      }
    } catch {
      this.#waiting.delete(id);
      return undefined;
    }
    return await reply;
  }
}

/** How often a socket that QEMU will make is looked for. */
const SOCKET_POLL_MS = 20;

/** A machine that was started. */
export class QemuMachine {
  readonly #child: Deno.ChildProcess;
  readonly #options: MachineOptions;
  #control: ControlChannel | undefined;
  #running = true;
  #panicked = false;
  #killed = false;

  /** Fulfilled with the way in which the machine ended. */
  readonly ended: Promise<MachineEnd>;

  private constructor(
    child: Deno.ChildProcess,
    options: MachineOptions,
    onConsole: (piece: Uint8Array) => void,
  ) {
    this.#child = child;
    this.#options = options;
    this.ended = this.#follow(onConsole);
  }

  /**
   * Starts a machine.
   *
   * @param options what it is made of
   * @param onConsole takes what the guest writes on its console
   * @returns the running machine
   * @throws {ToolchainError} when QEMU is not there
   */
  static start(
    options: MachineOptions,
    onConsole: (piece: Uint8Array) => void,
  ): QemuMachine {
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(QEMU, {
        args: qemuArguments(options),
        stdin: "null",
        stdout: "piped",
        stderr: "inherit",
        // In a session of its own, a Ctrl-C at the terminal does not reach it.
        detached: true,
      }).spawn();
    } catch (cause) {
      if (!(cause instanceof Deno.errors.NotFound)) throw cause;
      throw new ToolchainError(
        `${QEMU} is not on the PATH: install Debian's qemu-system-x86`,
        { cause },
      );
    }
    return new QemuMachine(child, options, onConsole);
  }

  /** QEMU's process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** True until QEMU has ended. */
  get running(): boolean {
    return this.#running;
  }

  async #follow(onConsole: (piece: Uint8Array) => void): Promise<MachineEnd> {
    const control = this.#openControl();
    const decoder = new TextDecoder();
    let tail = "";
    for await (const piece of this.#child.stdout) {
      onConsole(piece);
      tail += decoder.decode(piece, { stream: true });
      if (tail.includes(PANIC_TEXT)) this.#panicked = true;
      tail = tail.slice(-PANIC_TEXT.length);
    }
    const status = await this.#child.status;
    this.#running = false;
    await control;
    await this.#control?.closed;
    const reason = this.#control?.shutdownReason;
    if (this.#killed) return "killed";
    if (this.#panicked) return "panic";
    if (reason === "guest-shutdown") return "poweroff";
    if (reason === "guest-reset") return "reset";
    if (reason?.startsWith("host-") || status.signal !== null) return "killed";
    return "failed";
  }

  async #openControl(): Promise<void> {
    const connection = await this.#connect(this.#options.controlSocketPath);
    if (connection === undefined) return;
    this.#control = new ControlChannel(connection);
    await this.#control.execute("qmp_capabilities");
  }

  /** Connects to one of QEMU's sockets, as soon as it is there; undefined when QEMU ends before. */
  async #connect(path: string): Promise<Deno.UnixConn | undefined> {
    while (this.#running) {
      try {
        return await Deno.connect({ transport: "unix", path });
      } catch (error) {
        const notYet = error instanceof Deno.errors.NotFound ||
          error instanceof Deno.errors.ConnectionRefused;
        if (!notYet) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, SOCKET_POLL_MS));
    }
    return undefined;
  }

  /**
   * Connects to the guest's `ipc` port. QEMU serves one connection at a time.
   *
   * @returns the connection, or undefined when QEMU has ended
   */
  connectIpc(): Promise<Deno.UnixConn | undefined> {
    return this.#connect(this.#options.ipcSocketPath);
  }

  /**
   * Sends a command to QEMU itself.
   *
   * @param command such as `system_powerdown`, `inject-nmi`, `stop`, `cont`
   * @param args its arguments
   * @returns QEMU's reply, or undefined when it ended before it answered
   */
  async control(
    command: string,
    args: Record<string, unknown> = {},
  ): Promise<unknown> {
    while (this.#control === undefined && this.#running) {
      await new Promise((resolve) => setTimeout(resolve, SOCKET_POLL_MS));
    }
    return await this.#control?.execute(command, args);
  }

  /** Ends QEMU at once, as a power cut would end the machine. */
  kill(): void {
    if (!this.#running) return;
    this.#killed = true;
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has just ended by itself.
    }
  }
}
