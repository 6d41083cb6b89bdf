/**
 * What the image builder needs to know of ELF files: which interpreter and
 * shared libraries a program needs, and what a kernel module says of itself.
 * Libraries are looked for as ld.so(8) does. It imports nothing, and reads
 * files only through the functions that it is given.
 */

/** The parts of an ELF file that decide what else is needed. */
export interface ElfFile {
  /** 32 or 64 bit. */
  readonly wordBits: 32 | 64;
  /** The e_machine field: 62 is x86-64. */
  readonly machine: number;
  /** PT_INTERP, the program interpreter. */
  readonly interpreter: string | undefined;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
  /** DT_SONAME. */
  readonly soname: string | undefined;
  /** DT_RPATH, split; used only where there is no RUNPATH. */
  readonly rpath: readonly string[];
  /** DT_RUNPATH, split. */
  readonly runpath: readonly string[];
}

/** The bytes are not an ELF file, or not one that can be used here. */
export class ElfError extends Error {
  /** @param message what was met and what was expected */
  constructor(message: string) {
    super(message);
    this.name = "ElfError";
  }
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_SONAME = 14;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

/** Reads numbers of either word size and byte order. */
class View {
  readonly bytes: Uint8Array;
  readonly wordBits: 32 | 64;
  readonly #view: DataView;
  readonly #little: boolean;

  constructor(bytes: Uint8Array) {
    const magic = [0x7f, 0x45, 0x4c, 0x46];
    if (bytes.length < 52 || magic.some((byte, i) => bytes[i] !== byte)) {
      throw new ElfError("not an ELF file: it does not begin with 7F 45 4C 46");
    }
    const [wordClass, order] = [bytes[4], bytes[5]];
    if ((wordClass !== 1 && wordClass !== 2) || (order !== 1 && order !== 2)) {
      throw new ElfError(
        `not an ELF file: class ${wordClass} and data ${order}, expected 1 or 2 each`,
      );
    }
    this.bytes = bytes;
    this.wordBits = wordClass === 1 ? 32 : 64;
    this.#little = order === 1;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #within(offset: number, sizeBytes: number): void {
    if (!(offset >= 0) || offset + sizeBytes > this.bytes.length) {
      throw new ElfError(
        `damaged ELF file: it ends at ${this.bytes.length}, but refers to ${offset}+${sizeBytes}`,
      );
    }
  }

  u16(offset: number): number {
    this.#within(offset, 2);
    return this.#view.getUint16(offset, this.#little);
  }

  u32(offset: number): number {
    this.#within(offset, 4);
    return this.#view.getUint32(offset, this.#little);
  }

  /** A number of the file's word size. */
  word(offset: number): number {
    if (this.wordBits === 32) return this.u32(offset);
    this.#within(offset, 8);
    const value = this.#view.getBigUint64(offset, this.#little);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new ElfError(
        `damaged ELF file: the offset ${value} is out of range`,
      );
    }
    return Number(value);
  }

  /** A tag of the dynamic section, which may be above 2^53. */
  tag(offset: number): bigint {
    if (this.wordBits === 32) return BigInt(this.u32(offset));
    this.#within(offset, 8);
    return this.#view.getBigUint64(offset, this.#little);
  }

  /** The text up to the next zero byte. */
  text(offset: number): string {
    this.#within(offset, 1);
    const end = this.bytes.indexOf(0, offset);
    if (end === -1) throw new ElfError("damaged ELF file: a text has no end");
    return new TextDecoder().decode(this.bytes.subarray(offset, end));
  }

  slice(offset: number, sizeBytes: number): Uint8Array {
    this.#within(offset, sizeBytes);
    return this.bytes.subarray(offset, offset + sizeBytes);
  }
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly sizeBytes: number;
}

function readSegments(view: View): Segment[] {
  const wide = view.wordBits === 64;
  const table = view.word(wide ? 32 : 28);
  const entrySize = view.u16(wide ? 54 : 42);
  const count = view.u16(wide ? 56 : 44);
  const segments: Segment[] = [];
  for (let i = 0; i < count; i++) {
    const at = table + i * entrySize;
    segments.push({
      type: view.u32(at),
      offset: view.word(at + (wide ? 8 : 4)),
      address: view.word(at + (wide ? 16 : 8)),
      sizeBytes: view.word(at + (wide ? 32 : 16)),
    });
  }
  return segments;
}

