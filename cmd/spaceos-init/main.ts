/**
 * `spaceos-init`: PID 1 of a small VM, and a few things that its executable
 * does besides. Each loads only what it needs: a boot does not pay for the
 * others.
 *
 * @module
 */

const FIRST_LINE_MS = performance.now();

/** A word of the command line, and what it does. Returns the exit code. */
type Subcommand = (args: readonly string[]) => Promise<number>;

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  check: async (args) => {
    const { checkDefinitions } = await import("./definitions.ts");
    return checkDefinitions(args);
  },
  graph: async (args) => {
    const { printGraph } = await import("./definitions.ts");
    return printGraph(args);
  },
  schema: async (args) => {
    const { printSchema } = await import("./definitions.ts");
    return printSchema(args);
  },
  demo: async (args) => {
    const { runDemo } = await import("./demo.ts");
    return await runDemo(args);
  },
};

/**
 * Whether this is the machine's process 1. The kernel gives that one every word
 * of its command line that it does not know itself, so no word may keep it from
 * being the init. Process 1 of a container has words that were meant for it.
 */
function isInit(args: readonly string[]): boolean {
  if (Deno.pid !== 1) return false;
  const isForUs = args.includes("--") || args.includes("--help") ||
    Object.hasOwn(SUBCOMMANDS, args[0] ?? "");
  return !isForUs || !isContainer();
}

/** A machine that has just started has no /proc; a container has its own PID namespace. */
function isContainer(): boolean {
  try {
    return Deno.readLinkSync("/proc/self/ns/pid") !== "pid:[4026531836]";
  } catch {
    return false;
  }
}

if (isInit(Deno.args)) {
  const { runInit } = await import("../../lib/init/run_init.ts");
  await runInit(FIRST_LINE_MS);
} else {
  Deno.exit(await main(Deno.args));
}

async function main(args: readonly string[]): Promise<number> {
  const [first] = args;
  if (args.includes("--")) {
    const { containerMode } = await import("./container_mode.ts");
    return await containerMode(args);
  }
  if (first === "--help" || first === "-h") {
    const { HELP } = await import("./help.ts");
    print(HELP);
    return 0;
  }
  if (first === "--version" || first === "-V") {
    const { VERSION } = await import("../command_line/version.ts");
    print(`spaceos-init ${VERSION}\n`);
    return 0;
  }
  const subcommand = first !== undefined && Object.hasOwn(SUBCOMMANDS, first)
    ? SUBCOMMANDS[first]
    : undefined;
  if (subcommand !== undefined) {
    const words = args.slice(1);
    if (!words.includes("--help") && !words.includes("-h")) {
      return await subcommand(words);
    }
    const { COMMAND_HELP } = await import("./help.ts");
    print(COMMAND_HELP[first ?? ""] ?? "");
    return 0;
  }
  const met = first === undefined
    ? `no arguments in process ${Deno.pid}, which is not process 1`
    : JSON.stringify(first);
  const expected = `${
    Object.keys(SUBCOMMANDS).join(", ")
  }, or -- and a command; see --help`;
  console.error(`spaceos-init: met ${met}, expected ${expected}`);
  return 2;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
