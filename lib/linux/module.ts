/**
 * Kernel modules: `finit_module(2)`. There is no search and no dependency
 * order here; the caller names files in the order of loading. Imports files and
 * the libc table.
 *
 * @module
 */

import { SystemError } from "./error.ts";
import { close, open } from "./file.ts";
import { cString } from "./c_string.ts";
import { check, libc, syscallNumbers } from "./libc.ts";

const EEXIST = 17;
/** `linux/module.h`: the kernel unpacks the file itself (5.17, if built so). */
const MODULE_INIT_COMPRESSED_FILE = 4;

/**
 * Loads a module into the kernel. Needs CAP_SYS_MODULE.
 *
 * @param path The module's file, `.ko`, or `.ko.xz`, `.ko.gz`, `.ko.zst` where
 * the kernel unpacks them.
 * @param parameters The module's parameters, for example `"soft_noboot=1"`.
 * @returns `"loaded"`, or `"present"` when it was there already.
 * @throws {SystemError} With the file as path: ENOENT when there is no such
 * file or when the module needs a symbol of one that is not loaded, ENOEXEC for
 * another kernel's module, EPERM without the capability.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { SystemError } from "./error.ts";
 * import { loadModule } from "./module.ts";
 *
 * assertThrows(
 *   () => loadModule("/lib/modules/none.ko"),
 *   SystemError,
 *   "open /lib/modules/none.ko: ENOENT",
 * );
 * ```
 */
export function loadModule(
  path: string,
  parameters = "",
): "loaded" | "present" {
  const descriptor = open(path);
  try {
    const flags = path.endsWith(".ko") ? 0 : MODULE_INIT_COMPRESSED_FILE;
    check(
      libc().syscall(
        BigInt(syscallNumbers().finitModule),
        BigInt(descriptor),
        cString(parameters),
        BigInt(flags),
      ),
      "finit_module",
      path,
    );
    return "loaded";
  } catch (error) {
    if (error instanceof SystemError && error.errno === EEXIST) {
      return "present";
    }
    throw error;
  } finally {
    close(descriptor);
  }
}

/** What {@linkcode loadModules} did for one module. */
export interface ModuleResult {
  /** The module's file. */
  readonly path: string;
  /** `"loaded"` now, `"present"` already, or `"failed"` with the error. */
  readonly outcome: "loaded" | "present" | "failed";
  /** Why it failed; present if and only if it did. */
  readonly error?: SystemError;
}

/**
 * The list of modules that the image's build leaves, in load order.
 *
 * @example
 * ```ts
 * import { loadModules, MODULE_LIST_PATH } from "@spaceos/pid1";
 *
 * for (const { path, outcome } of loadModules(`${MODULE_LIST_PATH}.none`)) {
 *   console.log(path, outcome);
 * }
 * ```
 */
export const MODULE_LIST_PATH = "/etc/spaceos/modules";

/**
 * Loads the modules that a file lists, one path in each line, in its order. One
 * that fails does not keep the others from being loaded. A kernel with
 * everything built in needs no list: without the file, nothing is done.
 *
 * @param listPath The list, default {@linkcode MODULE_LIST_PATH}.
 * @param parametersOf Gives the parameters of a module by its name, with `_`
 * for `-`; none when left out.
 * @returns One result for each line.
 * @throws {Error} When the list is there and can't be read.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadModules } from "./module.ts";
 *
 * assertEquals(loadModules("/no/such/list"), []);
 * ```
 */
export function loadModules(
  listPath = MODULE_LIST_PATH,
  parametersOf: (moduleName: string) => string = () => "",
): ModuleResult[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(listPath);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const paths = text.split("\n").filter((line) => line !== "");
  return paths.map((path) => {
    try {
      const name = path.slice(path.lastIndexOf("/") + 1).replace(/\.ko.*$/, "")
        .replaceAll("-", "_");
      return { path, outcome: loadModule(path, parametersOf(name)) };
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return { path, outcome: "failed", error };
    }
  });
}
