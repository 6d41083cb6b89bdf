/** What `--add` takes, and what it says of what it does not take. */
import { assertEquals, assertThrows } from "@std/assert";
import {
  readAddition,
  requireInterpreters,
  scriptInterpreter,
} from "../../../rootfs/added_files.ts";
import { ToolchainError } from "../../../rootfs/toolchain/report.ts";
import { makeElf } from "../../fixtures/make_elf.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A folder with a program, a script, a folder, and a program for AArch64. */
function withFolder(work: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "spaceos-add-" });
  try {
    Deno.writeFileSync(`${folder}/camera`, makeElf({}), { mode: 0o755 });
    Deno.writeFileSync(`${folder}/foreign`, makeElf({ machine: 183 }), {
      mode: 0o755,
    });
    Deno.writeFileSync(`${folder}/short`, bytes("\x7fELF"), { mode: 0o755 });
    Deno.writeTextFileSync(`${folder}/plain.json`, "{}");
    Deno.mkdirSync(`${folder}/site/below`, { recursive: true });
    Deno.writeTextFileSync(`${folder}/site/index.html`, "x");
    Deno.writeTextFileSync(`${folder}/site/below/a.css`, "y");
    Deno.mkdirSync(`${folder}/nothing`);
    work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("readAddition reads a program, a plain file and a folder", () => {
  withFolder((folder) => {
    assertEquals(readAddition("camera:/usr/bin/camera", folder), [
      { path: "/usr/bin/camera", bytes: makeElf({}), executable: true },
    ]);
    assertEquals(readAddition(`${folder}/plain.json`, "/"), [
      { path: `${folder}/plain.json`, bytes: bytes("{}"), executable: false },
    ]);
    assertEquals(
      readAddition("site:/srv/www/", folder).map(({ path }) => path),
      ["/srv/www/below/a.css", "/srv/www/index.html"],
    );
  });
});

Deno.test("readAddition names the path and what was expected", () => {
  withFolder((folder) => {
    const cases: [string, RegExp][] = [
      ["no-such:/x", /no-such: there is no .*no-such, expected a file/],
      ["camera", /"camera" is no absolute path.*expected FROM:\/TO/],
      ["camera:bin/camera", /"bin\/camera" is no absolute path/],
      [":/x", /expected FROM or FROM:TO/],
      ["camera:", /expected FROM or FROM:TO/],
      [
        "foreign:/x",
        /foreign: it is a program for AArch64 \(machine 183, 64 bits\), expected one for x86-64/,
      ],
      ["short:/x", /short: not an ELF file/],
      ["nothing:/x", /nothing: the folder is empty/],
    ];
    for (const [text, pattern] of cases) {
      const error = assertThrows(
        () => readAddition(text, folder),
        ToolchainError,
      );
      assertEquals(pattern.test(error.message), true, error.message);
    }
    assertThrows(
      () => readAddition("/dev/null:/x", folder),
      ToolchainError,
      "expected a file or a folder, met something else",
    );
  });
});

Deno.test("a script is taken only with its interpreter", () => {
  assertEquals(scriptInterpreter(bytes("#! /bin/sh -e\n")), "/bin/sh");
  assertEquals(scriptInterpreter(bytes("# no script")), undefined);
  const script = {
    path: "/usr/bin/tool",
    bytes: bytes("#!/bin/sh\n"),
    executable: true,
  };
  requireInterpreters([script], (path) => path === "/bin/sh");
  requireInterpreters([{ ...script, executable: false }], () => false);
  assertThrows(
    () => requireInterpreters([script], () => false),
    ToolchainError,
    "/usr/bin/tool begins with #!/bin/sh, which is not in the image",
  );
});
