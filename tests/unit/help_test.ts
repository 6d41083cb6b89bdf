/**
 * Every program, subcommand and task has help of one shape, as man-pages(7) has
 * it: what it is, how it is called, what it does, its options, how it ends, and
 * examples, which are right.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type OptionTable,
  parseArguments,
} from "../../cmd/command_line/options.ts";
import { requireOperands } from "../../cmd/command_line/subcommand.ts";
import { COMMANDS as DISK_COMMANDS } from "../../cmd/spaceos-disk/commands.ts";
import { EXAMPLES as DISK_EXAMPLES } from "../../cmd/spaceos-disk/examples.ts";
import * as diskHelp from "../../cmd/spaceos-disk/help.ts";
import {
  COMMAND_HELP,
  HELP as INIT_HELP,
} from "../../cmd/spaceos-init/help.ts";
import { COMMANDS as CTL_COMMANDS } from "../../cmd/spaceosctl/commands.ts";
import { EXAMPLES as CTL_EXAMPLES } from "../../cmd/spaceosctl/examples.ts";
import * as ctlHelp from "../../cmd/spaceosctl/help.ts";
import { CONTAINER_HELP } from "../../lib/init/container_arguments.ts";
import { run } from "../../rootfs/toolchain/command.ts";
import {
  currentEnvironment,
  REPOSITORY,
} from "../../rootfs/toolchain/environment.ts";
import { programCommand } from "../fixtures/program_command.ts";

/** The sections, in the order in which they stand; a text may have others between them. */
const ORDER = [
  "NAME",
  "SYNOPSIS",
  "DESCRIPTION",
  "OPTIONS",
  "EXIT STATUS",
  "ENVIRONMENT",
  "EXAMPLES",
];

const REQUIRED = ["NAME", "SYNOPSIS", "EXIT STATUS", "EXAMPLES"];

/** What a help text lacks, in words. */
function faults(text: string, name: string): string[] {
  const lines = text.trimEnd().split("\n");
  const heads = lines.filter((line) => /^[A-Z]/.test(line));
  const known = heads.filter((head) => ORDER.includes(head));
  return [
    ...REQUIRED.filter((section) => !heads.includes(section))
      .map((section) => `has no ${section}`),
    ...known.filter((head, at) =>
      at > 0 && ORDER.indexOf(head) <= ORDER.indexOf(known[at - 1] ?? "")
    ).map((head) => `has ${head} too late, or twice`),
    ...lines.filter((line) => line.length > 80 || /\s$/.test(line))
      .map((line) => `is wider than a terminal, or ends in space: ${line}`),
    ...(lines[1]?.startsWith(`  ${name} - `)
      ? []
      : [`begins with ${lines[1]}, expected ${name} - ...`]),
    ...(/--help\b/.test(text) && /^OPTIONS$/m.test(text) &&
        !/^ +(-h, )?--help/m.test(text)
      ? ["does not list --help"]
      : []),
  ];
}

function judge(texts: Readonly<Record<string, string>>): void {
  const met = Object.entries(texts).flatMap(([name, text]) =>
    faults(text, name).map((fault) => `${name} ${fault}`)
  );
  assertEquals(met, []);
}

Deno.test("the help of a program that misses a section, or is too wide, is seen", () => {
  const good =
    "NAME\n  x - y\n\nSYNOPSIS\n  x\n\nEXIT STATUS\n  0  done\n\nEXAMPLES\n  x\n";
  assertEquals(faults(good, "x"), []);
  assertEquals(faults(good.replace("EXAMPLES", "END"), "x"), [
    "has no EXAMPLES",
  ]);
  assertEquals(
    faults(good.replace("  0", `  ${"0".repeat(80)}`), "x").length,
    1,
  );
  assertEquals(faults(good, "y"), ["begins with   x - y, expected y - ..."]);
  assertEquals(faults(good.replace("SYNOPSIS", "EXIT STATUS"), "x"), [
    "has no SYNOPSIS",
    "has EXIT STATUS too late, or twice",
  ]);
});

Deno.test("spaceos-init and its subcommands have help of one shape", () => {
  judge({
    "spaceos-init": INIT_HELP,
    "spaceos-init --": CONTAINER_HELP,
    ...Object.fromEntries(
      Object.entries(COMMAND_HELP).map(([name, text]) => [
        `spaceos-init ${name}`,
        text,
      ]),
    ),
  });
});

Deno.test("spaceos-disk and its subcommands have help of one shape", () => {
  judge({
    "spaceos-disk": diskHelp.generalHelp(DISK_COMMANDS),
    ...Object.fromEntries(
      Object.entries(DISK_COMMANDS).map(([name, command]) => [
        `spaceos-disk ${name}`,
        diskHelp.commandHelp(name, command),
      ]),
    ),
  });
});

