/**
 * Supervisors that do the same work side by side: ours, and those of Debian.
 * Each runs as process 1 of a PID namespace, or as its only child, with the same
 * services: a shell that says its process id into a FIFO and becomes `sleep`.
 *
 * @module
 */
import { requireProgram } from "../../rootfs/toolchain/debian_program.ts";
import { makeDisk } from "../fixtures/make_disk.ts";
import { InitMachine } from "../namespace/init_machine.ts";
import { parseStatus } from "../namespace/namespace.ts";
import { compileInit, EXECUTABLE } from "./compiled_init.ts";

/** A FIFO into which services say their process ids, each as its namespace has it. */
export class Tellings implements Disposable {
  /** Its path. */
  readonly path: string;
  readonly #file: Deno.FsFile;
  #rest = "";
  readonly #told: number[] = [];

  /** Makes one in a folder. */
  constructor(folder: string) {
    this.path = `${folder}/told`;
    new Deno.Command("mkfifo", { args: [this.path] }).outputSync();
    // Open for both, it neither waits for a writer nor ends with the last one.
    this.#file = Deno.openSync(this.path, { read: true, write: true });
  }

  /** Waits until so many more have spoken, and takes what they said. */
  async next(count: number): Promise<number[]> {
    await this.#wait(count);
    return this.#told.splice(0, count);
  }

  /** Waits until one more has spoken, and leaves what it said. */
  async arrival(): Promise<void> {
    await this.#wait(1);
  }

