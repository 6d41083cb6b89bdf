/** A folder of service definitions that is full of rubbish. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  MAXIMUM_DEFINITION_FILES,
  readDefinitions,
} from "../../../lib/init/definition_files.ts";
import { issueText } from "../../../lib/supervisor/schema.ts";

/** Calls back with a new folder and removes it afterwards. */
function withFolder(use: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("readDefinitions names each file that is no definition in one line, and uses the others", () => {
  withFolder((folder) => {
    const put = (name: string, text: string) =>
      Deno.writeTextFileSync(`${folder}/${name}.json`, text);
    put("good", '{ "command": ["/bin/true"] }');
    put("huge", " ".repeat(1 << 20));
    put("deep", "[".repeat(60_000));
    put("empty", "");
    Deno.writeFileSync(
      `${folder}/binary.json`,
      Uint8Array.from({ length: 4096 }, (_, index) => index * 37),
    );
    Deno.mkdirSync(`${folder}/folder.json`);
    Deno.symlinkSync(`${folder}/loop.json`, `${folder}/loop.json`);
    Deno.symlinkSync("/dev/zero", `${folder}/endless.json`);
    Deno.symlinkSync("/no/such/file", `${folder}/dangling.json`);
    Deno.writeTextFileSync(`${folder}/README`, "no definition");
    // Nobody writes to it: a reader that waits for that waits for ever.
    const made = new Deno.Command("mkfifo", { args: [`${folder}/fifo.json`] });
    assertEquals(made.outputSync().success, true);

    const { definitions, issues } = readDefinitions(folder);
    assertEquals(definitions.map(({ name }) => name), ["good"]);
    const lines = issues.map((issue) => issueText(issue).replace(folder, ""));
    const of = (name: string) =>
      lines.filter((line) => line.startsWith(`/${name}.json`));
    const expected = {
      binary: /json:1:1: error: /,
      dangling: /ENOENT/,
      deep: /json:1:\d+: error: /,
      empty: /json:1:1: error: /,
      endless: /character device, expected a regular file/,
      fifo: /pipe, expected a regular file/,
      folder: /directory, expected a regular file/,
      huge: /expected at most 65536 bytes/,
      loop: /ELOOP/,
    };
    for (const [name, pattern] of Object.entries(expected)) {
      assertEquals(of(name).length, 1, `${name}: ${of(name)}`);
      assertMatch(of(name)[0] ?? "", pattern);
    }
    assertEquals(lines.length, Object.keys(expected).length);
  });
});

Deno.test("readDefinitions says that it left out files past its limit", () => {
  withFolder((folder) => {
    for (let index = 0; index <= MAXIMUM_DEFINITION_FILES; index++) {
      Deno.writeTextFileSync(`${folder}/s${index}.json`, "{}");
    }
    const lines = readDefinitions(folder).issues.map(issueText);
    const said = lines.filter((line) => line.includes("left out"));
    assertEquals(said, [
      `${folder}: error: expected at most ${MAXIMUM_DEFINITION_FILES} files; the others were left out`,
    ]);
  });
});
