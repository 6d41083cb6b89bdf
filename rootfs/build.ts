/**
 * Builds the image: compiles the init, finds its libraries and the kernel's
 * modules, and writes `spaceos-kernel`, `spaceos-initrd.img`, `spaceos-cmdline`
 * and a formatted disk into rootfs/out. The same inputs give the same bytes.
 * Run `deno task image --help` for its options. It imports the other files of
 * this folder and rootfs/toolchain.
 */
import { createHash } from "node:crypto";
import { compileProgram, INIT_PERMISSIONS, INIT_V8_FLAGS } from "./compile.ts";
import { formatDisk } from "./disk.ts";
import {
  type LibraryFile,
  type LibraryFiles,
  resolveLibraries,
} from "./elf.ts";
import { assembleImage, type PlainFile } from "./image.ts";
import { type ModuleFiles, selectModules } from "./kernel.ts";
import {
  exists,
  fileDigest,
  requireSpace,
  sweepLeftovers,
} from "./toolchain/cache.ts";
import { run } from "./toolchain/command.ts";
import { prepareCompiler, requireMachine } from "./toolchain/denort.ts";
import { currentEnvironment, REPOSITORY } from "./toolchain/environment.ts";
import { type KernelTree, requireKernel } from "./toolchain/kernel_package.ts";
import { requireQemu } from "./toolchain/qemu.ts";
import { formatSize, say, ToolchainError } from "./toolchain/report.ts";

/**
 * The modules that a virtual machine of QEMU needs: the virtio bus, disk and
 * serial ports, and a watchdog. What they need themselves comes along.
 */
const WANTED_MODULES = [
  "virtio_pci",
  "virtio_blk",
  "virtio_console",
  "softdog",
];

/** The kernel command line that the image is made for. */
const COMMAND_LINE = "console=ttyS0 panic=-1 quiet rdinit=/init";

/** The files that are built into rootfs/out, by LinuxKit's convention for names. */
const OUTPUT_NAMES = ["kernel", "initrd.img", "cmdline"] as const;

/** The image, the compiled init and what is between, for a while all at once. */
const NEEDED_BYTES = 400_000_000;

/** How to build an image. */
export interface BuildOptions {
  /** The main module of the init. */
  readonly entry: string;
  /** Where the files go. */
  readonly outFolder: string;
  /** The time of all files in the image, in seconds since 1970. */
  readonly timeSeconds: number;
  /** Files besides those of rootfs/overlay; the libraries of programs come along. */
  readonly files?: readonly PlainFile[];
  /** Kernel modules besides the usual ones, by name; what they need comes along. */
  readonly modules?: readonly string[];
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

/** The disk that `deno task image` makes and `deno task boot` uses. */
export const DISK_PATH: string = `${OUT_FOLDER}/spaceos-disk.img`;

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

/** This machine's files, as the loader sees them. */
const hostFiles: LibraryFiles = {
  read(path) {
    try {
      return Deno.readFileSync(path);
    } catch {
      return undefined;
    }
  },
  glob(pattern) {
    if (!pattern.includes("*")) return [pattern];
    const folder = pattern.slice(0, pattern.lastIndexOf("/"));
    const [before = "", after = ""] = pattern.slice(folder.length + 1).split(
      "*",
    );
    try {
      return [...Deno.readDirSync(folder)]
        .map(({ name }) => name)
        .filter((name) => name.startsWith(before) && name.endsWith(after))
        .sort()
        .map((name) => `${folder}/${name}`);
    } catch {
      return [];
    }
  },
};

/** All files below a folder, as sorted paths relative to it. */
function listFiles(folder: string, below = ""): string[] {
  const found: string[] = [];
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(`${folder}/${below}`)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  for (const entry of entries) {
    const path = below ? `${below}/${entry.name}` : entry.name;
    if (entry.isDirectory) found.push(...listFiles(folder, path));
    else if (entry.isFile) found.push(path);
    else {
      throw new ToolchainError(
        `${folder}/${path} is neither a file nor a folder: the image takes only these`,
      );
    }
  }
  return found.sort();
}

function overlayFiles(): PlainFile[] {
  const folder = `${REPOSITORY}/rootfs/overlay`;
  return listFiles(folder).map((path) => ({
    path: `/${path}`,
    bytes: Deno.readFileSync(`${folder}/${path}`),
    executable: ((Deno.statSync(`${folder}/${path}`).mode ?? 0) & 0o100) !== 0,
  }));
}

function moduleFiles(kernel: KernelTree): ModuleFiles {
  return {
    paths: listFiles(kernel.modulesFolder).filter((path) =>
      path.includes(".ko")
    ),
    builtin: (() => {
      try {
        return Deno.readTextFileSync(`${kernel.modulesFolder}/modules.builtin`)
          .split("\n");
      } catch {
        return [];
      }
    })(),
    read: (path) => {
      if (!path.endsWith(".ko")) {
        throw new ToolchainError(
          `${kernel.modulesFolder}/${path} is compressed; expected .ko files, as Debian 12 has them`,
        );
      }
      return Deno.readFileSync(`${kernel.modulesFolder}/${path}`);
    },
  };
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
    for (const library of resolveLibraries(path, bytes, hostFiles)) {
      libraries.set(library.path, library);
    }
  }
  return [...libraries.values()];
}

