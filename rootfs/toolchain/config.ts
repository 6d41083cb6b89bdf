/**
 * The configuration for closed machines. `jsr:@std/*` cannot be reached
 * there, so the ordinary deno.json is copied to rootfs/out/deno.json with
 * `links` to the stand-ins in rootfs/toolchain/std and every path rewritten
 * for its new place. It imports nothing, so that it runs before anything
 * resolves.
 */

/** Where the generated configuration lies, relative to the repository. */
export const CLOSED_CONFIG_PATH = "rootfs/out/deno.json";

/** From the folder of the generated configuration to the repository. */
const UP = "../../";

/** The stand-ins, relative to the repository. `links` takes no absolute paths. */
const STAND_INS = [
  "rootfs/toolchain/std/assert",
  "rootfs/toolchain/std/bytes",
  "rootfs/toolchain/std/cli",
];

/** A deno.json as far as this file looks at it. */
export type Configuration = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function rewritePaths(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((path) => {
    const text = String(path);
    return text.startsWith("!") ? `!${UP}${text.slice(1)}` : UP + text;
  });
}

/**
 * Turns the repository's configuration into the one for closed machines.
 *
 * @param root the content of the repository's deno.json
 * @returns the content of rootfs/out/deno.json
 * @throws {TypeError} when the repository's configuration has no name or exports
 */
export function closedConfiguration(root: Configuration): Configuration {
  const { name, exports } = root;
  if (typeof name !== "string" || typeof exports !== "string") {
    throw new TypeError(
      `deno.json: expected texts "name" and "exports", met ${typeof name} and ${typeof exports}`,
    );
  }
  const imports = isRecord(root.imports) ? root.imports : {};
  // `deno task` fetches the npm packages of "imports" before a task can name
  // the system's certificates, and fails behind a proxy that needs them. What
  // is in "scopes" is fetched when a program imports it.
  const scopes = isRecord(root.scopes) ? root.scopes : {};
  const scoped = isRecord(scopes["./"]) ? scopes["./"] : {};
  const closed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(root)) {
    if (
      ["name", "version", "exports", "tasks", "publish", "imports", "scopes"]
        .includes(
          key,
        )
    ) {
      continue;
    }
    if (key === "exclude") closed[key] = rewritePaths(value);
    else if (isRecord(value)) {
      const section = { ...value };
      for (const list of ["include", "exclude"]) {
        if (list in section) section[list] = rewritePaths(section[list]);
      }
      closed[key] = section;
    } else closed[key] = value;
  }
  closed.imports = {
    ...imports,
    ...scoped,
    [name]: UP + exports.replace(/^\.\//, ""),
  };
  closed.links = STAND_INS.map((path) => UP + path);
  return closed;
}

/**
 * Writes rootfs/out/deno.json, if it is not already as it should be.
 *
 * @param rootPath the repository, with a trailing slash or without
 * @returns the path of the generated configuration
 */
export function writeClosedConfiguration(rootPath: string): string {
  const base = rootPath.replace(/\/+$/, "");
  const path = `${base}/${CLOSED_CONFIG_PATH}`;
  const root: unknown = JSON.parse(Deno.readTextFileSync(`${base}/deno.json`));
  if (!isRecord(root)) {
    throw new TypeError(`${base}/deno.json: expected an object`);
  }
  const text = JSON.stringify(closedConfiguration(root), null, 2) + "\n";
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  let old = "";
  try {
    old = Deno.readTextFileSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (old !== text) {
    // Another process may be reading it: replace it in one step.
    const temporary = Deno.makeTempFileSync({
      dir: path.slice(0, path.lastIndexOf("/")),
      prefix: ".deno.json.",
    });
    Deno.writeTextFileSync(temporary, text);
    Deno.chmodSync(temporary, 0o644);
    Deno.renameSync(temporary, path);
  }
  return path;
}

if (import.meta.main) {
  console.log(
    writeClosedConfiguration(`${import.meta.dirname}/../..`),
  );
}
