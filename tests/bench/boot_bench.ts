/**
 * Boots side by side: this init, busybox init and finit on the same kernel with
 * the same modules in the same emulated machine, each until the first service
 * says READY on the console, and two floors: the kernel alone, until it runs
 * `/init` with an initrd of our size, and the runtime alone, a compiled program
 * that does nothing but say READY. The differences between the floors are the
 * shares of the kernel, the runtime and the init. Debian's packages of the
 * peers are unpacked, not installed.
 *
 * @module
 */

import { buildImage, INIT_ENTRY } from "../../rootfs/build.ts";
import type { Tree } from "../../rootfs/cpio.ts";
import { formatDisk } from "../../rootfs/disk.ts";
import { type LibraryFiles, resolveLibraries } from "../../rootfs/elf.ts";
import { hostFiles, joinPieces, replaceFile } from "../../rootfs/host_files.ts";
import { assembleImage } from "../../rootfs/image.ts";
import { imageKernel } from "../../rootfs/image_kernel.ts";
import { QemuMachine } from "../../rootfs/qemu_machine.ts";
import { packageFiles } from "../../rootfs/toolchain/debian_package.ts";
import { REPOSITORY } from "../../rootfs/toolchain/environment.ts";
import { requireQemu } from "../../rootfs/toolchain/qemu.ts";
import type { Comparison } from "./harness.ts";

const FOLDER = `${REPOSITORY}/rootfs/out/bench`;
const COMMAND_LINE = "console=ttyS0 panic=-1 quiet rdinit=/init";

/** A boot that takes longer than this has failed. */
const BOOT_LIMIT_MS = 120_000;

const MODE = 0o755;
const encoder = new TextEncoder();

/** What busybox is called by in the scripts of the peers. */
const APPLETS = ["sh", "mount", "insmod", "echo", "sleep", "mkdir"];

/** Mounts what our init mounts, and loads the same modules. */
const SETUP = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
while read module; do insmod $module; done < /etc/spaceos/modules
`;

/** The first service. */
const SERVICE = `#!/bin/sh
echo READY > /dev/console
exec sleep 100000
`;

const PROBE = `#!/bin/sh
echo READY
exec sleep 100000
`;

function addText(tree: Tree, path: string, text: string): void {
  tree.add(path, { kind: "file", bytes: encoder.encode(text), mode: MODE });
}

async function busyboxBytes(): Promise<Uint8Array> {
  return await Deno.readFile(
    `${await packageFiles("busybox-static")}/bin/busybox`,
  );
}

/** An initrd with a peer as its init, beside the kernel's modules. */
async function writePeer(
  name: string,
  init: Uint8Array,
  files: LibraryFiles,
  add: (tree: Tree) => void,
): Promise<void> {
  const kernel = await imageKernel({});
  const tree = assembleImage({
    init,
    libraries: resolveLibraries("/init", init, files),
    release: kernel.release,
    modules: kernel.readModules(),
    files: [],
  });
  tree.add("/bin/busybox", {
    kind: "file",
    bytes: await busyboxBytes(),
    mode: MODE,
  });
  for (const applet of APPLETS) {
    tree.add(`/bin/${applet}`, { kind: "link", target: "/bin/busybox" });
  }
  addText(tree, "/etc/service", SERVICE);
  add(tree);
  const pieces: Uint8Array[] = [];
  tree.write((piece) => pieces.push(piece), 0);
  await Deno.mkdir(`${FOLDER}/${name}`, { recursive: true });
  await replaceFile(`${FOLDER}/${name}/spaceos-initrd.img`, joinPieces(pieces));
  await replaceFile(
    `${FOLDER}/${name}/spaceos-kernel`,
    await Deno.readFile(kernel.path),
  );
}

async function writeBusybox(): Promise<void> {
  await writePeer("busybox", await busyboxBytes(), hostFiles, (tree) => {
    addText(tree, "/etc/setup", SETUP);
    addText(
      tree,
      "/etc/inittab",
      "::sysinit:/etc/setup\n::respawn:/etc/service\n",
    );
  });
}

async function writeFinit(): Promise<void> {
  const roots = await Promise.all(
    ["finit", "libite5", "libuev3"].map(packageFiles),
  );
  const files: LibraryFiles = {
    ...hostFiles,
    read: (path) =>
      roots.map((root) => hostFiles.read(`${root}${path}`)).find((bytes) =>
        bytes !== undefined
      ) ?? hostFiles.read(path),
  };
  const init = files.read("/sbin/finit");
  if (init === undefined) throw new Error("finit's package has no /sbin/finit");
  await writePeer("finit", init, files, (tree) => {
    // finit mounts what it needs by itself.
    addText(tree, "/etc/setup", SETUP.replaceAll(/^mount .*\n/gm, ""));
    addText(
      tree,
      "/etc/finit.conf",
      "runlevel 2\nrun [S] /etc/setup -- Modules\nservice [2] /etc/service -- Service\n",
    );
  });
}

/** The image of an init of ours, in the folder of its name. */
async function writeOwn(
  name: string,
  entry: string,
  withProbe: boolean,
): Promise<void> {
  const sh = withProbe ? await busyboxBytes() : new Uint8Array(0);
  await buildImage({
    entry,
    outFolder: `${FOLDER}/${name}`,
    timeSeconds: 0,
    files: withProbe
      ? [
        { path: "/bin/sh", bytes: sh, executable: true },
        { path: "/probe", bytes: encoder.encode(PROBE), executable: true },
      ]
      : [],
  });
}

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
      text += decoder.decode(piece, { stream: true });
      if (text.includes("READY")) ready.resolve(processorNs(machine.pid));
    });
    const limit = setTimeout(() => machine.kill(), BOOT_LIMIT_MS);
    const ended = machine.ended.then((end) => {
      if (!text.includes("READY")) {
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

/** Boots several times; what is fixed, QEMU's own start, is in each. A boot is
 * measured by the processor time of the whole emulated machine. */
function contender(name: string, image: string, append?: string) {
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

/** The comparison. */
export async function comparisons(): Promise<readonly Comparison[]> {
  await requireQemu();
  const hello = `${REPOSITORY}/tests/fixtures/hello_init/main.ts`;
  await writeOwn("runtime", hello, true);
  await writeOwn("spaceos-init", INIT_ENTRY, false);
  await writeBusybox();
  await writeFinit();
  return [{
    title: "a boot until the first service is up: processor time of QEMU",
    baseline: "runtime alone",
    contenders: [
      contender("kernel alone", "runtime", "rdinit=/probe"),
      contender("runtime alone", "runtime"),
      contender("spaceos-init", "spaceos-init"),
      contender("busybox init", "busybox"),
      contender("finit", "finit"),
    ],
    targets: [{
      contender: "spaceos-init",
      atLeast: 1 / 1.3,
      otherwise: "the target is READY within 1.3 times the runtime's floor",
    }],
    turns: 5,
    turnMs: 1,
  }];
}
