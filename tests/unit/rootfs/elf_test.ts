import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  ElfError,
  elfSection,
  type LibraryFiles,
  loaderFolders,
  parseElf,
  resolveLibraries,
} from "../../../rootfs/elf.ts";
import { makeElf } from "../../fixtures/make_elf.ts";

/** A file system in memory. */
function memoryFiles(
  content: Record<string, Uint8Array | string>,
): LibraryFiles {
  return {
    read: (path) => {
      const found = content[path];
      return typeof found === "string"
        ? new TextEncoder().encode(found)
        : found;
    },
    glob: (pattern) => {
      if (!pattern.includes("*")) return pattern in content ? [pattern] : [];
      const [before = "", after = ""] = pattern.split("*");
      return Object.keys(content).filter((path) =>
        path.startsWith(before) && path.endsWith(after)
      ).sort();
    },
  };
}

Deno.test("parseElf reads interpreter, libraries and search paths", () => {
  const elf = parseElf(makeElf({
    interpreter: "/lib64/ld.so",
    needed: ["liba.so.1", "libb.so.2"],
    runpath: "$ORIGIN/lib:/opt/lib",
    soname: "libme.so",
  }));
  assertEquals(elf, {
    wordBits: 64,
    machine: 62,
    interpreter: "/lib64/ld.so",
    needed: ["liba.so.1", "libb.so.2"],
    soname: "libme.so",
    rpath: [],
    runpath: ["$ORIGIN/lib", "/opt/lib"],
  });
});

Deno.test("parseElf refuses what is not ELF, and every truncation says so", () => {
  assertThrows(
    () => parseElf(new TextEncoder().encode("#!/bin/sh\n".repeat(20))),
    ElfError,
    "7F 45 4C 46",
  );
  const whole = makeElf({ interpreter: "/lib64/ld.so", needed: ["liba.so.1"] });
  for (let length = 0; length < whole.length - 1; length++) {
    try {
      parseElf(whole.slice(0, length));
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
    }
  }
});

Deno.test("parseElf takes any damage without another error than its own", () => {
  const whole = makeElf({
    interpreter: "/lib64/ld.so",
    needed: ["liba.so.1"],
    soname: "x",
  });
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0x00, 0x7f, 0xff]) {
      const damaged = whole.slice();
      damaged[at] = value;
      try {
        parseElf(damaged);
        elfSection(damaged, ".modinfo");
      } catch (error) {
        if (!(error instanceof ElfError)) {
          throw new Error(`byte ${at} = ${value}: ${error}`);
        }
      }
    }
  }
});

Deno.test("elfSection finds a section by its name", () => {
  const module = makeElf({
    sections: { ".modinfo": "license=GPL\0depends=a,b\0" },
  });
  assertEquals(
    new TextDecoder().decode(elfSection(module, ".modinfo")),
    "license=GPL\0depends=a,b\0",
  );
  assertEquals(elfSection(module, ".other"), undefined);
});

Deno.test("loaderFolders follows the includes of ld.so.conf, and no cycle", () => {
  const files = memoryFiles({
    "/etc/ld.so.conf":
      "include ld.so.conf.d/*.conf\n# a remark\n/opt/first /opt/second\n",
    "/etc/ld.so.conf.d/b.conf": "/b\n",
    "/etc/ld.so.conf.d/a.conf": "/a # remark\ninclude /etc/ld.so.conf\n",
    "/etc/ld.so.conf.d/README": "/no\n",
  });
  assertEquals(loaderFolders(files), ["/a", "/b", "/opt/first", "/opt/second"]);
  assertEquals(loaderFolders(memoryFiles({})), []);
});

Deno.test("resolveLibraries finds libraries of libraries, each once", () => {
  const files = memoryFiles({
    "/lib64/ld.so": makeElf({ soname: "ld.so" }),
    "/usr/lib/libc.so": makeElf({ needed: ["ld.so"] }),
    "/opt/lib/liba.so": makeElf({ needed: ["libc.so", "libb.so"] }),
    "/opt/lib/deep/libb.so": makeElf({ needed: ["liba.so", "libc.so"] }),
    "/etc/ld.so.conf": "/opt/lib\n/opt/lib/deep\n",
  });
  const program = makeElf({
    interpreter: "/lib64/ld.so",
    needed: ["liba.so", "libc.so"],
  });
  assertEquals(
    resolveLibraries("/bin/x", program, files).map(({ path }) => path),
    [
      "/lib64/ld.so",
      "/opt/lib/deep/libb.so",
      "/opt/lib/liba.so",
      "/usr/lib/libc.so",
    ],
  );
});

Deno.test("resolveLibraries searches RUNPATH with $ORIGIN first, and passes over other machines", () => {
  const files = memoryFiles({
    "/app/lib/liba.so": makeElf({ machine: 40 }),
    "/usr/lib/liba.so": makeElf({}),
    "/app/lib/libb.so": makeElf({}),
    "/usr/lib/libb.so": makeElf({}),
  });
  const program = makeElf({
    needed: ["liba.so", "libb.so"],
    runpath: "${ORIGIN}/../lib:$ORIGIN/lib",
  });
  assertEquals(
    resolveLibraries("/app/x", program, files).map(({ path }) => path),
    [
      "/app/lib/libb.so",
      "/usr/lib/liba.so",
    ],
  );
});

Deno.test("resolveLibraries names what is missing, who needs it and where it looked", () => {
  const files = memoryFiles({
    "/lib/liba.so": makeElf({ needed: ["libgone.so"] }),
  });
  const error = assertThrows(
    () => resolveLibraries("/bin/x", makeElf({ needed: ["liba.so"] }), files),
    ElfError,
    "libgone.so",
  );
  assertStringIncludes(error.message, "/lib/liba.so");
  assertStringIncludes(error.message, "/usr/lib");
  assertThrows(
    () =>
      resolveLibraries(
        "/bin/x",
        makeElf({ interpreter: "/lib64/none" }),
        files,
      ),
    ElfError,
    "/lib64/none",
  );
});

Deno.test("resolveLibraries takes a static program as it is", () => {
  assertEquals(resolveLibraries("/bin/x", makeElf({}), memoryFiles({})), []);
});

Deno.test({
  name: "resolveLibraries agrees with the loader about this Deno",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const path = Deno.execPath();
    const listed = await new Deno.Command("ldd", { args: [path] }).output();
    const expected = new TextDecoder().decode(listed.stdout).split("\n")
      .map((line) => /(?:=>\s*)?(\/\S+) \(0x/.exec(line)?.[1])
      .filter((library) => library !== undefined)
      .map((library) => Deno.realPathSync(library))
      .sort();
    const files: LibraryFiles = {
      read: (name) => {
        try {
          return Deno.readFileSync(name);
        } catch {
          return undefined;
        }
      },
      glob: (pattern) => {
        const folder = pattern.slice(0, pattern.lastIndexOf("/"));
        try {
          return [...Deno.readDirSync(folder)].map(({ name }) =>
            `${folder}/${name}`
          ).sort();
        } catch {
          return [];
        }
      },
    };
    const found = resolveLibraries(path, Deno.readFileSync(path), files);
    assertEquals(
      found.map((library) => Deno.realPathSync(library.path)).sort(),
      expected,
    );
  },
});
