import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  CONTAINER_HELP,
  type ContainerOptions,
  ContainerUsageError,
  NOT_FORWARDED,
  parseContainerArguments,
} from "../../../lib/init/container_arguments.ts";

function parse(...args: string[]): ContainerOptions {
  const options = parseContainerArguments(args);
  if (options === "help") throw new Error("help was not asked for");
  return options;
}

Deno.test("parseContainerArguments takes a command with any words after --", () => {
  const words = ["--", "server", "--group", "-v", "--", "", "--help"];
  const options = parse(...words);
  assertEquals(options, {
    command: words.slice(1),
    scope: "command",
    rewrite: new Map(),
    remap: new Map(),
    verbose: false,
  });
});

Deno.test("parseContainerArguments takes every option, long and short, with = or a space", () => {
  const long = parse(
    "--group",
    "--rewrite=15:2",
    "--rewrite",
    "HUP:0",
    "--rewrite=RTMIN+1:USR1",
    "--parent-death=KILL",
    "--remap",
    "143",
    "--remap=137:5",
    "--verbose",
    "--",
    "x",
  );
  const short = parse(
    ..."-g -r TERM:SIGINT -r 1:0 -r 35:10 -p 9 -e 143:0 -e 137:5 -v -- x".split(
      " ",
    ),
  );
  assertEquals(long, short);
  assertEquals(long, {
    command: ["x"],
    scope: "group",
    rewrite: new Map([[15, 2], [1, 0], [35, 10]]),
    parentDeath: 9,
    remap: new Map([[143, 0], [137, 5]]),
    verbose: true,
  });
  assertEquals(parse("--setsid", "--", "x").scope, "session");
  assertEquals(parse("-s", "--", "x").scope, "session");
});

Deno.test("parseContainerArguments lets the last of equal rewrites and remaps win", () => {
  const options = parse(
    "-r",
    "15:2",
    "-r",
    "15:3",
    "-e",
    "1:2",
    "-e",
    "1:3",
    "--",
    "x",
  );
  assertEquals([...options.rewrite], [[15, 3]]);
  assertEquals([...options.remap], [[1, 3]]);
});

Deno.test("parseContainerArguments answers help before it looks for a command, and not after --", () => {
  assertEquals(parseContainerArguments(["--help"]), "help");
  assertEquals(parseContainerArguments(["-v", "-h", "--", "x"]), "help");
  assertEquals(parse("--", "-h").command, ["-h"]);
});

Deno.test("parseContainerArguments says what it met and what it expected", () => {
  for (
    const [line, message] of [
      ["", "expected a command after --"],
      ["--", "expected a command after --"],
      ["--group", "expected a command after --"],
      ["sleep 1", 'met "sleep", expected an option or -- before the command'],
      ["--grp -- x", 'unknown option "--grp"'],
      ["-gv -- x", 'unknown option "-gv"'],
      ["--toString -- x", 'unknown option "--toString"'],
      ["--group=1 -- x", '--group takes no value, met "--group=1"'],
      ["--group --setsid -- x", "--group and --setsid exclude each other"],
      ["--rewrite", "--rewrite expects a value"],
      ["--rewrite 15 -- x", '--rewrite expects FROM:TO, met "15"'],
      ["--rewrite 15:2:3 -- x", '--rewrite expects FROM:TO, met "15:2:3"'],
      [
        "--rewrite 15:NO -- x",
        '--rewrite expects a signal such as TERM or 15, met "NO"',
      ],
      [
        "--rewrite :2 -- x",
        '--rewrite expects a signal such as TERM or 15, met ""',
      ],
      [
        "--rewrite 0:2 -- x",
        '--rewrite expects a signal such as TERM or 15, met "0"',
      ],
      [
        "--rewrite KILL:2 -- x",
        "--rewrite can't take SIGKILL, which is never forwarded",
      ],
      [
        "--rewrite CHLD:2 -- x",
        "--rewrite can't take SIGCHLD, which is never forwarded",
      ],
      [
        "--parent-death 0 -- x",
        '--parent-death expects a signal such as TERM or 15, met "0"',
      ],
      [
        "--remap 256 -- x",
        '--remap expects CODE or CODE:TO with codes from 0 to 255, met "256"',
      ],
      ["--remap 1:2:3 -- x", "--remap expects CODE or CODE:TO"],
      ["--remap -1 -- x", "--remap expects CODE or CODE:TO"],
      ["--remap 1: -- x", "--remap expects CODE or CODE:TO"],
    ] as const
  ) {
    const error = assertThrows(
      () => parseContainerArguments(line === "" ? [] : line.split(" ")),
      ContainerUsageError,
      message,
      line,
    );
    assertEquals(error.name, "ContainerUsageError");
  }
  assertThrows(
    () => parseContainerArguments(["--", ""]),
    ContainerUsageError,
    "the command is empty",
  );
});

Deno.test("CONTAINER_HELP names every option and every exit code", () => {
  for (
    const text of [
      "--group",
      "--setsid",
      "--rewrite",
      "--parent-death",
      "--remap",
      "--verbose",
      "--help",
      "125",
      "126",
      "127",
      "128+N",
    ]
  ) assertStringIncludes(CONTAINER_HELP, text);
});

Deno.test("NOT_FORWARDED holds what can't be caught, children's ends, and our own faults", () => {
  assertEquals([...NOT_FORWARDED].sort((a, b) => a - b), [
    4,
    5,
    7,
    8,
    9,
    11,
    17,
    19,
    31,
  ]);
});
