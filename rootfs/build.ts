/**
 * Builds the image: compiles the init, finds its libraries and the kernel's
 * modules, and writes `spaceos-kernel`, `spaceos-initrd.img`, `spaceos-cmdline`,
 * the bill of materials, and what else is asked for. The same inputs give the same
 * bytes. It imports the other files of this folder and rootfs/toolchain.
 */
import { createHash } from "node:crypto";
import { requireInterpreters } from "./added_files.ts";
import { compileProgram, INIT_PERMISSIONS, INIT_V8_FLAGS } from "./compile.ts";
import { Tree } from "./cpio.ts";
import { formatDisk } from "./disk.ts";
import { ElfError, type LibraryFile, resolveLibraries } from "./elf.ts";
import { gptDisk } from "./gpt.ts";
import {
  hostFiles,
  joinPieces,
  listFiles,
  replaceFile,
  takeFolder,
} from "./host_files.ts";
import { addModules, assembleImage, type PlainFile } from "./image.ts";
import {
  type ImageKernel,
  imageKernel,
  type KernelOptions,
} from "./image_kernel.ts";
import { joinCommandLine } from "./kernel_command_line.ts";
import {
  firecrackerConfiguration,
  kubevirtManifest,
  type MachineDescription,
  nomadJob,
} from "./manifests.ts";
import { type ModuleGraph, moduleGraph } from "./module_graph.ts";
import { ociArchive } from "./oci.ts";
import { unpackKernel } from "./own_kernel.ts";
import { billOfMaterials } from "./sbom.ts";
import { collectFacts } from "./sbom_facts.ts";
import { writeTar } from "./tar_archive.ts";
import {
  exists,
  fileDigest,
  requireSpace,
  sweepLeftovers,
} from "./toolchain/cache.ts";
import { run } from "./toolchain/command.ts";
import { prepareCompiler, requireMachine } from "./toolchain/denort.ts";
import { currentEnvironment, REPOSITORY } from "./toolchain/environment.ts";
import { formatSize, say, ToolchainError } from "./toolchain/report.ts";

/**
 * The kernel command line that the image is made for. A piece of memory, above
 * what the kernel is loaded to and below what it unpacks the archive from, is
 * left alone, so that the last words of a kernel that panics survive the reset.
 */
const COMMAND_LINE = "console=ttyS0 panic=-1 quiet rdinit=/init " +
  "memmap=256K$0x8000000 ramoops.mem_address=0x8000000 " +
  "ramoops.mem_size=0x40000 ramoops.record_size=0x10000";

/** The image, the compiled init and what is between, for a while all at once. */
const NEEDED_BYTES = 400_000_000;

/** What an OCI archive and an unpacked kernel take besides. */
const NEEDED_FOR_OCI_BYTES = 200_000_000;

/** Where this project's service definitions, and users' own, go. */
const SERVICES_FOLDER = "/etc/spaceos/services.d/";

/** The service that shows what supervision looks like, until there is another. */
const DEMO_PATH = `${SERVICES_FOLDER}demo.json`;

/** The machine that the manifests describe. */
const DESCRIBED_MACHINE = { name: "spaceos", memoryMebibytes: 512, cpus: 1 };

/** How to build an image. */
export interface BuildOptions {
  /** The main module of the init. */
  readonly entry: string;
  /** Where the files go. */
  readonly outFolder: string;
  /** The time of all files in the image, in seconds since 1970. */
  readonly timeSeconds: number;
  /**
   * Files besides those of rootfs/overlay; the libraries of programs come
   * along. The demo service is left out when there is another one.
   */
  readonly files?: readonly PlainFile[];
  /** Kernel modules besides the usual ones, by name; what they need comes along. */
  readonly modules?: readonly string[];
  /** An own kernel and its modules; Debian's, if absent. */
  readonly kernel?: Pick<KernelOptions, "kernelPath" | "modulesFolder">;
  /** More kernel command line. */
  readonly append?: readonly string[];
  /** Whether to write `spaceos-oci.tar`, an OCI image layout. */
  readonly oci?: boolean;
  /** Whether to write manifests for other engines, and `spaceos-vmlinux`. */
  readonly manifests?: boolean;
}

