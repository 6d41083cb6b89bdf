/**
 * Users' own files in the image: what `--add FROM[:TO]` names, read and judged.
 * A program must be one that the machine can run: of its architecture, and a
 * script only with its interpreter. Its shared libraries come along by
 * themselves, see build.ts. It imports elf.ts, host_files.ts and
 * rootfs/toolchain.
 */
import { ElfError, parseElf } from "./elf.ts";
import { listFiles } from "./host_files.ts";
import type { PlainFile } from "./image.ts";
import { ToolchainError } from "./toolchain/report.ts";

/** The e_machine of elf(5) that the image is for. */
const X86_64 = 62;

/** What a foreign program may be for; elf(5), linux/elf-em.h. */
const MACHINES: Readonly<Record<number, string>> = {
  3: "32-bit x86",
  8: "MIPS",
  20: "PowerPC",
  21: "64-bit PowerPC",
  22: "S/390",
  40: "32-bit ARM",
  183: "AArch64",
  243: "RISC-V",
  258: "LoongArch",
};

/** The most that one added file may have: the whole archive is built in memory. */
const MAX_FILE_BYTES = 1 << 30;

function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c &&
    bytes[3] === 0x46;
}

/**
 * The interpreter that a script names in its first line.
 *
 * @param bytes the script
 * @returns an absolute path, or undefined when it begins with no `#!`
 */
export function scriptInterpreter(bytes: Uint8Array): string | undefined {
  const line = new TextDecoder().decode(bytes.subarray(0, 256)).split("\n")[0];
  return /^#!\s*(\S+)/.exec(line ?? "")?.[1];
}

/** Judges a program by its bytes alone; says what is wrong, naming the file. */
function judgeProgram(from: string, bytes: Uint8Array): void {
  if (!isElf(bytes)) return;
  let machine: number;
  let wordBits: number;
  try {
    ({ machine, wordBits } = parseElf(bytes));
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    throw new ToolchainError(`--add ${from}: ${error.message}`);
  }
  if (machine !== X86_64 || wordBits !== 64) {
    const name = MACHINES[machine] ??
      (machine === X86_64 ? "x32" : "another architecture");
    throw new ToolchainError(
      `--add ${from}: it is a program for ${name} (machine ${machine}, ${wordBits} bits), expected one for x86-64 (machine ${X86_64}, 64 bits)`,
    );
  }
}

function readOne(from: string, to: string): PlainFile {
  const { size, mode } = Deno.statSync(from);
  if (size > MAX_FILE_BYTES) {
    throw new ToolchainError(
      `--add ${from}: it has ${size} bytes, expected at most ${MAX_FILE_BYTES}`,
    );
  }
  const bytes = Deno.readFileSync(from);
  judgeProgram(from, bytes);
  return { path: to, bytes, executable: ((mode ?? 0) & 0o111) !== 0 };
}

/** Splits FROM[:TO]; a file whose own name has a colon is named with both. */
function splitAddition(text: string): { from: string; to: string } {
  const colon = text.lastIndexOf(":");
  const from = colon === -1 ? text : text.slice(0, colon);
  const to = colon === -1 ? text : text.slice(colon + 1);
  if (from === "" || to === "") {
    throw new ToolchainError(
      `--add ${JSON.stringify(text)}: expected FROM or FROM:TO`,
    );
  }
  if (!to.startsWith("/")) {
    throw new ToolchainError(
      `--add ${text}: ${
        JSON.stringify(to)
      } is no absolute path, so it is open where the file goes in the image; expected FROM:/TO`,
    );
  }
  return { from, to: to.replace(/(?<=.)\/+$/, "") };
}

/**
 * Reads what one `--add` names: a file, or a folder with all that is below it.
 *
 * @param text `FROM` or `FROM:TO`; TO is an absolute path in the image
 * @param folder where relative paths begin
 * @returns the files, under their paths in the image
 * @throws {ToolchainError} when something is not there, cannot be read, or is a
 * program for another architecture: the message names the path
 */
export function readAddition(text: string, folder: string): PlainFile[] {
  const { from, to } = splitAddition(text);
  const path = from.startsWith("/") ? from : `${folder}/${from}`;
  try {
    if (!Deno.statSync(path).isDirectory) {
      if (!Deno.statSync(path).isFile) {
        throw new ToolchainError(
          `--add ${from}: expected a file or a folder, met something else`,
        );
      }
      return [readOne(path, to)];
    }
    const names = listFiles(path);
    if (names.length === 0) {
      throw new ToolchainError(
        `--add ${from}: the folder is empty, expected files`,
      );
    }
    return names.map((name) =>
      readOne(`${path}/${name}`, `${to === "/" ? "" : to}/${name}`)
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new ToolchainError(
        `--add ${from}: there is no ${path}, expected a file or a folder`,
        { cause: error },
      );
    }
    if (error instanceof ToolchainError) throw error;
    throw new ToolchainError(
      `--add ${from}: ${path} cannot be read: ${
        error instanceof Error ? error.message : error
      }`,
      { cause: error },
    );
  }
}

/**
 * Says so when a script of the image names an interpreter that is not in it.
 *
 * @param files the added files
 * @param isThere tells whether the image has something at a path
 * @throws {ToolchainError} naming the script and its interpreter
 */
export function requireInterpreters(
  files: readonly PlainFile[],
  isThere: (path: string) => boolean,
): void {
  for (const { path, bytes, executable } of files) {
    const interpreter = executable ? scriptInterpreter(bytes) : undefined;
    if (interpreter !== undefined && !isThere(interpreter)) {
      throw new ToolchainError(
        `${path} begins with #!${interpreter}, which is not in the image: add it too, with --add ${interpreter}`,
      );
    }
  }
}
