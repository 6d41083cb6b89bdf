/**
 * The host's side. Round trips and a stream of PINGs through QEMU's port, the
 * init against a process 1 in C that answers the same in the same kernel
 * (peers/echo_init.c); and frames through two sockets of the switch against a
 * relay in C that copies bytes (peers/relay.c). Both machines are up all the
 * time and take turns.
 *
 * @module
 */

import { buildImage, INIT_ENTRY, OUT_FOLDER } from "../../rootfs/build.ts";
import { compileC } from "../../rootfs/toolchain/gcc.ts";
import { currentEnvironment } from "../../rootfs/toolchain/environment.ts";
import { requireQemu } from "../../rootfs/toolchain/qemu.ts";
import { FRAME_SIZE_BYTES } from "../../lib/wire/frame.ts";
import { Machine } from "../vm/machine.ts";
import { compare, type ComparisonResult } from "./harness.ts";

/** Frames that are under way at once in a stream. */
const WINDOW_FRAMES = 64;
const WARM_FRAMES = 120_000;
const TURN_MS = 400;
const TURNS = 9;
/** How long a peer may take to be there. */
const CONNECT_LIMIT_MS = 60_000;
const FOLDER = `${OUT_FOLDER}/bench`;

const peer = (name: string): string =>
  decodeURIComponent(new URL(`peers/${name}`, import.meta.url).pathname);

/** A telecommand PING with 32 bytes to bring back. */
function pingFrame(): Uint8Array {
  const frame = new Uint8Array(FRAME_SIZE_BYTES);
  frame.set([1, 2, 0, 0, 0, 36, 0, 0, 0, 1, 0, 1]);
  return frame.fill(0x5A, 12, 44);
}

/** Counts the answers in a stream of frames; others (HEALTH, EVR) are ignored. */
class Client {
  readonly #connection: Deno.UnixConn;
  readonly #input = new Uint8Array(FRAME_SIZE_BYTES * WINDOW_FRAMES);
  readonly #pings: Uint8Array;
  #position = 0;

  private constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
    this.#pings = new Uint8Array(FRAME_SIZE_BYTES * WINDOW_FRAMES);
    for (let at = 0; at < this.#pings.length; at += FRAME_SIZE_BYTES) {
      this.#pings.set(pingFrame(), at);
    }
  }

  static async connect(path: string): Promise<Client> {
    return new Client(await Deno.connect({ transport: "unix", path }));
  }

  async send(frames: number): Promise<void> {
    const bytes = this.#pings.subarray(0, FRAME_SIZE_BYTES * frames);
    for (let at = 0; at < bytes.length;) {
      at += await this.#connection.write(bytes.subarray(at));
    }
  }

  /** Waits for some answers: how many came. */
  async answers(): Promise<number> {
    const count = await this.#connection.read(this.#input);
    if (count === null) throw new Error("the machine hung up");
    let found = 0;
    for (let index = 0; index < count; index++) {
      // The second byte of each frame is its type: 1 is TM.
      if (this.#position === 1 && this.#input[index] === 1) found++;
      this.#position = (this.#position + 1) % FRAME_SIZE_BYTES;
    }
    // The last answer counts when it is whole.
    return found;
  }

  async roundTrips(times: number): Promise<void> {
    for (let time = 0; time < times; time++) {
      await this.send(1);
      while (await this.answers() === 0);
    }
  }

  async stream(times: number): Promise<void> {
    let sent = 0;
    let answered = 0;
    while (answered < times) {
      const more = Math.min(WINDOW_FRAMES - (sent - answered), times - sent);
      if (more > 0) {
        sent += more;
        await this.send(more);
      }
      answered += await this.answers();
    }
  }

  close(): void {
    this.#connection.close();
  }
}

/** The port of real machines. */
async function ports(): Promise<ComparisonResult[]> {
  await requireQemu();
  await Deno.mkdir(FOLDER, { recursive: true });
  const echo = `${FOLDER}/echo_init`;
  await compileC(peer("echo_init.c"), echo);
  const image = await buildImage({
    entry: INIT_ENTRY,
    outFolder: FOLDER,
    timeSeconds: 0,
    files: [{
      path: "/echo",
      bytes: await Deno.readFile(echo),
      executable: true,
    }],
  });
  await using ours = Machine.boot({ image, append: "spaceos.services=/run" });
  await using c = Machine.boot({ image, append: "rdinit=/echo" });
  await ours.waitForConsole("READY after");
  await c.waitForConsole("echo: ready");
  const init = await Client.connect(ours.ipcSocketPath);
  const cInit = await Client.connect(c.ipcSocketPath);
  const target = {
    contender: "spaceos-init",
    atLeast: 0.9,
    // Counted by a plugin of QEMU's, once all that is hot was compiled.
    otherwise:
      "an answer of a stream takes the guest 12,000 instructions with the " +
      "init and 700 with C, a round trip 28,000 and 17,000. Of the 12,000, " +
      "700 are the kernel's; of the others a third each are the init's code, " +
      "V8's own routines, such as those that make a view of a payload, and " +
      "the runtime, with what takes memory back",
  };
  try {
    // The runtime compiles what is hot, and in an interpreted machine that
    // takes seconds: what is stated is the speed that lasts.
    for (const client of [init, cInit]) {
      await client.stream(WARM_FRAMES);
      await client.roundTrips(WARM_FRAMES / 4);
    }
    const settings = { baseline: "C", turns: TURNS, turnMs: TURN_MS };
    return [
      await compare({
        title: "PING through QEMU's port, one after another",
        ...settings,
        contenders: [
          { name: "C", run: (times) => cInit.roundTrips(times) },
          { name: "spaceos-init", run: (times) => init.roundTrips(times) },
        ],
        targets: [target],
      }),
      await compare({
        title: `PING through QEMU's port, ${WINDOW_FRAMES} under way`,
        ...settings,
        contenders: [
          { name: "C", run: (times) => cInit.stream(times) },
          { name: "spaceos-init", run: (times) => init.stream(times) },
        ],
        targets: [target],
      }),
    ];
  } finally {
    init.close();
    cInit.close();
  }
}

