/**
 * The command `deno task image`: builds the image that its options describe.
 * It imports build.ts, added_files.ts and rootfs/toolchain.
 */
import { parseArgs } from "@std/cli/parse-args";
import { readAddition } from "./added_files.ts";
import {
  buildImage,
  type BuildOptions,
  INIT_ENTRY,
  makeDisks,
  OUT_FOLDER,
  sourceTimeSeconds,
} from "./build.ts";
import { commandLineFault } from "./kernel_command_line.ts";
import { requireQemu } from "./toolchain/qemu.ts";
import { ToolchainError } from "./toolchain/report.ts";

const HELP = `NAME
  image - build a kernel, an initrd and a disk for a virtual machine

SYNOPSIS
  deno task image [OPTION...]

DESCRIPTION
  Writes spaceos-kernel, spaceos-initrd.img and spaceos-cmdline, named as
  LinuxKit names them, the bill of materials spaceos-sbom.spdx.json (SPDX 2.3),
  and a formatted data disk, spaceos-disk.img, if there is none: a disk that is
  there is kept. To have a new one, remove the file. The same inputs give the
  same bytes.

OPTIONS
  --out DIR         where the files go (default rootfs/out)
  --init FILE.ts    the main module of your own init (default: this project's)
  --add FROM[:TO]   put a file or a folder into the image, under TO, an
                    absolute path; without it under FROM itself. Programs keep
                    their x bit, and their shared libraries come along. May be
                    repeated. As soon as a service is added, the demo is left
                    out.
  --kernel FILE     your own kernel, a bzImage (default: Debian's newest
                    linux-image-cloud-amd64)
  --modules DIR     the folder of that kernel's modules,
                    .../lib/modules/RELEASE; without it the kernel must have
                    virtio built in
  --module NAME     load this kernel module at boot, too. May be repeated
  --append TEXT     more kernel command line. May be repeated
  --oci             also write spaceos-oci.tar, an OCI image layout for
                    "linuxkit cache import", skopeo and containerd
  --manifests       also write kubevirt.yaml, nomad.hcl, firecracker.json, and
                    spaceos-vmlinux, the kernel as Firecracker loads it
  --gpt             also make spaceos-gpt.img, a disk with a GUID partition
                    table whose one partition is the data volume
  --for-tests       make no disk, but make QEMU ready
  --help            this text

EXIT STATUS
  0  done
  1  something is missing, or is not as expected: the message names it
  2  the command line is not understood

ENVIRONMENT
  SOURCE_DATE_EPOCH       the time of the files in the image, in seconds
                          (default: the time of the last commit)
  SPACEOS_KERNEL_PACKAGE  a linux-image .deb file, instead of Debian's newest
  SPACEOS_NETWORK         open or closed, instead of the probe
  DENORT_BIN              the runtime for deno compile
  XDG_CACHE_HOME          where downloads are kept (default ~/.cache)

EXAMPLES
  deno task image --add ./camera:/usr/bin/camera \\
    --add ./camera.json:/etc/spaceos/services.d/camera.json
  deno task image --init my_init.ts --out /tmp/my_image
  deno task boot --image /tmp/my_image`;

/** What the command line asks for. */
export interface ImageRequest {
  /** The image. */
  readonly build: Omit<BuildOptions, "timeSeconds" | "files"> & {
    /** What `--add` names, as it was written. */
    readonly additions: readonly string[];
  };
  /** Whether to make a disk with a partition table, too. */
  readonly gpt: boolean;
  /** Whether it is for the tests. */
  readonly forTests: boolean;
}

/** The command line is not understood. */
export class ImageUsageError extends Error {
  /** @param message what was met and what was expected */
  constructor(message: string) {
    super(message);
    this.name = "ImageUsageError";
  }
}

/** An absolute path, from one that may be relative to the caller's folder. */
function absolute(path: string, folder: string): string {
  const joined = path.startsWith("/") ? path : `${folder}/${path}`;
  return joined.replaceAll(/\/(?:\.\/)+/g, "/").replace(/(?<=.)\/+$/, "");
}

/**
 * Reads the command line.
 *
 * @param args the arguments
 * @param folder where relative paths begin
 * @returns what they ask for, or `help`
 * @throws {ImageUsageError} when they are wrong
 */
export function readImageOptions(
  args: readonly string[],
  folder: string,
): ImageRequest | "help" {
  const unknown: string[] = [];
  const strings = ["out", "init", "kernel", "modules"] as const;
  const lists = ["add", "module", "append"] as const;
  const parsed = parseArgs([...args], {
    boolean: ["help", "oci", "manifests", "gpt", "for-tests"],
    string: [...strings, ...lists],
    collect: [...lists],
    alias: { help: "h" },
    unknown: (argument: string): boolean => {
      unknown.push(argument);
      return false;
    },
  });
  if (parsed.help) return "help";
  const [wrong] = [...unknown, ...parsed._.map(String)];
  if (wrong !== undefined) {
    throw new ImageUsageError(`unknown argument "${wrong}"`);
  }
  for (const name of strings) {
    if (parsed[name] === "") {
      throw new ImageUsageError(`--${name} is empty, expected a path`);
    }
  }
  for (const name of lists) {
    if (parsed[name].includes("")) {
      throw new ImageUsageError(`--${name} is empty, expected a value`);
    }
  }
  for (const text of parsed.append) {
    const fault = commandLineFault(text);
    if (fault !== undefined) throw new ImageUsageError(`--append ${fault}`);
  }
  const path = (value: string | undefined): string | undefined =>
    value === undefined ? undefined : absolute(value, folder);
  return {
    build: {
      entry: path(parsed.init) ?? INIT_ENTRY,
      outFolder: path(parsed.out) ?? OUT_FOLDER,
      modules: parsed.module,
      kernel: {
        kernelPath: path(parsed.kernel),
        modulesFolder: path(parsed.modules),
      },
      append: parsed.append,
      oci: parsed.oci,
      manifests: parsed.manifests,
      additions: parsed.add,
    },
    gpt: parsed.gpt,
    forTests: parsed["for-tests"],
  };
}

async function makeImage(
  request: ImageRequest,
  folder: string,
): Promise<void> {
  const { additions, ...build } = request.build;
  const timeSeconds = await sourceTimeSeconds();
  if (request.forTests) await requireQemu();
  try {
    if (!Deno.statSync(build.entry).isFile) throw new Error("it is no file");
  } catch (cause) {
    throw new ToolchainError(
      `--init ${build.entry} cannot be read, expected a TypeScript module (${
        cause instanceof Error ? cause.message : cause
      })`,
      { cause },
    );
  }
  await buildImage({
    ...build,
    timeSeconds,
    files: additions.flatMap((text) => readAddition(text, folder)),
  });
  if (request.forTests) return;
  const { outFolder } = build;
  await makeDisks({ outFolder, timeSeconds, gpt: request.gpt });
}

/** Failures of the system that the user can do something about. */
function isSystemFailure(error: unknown): error is Error {
  return error instanceof Error && "code" in error &&
    typeof error.code === "string";
}

/** The command `deno task image`. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const request = readImageOptions(args, Deno.cwd());
    if (request === "help") {
      console.log(HELP);
      return 0;
    }
    await makeImage(request, Deno.cwd());
    return 0;
  } catch (error) {
    if (error instanceof ImageUsageError) {
      console.error(`image: ${error.message}; see deno task image --help`);
      return 2;
    }
    if (error instanceof ToolchainError || isSystemFailure(error)) {
      console.error(`image: ${error.message}`);
      return 1;
    }
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
