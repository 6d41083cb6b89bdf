/**
 * How the initrd should be packed: the same image plain and as the kernel
 * unpacks it, each booted in QEMU's interpreter until READY. The programs that
 * pack come from Debian; they are unpacked, not installed.
 *
 * @module
 */

import { buildImage, INIT_ENTRY } from "../../rootfs/build.ts";
import { replaceFile } from "../../rootfs/host_files.ts";
import { run } from "../../rootfs/toolchain/command.ts";
import { packageFiles } from "../../rootfs/toolchain/debian_package.ts";
import { requireQemu } from "../../rootfs/toolchain/qemu.ts";
import { formatSize, ToolchainError } from "../../rootfs/toolchain/report.ts";
import { bootContender, FOLDER } from "./boot_machine.ts";
import type { Comparison, Contender } from "./harness.ts";

/** A program of Debian and its arguments, as the kernel can read what it makes. */
interface Packer {
  readonly name: string;
  readonly packageName: string;
  readonly argv: readonly [path: string, ...words: string[]];
}

const PACKERS: readonly Packer[] = [
  // The kernel reads the older of the two formats. Beside what it reads lz4
  // writes only where there may be several files.
  { name: "lz4", packageName: "lz4", argv: ["/usr/bin/lz4", "-l", "-m", "-f"] },
  { name: "gzip", packageName: "gzip", argv: ["/bin/gzip", "-6"] },
  {
    name: "zstd",
    packageName: "zstd",
    argv: ["/usr/bin/zstd", "-12", "-T0", "-f"],
  },
  // The kernel knows no other check sum.
  {
    name: "xz",
    packageName: "xz-utils",
    argv: ["/usr/bin/xz", "-3", "-T0", "--check=crc32", "-f"],
  },
];

async function pack(packer: Packer, plainFolder: string): Promise<Contender> {
  const root = await packageFiles(packer.packageName);
  const [path, ...words] = packer.argv;
  const image = `initrd-${packer.name}`;
  const folder = `${FOLDER}/${image}`;
  await Deno.mkdir(folder, { recursive: true });
  const packedPath = `${folder}/spaceos-initrd.img`;
  const workPath = `${folder}/initrd`;
  await Deno.copyFile(`${plainFolder}/spaceos-initrd.img`, workPath);
  // All of them write beside what they read; only gzip and xz then remove that.
  const result = await run([`${root}${path}`, ...words, workPath]);
  if (!result.success) {
    throw new ToolchainError(`${packer.name} failed: ${result.stderr}`);
  }
  const made = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .find((name) => name.startsWith("initrd."));
  if (made === undefined) throw new ToolchainError(`${packer.name}: no file`);
  await Deno.rename(`${folder}/${made}`, packedPath);
  await Deno.remove(workPath).catch(() => {});
  await replaceFile(
    `${folder}/spaceos-kernel`,
    await Deno.readFile(`${plainFolder}/spaceos-kernel`),
  );
  return await sized(packer.name, image);
}

/** The size belongs to the name: it is what compression is for. */
async function sized(name: string, image: string): Promise<Contender> {
  const { size } = await Deno.stat(`${FOLDER}/${image}/spaceos-initrd.img`);
  return bootContender(`${name}, ${formatSize(size)}`, image);
}

/** The comparison. */
export async function comparisons(): Promise<readonly Comparison[]> {
  await requireQemu();
  const image = "spaceos-init";
  const outFolder = `${FOLDER}/${image}`;
  await buildImage({
    entry: INIT_ENTRY,
    outFolder,
    timeSeconds: 0,
    files: [],
  });
  const plain = await sized("not packed", image);
  const contenders = [plain];
  for (const packer of PACKERS) contenders.push(await pack(packer, outFolder));
  return [{
    title: "a boot with the initrd packed: processor time of QEMU",
    baseline: plain.name,
    contenders,
    turns: 3,
    times: 1,
  }];
}
