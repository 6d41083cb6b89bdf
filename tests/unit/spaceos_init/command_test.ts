/** The subcommands of spaceos-init, run as a user runs them. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { VERSION } from "../../../cmd/command_line/version.ts";
import { currentEnvironment } from "../../../rootfs/toolchain/environment.ts";
import { runCtl } from "../ctl/support.ts";
import { runDisk } from "../disk/support.ts";

const MAIN = new URL("../../../cmd/spaceos-init/main.ts", import.meta.url);

async function spaceosInit(...args: string[]) {
  const { configArguments, variables } = currentEnvironment();
  const output = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-lock",
      "--no-check",
      ...configArguments,
      "--allow-all",
      decodeURIComponent(MAIN.pathname),
      ...args,
    ],
    env: { ...variables, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    code: output.code,
    stdout: text(output.stdout),
    stderr: text(output.stderr),
  };
}

/** A folder of definitions, removed at the end. */
function folder(files: Record<string, unknown>): Disposable & { path: string } {
  const path = Deno.makeTempDirSync({ prefix: "spaceos-definitions-" });
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === "string"
      ? content
      : JSON.stringify(content);
    Deno.writeTextFileSync(`${path}/${name}`, text);
  }
  return {
    path,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

Deno.test("spaceos-init check accepts good definitions and counts them", async () => {
  using good = folder({
    "web.json": { command: ["/bin/web"], requires: ["db"] },
    "db.json": { command: ["/bin/db"] },
    "notes.txt": "not a definition",
  });
  assertEquals(await spaceosInit("check", good.path), {
    code: 0,
    stdout: "2 services, 0 errors, 0 warnings\n",
    stderr: "",
  });
});

Deno.test("spaceos-init check names file, place, value and expectation, for each error", async () => {
  using bad = folder({
    "a.json": { command: ["/a"], requires: ["b"] },
    "b.json": { command: ["/b"], requires: ["a"] },
    "c.json": { command: ["/c"], restrat: "always", nice: 40 },
    "d.json": "{ ",
  });
  const { code, stdout } = await spaceosInit("check", bad.path);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "a -> b -> a");
  assertMatch(
    stdout,
    /c\.json:1:\d+: error: .*restrat.*did you mean "restart"/,
  );
  assertMatch(stdout, /c\.json:1:\d+: error: \$\.nice: .*-20.*19.*40/);
  assertMatch(stdout, /d\.json:1:\d+: error: /);
});

Deno.test("spaceos-init graph prints the start order", async () => {
  using good = folder({
    "web.json": { command: ["/bin/web"], requires: ["db"] },
    "db.json": { command: ["/bin/db"] },
  });
  const { code, stdout } = await spaceosInit("graph", good.path);
  assertEquals(code, 0);
  assertEquals(stdout.indexOf("db") < stdout.indexOf("web"), true, stdout);
});

Deno.test("spaceos-init schema prints a JSON Schema that names every key's meaning", async () => {
  const { code, stdout } = await spaceosInit("schema");
  assertEquals(code, 0);
  const schema = JSON.parse(stdout);
  assertEquals(schema.additionalProperties, false);
  assertEquals(typeof schema.properties.command.description, "string");
});

Deno.test("spaceos-init says what it met and what it expected, and exits with 2", async () => {
  for (
    const [args, expected] of [
      [[], "is not process 1"],
      [["chekc"], 'met "chekc", expected check, graph'],
      [["check"], "expected one readable folder"],
      [["check", "/no/such/folder"], '["/no/such/folder"]'],
      [["graph", "/tmp", "/tmp"], "expected one readable folder"],
      [["schema", "x"], "expected nothing"],
      [["demo", "-1"], "expected seconds between 0.01 and 86400"],
      [["toString"], 'met "toString"'],
    ] as const
  ) {
    const { code, stderr, stdout } = await spaceosInit(...args);
    assertEquals([code, stdout], [2, ""], args.join(" "));
    assertStringIncludes(stderr, expected);
    assertEquals(stderr.trimEnd().includes("\n"), false, stderr);
  }
});

Deno.test("spaceos-init --help and --version print to the standard output", async () => {
  const help = await spaceosInit("--help");
  assertEquals([help.code, help.stderr], [0, ""]);
  for (const word of ["check DIR", "spaceos.disk=PATH", "EXIT STATUS"]) {
    assertStringIncludes(help.stdout, word);
  }
  const version = await spaceosInit("--version");
  assertMatch(version.stdout, /^spaceos-init \d+\.\d+\.\d+\n$/);
  const container = await spaceosInit("--help", "--", "x");
  assertStringIncludes(container.stdout, "--rewrite FROM:TO");
});

Deno.test("spaceos-init runs a command in container mode with its exit code", async () => {
  assertEquals((await spaceosInit("--", "/bin/sh", "-c", "exit 7")).code, 7);
  assertEquals((await spaceosInit("--", "/no/such/program")).code, 127);
  const usage = await spaceosInit("--frob", "--", "true");
  assertEquals(usage.code, 125);
  assertStringIncludes(usage.stderr, '"--frob"');
});

Deno.test("each program's --version is that of deno.json, which stands in one place of the code", async () => {
  const root = new URL("../../../", import.meta.url);
  const { version } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", root)),
  );
  assertMatch(version, /^\d+\.\d+\.\d+$/);
  assertEquals(VERSION, version);
  assertEquals(
    (await spaceosInit("--version")).stdout,
    `spaceos-init ${version}\n`,
  );
  assertStringIncludes(
    (await spaceosInit("--help")).stdout,
    `This is version ${version}.`,
  );
  assertEquals(
    (await runDisk(["--version"])).stdout,
    `spaceos-disk ${version}\n`,
  );
  assertEquals((await runCtl(["--version"])).stdout, `spaceosctl ${version}\n`);
});
