/**
 * `spaceosctl completion`: scripts with which bash, zsh and fish complete its
 * command lines, generated from the command table.
 *
 * @module
 */

import { usageError } from "../command_line/error.ts";
import { type Option, quote } from "../command_line/options.ts";
import type { Command, CommandTable, LocalCommand } from "./command.ts";
import { ExitCode } from "./exit_code.ts";
import { optionsOf } from "./help.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

/** The subcommand `completion` of a table. */
export function completionOf(commands: () => CommandTable): LocalCommand {
  return {
    scope: "local",
    summary: "print a completion script for a shell",
    operands: ["bash|zsh|fish"],
    options: {},
    words: SHELLS,
    details: `bash: source <(spaceosctl completion bash)
zsh:  spaceosctl completion zsh > "\${fpath[1]}/_spaceosctl"
fish: spaceosctl completion fish > ~/.config/fish/completions/spaceosctl.fish`,
    run: ({ args, output }) => {
      const shell = args.operand(0);
      const table = commands();
      if (shell === "bash") output.line(bashScript(table));
      else if (shell === "zsh") output.line(zshScript(table));
      else if (shell === "fish") output.line(fishScript(table));
      else {
        throw usageError(
          `completion is followed by ${quote(shell)}, expected one of: ${
            SHELLS.join(", ")
          }`,
        );
      }
      return Promise.resolve(ExitCode.OK);
    },
  };
}

/** What may follow some words of a command line. */
interface Row {
  /** The words before it. */
  readonly after: string;
  /** The words that may come next. */
  readonly words: readonly string[];
  /** The options that may come next, with their dashes. */
  readonly flags: readonly string[];
}

/** The rows of a table; a row whose words are longer comes before its beginning. */
function rowsOf(commands: CommandTable): Row[] {
  const names = Object.keys(commands);
  const firsts = [...new Set(names.map((name) => name.split(" ")[0] ?? ""))];
  const own = Object.entries(commands).map(([name, command]) => ({
    after: name,
    words: command.words ?? [],
    flags: flagsOf(command),
  }));
  const groups = firsts.filter((first) => !names.includes(first)).map((
    first,
  ) => ({ after: first, words: secondsOf(names, first), flags: ["--help"] }));
  return [...own, ...groups];
}

function secondsOf(names: readonly string[], first: string): string[] {
  return names.map((name) => name.split(" "))
    .filter(([word]) => word === first)
    .map(([, second]) => second ?? "");
}

function firstsOf(commands: CommandTable): string[] {
  return [
    ...new Set(Object.keys(commands).map((name) => name.split(" ")[0] ?? "")),
  ];
}

function flagsOf(command: Command): string[] {
  return Object.entries(optionsOf(command)).flatMap(spellings);
}

/** An option as it is written: its name, and its letter if it has one. */
function spellings([name, { letter }]: [string, Option]): string[] {
  return [`--${name}`, ...(letter === undefined ? [] : [`-${letter}`])];
}

/** The options behind which a value comes, of all commands. */
function valueFlags(commands: CommandTable): string[] {
  const all = Object.values(commands).flatMap((command) =>
    Object.entries(optionsOf(command)).filter(([, { value }]) =>
      value !== undefined
    ).flatMap(spellings)
  );
  return [...new Set(all)].sort();
}

/** Branches of a shell's `case`: what may come behind the words before. */
function caseRows(
  commands: CommandTable,
  assign: (words: string, flags: string) => string,
): string {
  return rowsOf(commands).map(({ after, words, flags }) =>
    `    "${after}" | "${after} "*) ${
      assign(words.join(" "), flags.join(" "))
    } ;;`
  ).join("\n");
}

/** In the loop over the words before: options and their values don't count. */
function skipOptions(commands: CommandTable): string {
  return `    case $word in
      ${valueFlags(commands).join(" | ")}) ((index++)) ;;
      -*) ;;
      *) found+="\${found:+ }$word" ;;
    esac`;
}

const COMMON_FLAGS = "--socket -S --timeout -t --json -j --help --version";

function bashScript(commands: CommandTable): string {
  const rows = caseRows(
    commands,
    (words, flags) => `words="${words}" flags="${flags}"`,
  );
  return `# bash completion of spaceosctl, from "spaceosctl completion bash"
_spaceosctl() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local found="" word="" words="" flags="" index
  case $previous in
    ${valueFlags(commands).join(" | ")})
      COMPREPLY=($(compgen -f -- "$current"))
      return ;;
  esac
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
${skipOptions(commands)}
  done
  case $found in
    "") words="${firstsOf(commands).join(" ")}" flags="${COMMON_FLAGS}" ;;
${rows}
  esac
  if [[ $current == -* ]]; then words=$flags; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _spaceosctl spaceosctl`;
}

function zshScript(commands: CommandTable): string {
  const rows = caseRows(
    commands,
    (words, flags) => `choices=(${words}) flags=(${flags})`,
  );
  return `#compdef spaceosctl
# zsh completion of spaceosctl, from "spaceosctl completion zsh"
_spaceosctl() {
  local current=\${words[CURRENT]} previous=\${words[CURRENT-1]} found="" word
  local -a choices flags
  local -i index
  case $previous in
    ${valueFlags(commands).join(" | ")}) _files; return ;;
  esac
  for ((index = 2; index < CURRENT; index++)); do
    word=\${words[index]}
${skipOptions(commands)}
  done
  case $found in
    "") choices=(${firstsOf(commands).join(" ")}) flags=(${COMMON_FLAGS}) ;;
${rows}
  esac
  if [[ $current == -* ]]; then compadd -- $flags
  elif (( $#choices > 0 )); then compadd -- $choices
  else _files; fi
}
if [[ \${funcstack[1]} == _spaceosctl ]]; then _spaceosctl "$@"
else compdef _spaceosctl spaceosctl; fi`;
}

/** A text in single quotes for fish. */
function fishQuote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

function fishScript(commands: CommandTable): string {
  const names = Object.keys(commands);
  const lines: string[] = [];
  const add = (condition: string, rest: string) =>
    lines.push(`complete -c spaceosctl -n ${fishQuote(condition)} ${rest}`);
  for (const first of firstsOf(commands)) {
    const command = commands[first];
    const summary = command?.summary ?? secondsOf(names, first).join(", ");
    add("__fish_use_subcommand", `-f -a ${first} -d ${fishQuote(summary)}`);
  }
  for (const [name, command] of Object.entries(commands)) {
    const [first = "", second] = name.split(" ");
    const seen = `__fish_seen_subcommand_from ${first}`;
    if (second !== undefined) {
      const others = secondsOf(names, first).join(" ");
      add(
        `${seen}; and not __fish_seen_subcommand_from ${others}`,
        `-f -a ${second} -d ${fishQuote(command.summary)}`,
      );
    }
    const condition = second === undefined
      ? seen
      : `${seen}; and __fish_seen_subcommand_from ${second}`;
    for (const word of command.words ?? []) add(condition, `-f -a ${word}`);
    for (const [option, row] of Object.entries(optionsOf(command))) {
      const letter = row.letter === undefined ? "" : `-s ${row.letter} `;
      const value = row.value === undefined ? "" : "-r ";
      add(
        condition,
        `-l ${option} ${letter}${value}-d ${fishQuote(row.help)}`,
      );
    }
  }
  return `# fish completion of spaceosctl, from "spaceosctl completion fish"
${lines.join("\n")}`;
}
