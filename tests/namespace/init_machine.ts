/**
 * Runs the whole init as PID 1 of a namespace, at native speed: its own mounts,
 * a file for a disk, a file for a console, a command line of the test's choice.
 * What only a kernel's boot shows is for tests/vm. Needs root: a user namespace
 * can't mount devtmpfs.
 *
 * @module
 */
import { currentEnvironment } from "../../rootfs/toolchain/environment.ts";
import { statusFields } from "./namespace.ts";

const MAIN = new URL("../../cmd/spaceos-init/main.ts", import.meta.url);

/**
 * Seconds until everything is killed. It only ends what hangs, and is no measure
 * of speed: a small machine beside other work may take very long.
 */
const TIMEOUT_SECONDS = 300;

/** What the machine is made of. */
export interface InitMachineOptions {
  /** Service definitions by name, as they stand in their files. */
  readonly services?: Readonly<Record<string, unknown>>;
  /** The bytes of the disk; without them there is none. */
  readonly disk?: Uint8Array;
  /** The compiled init to run instead of the sources. */
  readonly executable?: string;
  /** A program of `init_programs/` in the place of the init's own; its argument is the machine's folder. */
  readonly program?: string;
  /** Called right before the first process is made. */
  readonly onStart?: () => void;
  /** Puts more into the machine's folder before it starts. */
  readonly prepare?: (folder: string) => void;
  /** More words for the kernel command line. */
  readonly commandLine?: string;
  /** Seconds until everything is killed, default {@linkcode TIMEOUT_SECONDS}. */
  readonly timeoutSeconds?: number;
}