/** Sends frames into one socket and takes as many out of another. */
class Pair {
  readonly #from: Deno.UnixConn;
  readonly #to: Deno.UnixConn;
  readonly #output = new Uint8Array(FRAME_SIZE_BYTES * WINDOW_FRAMES);
  readonly #input = new Uint8Array(FRAME_SIZE_BYTES * WINDOW_FRAMES);

  private constructor(from: Deno.UnixConn, to: Deno.UnixConn) {
    this.#from = from;
    this.#to = to;
    // Telemetry of the camera for the processor.
    for (let at = 0; at < this.#output.length; at += FRAME_SIZE_BYTES) {
      this.#output.set([1, 1, 0, 0x10, 0, 200, 0, 0x20], at);
    }
  }

  static async connect(from: string, to: string): Promise<Pair> {
    return new Pair(await connectWhenThere(from), await connectWhenThere(to));
  }

  async pass(frames: number): Promise<void> {
    const total = frames * FRAME_SIZE_BYTES;
    const sending = (async () => {
      for (let sent = 0; sent < total;) {
        // All frames are the same: a write that was cut goes on in the middle.
        const start = sent % FRAME_SIZE_BYTES;
        const end = Math.min(this.#output.length, start + total - sent);
        sent += await this.#from.write(this.#output.subarray(start, end));
      }
    })();
    for (let received = 0; received < total;) {
      const count = await this.#to.read(this.#input);
      if (count === null) throw new Error("the relay hung up");
      received += count;
    }
    await sending;
  }

  close(): void {
    this.#from.close();
    this.#to.close();
  }
}

async function connectWhenThere(path: string): Promise<Deno.UnixConn> {
  const lateMs = performance.now() + CONNECT_LIMIT_MS;
  for (;;) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (error) {
      if (performance.now() > lateMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** The switch, beside a relay that looks at nothing. */
async function sockets(): Promise<ComparisonResult[]> {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-bench-" });
  const environment = currentEnvironment();
  const relay = `${folder}/relay`;
  await compileC(peer("relay.c"), relay);
  await Deno.writeTextFile(
    `${folder}/switch.json`,
    JSON.stringify({
      directory: `${folder}/switch`,
      tenants: {
        camera: { apids: "0x010..0x01F", sendTo: ["0x020..0x02F"] },
        processor: { apids: "0x020..0x02F" },
      },
    }),
  );
  const processes = [
    new Deno.Command(relay, { args: [`${folder}/in`, `${folder}/out`] }),
    new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        "--no-lock",
        ...environment.configArguments,
        `import { runSwitch } from ${
          JSON.stringify(
            new URL("../../cmd/spaceosctl/switch.ts", import.meta.url),
          )
        };
        await runSwitch(["run", "--config", "${folder}/switch.json"]);`,
      ],
      stdout: "null",
      stderr: "null",
    }),
  ].map((command) => command.spawn());
  const plain = await Pair.connect(`${folder}/in`, `${folder}/out`);
  const switched = await Pair.connect(
    `${folder}/switch/camera.sock`,
    `${folder}/switch/processor.sock`,
  );
  // A frame for a tenant that the switch has not met yet would be refused.
  await new Promise((resolve) => setTimeout(resolve, 500));
  try {
    return [
      await compare({
        title: "a frame through two unix sockets",
        baseline: "relay in C",
        turns: TURNS,
        turnMs: TURN_MS,
        contenders: [
          { name: "relay in C", run: (times) => plain.pass(times) },
          { name: "the switch", run: (times) => switched.pass(times) },
        ],
      }),
    ];
  } finally {
    plain.close();
    switched.close();
    for (const process of processes) {
      try {
        process.kill("SIGTERM");
      } catch {
        // It ended with its connections.
      }
      await process.status;
    }
    await Deno.remove(folder, { recursive: true });
  }
}

/** All comparisons. */
export async function run(): Promise<readonly ComparisonResult[]> {
  return [...await sockets(), ...await ports()];
}