/**
 * Reads what an executable or a shared library needs.
 *
 * @param bytes the whole file
 * @returns its interpreter and libraries
 * @throws {ElfError} when the bytes are not an ELF file or are damaged
 */
export function parseElf(bytes: Uint8Array): ElfFile {
  const view = new View(bytes);
  const segments = readSegments(view);
  const fileOffset = (address: number): number => {
    const home = segments.find((segment) =>
      segment.type === PT_LOAD && address >= segment.address &&
      address < segment.address + segment.sizeBytes
    );
    if (home === undefined) {
      throw new ElfError(
        `damaged ELF file: the address 0x${
          address.toString(16)
        } is in no loaded segment`,
      );
    }
    return address - home.address + home.offset;
  };

  const interpreterSegment = segments.find(({ type }) => type === PT_INTERP);
  const interpreter = interpreterSegment &&
    view.text(interpreterSegment.offset);

  const references: { tag: number; value: number }[] = [];
  let textTable: number | undefined;
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic !== undefined) {
    const wordBytes = view.wordBits / 8;
    for (
      let at = 0;
      at + 2 * wordBytes <= dynamic.sizeBytes;
      at += 2 * wordBytes
    ) {
      const tag = view.tag(dynamic.offset + at);
      if (tag === 0n) break;
      const valueAt = dynamic.offset + at + wordBytes;
      if (tag === BigInt(DT_STRTAB)) textTable = fileOffset(view.word(valueAt));
      for (const wanted of [DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH]) {
        if (tag === BigInt(wanted)) {
          references.push({ tag: wanted, value: view.word(valueAt) });
        }
      }
    }
  }
  const texts = (tag: number): string[] =>
    references.filter((reference) => reference.tag === tag).map(({ value }) => {
      if (textTable === undefined) {
        throw new ElfError(
          "damaged ELF file: a dynamic section without DT_STRTAB",
        );
      }
      return view.text(textTable + value);
    });
  const paths = (tag: number): string[] =>
    texts(tag).flatMap((text) => text.split(":")).filter((path) => path !== "");
  return {
    wordBits: view.wordBits,
    machine: view.u16(18),
    interpreter,
    needed: texts(DT_NEEDED),
    soname: texts(DT_SONAME)[0],
    rpath: paths(DT_RPATH),
    runpath: paths(DT_RUNPATH),
  };
}

/**
 * Finds a section by name.
 *
 * @param bytes the whole ELF file
 * @param name such as `.modinfo`
 * @returns the section's bytes, or undefined when there is none
 * @throws {ElfError} when the bytes are not an ELF file or are damaged
 */
export function elfSection(
  bytes: Uint8Array,
  name: string,
): Uint8Array | undefined {
  const view = new View(bytes);
  const wide = view.wordBits === 64;
  const table = view.word(wide ? 40 : 32);
  const entrySize = view.u16(wide ? 58 : 46);
  const count = view.u16(wide ? 60 : 48);
  const namesIndex = view.u16(wide ? 62 : 50);
  if (table === 0 || count === 0) return undefined;
  const header = (
    index: number,
  ): { nameAt: number; offset: number; sizeBytes: number } => {
    const at = table + index * entrySize;
    return {
      nameAt: view.u32(at),
      offset: view.word(at + (wide ? 24 : 16)),
      sizeBytes: view.word(at + (wide ? 32 : 20)),
    };
  };
  const names = header(namesIndex);
  for (let index = 1; index < count; index++) {
    const section = header(index);
    if (view.text(names.offset + section.nameAt) === name) {
      return view.slice(section.offset, section.sizeBytes);
    }
  }
  return undefined;
}

/** How the resolver sees a file system; a real one, or one made for a test. */
export interface LibraryFiles {
  /** A file's bytes, or undefined when there is none. */
  read(path: string): Uint8Array | undefined;
  /** Paths that match a pattern with `*` in its last part, in order; none when there is nothing. */
  glob(pattern: string): readonly string[];
}

/** A file that a program needs, under the path by which it is looked for. */
export interface LibraryFile {
  /** Where the loader looks for it, on this machine and in the image. */
  readonly path: string;
  /** Its content. */
  readonly bytes: Uint8Array;
}