/** A digest of everything that decides what is built. */
async function inputDigest(
  options: BuildOptions,
  kernel: KernelTree,
  compilerIdentity: string,
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
  for (const { path, bytes, executable } of options.files ?? []) {
    add(`${path} ${executable}`, bytes);
  }
  const entryFolder = options.entry.slice(0, options.entry.lastIndexOf("/"));
  const sources: [string, string[]][] = [
    [REPOSITORY, ["deno.json", "mod.ts"]],
    [`${REPOSITORY}/lib`, listFiles(`${REPOSITORY}/lib`)],
    [
      `${REPOSITORY}/rootfs`,
      [...Deno.readDirSync(`${REPOSITORY}/rootfs`)]
        .filter(({ isFile }) => isFile).map(({ name }) => name).sort(),
    ],
    ...["overlay", "toolchain"].map((name): [string, string[]] => [
      `${REPOSITORY}/rootfs/${name}`,
      listFiles(`${REPOSITORY}/rootfs/${name}`),
    ]),
    [entryFolder, listFiles(entryFolder)],
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
    for (const name of OUTPUT_NAMES) {
      const digest = await fileDigest(`${outFolder}/spaceos-${name}`, "sha256");
      if (record.outputs[name] !== digest) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/** Writes a file so that it appears whole, or not at all. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = await Deno.makeTempFile({
    dir: path.slice(0, path.lastIndexOf("/")),
    prefix: ".new-",
  });
  try {
    await Deno.writeFile(temporary, bytes);
    await Deno.chmod(temporary, 0o644);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/**
 * Joins the pieces of the archive. It stays uncompressed: measured in QEMU's
 * interpreter, the kernel unpacks gzip or zstd a second slower than it copies
 * the plain archive, out of five for a whole boot.
 */
function joinPieces(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(
    pieces.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
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
  await Deno.mkdir(outFolder, { recursive: true });
  const image = {
    kernelPath: `${outFolder}/spaceos-kernel`,
    initrdPath: `${outFolder}/spaceos-initrd.img`,
    commandLinePath: `${outFolder}/spaceos-cmdline`,
    commandLine: COMMAND_LINE,
  };
  const environment = currentEnvironment();
  const kernel = await requireKernel();
  const compiler = await prepareCompiler(environment);
  const recordPath = `${outFolder}/.spaceos-build.json`;
  const inputs = await inputDigest(options, kernel, compiler.identity);
  if (await isUpToDate(outFolder, recordPath, inputs)) {
    say("image: up to date");
    return image;
  }
  await sweepLeftovers(outFolder);
  await requireSpace(outFolder, NEEDED_BYTES, "the image");
  const workshop = await Deno.makeTempDir({
    dir: outFolder,
    prefix: ".build-",
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
    const files = [...overlayFiles(), ...options.files ?? []];
    const tree = assembleImage({
      init,
      libraries: imageLibraries({
        path: "/init",
        bytes: init,
        executable: true,
      }, files),
      release: kernel.release,
      modules: selectModules(
        [...WANTED_MODULES, ...options.modules ?? []],
        moduleFiles(kernel),
      ),
      files,
    });
    const pieces: Uint8Array[] = [];
    tree.write((piece) => pieces.push(piece), options.timeSeconds);
    const initrd = joinPieces(pieces);
    await replaceFile(image.kernelPath, await Deno.readFile(kernel.kernelPath));
    await replaceFile(image.initrdPath, initrd);
    await replaceFile(
      image.commandLinePath,
      new TextEncoder().encode(`${COMMAND_LINE}\n`),
    );
    const outputs: Record<string, string> = {};
    for (const name of OUTPUT_NAMES) {
      outputs[name] = await fileDigest(
        `${outFolder}/spaceos-${name}`,
        "sha256",
      );
    }
    const record: BuildRecord = { inputs, outputs };
    await replaceFile(
      recordPath,
      new TextEncoder().encode(`${JSON.stringify(record, null, 2)}\n`),
    );
    say(`image: ${image.initrdPath} (${formatSize(initrd.length)})`);
    return image;
  } finally {
    await Deno.remove(workshop, { recursive: true }).catch(() => {});
  }
}

async function ownBuildOptions(): Promise<BuildOptions> {
  return {
    entry: INIT_ENTRY,
    outFolder: OUT_FOLDER,
    timeSeconds: await sourceTimeSeconds(),
  };
}

/**
 * Builds this project's own image and makes its disk, if there is none: a
 * disk that is there holds the user's data and is never written to.
 *
 * @returns the image
 * @throws {ToolchainError} when something that it needs is missing
 */
export async function buildOwnImage(): Promise<Image> {
  const options = await ownBuildOptions();
  const image = await buildImage(options);
  if (await exists(DISK_PATH)) {
    say(`disk: ${DISK_PATH} is there and is kept`);
  } else {
    await replaceFile(DISK_PATH, await formatDisk(options.timeSeconds));
    say(`disk: ${DISK_PATH}, newly formatted`);
  }
  return image;
}

const HELP = `Builds the image.

Usage: deno task image [--for-tests] [--help]

Writes rootfs/out/spaceos-kernel, spaceos-initrd.img and spaceos-cmdline, and a
formatted disk, rootfs/out/spaceos-disk.img, if there is none: a disk that is
there is kept. To have a new one, remove the file. With --for-tests no disk is
made, because tests bring their own, but QEMU is made ready.

Environment:
  SOURCE_DATE_EPOCH       the time of the files in the image, in seconds
                          (default: the time of the last commit)
  SPACEOS_KERNEL_PACKAGE  a linux-image .deb file (default: Debian's newest
                          linux-image-cloud-amd64)
  SPACEOS_NETWORK         open or closed, instead of the probe
  DENORT_BIN              the runtime for deno compile
  XDG_CACHE_HOME          where downloads are kept (default: ~/.cache)

Exit status: 0 done, 1 failed, 2 wrong usage.`;

/** The command `deno task image`. */
export async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(HELP);
    return 0;
  }
  const wrong = args.find((argument) => argument !== "--for-tests");
  if (wrong !== undefined) {
    console.error(
      `image: unknown argument "${wrong}"; see deno task image --help`,
    );
    return 2;
  }
  try {
    if (args.length > 0) {
      await requireQemu();
      await buildImage(await ownBuildOptions());
    } else {
      await buildOwnImage();
    }
    return 0;
  } catch (error) {
    if (!(error instanceof ToolchainError)) throw error;
    console.error(`image: ${error.message}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
