/** What a program is made of, from what `deno info` says, really and made up. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { moduleGraph, readModuleGraph } from "../../../rootfs/module_graph.ts";
import {
  currentEnvironment,
  REPOSITORY,
} from "../../../rootfs/toolchain/environment.ts";
import { ToolchainError } from "../../../rootfs/toolchain/report.ts";

const compiler = { argv: [Deno.execPath()] as const, variables: {} };
const graphOf = (entry: string) =>
  moduleGraph(entry, currentEnvironment(), { ...compiler, identity: "" });

Deno.test("moduleGraph finds what the init is compiled from, with exact versions", async () => {
  const { files, packages } = await graphOf(
    `${REPOSITORY}/cmd/spaceos-init/main.ts`,
  );
  const names = packages.map(({ name }) => name);
  assertEquals(names.includes("hash-wasm"), true);
  assertEquals(names.includes("@types/node"), false);
  for (const { name, version } of packages) {
    assertEquals(/^\d+\.\d+\.\d+$/.test(version), true, `${name} ${version}`);
  }
  // What is loaded when it is needed belongs to it, too.
  for (const path of ["lib/init/run_init.ts", "cmd/spaceos-init/demo.ts"]) {
    assertEquals(files.includes(`${REPOSITORY}/${path}`), true, path);
  }
  const tiny = await graphOf(`${REPOSITORY}/tests/fixtures/tiny_init/main.ts`);
  assertEquals([tiny.files.length, tiny.packages], [1, []]);
});

Deno.test("moduleGraph follows an own init through the library, whatever its folder is called and holds", async () => {
  const folder = await Deno.makeTempDir({ prefix: "own init ü %20 " });
  try {
    await Deno.symlink("nowhere", `${folder}/dangling`);
    await Deno.writeTextFile(`${folder}/large.bin`, "not a part");
    await Deno.writeTextFile(
      `${folder}/my init.ts`,
      `import "./words.ts"; import "./missing.ts"; import "@spaceos/pid1";`,
    );
    await Deno.writeTextFile(`${folder}/words.ts`, `console.log("words");`);
    const { files, packages } = await graphOf(`${folder}/my init.ts`);
    assertEquals(files.filter((path) => path.startsWith(folder)), [
      `${folder}/my init.ts`,
      `${folder}/words.ts`,
    ]);
    assertEquals(files.includes(`${REPOSITORY}/mod.ts`), true);
    assertEquals(packages.some(({ name }) => name === "hash-wasm"), true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  await assertRejects(
    () =>
      moduleGraph("/", currentEnvironment(), {
        argv: ["false"],
        variables: {},
        identity: "",
      }),
    ToolchainError,
    "deno info failed for /",
  );
});

Deno.test("readModuleGraph takes packages of npm with all that they need, and JSR's by address or stand-in", () => {
  const graph = readModuleGraph(
    JSON.stringify({
      modules: [
        { specifier: "file:///b.ts", local: "/b.ts" },
        { specifier: "file:///a.ts", local: "/a.ts" },
        { specifier: "file:///missing.ts", error: "not found" },
        { specifier: "npm:/a@1.0.0", npmPackage: "a@1.0.0" },
        { specifier: "npm:/@c/d@3.0.0", npmPackage: "@c/d@3.0.0" },
        {
          specifier: "https://jsr.io/@std/path/1.1.0/posix/join.ts",
          local: "/cache/x",
        },
        {
          specifier: "file:///here/rootfs/toolchain/std/cli/parse_args.ts",
          local: "/here/rootfs/toolchain/std/cli/parse_args.ts",
        },
      ],
      npmPackages: {
        "a@1.0.0": { name: "a", version: "1.0.0", dependencies: ["b@2.0.0"] },
        "b@2.0.0": { name: "b", version: "2.0.0", dependencies: ["a@1.0.0"] },
        "@c/d@3.0.0": { name: "@c/d", version: "3.0.0", dependencies: [] },
        "@types/node@22.0.0": {
          name: "@types/node",
          version: "22.0.0",
          dependencies: [],
        },
      },
    }),
    { "@std/cli": "1.0.32" },
  );
  assertEquals(graph.files, [
    "/a.ts",
    "/b.ts",
    "/cache/x",
    "/here/rootfs/toolchain/std/cli/parse_args.ts",
  ]);
  assertEquals(
    graph.packages.map(({ registry, name, version }) =>
      `${registry}:${name}@${version}`
    ),
    [
      "npm:@c/d@3.0.0",
      "jsr:@std/cli@1.0.32",
      "jsr:@std/path@1.1.0",
      "npm:a@1.0.0",
      "npm:b@2.0.0",
    ],
  );
  assertThrows(() => readModuleGraph("", {}), SyntaxError);
});
