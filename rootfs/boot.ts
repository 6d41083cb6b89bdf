/**
 * Boots the image in QEMU, with the guest's console on this terminal. Run
 * `deno task boot --help` for its options. It imports the other files of this
 * folder, rootfs/toolchain, and lib/wire for the frame that asks the guest to
 * power off.
 */
import { parseArgs } from "@std/cli/parse-args";
import { Apid, encodeFrame, FrameType } from "../lib/wire/frame.ts";
import { CommandCode, encodeTelecommand } from "../lib/wire/telecommand.ts";
import { buildOwnImage, OUT_FOLDER } from "./build.ts";
import { commandLineFault, joinCommandLine } from "./kernel_command_line.ts";
import {
  type MachineEnd,
  type MachineOptions,
  QemuMachine,
} from "./qemu_machine.ts";
import { kvmWorks, requireQemu } from "./toolchain/qemu.ts";
import { say, ToolchainError } from "./toolchain/report.ts";

/** The image is unpacked from memory into memory, and the rest must fit beside it. */
const MIN_MEMORY_MEBIBYTES = 320;

const HELP = `NAME
  boot - build the image and boot it in QEMU

SYNOPSIS
  deno task boot [OPTION...]

DESCRIPTION
  Builds what "deno task image" builds, unless it is there, and boots it with
  the guest's console on this terminal. The disk is kept from boot to boot.

  Ctrl-C asks the VM to power off; a second one ends QEMU at once, and so does
  a VM that has not powered off after 60 seconds. npx itself ends at the first
  Ctrl-C, so under npx the prompt may come back while the VM still powers off.

OPTIONS
  --memory MIB   memory of the VM in MiB (default 512, at least ${MIN_MEMORY_MEBIBYTES})
  --cpus N       processors of the VM (default 1)
  --disk FILE    raw disk image (default spaceos-disk.img beside the image);
                 "none" boots without a disk
  --socket PATH  unix socket of the ipc port (default spaceos-ipc.sock beside
                 the image)
  --append TEXT  more kernel command line; may be repeated
  --accel NAME   tcg (default), kvm, or auto: kvm if a short probe succeeds
  --kvm          the same as --accel kvm
  --reboot       start the VM again when it resets itself
  --image DIR    boot the image in this folder, as deno task image --out made
                 it, with its own disk and socket; nothing is built
  --no-build     boot the image that is there
  --help         this text

EXIT STATUS
  0    the VM powered off in order
  1    something is missing, or QEMU failed
  2    wrong usage
  3    the VM reset itself (reboot, or its watchdog)
  4    the VM's kernel panicked
  130  QEMU was ended by a second Ctrl-C, or after the 60 seconds

ENVIRONMENT
  As for deno task image

EXAMPLES
  deno task boot
  deno task boot --append spaceos.log=debug --memory 1024
  deno task boot --image /tmp/camera`;

/** The exit status for each way in which a machine can end. */
const EXIT_CODES: Readonly<Record<MachineEnd, number>> = {
  poweroff: 0,
  failed: 1,
  reset: 3,
  panic: 4,
  killed: 130,
};

/** What the exit status means, for people. */
const END_TEXTS: Readonly<Record<MachineEnd, string>> = {
  poweroff: "the VM powered off",
  failed: "QEMU failed",
  reset: "the VM reset itself",
  panic: "the VM's kernel panicked",
  killed: "QEMU was ended",
};

/**
 * One Ctrl-C comes several times: from the terminal, and again from npx and
 * from `deno task`, which pass it on. What comes so soon is an echo.
 */
const SIGNAL_ECHO_MS = 1000;

/** How long the VM may take to power off when it was asked to. */
const POWEROFF_DEADLINE_MS = 60_000;

/** What the command line asks for. */
export interface BootOptions {
  /** Memory in MiB. */
  readonly memoryMebibytes: number;
  /** Processors. */
  readonly cpus: number;
  /** The folder of the image. */
  readonly imageFolder: string;
  /** The disk image, or undefined for none. */
  readonly diskPath: string | undefined;
  /** The socket of the ipc port. */
  readonly socketPath: string;
  /** More kernel command line. */
  readonly append: readonly string[];
  /** How to run the processor. */
  readonly accelerator: "tcg" | "kvm" | "auto";
  /** Whether a reset starts the VM again. */
  readonly restartOnReset: boolean;
  /** Whether to build first. */
  readonly build: boolean;
}

