/**
 * Reads the definitions of a machine that is up, for a reload: all of them are
 * taken, or none. A boot does with those that are sound, because there is
 * nothing else to run; a machine that runs keeps what it has. Imports the
 * supervisor and this room.
 *
 * @module
 */
import type { ServiceDefinition } from "../supervisor/service_definition.ts";
import { type Issue, issueText } from "../supervisor/schema.ts";
import { readDefinitions } from "./definition_files.ts";

/** What a reload found. */
export interface Reload {
  /** All services from now on; none when there is a problem. */
  readonly definitions: readonly ServiceDefinition[];
  /** Everything that was found wrong, warnings too. */
  readonly issues: readonly Issue[];
  /** Why the definitions can't be used, or null. */
  readonly problem: string | null;
}

/** What a reload depends on. */
export interface ReloadOptions {
  /** The folder of the definitions. */
  readonly directory: string;
  /** The OCI bundles, which stay as they were at boot. */
  readonly bundles: readonly ServiceDefinition[];
  /** Whether no_new_privs was set, which can't be taken back. */
  readonly hasNoNewPrivileges: boolean;
}

/**
 * Reads all definitions anew.
 *
 * @param options Where they are, and what can't change.
 * @returns What was found. A folder that can't be read is a problem, too:
 * nothing throws.
 *
 * @example
 * ```ts
 * import { reloadDefinitions } from "./reload_definitions.ts";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const directory = Deno.makeTempDirSync();
 * Deno.writeTextFileSync(`${directory}/web.json`, '{ "comand": ["/bin/web"] }');
 * const options = { directory, bundles: [], hasNoNewPrivileges: true };
 * const { definitions, problem } = reloadDefinitions(options);
 * assertEquals(definitions, []);
 * assertEquals(problem?.startsWith(`2 errors, the first: ${directory}/web.json:1:3`), true);
 * Deno.removeSync(directory, { recursive: true });
 * ```
 */
export function reloadDefinitions(options: ReloadOptions): Reload {
  let definitions: readonly ServiceDefinition[];
  let issues: readonly Issue[];
  try {
    const set = readDefinitions(options.directory, options.bundles);
    ({ definitions, issues } = set);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { definitions: [], issues: [], problem };
  }
  const errors = issues.filter(({ severity }) => severity === "error")
    .map(issueText);
  const wantsPrivileges = options.hasNoNewPrivileges
    ? definitions.filter(({ noNewPrivileges }) => !noNewPrivileges)
    : [];
  errors.push(
    ...wantsPrivileges.map(({ name }) =>
      `${name}: $.noNewPrivileges: expected true until the next boot, ` +
      "because no_new_privs is set and can't be taken back, met false"
    ),
  );
  const [first] = errors;
  if (first === undefined) return { definitions, issues, problem: null };
  const count = errors.length === 1
    ? ""
    : `${errors.length} errors, the first: `;
  return { definitions: [], issues, problem: `${count}${first}` };
}
