/**
 * Every command line: the kernel's, container mode's, and those of spaceos-disk
 * and the switch. Whatever the words are, there are options or one clear error,
 * never anything else.
 */
import { assert, assertEquals } from "@std/assert";
import type { Command } from "../../../cmd/spaceos-disk/command.ts";
import * as diskCheck from "../../../cmd/spaceos-disk/check.ts";
import * as diskProducts from "../../../cmd/spaceos-disk/dp.ts";
import * as diskEvents from "../../../cmd/spaceos-disk/events.ts";
import * as diskFormat from "../../../cmd/spaceos-disk/format.ts";
import * as diskInspect from "../../../cmd/spaceos-disk/inspect.ts";
import * as diskParameters from "../../../cmd/spaceos-disk/param.ts";
import { CommandError } from "../../../cmd/command_line/error.ts";
import { ExitCode } from "../../../cmd/spaceos-disk/exit_code.ts";
import {
  parseArguments,
  parseInteger,
  parseSize,
} from "../../../cmd/command_line/options.ts";
import { COMMANDS } from "../../../cmd/spaceosctl/commands.ts";
import { optionsOf } from "../../../cmd/spaceosctl/help.ts";
import { parseSwitchArguments } from "../../../cmd/spaceosctl/switch.ts";
import {
  diskCandidates,
  LOG_LEVELS,
  parseCommandLine,
  splitCommandLine,
} from "../../../lib/init/command_line.ts";
import {
  ContainerUsageError,
  isContainerCommandLine,
  parseContainerArguments,
} from "../../../lib/init/container_arguments.ts";
import type { Random } from "../random.ts";
import {
  fuzz,
  LIMITS,
  mutateText,
  shrinkText,
  shrinkWords,
  type Target,
} from "./fuzz.ts";

/** Words of a command line, some right, some broken. */
function drawWords(random: Random, words: readonly string[]): string[] {
  return Array.from({ length: random.below(8) }, () => {
    const word = random.pick(words);
    return random.chance(3, 4) ? word : mutateText(random, word, words);
  });
}

const wordTarget = (
  name: string,
  words: readonly string[],
  check: (args: readonly string[]) => void,
): Target<readonly string[]> => ({
  name,
  draw: (random) => drawWords(random, words),
  check,
  shrink: shrinkWords,
  show: JSON.stringify,
});

const KERNEL_WORDS: readonly string[] = [
  "spaceos.disk=/dev/vdb",
  "spaceos.safe",
  "spaceos.safe=1",
  "spaceos.log=debug",
  "spaceos.services=/run/s",
  "spaceos.watchdog=30",
  "spaceos.page=ivshmem",
  "spaceos.",
  "spaceos.nonsense=1",
  "console=ttyS0",
  "quiet",
  '"a b"',
  '"',
  "--",
  "=",
];

Deno.test("the kernel command line always gives options, and a warning for each word of ours that is wrong", () => {
  fuzz<string>({
    name: "kernel command line",
    draw: (random) =>
      mutateText(
        random,
        drawWords(random, KERNEL_WORDS).join(random.pick([" ", "\t", "  "])),
        KERNEL_WORDS,
      ),
    check: (text) => {
      const words = splitCommandLine(text);
      assert(words.every((word) => !word.includes('"')));
      const options = parseCommandLine(text);
      const ours = words.filter((word) => word.startsWith("spaceos."));
      assert(options.warnings.length <= ours.length);
      assert(LOG_LEVELS.includes(options.logLevel));
      assert(options.servicesPath.startsWith("/"));
      assert(Number.isInteger(options.watchdogTimeoutSeconds));
      assert(options.watchdogTimeoutSeconds >= 0);
      assert(options.watchdogTimeoutSeconds <= 3600);
      assert(options.pagePath === undefined || options.pagePath !== "");
      assert(diskCandidates(options).every((path) => path.startsWith("/")));
      // Nothing behind `--` is ours.
      const behind = parseCommandLine(`-- ${text}`);
      assertEquals(behind, parseCommandLine(""));
    },
    shrink: shrinkText,
    show: JSON.stringify,
  });
});

