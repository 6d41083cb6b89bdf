/**
 * Keeps the README in step with the code: the parts between
 * `<!-- generated: NAME -->` and `<!-- end of NAME -->` are written from the
 * tables that the programs themselves use. `deno task readme` writes them, and
 * a test fails where they are stale. It imports the rooms of lib that
 * have tables, and rootfs/toolchain.
 */
import { formatCommandTable } from "../lib/host/commands.ts";
import { formatParameterTable } from "../lib/init/config.ts";
import { definitionReference } from "../lib/supervisor/definition.ts";
import { drawLayout } from "../lib/wire/diagram.ts";
import { EventSeverity } from "../lib/wire/event.ts";
import { eventCodes } from "../lib/wire/event_code.ts";
import { superblockLayout } from "../lib/wire/superblock.ts";
import { REPOSITORY } from "./toolchain/environment.ts";
import { say, ToolchainError } from "./toolchain/report.ts";

const README_PATH = `${REPOSITORY}/README.md`;

function events(): string {
  const severities = new Map(
    Object.entries(EventSeverity).map(([name, value]) => [value, name]),
  );
  const rows = Object.entries(eventCodes).map((
    [name, { code, severity, description }],
  ) =>
    `| 0x${code.toString(16).toUpperCase().padStart(4, "0")} | \`${name}\` | ${
      severities.get(severity)
    } | ${description} |\n`
  );
  return `| code | name | severity | meaning |\n|---|---|---|---|\n${
    rows.join("")
  }`;
}

/** What is generated, by the name that stands in the markers. */
export const GENERATED_PARTS: Readonly<Record<string, () => string>> = {
  commands: formatCommandTable,
  configuration: definitionReference,
  events,
  parameters: formatParameterTable,
  // Written by `deno task bench --report`.
  figures: () =>
    Deno.readTextFileSync(`${REPOSITORY}/tests/bench/results.md`)
      .replace(/^<!--.*-->\n\n/, ""),
  superblock: () =>
    `\`\`\`text\n${drawLayout(superblockLayout.describe())}\n\`\`\`\n`,
};

/**
 * Writes the generated parts into a text.
 *
 * @param text the README
 * @returns the same with every generated part as it should be
 * @throws {ToolchainError} when a part has no place, or a place has no part
 */
export function withGeneratedParts(text: string): string {
  const placed = new Set<string>();
  const result = text.replaceAll(
    /^<!-- generated: (.+) -->\n[\s\S]*?^<!-- end of \1 -->$/gm,
    (_, name: string) => {
      const part = Object.hasOwn(GENERATED_PARTS, name)
        ? GENERATED_PARTS[name]
        : undefined;
      if (part === undefined) {
        throw new ToolchainError(
          `README.md has a generated part "${name}", expected one of ${
            Object.keys(GENERATED_PARTS).join(", ")
          }`,
        );
      }
      placed.add(name);
      return `<!-- generated: ${name} -->\n<!-- deno-fmt-ignore-start -->\n\n${part()}\n<!-- deno-fmt-ignore-end -->\n<!-- end of ${name} -->`;
    },
  );
  for (const name of Object.keys(GENERATED_PARTS)) {
    if (!placed.has(name)) {
      throw new ToolchainError(
        `README.md has no place for the generated part "${name}", expected <!-- generated: ${name} --> and <!-- end of ${name} -->`,
      );
    }
  }
  return result;
}

const HELP = `NAME
  readme - write the generated parts of README.md anew

SYNOPSIS
  deno task readme

DESCRIPTION
  Each part stands between <!-- generated: NAME --> and <!-- end of NAME -->,
  and is made of the tables that the programs themselves use. A test fails where
  one is stale.

PARTS
${Object.keys(GENERATED_PARTS).map((name) => `  ${name}`).join("\n")}

EXIT STATUS
  0  done
  1  a part has no place, or a place has no part
  2  wrong usage

EXAMPLES
  deno task readme
  deno task bench --report && deno task readme`;

/** The command `deno task readme`. */
export async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(HELP);
    return 0;
  }
  if (args.length > 0) {
    console.error(
      `readme: unknown argument "${args[0]}"; see deno task readme --help`,
    );
    return 2;
  }
  try {
    const text = await Deno.readTextFile(README_PATH);
    const updated = withGeneratedParts(text);
    if (updated !== text) await Deno.writeTextFile(README_PATH, updated);
    say(`readme: ${updated === text ? "up to date" : "written"}`);
    return 0;
  } catch (error) {
    if (!(error instanceof ToolchainError)) throw error;
    console.error(`readme: ${error.message}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
