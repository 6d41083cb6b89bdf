/**
 * The package as JSR would have it: only the published files, in another
 * project, which imports it by its name. And what its documentation promises.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  currentEnvironment,
  REPOSITORY,
} from "../../rootfs/toolchain/environment.ts";
import { run } from "../../rootfs/toolchain/command.ts";
import { copyPublished } from "../../rootfs/toolchain/publish.ts";

/** A program of somebody else: it reaches the codec, WebAssembly, libc and a socket. */
const PROGRAM = `
import * as pid1 from "@spaceos/pid1";

const superblock: pid1.Superblock = pid1.decodeSuperblock(
  pid1.encodeSuperblock({
    tenantId: 7,
    totalBlocks: 2048,
    dataProductStart: 33,
    dataProductSize: 2014,
    epoch: 1_750_000_000n,
    uuid: new Uint8Array(16),
  }),
);
console.log(pid1.checkMagic(superblock), pid1.checkCrc(superblock));
console.log(pid1.drainChildExits().length, pid1.shutdownRequested());
console.log(pid1.formatUuid(superblock.uuid));
try {
  await using vm = await pid1.connectHost({ path: "/no/such/socket" });
  await vm.ping();
} catch (error) {
  console.log(error instanceof pid1.HostClientError);
}
`;

/** What is looked at of deno.json. */
interface Configuration {
  readonly name: string;
  readonly version: string;
  readonly exports: string;
  readonly imports: Readonly<Record<string, string>>;
  readonly scopes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly publish: { readonly include: readonly string[] };
}

const configuration: Configuration = JSON.parse(
  Deno.readTextFileSync(`${REPOSITORY}/deno.json`),
);

/**
 * Makes the package as a publication does: with the published files, in which
 * each name of the import map is replaced by what it stands for.
 */
async function makePackage(folder: string): Promise<void> {
  copyPublished(folder);
  const names = { ...configuration.imports, ...configuration.scopes["./"] };
  for (const path of configuration.publish.include) {
    if (!path.endsWith(".ts")) continue;
    const file = `${folder}/${path}`;
    let text = await Deno.readTextFile(file);
    for (const [name, target] of Object.entries(names)) {
      text = text.replaceAll(
        new RegExp(`(\\bfrom |\\bimport\\()"${name}(/[^"]*)?"`, "g"),
        (_, before: string, below = "") => `${before}"${target}${below}"`,
      );
    }
    await Deno.writeTextFile(file, text);
  }
  const { name, version, exports } = configuration;
  await Deno.writeTextFile(
    `${folder}/deno.json`,
    JSON.stringify({ name, version, exports }),
  );
}

const deno = (cwd: string, ...args: string[]) =>
  run([Deno.execPath(), ...args], {
    cwd,
    env: { ...currentEnvironment().variables, NO_COLOR: "1" },
  });

Deno.test("the published files are enough for a program of another project", async () => {
  const folder = await Deno.makeTempDir({ prefix: "spaceos-package-" });
  try {
    await makePackage(`${folder}/package`);
    const project = `${folder}/project`;
    await Deno.mkdir(project);
    await Deno.writeTextFile(`${project}/main.ts`, PROGRAM);
    const up = REPOSITORY.split("/").slice(1).join("/");
    const root = "../".repeat(project.split("/").length - 1);
    await Deno.writeTextFile(
      `${project}/deno.json`,
      JSON.stringify({
        lock: false,
        imports: {
          "@spaceos/pid1": `jsr:@spaceos/pid1@${configuration.version}`,
        },
        links: [
          "../package",
          ...(currentEnvironment().network === "closed"
            ? ["assert", "bytes", "cli"].map((name) =>
              `${root}${up}/rootfs/toolchain/std/${name}`
            )
            : []),
        ],
      }),
    );
    const checked = await deno(project, "check", "main.ts");
    assertEquals(checked.code, 0, checked.stderr);
    const ran = await deno(project, "run", "--allow-all", "main.ts");
    assertEquals(
      ran.stdout,
      [
        "true true",
        "0 false",
        "00000000-0000-0000-0000-000000000000",
        "true",
        "",
      ].join("\n"),
      ran.stderr,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What is looked at of one node of `deno doc --json`. */
interface DocNode {
  readonly name: string;
  readonly kind: string;
  readonly jsDoc?: JsDoc;
  /** A class's members: version 1 of the format. */
  readonly classDef?: ClassMembers;
  /** The same in version 2. */
  readonly def?: Partial<ClassMembers>;
}

interface ClassMembers {
  readonly constructors: readonly { readonly jsDoc?: JsDoc }[];
  readonly methods: readonly { readonly jsDoc?: JsDoc }[];
}

/** What `deno doc --json` prints: Deno 2.4 version 1, later ones version 2. */
type Documentation =
  | { readonly version: 1; readonly nodes: readonly DocNode[] }
  | {
    readonly version: 2;
    readonly nodes: Readonly<
      Record<string, {
        readonly symbols: readonly {
          readonly name: string;
          readonly declarations: readonly Omit<DocNode, "name">[];
        }[];
      }>
    >;
  };

/** The declarations of either version. */
function docNodes(documentation: Documentation): DocNode[] {
  return documentation.version === 1
    ? [...documentation.nodes]
    : Object.values(documentation.nodes).flatMap(({ symbols }) =>
      symbols.flatMap(({ name, declarations }) =>
        declarations.map((declaration) => ({ ...declaration, name }))
      )
    );
}

interface JsDoc {
  readonly doc?: string;
  readonly tags?: readonly { readonly kind: string }[];
}

const hasExample = ({ jsDoc }: { readonly jsDoc?: JsDoc }): boolean =>
  jsDoc?.tags?.some(({ kind }) => kind === "example") ?? false;

Deno.test("every symbol of the library is documented; functions, classes and constants with an example", async () => {
  const { configFolder } = currentEnvironment();
  const { stdout: text, stderr: errors } = await deno(
    configFolder,
    "doc",
    "--json",
    `${REPOSITORY}/mod.ts`,
  );
  const nodes = docNodes(JSON.parse(text));
  assertEquals(nodes.length > 80, true, errors);
  const exported = nodes.filter(({ kind }) => kind !== "moduleDoc");
  const names = new Set(
    exported.filter(({ jsDoc }) => jsDoc?.doc !== undefined)
      .map(({ name }) => name),
  );
  assertEquals(
    exported.map(({ name }) => name).filter((name) => !names.has(name)),
    [],
  );
  const without = exported
    .filter(({ kind }) => ["function", "class", "variable"].includes(kind))
    .filter((node) =>
      !hasExample(node) &&
      ![
        ...(node.classDef ?? node.def)?.constructors ?? [],
        ...(node.classDef ?? node.def)?.methods ?? [],
      ].some(hasExample)
    ).map(({ name }) => name);
  assertEquals(without, []);
});

Deno.test("mod.ts shows the README's custom init", async () => {
  const readme = await Deno.readTextFile(`${REPOSITORY}/README.md`);
  const [, code = ""] = /^```ts\n([\s\S]*?)^```$/m.exec(readme) ?? [];
  const text = await Deno.readTextFile(`${REPOSITORY}/mod.ts`);
  assertStringIncludes(text.replaceAll(/^ \* ?/gm, ""), code);
});
