/**
 * The tasks of deno.json. This runs before anything is resolved, so it imports
 * nothing outside rootfs/toolchain: it finds out what the machine reaches,
 * makes ready what is missing, and starts the real programs with the right
 * configuration. `deno task help` shows the tasks.
 */
import { runInherited } from "./command.ts";
import {
  type Environment,
  prepareEnvironment,
  REPOSITORY,
} from "./environment.ts";
import { NETWORK_VARIABLE, probeNetwork } from "./network.ts";
import { rehearsePublication } from "./publish.ts";
import { say, ToolchainError } from "./report.ts";
import { asksForHelp, CHECK_HELP, HELP, TEST_HELP } from "./task_help.ts";
import { LONG_VARIABLE } from "./test_limit.ts";
import {
  failureReport,
  type SuiteResult,
  type TestFailure,
} from "./test_report.ts";
import {
  findSuites,
  runLimited,
  runSuite,
  type TestSuite,
} from "./test_run.ts";

/** Runs `deno` with the machine's configuration. */
function deno(
  environment: Environment,
  subcommand: string,
  args: readonly string[],
  options: { cwd?: string; variables?: Readonly<Record<string, string>> } = {},
): Promise<number> {
  return runInherited([Deno.execPath(), subcommand, ...args], {
    cwd: options.cwd ?? REPOSITORY,
    env: { ...environment.variables, ...options.variables },
  });
}

/** Runs one of the repository's programs, in the folder from which the task was called. */
function program(
  environment: Environment,
  path: string,
  args: readonly string[],
): Promise<number> {
  return deno(environment, "run", programArguments(environment, path, args), {
    cwd: Deno.env.get("INIT_CWD") ?? Deno.cwd(),
  });
}

/** The arguments of `deno run` for one of the repository's programs. */
function programArguments(
  environment: Environment,
  path: string,
  args: readonly string[],
): string[] {
  return [
    "--allow-all",
    "--no-prompt",
    "--no-lock",
    ...environment.configArguments,
    `${REPOSITORY}/${path}`,
    ...args,
  ];
}

/** Runs a suite, after what it needs was made. */
async function prepareAndRun(
  suite: TestSuite,
  environment: Environment,
  variables: Readonly<Record<string, string>>,
): Promise<SuiteResult> {
  if (suite.name === "vm") {
    // The tests boot what is built here, once for all of them.
    const { success, end, reader } = await runLimited(
      suite.name,
      [
        "run",
        ...programArguments(environment, "rootfs/image_command.ts", [
          "--for-tests",
        ]),
      ],
      environment.variables,
    );
    if (!success) return reader.fail("the image could not be built", end);
  }
  return await runSuite(suite, environment, variables);
}

async function test(
  environment: Environment,
  wanted: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<number> {
  const suites = findSuites();
  for (const name of wanted) {
    if (!suites.some((suite) => suite.name === name)) {
      console.error(
        `test: there is no suite "${name}", expected one of ${
          suites.map((suite) => suite.name).join(", ")
        }; see deno task test --help`,
      );
      return 2;
    }
  }
  const chosen = wanted.length === 0
    ? suites
    : suites.filter(({ name }) => wanted.includes(name));
  let passed = 0;
  let failed = 0;
  const failures: TestFailure[] = [];
  for (const suite of chosen) {
    const result = await prepareAndRun(suite, environment, variables);
    passed += result.counts.passed;
    failed += result.counts.failed;
    failures.push(...result.failures);
  }
  for (const line of failureReport(failures)) console.log(line);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** Folders with source text. */
const SOURCES = ["mod.ts", "lib", "cmd", "tests", "rootfs"];

function existing(paths: readonly string[]): string[] {
  return paths.filter((path) => {
    try {
      Deno.statSync(`${REPOSITORY}/${path}`);
      return true;
    } catch {
      return false;
    }
  });
}

function typescriptFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) return typescriptFiles(path);
    return entry.isFile && entry.name.endsWith(".ts") ? [path] : [];
  }).sort();
}

