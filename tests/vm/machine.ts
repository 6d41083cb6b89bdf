/**
 * A virtual machine for tests: boots the built image, or another one, on a
 * disk of the test's own, watches its console, speaks over its `ipc` port,
 * and cuts its power. It imports rootfs/, and nothing of the library: what is
 * sent and met on the port are plain bytes.
 */
import { OUT_FOLDER } from "../../rootfs/build.ts";
import { type MachineEnd, QemuMachine } from "../../rootfs/qemu_machine.ts";

/** The size of every frame on the port. */
const FRAME_BYTES = 256;

/**
 * How long a test waits for a fact before it fails. It is no measure of
 * speed: an emulated machine beside other work may take very long.
 */
const DEFAULT_TIMEOUT_MS = 120_000;

/** How much of the console is shown when something did not come. */
const SHOWN_CHARACTERS = 4000;

/** How often the disk is looked at by a test that waits for it. */
const DISK_POLL_MS = 100;

/** The files of an image. */
export interface ImageFiles {
  /** The kernel. */
  readonly kernelPath: string;
  /** The initial RAM file system. */
  readonly initrdPath: string;
  /** The kernel command line. */
  readonly commandLine: string;
}

/** What a machine is made of. */
export interface BootOptions {
  /** The disk's bytes: they are copied. Without them the machine has no disk. */
  readonly disk?: Uint8Array;
  /** More kernel command line. */
  readonly append?: string;
  /** Memory in MiB; 512 unless given. */
  readonly memoryMebibytes?: number;
  /** Another image than the one that `deno task image` builds. */
  readonly image?: ImageFiles;
  /** More arguments for QEMU. */
  readonly extraArguments?: readonly string[];
  /** Whether a reset starts the guest again; if not, it ends the machine. */
  readonly restartOnReset?: boolean;
}

/**
 * The image that `deno task image` has built.
 *
 * @returns its files
 * @throws {Error} when it is not there
 */
export function builtImage(): ImageFiles {
  try {
    return {
      kernelPath: `${OUT_FOLDER}/spaceos-kernel`,
      initrdPath: `${OUT_FOLDER}/spaceos-initrd.img`,
      commandLine: Deno.readTextFileSync(`${OUT_FOLDER}/spaceos-cmdline`)
        .trim(),
    };
  } catch (cause) {
    throw new Error(
      "there is no image: run `deno task test vm`, which builds it first",
      { cause },
    );
  }
}

/** Fails with a text when something does not come in time. */
async function within<T>(
  work: Promise<T>,
  timeoutMs: number,
  describe: () => string,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(describe())), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The host's end of the `ipc` port. */
export class IpcConnection {
  readonly #connection: Deno.UnixConn;
  readonly #frames: Uint8Array[] = [];
  #reading: Promise<void> | undefined;
  #partial = new Uint8Array(0);
  #ended = false;
  #wake: () => void = () => {};

  /**
   * @param connection the unix socket that QEMU serves
   * @param isDeaf whether nothing is read before {@linkcode listen}
   */
  constructor(connection: Deno.UnixConn, isDeaf = false) {
    this.#connection = connection;
    if (!isDeaf) this.listen();
  }

