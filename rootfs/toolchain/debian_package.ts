/**
 * Debian packages as files: downloaded, checked against the package list, and
 * unpacked in the cache, without installing anything. For programs that are
 * looked at or put into an image, but that this machine must not run as its
 * own. It imports nothing outside rootfs/toolchain.
 */
import { downloadPackage, packageRecord } from "./apt.ts";
import { cached, cacheFolder } from "./cache.ts";
import { commandExists, lastLines, run } from "./command.ts";
import { ToolchainError, withProgress } from "./report.ts";
import { isSealed, seal } from "./sealed_folder.ts";

/**
 * Unpacks the files of a .deb archive, without running its scripts.
 *
 * @param packagePath the archive
 * @param target the folder for its files
 * @throws {ToolchainError} without dpkg-deb, or when the archive is damaged
 */
export async function unpackPackage(
  packagePath: string,
  target: string,
): Promise<void> {
  if (!commandExists("dpkg-deb")) {
    throw new ToolchainError(
      "dpkg-deb is not on the PATH: install Debian's package dpkg, which unpacks packages",
    );
  }
  const result = await run(["dpkg-deb", "-x", packagePath, target]);
  if (!result.success) {
    throw new ToolchainError(
      `dpkg-deb could not unpack ${packagePath}\n${lastLines(result)}`,
    );
  }
}

/**
 * The files of a Debian package.
 *
 * @param name the package, in the version that apt would install
 * @returns the folder with its files, in the cache
 * @throws {ToolchainError} when it cannot be had
 */
export async function packageFiles(name: string): Promise<string> {
  const record = await packageRecord(name, "this needs Debian's packages");
  return await cached({
    name: `package-${name}-${record.sha256.slice(0, 16)}`,
    verify: isSealed,
    produce: async (temporaryPath) => {
      const workshop = temporaryPath.slice(0, temporaryPath.lastIndexOf("/"));
      const packagePath = await withProgress(
        `${name}: fetching ${record.version} from Debian`,
        () => downloadPackage(record, workshop),
      );
      await Deno.mkdir(temporaryPath);
      await unpackPackage(packagePath, temporaryPath);
      await seal(temporaryPath);
    },
  }, cacheFolder());
}