/** The folders that ld.so searches when nothing else is said; ld.so(8). */
const STANDARD_FOLDERS = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/**
 * The folders that /etc/ld.so.conf names, with its includes, in order.
 *
 * @param files the file system
 * @param path the configuration file
 * @returns the folders
 */
export function loaderFolders(
  files: LibraryFiles,
  path = "/etc/ld.so.conf",
): string[] {
  const seen = new Set<string>();
  const readOne = (file: string): string[] => {
    if (seen.has(file)) return [];
    seen.add(file);
    const bytes = files.read(file);
    if (bytes === undefined) return [];
    return new TextDecoder().decode(bytes).split("\n").flatMap((line) => {
      const words = line.replace(/#.*/, "").trim().split(/[\s,:=]+/).filter((
        word,
      ) => word !== "");
      if (words[0] === "include") {
        return words.slice(1).flatMap((pattern) => {
          const base = file.slice(0, file.lastIndexOf("/"));
          const absolute = pattern.startsWith("/")
            ? pattern
            : `${base}/${pattern}`;
          return files.glob(absolute).flatMap(readOne);
        });
      }
      return words.filter((word) => word.startsWith("/"));
    });
  };
  return readOne(path);
}

/**
 * All files that a program needs besides itself: its interpreter, and its
 * libraries with theirs.
 *
 * @param programPath the program, for messages and `$ORIGIN`
 * @param program its bytes
 * @param files the file system to look in
 * @returns the files, each once, ordered by path; none for a static program
 * @throws {ElfError} when one cannot be found: the message names it and where was looked
 */
export function resolveLibraries(
  programPath: string,
  program: Uint8Array,
  files: LibraryFiles,
): LibraryFile[] {
  const root = parseElf(program);
  const found = new Map<string, LibraryFile>();
  /** By name, as the loader keeps them: a library is loaded once. */
  const loaded = new Set<string>();
  const configured = [...loaderFolders(files), ...STANDARD_FOLDERS];
  const multiarch = root.machine === 62 && root.wordBits === 64
    ? ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"]
    : [];

  const readFitting = (path: string): Uint8Array | undefined => {
    const bytes = files.read(path);
    if (bytes === undefined) return undefined;
    try {
      const { wordBits, machine } = parseElf(bytes);
      // As the loader does: a library of another architecture is passed over.
      return wordBits === root.wordBits && machine === root.machine
        ? bytes
        : undefined;
    } catch {
      return undefined;
    }
  };

  const visit = (
    path: string,
    elf: ElfFile,
    inheritedRpath: readonly string[],
  ): void => {
    const origin = path.slice(0, path.lastIndexOf("/")) || "/";
    const expand = (folder: string): string =>
      folder.replaceAll(/\$(?:ORIGIN|\{ORIGIN\})/g, origin);
    const rpath = elf.runpath.length > 0
      ? []
      : [...elf.rpath.map(expand), ...inheritedRpath];
    const folders = [
      ...rpath,
      ...elf.runpath.map(expand),
      ...multiarch,
      ...configured,
    ];
    for (const name of elf.needed) {
      if (loaded.has(name)) continue;
      loaded.add(name);
      const candidates = name.includes("/")
        ? [name]
        : folders.map((folder) => `${folder}/${name}`);
      const home = candidates.find((candidate) =>
        readFitting(candidate) !== undefined
      );
      const bytes = home === undefined ? undefined : readFitting(home);
      if (home === undefined || bytes === undefined) {
        throw new ElfError(
          `${path} needs the shared library ${name}, which is in none of ${
            [...new Set(folders)].join(", ")
          }`,
        );
      }
      found.set(home, { path: home, bytes });
      visit(home, parseElf(bytes), rpath);
    }
  };

  if (root.interpreter !== undefined) {
    const bytes = readFitting(root.interpreter);
    if (bytes === undefined) {
      throw new ElfError(
        `${programPath} needs the interpreter ${root.interpreter}, which is not on this machine`,
      );
    }
    found.set(root.interpreter, { path: root.interpreter, bytes });
    const soname = parseElf(bytes).soname;
    // The interpreter is in memory already when a library asks for it by name.
    if (soname !== undefined) loaded.add(soname);
  }
  visit(programPath, root, []);
  return [...found.values()].sort((a, b) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : 0
  );
}