  async #wait(count: number): Promise<void> {
    const buffer = new Uint8Array(65_536);
    while (this.#told.length < count) {
      const length = await this.#file.read(buffer) ?? 0;
      const text = new TextDecoder().decode(buffer.subarray(0, length));
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop() ?? "";
      this.#told.push(...lines.map(Number));
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** A supervisor that runs. */
export interface Running extends AsyncDisposable {
  /** What services say. */
  readonly told: Tellings;
  /** When its first process was made, by `performance.now()`. */
  readonly startedMs: number;
  /** Its process ids as seen from here: process 1, and more where it is many. */
  pids(): Promise<number[]>;
}

/** A supervisor that can be started. */
export interface Peer {
  /** Its name in the table. */
  readonly name: string;
  /** Starts it with so many services; resolves when its first process was made. */
  readonly start: (count: number) => Promise<Running>;
  /** Installs what it needs. */
  readonly prepare: () => Promise<void>;
}

const serviceScript = (path: string) =>
  `echo $$ > ${path}; exec /bin/sleep 1000000`;

async function folderFor(name: string): Promise<string> {
  // Some of them mount a tmpfs of their own on /tmp.
  return await Deno.makeTempDir({ dir: "/var/tmp", prefix: `bench-${name}-` });
}

/**
 * Starts the init.
 *
 * @param count How many services it has.
 * @param disk Its disk.
 */
export async function startOurs(
  count: number,
  disk: Uint8Array = makeDisk("good"),
): Promise<Running> {
  const folder = await folderFor("told");
  const told = new Tellings(folder);
  const names = Array.from({ length: count }, (_, index) => `s${index}`);
  const command = ["/bin/sh", "-c", serviceScript(told.path)];
  let startedMs = 0;
  const machine = InitMachine.start({
    onStart: () => {
      startedMs = performance.now();
    },
    executable: EXECUTABLE,
    disk,
    services: Object.fromEntries(names.map((name) => [name, {
      command,
      // At once, as s6 and runit do it.
      backoff: { initialMs: 0, resetAfterMs: 1000 },
      restartLimit: { maximum: null },
    }])),
    timeoutSeconds: 600,
  });
  return {
    told,
    startedMs,
    pids: async () => [await machine.pid()],
    async [Symbol.asyncDispose]() {
      await machine[Symbol.asyncDispose]();
      told[Symbol.dispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** A peer in namespaces of its own; `prepare` fills a folder and gives the shell's words. */
function inNamespace(
  name: string,
  prepare: (folder: string, count: number, told: Tellings) => string,
): (count: number) => Promise<Running> {
  return async (count) => {
    const folder = await folderFor(name);
    const told = new Tellings(folder);
    const script = prepare(folder, count, told);
    const startedMs = performance.now();
    const child = new Deno.Command("unshare", {
      args: [
        ...["--pid", "--fork", "--kill-child", "--mount", "--mount-proc"],
        ...[
          "--uts",
          "--ipc",
          "--net",
          "--cgroup",
          "--propagation",
          "private",
          "sh",
          "-c",
          script,
        ],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    return {
      told,
      startedMs,
      pids: () => Promise.resolve(descendants(child.pid)),
      async [Symbol.asyncDispose]() {
        for (const pid of childrenOf(child.pid)) Deno.kill(pid, "SIGKILL");
        await child.status;
        told[Symbol.dispose]();
        await Deno.remove(folder, { recursive: true });
      },
    };
  };
}

function writeScript(path: string, body: string): void {
  Deno.writeTextFileSync(path, `#!/bin/sh\n${body}\n`);
  Deno.chmodSync(path, 0o755);
}

/** A folder of service folders, as s6 and runit have it. */
function serviceFolders(folder: string, count: number, told: Tellings): string {
  for (let index = 0; index < count; index++) {
    const service = `${folder}/services/s${index}`;
    Deno.mkdirSync(service, { recursive: true });
    writeScript(`${service}/run`, serviceScript(told.path));
  }
  return `${folder}/services`;
}

/** All supervisors, ours first. */
export const PEERS: readonly Peer[] = [
  {
    name: "spaceos-init",
    start: (count) => startOurs(count),
    prepare: compileInit,
  },
  {
    name: "s6-svscan",
    prepare: async () => void await requireProgram("/usr/bin/s6-svscan", "s6"),
    start: inNamespace(
      "s6",
      (folder, count, told) =>
        `exec s6-svscan -c ${count + 10} ${
          serviceFolders(folder, count, told)
        }`,
    ),
  },
  {
    name: "runsvdir",
    prepare: async () =>
      void await requireProgram("/usr/bin/runsvdir", "runit"),
    start: inNamespace(
      "runit",
      (folder, count, told) =>
        `exec runsvdir ${serviceFolders(folder, count, told)}`,
    ),
  },
  {
    name: "finit",
    prepare: async () => void await requireProgram("/sbin/finit", "finit"),
    start: inNamespace("finit", (folder, count, told) => {
      Deno.mkdirSync(`${folder}/finit.d`);
      Deno.writeTextFileSync(`${folder}/finit.conf`, "runlevel 2\n");
      Deno.writeTextFileSync(`${folder}/fstab`, "");
      for (let index = 0; index < count; index++) {
        // It takes services of one program for one service.
        const program = `${folder}/s${index}`;
        writeScript(program, serviceScript(told.path));
        Deno.writeTextFileSync(
          `${folder}/finit.d/s${index}.conf`,
          `service [2345] name:s${index} ${program} -- s${index}\n`,
        );
      }
      return `for name in finit.conf finit.d fstab
        do mount --bind ${folder}/$name /etc/$name; done
        mount -t tmpfs run /run; exec /sbin/finit`;
    }),
  },
];

/** The children of a process, whichever of its threads made them. */
export function childrenOf(pid: number): number[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap(({ name }) =>
      Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`)
        .split(" ").filter((word) => word !== "").map(Number)
    );
  } catch {
    return [];
  }
}

/** A process's descendants, nearest first. */
function descendants(pid: number): number[] {
  const children = childrenOf(pid);
  return [...children, ...children.flatMap(descendants)];
}

/**
 * A service's process as seen from here, by its number in the namespace of a
 * supervisor's process.
 */
export function outerPid(supervisor: number, inner: number): number {
  const space = Deno.readLinkSync(`/proc/${supervisor}/ns/pid`);
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const { NSpid = "" } = parseStatus(
        Deno.readTextFileSync(`/proc/${name}/status`),
      );
      if (Number(NSpid.split(/\s+/).at(-1)) !== inner) continue;
      if (Deno.readLinkSync(`/proc/${name}/ns/pid`) === space) {
        return Number(name);
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`there is no process ${inner} in the namespace`);
}