/** A built image. */
export interface Image {
  /** The kernel. */
  readonly kernelPath: string;
  /** The initial RAM file system. */
  readonly initrdPath: string;
  /** The kernel command line, in a file. */
  readonly commandLinePath: string;
  /** The content of that file. */
  readonly commandLine: string;
}

/** The main module of this project's init. */
export const INIT_ENTRY: string = `${REPOSITORY}/cmd/spaceos-init/main.ts`;

/** Where `deno task image` puts the files. */
export const OUT_FOLDER: string = `${REPOSITORY}/rootfs/out`;

/**
 * The time that stands for "now" in everything that is built:
 * SOURCE_DATE_EPOCH, else the time of the repository's last commit, else 0.
 *
 * @returns seconds since 1970
 * @throws {ToolchainError} when SOURCE_DATE_EPOCH is not a time
 */
export async function sourceTimeSeconds(): Promise<number> {
  const given = Deno.env.get("SOURCE_DATE_EPOCH");
  if (given) {
    const seconds = Number(given);
    if (!/^\d+$/.test(given) || seconds > 0xffffffff) {
      throw new ToolchainError(
        `SOURCE_DATE_EPOCH is "${given}", expected whole seconds in 0..4294967295`,
      );
    }
    return seconds;
  }
  try {
    const { success, stdout } = await run(
      ["git", "log", "-1", "--format=%ct"],
      { cwd: REPOSITORY },
    );
    const seconds = Number(stdout.trim());
    if (success && Number.isInteger(seconds) && seconds > 0) return seconds;
  } catch {
    // No git, or no repository: a plain copy of the files.
  }
  return 0;
}

/** The overlay without the demo, where the user brings services. */
function overlayFiles(added: readonly PlainFile[]): PlainFile[] {
  const folder = `${REPOSITORY}/rootfs/overlay`;
  const hasService = added.some(({ path }) => path.startsWith(SERVICES_FOLDER));
  return listFiles(folder)
    .filter((path) => !(hasService && `/${path}` === DEMO_PATH))
    .map((path) => ({
      path: `/${path}`,
      bytes: Deno.readFileSync(`${folder}/${path}`),
      executable: ((Deno.statSync(`${folder}/${path}`).mode ?? 0) & 0o100) !==
        0,
    }));
}

/** The libraries of all programs of the image, each once. */
function imageLibraries(
  init: PlainFile,
  files: readonly PlainFile[],
): LibraryFile[] {
  const libraries = new Map<string, LibraryFile>();
  for (const { path, bytes, executable } of [init, ...files]) {
    const isElf = executable && bytes[0] === 0x7f && bytes[1] === 0x45;
    if (!isElf) continue;
    try {
      for (const library of resolveLibraries(path, bytes, hostFiles)) {
        libraries.set(library.path, library);
      }
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      throw new ToolchainError(error.message, { cause: error });
    }
  }
  // A library that is added by hand is the one that is wanted.
  for (const { path } of files) libraries.delete(path);
  return [...libraries.values()];
}