/** The command line is wrong. */
export class UsageError extends Error {
  /** @param message what was met and what was expected */
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

function wholeNumber(
  name: string,
  text: string,
  minimum: number,
  maximum: number,
): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < minimum || value > maximum) {
    throw new UsageError(
      `--${name} is "${text}", expected a whole number in ${minimum}..${maximum}`,
    );
  }
  return value;
}

/**
 * Reads the command line.
 *
 * @param args the arguments
 * @returns what they ask for, or `help`
 * @throws {UsageError} when they are wrong
 */
export function readBootOptions(args: readonly string[]): BootOptions | "help" {
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    boolean: ["help", "kvm", "reboot", "build"],
    string: ["memory", "cpus", "disk", "socket", "append", "accel", "image"],
    collect: ["append"],
    negatable: ["build"],
    alias: { help: "h" },
    default: {
      memory: "512",
      cpus: "1",
      accel: "tcg",
      build: true,
    },
    unknown: (arg: string): boolean => {
      unknown.push(arg);
      return false;
    },
  });
  if (parsed.help) return "help";
  if (unknown[0] !== undefined || parsed._.length > 0) {
    throw new UsageError(`unknown argument "${unknown[0] ?? parsed._[0]}"`);
  }
  const accelerator = parsed.kvm ? "kvm" : parsed.accel;
  if (
    accelerator !== "tcg" && accelerator !== "kvm" && accelerator !== "auto"
  ) {
    throw new UsageError(
      `--accel is "${accelerator}", expected tcg, kvm or auto`,
    );
  }
  for (const name of ["disk", "socket", "image"] as const) {
    if (parsed[name] === "") {
      throw new UsageError(`--${name} is empty, expected a path`);
    }
  }
  for (const text of parsed.append) {
    const fault = commandLineFault(text);
    if (fault !== undefined) throw new UsageError(`--append ${fault}`);
  }
  const imageFolder = parsed.image?.replace(/(?<=.)\/+$/, "") ?? OUT_FOLDER;
  const disk = parsed.disk ?? `${imageFolder}/spaceos-disk.img`;
  return {
    memoryMebibytes: wholeNumber(
      "memory",
      parsed.memory,
      MIN_MEMORY_MEBIBYTES,
      1 << 20,
    ),
    cpus: wholeNumber("cpus", parsed.cpus, 1, 255),
    imageFolder,
    diskPath: disk === "none" ? undefined : disk,
    socketPath: parsed.socket ?? `${imageFolder}/spaceos-ipc.sock`,
    append: parsed.append,
    accelerator,
    restartOnReset: parsed.reboot,
    build: parsed.build && parsed.image === undefined,
  };
}

/** The frame that asks the guest to power off. */
function poweroffFrame(): Uint8Array {
  return encodeFrame({
    type: FrameType.TC,
    apid: Apid.HOST,
    destinationApid: 0,
    payload: encodeTelecommand({
      command: CommandCode.POWEROFF,
      sequence: 0,
      arguments: new Uint8Array(0),
    }),
  });
}

/** Asks the guest to power off: over its port, and by the power button. */
async function askForPoweroff(machine: QemuMachine): Promise<void> {
  say("\nasking the VM to power off; Ctrl-C again ends it at once");
  await Promise.all([
    machine.control("system_powerdown"),
    (async () => {
      const connection = await machine.connectIpc();
      if (connection === undefined) return;
      const frame = poweroffFrame();
      for (let at = 0; at < frame.length;) {
        at += await connection.write(frame.subarray(at));
      }
      // Answers are taken until the guest has gone, so that it is never held up.
      const buffer = new Uint8Array(4096);
      while (await connection.read(buffer) !== null);
      connection.close();
    })(),
  ]);
}

/**
 * Refuses a path at which QEMU could not make its socket, and one where it
 * would take away a file or the socket of another VM: it removes what it finds.
 *
 * @param path where the socket shall be
 * @throws {ToolchainError} saying what is there, or is missing
 */
export async function requireFreeSocket(path: string): Promise<void> {
  const found = await Deno.lstat(path).catch(() => null);
  if (found !== null && !found.isSocket) {
    throw new ToolchainError(
      `${path} is there and no socket: name another path in --socket`,
    );
  }
  const folder = path.slice(0, path.lastIndexOf("/") + 1) || ".";
  try {
    await Deno.remove(await Deno.makeTempFile({ dir: folder }));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ToolchainError(
      `the socket ${path} can't be made: expected a folder that can be written to (${reason})`,
      { cause },
    );
  }
  if (found === null) return;
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch {
    return;
  }
  throw new ToolchainError(
    `another VM serves the socket ${path}: end it, or name another path in --socket`,
  );
}