Deno.test("container mode's words give a command to run, help, or a usage error", () => {
  let taken = 0;
  fuzz(wordTarget(
    "container mode",
    [
      "-g",
      "--group",
      "-s",
      "--setsid",
      "-v",
      "-h",
      "--rewrite=TERM:INT",
      "-r",
      "15:0",
      "RTMIN+3:9",
      "--parent-death",
      "SIGKILL",
      "-e",
      "3:0",
      "--remap=255",
      "--",
      "--",
      "/bin/true",
      "",
    ],
    (args) => {
      let options;
      try {
        options = parseContainerArguments(args);
      } catch (error) {
        assert(error instanceof ContainerUsageError, String(error));
        assert(error.message.length > 0);
        return;
      }
      if (options === "help") return;
      taken++;
      assert(isContainerCommandLine(args));
      assertEquals(options.command, args.slice(args.indexOf("--") + 1));
      assert(options.command[0] !== "");
      for (const [from, to] of options.rewrite) {
        assert(from >= 1 && from <= 64 && to >= 0 && to <= 64);
        assert(from !== 9 && from !== 19, "can't be caught");
      }
      for (const [from, to] of options.remap) {
        assert(from >= 0 && from <= 255 && to >= 0 && to <= 255);
      }
    },
  ));
  assert(taken > 0);
});

const DISK_COMMANDS: readonly Command[] = [
  diskCheck,
  diskProducts,
  diskEvents,
  diskFormat,
  diskInspect,
  diskParameters,
].flatMap((module) =>
  Object.values(module).filter((value): value is Command =>
    typeof value === "object" && value !== null && "options" in value
  )
);

Deno.test("the options of every command of spaceos-disk are read, or refused with exit code 64", () => {
  assert(DISK_COMMANDS.length >= 10, `${DISK_COMMANDS.length} commands`);
  for (const [index, { options }] of DISK_COMMANDS.entries()) {
    const words = Object.entries(options).flatMap(([name, { letter }]) => [
      `--${name}`,
      `--${name}=1`,
      ...(letter === undefined ? [] : [`-${letter}`, `-${letter}7`]),
    ]);
    fuzz(
      wordTarget(
        `spaceos-disk ${index}`,
        [...words, "disk.img", "--", "-", "-1", "64M", "0x10", "--__proto__"],
        (args) => {
          try {
            const read = parseArguments(args, options);
            for (const name of Object.keys(options)) {
              read.integer(name, 0, 10);
            }
            assert(read.operands.length <= args.length);
          } catch (error) {
            assert(error instanceof CommandError, String(error));
            assertEquals(error.exitCode, ExitCode.USAGE);
          }
        },
      ),
      { seed: LIMITS.seed, cases: LIMITS.cases / 4, budgetMs: 500 },
    );
  }
});

Deno.test("the options of every command of spaceosctl are read, or refused with exit code 64", () => {
  const commands = Object.entries(COMMANDS);
  assert(commands.length >= 20, `${commands.length} commands`);
  for (const [name, command] of commands) {
    if (command.scope === "raw") continue;
    const options = optionsOf(command);
    const words = Object.entries(options).flatMap(([option, { letter }]) => [
      `--${option}`,
      `--${option}=1`,
      ...(letter === undefined ? [] : [`-${letter}`, `-${letter}7`]),
    ]);
    fuzz(
      wordTarget(
        `spaceosctl ${name}`,
        [...words, "web", "vm*.sock", "--", "-", "0x10", "--__proto__"],
        (args) => {
          try {
            const read = parseArguments(args, options);
            for (const option of Object.keys(options)) {
              read.integer(option, 0, 10);
            }
          } catch (error) {
            assert(error instanceof CommandError, String(error));
            assertEquals(error.exitCode, ExitCode.USAGE);
          }
        },
      ),
      { seed: LIMITS.seed, cases: LIMITS.cases / 4, budgetMs: 400 },
    );
  }
});

Deno.test("numbers and sizes are whole and in their range, or refused", () => {
  fuzz<string>({
    name: "numbers",
    draw: (random) =>
      mutateText(
        random,
        random.pick(["0", "17", "0x1F", "64M", "1G", "4KiB", "-5", "1e3", "٣"]),
        ["0", "9", "K", "M", "x", ".", "-", "e"],
      ),
    check: (text) => {
      for (
        const read of [
          () => parseInteger("--n", text, 0, 1000),
          () => parseSize("--size", text),
        ]
      ) {
        try {
          const value = read();
          assert(Number.isSafeInteger(value) && value >= 0, `${value}`);
        } catch (error) {
          assert(error instanceof CommandError, String(error));
        }
      }
    },
    shrink: shrinkText,
    show: JSON.stringify,
  });
});

Deno.test("the switch's words name a file to run or to check, or what was expected", () => {
  fuzz(wordTarget(
    "spaceosctl switch",
    ["run", "check", "example", "--config", "--config=f", "-v", "--help", "f"],
    (args) => {
      const parsed = parseSwitchArguments(args);
      if (typeof parsed === "string") return;
      if ("usage" in parsed) assert(parsed.usage.length > 0);
      else assert(parsed.configPath !== "" && args.includes(parsed.action));
    },
  ));
});
