/**
 * Reads service definitions from their folder. What the files mean is decided
 * in `supervisor/definition_set.ts`; here only bytes are fetched. Imports the
 * supervisor and this room.
 *
 * @module
 */
import {
  type DefinitionFile,
  type DefinitionSet,
  loadDefinitions,
} from "../supervisor/definition_set.ts";
import { maximumDefinitionBytes } from "../supervisor/definition.ts";
import type { ServiceDefinition } from "../supervisor/service_definition.ts";
import { type Issue, issueOfFile } from "../supervisor/schema.ts";
import { readSmallFile } from "./small_file.ts";

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
  const issues: Issue[] = [];
  const names = definitionNames(directory);
  if (names.length > MAXIMUM_DEFINITION_FILES) {
    names.length = MAXIMUM_DEFINITION_FILES;
    issues.push(issueOfFile(
      directory,
      `expected at most ${MAXIMUM_DEFINITION_FILES} files; the others were left out`,
    ));
  }
  for (const name of names.sort()) {
    const file = `${directory}/${name}`;
    try {
      files.push({ file, text: readText(file) });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      issues.push(issueOfFile(file, text.replace(`${file}: `, "")));
    }
  }
  const set = loadDefinitions(files, others);
  return { ...set, issues: [...issues, ...set.issues] };
}

/** The names of definition files, one more than are read at most. */
function definitionNames(directory: string): string[] {
  const names: string[] = [];
  try {
    for (const entry of Deno.readDirSync(directory)) {
      if (entry.name.endsWith(".json")) names.push(entry.name);
      if (names.length > MAXIMUM_DEFINITION_FILES) break;
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return names;
}

/**
 * A file's text, cut one byte past the limit, so that the parser sees that it
 * is too long without our holding all of it.
 */
function readText(file: string): string {
  const bytes = readSmallFile(file, maximumDefinitionBytes + 1);
  return new TextDecoder().decode(bytes);
}