/**
 * Refuses what QEMU could not take for a disk.
 *
 * @param path the disk, or its image
 * @throws {ToolchainError} saying what is there, or is missing
 */
export async function requireDisk(path: string): Promise<void> {
  const found = await Deno.stat(path).catch(() => null);
  if (found === null) {
    throw new ToolchainError(
      `the disk ${path} is not there: name another in --disk, or make one with deno task disk format`,
    );
  }
  if (!found.isFile && !found.isBlockDevice) {
    throw new ToolchainError(
      `the disk ${path} is neither a file nor a block device: name another in --disk`,
    );
  }
  if (found.isFile && (found.size === 0 || found.size % 512 !== 0)) {
    throw new ToolchainError(
      `the disk ${path} has ${found.size} bytes, expected whole blocks of 512: name another in --disk`,
    );
  }
}

async function boot(options: BootOptions): Promise<number> {
  // A build takes its time, and makes the image's folder.
  if (!options.socketPath.startsWith(`${options.imageFolder}/`)) {
    await requireFreeSocket(options.socketPath);
  }
  await requireQemu();
  const image = options.build ? await buildOwnImage() : {
    kernelPath: `${options.imageFolder}/spaceos-kernel`,
    initrdPath: `${options.imageFolder}/spaceos-initrd.img`,
    commandLine:
      (await Deno.readTextFile(`${options.imageFolder}/spaceos-cmdline`).catch(
        (cause) => {
          throw new ToolchainError(
            `there is no image in ${options.imageFolder}, expected what deno task image writes`,
            { cause },
          );
        },
      )).trim(),
  };
  if (options.diskPath !== undefined) await requireDisk(options.diskPath);
  let accelerator: MachineOptions["accelerator"];
  if (options.accelerator === "auto") {
    accelerator = await kvmWorks(image.kernelPath) ? "kvm" : "tcg";
  } else {
    accelerator = options.accelerator;
  }
  await requireFreeSocket(options.socketPath);
  const controlFolder = await Deno.makeTempDir({ prefix: "spaceos-" });
  let machine: QemuMachine | undefined;
  let deadline: ReturnType<typeof setTimeout> | undefined;
  let askedAtMs: number | undefined;
  const ask = (): void => {
    if (machine === undefined || askedAtMs !== undefined) return;
    askedAtMs = performance.now();
    deadline = setTimeout(() => machine?.kill(), POWEROFF_DEADLINE_MS);
    askForPoweroff(machine).catch(() => {
      // The connection ends with the machine.
    });
  };
  const onSignal = (): void => {
    if (askedAtMs === undefined) ask();
    else if (performance.now() - askedAtMs > SIGNAL_ECHO_MS) machine?.kill();
  };
  const onConsole = (bytes: Uint8Array): void => {
    try {
      for (let at = 0; at < bytes.length;) {
        at += Deno.stdout.writeSync(bytes.subarray(at));
      }
    } catch {
      // The terminal has gone, and nobody could end the VM any more.
      ask();
    }
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  try {
    for (const signal of signals) Deno.addSignalListener(signal, onSignal);
    machine = QemuMachine.start({
      kernelPath: image.kernelPath,
      initrdPath: image.initrdPath,
      commandLine: joinCommandLine([image.commandLine, ...options.append]),
      memoryMebibytes: options.memoryMebibytes,
      cpus: options.cpus,
      accelerator,
      diskPath: options.diskPath,
      ipcSocketPath: options.socketPath,
      controlSocketPath: `${controlFolder}/control.sock`,
      restartOnReset: options.restartOnReset,
      extraArguments: [],
    }, onConsole);
    say(
      `booting with ${accelerator}; ipc socket ${options.socketPath}; Ctrl-C powers off`,
    );
    const end = await machine.ended;
    say(END_TEXTS[end]);
    return EXIT_CODES[end];
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, onSignal);
    clearTimeout(deadline);
    machine?.kill();
    await Deno.remove(controlFolder, { recursive: true });
  }
}

/** The command `deno task boot`. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readBootOptions(args);
    if (options === "help") {
      console.log(HELP);
      return 0;
    }
    return await boot(options);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`boot: ${error.message}; see deno task boot --help`);
      return 2;
    }
    if (error instanceof ToolchainError) {
      console.error(`boot: ${error.message}`);
      return 1;
    }
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
