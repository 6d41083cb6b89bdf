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
import { type LibraryFiles, resolveLibraries } from "../../rootfs/elf.ts";
import { hostFiles, joinPieces, replaceFile } from "../../rootfs/host_files.ts";
import { assembleImage } from "../../rootfs/image.ts";
import { imageKernel } from "../../rootfs/image_kernel.ts";
import { packageFiles } from "../../rootfs/toolchain/debian_package.ts";
import { REPOSITORY } from "../../rootfs/toolchain/environment.ts";
import { requireQemu } from "../../rootfs/toolchain/qemu.ts";
import { bootContender, FOLDER } from "./boot_machine.ts";
import type { Comparison } from "./harness.ts";

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
      bootContender("kernel alone", "runtime", "rdinit=/probe"),
      bootContender("runtime alone", "runtime"),
      bootContender("spaceos-init", "spaceos-init"),
      bootContender("busybox init", "busybox"),
      bootContender("finit", "finit"),
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