/** Runs a program of the repository. */
const runProgram = (main: string, ...args: string[]) =>
  run([...programCommand(main), ...args], {
    env: { ...currentEnvironment().variables, NO_COLOR: "1" },
  });

Deno.test("spaceosctl and its subcommands have help of one shape", async () => {
  const own = Object.entries(CTL_COMMANDS).filter(([, { scope }]) =>
    scope !== "raw"
  );
  const { stdout: text } = await runProgram(
    "cmd/spaceosctl/main.ts",
    "switch",
    "--help",
  );
  judge({
    "spaceosctl": ctlHelp.generalHelp(CTL_COMMANDS),
    "spaceosctl switch": text,
    ...Object.fromEntries(own.map(([name, command]) => [
      `spaceosctl ${name}`,
      ctlHelp.commandHelp(name, command),
    ])),
  });
});

/** The words of a command line, as a shell would cut it. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) =>
    quoted ?? plain ?? ""
  );

Deno.test("the examples of each subcommand are command lines that it takes", () => {
  const programs: readonly (readonly [
    Readonly<Record<string, readonly string[]>>,
    Readonly<Record<string, { operands: readonly string[] }>>,
    (name: string) => OptionTable,
  ])[] = [
    [
      DISK_EXAMPLES,
      DISK_COMMANDS,
      (name) => {
        const command = DISK_COMMANDS[name];
        assert(command !== undefined, name);
        return diskHelp.optionsOf(command);
      },
    ],
    [
      CTL_EXAMPLES,
      Object.fromEntries(
        Object.entries(CTL_COMMANDS).filter(([, { scope }]) => scope !== "raw"),
      ),
      (name) => {
        const command = CTL_COMMANDS[name];
        assert(command !== undefined, name);
        return ctlHelp.optionsOf(command);
      },
    ],
  ];
  for (const [examples, commands, optionsOf] of programs) {
    assertEquals(Object.keys(examples), Object.keys(commands));
    for (const [name, lines] of Object.entries(examples)) {
      for (const line of lines) {
        assert(line.startsWith(name), `${line} begins with ${name}`);
        const words = wordsOf(line.slice(name.length));
        const { operands } = parseArguments(words, optionsOf(name));
        requireOperands(name, commands[name]?.operands ?? [], operands);
      }
    }
  }
});

const { tasks }: { tasks: Record<string, string> } = JSON.parse(
  Deno.readTextFileSync(`${REPOSITORY}/deno.json`),
);
const taskNames = Object.keys(tasks).filter((name) => name !== "help");
const task = (...args: string[]) =>
  runProgram("rootfs/toolchain/task.ts", ...args);

Deno.test("each task has help of one shape, and nothing on standard error with it", async () => {
  const { stdout: overview } = await task("help");
  judge({ "deno task": overview });
  const texts: Record<string, string> = {};
  const own = taskNames.filter((name) => !["disk", "ctl"].includes(name));
  for (const name of own) {
    assertMatch(overview, new RegExp(`^  ${name}\\b`, "m"));
    const { code, stdout: text, stderr: errors } = await task(name, "--help");
    assertEquals([code, errors], [0, ""], name);
    texts[name === "test:long" ? "test" : name] = text;
  }
  judge(texts);
  for (
    const [name, program] of [["disk", "spaceos-disk"], ["ctl", "spaceosctl"]]
  ) {
    const { stdout: text } = await task(name ?? "", "--help");
    assertMatch(text, new RegExp(`^NAME\n  ${program} - `));
  }
});

Deno.test("README.md and the tasks name the same tasks", () => {
  const readme = Deno.readTextFileSync(`${REPOSITORY}/README.md`);
  const [, section = ""] = /^## Tasks\n([\s\S]*?)^## /m.exec(readme) ?? [];
  const named = [...section.matchAll(/^\| `([a-z:]+)` /gm)].map(([, name]) =>
    name
  );
  assertEquals(named.sort(), Object.keys(tasks).sort());
});

Deno.test("a task that is called wrongly says so in one line, and where to read more", async () => {
  for (
    const [args, pattern] of [
      [
        ["test", "nothing"],
        /^test: there is no suite "nothing", expected one of unit, doc.*; see deno task test --help$/m,
      ],
      [
        ["check", "more"],
        /^check: unknown argument "more", expected none; see/m,
      ],
      [["boot", "--nothing"], /^boot: unknown argument "--nothing"; see/m],
      [["image", "--nothing"], /^image: unknown argument "--nothing"; see/m],
      [
        ["compile", "nothing"],
        /^compile: there is no program "nothing", expected/m,
      ],
      [["readme", "nothing"], /^readme: unknown argument "nothing"; see/m],
      [["nothing"], /^there is no task "nothing"; see deno task help$/m],
    ] as const
  ) {
    const { code, stdout: text, stderr: errors } = await task(...args);
    assertMatch(errors, pattern);
    assertEquals([code, text], [2, ""]);
  }
});