  /** Begins to read. */
  listen(): void {
    this.#reading ??= this.#read();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const count = await this.#connection.read(buffer);
        if (count === null) break;
        const bytes = new Uint8Array(this.#partial.length + count);
        bytes.set(this.#partial);
        bytes.set(buffer.subarray(0, count), this.#partial.length);
        let at = 0;
        for (; at + FRAME_BYTES <= bytes.length; at += FRAME_BYTES) {
          this.#frames.push(bytes.slice(at, at + FRAME_BYTES));
        }
        this.#partial = bytes.slice(at);
        this.#wake();
      }
    } catch {
      // The machine or the test has closed it.
    }
    this.#ended = true;
    this.#wake();
  }

  /** Bytes of a frame of which the rest has not come yet. */
  get partialBytes(): number {
    return this.#partial.length;
  }

  /** Sends bytes: whole frames, or whatever a test wants the guest to meet. */
  async send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#connection.write(bytes.subarray(at));
    }
  }

  /**
   * The next frame that a test waits for; the frames before it are dropped.
   *
   * @param isWanted tells whether a frame is the one
   * @param timeoutMs when to give up
   * @returns its 256 bytes
   * @throws {Error} when it does not come, or the port ends
   */
  async receive(
    isWanted: (frame: Uint8Array) => boolean = () => true,
    timeoutMs: number = DEFAULT_TIMEOUT_MS,
  ): Promise<Uint8Array> {
    let seen = 0;
    const types = new Map<number, number>();
    const work = (async (): Promise<Uint8Array> => {
      for (;;) {
        for (
          let frame = this.#frames.shift();
          frame !== undefined;
          frame = this.#frames.shift()
        ) {
          seen++;
          const type = frame[1] ?? 0;
          types.set(type, (types.get(type) ?? 0) + 1);
          if (isWanted(frame)) return frame;
        }
        if (this.#ended) {
          throw new Error(`the port ended after ${seen} other frames`);
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    })();
    return await within(work, timeoutMs, () => {
      const met = [...types].map(([type, count]) => `${count} of type ${type}`)
        .join(", ");
      return `no such frame in ${timeoutMs} ms; met ${met || "none"}`;
    });
  }

  /**
   * What came before the port's end and no test has taken yet.
   *
   * @returns the frames, once the port has ended
   */
  async rest(): Promise<Uint8Array[]> {
    await this.#reading;
    return this.#frames.splice(0);
  }

  /** Closes the host's end, as a host that goes away. */
  async close(): Promise<void> {
    try {
      this.#connection.close();
    } catch {
      // It is closed already.
    }
    await this.#reading;
  }
}

/** A machine under test. Use it with `await using`, so that it never outlives its test. */
export class Machine implements AsyncDisposable {
  readonly #machine: QemuMachine;
  readonly #folder: string;
  readonly #diskPath: string | undefined;
  readonly #decoder = new TextDecoder();
  readonly #connections: IpcConnection[] = [];
  #console = "";
  #wake: (() => void)[] = [];
  #end: MachineEnd | undefined;
  /** Fulfilled with the way in which the machine ended. */
  readonly ended: Promise<MachineEnd>;

  private constructor(image: ImageFiles, options: BootOptions, folder: string) {
    this.#folder = folder;
    if (options.disk !== undefined) {
      this.#diskPath = `${folder}/disk.img`;
      Deno.writeFileSync(this.#diskPath, options.disk);
    }
    this.#machine = QemuMachine.start({
      kernelPath: image.kernelPath,
      initrdPath: image.initrdPath,
      commandLine: options.append
        ? `${image.commandLine} ${options.append}`
        : image.commandLine,
      memoryMebibytes: options.memoryMebibytes ?? 512,
      cpus: 1,
      accelerator: "tcg",
      diskPath: this.#diskPath,
      ipcSocketPath: `${folder}/ipc.sock`,
      controlSocketPath: `${folder}/control.sock`,
      restartOnReset: options.restartOnReset ?? false,
      extraArguments: options.extraArguments ?? [],
    }, (piece) => {
      this.#console += this.#decoder.decode(piece, { stream: true });
      this.#wakeAll();
    });
    this.ended = this.#machine.ended.then((end) => {
      this.#end = end;
      this.#wakeAll();
      return end;
    });
  }

  /**
   * Boots a machine.
   *
   * @param options what it is made of
   * @returns the machine, at its very beginning
   */
  static boot(options: BootOptions = {}): Machine {
    const image = options.image ?? builtImage();
    return new Machine(
      image,
      options,
      Deno.makeTempDirSync({ prefix: "spaceos-vm-" }),
    );
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }

  /** Everything that the guest has written on its console, with plain line ends. */
  get console(): string {
    return this.#console.replaceAll("\r", "");
  }

  /** The socket at which QEMU has the `ipc` port: for a program of the test's. */
  get ipcSocketPath(): string {
    return `${this.#folder}/ipc.sock`;
  }

  /** QEMU's process id. */
  get pid(): number {
    return this.#machine.pid;
  }

  #story(what: string): string {
    return `${what}\n--- end of the console ---\n${
      this.console.slice(-SHOWN_CHARACTERS)
    }\n---`;
  }

  /**
   * Waits until the console shows something.
   *
   * @param pattern a text, or a pattern without the flag `g`
   * @param timeoutMs when to give up
   * @returns what matched
   * @throws {Error} with the end of the console, when the machine ends or the time is up before
   */
  async waitForConsole(
    pattern: string | RegExp,
    timeoutMs: number = DEFAULT_TIMEOUT_MS,
  ): Promise<RegExpMatchArray> {
    const expression = typeof pattern === "string"
      ? new RegExp(RegExp.escape(pattern))
      : pattern;
    const work = (async (): Promise<RegExpMatchArray> => {
      for (;;) {
        const match = this.console.match(expression);
        if (match !== null) return match;
        if (this.#end !== undefined) {
          throw new Error(
            this.#story(
              `the machine ended (${this.#end}) without ${expression} on its console`,
            ),
          );
        }
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    })();
    return await within(
      work,
      timeoutMs,
      () => this.#story(`no ${expression} on the console in ${timeoutMs} ms`),
    );
  }

  /**
   * Waits until the machine has ended.
   *
   * @param timeoutMs when to give up
   * @returns how it ended
   * @throws {Error} with the end of the console, when the time is up before
   */
  async waitForEnd(
    timeoutMs: number = DEFAULT_TIMEOUT_MS,
  ): Promise<MachineEnd> {
    return await within(
      this.ended,
      timeoutMs,
      () => this.#story(`the machine did not end in ${timeoutMs} ms`),
    );
  }

  /**
   * Connects to the `ipc` port as the host.
   *
   * @param isDeaf whether nothing is read before it listens
   * @returns the connection; the machine closes it at its end
   * @throws {Error} when the machine has ended
   */
  async connectIpc(isDeaf = false): Promise<IpcConnection> {
    const connection = await this.#machine.connectIpc();
    if (connection === undefined) {
      throw new Error(this.#story("the machine ended before its port was met"));
    }
    const ipc = new IpcConnection(connection, isDeaf);
    this.#connections.push(ipc);
    return ipc;
  }

  /**
   * Sends a command to QEMU, such as `inject-nmi`, `stop`, `cont`, `system_reset`.
   *
   * @param command the command
   * @param args its arguments
   * @returns QEMU's reply
   */
  control(
    command: string,
    args: Record<string, unknown> = {},
  ): Promise<unknown> {
    return this.#machine.control(command, args);
  }

  /** Cuts the power: QEMU is killed, and the disk keeps what had reached it. */
  async cutPower(): Promise<void> {
    this.#machine.kill();
    await this.ended;
  }

  /**
   * The disk as it is now.
   *
   * @returns its bytes
   * @throws {Error} when the machine has none
   */
  readDisk(): Uint8Array {
    if (this.#diskPath === undefined) {
      throw new Error("the machine has no disk");
    }
    return Deno.readFileSync(this.#diskPath);
  }

  /**
   * Turns one bit of the disk around while the machine runs, as a medium that
   * forgets would.
   *
   * @param offset the byte
   * @throws {Error} when the machine has none
   */
  flipDiskBit(offset: number): void {
    const byte = this.readDisk().slice(offset, offset + 1);
    const file = Deno.openSync(this.#diskPath ?? "", { write: true });
    try {
      file.seekSync(offset, Deno.SeekMode.Start);
      file.writeSync(Uint8Array.of((byte[0] ?? 0) ^ 1));
    } finally {
      file.close();
    }
  }

  /**
   * Waits until the disk shows something.
   *
   * @param isThere looks for it in the disk's bytes
   * @param timeoutMs when to give up
   * @throws {Error} with the end of the console, when the machine ends or the time is up before
   */
  async waitForDisk(
    isThere: (disk: Uint8Array) => boolean,
    timeoutMs: number = DEFAULT_TIMEOUT_MS,
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!isThere(this.readDisk())) {
      if (this.#end !== undefined || performance.now() > deadline) {
        const when = this.#end === undefined
          ? `in ${timeoutMs} ms`
          : `before the machine ended (${this.#end})`;
        throw new Error(
          this.#story(`what was expected did not reach the disk ${when}`),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, DISK_POLL_MS));
    }
  }

  /** Ends the machine, if it still runs, and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#machine.kill();
    await this.ended;
    for (const connection of this.#connections) await connection.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}