/** Builds the library's pages, as they would be served, and throws them away. */
async function buildPages(environment: Environment): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-pages-" });
  try {
    return await deno(environment, "doc", [
      "--html",
      "--name=@spaceos/pid1",
      `--output=${folder}`,
      `${REPOSITORY}/mod.ts`,
    ], { cwd: environment.configFolder });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function check(environment: Environment): Promise<number> {
  const sources = existing(SOURCES);
  const { configArguments } = environment;
  const library = existing(["mod.ts", "lib"]).flatMap((path) =>
    path.endsWith(".ts")
      ? [`${REPOSITORY}/${path}`]
      : typescriptFiles(`${REPOSITORY}/${path}`)
  );
  const steps: [string, () => Promise<number>][] = [
    ["fmt", () => deno(environment, "fmt", ["--check"])],
    ["lint", () => deno(environment, "lint", [...configArguments, ...sources])],
    [
      "check",
      () =>
        deno(environment, "check", [
          // The examples of the documentation, too.
          "--doc",
          "--no-lock",
          ...configArguments,
          ...sources,
        ]),
    ],
    // deno doc has no --config: it takes the one of its working directory.
    [
      "doc",
      () =>
        deno(environment, "doc", ["--lint", ...library], {
          cwd: environment.configFolder,
        }),
    ],
    ["pages", () => buildPages(environment)],
    ["publish", () => rehearsePublication(environment)],
  ];
  const failed: string[] = [];
  for (const [name, step] of steps) {
    say(`\n== ${name}`);
    if (await step() !== 0) failed.push(name);
  }
  say(
    failed.length === 0
      ? "\ncheck: all clean"
      : `\ncheck: failed: ${failed.join(", ")}`,
  );
  return failed.length === 0 ? 0 : 1;
}

/** Tasks whose output is for people, and that may fetch things: they say what they found. */
const TALKATIVE = [
  "boot",
  "image",
  "test",
  "test:long",
  "bench",
  "check",
  "readme",
  "compile",
];

/** The help of the tasks that are done here. */
const OWN_HELP: Readonly<Record<string, string>> = {
  check: CHECK_HELP,
  test: TEST_HELP,
  "test:long": TEST_HELP,
};

async function main(
  [name = "help", ...args]: readonly string[],
): Promise<number> {
  if (["help", "--help", "-h"].includes(name)) {
    console.log(HELP);
    return 0;
  }
  if (![...TALKATIVE, "disk", "ctl"].includes(name)) {
    console.error(`there is no task "${name}"; see deno task help`);
    return 2;
  }
  const ownHelp = OWN_HELP[name];
  if (ownHelp !== undefined && asksForHelp(args)) {
    console.log(ownHelp);
    return 0;
  }
  const finding = await probeNetwork(Deno.env.get(NETWORK_VARIABLE));
  if (TALKATIVE.includes(name) && !asksForHelp(args)) say(finding.reason);
  const environment = prepareEnvironment(finding.network);
  switch (name) {
    case "boot":
      return await program(environment, "rootfs/boot.ts", args);
    case "image":
      return await program(environment, "rootfs/image_command.ts", args);
    case "compile":
      return await program(environment, "rootfs/compile_all.ts", args);
    case "readme":
      return await program(environment, "rootfs/readme.ts", args);
    case "disk":
      return await program(environment, "cmd/spaceos-disk/main.ts", args);
    case "ctl":
      return await program(environment, "cmd/spaceosctl/main.ts", args);
    case "bench":
      return await program(environment, "tests/bench/main.ts", args);
    case "test":
      return await test(environment, args, {});
    case "test:long":
      return await test(environment, args, { [LONG_VARIABLE]: "1" });
    default:
      if (args[0] !== undefined) {
        console.error(
          `check: unknown argument "${
            args[0]
          }", expected none; see deno task check --help`,
        );
        return 2;
      }
      return await check(environment);
  }
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  if (!(error instanceof ToolchainError)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