/** A digest of everything that decides what is built. */
async function inputDigest(
  options: BuildOptions,
  kernel: ImageKernel,
  compilerIdentity: string,
  graph: ModuleGraph,
): Promise<string> {
  const hash = createHash("sha256");
  const add = (label: string, content: string | Uint8Array): void => {
    hash.update(`${label}\0${content.length}\0`);
    hash.update(content);
  };
  add("time", String(options.timeSeconds));
  add("kernel", kernel.identity);
  add("compiler", compilerIdentity);
  for (const name of options.modules ?? []) add("module", name);
  for (const text of options.append ?? []) add("append", text);
  add("also", `${options.oci === true} ${options.manifests === true}`);
  for (const { path, bytes, executable } of options.files ?? []) {
    add(`${path} ${executable}`, bytes);
  }
  add("entry", options.entry);
  for (const path of graph.files) add(path, Deno.readFileSync(path));
  for (const { registry, name, version } of graph.packages) {
    add("package", `${registry}:${name}@${version}`);
  }
  const sources: [string, string[]][] = [
    [REPOSITORY, ["deno.json"]],
    [
      `${REPOSITORY}/rootfs`,
      [...Deno.readDirSync(`${REPOSITORY}/rootfs`)]
        .filter(({ isFile }) => isFile).map(({ name }) => name).sort(),
    ],
    ...["overlay", "toolchain"].map((name): [string, string[]] => [
      `${REPOSITORY}/rootfs/${name}`,
      listFiles(`${REPOSITORY}/rootfs/${name}`),
    ]),
  ];
  for (const [folder, paths] of sources) {
    for (const path of paths) {
      if (await exists(`${folder}/${path}`)) {
        add(`${folder}/${path}`, await Deno.readFile(`${folder}/${path}`));
      }
    }
  }
  // The libraries of this machine go into the image.
  const libraries = resolveLibraries(
    Deno.execPath(),
    Deno.readFileSync(Deno.execPath()),
    hostFiles,
  );
  for (const { path, bytes } of libraries) add(path, bytes);
  return hash.digest("hex");
}

/** What is known of the last build. */
interface BuildRecord {
  readonly inputs: string;
  readonly outputs: Readonly<Record<string, string>>;
}

async function isUpToDate(
  outFolder: string,
  recordPath: string,
  inputs: string,
): Promise<boolean> {
  let record: BuildRecord;
  try {
    record = JSON.parse(await Deno.readTextFile(recordPath));
    if (record.inputs !== inputs) return false;
    for (const [name, digest] of Object.entries(record.outputs)) {
      if (digest !== await fileDigest(`${outFolder}/${name}`, "sha256")) {
        return false;
      }
    }
    return true;
  } catch {
    return false;
  }
}

/** What goes into the image besides the kernel. */
interface Contents {
  readonly init: Uint8Array;
  readonly libraries: readonly LibraryFile[];
  readonly files: readonly PlainFile[];
}

