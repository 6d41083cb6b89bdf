/**
 * One boot as a benchmark measures it: an image of {@linkcode FOLDER} in QEMU's
 * interpreter, until it says READY, and the processor time that it took.
 *
 * @module
 */

import { formatDisk } from "../../rootfs/disk.ts";
import { QemuMachine } from "../../rootfs/qemu_machine.ts";
import { REPOSITORY } from "../../rootfs/toolchain/environment.ts";
import type { Contender } from "./harness.ts";

/** Where the images are, each in a folder of its name. */
export const FOLDER = `${REPOSITORY}/rootfs/out/bench`;

const COMMAND_LINE = "console=ttyS0 panic=-1 quiet rdinit=/init";

/** A boot that takes longer than this has failed. */
const BOOT_LIMIT_MS = 120_000;

/** The clock in which /proc counts processor time: USER_HZ, proc(5). */
const TICKS_PER_SECOND = 100;

/** The processor time that a process has used, in nanoseconds; proc(5). */
function processorNs(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]
    ?.split(" ") ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return ticks / TICKS_PER_SECOND * 1e9;
}

/** Boots once, until READY, and gives the processor time that QEMU has used. */
async function boot(name: string, append = ""): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-bench-" });
  try {
    const diskPath = `${folder}/disk.img`;
    await Deno.writeFile(diskPath, await formatDisk(0));
    const decoder = new TextDecoder();
    let text = "";
    let isReady = false;
    const ready = Promise.withResolvers<number>();
    const machine = QemuMachine.start({
      kernelPath: `${FOLDER}/${name}/spaceos-kernel`,
      initrdPath: `${FOLDER}/${name}/spaceos-initrd.img`,
      commandLine: `${COMMAND_LINE} ${append}`,
      memoryMebibytes: 512,
      cpus: 1,
      accelerator: "tcg",
      diskPath,
      ipcSocketPath: `${folder}/ipc.sock`,
      controlSocketPath: `${folder}/control.sock`,
      restartOnReset: false,
      extraArguments: [],
    }, (piece) => {
      // What comes later may come from a machine that is no more.
      if (isReady) return;
      text += decoder.decode(piece, { stream: true });
      isReady = text.includes("READY");
      if (isReady) ready.resolve(processorNs(machine.pid));
    });
    const limit = setTimeout(() => machine.kill(), BOOT_LIMIT_MS);
    const ended = machine.ended.then((end) => {
      if (!isReady) {
        throw new Error(`${name}: no READY (${end})\n${text.slice(-2000)}`);
      }
    });
    const usedNs = await Promise.race([ready.promise, ended]);
    clearTimeout(limit);
    machine.kill();
    await ended;
    return usedNs ?? NaN;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Boots several times; what is fixed, QEMU's own start, is in each. A boot is
 * measured by the processor time of the whole emulated machine.
 *
 * @param name The contender's name.
 * @param image The image's folder in {@linkcode FOLDER}.
 * @param append More kernel command line.
 */
export function bootContender(
  name: string,
  image: string,
  append?: string,
): Contender {
  return {
    name,
    run: async (times: number): Promise<number> => {
      let totalNs = 0;
      for (let time = 0; time < times; time++) {
        totalNs += await boot(image, append);
      }
      return totalNs;
    },
  };
}
