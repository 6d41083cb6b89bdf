/**
 * Compiles this project's programs into rootfs/out/bin: the init, and the
 * tools for the host. It imports compile.ts and rootfs/toolchain.
 */
import {
  compileProgram,
  INIT_PERMISSIONS,
  INIT_V8_FLAGS,
  type Program,
} from "./compile.ts";
import { exists } from "./toolchain/cache.ts";
import { REPOSITORY } from "./toolchain/environment.ts";
import { say, ToolchainError } from "./toolchain/report.ts";

const OUTPUT_FOLDER = `${REPOSITORY}/rootfs/out/bin`;

function programs(): Program[] {
  const make = (
    name: string,
    rest: Omit<Program, "entry" | "output">,
  ): Program => ({
    entry: `${REPOSITORY}/cmd/${name}/main.ts`,
    output: `${OUTPUT_FOLDER}/${name}`,
    ...rest,
  });
  const forHost = {
    permissions: ["--allow-all", "--no-prompt"],
    v8Flags: [],
    bundled: false,
  };
  return [
    make("spaceos-init", {
      permissions: INIT_PERMISSIONS,
      v8Flags: INIT_V8_FLAGS,
      bundled: true,
    }),
    make("spaceos-disk", forHost),
    make("spaceosctl", {
      ...forHost,
      include: [`${REPOSITORY}/cmd/spaceosctl/dashboard`],
    }),
  ];
}

/** The command `deno task compile`. */
export async function main(names: readonly string[]): Promise<number> {
  const all = programs();
  const nameOf = ({ output }: Program): string =>
    output.slice(OUTPUT_FOLDER.length + 1);
  const known = all.map(nameOf).join(", ");
  if (names.includes("--help") || names.includes("-h")) {
    console.log(`Compiles programs into rootfs/out/bin.

Usage: deno task compile [NAME...]

The names are ${known}; without one, all that are there are compiled.

Exit status: 0 done, 1 failed, 2 wrong usage.`);
    return 0;
  }
  const wrong = names.find((name) =>
    !all.some((program) => nameOf(program) === name)
  );
  if (wrong !== undefined) {
    console.error(
      `compile: there is no program "${wrong}"; expected one of ${known}`,
    );
    return 2;
  }
  try {
    for (const program of all) {
      if (
        names.length > 0
          ? !names.includes(nameOf(program))
          : !await exists(program.entry)
      ) continue;
      say(await compileProgram(program));
    }
    return 0;
  } catch (error) {
    if (!(error instanceof ToolchainError)) throw error;
    console.error(`compile: ${error.message}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
