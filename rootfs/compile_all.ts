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
    console.log(`NAME
  compile - compile the programs into rootfs/out/bin

SYNOPSIS
  deno task compile [NAME...]

DESCRIPTION
  Makes each program one executable for x86-64 Linux with glibc, which needs
  neither Deno nor a network. Without NAME all are compiled:
  ${known}.

EXIT STATUS
  0  done
  1  something is missing, or the compiler failed
  2  there is no such program

ENVIRONMENT
  SPACEOS_NETWORK  open or closed, instead of the probe
  DENORT_BIN       the runtime for deno compile
  XDG_CACHE_HOME   where downloads are kept (default ~/.cache)

EXAMPLES
  deno task compile
  deno task compile spaceosctl`);
    return 0;
  }
  const wrong = names.find((name) =>
    !all.some((program) => nameOf(program) === name)
  );
  if (wrong !== undefined) {
    console.error(
      `compile: there is no program "${wrong}", expected one of ${known}; see deno task compile --help`,
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
