/**
 * What `deno task image` makes, in the hands of others: the README's own
 * service, the container images as skopeo and umoci see them and LinuxKit puts
 * them together, the partition table as sgdisk and sfdisk do, and the machines
 * that Nomad's driver and Firecracker would make of the manifests.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Tree } from "../../rootfs/cpio.ts";
import { joinPieces, listFiles } from "../../rootfs/host_files.ts";
import { fileDigest } from "../../rootfs/toolchain/cache.ts";
import { run } from "../../rootfs/toolchain/command.ts";
import { requireProgram } from "../../rootfs/toolchain/debian_program.ts";
import {
  currentEnvironment,
  REPOSITORY,
} from "../../rootfs/toolchain/environment.ts";
import { requireKernel } from "../../rootfs/toolchain/kernel_package.ts";
import { QemuConsole } from "../fixtures/qemu_console.ts";
import { Machine } from "./machine.ts";

/** Runs a program; what it says is part of the error when it fails. */
async function runWell(
  cwd: string,
  program: string,
  ...args: string[]
): Promise<string> {
  const { code, stdout, stderr } = await run([program, ...args], {
    cwd,
    env: currentEnvironment().variables,
  });
  assertEquals(code, 0, `${program} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

/**
 * The README's example of a user's own service, without the boot: a shell that
 * knows no `deno` but the one that runs this.
 */
function readmeScript(outFolder: string, more: string): string {
  const readme = Deno.readTextFileSync(`${REPOSITORY}/README.md`);
  const [, section = ""] =
    /^### Your own programs\n([\s\S]*?)^### /m.exec(readme) ?? [];
  const [, script = ""] = /^```sh\n([\s\S]*?)^```$/m.exec(section) ?? [];
  assertMatch(script, /^deno task image --out \/tmp\/ticker /m);
  const [made = "", ...others] = script.split(/^deno task boot .*\n/m);
  assertEquals(others, [""], "the boot is the last command");
  const { configArguments } = currentEnvironment();
  const command = [
    Deno.execPath(),
    ...["run", "--allow-all", "--no-lock", ...configArguments],
    `${REPOSITORY}/rootfs/image_command.ts`,
  ].join(" ");
  return made.replace("deno task image", command)
    .replace("/tmp/ticker", `${outFolder} ${more}`);
}

/** The images of the archive: what each is to LinuxKit or KubeVirt. */
const IMAGES = ["init", "kernel", "boot"] as const;

/**
 * Puts the images together as LinuxKit does: the kernel's archive, then the
 * files of `init:`, and no /dev/console.
 */
function linuxKitInitrd(folder: string): Uint8Array {
  const tree = new Tree();
  const root = `${folder}/init/rootfs`;
  const add = (path: string, from: string): void => {
    const { mode } = Deno.statSync(from);
    const bytes = Deno.readFileSync(from);
    tree.add(path, { kind: "file", bytes, mode: (mode ?? 0) & 0o7777 });
  };
  for (const { name, isDirectory } of Deno.readDirSync(root)) {
    if (!isDirectory) add(`/${name}`, `${root}/${name}`);
    // The link and the device there are no files.
    else if (!["dev", "proc"].includes(name)) {
      tree.add(`/${name}`, { kind: "folder", mode: 0o755 });
      for (const path of listFiles(`${root}/${name}`)) {
        add(`/${name}/${path}`, `${root}/${name}/${path}`);
      }
    }
  }
  tree.add("/dev", { kind: "folder", mode: 0o755 });
  tree.add("/proc/self/exe", { kind: "link", target: "/init" });
  for (const path of listFiles(`${folder}/modules`)) {
    add(`/${path}`, `${folder}/modules/${path}`);
  }
  const pieces: Uint8Array[] = [];
  tree.write((piece) => pieces.push(piece), 0);
  return joinPieces(pieces);
}

Deno.test("an image with a user's own service is what LinuxKit, KubeVirt, Nomad and Firecracker would take", async (context) => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-packaging-" });
  const out = `${folder}/out`;
  try {
    await runWell(
      folder,
      "sh",
      "-ec",
      readmeScript(out, "--oci --manifests --gpt --append spaceos.log=debug"),
    );
    const { version } = JSON.parse(
      await Deno.readTextFile(`${REPOSITORY}/deno.json`),
    );

    await context.step(
      "skopeo copies its images, and umoci unpacks them",
      async () => {
        const skopeo = await requireProgram("/usr/bin/skopeo", "skopeo");
        const umoci = await requireProgram("/usr/bin/umoci", "umoci");
        for (const name of IMAGES) {
          const image =
            `oci-archive:${out}/spaceos-oci.tar:docker.io/spaceos/${name}:${version}`;
          const described = JSON.parse(
            await runWell(folder, skopeo, "inspect", image),
          );
          assertEquals([described.Os, described.Architecture], [
            "linux",
            "amd64",
          ]);
          // Both check every digest that they meet.
          await runWell(
            folder,
            skopeo,
            "copy",
            "--quiet",
            image,
            `oci:layout:${name}`,
          );
          await runWell(
            folder,
            umoci,
            "unpack",
            "--image",
            `layout:${name}`,
            name,
          );
        }
        const boot = `${folder}/boot/rootfs/boot`;
        for (
          const [unpacked, made] of [
            [`${boot}/spaceos-kernel`, "spaceos-kernel"],
            [`${boot}/spaceos-initrd.img`, "spaceos-initrd.img"],
            [`${folder}/kernel/rootfs/kernel`, "spaceos-kernel"],
          ] as const
        ) {
          assertEquals(
            await fileDigest(unpacked, "sha256"),
            await fileDigest(`${out}/${made}`, "sha256"),
          );
        }
        // The files of the init, as its own manifest has them.
        const root = `${folder}/init/rootfs`;
        const manifest = await Deno.readTextFile(
          `${root}/etc/spaceos/manifest`,
        );
        assertMatch(manifest, /^[0-9a-f]{64} {2}\/init$/m);
        await Deno.writeTextFile(
          `${folder}/manifest`,
          manifest.replaceAll(/^(\S+ {2})/gm, "$1."),
        );
        await runWell(
          root,
          "sha256sum",
          ...["--check", "--strict", "--quiet", "../../manifest"],
        );
      },
    );

    await context.step(
      "sgdisk and sfdisk find nothing wrong with its partition table, and the volume in it",
      async () => {
        const sgdisk = await requireProgram("/usr/sbin/sgdisk", "gdisk");
        const sfdisk = await requireProgram("/usr/sbin/sfdisk", "fdisk");
        const disk = `${out}/spaceos-gpt.img`;
        assertMatch(
          await runWell(folder, sgdisk, "--verify", disk),
          /^\s*No problems found/m,
        );
        const { partitiontable: table } = JSON.parse(
          await runWell(folder, sfdisk, "--json", disk),
        );
        const [{ start, size, name }, ...others] = table.partitions;
        assertEquals([table.label, name, others], ["gpt", "spaceos", []]);
        const volume = (await Deno.readFile(disk)).subarray(
          start * table.sectorsize,
          (start + size) * table.sectorsize,
        );
        assertEquals(
          volume,
          await Deno.readFile(`${out}/spaceos-disk.img`),
        );
      },
    );

    await context.step(
      "put together as LinuxKit does it, it boots",
      async () => {
        await Deno.mkdir(`${folder}/modules`);
        await runWell(
          folder,
          "tar",
          "-xf",
          "kernel/rootfs/kernel.tar",
          "-C",
          "modules",
        );
        await Deno.writeFile(`${folder}/initrd.img`, linuxKitInitrd(folder));
        const text = await Deno.readTextFile(
          `${REPOSITORY}/rootfs/linuxkit.yml`,
        );
        const [, commandLine = ""] = /cmdline: "(.*)"/.exec(text) ?? [];
        assert(commandLine !== "");
        await using machine = Machine.boot({
          image: {
            kernelPath: `${folder}/kernel/rootfs/kernel`,
            initrdPath: `${folder}/initrd.img`,
            commandLine,
          },
          disk: await Deno.readFile(`${out}/spaceos-gpt.img`),
        });
        await machine.waitForConsole(/ticker: tick/);
        assertMatch(machine.console, /superblock of \/dev\/vda1:/);
        assertEquals(machine.console.includes("demo"), false);
        await machine.cutPower();
      },
    );

    await context.step(
      "as Nomad's QEMU driver starts it, it boots with its disk and its port",
      async () => {
        const job = await Deno.readTextFile(`${out}/nomad.hcl`);
        const [, list = ""] = /^ +args = \[\n([\s\S]*?)^ +\]/m.exec(job) ?? [];
        const args: string[] = [...list.matchAll(/^ +(".*"),$/gm)].map((
          [, text = ""],
        ) =>
          // What HCL doubles, and what Nomad fills in.
          JSON.parse(text).replaceAll("${NOMAD_ALLOC_DIR}", folder)
            .replaceAll(/([$%])\1\{/g, "$1{")
        );
        const value = (name: string): string =>
          new RegExp(`^ +${name} += "?([^"\n]*)"?$`, "m").exec(job)?.[1] ?? "";
        assertEquals(value("graceful_shutdown"), "true");
        await Deno.mkdir(`${folder}/task`);
        await Deno.rename(out, `${folder}/task/local`);
        await using machine = await QemuConsole.start([
          ...["-machine", "type=pc,accel=tcg", "-cpu", "max,-pku"],
          ...["-name", "spaceos", "-m", `${value("memory")}M`],
          "-drive",
          `file=${value("image_path")},if=${value("drive_interface")}`,
          "-nographic",
          ...["-monitor", `unix:${folder}/monitor.sock,server,nowait`],
          ...args,
        ], `${folder}/task`);
        const text = await machine.until(/READY after/);
        assertMatch(text, /superblock of \/dev\/vda:/);
        assertMatch(text, /host link: \/dev\/vport/);
        assertMatch(
          text,
          /boot: kernel \d+ ms, runtime \d+ ms, modules of the init \d+ ms/,
        );
        (await Deno.connect({
          transport: "unix",
          path: `${folder}/spaceos-ipc.sock`,
        })).close();
        await Deno.rename(`${folder}/task/local`, out);
      },
    );

    await context.step(
      "on a machine like Firecracker's, without PCI, it boots with its disk",
      async () => {
        const {
          "boot-source": source,
          "machine-config": machineConfig,
          drives: [drive],
        } = JSON.parse(await Deno.readTextFile(`${out}/firecracker.json`));
        // Its devices are on the memory bus, and described by ACPI, as Firecracker
        // does it from 1.8 on. KVM has a clock for the guest, QEMU's interpreter
        // has none in this machine: what it would measure is said instead.
        const [, megahertz = "2000"] = /^cpu MHz\s*: (\d+)/m.exec(
          await Deno.readTextFile("/proc/cpuinfo"),
        ) ??
          [];
        await using machine = await QemuConsole.start([
          ...["-nodefaults", "-no-user-config", "-display", "none"],
          "-machine",
          "microvm,acpi=on,pit=off,pic=off,rtc=on,isa-serial=on,x-option-roms=off",
          ...["-accel", "tcg", "-cpu", "max,-pku"],
          ...["-m", String(machineConfig.mem_size_mib)],
          ...["-smp", String(machineConfig.vcpu_count)],
          ...["-chardev", "stdio,id=console,signal=off"],
          ...["-serial", "chardev:console", "-no-reboot"],
          ...["-kernel", source.kernel_image_path],
          ...["-initrd", source.initrd_path],
          "-append",
          `${source.boot_args} tsc_early_khz=${megahertz}000`,
          "-drive",
          `file=${drive.path_on_host},format=raw,if=none,id=${drive.drive_id}`,
          ...["-device", `virtio-blk-device,drive=${drive.drive_id}`],
        ], out);
        const text = await machine.until(/READY after/);
        assertMatch(text, /superblock of \/dev\/vda:/);
        assertMatch(text, /host link: no virtio-serial port/);
      },
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a user's own kernel boots with its modules, and one more", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-packaging-" });
  try {
    const { kernelPath, modulesFolder, release } = await requireKernel();
    await Deno.copyFile(kernelPath, `${folder}/bzImage`);
    const { configArguments } = currentEnvironment();
    await runWell(
      folder,
      Deno.execPath(),
      ...["run", "--allow-all", "--no-lock", ...configArguments],
      `${REPOSITORY}/rootfs/image_command.ts`,
      ...["--out", "out", "--kernel", "bzImage", "--modules", modulesFolder],
      ...["--module", "virtio_rng", "--append", "spaceos.log=debug"],
    );
    const bill = await Deno.readTextFile(
      `${folder}/out/spaceos-sbom.spdx.json`,
    );
    assertMatch(
      bill,
      new RegExp(`/lib/modules/${release}/.*/virtio-rng\\.ko`),
    );
    await using machine = Machine.boot({
      image: {
        kernelPath: `${folder}/out/spaceos-kernel`,
        initrdPath: `${folder}/out/spaceos-initrd.img`,
        commandLine: (await Deno.readTextFile(`${folder}/out/spaceos-cmdline`))
          .trim(),
      },
      disk: await Deno.readFile(`${folder}/out/spaceos-disk.img`),
    });
    await machine.waitForConsole(/READY after/);
    assertMatch(machine.console, /superblock of \/dev\/vda:/);
    await machine.cutPower();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
