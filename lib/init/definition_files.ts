/**
 * Reads service definitions from their folder. What the files mean is decided
 * in `supervisor/definition_set.ts`; here only bytes are fetched. Imports the
 * supervisor's types.
 *
 * @module
 */
import {
  type DefinitionFile,
  type DefinitionSet,
  loadDefinitions,
} from "../supervisor/definition_set.ts";
import {
  maximumDefinitionBytes,
  type ServiceDefinition,
} from "../supervisor/definition.ts";

/** Files past this number are not read: a folder is no place to fill memory from. */
export const MAXIMUM_DEFINITION_FILES = 2048;

/**
 * Reads and checks every `*.json` of a folder.
 *
 * @param directory The folder, `/etc/spaceos/services.d` in a VM.
 * @param others Definitions from elsewhere, such as OCI bundles.
 * @returns The services, and what was found wrong.
 * @throws {Error} When the folder itself can't be read; a machine without
 * services has an empty one, or none.
 *
 * @example
 * ```ts
 * import { readDefinitions } from "./definition_files.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const directory = Deno.makeTempDirSync();
 * Deno.writeTextFileSync(`${directory}/web.json`, '{ "command": ["/bin/web"] }');
 * assertEquals(readDefinitions(directory).definitions[0]?.name, "web");
 * Deno.removeSync(directory, { recursive: true });
 * ```
 */
export function readDefinitions(
  directory: string,
  others: readonly ServiceDefinition[] = [],
): DefinitionSet {
  const files: DefinitionFile[] = [];
  for (const name of definitionNames(directory)) {
    const file = `${directory}/${name}`;
    files.push({ file, text: readText(file) });
  }
  return loadDefinitions(files, others);
}

function definitionNames(directory: string): string[] {
  const names: string[] = [];
  try {
    for (const entry of Deno.readDirSync(directory)) {
      if (entry.name.endsWith(".json")) names.push(entry.name);
      if (names.length >= MAXIMUM_DEFINITION_FILES) break;
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return names.sort();
}

/**
 * A file's text, cut one byte past the limit, so that the parser sees that it
 * is too long without our holding all of it. What can't be read is no JSON
 * either, and the parser's message names the file.
 */
function readText(file: string): string {
  try {
    using handle = Deno.openSync(file);
    const buffer = new Uint8Array(maximumDefinitionBytes + 1);
    let filledBytes = 0;
    while (filledBytes < buffer.length) {
      const count = handle.readSync(buffer.subarray(filledBytes));
      if (count === null || count === 0) break;
      filledBytes += count;
    }
    return new TextDecoder().decode(buffer.subarray(0, filledBytes));
  } catch {
    return "";
  }
}
