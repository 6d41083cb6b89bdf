/**
 * The subcommands that look at service definitions without starting any.
 *
 * @module
 */
import { readDefinitions } from "../../lib/init/definition_files.ts";
import { definitionJsonSchema } from "../../lib/supervisor/definition.ts";
import { checkReport } from "../../lib/supervisor/definition_set.ts";
import { graphText } from "../../lib/supervisor/graph.ts";

const USAGE = 2;

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

/** The one argument that is expected, or undefined after saying so. */
function onlyDirectory(
  name: string,
  args: readonly string[],
): string | undefined {
  const [directory] = args;
  const isDirectory = directory !== undefined && args.length === 1 &&
    isReadable(directory);
  if (isDirectory) return directory;
  console.error(
    `spaceos-init ${name}: met ${
      JSON.stringify(args)
    }, expected one readable folder of service definitions`,
  );
  return undefined;
}

function isReadable(directory: string): boolean {
  try {
    Deno.readDirSync(directory).next();
    return true;
  } catch {
    return false;
  }
}

/**
 * `check DIR`: prints what is wrong with the definitions.
 *
 * @param args The words after `check`.
 * @returns 0 without errors, 1 with some, 2 for a wrong command line.
 */
export function checkDefinitions(args: readonly string[]): number {
  const directory = onlyDirectory("check", args);
  if (directory === undefined) return USAGE;
  const { text, exitCode } = checkReport(readDefinitions(directory));
  print(text);
  return exitCode;
}

/**
 * `graph DIR`: prints in which order the services start.
 *
 * @param args The words after `graph`.
 * @returns 0, 1 when a definition has an error, 2 for a wrong command line.
 */
export function printGraph(args: readonly string[]): number {
  const directory = onlyDirectory("graph", args);
  if (directory === undefined) return USAGE;
  const set = readDefinitions(directory);
  print(graphText(set.graph));
  const { text, exitCode } = checkReport(set);
  if (exitCode !== 0) console.error(text.trimEnd());
  return exitCode;
}

/**
 * `schema`: prints the JSON Schema of a definition file.
 *
 * @param args The words after `schema`; none are expected.
 * @returns 0, or 2 for a wrong command line.
 */
export function printSchema(args: readonly string[]): number {
  if (args.length > 0) {
    console.error(
      `spaceos-init schema: met ${JSON.stringify(args)}, expected nothing`,
    );
    return USAGE;
  }
  print(`${JSON.stringify(definitionJsonSchema(), null, 2)}\n`);
  return 0;
}