/** An init that runs. */
export class InitMachine implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #timeoutSeconds: number;
  /** The folder that holds disk, console and definitions; programs may write to it. */
  readonly folder: string;
  /** How the program that made the namespace ended. */
  readonly ended: Promise<Deno.CommandStatus>;
  #isOver = false;

  private constructor(
    child: Deno.ChildProcess,
    folder: string,
    timeoutSeconds: number,
  ) {
    this.#child = child;
    this.#timeoutSeconds = timeoutSeconds;
    this.folder = folder;
    this.ended = child.status.finally(() => {
      this.#isOver = true;
    });
  }

  /**
   * Starts an init.
   *
   * @param options What the machine is made of.
   */
  static start(options: InitMachineOptions = {}): InitMachine {
    // The init mounts a tmpfs of its own on /tmp.
    const folder = Deno.makeTempDirSync({
      dir: "/var/tmp",
      prefix: "spaceos-init-",
    });
    const definitions = `${folder}/services.d`;
    Deno.mkdirSync(definitions);
    for (const [name, service] of Object.entries(options.services ?? {})) {
      Deno.writeTextFileSync(
        `${definitions}/${name}.json`,
        JSON.stringify(service),
      );
    }
    options.prepare?.(folder);
    // As devtmpfs has it.
    Deno.writeFileSync(`${folder}/console`, new Uint8Array(), { mode: 0o600 });
    const disk = `${folder}/disk`;
    if (options.disk !== undefined) Deno.writeFileSync(disk, options.disk);
    Deno.writeTextFileSync(
      `${folder}/cmdline`,
      `spaceos.disk=${disk} spaceos.services=${definitions} spaceos.watchdog=0 ${
        options.commandLine ?? ""
      }\n`,
    );
    const { configArguments, variables } = currentEnvironment();
    const timeoutSeconds = options.timeoutSeconds ?? TIMEOUT_SECONDS;
    Deno.mkdirSync(`${folder}/cgroup`);
    options.onStart?.();
    const child = new Deno.Command("timeout", {
      args: [
        ...["-s", "KILL", `${timeoutSeconds}`],
        // A control group of its own, seen by the init as the root of all:
        // machines that run at the same time have services of the same names.
        ...["unshare", "--mount", "--propagation", "private", "sh", "-c"],
        `${enterCgroup(folder)}; exec "$@"`,
        "sh",
        ...["unshare", "--pid", "--fork", "--kill-child", "--cgroup"],
        ...["--mount", "--mount-proc", "--propagation", "private"],
        ...["sh", "-c"],
        `mount --bind ${folder}/cmdline /proc/cmdline &&
         mount --bind ${folder}/console /dev/console &&
         mount -t tmpfs -o mode=755 run /run && exec "$@"`,
        "sh",
        ...(options.executable === undefined
          ? [
            ...[Deno.execPath(), "run", "--quiet", "--no-lock", "--no-check"],
            ...configArguments,
            "--allow-all",
            ...(options.program === undefined ? [pathOf(MAIN)] : [
              pathOf(
                new URL(`init_programs/${options.program}`, import.meta.url),
              ),
              folder,
            ]),
          ]
          : [options.executable]),
      ],
      env: { ...variables, NO_COLOR: "1" },
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    return new InitMachine(child, folder, timeoutSeconds);
  }

  /** What the console has shown so far. */
  get console(): string {
    return Deno.readTextFileSync(`${this.folder}/console`);
  }

  /**
   * Waits until the console shows something.
   *
   * @param pattern What.
   * @param from Where in the text to begin to look.
   * @returns The match.
   */
  async waitFor(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return await this.until(
      () => pattern.exec(this.console.slice(from)),
      `${pattern} on the console`,
    );
  }

  /**
   * Waits until something is the case.
   *
   * @param look Looks; null, undefined or false is "not yet".
   * @param what What is waited for, in words.
   * @returns What `look` gave.
   */
  async until<T>(
    look: () => T | null | undefined | false,
    what: string,
  ): Promise<T> {
    const limitMs = Date.now() + this.#timeoutSeconds * 1000;
    while (Date.now() < limitMs) {
      const isOver = this.#isOver;
      const found = look();
      if (found !== null && found !== undefined && found !== false) {
        return found;
      }
      if (isOver) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const when = this.#isOver ? "when it ended" : "so far";
    throw new Error(
      `waited for ${what}; the console ${when}:\n${this.console.slice(-8000)}`,
    );
  }

  /** The init's process id as seen from here. */
  async pid(): Promise<number> {
    return await this.until(() => {
      // timeout -> unshare -> the namespace's init, after short-lived others
      const unshare = childrenOf(this.#child.pid)[0] ?? -1;
      return childrenOf(unshare).find((pid) =>
        statusFields(pid)?.["NSpid"]?.endsWith("\t1")
      );
    }, "the init's process");
  }

  /**
   * Sends a signal to the init.
   *
   * @param signal Which.
   */
  async signal(signal: Deno.Signal): Promise<void> {
    Deno.kill(await this.pid(), signal);
  }

  /** The disk's bytes. */
  readDisk(): Uint8Array {
    return Deno.readFileSync(`${this.folder}/disk`);
  }

  /** Kills what still runs, and removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const unshare of childrenOf(this.#child.pid)) {
      try {
        // The init goes with it, and every process with the init.
        Deno.kill(unshare, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
    await this.ended;
    new Deno.Command("unshare", {
      args: [
        ...["--mount", "--propagation", "private", "sh", "-c"],
        removeCgroup(this.folder),
      ],
      stderr: "null",
    }).outputSync();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function pathOf(module: URL): string {
  return decodeURIComponent(module.pathname);
}

/** The control group of a machine, named after its folder. */
function cgroupOf(folder: string): string {
  return `${folder}/cgroup/${folder.slice(folder.lastIndexOf("/") + 1)}`;
}

/** Shell commands that enter it, where the kernel has cgroup2. */
function enterCgroup(folder: string): string {
  // As the init has it on a machine of its own.
  return `{ mount -t cgroup2 -o favordynmods cgroup ${folder}/cgroup ||
      mount -t cgroup2 cgroup ${folder}/cgroup; } &&
    mkdir ${cgroupOf(folder)} && echo $$ > ${cgroupOf(folder)}/cgroup.procs &&
    umount ${folder}/cgroup`;
}

/**
 * Shell commands that remove it with all groups in it, the innermost first. A
 * process that was killed a moment ago keeps its group for another.
 */
function removeCgroup(folder: string): string {
  return `mount -t cgroup2 cgroup ${folder}/cgroup || exit
    tries=0
    until find ${cgroupOf(folder)} -depth -type d -exec rmdir {} +
    do
      tries=$((tries + 1))
      [ $tries -lt 300 ] || exit
      sleep 0.01
    done`;
}

/**
 * The children of a process.
 *
 * @param pid The process.
 * @returns Their process ids.
 */
export function childrenOf(pid: number): number[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`)
      .split(" ").filter((word) => word !== "").map(Number);
  } catch {
    return [];
  }
}