function assemble(
  { init, libraries, files }: Contents,
  kernel: ImageKernel | undefined,
): Tree {
  try {
    return assembleImage({
      init,
      libraries,
      release: kernel?.release ?? "",
      modules: kernel?.readModules() ?? [],
      files,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ToolchainError(error.message, { cause: error });
  }
}

function fileTree(files: Readonly<Record<string, Uint8Array>>): Tree {
  const tree = new Tree();
  for (const [path, bytes] of Object.entries(files)) {
    tree.add(path, { kind: "file", bytes, mode: 0o644 });
  }
  return tree;
}

/** The version of the package, which is the tag of its container images. */
function version(): string {
  const { version } = JSON.parse(
    Deno.readTextFileSync(`${REPOSITORY}/deno.json`),
  );
  return String(version);
}

/** The container image with the kernel and the initrd, for KubeVirt. */
function bootImageName(): string {
  return `docker.io/spaceos/boot:${version()}`;
}

/**
 * The images of the OCI layout: the init without a kernel, for LinuxKit's
 * `init:`; the kernel as LinuxKit has it; and both together, for KubeVirt.
 */
function ociImages(
  contents: Contents,
  kernel: ImageKernel,
  bzImage: Uint8Array,
  initrd: Uint8Array,
  timeSeconds: number,
): Uint8Array {
  const modules = new Tree();
  addModules(
    (path, bytes, mode) => modules.add(path, { kind: "file", bytes, mode }),
    { release: kernel.release, modules: kernel.readModules() },
  );
  const pieces: Uint8Array[] = [];
  writeTar(modules, (piece) => pieces.push(piece), timeSeconds);
  return ociArchive([
    {
      name: `docker.io/spaceos/init:${version()}`,
      description: "spaceos-init, PID 1 for small Linux VMs",
      tree: assemble(contents, undefined),
      entrypoint: ["/init"],
    },
    {
      name: `docker.io/spaceos/kernel:${version()}`,
      description: `Linux ${kernel.release} and its modules`,
      tree: fileTree({ "/kernel": bzImage, "/kernel.tar": joinPieces(pieces) }),
    },
    {
      name: bootImageName(),
      description: `Linux ${kernel.release} and an initrd with spaceos-init`,
      tree: fileTree({
        "/boot/spaceos-kernel": bzImage,
        "/boot/spaceos-initrd.img": initrd,
      }),
    },
  ], timeSeconds);
}

async function manifestFiles(
  commandLine: string,
  kernelPath: string,
  bzImage: Uint8Array,
): Promise<Record<string, Uint8Array>> {
  const machine: MachineDescription = {
    ...DESCRIBED_MACHINE,
    bootImage: bootImageName(),
    commandLine,
  };
  const encoder = new TextEncoder();
  return {
    "kubevirt.yaml": encoder.encode(kubevirtManifest(machine)),
    "nomad.hcl": encoder.encode(nomadJob(machine)),
    "firecracker.json": encoder.encode(firecrackerConfiguration(machine)),
    "spaceos-vmlinux": await unpackKernel(kernelPath, bzImage),
  };
}

/** What a build under way is named after. */
const BUILD_PREFIX = ".build-";

/** Removes what interrupted builds left in a folder that was taken: nobody is at work there. */
async function removeInterrupted(folder: string): Promise<void> {
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (!name.startsWith(BUILD_PREFIX)) continue;
    await Deno.remove(`${folder}/${name}`, { recursive: true });
  }
}

/**
 * Builds an image, if it is not already there as its inputs would make it.
 *
 * @param options which init, where to, which time
 * @returns the files
 * @throws {ToolchainError} when something that it needs is missing
 */
export async function buildImage(options: BuildOptions): Promise<Image> {
  requireMachine();
  const { outFolder } = options;
  const commandLine = joinCommandLine([COMMAND_LINE, ...options.append ?? []]);
  using _ = await takeFolder(outFolder);
  const image = {
    kernelPath: `${outFolder}/spaceos-kernel`,
    initrdPath: `${outFolder}/spaceos-initrd.img`,
    commandLinePath: `${outFolder}/spaceos-cmdline`,
    commandLine,
  };
  const environment = currentEnvironment();
  const kernel = await imageKernel({
    ...options.kernel,
    modules: [
      ...options.modules ?? [],
      // Firecracker has no PCI bus.
      ...(options.manifests && options.kernel?.kernelPath === undefined
        ? ["virtio_mmio"]
        : []),
    ],
  });
  const compiler = await prepareCompiler(environment);
  await removeInterrupted(outFolder);
  const recordPath = `${outFolder}/.spaceos-build.json`;
  const graph = await moduleGraph(options.entry, environment, compiler);
  const inputs = await inputDigest(options, kernel, compiler.identity, graph);
  if (await isUpToDate(outFolder, recordPath, inputs)) {
    say("image: up to date");
    return image;
  }
  await sweepLeftovers(outFolder);
  await requireSpace(
    outFolder,
    NEEDED_BYTES + (options.oci ? NEEDED_FOR_OCI_BYTES : 0),
    "the image",
    "name a folder of a larger disk in --out",
  );
  const added = options.files ?? [];
  const files = [...overlayFiles(added), ...added];
  // What can't be put together is said before anything is made.
  assemble({ init: new Uint8Array(0), libraries: [], files }, kernel);
  const workshop = await Deno.makeTempDir({
    dir: outFolder,
    prefix: BUILD_PREFIX,
  });
  try {
    const initPath = await compileProgram(
      {
        entry: options.entry,
        output: `${workshop}/spaceos-init`,
        permissions: INIT_PERMISSIONS,
        v8Flags: INIT_V8_FLAGS,
        bundled: true,
      },
      environment,
      compiler,
    );
    const init = await Deno.readFile(initPath);
    const libraries = imageLibraries({
      path: "/init",
      bytes: init,
      executable: true,
    }, files);
    const contents: Contents = { init, libraries, files };
    const tree = assemble(contents, kernel);
    requireInterpreters(files, (path) => tree.get(path) !== undefined);
    const pieces: Uint8Array[] = [];
    tree.write((piece) => pieces.push(piece), options.timeSeconds);
    // It stays uncompressed: measured in QEMU's interpreter, a boot with gzip or
    // zstd takes 0.3 s longer, out of 3.5 s, and only lz4 costs nothing
    // (tests/bench/boot_compression_bench.ts).
    const initrd = joinPieces(pieces);
    const bzImage = await Deno.readFile(kernel.path);
    const facts = await collectFacts({
      timeSeconds: options.timeSeconds,
      initrd,
      compiler,
      kernelRelease: kernel.release,
      kernel: bzImage,
      libraryPaths: libraries.map(({ path }) => path),
      imported: graph.packages,
    });
    const outputs: Record<string, Uint8Array> = {
      "spaceos-kernel": bzImage,
      "spaceos-initrd.img": initrd,
      "spaceos-cmdline": new TextEncoder().encode(`${commandLine}\n`),
      "spaceos-sbom.spdx.json": new TextEncoder().encode(
        billOfMaterials(tree, facts),
      ),
    };
    if (options.oci) {
      outputs["spaceos-oci.tar"] = ociImages(
        contents,
        kernel,
        bzImage,
        initrd,
        options.timeSeconds,
      );
    }
    if (options.manifests) {
      Object.assign(
        outputs,
        await manifestFiles(commandLine, kernel.path, bzImage),
      );
    }
    const digests: Record<string, string> = {};
    for (const [name, bytes] of Object.entries(outputs)) {
      await replaceFile(`${outFolder}/${name}`, bytes);
      digests[name] = createHash("sha256").update(bytes).digest("hex");
      say(`image: ${outFolder}/${name} (${formatSize(bytes.length)})`);
    }
    const record: BuildRecord = { inputs, outputs: digests };
    await replaceFile(
      recordPath,
      new TextEncoder().encode(`${JSON.stringify(record, null, 2)}\n`),
    );
    return image;
  } finally {
    await Deno.remove(workshop, { recursive: true }).catch(() => {});
  }
}

/** The disks that go with an image. */
export interface DiskOptions {
  /** Where they go. */
  readonly outFolder: string;
  /** The time of the format, in seconds since 1970. */
  readonly timeSeconds: number;
  /** Whether to make `spaceos-gpt.img`, with a partition table, too. */
  readonly gpt: boolean;
}

/**
 * Makes the disks that are not there: one that is there holds the user's data
 * and is never written to.
 *
 * @param options which ones
 */
export async function makeDisks(options: DiskOptions): Promise<void> {
  const { outFolder, timeSeconds } = options;
  const volume = await formatDisk(timeSeconds);
  const disks: Record<string, () => Uint8Array> = {
    "spaceos-disk.img": () => volume,
    ...(options.gpt ? { "spaceos-gpt.img": () => gptDisk(volume) } : {}),
  };
  for (const [name, make] of Object.entries(disks)) {
    const path = `${outFolder}/${name}`;
    if (await exists(path)) {
      say(`disk: ${path} is there and is kept`);
    } else {
      await replaceFile(path, make());
      say(`disk: ${path}, newly formatted`);
    }
  }
}

/**
 * Builds this project's own image, and makes its disk, if there is none.
 *
 * @returns the image
 * @throws {ToolchainError} when something that it needs is missing
 */
export async function buildOwnImage(): Promise<Image> {
  const timeSeconds = await sourceTimeSeconds();
  const image = await buildImage({
    entry: INIT_ENTRY,
    outFolder: OUT_FOLDER,
    timeSeconds,
  });
  await makeDisks({ outFolder: OUT_FOLDER, timeSeconds, gpt: false });
  return image;
}
